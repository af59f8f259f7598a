/* init.c: bulkhead-init, process 1 of every sandbox. It runs what the agent asks it to run, tells of errno and
 * exit, and reaps whatever ends. When the agent's socket closes it ends, and with it the PID namespace.
 *
 * Linked statically and without GLib, because it runs in root folders that may hold no library at all. Whatever
 * it must trust comes from the agent; nothing that runs inside the sandbox has its socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/agent/init-protocol.h"

typedef struct Process Process;
struct Process {
  Process *next;
  pid_t pid;
  uint32_t id;
};

static Process *processes; /* started by a RUN and not reaped yet */
static int last;           /* no RUN will come any more */

static void die(const char *what) {
  fprintf(stderr, "bulkhead-init: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void say(uint32_t kind, uint32_t id, int32_t value, uint32_t pid) {
  InitPacket packet = {.kind = kind, .id = id, .value = value, .pid = pid};
  struct stat inode;

  if (kind == INIT_READY && stat("/proc/self/ns/pid", &inode) == 0) packet.pid_namespace = inode.st_ino;
  if (send(INIT_CONTROL_FD, &packet, sizeof packet, MSG_NOSIGNAL) < 0) exit(1);
}

/* The strings of a memory file as a vector, NULL-terminated: the path, argv, environment. Mapped privately and never
 * freed by the child that uses it. NULL: errno says why. */
static char **read_vector(int file, size_t *length) {
  struct stat found;
  size_t size, count = 0, at = 0;
  char **vector, *bytes;

  if (fstat(file, &found) < 0) return NULL;
  size = (size_t)found.st_size;
  bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (bytes == MAP_FAILED) return NULL;
  for (size_t i = 0; i < size; i++) count += bytes[i] == '\0';
  vector = calloc(count + 1, sizeof *vector);
  if (vector == NULL) return NULL;
  for (size_t i = 0; i < count; i++) {
    vector[i] = bytes + at;
    at += strlen(bytes + at) + 1;
  }
  *length = count;
  return vector;
}

/* In the child: becomes the program, or tells why not. fds are RUN's. */
static void become(const int *fds, size_t arguments, int failure) {
  size_t length = 0;
  char **vector = read_vector(fds[0], &length);
  sigset_t none;
  int error;

  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  if (vector == NULL || dup2(fds[1], 0) < 0 || dup2(fds[2], 1) < 0 || dup2(fds[3], 2) < 0) goto out;
  /* The later goes before the earlier, and all before what init has. putenv removes what has no "=": leave it out. */
  for (size_t i = 1 + arguments; i < length; i++)
    if (strchr(vector[i], '=') != NULL) putenv(vector[i]);
  if (1 + arguments < length) vector[1 + arguments] = NULL;
  execve(vector[0], vector + 1, environ);
out:
  error = errno;
  if (write(failure, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

/* Starts a program. Its exec closes the pipe; a failure's errno comes through it. Returns an errno. */
static int start(const int *fds, size_t arguments, pid_t *pid) {
  int ends[2], error = 0;

  if (pipe2(ends, O_CLOEXEC) < 0) return errno;
  *pid = fork();
  if (*pid == 0) become(fds, arguments, ends[1]);
  if (*pid < 0) error = errno;
  close(ends[1]);
  if (error == 0 && read(ends[0], &error, sizeof error) < 0) error = errno;
  close(ends[0]);
  return error;
}

static void run(const InitPacket *packet, const int *fds) {
  Process *process = calloc(1, sizeof *process);
  int error = process != NULL ? start(fds, packet->arguments, &process->pid) : ENOMEM;

  last = packet->value != 0;
  if (error != 0) {
    free(process); /* a child that could not exec is reaped like any orphan */
    say(INIT_FAILED, packet->id, error, 0);
    return;
  }
  process->id = packet->id;
  process->next = processes;
  processes = process;
  say(INIT_STARTED, packet->id, 0, (uint32_t)process->pid);
}

static void listen_to_agent(void) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(INIT_RUN_FDS * sizeof(int))];
  } control;
  InitPacket packet;
  struct iovec part = {&packet, sizeof packet};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *rights;
  int fds[INIT_RUN_FDS];
  ssize_t got = recvmsg(INIT_CONTROL_FD, &message, MSG_CMSG_CLOEXEC);

  if (got < 0 && errno == EINTR) return;
  if (got != sizeof packet || packet.kind != INIT_RUN) exit(0);
  rights = CMSG_FIRSTHDR(&message);
  if (rights == NULL || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof fds)) exit(1);
  memcpy(fds, CMSG_DATA(rights), sizeof fds);
  run(&packet, fds);
  for (int i = 0; i < INIT_RUN_FDS; i++) close(fds[i]);
}

static void reap(void) {
  pid_t pid;
  int status;

  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    for (Process **at = &processes; *at != NULL; at = &(*at)->next) {
      Process *process = *at;

      if (process->pid != pid) continue;
      *at = process->next;
      say(INIT_EXITED, process->id, status, (uint32_t)pid);
      free(process);
      break;
    }
  }
  if (pid < 0 && errno == ECHILD && last) exit(0);
}

int main(void) {
  struct signalfd_siginfo ignored;
  struct pollfd waits[2] = {{.fd = INIT_CONTROL_FD, .events = POLLIN}, {.events = POLLIN}};
  sigset_t child;

  prctl(PR_SET_NAME, "bulkhead-init");
  umask(022);
  close(INIT_SELF_FD);
  fcntl(INIT_CONTROL_FD, F_SETFD, FD_CLOEXEC);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_SETMASK, &child, NULL);
  waits[1].fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (waits[1].fd < 0) die("signalfd");

  say(INIT_READY, 0, 0, 0);
  for (;;) {
    if (poll(waits, 2, -1) < 0) {
      if (errno != EINTR) die("poll");
      continue;
    }
    if (waits[1].revents != 0) {
      while (read(waits[1].fd, &ignored, sizeof ignored) > 0) continue;
      reap();
    }
    if (waits[0].revents != 0) listen_to_agent();
  }
}
