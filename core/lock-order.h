/* lock-order.h: no deadlock by order, checked where locks are taken.
 *
 * Every lock has a class with a rank (sync.h). A thread may only take a lock of a higher rank than all it holds, or,
 * where the class allows it, one that it holds already. Leaf locks are taken last, one at a time. Then no circle of
 * threads that wait for each other's locks can arise.
 *
 *   bh_lock_order_start(BH_LOCK_ORDER_FATAL);
 *
 * A violation names the lock wanted, the lock held, the thread, and where in the source each was taken. FATAL ends the
 * process (tests, debug builds); LOG says the first one and goes on (release builds).
 *
 * Threading: each thread keeps its own list of the locks it holds; nothing is shared. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

typedef enum {
  BH_LOCK_ORDER_FATAL,
  BH_LOCK_ORDER_LOG,
} BhLockOrderMode;

/* Becomes the process's sync observer. Before any lock is taken. */
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
