/* callbacks.h: how a plugin's call gets back into a session that is busy notifying plugins.
 *
 * There are two designs, chosen per plugin manager. Sessions are written against this interface and do not know which
 * it is.
 *
 *   pumped   one lock. A call runs on the notifying thread, which holds it, or on its own thread when it is free. Calls run
 *            one after another, as if the plugin had called from inside its hook.
 *   shared   two locks. A call runs on its own thread under the *callback* lock, which calls share, so that several run at
 *            once. Whoever changes what calls look at (the VM, the running instances) takes it alone, for as long as the
 *            change lasts; so a VM's end waits for the calls in flight.
 *
 *   operation, holding the instance lock                 plugin's call
 *   ────────────────────────────────────                 ─────────────
 *   callbacks->notify(gate, workers, send, &delivery)     callbacks->call(gate, mount_folder, &request)
 *   callbacks->mutate_begin(gate);
 *     session->vm = NULL;
 *   callbacks->mutate_end(gate);
 *
 * Order: instance, then callback; never the reverse. A call never waits for the instance lock under `shared`, and a mutation
 * waits for calls only, each of which ends by itself: neither can wait for the other in a circle.
 *
 * Both designs run what they are given exactly once, unless notify says that it could not. */
#pragma once

#include "instance-lock.h"

G_BEGIN_DECLS

/* What a session has of locks. */
typedef struct {
  BhInstanceLock instance;

  /* The callback lock; `pumped` leaves it alone. Shared by calls, taken alone by a mutation. A waiting mutation goes before
   * calls that come later, so no stream of calls can hold it up. */
  BhMutex monitor;   /* guards the three below */
  BhCond changed;    /* one of them has, so that somebody may go on */
  guint calls;       /* that run */
  gboolean mutating; /* a mutation runs, or waits for the calls to end */
} BhCallbackGate;

void bh_callback_gate_init(BhCallbackGate *gate);
void bh_callback_gate_clear(BhCallbackGate *gate); /* nobody is inside or waits */

typedef struct {
  const char *name;

  /* Runs notification(data), which blocks until the plugin's hook has returned, so that calls can be served meanwhile.
   * The caller holds the instance lock. BH_OK: it ran; BH_E_OUTOFMEMORY: no thread can be had, it did not. */
  BhResult (*notify)(BhCallbackGate *gate, BhWorkers *workers, BhPumpFunc notification, gpointer data);

  /* Runs call(data) when the session's state may be used, and returns when it has run. */
  void (*call)(BhCallbackGate *gate, BhPumpFunc call, gpointer data);

  /* Around each change of what a call looks at. The caller holds the instance lock; not while notifying; they do not
   * nest. */
  void (*mutate_begin)(BhCallbackGate *gate);
  void (*mutate_end)(BhCallbackGate *gate);
} BhCallbacks;

extern const BhCallbacks bh_callbacks_pumped;
extern const BhCallbacks bh_callbacks_shared;

/* The design of that name, or NULL. */
const BhCallbacks *bh_callbacks_by_name(const char *name);

G_END_DECLS
