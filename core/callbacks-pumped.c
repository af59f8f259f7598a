/* The session's lock is its pump's monitor, and all that is needed: see instance-lock.h. */
#include "callbacks.h"

static BhResult notify(BhCallbackGate *gate, BhWorkers *workers, BhPumpFunc notification, gpointer data) {
  return bh_instance_lock_notify(&gate->instance, workers, notification, data);
}

static void call(BhCallbackGate *gate, BhPumpFunc func, gpointer data) {
  bh_instance_lock_call(&gate->instance, func, data);
}

/* Whoever changes something holds the instance lock, without which no call runs. */
static void nothing(BhCallbackGate *gate) {
  (void)gate;
}

const BhCallbacks bh_callbacks_pumped = {"pumped", notify, call, nothing, nothing};
