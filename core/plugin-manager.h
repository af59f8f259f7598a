/* plugin-manager.h: all plugins: who is loaded, who is told of what, who may abort it.
 *
 * A session asks before its first VM that the plugins be loaded, and then tells them of events, in rounds: one plugin
 * after the other, in the order they were discovered, until one aborts.
 *
 *   result = bh_plugin_manager_load(manager, context, error);
 *   result = bh_plugin_manager_notify(manager, &session->gate, &notification, context, error);
 *
 * Guarantees (contract, sections 3, 5, 6): plugins are loaded once per manager, all at the same time, within one
 * deadline, even if a host cannot be started in that time; a failure to load and a crash are latched, and fail every aborting round from then on without driving a
 * dead host; other rounds pass over the dead and go on. A plugin's result is never taken for the transport's.
 *
 * Threading: any function from any thread, but add and free. A round holds no lock of the manager's. */
#pragma once

#include "callbacks.h"
#include "plugin-host.h"

G_BEGIN_DECLS

typedef struct {
  BhBackend *backend;
  BhTrace *trace;
  BhWorkers *workers;
  BhProcessNotify *notify; /* told of what hosts run; NULL: nobody is */
  const BhCallbacks *callbacks;
  gint64 load_timeout; /* µs, for all plugins together */
  BhServeFunc call;
  gpointer data;
} BhPluginManagerSettings;

typedef struct BhPluginManager BhPluginManager;

/* settings is copied; what it points to outlives the manager. */
BhPluginManager *bh_plugin_manager_new(const BhPluginManagerSettings *settings);

/* Adds a plugin that was discovered. FALSE: path or name is there already (compared without regard to case), or one of
 * the two is empty; traced, and nothing added. Before the first load. */
gboolean bh_plugin_manager_add(BhPluginManager *manager, const char *name, const char *path);

/* Loads the plugins if that was not done; waits while another thread does. An error: something is latched, or no thread
 * could be had (and then it is tried again the next time). */
BhResult bh_plugin_manager_load(BhPluginManager *manager, const BhContext *context, BhError **error);

gboolean bh_plugin_manager_is_loaded(BhPluginManager *manager);

/* A round. notification's number is set here. gate: the VM session's, whose instance lock the caller holds; NULL for a WSLC session.
 * An aborting hook's failure is returned, with the error that the user sees; any other is traced. */
BhResult bh_plugin_manager_notify(BhPluginManager *manager, BhCallbackGate *gate, BhNotification *notification,
                                  const BhContext *context, BhError **error);

const BhCallbacks *bh_plugin_manager_callbacks(const BhPluginManager *manager);

/* Ends every host there is, at once: hooks and loads that hang return. Crashes like any other. */
void bh_plugin_manager_kill_hosts(BhPluginManager *manager, const char *reason);

/* Releases the hosts and frees manager. No session uses it any more; the caller holds no lock. */
void bh_plugin_manager_free(BhPluginManager *manager);

G_END_DECLS
