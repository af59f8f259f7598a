/* thread-ring.h: how a host says that its threads begin and end: a section that it shares with the service.
 *
 *   service                                   host
 *   ───────                                   ────
 *                              ◀───────────── Attach: asks for it (host/threads.h)
 *   Threads: makes ring and event ──────────▶
 *   watch: head = tail, watched = TRUE
 *                                             a thread begins or ends. Windows says so under the loader lock:
 *                                               watched? a slot, SetEvent ─┐
 *   the event: reads slots, head = next  ◀────────────────────────────────┘
 *
 * A thread that begins or ends can call nobody: it holds the lock that every other one needs to begin, to end, or to load a
 * DLL. So it takes no lock, allocates nothing and waits for nothing. Nor does it need somebody to send what it wrote: that is
 * with the service already, also when the host crashes. While it is not watched, a thread costs one look at `watched`.
 *
 * A slot is one number, written at once:
 *
 *   63                33  32  31            0
 *   ├──── lap (31) ────┤ end ├──── thread ──┤     lap: how often the ring was gone round, from 1: a slot of
 *                                                 an earlier one is not written yet
 *
 * A ring that is full loses what comes, and says so (`lost`). The service believes nothing that stands here without looking
 * at the thread (service/host-threads.h), and keeps its own count of what it has read. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

#define BH_THREAD_RING_SLOTS 8192u /* a power of two */

typedef struct {
  volatile LONG watched; /* the service's word */
  volatile LONG lost;    /* the host's: set; the service's: cleared */
  volatile LONG64 head;  /* the service's: the first slot that it has not read */
  volatile LONG64 tail;  /* the host's: the first that nobody has taken */
  volatile LONG64 slots[BH_THREAD_RING_SLOTS];
} BhThreadRing;

#define BH_THREAD_RING_END ((guint64)1 << 32)

static inline guint64 bh_thread_ring_lap(guint64 position) {
  return ((position / BH_THREAD_RING_SLOTS + 1) & 0x7FFFFFFF) << 33;
}

G_END_DECLS
