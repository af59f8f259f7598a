/* The mock backend: what backend.h promises, and what mock.h adds. Plugins in C, a service that writes
 * down what it is told (fixture.h). */
#include "core/contract.h"
#include "core/lock-order.h"
#include "core/record.h"

#include "fixture.h"

#include <string.h>

/* ---- A life -------------------------------------------------------------------------------------------- */

static BhResult look_at_arguments(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  g_assert_cmpint(notification->hook, ==, BH_HOOK_DISTRIBUTION_STARTED);
  g_assert_cmpuint(notification->session, ==, 7);
  g_assert_cmpuint(notification->token, ==, 70);
  g_assert_cmpstr(notification->name, ==, "Debian");
  g_assert_null(notification->flavor);
  g_assert_null(notification->display_name); /* not of this hook: does not travel */
  return (BhResult)0x00000001;
}

static void given_a_plugin_when_it_is_notified_then_its_answer_comes_back(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = look_at_arguments});
  g_assert_cmpuint(fixture.link->class->pid(fixture.link), !=, bh_process_number());
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_DISTRIBUTION_STARTED, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, 1);
  g_assert_null(reply.message);
  g_assert_cmpuint(reply.thread, !=, bh_thread_number());
  fixture_end(&fixture, 0);
}

static BhResult never(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)notification, (void)data;
  g_assert_not_reached();
}

static void given_no_handler_for_a_hook_when_notified_then_it_succeeds_uncalled(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {.result = BH_E_FAIL};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = 1u << BH_HOOK_VM_STARTED, .hook = never});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STOPPING, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_OK);
  fixture_end(&fixture, 0);
}

static void refuse_to_load(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  (void)host, (void)data;
  reply->result = BH_RPC_S_SERVER_UNAVAILABLE;
  reply->cause = g_strdup("because");
}

static void given_an_entry_point_that_fails_when_loaded_then_that_is_data(void) {
  Fixture fixture;
  g_auto(BhLoadReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .load = refuse_to_load});
  g_assert_cmpint(fixture.link->class->load(fixture.link, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_RPC_S_SERVER_UNAVAILABLE);
  g_assert_cmpstr(reply.cause, ==, "because");
  fixture_end(&fixture, 0);
}

static BhResult return_disconnected(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)notification, (void)data;
  return BH_RPC_E_DISCONNECTED;
}

static void given_a_hook_that_returns_a_transport_code_then_the_transport_says_ok(void) {
  Fixture fixture;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = return_disconnected});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  for (guint i = 0; i < 2; i++) {
    g_auto(BhNotifyReply) reply = {0};
    g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
    g_assert_cmpint(reply.result, ==, BH_RPC_E_DISCONNECTED);
  }
  fixture_end(&fixture, 0);
}

/* ---- Messages ------------------------------------------------------------------------------------------ */

static void say_from_elsewhere(gpointer data) {
  g_assert_cmpint(bh_mock_host_plugin_error(data, "elsewhere"), ==, BH_E_ILLEGAL_METHOD_CALL);
}

static BhResult say_things(BhMockHost *host, const BhNotification *notification, gpointer data) {
  g_autofree char *huge = g_strnfill(BH_RECORD_MAX, 'x');

  (void)notification, (void)data;
  bh_mock_host_join(host, bh_mock_host_spawn(host, say_from_elsewhere, host));
  g_assert_cmpint(bh_mock_host_plugin_error(host, NULL), ==, BH_E_INVALIDARG);
  g_assert_cmpint(bh_mock_host_plugin_error(host, huge), ==, BH_E_INVALIDARG);
  g_assert_cmpint(bh_mock_host_plugin_error(host, "first"), ==, BH_OK);
  g_assert_cmpint(bh_mock_host_plugin_error(host, "second"), ==, BH_E_ILLEGAL_STATE_CHANGE);
  return BH_E_FAIL;
}

static void given_messages_when_a_hook_fails_then_the_first_comes_with_it(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};
  g_auto(BhNotifyReply) silent = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = say_things});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_E_FAIL);
  g_assert_cmpstr(reply.message, ==, "first");
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STOPPING, &silent), ==, BH_OK);
  g_assert_null(silent.message); /* this hook carries none */
  fixture_end(&fixture, 0);
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

