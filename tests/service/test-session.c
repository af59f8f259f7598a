/* VM sessions beyond the scenarios: VMs that die, sessions side by side, calls against a stop. */
#include "fixture.h"

#include "core/lock-order.h"

#include <string.h>

static GString *hooks_seen; /* the plugin's own log: one session's hooks never overlap, so it needs no lock */

static BhResult log_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  static const char *const short_names[] = {"V+", "V-", "D+", "D-", "registered", "unregistered"};

  (void)host;
  (void)data;
  g_string_append_printf(hooks_seen, "%s ", short_names[notification->hook]);
  return BH_OK;
}

static const BhMockPlugin logging = {.name = "Log", .hooks = ALL_VM_HOOKS, .hook = log_hook};

static void open_logging(Fixture *fixture) {
  hooks_seen = g_string_new(NULL);
  fixture_open(fixture, &logging, 1);
}

static void close_logging(Fixture *fixture, const char *expected) {
  fixture_close(fixture);
  g_assert_cmpstr(hooks_seen->str, ==, expected);
  g_string_free(hooks_seen, TRUE);
}

/* --- Distributions ---------------------------------------------------------------------------------------------- */

static void register_and_unregister(void) {
  BhDistribution other = {.id = {{2}}, .name = "Other"};
  Fixture fixture;

  open_logging(&fixture);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  g_assert_cmpint(bh_session_register(fixture.session, &other, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_register(fixture.session, &other, NULL), ==, BH_E_ALREADY_EXISTS);
  bh_session_stop_vm(fixture.session);
  g_assert_cmpint(bh_session_unregister(fixture.session, &other.id, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_unregister(fixture.session, &other.id, NULL), ==, BH_E_NOT_FOUND);
  close_logging(&fixture, "V+ D+ registered D- V- unregistered ");
}

static void unregister_one_that_runs(void) {
  Fixture fixture;

  open_logging(&fixture);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  g_assert_cmpint(bh_session_unregister(fixture.session, &fixture.distribution.id, NULL), ==, BH_OK);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_E_NOT_FOUND);
  close_logging(&fixture, "V+ D+ D- unregistered V- ");
}

/* Row 7. */
static void terminate_leaves_the_vm(void) {
  Fixture fixture;

  open_logging(&fixture);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK); /* it runs already */
  g_assert_cmpint(bh_session_terminate(fixture.session, &fixture.distribution.id, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_terminate(fixture.session, &fixture.distribution.id, NULL), ==,
                  BH_E_DISTRO_NOT_RUNNING);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  close_logging(&fixture, "V+ D+ D- D+ D- V- ");
}

static BhResult fail_instance(BhProbePoint point, gpointer data) {
  (void)data;
  return point == BH_PROBE_INSTANCE_START ? BH_E_FAIL : BH_OK;
}

static void instance_that_cannot_start(void) {
  g_autofree char *text = NULL;
  Fixture fixture;

  open_logging(&fixture);
  fixture.guest.before = fail_instance;
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "The distribution 'Debian' could not be started\n"
                  "Error code: Wsl/Service/CreateInstance/E_FAIL");
  fixture.guest.before = NULL;
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  close_logging(&fixture, "V+ D+ D- V- ");
}

static BhResult fail_vm(BhProbePoint point, gpointer data) {
  (void)data;
  return point == BH_PROBE_VM_CREATE ? BH_E_OUTOFMEMORY : BH_OK;
}

static void vm_that_cannot_be_created(void) {
  g_autofree char *text = NULL;
  Fixture fixture;

  open_logging(&fixture);
  fixture.guest.before = fail_vm;
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "The virtual machine could not be created\n"
                  "Error code: Wsl/Service/CreateInstance/CreateVm/E_OUTOFMEMORY");
  fixture.guest.before = NULL;
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  close_logging(&fixture, "V+ D+ D- V- ");
}

static BhResult refuse_to_stop(BhProbePoint point, gpointer data) {
  (void)data;
  return point == BH_PROBE_INSTANCE_STOP ? BH_E_ACCESSDENIED : BH_OK;
}

/* It runs on, and D- comes again with the next try; the VM's stop does not ask. */
static void instance_that_cannot_stop(void) {
  Fixture fixture;

  open_logging(&fixture);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  fixture.guest.before = refuse_to_stop;
  g_assert_cmpint(bh_session_terminate(fixture.session, &fixture.distribution.id, NULL), ==, BH_E_ACCESSDENIED);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK); /* it runs */
  bh_session_stop_vm(fixture.session);
  fixture.guest.before = NULL;
  close_logging(&fixture, "V+ D+ D- D- V- ");
}

static void name_that_is_taken(void) {
  BhDistribution other = {.id = {{2}}, .name = "DEBIAN"};
  Fixture fixture;

  open_logging(&fixture);
  g_assert_cmpint(bh_session_register(fixture.session, &other, NULL), ==, BH_E_ALREADY_EXISTS);
  close_logging(&fixture, "");
}

