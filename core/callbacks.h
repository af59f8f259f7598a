/* callbacks.h: how a plugin's call gets back into a session that is busy notifying plugins.
 *
 * There are two designs, chosen per plugin manager. `pumped`: the call runs on the notifying thread, under the one
 * lock of the session. `shared`: the call runs on its own thread, under a second lock that calls share. Sessions are
 * written against this interface and do not know which it is.
 *
 *   callbacks->notify(&session->lock, workers, send_to_plugin, &notification);    by an operation, holding the lock
 *   callbacks->call(&session->lock, mount_folder, &request);                      by a plugin's call
 *
 * Both run what they are given exactly once, unless notify says that it could not. Ranks and threads: see
 * instance-lock.h. */
#pragma once

#include "instance-lock.h"

G_BEGIN_DECLS

typedef struct {
  const char *name;

  /* Runs notification(data), which blocks until the plugin's hook has returned, so that calls can be served meanwhile.
   * The caller holds the lock. BH_OK: it ran; BH_E_OUTOFMEMORY: no thread can be had, it did not. */
  BhResult (*notify)(BhInstanceLock *lock, BhWorkers *workers, BhPumpFunc notification, gpointer data);

  /* Runs call(data) when the session's state may be used, and returns when it has run. */
  void (*call)(BhInstanceLock *lock, BhPumpFunc call, gpointer data);
} BhCallbacks;

extern const BhCallbacks bh_callbacks_pumped;

G_END_DECLS
