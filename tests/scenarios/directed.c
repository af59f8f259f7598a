/* The rows that lead threads to a certain moment: by gates in the guest, and by the sync observer, which knows when a
 * call waits. See rows.h. */
#include "directed.h"

#include "backend-mock/mock.h"
#include "tests/common/gate.h"

#include <string.h>

static const BhVmSettings settings;
const BhDistribution directed_debian = {.id = {{1}}, .name = "Debian"};

static gboolean is_pumped(const Environment *environment) {
  return environment->callbacks == &bh_callbacks_pumped;
}

BhService *directed_service(Environment *environment, const char *script, char **file) {
  BhService *service = bh_service_new(&(BhServiceSettings){
      .backend = environment->backend, .guest = &environment->guest.parent, .callbacks = environment->callbacks});

  bh_trace_attach(bh_service_trace(service), environment_trace, environment);
  *file = environment_add_plugin(environment, "TestPlugin", script);
  g_assert_true(bh_service_add_plugin(service, "TestPlugin", *file));
  return service;
}

BhSession *directed_session(BhService *service, const Environment *environment) {
  BhSession *session = bh_service_open_session(service, &environment->user);
  g_assert_cmpint(bh_session_register(session, &directed_debian, NULL), ==, BH_OK);
  return session;
}

BhResult directed_start(BhSession *session, BhError **error) {
  return bh_session_start(session, &directed_debian.id, &settings, error);
}

static void assert_logged(const char *file, const char *line) {
  g_autofree char *log = environment_read_log(file);
  if (log == NULL || strstr(log, line) == NULL) g_error("no '%s' in the log:\n%s", line, log != NULL ? log : "");
}

/* --- 7: another init process after each start --------------------------------------------------------------------- */

void row_07_init_pid(Environment *environment) {
  g_autofree char *file = NULL, *log = NULL;
  BhService *service = directed_service(environment, "on OnVMStarted\non OnDistributionStarted\n", &file);
  g_autoptr(BhSession) session = directed_session(service, environment);
  const char *first, *second;

  g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_terminate(session, &directed_debian.id, NULL), ==, BH_OK);
  g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
  bh_service_close_session(service, session);
  bh_service_free(service);
  g_assert_cmpint(environment->guest.passed[BH_PROBE_VM_CREATE], ==, 1);

  log = environment_read_log(file);
  first = strstr(log, " init=");
  g_assert_nonnull(first);
  second = strstr(first + 1, " init=");
  g_assert_nonnull(second);
  g_assert_cmpuint(g_ascii_strtoull(first + 6, NULL, 10), !=, g_ascii_strtoull(second + 6, NULL, 10));
}

/* --- 38: a call comes while the lock is held and no notification is in flight ------------------------------------ */

/* V+ begins a thread. The guest, which the session asks next with its lock held, lets that thread call, and goes on when
 * the call is queued. D+ returns only when the call has been served, so only the notifying thread can have served it. */
typedef struct {
  BhGate vm_runs, call_queued;
  gpointer notifier; /* the session's thread */
  gpointer mounter;  /* the thread that the mount ran on */
  BhMockHost *host;
  BhMockThread *thread;
  guint32 session;
  BhResult mounted;
} Window;

static Window window;

static void call_early(gpointer data) {
  BhCall call = {.api = BH_API_MOUNT_FOLDER,
                 .session = window.session,
                 .host_path = (char *)g_get_tmp_dir(),
                 .linux_path = "/mnt/early",
                 .name = "early"};
  g_auto(BhCallReply) reply = {0};

  (void)data;
  bh_gate_pass(&window.vm_runs);
  window.mounted = bh_mock_host_call(window.host, &call, &reply);
}

static BhResult window_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_VM_STARTED) {
    window.host = host;
    window.session = notification->session;
    window.thread = bh_mock_host_spawn(host, call_early, NULL);
  } else {
    bh_mock_host_join(host, window.thread);
  }
  return BH_OK;
}

void directed_on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  directed_wslc_on_wait(lock_class, lock);
  if (window.notifier == NULL) return; /* another row runs */
  if (g_str_equal(lock_class->name, "instance monitor") && bh_thread_self() != window.notifier)
    bh_gate_open(&window.call_queued);
}

static BhResult hold_until_queued(BhProbePoint point, gpointer data) {
  (void)data;
  if (point == BH_PROBE_INSTANCE_START) {
    bh_gate_open(&window.vm_runs);
    bh_gate_pass(&window.call_queued);
  }
  if (point == BH_PROBE_MOUNT) {
    window.mounter = bh_thread_self();
    bh_gate_open(&window.call_queued); /* it need not wait: under the shared design */
  }
  return BH_OK;
}

void row_38_pre_notification(Environment *environment) {
  const BhMockPlugin plugin = {.name = "TestPlugin",
                               .hooks = 1u << BH_HOOK_VM_STARTED | 1u << BH_HOOK_DISTRIBUTION_STARTED,
                               .hook = window_hook};
  BhBackend *backend = bh_backend_mock_new(&plugin, 1);
  BhService *service = bh_service_new(&(BhServiceSettings){
      .backend = backend, .guest = &environment->guest.parent, .callbacks = environment->callbacks});
  g_autoptr(BhSession) session = directed_session(service, environment);

  window = (Window){.notifier = bh_thread_self(), .mounted = BH_E_FAIL};
  bh_gate_init(&window.vm_runs);
  bh_gate_init(&window.call_queued);
  g_assert_true(bh_service_add_plugin(service, "TestPlugin", "in this program"));
  environment->guest.before = hold_until_queued;
  g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
  g_assert_cmpint(window.mounted, ==, BH_OK);
  /* Shared: at once, on the thread that it came on. */
  g_assert_cmpint(window.mounter == window.notifier, ==, is_pumped(environment));
  bh_service_close_session(service, session);
  bh_service_free(service);
  bh_backend_mock_free(backend);
  window.notifier = NULL;
  bh_gate_clear(&window.vm_runs);
  bh_gate_clear(&window.call_queued);
}

