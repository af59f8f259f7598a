/* call-pump.h: run a notification on a worker, and what it asks for on the thread that notifies.
 *
 * A thread notifies a plugin and waits for it; the plugin, in another process, calls back; the call needs the lock
 * that the waiting thread holds. So the waiting thread runs it:
 *
 *   notifying thread             worker                    a thread the plugin's call came in on
 *   ────────────────             ──────                    ────────────────────────────────────
 *   run ───────────────────────▶ notification() ─ ─ ─ ─ ─▶ invoke(work)
 *     │ waits                      ╎                         │ waits
 *     │ ◀──────────────────────────┼─────────────────────────┘
 *     │ work()                     ╎
 *     │ ───────────────────────────┼───────────────────────▶ TRUE: it ran
 *     │ waits                      ╎ ◀ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┘ (back in the plugin)
 *     │ ◀────────── its result ────┘
 *   returns                                                invoke(late work)
 *                                                            │ waits, until its owner hands it back
 *                                                            FALSE: it did not run; run it yourself
 *
 * A pump belongs to a *monitor*: a mutex that guards all of it, and that its owner (the instance lock) shares. Every
 * function is called with the monitor held, and returns with it held; it is not held while a notification or a
 * piece of work runs. Because the pump outlives its notifications, a call may be queued before there is one: the
 * notification finds it there when it begins. Because a notification's end and the monitor's next release are one
 * step, no work is queued on a pump that has stopped looking.
 *
 * Guarantees: a piece of work runs exactly once, either on the pump or, after invoke returned FALSE, on its caller. It
 * says so out of band: no result of any work can be mistaken for "did not run". Work is served first come, first
 * served; the notification's end is looked for after every piece, so no stream of work can hold it up. Work never
 * notifies (asserted). */
#pragma once

#include "workers.h"

G_BEGIN_DECLS

typedef void (*BhPumpFunc)(gpointer data);

typedef struct {
  BhMutex *monitor;   /* guards all below */
  BhCond changed;     /* work was queued, or the notification ended; the notifying thread waits for it */
  GQueue waiting;     /* Work that is on the stack of its caller, in invoke */
  gboolean notifying; /* a notification is in flight */
  gboolean ended;     /* … and has ended */
  gboolean serving;   /* a piece of work runs on the notifying thread */
} BhCallPump;

void bh_call_pump_init(BhCallPump *pump, BhMutex *monitor);
void bh_call_pump_clear(BhCallPump *pump); /* nothing waits any more */

/* Runs notification(data) on a worker, and queued work here until it has returned. Only when no other notification is
 * in flight. BH_OK, or BH_E_OUTOFMEMORY: no thread can be had, and the notification did not run. */
BhResult bh_call_pump_run(BhCallPump *pump, BhWorkers *workers, BhPumpFunc notification, gpointer data);

/* Queues work and waits until a pump has run it (TRUE) or it was handed back (FALSE: the caller runs it). */
gboolean bh_call_pump_invoke(BhCallPump *pump, BhPumpFunc work, gpointer data);

/* A piece of work waits, and no notification is there to run it. */
gboolean bh_call_pump_has_waiting(BhCallPump *pump);

/* Hands the oldest waiting work back to its caller. Returns the caller's thread (see bh_thread_self), so that what it
 * needs can be made its own before it wakes. */
gpointer bh_call_pump_hand_back(BhCallPump *pump);

G_END_DECLS
