/* lock-order.h: no deadlock by order, checked where locks are taken.
 *
 * Every lock has a class with a rank (sync.h). A thread may only take a lock of a higher rank than all it holds, or,
 * where the class allows it, one that it holds already. Leaf locks are taken last, one at a time. Then no circle of
 * threads that wait for each other's locks can arise.
 *
 *   bh_lock_order_start(bh_lock_order_mode_of_build());
 *
 * A violation is reported before the thread waits. The report names the lock it wants and the lock it holds, the thread,
 * and where in the source each was taken; and, of the lock it wants, which thread has it at that moment, and where that
 * thread took it. So a circle of two shows both of its halves:
 *
 *   thread 71 takes instance (rank 2) at session.c:20 while it holds manager (rank 4) from manager.c:10;
 *   thread 70 has instance from session.c:31
 *
 * FATAL ends the process (tests, debug builds); LOG says the first one and goes on (release builds).
 *
 * Threading: each thread keeps a list of the locks it holds. What the threads *have*, as opposed to wait for, stands in one
 * list besides, under a mutex that no observer sees and that is the last to be taken. Not started, none of it is touched. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

typedef enum {
  BH_LOCK_ORDER_FATAL,
  BH_LOCK_ORDER_LOG,
} BhLockOrderMode;

/* LOG if core was built without assertions (NDEBUG or G_DISABLE_ASSERT: Meson's release builds), else FATAL. */
BhLockOrderMode bh_lock_order_mode_of_build(void);

/* Becomes one of the process's sync observers. While no thread holds a lock. */
void bh_lock_order_start(BhLockOrderMode mode);

/* As bh_lock_order_start, but each report goes to func (valid during the call), and nothing else happens. */
typedef void (*BhLockOrderReport)(const char *report, gpointer data);
void bh_lock_order_start_with(BhLockOrderReport func, gpointer data);

/* No longer. While no other thread holds a lock. */
void bh_lock_order_stop(void);

/* The calling thread holds nothing but this lock (NULL: nothing at all), however often: asserted where a notification
 * leaves for a plugin, and where a host's events are waited for. doing: for the report. Nothing when lock-order was not
 * started. */
void bh_lock_order_assert_only(const BhLockClass *lock_class, gconstpointer lock, const char *doing);

G_END_DECLS