/* --- 39: the hook returns while a call is being enqueued ---------------------------------------------------------- */

#define RETURNS 25

void row_39_hook_returns(Environment *environment) {
  g_autofree char *file = NULL, *log = NULL;
  BhService *service = directed_service(environment,
                                        "on OnVMStarted\n"
                                        "  thread late none\n"
                                        "    await hook\n"
                                        "    mount %FOLDER% /mnt/late ro test\n"
                                        "  end\n"
                                        "on OnVMStopping\n"
                                        "  join late\n",
                                        &file);
  g_autoptr(BhSession) session = directed_session(service, environment);
  guint logged = 0;

  for (int i = 0; i < RETURNS; i++) {
    g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
    bh_session_stop_vm(session);
  }
  g_assert_cmpint(g_atomic_int_get(&environment->guest.passed[BH_PROBE_MOUNT]), ==, RETURNS);
  log = environment_read_log(file);
  for (const char *at = log; (at = strstr(at, "mount S_OK")) != NULL; at++) logged++;
  g_assert_cmpuint(logged, ==, RETURNS);
  bh_service_close_session(service, session);
  bh_service_free(service);
}

/* --- 41: no thread can be had ------------------------------------------------------------------------------------- */

static int starved; /* atomic: the service gets no new worker */

gboolean directed_may_start_thread(const char *name) {
  return !g_atomic_int_get(&starved) || !g_str_equal(name, "bh-worker");
}

/* Two sessions' hooks keep every worker there is, until another session has been refused. Two, because the worker that
 * loaded the plugin may or may not be idle again when the first hook asks for one. */
#define BUSY 2

typedef struct {
  BhGate hook_runs, refused;
} Starving;

static BhResult hold_hook(BhProbePoint point, gpointer data) {
  Starving *starving = data;

  if (point == BH_PROBE_EXECUTE) {
    bh_gate_let_one(&starving->hook_runs);
    bh_gate_pass(&starving->refused);
  }
  return BH_OK;
}

static gpointer start_session(gpointer session) {
  return GINT_TO_POINTER(directed_start(session, NULL));
}

void row_41_no_thread(Environment *environment) {
  g_autofree char *file = NULL;
  BhService *service =
      directed_service(environment, "on OnVMStarted\n  execute /bin/true\non OnVMStopping\n", &file);
  g_autoptr(BhSession) refused = directed_session(service, environment);
  g_autoptr(BhError) first = NULL, error = NULL;
  BhSession *busy[BUSY];
  BhThread *threads[BUSY];
  Starving starving;

  bh_gate_init(&starving.hook_runs);
  bh_gate_init(&starving.refused);
  environment->guest.before = hold_hook;
  environment->guest.data = &starving;

  /* Not one worker: the plugins cannot be loaded, and nothing is latched for that. */
  g_atomic_int_set(&starved, TRUE);
  g_assert_cmpint(directed_start(refused, &first), ==, BH_E_OUTOFMEMORY);
  g_assert_nonnull(first);
  g_atomic_int_set(&starved, FALSE);

  for (int i = 0; i < BUSY; i++) {
    busy[i] = directed_session(service, environment);
    threads[i] = bh_thread_new("session", BH_RANK_SESSION_TABLE, start_session, busy[i]);
    bh_gate_pass(&starving.hook_runs);
  }

  /* V+ cannot be sent, nor the V- that follows; the start fails and the VM is gone. Under the shared design the session's
   * own thread sends it, and there is nothing to refuse. */
  if (is_pumped(environment)) {
    g_atomic_int_set(&starved, TRUE);
    g_assert_cmpint(directed_start(refused, &error), ==, BH_E_OUTOFMEMORY);
    g_assert_nonnull(error);
    g_assert_cmpint(g_atomic_int_get(&environment->guest.passed[BH_PROBE_VM_DESTROY]), ==, 1);
    g_atomic_int_set(&starved, FALSE);
  }

  bh_gate_open(&starving.refused);
  for (int i = 0; i < BUSY; i++) g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(threads[i])), ==, BH_OK);
  g_assert_cmpint(directed_start(refused, NULL), ==, BH_OK);
  for (int i = 0; i < BUSY; i++) {
    bh_service_close_session(service, busy[i]);
    bh_session_unref(busy[i]);
  }
  bh_service_close_session(service, refused);
  bh_service_free(service);
  bh_gate_clear(&starving.hook_runs);
  bh_gate_clear(&starving.refused);
}

/* --- 43: a call's own result looks like a dead transport's -------------------------------------------------------- */

static BhResult disconnected_mount(BhProbePoint point, gpointer data) {
  (void)data;
  return point == BH_PROBE_MOUNT ? BH_RPC_E_DISCONNECTED : BH_OK;
}

void row_43_disconnected_result(Environment *environment) {
  g_autofree char *file = NULL;
  BhService *service =
      directed_service(environment, "on OnVMStarted\n  mount %FOLDER% /mnt/x ro test\non OnVMStopping\n", &file);
  g_autoptr(BhSession) session = directed_session(service, environment);

  environment->guest.before = disconnected_mount;
  g_assert_cmpint(directed_start(session, NULL), ==, BH_OK);
  bh_service_close_session(service, session);
  bh_service_free(service);
  assert_logged(file, "mount RPC_E_DISCONNECTED\n");
  assert_logged(file, "OnVMStopping\n");
  g_assert_cmpint(environment->guest.passed[BH_PROBE_MOUNT], ==, 1);
}