static void answer_execute(Fixture *fixture, const BhCall *call, BhCallReply *reply) {
  (void)fixture;
  g_assert_cmpint(call->api, ==, BH_API_EXECUTE_BINARY);
  g_assert_cmpstr(call->path, ==, "/bin/cat");
  g_assert_cmpstr(call->arguments[1], ==, "\xff"); /* bytes, not text */
  g_assert_cmpuint(call->thread, ==, bh_thread_number());
  reply->result = BH_E_DISTRO_NOT_RUNNING;
  reply->number = (guint32)call->notification;
}

static void execute_cat(BhMockHost *host, guint64 expected_notification) {
  g_auto(BhCallReply) reply = {0};
  char *arguments[] = {(char *)"/bin/cat", (char *)"\xff", NULL};
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .session = 7, .path = arguments[0], .arguments = arguments};

  g_assert_cmpint(bh_mock_host_call(host, &call, &reply), ==, BH_E_DISTRO_NOT_RUNNING);
  g_assert_cmpuint(reply.number, ==, expected_notification);
}

static void call_from_elsewhere(gpointer host) {
  execute_cat(host, 0);
}

static BhResult call_from_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  execute_cat(host, notification->number);
  bh_mock_host_join(host, bh_mock_host_spawn(host, call_from_elsewhere, host));
  return BH_OK;
}

static void given_calls_then_they_carry_the_hook_on_whose_thread_they_are_made(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = call_from_hook});
  fixture.on_call = answer_execute;
  fixture.next_number = 41;
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_OK);
  g_assert_cmpuint(fixture.calls, ==, 2);
  fixture_end(&fixture, 0);
}

static BhResult make_bad_calls(BhMockHost *host, const BhNotification *notification, gpointer data) {
  static const struct {
    BhCall call;
    BhResult expected;
  } bad[] = {
      {{.api = BH_API_MOUNT_FOLDER, .linux_path = (char *)"/x", .name = (char *)"n"}, BH_E_INVALIDARG},
      {{.api = BH_API_EXECUTE_BINARY}, BH_E_INVALIDARG},
      {{.api = BH_API_CONTAINER_UNMOUNT_FOLDER}, BH_E_POINTER},
      {{.api = BH_API_MOUNT_FOLDER, .host_path = (char *)"\xff", .linux_path = (char *)"/x", .name = (char *)"n"},
       BH_E_INVALIDARG},
  };
  g_autofree char *huge = g_strnfill(BH_RECORD_MAX / 2, 'x');
  char *arguments[] = {huge, huge, NULL};

  (void)notification, (void)data;
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_auto(BhCallReply) reply = {0};
    g_assert_cmpint(bh_mock_host_call(host, &bad[i].call, &reply), ==, bad[i].expected);
  }
  g_auto(BhCallReply) reply = {0};
  BhCall oversized = {.api = BH_API_EXECUTE_BINARY, .path = (char *)"/bin/echo", .arguments = arguments};
  g_assert_cmpint(bh_mock_host_call(host, &oversized, &reply), ==, BH_E_INVALIDARG);
  return BH_OK;
}

static void given_bad_and_oversized_calls_then_the_host_refuses_them_and_lives(void) {
  Fixture fixture;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = make_bad_calls});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  for (guint i = 0; i < 2; i++) {
    g_auto(BhNotifyReply) reply = {0};
    g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
    g_assert_cmpint(reply.result, ==, BH_OK);
  }
  g_assert_cmpuint(fixture.calls, ==, 0);
  fixture_end(&fixture, 0);
}

/* ---- Death --------------------------------------------------------------------------------------------- */

static void crash_in_load(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  (void)reply, (void)data;
  bh_mock_host_crash(host, "access violation");
  bh_mock_host_crash(host, "a second one is not heard");
}

