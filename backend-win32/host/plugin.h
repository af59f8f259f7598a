/* plugin.h: the one plugin of this process: its DLL, its hooks, and how they are called.
 *
 *   bh_plugin_load(&plugin, path, &reply);                 DllMain and entry point run here
 *   bh_plugin_notify(&plugin, &notification, &reply);      a hook runs here
 *
 * Everything of the plugin's is called through the guard: a fault ends the process. It is never unloaded.
 *
 * Threading: load once, before any notify; notify from any thread, several at once. Nothing changes after
 * load. */
#pragma once

#include "backend-win32/wire.h"

#include "backend-win32/WslPluginApi.h"

G_BEGIN_DECLS

typedef struct {
  HMODULE module;
  union {
    struct WSLPluginHooksV1 named;    /* as the plugin fills it */
    gpointer numbered[BH_HOOK_COUNT]; /* as we call them; by BhHook */
  } hooks;
} BhPlugin;

/* Loads the DLL and runs its entry point. What came of it, and why in words, is in the reply. */
void bh_plugin_load(BhPlugin *plugin, const char *path, BhLoadReply *reply);

/* Runs the hook on the calling thread. A hook that the plugin does not have succeeds. */
void bh_plugin_notify(const BhPlugin *plugin, const BhNotification *notification, BhNotifyReply *reply);

G_END_DECLS
