/* calls.h: the system calls by which a program becomes another image, or makes what nobody could follow, as the machine's
 * kinds of program number them. Shared by init, which filters them, and the agent, which reads their arguments. Plain C.
 *
 * A machine of which nothing is said here has no filter: its programs are told of, and cannot be refused. */
#pragma once

#include <linux/audit.h>
#include <stdint.h>

typedef struct {
  uint32_t arch;     /* as seccomp has it */
  uint32_t pointer;  /* bytes of one */
  uint32_t execve;   /* path, argv, … */
  uint32_t execveat; /* folder, path, argv, environment, flags */
  uint32_t clone;    /* flags, … */
  uint32_t clone3;   /* a struct, which no filter can look into */
} BhCalls;

static const BhCalls bh_calls[] = {
#if defined __x86_64__
    {AUDIT_ARCH_X86_64, 8, 59, 322, 56, 435},
    {AUDIT_ARCH_I386, 4, 11, 358, 120, 435},
#elif defined __aarch64__
    {AUDIT_ARCH_AARCH64, 8, 221, 281, 220, 435},
    {AUDIT_ARCH_ARM, 4, 11, 387, 120, 435},
#endif
    {0},
};

/* The row of an architecture, or NULL. */
static inline const BhCalls *bh_calls_of(uint32_t arch) {
  for (const BhCalls *row = bh_calls; row->arch != 0; row++)
    if (row->arch == arch) return row;
  return 0;
}
