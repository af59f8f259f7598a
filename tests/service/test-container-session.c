/* WSLC sessions: how they begin and end, who may use them, and what plugins are told of that, in which order. */
#include "container-fixture.h"

#include <string.h>

static void eager(void) {
  open_world(call_in_hook, NULL);
  release(created("one", FALSE));
  close_world("W+ (S_OK) VM+ (S_OK) W- (S_OK) VM- (S_OK)");
}

/* Row 52. */
static void on_demand_without_need(void) {
  open_world(call_in_hook, NULL);
  release(created("one", TRUE));
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 0);
  close_world("W+ (WSLC_E_VM_NOT_RUNNING) W- (WSLC_E_VM_NOT_RUNNING)");
}

/* Row 51. */
static void on_demand(void) {
  BhContainerSession *session;

  open_world(call_in_hook, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 2);
  release(session);
  close_world("W+ (WSLC_E_VM_NOT_RUNNING) VM+ (S_OK) VM- (S_OK) VM+ (S_OK) VM- (E_NOT_VALID_STATE) "
              "W- (WSLC_E_VM_NOT_RUNNING)");
}

/* Row 27. */
static void veto(gconstpointer data) {
  gboolean on_demand_vm = GPOINTER_TO_INT(data);
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(refuse, GUINT_TO_POINTER(BH_HOOK_SESSION_CREATED));
  g_assert_cmpint(create("one", on_demand_vm, &session, &error), ==, BH_E_ACCESSDENIED);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'Log'. Error message: 'Not today'\n"
                  "Error code: Wsl/Service/CreateSession/Plugin/E_ACCESSDENIED");
  g_assert_null(session);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  g_assert_null(world.guest.vms);
  close_world("W+ W-");
}

static BhResult no_vm(BhFakeStep step, gpointer data) {
  (void)data;
  return step == BH_FAKE_VM_CREATE ? BH_E_OUTOFMEMORY : BH_OK;
}

/* No plugin hears of a session whose VM cannot be had. */
static void vm_that_cannot_be_created(void) {
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(NULL, NULL);
  world.guest.before = no_vm;
  g_assert_cmpint(create("one", FALSE, &session, &error), ==, BH_E_OUTOFMEMORY);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "The virtual machine could not be created\n"
                  "Error code: Wsl/Service/CreateSession/CreateVm/E_OUTOFMEMORY");
  session = created("one", TRUE);
  g_assert_cmpint(run(session), ==, BH_E_OUTOFMEMORY);
  release(session);
  close_world("W+ W-");
}

static void users(void) {
  BhContainerSession *first, *second;

  open_world(NULL, NULL);
  first = created("one", FALSE);
  g_assert_cmpint(bh_service_open_container_session(world.service, "one", &second, NULL), ==, BH_OK);
  g_assert_true(first == second);
  release(first);
  say("still");
  release(second);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  close_world("W+ VM+ still W- VM-");
}

static void persistent(void) {
  BhContainerSettings settings = {.name = "one", .user = &user, .persistent = TRUE};
  BhContainerSession *session;

  open_world(NULL, NULL);
  g_assert_cmpint(bh_service_create_container_session(world.service, &settings, &session, NULL), ==, BH_OK);
  release(session);
  say("still");
  g_assert_cmpint(bh_service_open_container_session(world.service, "one", &session, NULL), ==, BH_OK);
  g_assert_cmpint(create("one", FALSE, &(BhContainerSession *){NULL}, NULL), ==, BH_E_ALREADY_EXISTS);
  bh_service_terminate_container_session(world.service, session);
  bh_service_terminate_container_session(world.service, session);
  g_assert_cmpint(run(session), ==, BH_E_NOT_VALID_STATE);
  release(session);
  close_world("W+ VM+ still W- VM-");
}

/* The service's stop is the last of the ways in which a session ends. */
static void service_stops(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", FALSE);
  bh_container_session_unref(session);
  close_world("W+ VM+ W- VM-");
}

