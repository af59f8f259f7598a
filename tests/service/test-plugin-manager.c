/* The plugin manager's rules: who is loaded and when, what a dead host means, what a failing one does not. */
#include "fixture.h"

#include "core/lock-order.h"

#include <string.h>

/* What a plugin of these tests counts; one array for all of a test's plugins. */
typedef struct {
  int loads, hooks;
  BhResult load_result, hook_result; /* what it answers */
  BhHook crash_in;                   /* … or crashes instead */
} Behaviour;

static void on_load(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  Behaviour *behaviour = data;

  (void)host;
  g_atomic_int_inc(&behaviour->loads);
  reply->result = behaviour->load_result;
}

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Behaviour *behaviour = data;

  g_atomic_int_inc(&behaviour->hooks);
  if (behaviour->crash_in == notification->hook) bh_mock_host_crash(host, "access violation");
  return behaviour->hook_result;
}

#define QUIET \
  { .crash_in = BH_HOOK_NONE }
#define PLUGIN(plugin_name, behaviour) \
  { .name = plugin_name, .hooks = ALL_VM_HOOKS, .load = on_load, .hook = on_hook, .data = behaviour }

/* --- Loading ---------------------------------------------------------------------------------------------------- */

#define THREADS 8

typedef struct {
  Fixture *fixture;
  BhSession *session;
} Starter;

static gpointer start_session(gpointer data) {
  static const BhVmSettings settings;
  Starter *starter = data;
  return GINT_TO_POINTER(bh_session_start(starter->session, &starter->fixture->distribution.id, &settings, NULL));
}

static void first_use_from_many_threads(void) {
  Behaviour behaviour = QUIET;
  const BhMockPlugin plugin = PLUGIN("One", &behaviour);
  Starter starters[THREADS];
  BhThread *threads[THREADS];
  Fixture fixture;

  fixture_open(&fixture, &plugin, 1);
  for (int i = 0; i < THREADS; i++) starters[i] = (Starter){&fixture, fixture_open_session(&fixture)};
  for (int i = 0; i < THREADS; i++)
    threads[i] = bh_thread_new("starter", BH_RANK_SESSION_TABLE, start_session, &starters[i]);
  for (int i = 0; i < THREADS; i++) {
    g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(threads[i])), ==, BH_OK);
    bh_session_unref(starters[i].session);
  }
  g_assert_cmpint(behaviour.loads, ==, 1);
  g_assert_cmpint(behaviour.hooks, ==, 2 * THREADS);
  fixture_close(&fixture);
}

/* All are loaded at once, but the first in the order of discovery is the one remembered. */
static void first_failure_by_discovery(void) {
  Behaviour behaviours[3] = {QUIET, QUIET, QUIET};
  const BhMockPlugin plugins[] = {PLUGIN("One", &behaviours[0]), PLUGIN("Two", &behaviours[1]),
                                  PLUGIN("Three", &behaviours[2])};
  g_autofree char *text = NULL, *again = NULL;
  Fixture fixture;

  behaviours[1].load_result = BH_E_ACCESSDENIED;
  behaviours[2].load_result = BH_E_FAIL;
  fixture_open(&fixture, plugins, 3);
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'Two'\n"
                  "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_ACCESSDENIED");
  again = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==, again);
  for (int i = 0; i < 3; i++) g_assert_cmpint(behaviours[i].loads, ==, 1);
  g_assert_cmpint(behaviours[0].hooks, ==, 0);
  fixture_close(&fixture);
}

static void host_that_cannot_be_started(void) {
  Behaviour behaviour = QUIET;
  const BhMockPlugin plugin = PLUGIN("One", &behaviour);
  g_autofree char *text = NULL;
  Fixture fixture;

  fixture_open(&fixture, &plugin, 1);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_START, NULL, 1, (BhResult)0x80080005u);
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'One'\n"
                  "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/CO_E_SERVER_EXEC_FAILURE");
  g_assert_cmpint(behaviour.loads, ==, 0);
  fixture_close(&fixture);
}

