/* mock.h: a backend whose hosts are threads of this process.
 *
 * It implements core/backend.h without a second process, natively and on Windows alike, and can do what no
 * real backend can: die at a chosen moment, and fail at a chosen step. What travels between service and
 * plugin goes through core/record in both directions, so that a plugin sees what it would see in a real
 * host, and the codec is exercised.
 *
 * A plugin is one of two things. Unit tests write it in C:
 *
 *   static BhResult refuse(BhMockHost *host, const BhNotification *notification, gpointer data) {
 *     bh_mock_host_plugin_error(host, "No licence");
 *     return BH_E_FAIL;
 *   }
 *   static const BhMockPlugin plugins[] = {{.name = "Shield", .hooks = 1 << BH_HOOK_VM_STARTED, .hook = refuse}};
 *   BhBackend *backend = bh_backend_mock_new(plugins, G_N_ELEMENTS(plugins));
 *
 * Any other plugin is a script (script.h): its BhPluginSpec.path is the file to read.
 *
 * Plugin code runs on threads of its host, never on the thread that calls load or notify:
 *
 *     service thread            thread of the host            another thread of the host, or of the service
 *     ──────────────            ──────────────────            ─────────────────────────────────────────────
 *     notify: encode ──────────▶ decode, hook-slot: begin
 *       │ waits                    plugin->hook
 *       │                            bh_mock_host_call
 *       │                              encode, decode
 *       │                              events->call ········▶ (waits for a session's lock, say)
 *       │                                                     bh_mock_host_crash, or kill: the host is dead
 *       │ ◀─ RPC_S_CALL_FAILED ───────────────────────────────  plugin->gone; the undertaker calls events->died
 *     (goes on, unlocks)              its reply is closed,
 *                                     E_UNEXPECTED
 *                                   returns; nobody listens
 *     release: waits until no plugin code runs any more
 *
 * So notify and load return as soon as the host is dead, whatever the plugin is doing. A thread cannot be
 * ended from outside: one that runs on in a dead host is told so by the next thing it asks of the host
 * (every function below fails then) and must return soon; `release` waits for all of them, and so for a
 * lock that such a thread's call waits for.
 *
 * Statuses: an unknown failure is never made up. A host that is gone answers RPC_S_SERVER_UNAVAILABLE, one
 * that dies during a load or notify RPC_S_CALL_FAILED; a thread that cannot be had is E_OUTOFMEMORY;
 * everything else is asked for with bh_backend_mock_fail. A call that was on its way when the host died may
 * still be running when `died` comes, or even begin just then: waiting for it would keep the news from a
 * service whose lock the call wants. Its result is closed in any case.
 *
 * To whoever watches a host is a process, a child of this one, with a first thread, the threads that its plugin spawns, and the
 * children that it starts. (The threads on which load and hooks run come and go with the mock's workers, and are not told of.)
 * All are Win32's, and the mock knows it: nothing is assumed.
 *
 * Threading: a backend's lock guards its faults and numbers; a host's lock guards its state. Both are leaves, neither
 * is held while plugin code, an event or another room's function that locks is running. */
#pragma once

#include "core/backend.h"
#include "core/sync.h"

G_BEGIN_DECLS

typedef struct BhMockHost BhMockHost;
typedef struct BhMockThread BhMockThread;

/* A plugin in C. Members that are NULL do nothing and succeed. All but gone run on threads of the host. */
typedef struct {
  const char *name; /* serves each BhPluginSpec of that name; static */
  guint32 hooks;    /* bit n: it has hook n */

  /* The entry point. reply is S_OK and hooks; change what is otherwise, cause (g_malloc) included. */
  void (*load)(BhMockHost *host, BhLoadReply *reply, gpointer data);

  /* Hook notification->hook, of those in reply.hooks. Returns what the hook returns. */
  BhResult (*hook)(BhMockHost *host, const BhNotification *notification, gpointer data);

  /* The host is dead or being released: lets go of threads that wait inside the plugin. Once, on the
   * thread that ended the host, which may hold the service's locks: must not wait for anything but a leaf
   * lock. */
  void (*gone)(gpointer data);

  /* No code of the plugin runs any more, in this host. For what load made. */
  void (*destroy)(gpointer data);

  gpointer data;
} BhMockPlugin;

/* ---- The service's side -------------------------------------------------------------------------------- */

/* plugins (count of them, may be none) are copied; what they point to must outlive the backend. */
BhBackend *bh_backend_mock_new(const BhMockPlugin *plugins, guint count);

/* Every link must have been released (asserted). */
void bh_backend_mock_free(BhBackend *backend);

/* The host behind a link of this backend, for tests that act as one of its threads. Valid until release. */
BhMockHost *bh_mock_host(BhLink *link);

typedef enum {
  BH_MOCK_START,
  BH_MOCK_LOAD,
  BH_MOCK_NOTIFY,
} BhMockStep;

/* From now on, the nth such step (1: the next) of this plugin (NULL: of any) returns status, without doing
 * anything; once. The host is not harmed: what the service makes of the status is the service's. Faults
 * wait side by side; a step that several are due for takes the one asked for first, and counts for all.
 * Any thread. */
void bh_backend_mock_fail(BhBackend *backend, BhMockStep step, const char *plugin, guint nth, BhResult status);

/* Faults that were not due yet never are. Any thread. */
void bh_backend_mock_forget_faults(BhBackend *backend);

/* ---- The plugin's side: any thread of the host's, or one that is known to be over before release ------- */

/* What the API table does in a real host: refuses NULLs and calls of more than BH_RECORD_MAX itself, says
 * on whose thread the call is made, and passes it on. reply must be zero; the caller clears it, its
 * resource included. Once the host is gone: E_UNEXPECTED, and a resource that came meanwhile has been
 * closed. Returns reply->result. */
BhResult bh_mock_host_call(BhMockHost *host, const BhCall *call, BhCallReply *reply);

/* PluginError (hook-slot.h has the rules). */
BhResult bh_mock_host_plugin_error(BhMockHost *host, const char *message);

/* The host dies, of how ("access violation"). Returns, to a thread in a dead host. Nothing if it is gone
 * already. */
void bh_mock_host_crash(BhMockHost *host, const char *how);

/* Waits until the host is dead or being released: what a plugin does that hangs. */
void bh_mock_host_wait_dead(BhMockHost *host);

/* TRUE: dead or being released; return soon. */
gboolean bh_mock_host_is_gone(BhMockHost *host);

/* Begins a thread of the plugin. NULL: none can be had, or the host is gone. One that is never joined is
 * freed at release. */
BhMockThread *bh_mock_host_spawn(BhMockHost *host, void (*func)(gpointer data), gpointer data);

/* Waits for the thread's end, and frees thread. Once, on another thread of the host's. */
void bh_mock_host_join(BhMockHost *host, BhMockThread *thread);

/* Begins a child process of the host's, of which there is nothing but what is told to whoever watches; it ends with the host
 * at the latest. Its number; 0: the host is gone. command_line may be NULL. */
guint32 bh_mock_host_start_child(BhMockHost *host, const char *image, const char *command_line);

/* Ends it. FALSE: it has ended already. */
gboolean bh_mock_host_end_child(BhMockHost *host, guint32 child, gint32 status);

G_END_DECLS