static void given_a_crash_in_load_then_load_says_so_and_later_steps_find_no_server(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .load = crash_in_load});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_RPC_S_CALL_FAILED);
  fixture_assert_died(&fixture, "access violation");
  g_assert_cmpint(fixture_load(&fixture), ==, BH_RPC_S_SERVER_UNAVAILABLE);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_SERVER_UNAVAILABLE);
  fixture.link->class->kill(fixture.link, "dead already");
  fixture_end(&fixture, 1);
}

static BhResult crash_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .path = (char *)"/bin/true"};

  (void)notification, (void)data;
  bh_mock_host_crash(host, "stack overflow");
  g_assert_cmpint(bh_mock_host_call(host, &call, &reply), ==, BH_E_UNEXPECTED);
  g_assert_cmpint(bh_mock_host_plugin_error(host, "x"), ==, BH_E_UNEXPECTED);
  g_assert_null(bh_mock_host_spawn(host, say_from_elsewhere, host));
  return BH_OK;
}

static void given_a_crash_in_a_hook_then_the_hook_fails_and_no_call_comes_after_it(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = crash_in_hook});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_CALL_FAILED);
  fixture_assert_died(&fixture, "stack overflow");
  fixture_release(&fixture);
  g_assert_cmpuint(fixture.calls, ==, 0);
  fixture_end(&fixture, 1);
}

static void crash_thread(gpointer host) {
  bh_mock_host_crash(host, "abort");
}

static BhResult crash_on_own_thread(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)notification, (void)data;
  g_assert_nonnull(bh_mock_host_spawn(host, crash_thread, host)); /* never joined */
  bh_mock_host_wait_dead(host);
  return BH_OK;
}

static void given_a_crash_on_the_plugins_thread_then_the_hook_in_flight_fails(void) {
  Fixture fixture;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = crash_on_own_thread});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_CALL_FAILED);
  fixture_assert_died(&fixture, "abort");
  fixture_end(&fixture, 1);
}

static void crash_later(gpointer host) {
  Fixture *fixture = ((gpointer *)host)[1];
  fixture_await(fixture, 1);
  bh_mock_host_crash(((gpointer *)host)[0], "illegal instruction");
}

static void begin_a_thread(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  Fixture *fixture = data;
  gpointer *both = fixture->extra;

  (void)reply;
  both[0] = host;
  both[1] = fixture;
  g_assert_nonnull(bh_mock_host_spawn(host, crash_later, both));
}

static void given_a_crash_outside_any_hook_then_it_is_told_at_once(void) {
  Fixture fixture;
  gpointer both[2];
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .load = begin_a_thread});
  fixture.extra = both;
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  fixture_reach(&fixture, 1);
  fixture_assert_died(&fixture, "illegal instruction");
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_SERVER_UNAVAILABLE);
  fixture_end(&fixture, 1);
}

/* ---- Kill and release ---------------------------------------------------------------------------------- */

static void hang_in_load(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  (void)reply;
  fixture_reach(data, 1);
  bh_mock_host_wait_dead(host);
}

static BhResult hang_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)notification;
  fixture_reach(data, 1);
  bh_mock_host_wait_dead(host);
  return BH_OK;
}

static gpointer load_elsewhere(gpointer data) {
  return GINT_TO_POINTER(fixture_load(data));
}

static gpointer notify_elsewhere(gpointer data) {
  g_auto(BhNotifyReply) reply = {0};
  return GINT_TO_POINTER(fixture_notify(data, BH_HOOK_VM_STARTED, &reply));
}

static void given_an_entry_point_that_hangs_when_killed_then_load_returns(void) {
  Fixture fixture;
  BhThread *thread;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .load = hang_in_load});
  thread = bh_thread_new("load", BH_RANK_SESSION_TABLE, load_elsewhere, &fixture);
  fixture_await(&fixture, 1);
  fixture.link->class->kill(fixture.link, "its deadline passed");
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(thread)), ==, BH_RPC_S_CALL_FAILED);
  fixture_assert_died(&fixture, "its deadline passed");
  fixture_end(&fixture, 1);
}

