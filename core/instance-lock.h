/* instance-lock.h: a session's recursive lock, which also knows the notification in flight.
 *
 * Operations of a session (start, stop, …) take the lock and hold it while they notify plugins. A plugin's call needs
 * the same lock. Lock and pump are one monitor, so a call waits for *either* the lock to be free *or* a notification
 * to be there, and takes whichever comes first:
 *
 *   bh_instance_lock_acquire(lock);                 bh_instance_lock_call(lock, mount, &request);
 *   …                                                 │ waits
 *   bh_instance_lock_notify(lock, workers, …);   ◀────┘ runs here, on the notifying thread
 *   …
 *   bh_instance_lock_release(lock);              ◀──── or here, on its own thread, holding the lock
 *
 * There is no window in which a call could miss both: the queue it waits in is the one that the notification serves and
 * that `release` hands the lock to.
 *
 * Fair: operations come first come, first served; a waiting operation goes before waiting calls; calls are first
 * come, first served. A stream of calls can hold up an operation by the one call that is running, and no more.
 *
 * The lock is handed over: when `release` finds somebody waiting, that thread owns the lock before it wakes.
 *
 * Rank: `instance`, recursive. The monitor inside is of rank `pump`. */
#pragma once

#include "call-pump.h"

G_BEGIN_DECLS

typedef struct {
  BhMutex monitor;   /* guards all below */
  gpointer owner;    /* the thread that holds the lock, NULL: none */
  guint depth;       /* how often */
  GQueue operations; /* threads that wait in acquire */
  BhCallPump pump;   /* calls that wait, and the notification that may run them */
} BhInstanceLock;

void bh_instance_lock_init(BhInstanceLock *lock);
void bh_instance_lock_clear(BhInstanceLock *lock); /* nobody holds it or waits */

/* Its class, for assertions about what a thread holds. */
extern const BhLockClass bh_instance_lock_class;

#define bh_instance_lock_acquire(lock) bh_instance_lock_acquire_at(lock, G_STRLOC)
void bh_instance_lock_acquire_at(BhInstanceLock *lock, const char *site);

void bh_instance_lock_release(BhInstanceLock *lock);

/* Runs notification(data) on a worker and, until it has returned, the calls that come on this thread. The caller holds
 * the lock, and does not notify already. BH_OK, or BH_E_OUTOFMEMORY: no thread, it did not run. */
BhResult bh_instance_lock_notify(BhInstanceLock *lock, BhWorkers *workers, BhPumpFunc notification, gpointer data);

/* Runs call(data), once: on the thread of a notification in flight, or here, holding the lock. Returns when it has run.
 * From any thread that does not hold the lock. */
void bh_instance_lock_call(BhInstanceLock *lock, BhPumpFunc call, gpointer data);

G_END_DECLS