/* --- Closing ----------------------------------------------------------------------------------------------------- */

/* An operation that waits while the session is closed must not start a VM that nobody would stop. */
static BhGate in_stopping, stopping_may_end, starter_waits;
static gpointer starter_thread; /* atomic */

static BhResult hold_stopping(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host;
  (void)data;
  if (notification->hook != BH_HOOK_VM_STOPPING) return BH_OK;
  bh_gate_open(&in_stopping);
  bh_gate_pass(&stopping_may_end);
  return BH_OK;
}

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (g_str_equal(lock_class->name, "instance monitor") &&
      bh_thread_self() == g_atomic_pointer_get(&starter_thread))
    bh_gate_open(&starter_waits);
}

static gpointer close_session(gpointer data) {
  Fixture *fixture = data;
  bh_service_close_session(fixture->service, fixture->session);
  return NULL;
}

static gpointer start_late(gpointer data) {
  g_atomic_pointer_set(&starter_thread, bh_thread_self());
  return GINT_TO_POINTER(fixture_start(data));
}

static void start_while_it_is_closed(void) {
  const BhMockPlugin plugin = {.name = "One", .hooks = ALL_VM_HOOKS, .hook = hold_stopping};
  BhThread *closer, *starter;
  Fixture fixture;

  bh_gate_init(&in_stopping);
  bh_gate_init(&stopping_may_end);
  bh_gate_init(&starter_waits);
  fixture_open(&fixture, &plugin, 1);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  closer = bh_thread_new("closer", BH_RANK_SESSION_TABLE, close_session, &fixture);
  bh_gate_pass(&in_stopping);
  starter = bh_thread_new("starter", BH_RANK_SESSION_TABLE, start_late, &fixture);
  bh_gate_pass(&starter_waits);
  bh_gate_open(&stopping_may_end);
  bh_thread_join(closer);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(starter)), ==, BH_E_NOT_VALID_STATE);
  g_atomic_pointer_set(&starter_thread, NULL);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_E_NOT_VALID_STATE);
  fixture_close(&fixture);
  bh_gate_clear(&in_stopping);
  bh_gate_clear(&stopping_may_end);
  bh_gate_clear(&starter_waits);
}

/* --- A VM that dies by itself (row 55) --------------------------------------------------------------------------- */

static BhGate vm_stopped;

static void open_when_stopped(const BhTraceEvent *event, gpointer data) {
  (void)data;
  if (g_str_equal(event->what, "stop VM")) bh_gate_let_one(&vm_stopped);
}

static void vm_dies_while_idle(void) {
  Fixture fixture;

  bh_gate_init(&vm_stopped);
  open_logging(&fixture);
  bh_trace_attach(bh_service_trace(fixture.service), open_when_stopped, NULL);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_guest_memory_kill_vm(fixture.guest.last_vm);
  bh_gate_pass(&vm_stopped); /* nobody had to ask */
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  close_logging(&fixture, "V+ D+ D- V- V+ D+ D- V- ");
  bh_gate_clear(&vm_stopped);
}

/* Inside a hook: its calls fail promptly. */
static Fixture *dying;
static BhHook die_in;
static BhResult called_after;

static BhResult kill_vm_inside(BhMockHost *host, const BhNotification *notification, gpointer data) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .session = notification->session, .path = "/bin/true"};
  g_auto(BhCallReply) reply = {0};

  log_hook(host, notification, data);
  if (notification->hook != die_in) return BH_OK;
  die_in = BH_HOOK_NONE;
  bh_guest_memory_kill_vm(dying->guest.last_vm);
  called_after = bh_mock_host_call(host, &call, &reply);
  return BH_OK;
}

