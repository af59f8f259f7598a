/* A second lock, which calls share: see callbacks.h. */
#include "callbacks.h"

static const BhLockClass callback_class = {"callback lock", BH_RANK_CALLBACK, FALSE};

/* Calls need nothing of the notifying thread, so it makes the notification itself. */
static BhResult notify(BhCallbackGate *gate, BhWorkers *workers, BhPumpFunc notification, gpointer data) {
  (void)gate;
  (void)workers;
  notification(data);
  return BH_OK;
}

static void call(BhCallbackGate *gate, BhPumpFunc func, gpointer data) {
  bh_sync_note_acquire(&callback_class, gate, G_STRLOC);
  bh_mutex_lock(&gate->monitor);
  while (gate->mutating) bh_cond_wait(&gate->changed, &gate->monitor);
  gate->calls++;
  bh_mutex_unlock(&gate->monitor);
  bh_sync_note_acquired(&callback_class, gate);

  func(data);

  bh_sync_note_release(&callback_class, gate);
  bh_mutex_lock(&gate->monitor);
  if (--gate->calls == 0) bh_cond_broadcast(&gate->changed);
  bh_mutex_unlock(&gate->monitor);
}

static void mutate_begin(BhCallbackGate *gate) {
  bh_sync_note_acquire(&callback_class, gate, G_STRLOC);
  bh_mutex_lock(&gate->monitor);
  g_assert(!gate->mutating); /* the instance lock admits one at a time */
  gate->mutating = TRUE;     /* from here on no call begins */
  while (gate->calls > 0) bh_cond_wait(&gate->changed, &gate->monitor);
  bh_mutex_unlock(&gate->monitor);
  bh_sync_note_acquired(&callback_class, gate);
}

static void mutate_end(BhCallbackGate *gate) {
  bh_sync_note_release(&callback_class, gate);
  bh_mutex_lock(&gate->monitor);
  gate->mutating = FALSE;
  bh_cond_broadcast(&gate->changed);
  bh_mutex_unlock(&gate->monitor);
}

const BhCallbacks bh_callbacks_shared = {"shared", notify, call, mutate_begin, mutate_end};