static void hooks_that_are_not_there(void) {
  Behaviour behaviour = QUIET;
  BhMockPlugin plugin = PLUGIN("One", &behaviour);
  Fixture fixture;

  plugin.hooks = 1u << BH_HOOK_DISTRIBUTION_STARTED;
  fixture_open(&fixture, &plugin, 1);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_session_stop_vm(fixture.session);
  g_assert_cmpint(behaviour.hooks, ==, 1);
  fixture_close(&fixture);
}

/* --- The transport's word ---------------------------------------------------------------------------------------- */

/* Each status that means a dead host, in an aborting hook: refused, latched, and not driven again. */
static void dead_statuses(void) {
  static const BhResult dead[] = {
      BH_RPC_E_DISCONNECTED,       BH_RPC_E_SERVER_DIED, BH_RPC_E_SERVER_DIED_DNE, BH_CO_E_OBJNOTCONNECTED,
      BH_RPC_S_SERVER_UNAVAILABLE, BH_RPC_S_CALL_FAILED, BH_RPC_S_CALL_FAILED_DNE, BH_RPC_E_SERVERFAULT,
  };

  for (guint i = 0; i < G_N_ELEMENTS(dead); i++) {
    Behaviour behaviour = QUIET;
    const BhMockPlugin plugin = PLUGIN("One", &behaviour);
    g_autofree char *text = NULL, *again = NULL;
    Fixture fixture;

    fixture_open(&fixture, &plugin, 1);
    bh_backend_mock_fail(fixture.backend, BH_MOCK_NOTIFY, NULL, 1, dead[i]);
    text = fixture_refused(&fixture);
    g_assert_cmpstr(text, ==,
                    "A fatal error was returned by plugin 'One'\n"
                    "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/RPC_E_SERVER_DIED");
    again = fixture_refused(&fixture);
    g_assert_cmpstr(text, ==, again);
    g_assert_cmpint(behaviour.hooks, ==, 0);
    g_assert_nonnull(strstr(fixture.trace->str, "One: crashed"));
    fixture_close(&fixture);
  }
}

/* A busy host refuses this once, and is asked again. */
static void busy_host(void) {
  Behaviour behaviour = QUIET;
  const BhMockPlugin plugin = PLUGIN("One", &behaviour);
  g_autofree char *text = NULL;
  Fixture fixture;

  fixture_open(&fixture, &plugin, 1);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_NOTIFY, NULL, 1, BH_RPC_E_CALL_REJECTED);
  text = fixture_refused(&fixture);
  g_assert_nonnull(strstr(text, "/CreateVm/Plugin/RPC_E_CALL_REJECTED"));
  g_assert_null(strstr(fixture.trace->str, "crashed"));
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  fixture_close(&fixture);
}

/* --- Crashes ----------------------------------------------------------------------------------------------------- */

/* In a hook that does not abort: latched, the round goes on; what an aborting hook guards fails from then on. */
static void crash_in_a_stopping_hook(void) {
  Behaviour behaviours[2] = {QUIET, QUIET};
  const BhMockPlugin plugins[] = {PLUGIN("One", &behaviours[0]), PLUGIN("Two", &behaviours[1])};
  g_autofree char *text = NULL;
  Fixture fixture;

  behaviours[0].crash_in = BH_HOOK_DISTRIBUTION_STOPPING;
  fixture_open(&fixture, plugins, 2);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_session_stop_vm(fixture.session);
  g_assert_cmpint(behaviours[0].hooks, ==, 3); /* V+ D+ D- */
  g_assert_cmpint(behaviours[1].hooks, ==, 4); /* V+ D+ D- V- */
  text = fixture_refused(&fixture);
  g_assert_nonnull(strstr(text, "plugin 'One'"));
  g_assert_cmpint(behaviours[1].hooks, ==, 4);
  fixture_close(&fixture);
}

/* Row 37: with nothing in flight. */
static BhGate fault_now;
static BhGate crashed;

static void fault_later(gpointer host) {
  bh_gate_pass(&fault_now);
  bh_mock_host_crash(host, "access violation");
}

static BhResult begin_thread(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_VM_STARTED) bh_mock_host_spawn(host, fault_later, host);
  return BH_OK;
}