/* Its end comes before the question of what is in it. */
static void ended_session_serves_nobody(gconstpointer data) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", GPOINTER_TO_INT(data));
  add_image(session);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  bh_service_terminate_container_session(world.service, session);
  say("terminated");
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_stop_container(session, "none", NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_create_image(session, "new", NULL, BH_IMAGE_PULLED, NULL), ==,
                  BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_delete_image(session, "alpine", NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_delete_image(session, "none", NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(run(session), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_NOT_VALID_STATE);
  release(session);
  close_world(GPOINTER_TO_INT(data) ? "W+ VM+ C+ C- VM- W- terminated" : "W+ VM+ C+ C- W- VM- terminated");
}

/* --- A program that ends only with its VM ------------------------------------------------------------------------ */

static BhResult end_program_with_vm(BhFakeStep step, gpointer data) {
  (void)data;
  if (step != BH_FAKE_VM_DESTROY) return BH_OK;
  say("destroyed");
  bh_gate_open(&world.go_on);
  return BH_OK;
}

static void wait_for_end(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  say("ended");
}

static gpointer run_until_vm_ends(gpointer session) {
  return GINT_TO_POINTER(run_with(session, wait_for_end));
}

/* Whoever ends the session must not wait for that, or would wait for ever. */
static void program_does_not_hold_up(void (*end)(BhContainerSession *session)) {
  BhContainerSession *session;
  BhThread *runner;

  open_world(NULL, NULL);
  world.guest.before = end_program_with_vm;
  session = created("one", FALSE);
  runner = begin(run_until_vm_ends, session);
  bh_gate_pass(&world.reached);
  end(session);
  g_assert_cmpint(result_of(runner), ==, BH_OK);
  bh_container_session_unref(session);
  close_world("W+ VM+ W- VM- destroyed ended");
}

static void terminate(BhContainerSession *session) {
  bh_service_terminate_container_session(world.service, session);
}

static void program_does_not_hold_up_a_termination(void) {
  program_does_not_hold_up(terminate);
}

static void stop_service_of(BhContainerSession *session) {
  (void)session;
  stop_service();
}

static void program_does_not_hold_up_the_service(void) {
  program_does_not_hold_up(stop_service_of);
}

/* --- Two at once ------------------------------------------------------------------------------------------------- */

/* The first session's hook waits until the second has won. */
static BhResult wait_first(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED || notification->session != 1) return BH_OK;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  return BH_OK;
}

static gpointer create_one(gpointer data) {
  BhContainerSession *session;
  BhResult result = create("one", FALSE, &session, NULL);

  (void)data;
  g_assert_null(session);
  return GINT_TO_POINTER(result);
}

static void lost_name(void) {
  BhContainerSession *session;
  BhThread *loser;

  open_world(wait_first, NULL);
  loser = begin(create_one, NULL);
  bh_gate_pass(&world.reached);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND); /* not published before the plugins have agreed */
  session = created("one", FALSE);
  bh_gate_open(&world.go_on);
  g_assert_cmpint(result_of(loser), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(look_up("one"), ==, BH_OK);
  release(session);
  close_world("W+ W+ VM+ W- W- VM-");
}

static gint meeting; /* atomic: hooks that have come */

/* Rows 33 and 50: two sessions' hooks are in one plugin at once, and each message reaches its own session. */
static BhResult meet(BhMockHost *host, const BhNotification *notification, gpointer data) {
  g_autofree char *message = g_strdup_printf("session %s", notification->display_name);

  (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  if (g_atomic_int_add(&meeting, 1) == 1) bh_gate_open(&world.go_on);
  bh_gate_pass(&world.go_on);
  bh_mock_host_plugin_error(host, message);
  return BH_E_FAIL;
}

static gpointer create_refused(gpointer name) {
  g_autoptr(BhError) error = NULL;
  BhContainerSession *session;

  g_assert_cmpint(create(name, FALSE, &session, &error), ==, BH_E_FAIL);
  return bh_error_text(error);
}

static void hooks_of_two_sessions_overlap(void) {
  BhThread *threads[2];
  g_autofree char *first = NULL, *second = NULL;

  meeting = 0;
  open_world(meet, NULL);
  threads[0] = begin(create_refused, (gpointer) "a");
  threads[1] = begin(create_refused, (gpointer) "b");
  first = bh_thread_join(threads[0]);
  second = bh_thread_join(threads[1]);
  g_assert_nonnull(strstr(first, "Error message: 'session a'"));
  g_assert_nonnull(strstr(second, "Error message: 'session b'"));
  close_world("W+ W+ W- W-");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func)            g_test_add_func("/container-session/" path, func)
#define TEST_WITH(path, data, func) g_test_add_data_func("/container-session/" path, GINT_TO_POINTER(data), func)
  TEST("eager", eager);
  TEST("on-demand", on_demand);
  TEST("on-demand-without-need", on_demand_without_need);
  TEST_WITH("veto/eager", FALSE, veto);
  TEST_WITH("veto/on-demand", TRUE, veto);
  TEST("vm-that-cannot-be-created", vm_that_cannot_be_created);
  TEST("users", users);
  TEST("persistent", persistent);
  TEST("service-stops", service_stops);
  TEST_WITH("ended-session-serves-nobody/eager", FALSE, ended_session_serves_nobody);
  TEST_WITH("ended-session-serves-nobody/on-demand", TRUE, ended_session_serves_nobody);
  TEST("program-does-not-hold-up-a-termination", program_does_not_hold_up_a_termination);
  TEST("program-does-not-hold-up-the-service", program_does_not_hold_up_the_service);
  TEST("lost-name", lost_name);
  TEST("hooks-of-two-sessions-overlap", hooks_of_two_sessions_overlap);
  return g_test_run();
}
