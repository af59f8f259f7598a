/* Containers and images of WSLC sessions: what plugins are told of them, and that each ends once, whatever ends it. */
#include "container-fixture.h"

static void containers(void) {
  const BhContainerSpec of_no_image = {.name = "web", .image = "none", .program = {.path = "/x"}};
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(bh_container_session_start_container(session, &of_no_image, NULL), ==, BH_E_NOT_FOUND);
  add_image(session);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(start_container(session, "db", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_container_session_delete_image(session, "alpine", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_delete_image(session, "alpine", NULL), ==, BH_E_NOT_FOUND);
  release(session); /* stops db */
  close_world("W+ VM+ C+ C+ C- I- C- W- VM-");
}

/* A folder that is given is enough. */
static void container_of_no_image(void) {
  const BhContainerSpec spec = {.name = "web", .root = "/", .program = {.path = "/bin/sleep"}};
  const BhContainerSpec of_nothing = {.name = "db", .program = {.path = "/bin/sleep"}};
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(bh_container_session_start_container(session, &spec, NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_start_container(session, &of_nothing, NULL), ==, BH_E_NOT_FOUND);
  release(session);
  close_world("W+ VM+ C+ C- W- VM-");
}

static void images(void) {
  static const BhImageOrigin origins[] = {BH_IMAGE_PULLED, BH_IMAGE_IMPORTED, BH_IMAGE_LOADED, BH_IMAGE_BUILT};
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS(origins); i++) {
    g_autofree char *name = g_strdup_printf("image-%u", i);
    g_assert_cmpint(bh_container_session_create_image(session, name, NULL, origins[i], NULL), ==, BH_OK);
    g_assert_cmpint(bh_container_session_create_image(session, name, NULL, origins[i], NULL), ==,
                    BH_E_ALREADY_EXISTS);
    say(".");
  }
  release(session);
  close_world("W+ VM+ I+ . I+ . . . VM- W-");
}

/* Row 28. */
static void container_refused(void) {
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(refuse, GUINT_TO_POINTER(BH_HOOK_CONTAINER_STARTED));
  session = created("one", FALSE);
  add_image(session);
  g_assert_cmpint(start_container(session, "web", &error), ==, BH_E_ACCESSDENIED);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'Log'. Error message: 'Not today'\n"
                  "Error code: Wsl/Service/CreateContainer/Plugin/E_ACCESSDENIED");
  g_assert_cmpuint(world.guest.passed[BH_FAKE_CONTAINER_STOP], ==, 1);
  g_assert_cmpint(run(session), ==, BH_OK); /* the session lives */
  release(session);
  close_world("W+ VM+ C+ W- VM-");
}

static BhResult crash_at_image(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_IMAGE_CREATED) bh_mock_host_crash(host, "in a hook that aborts nothing");
  return BH_OK;
}

static void container_after_a_crash(void) {
  g_autoptr(BhError) error = NULL;
  BhContainerSession *session;

  open_world(crash_at_image, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(bh_container_session_create_image(session, "alpine", NULL, BH_IMAGE_PULLED, NULL), ==, BH_OK);
  g_assert_cmpint(start_container(session, "web", &error), ==, BH_RPC_E_SERVER_DIED);
  g_assert_cmpstr(error->message, ==, "A fatal error was returned by plugin 'Log'");
  g_assert_cmpuint(world.guest.passed[BH_FAKE_CONTAINER_STOP], ==, 1);
  release(session);
  close_world("W+ VM+ I+");
}

/* --- Those that end by themselves -------------------------------------------------------------------------------- */

static BhResult open_at_container_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook == BH_HOOK_CONTAINER_STOPPING) bh_gate_open(&world.reached);
  return BH_OK;
}

static void container_ends_by_itself(void) {
  BhContainerSession *session;

  open_world(open_at_container_stop, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_true(bh_fake_guest_end_container(&world.guest, world.guest.last_number));
  bh_gate_pass(&world.reached);
  release(session);
  close_world("W+ VM+ C+ C- W- VM-");
}

/* The plugins have not agreed yet. */
static BhResult end_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook == BH_HOOK_CONTAINER_STARTED)
    bh_fake_guest_end_container(&world.guest, world.guest.last_number);
  return BH_OK;
}