static void open_when_crashed(const BhTraceEvent *event, gpointer data) {
  (void)data;
  if (g_str_equal(event->what, "crashed")) bh_gate_open(&crashed);
}

static void crash_outside_any_hook(void) {
  const BhMockPlugin plugin = {.name = "One", .hooks = ALL_VM_HOOKS, .hook = begin_thread};
  g_autofree char *text = NULL;
  Fixture fixture;

  bh_gate_init(&fault_now);
  bh_gate_init(&crashed);
  fixture_open(&fixture, &plugin, 1);
  bh_trace_attach(bh_service_trace(fixture.service), open_when_crashed, NULL);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_gate_open(&fault_now);
  bh_gate_pass(&crashed);
  bh_session_stop_vm(fixture.session);
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'One'\n"
                  "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/RPC_E_SERVER_DIED");
  fixture_close(&fixture);
  bh_gate_clear(&crashed);
  bh_gate_clear(&fault_now);
}

/* Both words of one death, the failed call's and the backend's: reported once. */
static void crash_is_reported_once(void) {
  Behaviour behaviour = QUIET;
  const BhMockPlugin plugin = PLUGIN("One", &behaviour);
  g_autofree char *text = NULL;
  const char *first;
  Fixture fixture;

  behaviour.crash_in = BH_HOOK_VM_STARTED;
  fixture_open(&fixture, &plugin, 1);
  text = fixture_refused(&fixture);
  bh_service_close_session(fixture.service, fixture.session);
  bh_session_unref(fixture.session);
  bh_service_free(fixture.service); /* no event comes any more */
  first = strstr(fixture.trace->str, "One: crashed");
  g_assert_nonnull(first);
  g_assert_null(strstr(first + 1, "One: crashed"));
  bh_backend_mock_free(fixture.backend);
  bh_guest_memory_free(fixture.inner);
  g_string_free(fixture.trace, TRUE);
}

/* --- Hooks that hang ---------------------------------------------------------------------------------------------- */

static BhResult hang_at_the_end(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Behaviour *behaviour = data;

  g_atomic_int_inc(&behaviour->hooks);
  if (notification->hook == BH_HOOK_VM_STOPPING) bh_mock_host_wait_dead(host);
  return BH_OK;
}

/* When the time is over, every host is ended, and the stop goes on. */
static void hook_that_hangs_at_the_service_stop(void) {
  Behaviour behaviours[2] = {QUIET, QUIET};
  BhMockPlugin plugins[] = {PLUGIN("One", &behaviours[0]), PLUGIN("Two", &behaviours[1])};
  Fixture fixture;

  plugins[0].hook = hang_at_the_end;
  fixture_open(&fixture, plugins, 2);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_service_free(fixture.service);
  g_assert_cmpint(behaviours[0].hooks, ==, 4);
  g_assert_nonnull(strstr(fixture.trace->str, "One: crashed"));
  bh_session_unref(fixture.session);
  bh_backend_mock_free(fixture.backend);
  bh_guest_memory_free(fixture.inner);
  g_string_free(fixture.trace, TRUE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/plugin-manager/load/first-use-from-many-threads", first_use_from_many_threads);
  g_test_add_func("/plugin-manager/load/first-failure-by-discovery", first_failure_by_discovery);
  g_test_add_func("/plugin-manager/load/host-that-cannot-be-started", host_that_cannot_be_started);
  g_test_add_func("/plugin-manager/load/hooks-that-are-not-there", hooks_that_are_not_there);
  g_test_add_func("/plugin-manager/transport/dead", dead_statuses);
  g_test_add_func("/plugin-manager/transport/busy", busy_host);
  g_test_add_func("/plugin-manager/crash/in-a-stopping-hook", crash_in_a_stopping_hook);
  g_test_add_func("/plugin-manager/crash/outside-any-hook", crash_outside_any_hook);
  g_test_add_func("/plugin-manager/crash/reported-once", crash_is_reported_once);
  g_test_add_func("/plugin-manager/stop/hook-that-hangs", hook_that_hangs_at_the_service_stop);
  return g_test_run();
}
