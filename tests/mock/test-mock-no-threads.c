/* The mock backend when no thread can be had: a result at each step, and never an abort. */
#include "fixture.h"

static gint threads_left;

static gboolean may_start_thread(const char *name) {
  (void)name;
  return g_atomic_int_add(&threads_left, -1) > 0;
}

static const BhSyncObserver observer = {.may_start_thread = may_start_thread};

static void wait_for_the_end(gpointer host) {
  bh_mock_host_wait_dead(host);
}

/* The threads that are idle can still be had: at most the one that loaded. */
static BhResult begin_threads(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)notification, (void)data;
  g_atomic_int_set(&threads_left, 0);
  for (guint i = 0; i < 2; i++)
    if (bh_mock_host_spawn(host, wait_for_the_end, host) == NULL) return BH_E_OUTOFMEMORY;
  return BH_OK;
}

static void given_no_thread_then_each_step_says_so(void) {
  static const BhLinkEvents no_events = {0};
  static const BhPluginSpec spec = {"p", "/nowhere"};
  Fixture fixture;
  BhLink *link = NULL;
  g_autofree char *cause = NULL;
  g_auto(BhNotifyReply) reply = {0};

  g_atomic_int_set(&threads_left, 1); /* the host's own */
  fixture_start(&fixture, &(BhMockPlugin){.name = "p", .hooks = ALL_HOOKS, .hook = begin_threads});
  g_assert_cmpint(fixture.backend->class->start(fixture.backend, &spec, &no_events, NULL, &link, &cause), ==,
                  BH_E_OUTOFMEMORY);
  g_assert_null(link);
  g_assert_nonnull(cause);
  g_assert_cmpint(fixture_load(&fixture), ==, BH_E_OUTOFMEMORY);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_E_OUTOFMEMORY);

  g_atomic_int_set(&threads_left, 2);
  g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
  g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_E_OUTOFMEMORY); /* of the plugin's own threads */
  fixture_end(&fixture, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_sync_add_observer(&observer);
  g_test_add_func("/mock/no-threads", given_no_thread_then_each_step_says_so);
  return g_test_run();
}
