/* Processes that a plugin started in a WSLC session's VM: they are its link's, as long as that lasts. */
#include "container-fixture.h"

static BhResult ask(BhMockHost *host, BhApi api, guint64 process, guint32 fd) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = api, .process = process, .fd = fd};
  return bh_mock_host_call(host, &call, &reply);
}

static BhResult use_process(BhMockHost *host, const BhNotification *notification, gpointer data) {
  guint64 process = 0;

  (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  g_assert_cmpint(call_process(host, notification->session, &process), ==, BH_OK);
  g_assert_cmpuint(process, !=, 0);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 1), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 1), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 999), ==, BH_E_INVALIDARG);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_EVENT, process, 0), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process, 0), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process + 1, 0), ==, BH_E_INVALIDARG);
  g_assert_cmpuint(world.guest.processes, ==, 1);
  ask(host, BH_API_PROCESS_RELEASE, process, 0);
  g_assert_cmpuint(world.guest.processes, ==, 0);
  g_assert_cmpuint(world.guest.resources, ==, 0);
  ask(host, BH_API_PROCESS_RELEASE, process, 0);
  ask(host, BH_API_PROCESS_RELEASE, 0, 0);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process, 0), ==, BH_E_INVALIDARG);
  g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_OK); /* left to the link's end */
  return BH_OK;
}

static void processes(void) {
  open_world(use_process, NULL);
  release(created("one", FALSE));
  g_assert_cmpuint(world.guest.processes, ==, 1); /* outlives its VM */
  close_world("W+ VM+ W- VM-");
}

/* One that could not be started takes no room; one that is refused is not started. */
static BhResult too_many(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_E_FAIL);
  for (guint i = 0; i < BH_PROCESS_TABLE_MAX; i++)
    g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_OK);
  g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_E_OUTOFMEMORY);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_PROCESS_START], ==, 1 + BH_PROCESS_TABLE_MAX);
  return BH_OK;
}

static BhResult fail_first_start(BhFakeStep step, gpointer data) {
  (void)data;
  return step == BH_FAKE_PROCESS_START && world.guest.passed[step] == 1 ? BH_E_FAIL : BH_OK;
}

static void too_many_processes(void) {
  open_world(too_many, NULL);
  world.guest.before = fail_first_start;
  release(created("one", FALSE));
  g_assert_cmpuint(world.guest.processes, ==, BH_PROCESS_TABLE_MAX);
  close_world("W+ VM+ W- VM-");
}

static BhMockHost *crashing_host;

static BhResult crash_in_process_start(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_PROCESS_START) bh_mock_host_crash(crashing_host, "while a process was on its way");
  return BH_OK;
}

static BhResult create_and_crash(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  crashing_host = host;
  call_process(host, notification->session, NULL);
  return BH_OK;
}

/* Rows 29 and 59: the process goes at once, and everything is refused from the latch. */
static void host_dies_with_a_process_on_its_way(void) {
  BhContainerSession *session;

  open_world(create_and_crash, NULL);
  world.guest.before = crash_in_process_start;
  g_assert_cmpint(create("one", FALSE, &session, NULL), ==, BH_RPC_E_SERVER_DIED);
  g_assert_cmpint(create("two", FALSE, &session, NULL), ==, BH_RPC_E_SERVER_DIED);
  close_world("W+");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func) g_test_add_func("/container-session/" path, func)
  TEST("processes", processes);
  TEST("too-many-processes", too_many_processes);
  TEST("host-dies-with-a-process-on-its-way", host_dies_with_a_process_on_its_way);
  return g_test_run();
}