static void vm_dies_in(BhHook hook, const char *expected) {
  const BhMockPlugin plugin = {.name = "Log", .hooks = ALL_VM_HOOKS, .hook = kill_vm_inside};
  Fixture fixture;

  bh_gate_init(&vm_stopped);
  hooks_seen = g_string_new(NULL);
  dying = &fixture;
  die_in = hook;
  called_after = BH_OK;
  fixture_open(&fixture, &plugin, 1);
  bh_trace_attach(bh_service_trace(fixture.service), open_when_stopped, NULL);
  fixture_start(&fixture); /* may succeed before the death is noticed */
  bh_gate_pass(&vm_stopped);
  g_assert_cmpint(called_after, ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  close_logging(&fixture, expected);
  bh_gate_clear(&vm_stopped);
}

static void vm_dies_in_vm_started(void) {
  vm_dies_in(BH_HOOK_VM_STARTED, "V+ V- V+ D+ D- V- ");
}

static void vm_dies_in_distribution_started(void) {
  vm_dies_in(BH_HOOK_DISTRIBUTION_STARTED, "V+ D+ D- V- V+ D+ D- V- ");
}

/* --- Side by side ------------------------------------------------------------------------------------------------ */

/* Row 50: hooks of two sessions in one plugin at once; each one's message reaches its own session. */
static BhGate both_inside;
static int inside;

static BhResult meet_and_refuse(BhMockHost *host, const BhNotification *notification, gpointer data) {
  g_autofree char *message = g_strdup_printf("session %u", notification->session);

  (void)data;
  if (g_atomic_int_add(&inside, 1) == 1) bh_gate_open(&both_inside);
  bh_gate_pass(&both_inside);
  g_assert_cmpint(bh_mock_host_plugin_error(host, message), ==, BH_OK);
  return BH_E_FAIL;
}

typedef struct {
  Fixture *fixture;
  BhSession *session;
} Starter;

static gpointer refused_text(gpointer data) {
  static const BhVmSettings settings;
  Starter *starter = data;
  g_autoptr(BhError) error = NULL;

  bh_session_start(starter->session, &starter->fixture->distribution.id, &settings, &error);
  return bh_error_text(error);
}

static void two_sessions_overlap(void) {
  const BhMockPlugin plugin = {.name = "One", .hooks = 1u << BH_HOOK_VM_STARTED, .hook = meet_and_refuse};
  Fixture fixture;
  Starter starters[2];
  BhThread *threads[2];

  inside = 0;
  bh_gate_init(&both_inside);
  fixture_open(&fixture, &plugin, 1);
  for (int i = 0; i < 2; i++) {
    starters[i] = (Starter){&fixture, fixture_open_session(&fixture)};
    threads[i] = bh_thread_new("starter", BH_RANK_SESSION_TABLE, refused_text, &starters[i]);
  }
  for (int i = 0; i < 2; i++) {
    g_autofree char *text = bh_thread_join(threads[i]);
    g_autofree char *message = g_strdup_printf("Error message: 'session %u'", bh_session_id(starters[i].session));
    g_assert_nonnull(strstr(text, message));
    bh_session_unref(starters[i].session);
  }
  fixture_close(&fixture);
  bh_gate_clear(&both_inside);
}

/* Rows 32 and 57: threads that call without pause against stops and starts. */
#define CALLERS 8
#define STOPS   50

static int calling; /* atomic */

static void call_without_pause(gpointer data) {
  BhMockHost *host = data;

  while (g_atomic_int_get(&calling)) {
    BhCall call = {.api = BH_API_EXECUTE_BINARY, .session = 1, .path = "/bin/true"};
    g_auto(BhCallReply) reply = {0};
    BhResult result = bh_mock_host_call(host, &call, &reply);
    /* E_UNEXPECTED: the service ends. */
    g_assert_true(result == BH_OK || result == BH_E_NOT_FOUND || result == BH_E_NOT_VALID_STATE ||
                  result == BH_E_UNEXPECTED);
  }
}

static BhResult begin_callers(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_VM_STARTED && !g_atomic_int_get(&calling)) {
    g_atomic_int_set(&calling, TRUE);
    for (int i = 0; i < CALLERS; i++) g_assert_nonnull(bh_mock_host_spawn(host, call_without_pause, host));
  }
  return BH_OK;
}

static void calls_against_stops(void) {
  const BhMockPlugin plugin = {.name = "One", .hooks = ALL_VM_HOOKS, .hook = begin_callers};
  Fixture fixture;

  calling = FALSE;
  fixture_open(&fixture, &plugin, 1);
  for (int i = 0; i < STOPS; i++) {
    g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
    bh_session_stop_vm(fixture.session);
  }
  if (fixture_callbacks == &bh_callbacks_pumped)
    g_assert_cmpint(g_atomic_int_get(&fixture.guest.max_inside), ==, 1); /* one after another */
  g_atomic_int_set(&calling, FALSE);
  fixture_close(&fixture);
}

static const struct {
  const char *name;
  GTestFunc func;
} tests[] = {
    {"distribution/register-and-unregister", register_and_unregister},
    {"distribution/unregister-one-that-runs", unregister_one_that_runs},
    {"distribution/terminate-leaves-the-vm", terminate_leaves_the_vm},
    {"distribution/that-cannot-start", instance_that_cannot_start},
    {"distribution/that-cannot-stop", instance_that_cannot_stop},
    {"distribution/name-that-is-taken", name_that_is_taken},
    {"closed/start-while-it-is", start_while_it_is_closed},
    {"vm/that-cannot-be-created", vm_that_cannot_be_created},
    {"vm-dies/while-idle", vm_dies_while_idle},
    {"vm-dies/in-OnVMStarted", vm_dies_in_vm_started},
    {"vm-dies/in-OnDistributionStarted", vm_dies_in_distribution_started},
    {"two-overlap", two_sessions_overlap},
    {"calls-against-stops", calls_against_stops},
};

/* test-session pumped|shared */
int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.wait = on_wait};

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
  if (argc == 2) fixture_callbacks = bh_callbacks_by_name(argv[1]);
  if (argc != 2 || fixture_callbacks == NULL) g_error("usage: test-session pumped|shared");
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/session/%s/%s", tests[i].name, fixture_callbacks->name);
    g_test_add_func(path, tests[i].func);
  }
  return g_test_run();
}