static void given_a_hook_that_hangs_when_killed_then_notify_returns(void) {
  Fixture fixture;
  BhThread *thread;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = hang_in_hook});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  thread = bh_thread_new("notify", BH_RANK_SESSION_TABLE, notify_elsewhere, &fixture);
  fixture_await(&fixture, 1);
  fixture.link->class->kill(fixture.link, "asked to");
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(thread)), ==, BH_RPC_S_CALL_FAILED);
  fixture_end(&fixture, 1); /* without a wait: release itself sees to it that died was said */
}

static void call_after_the_end(gpointer data) {
  BhMockHost *host = data;
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .path = (char *)"/bin/true"};

  bh_mock_host_wait_dead(host);
  g_assert_true(bh_mock_host_is_gone(host));
  g_assert_cmpint(bh_mock_host_call(host, &call, &reply), ==, BH_E_UNEXPECTED);
}

static void leave_threads_behind(BhMockHost *host, BhLoadReply *reply, gpointer data) {
  (void)reply, (void)data;
  for (guint i = 0; i < 3; i++) g_assert_nonnull(bh_mock_host_spawn(host, call_after_the_end, host));
}

static void given_threads_when_released_then_they_end_and_nobody_is_told_of_a_death(void) {
  Fixture fixture;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .load = leave_threads_behind});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  fixture_release(&fixture);
  g_assert_cmpuint(fixture.calls, ==, 0);
  fixture_end(&fixture, 0);
}

static void given_no_load_when_released_then_nothing_happens(void) {
  Fixture fixture;

  fixture_start(&fixture, &(BhMockPlugin){.name = "p"});
  fixture_end(&fixture, 0);
}

/* ---- A call in a dead host ----------------------------------------------------------------------------- */

static gint resources_closed;

static void close_resource(gintptr value) {
  g_assert_cmpint(value, ==, 12);
  g_atomic_int_inc(&resources_closed);
}

static void answer_with_resource(Fixture *fixture, const BhCall *call, BhCallReply *reply) {
  gboolean wait = call->session == 1;

  if (wait) {
    fixture_reach(fixture, 1); /* the service works on it */
    fixture_await(fixture, 2); /* meanwhile the host died */
  }
  reply->result = BH_OK;
  reply->resource = (BhResource){12, close_resource};
}

static BhResult call_for_resource(BhMockHost *host, const BhNotification *notification, gpointer data) {
  g_auto(BhCallReply) reply = {0};
  gboolean dies = notification->hook == BH_HOOK_VM_STARTED;
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .path = (char *)"/bin/true", .session = dies ? 1 : 0};
  BhResult result = bh_mock_host_call(host, &call, &reply);

  (void)data;
  g_assert_cmpint(result, ==, dies ? BH_E_UNEXPECTED : BH_OK);
  g_assert_true((reply.resource.close == NULL) == dies);
  return BH_OK;
}

static void given_a_result_on_its_way_when_the_host_dies_then_it_is_closed(void) {
  Fixture fixture;
  BhThread *thread;
  g_auto(BhNotifyReply) reply = {0};

  g_atomic_int_set(&resources_closed, 0);
  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = call_for_resource});
  fixture.on_call = answer_with_resource;
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);

  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STOPPING, &reply), ==, BH_OK);
  g_assert_cmpint(g_atomic_int_get(&resources_closed), ==, 1); /* by the plugin, whose it was */

  thread = bh_thread_new("notify", BH_RANK_SESSION_TABLE, notify_elsewhere, &fixture);
  fixture_await(&fixture, 1);
  fixture.link->class->kill(fixture.link, "asked to");
  /* Though the call is still being served, notify returns, and the death is told. */
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(thread)), ==, BH_RPC_S_CALL_FAILED);
  fixture_assert_died(&fixture, "asked to");
  fixture_reach(&fixture, 2);
  fixture_release(&fixture);
  g_assert_cmpint(g_atomic_int_get(&resources_closed), ==, 2);
  fixture_end(&fixture, 1);
}

/* ---- Two at once, faults ------------------------------------------------------------------------------- */

static BhResult meet(BhMockHost *host, const BhNotification *notification, gpointer data) {
  gboolean first = notification->hook == BH_HOOK_VM_STARTED;

  (void)host;
  fixture_reach(data, first ? 1 : 2);
  fixture_await(data, 2);
  return first ? 1 : 2;
}

