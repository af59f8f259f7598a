/* init-protocol.h: between the agent and a sandbox's init, over a SOCK_SEQPACKET pair of descriptors.
 *
 *     init ── READY ────────────────────▶ agent      once; the kernel adds init's PID as the agent sees it
 *          ◀───────────── RUN (+4 fds) ──
 *          ── STARTED or FAILED ────────▶
 *          ── EXITED ───────────────────▶            after STARTED, when that process ends
 *
 *     child ── FILTERED (+1 fd) ───────▶ agent      the child that a RUN with INIT_WATCHED forks, before it executes:
 *                                                    the listener of its system call filter (filter.h)
 *
 * A packet is one struct, so none is ever half there. RUN carries four descriptors: a memory file that holds the
 * path, the whole argv and what goes before init's own environment, each ended by a NUL; and what becomes stdin, stdout
 * and stderr. It is plain C, as init is. */
#pragma once

#include <stdint.h>

/* init's descriptors at its start; 0 and 1 are /dev/null, and 2 tells the agent what bwrap or init complain of. */
#define INIT_CONTROL_FD 3 /* to the agent */
#define INIT_SELF_FD    4 /* itself, as bwrap executes it: /proc/self/fd/4 */

#define INIT_RUN_FDS 4

enum { INIT_READY = 1, INIT_RUN, INIT_STARTED, INIT_FAILED, INIT_EXITED, INIT_FILTERED };

/* RUN's value, a set. */
enum {
  INIT_LAST = 1,   /* it is the last one: then init ends when no process is left */
  INIT_WATCHED = 2 /* somebody watches: it is to be filtered */
};

typedef struct {
  uint32_t kind;
  uint32_t id;            /* RUN's, in all that is said about it */
  int32_t value;          /* FAILED: errno, or the HRESULT (which is negative) by which whoever watches refused it;
                           * EXITED: status as wait(2) has it; RUN: a set of the above */
  uint32_t pid;           /* STARTED: as the sandbox sees it */
  uint32_t arguments;     /* RUN: how many of the strings after the path are argv */
  uint64_t pid_namespace; /* READY: the inode's number */
} InitPacket;
