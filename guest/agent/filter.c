#include "guest/agent/filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest/agent/calls.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define ROW_SIZE                  16
#define FOREIGN                   0x40000000u /* x32's numbers begin here; of another machine's, none is as large */
#define ROWS                      (sizeof bh_calls / sizeof bh_calls[0])
#define LOAD(what)                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define GIVE(what)                BPF_STMT(BPF_RET | BPF_K, what)
#define UNLESS(test, value, skip) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, 0, skip)

/* What becomes of one architecture's calls; another's go on after it. Most calls meet few of these, and the kernel remembers
 * which are allowed whatever their arguments. */
static void add_row(struct sock_filter *at, const BhCalls *row) {
  const struct sock_filter filter[ROW_SIZE] = {
      LOAD(arch),
      UNLESS(BPF_JEQ, row->arch, ROW_SIZE - 2),
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, row->execve, 1, 0),
      UNLESS(BPF_JEQ, row->execveat, 1),
      GIVE(SECCOMP_RET_USER_NOTIF),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, row->clone3, 1, 0),
      UNLESS(BPF_JGE, FOREIGN, 1),
      GIVE(SECCOMP_RET_ERRNO | ENOSYS),
      UNLESS(BPF_JEQ, row->clone, 5),
      LOAD(args[0]), /* its lower half: such machines are little-endian */
      UNLESS(BPF_JSET, CLONE_UNTRACED, 1),
      GIVE(SECCOMP_RET_ERRNO | EPERM),
      UNLESS(BPF_JSET, CLONE_PARENT, 1),
      GIVE(SECCOMP_RET_USER_NOTIF),
      GIVE(SECCOMP_RET_ALLOW),
  };

  for (int i = 0; i < ROW_SIZE; i++) at[i] = filter[i];
}

int bh_filter_install(void) {
  struct sock_filter filter[ROWS * ROW_SIZE + 1];
  struct sock_fprog program = {0, filter};
  int listener;

  for (const BhCalls *row = bh_calls; row->arch != 0; row++, program.len += ROW_SIZE)
    add_row(filter + program.len, row);
  filter[program.len++] = (struct sock_filter)GIVE(SECCOMP_RET_ALLOW);
  errno = ENOSYS;
  if (program.len == 1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  /* Once the agent looks at a call, only a deadly signal takes it back; kernels before 5.19 have that not yet. */
  listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                          SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
  if (listener < 0 && errno == EINVAL)
    listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  return listener;
}