/* The session does not even know its number yet. */
static BhResult end_in_its_start(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_CONTAINER_START) bh_fake_guest_end_container(&world.guest, world.guest.last_number + 1);
  return BH_OK;
}

static void container_that_ended_early_is_gone(BhContainerSession *session) {
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  release(session);
  close_world("W+ VM+ C+ C- VM- W-");
}

static void container_ends_in_its_hook(void) {
  open_world(end_in_hook, NULL);
  container_that_ended_early_is_gone(created("one", TRUE));
}

static void container_ends_before_it_has_started(void) {
  open_world(NULL, NULL);
  world.guest.before = end_in_its_start;
  container_that_ended_early_is_gone(created("one", TRUE));
}

static BhResult hold_container_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook != BH_HOOK_CONTAINER_STOPPING || notification->session != 1) return BH_OK;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  return BH_OK;
}

/* Nobody could be told of its end, as the only worker is held in another session's hook. */
static void next_operation_finds_what_ended(gconstpointer operation) {
  gboolean stops_vm = g_str_equal(operation, "stop-idle-vm");
  BhContainerSession *other, *session;

  open_world(hold_container_stop, NULL);
  watch_one_worker();
  other = created("other", TRUE);
  wait_for_idle_worker();
  g_assert_cmpint(start_container(other, "web", NULL), ==, BH_OK);
  g_assert_true(bh_fake_guest_end_container(&world.guest, world.guest.last_number));
  bh_gate_pass(&world.reached);
  session = created("one", TRUE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_true(bh_fake_guest_end_container(&world.guest, world.guest.last_number));
  say("unnoticed");
  if (!stops_vm) g_assert_cmpint(run(session), ==, BH_OK);
  if (!stops_vm) say("ran");
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  release(session);
  bh_gate_open(&world.go_on);
  release(other);
  close_world(stops_vm ? "W+ VM+ C+ C- W+ VM+ C+ unnoticed C- VM- W- VM- W-"
                       : "W+ VM+ C+ C- W+ VM+ C+ unnoticed C- ran VM- W- VM- W-");
}

static BhResult cannot_stop_once(BhFakeStep step, gpointer data) {
  (void)data;
  return step == BH_FAKE_CONTAINER_STOP && world.guest.passed[step] == 1 ? BH_E_FAIL : BH_OK;
}

/* It runs on, so its VM is in use; plugins are told at each try. */
static void container_that_could_not_be_stopped_stays(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  world.guest.before = cannot_stop_once;
  session = created("one", TRUE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_FAIL);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_BUSY);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  release(session);
  close_world("W+ VM+ C+ C- C- VM- W-");
}

/* The guest could not stop what the plugins refused: whoever tries again can. */
static void refused_container_that_could_not_be_stopped(void) {
  BhContainerSession *session;

  open_world(refuse, GUINT_TO_POINTER(BH_HOOK_CONTAINER_STARTED));
  world.guest.before = cannot_stop_once;
  session = created("one", FALSE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_E_ACCESSDENIED);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  release(session);
  close_world("W+ VM+ C+ W- VM-");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func) g_test_add_func("/container-session/" path, func)
  TEST("containers", containers);
  TEST("container-of-no-image", container_of_no_image);
  TEST("images", images);
  TEST("container-refused", container_refused);
  TEST("container-after-a-crash", container_after_a_crash);
  TEST("container-ends-by-itself", container_ends_by_itself);
  TEST("container-ends-in-its-hook", container_ends_in_its_hook);
  TEST("container-ends-before-it-has-started", container_ends_before_it_has_started);
  g_test_add_data_func("/container-session/next-operation-finds-what-ended/run", "run",
                       next_operation_finds_what_ended);
  g_test_add_data_func("/container-session/next-operation-finds-what-ended/stop-idle-vm", "stop-idle-vm",
                       next_operation_finds_what_ended);
  TEST("refused-container-that-could-not-be-stopped", refused_container_that_could_not_be_stopped);
  TEST("container-that-could-not-be-stopped-stays", container_that_could_not_be_stopped_stays);
  return g_test_run();
}
