/* timers.h: things to be done later, unless they are called off.
 *
 *   session->timer = bh_timers_set(timers, bh_clock_deadline(timeout), on_idle, bh_session_ref(session), unref);
 *   …
 *   bh_timers_cancel(timers, session->timer);
 *
 * Calling off never waits: a timer that is due already may still run, so its function looks again whether there is
 * something to do. Hence a timer may be called off with any lock held, and no deadlock can come of it.
 *
 * One thread for all timers; it waits for the next deadline, and has what is due done by a worker.
 *
 * Threading: any function from any thread but new and free. The lock is a leaf. */
#pragma once

#include "workers.h"

G_BEGIN_DECLS

typedef struct BhTimers BhTimers;

/* workers outlives it. Makes no thread yet. */
BhTimers *bh_timers_new(BhWorkers *workers);

/* Has func(data) run once the clock reaches deadline (µs), on a worker; then, or when it is called off, free_data(data),
 * which may be NULL. Returns the timer's number, or 0: no thread can be had; then data was freed. free_data must not come
 * back here. */
guint64 bh_timers_set(BhTimers *timers, gint64 deadline, BhWorkerFunc func, gpointer data,
                      GDestroyNotify free_data);

/* Calls it off; without effect if it is due, or was called off, or is 0. */
void bh_timers_cancel(BhTimers *timers, guint64 timer);

/* Calls off all, and ends the thread; what is due has been given to the workers. */
void bh_timers_free(BhTimers *timers);

G_END_DECLS
