/* plugin-host.h: one plugin and the host it runs in.
 *
 *   discovered ──▶ loading ──▶ ready ──▶ crashed
 *                     │                     ╎
 *                     └──▶ failed           ╎      (release, from any of them)
 *
 * A host's death is learnt of twice, in either order: a call to it fails, and the backend says `died`. Both meet in one
 * place, which latches the crash and reports it once; the latch is set before the plugin stops being ready, so that
 * nobody can find it not ready and nothing latched. Before `ready`, a death is a load failure, and the manager's to latch, so
 * that of several plugins that fail to load the first in discovery order is the one remembered.
 *
 * Threading: any function from any thread, except as said. The lock is a leaf and never held across the backend. */
#pragma once

#include "backend.h"
#include "host-crash.h"
#include "process-notify.h"
#include "process-table.h"
#include "trace.h"

G_BEGIN_DECLS

typedef struct BhPluginHost BhPluginHost;

/* Serves a call of a loaded plugin; see BhLinkEvents. processes: those that its link was handed. Calls that name one of
 * them do not come here: they are the link's own. */
typedef void (*BhServeFunc)(gpointer data, const BhCall *call, BhProcessTable *processes, BhCallReply *reply);

/* What a host shares with the others of its manager. Outlives them. */
typedef struct {
  BhBackend *backend;
  BhTrace *trace;
  BhLatch *latch;
  BhProcessNotify *notify; /* NULL: nobody is told of its processes */
  BhServeFunc call;
  gpointer data;
} BhPluginHostShared;

BhPluginHost *bh_plugin_host_new(const BhPluginHostShared *shared, const char *name, const char *path);

const char *bh_plugin_host_name(const BhPluginHost *host);
const char *bh_plugin_host_path(const BhPluginHost *host);

/* Nobody has begun to load it. */
gboolean bh_plugin_host_is_untried(BhPluginHost *host);

/* Starts the host, loads the plugin, runs its entry point. Blocks; only one thread, once. BH_OK, or the code of the load
 * failure: a dead host's is BH_CRASH_CODE, or BH_E_TIMEOUT if it was given up. The cause has been traced. */
BhResult bh_plugin_host_load(BhPluginHost *host);

/* Ends a load that was begun, or is about to be, and takes too long. TRUE: bh_plugin_host_load has returned or will promptly. FALSE: the backend is still
 * starting the host, or has not begun; the load will fail when it comes back. */
gboolean bh_plugin_host_give_up(BhPluginHost *host, const char *reason);

/* Ends the host: a crash like any other. FALSE: there is none yet. */
gboolean bh_plugin_host_kill(BhPluginHost *host, const char *reason);

/* The plugin is ready, and has this hook. */
gboolean bh_plugin_host_wants(BhPluginHost *host, BhHook hook);

/* Runs the hook and waits for it. What is returned is classified: BH_TRANSPORT_OK means that reply is what the plugin
 * said. BH_TRANSPORT_DEAD: the crash has been latched. *status, when not OK: the transport's word. */
BhTransport bh_plugin_host_notify(BhPluginHost *host, const BhNotification *notification, BhNotifyReply *reply,
                                  BhResult *status);

/* Lets the host go and frees host. No call to it may run; the caller holds no lock. */
void bh_plugin_host_free(BhPluginHost *host);

G_END_DECLS