static gpointer notify_first(gpointer data) {
  g_auto(BhNotifyReply) reply = {0};
  g_assert_cmpint(fixture_notify(data, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  return GINT_TO_POINTER(reply.result);
}

static void given_two_notifications_at_once_then_their_hooks_overlap(void) {
  Fixture fixture;
  BhThread *thread;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = meet});
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  thread = bh_thread_new("first", BH_RANK_SESSION_TABLE, notify_first, &fixture);
  fixture_await(&fixture, 1);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STOPPING, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, 2);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(thread)), ==, 1);
  fixture_end(&fixture, 0);
}

static void given_faults_when_their_step_comes_then_it_returns_them_once(void) {
  static const BhLinkEvents no_events = {0};
  static const BhPluginSpec spec = {"p", "/nowhere"};
  Fixture fixture;
  BhLink *link = NULL;
  g_autofree char *cause = NULL;
  g_auto(BhNotifyReply) reply = {0};

  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS});
  bh_backend_mock_fail(fixture.backend, BH_MOCK_START, "p", 1, BH_E_ACCESSDENIED);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_LOAD, NULL, 1, BH_RPC_E_SERVERFAULT);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_NOTIFY, "another", 1, BH_E_FAIL);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_NOTIFY, "p", 2, BH_RPC_E_CALL_REJECTED);
  bh_backend_mock_fail(fixture.backend, BH_MOCK_NOTIFY, NULL, 2, BH_RPC_E_DISCONNECTED);

  g_assert_cmpint(fixture.backend->class->start(fixture.backend, &spec, &no_events, NULL, &link, &cause), ==,
                  BH_E_ACCESSDENIED);
  g_assert_null(link);
  g_assert_nonnull(cause);
  g_assert_cmpint(fixture_load(&fixture), ==, BH_RPC_E_SERVERFAULT);
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_E_CALL_REJECTED);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_E_DISCONNECTED);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  fixture_end(&fixture, 0); /* a fault is the transport's: no host died */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, function) g_test_add_func("/mock/" path, function)
  TEST("life/answer", given_a_plugin_when_it_is_notified_then_its_answer_comes_back);
  TEST("life/no-handler", given_no_handler_for_a_hook_when_notified_then_it_succeeds_uncalled);
  TEST("life/load-failure-is-data", given_an_entry_point_that_fails_when_loaded_then_that_is_data);
  TEST("life/hook-result-is-data", given_a_hook_that_returns_a_transport_code_then_the_transport_says_ok);
  TEST("life/never-loaded", given_no_load_when_released_then_nothing_happens);
  TEST("message", given_messages_when_a_hook_fails_then_the_first_comes_with_it);
  TEST("call/tagged", given_calls_then_they_carry_the_hook_on_whose_thread_they_are_made);
  TEST("call/refused-by-host", given_bad_and_oversized_calls_then_the_host_refuses_them_and_lives);
  TEST("call/host-died-meanwhile", given_a_result_on_its_way_when_the_host_dies_then_it_is_closed);
  TEST("crash/load", given_a_crash_in_load_then_load_says_so_and_later_steps_find_no_server);
  TEST("crash/hook", given_a_crash_in_a_hook_then_the_hook_fails_and_no_call_comes_after_it);
  TEST("crash/own-thread", given_a_crash_on_the_plugins_thread_then_the_hook_in_flight_fails);
  TEST("crash/outside-hooks", given_a_crash_outside_any_hook_then_it_is_told_at_once);
  TEST("kill/load", given_an_entry_point_that_hangs_when_killed_then_load_returns);
  TEST("kill/hook", given_a_hook_that_hangs_when_killed_then_notify_returns);
  TEST("release/threads", given_threads_when_released_then_they_end_and_nobody_is_told_of_a_death);
  TEST("overlap", given_two_notifications_at_once_then_their_hooks_overlap);
  TEST("faults", given_faults_when_their_step_comes_then_it_returns_them_once);
  return g_test_run();
}
