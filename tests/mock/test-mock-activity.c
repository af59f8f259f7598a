/* What a mock's host has running, as whoever watches it is told; and the script's words for it. */
#include "core/lock-order.h"

#include "backend-mock/mock.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  BhBackend *backend;
  BhLink *link;
  char *folder, *script, *log;

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GString *told; /* a first word for each: +h -h for the host, c a child, t a thread; *: it is none that we know */
  guint32 host, child;
} Watcher;

static const BhLockClass watcher_class = {"test-watcher", BH_RANK_LEAF, FALSE};

/* With the lock. */
static char name_of(Watcher *watcher, const BhActivity *activity) {
  if (activity->type == BH_PROCESS_CREATED && g_str_equal(activity->image, "mock-host"))
    watcher->host = activity->process;
  else if (activity->type == BH_PROCESS_CREATED && g_str_equal(activity->image, "scanner.exe"))
    watcher->child = activity->process;
  if (activity->process == watcher->host) return 'h';
  return activity->process == watcher->child ? 'c' : '*';
}

static void on_activity(gpointer data, const BhActivity *activity) {
  static const char *const signs[] = {"+", "=", "-", "+t", "-t"};
  Watcher *watcher = data;

  bh_mutex_lock(&watcher->lock);
  g_string_append_printf(watcher->told, "%s%s%c", watcher->told->len > 0 ? " " : "", signs[activity->type],
                         name_of(watcher, activity));
  if (activity->type == BH_PROCESS_EXITED) g_string_append_printf(watcher->told, "(%d)", activity->exit_status);
  bh_cond_broadcast(&watcher->changed);
  bh_mutex_unlock(&watcher->lock);
}

/* Until that was told, and no more than that. */
static void await_told(Watcher *watcher, const char *expected) {
  bh_mutex_lock(&watcher->lock);
  while (watcher->told->len < strlen(expected)) bh_cond_wait(&watcher->changed, &watcher->lock);
  g_assert_cmpstr(watcher->told->str, ==, expected);
  g_string_truncate(watcher->told, 0);
  bh_mutex_unlock(&watcher->lock);
}

static void start(Watcher *watcher, const char *script) {
  static const BhLinkEvents events = {.activity = on_activity};
  g_autofree char *cause = NULL;
  BhPluginSpec spec = {.name = "Scripted"};

  *watcher = (Watcher){.folder = g_dir_make_tmp("bulkhead-XXXXXX", NULL), .told = g_string_new(NULL)};
  watcher->script = g_build_filename(watcher->folder, "it.script", NULL);
  watcher->log = g_build_filename(watcher->folder, "it.log", NULL);
  spec.path = watcher->script;
  g_assert_true(g_file_set_contents(watcher->script, script, -1, NULL));
  bh_mutex_init(&watcher->lock, &watcher_class);
  bh_cond_init(&watcher->changed);
  watcher->backend = bh_backend_mock_new(NULL, 0);
  g_assert_cmpint(
      watcher->backend->class->start(watcher->backend, &spec, &events, watcher, &watcher->link, &cause), ==,
      BH_OK);
}

static void load(Watcher *watcher) {
  g_auto(BhLoadReply) reply = {0};

  g_assert_cmpint(watcher->link->class->load(watcher->link, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_OK);
}

static void watch(Watcher *watcher, BhWatch what) {
  g_assert_cmpint(watcher->link->class->watch(watcher->link, what), ==, BH_OK);
}

static void end(Watcher *watcher, const char *expected, const char *expected_log) {
  g_autofree char *log = NULL;

  watcher->link->class->release(watcher->link);
  await_told(watcher, expected); /* all of it came before release returned */
  bh_backend_mock_free(watcher->backend);
  g_assert_true(g_file_get_contents(watcher->log, &log, NULL, NULL));
  g_assert_cmpstr(log, ==, expected_log);
  g_remove(watcher->log);
  g_remove(watcher->script);
  g_rmdir(watcher->folder);
  bh_cond_clear(&watcher->changed);
  bh_mutex_clear(&watcher->lock);
  g_string_free(watcher->told, TRUE);
  g_free(watcher->folder);
  g_free(watcher->script);
  g_free(watcher->log);
}

/* From before it loads to after its release. */
static void whole_life(void) {
  Watcher watcher;

  start(&watcher, "on load\n"
                  "  spawn one scanner.exe /all\n"
                  "  spawn one other.exe\n"
                  "  thread helper none\n"
                  "    log in it\n"
                  "  end\n"
                  "  join helper\n"
                  "  kill one 3\n"
                  "  kill one 3\n"
                  "  spawn one scanner.exe\n");
  watch(&watcher, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_told(&watcher, "+h +th");
  load(&watcher);
  await_told(&watcher, "+c +tc +th -th -tc -c(3) +c +tc");
  end(&watcher, "-tc -c(0) -th -h(0)",
      "load\nspawn one S_OK\nspawn one ERROR_ALREADY_EXISTS\nin it\njoin helper S_OK\n"
      "kill one S_OK\nkill one ERROR_NOT_FOUND\nspawn one S_OK\n");
}

/* What runs when it is asked for is told of then; what is no longer asked for is not. */
static void more_and_less(void) {
  Watcher watcher;

  start(&watcher, "on load\n  spawn one scanner.exe\n");
  load(&watcher);
  watch(&watcher, BH_WATCH_PROCESSES);
  await_told(&watcher, "+h +c");
  watch(&watcher, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  await_told(&watcher, "+th +tc");
  watch(&watcher, BH_WATCH_PROCESSES);
  g_assert_true(bh_mock_host_end_child(bh_mock_host(watcher.link), watcher.child, 7));
  await_told(&watcher, "-c(7)");
  watch(&watcher, BH_WATCH_NOTHING);
  g_assert_cmpuint(bh_mock_host_start_child(bh_mock_host(watcher.link), "other.exe", NULL), !=, 0);
  end(&watcher, "", "load\nspawn one S_OK\n");
}

static void crash(void) {
  Watcher watcher;

  start(&watcher, "on load\n  spawn one scanner.exe\n");
  load(&watcher);
  watch(&watcher, BH_WATCH_PROCESSES);
  bh_mock_host_crash(bh_mock_host(watcher.link), "access violation");
  await_told(&watcher, "+h +c -c(1) -h(1)");
  g_assert_cmpint(watcher.link->class->watch(watcher.link, BH_WATCH_PROCESSES), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpuint(bh_mock_host_start_child(bh_mock_host(watcher.link), "other.exe", NULL), ==, 0);
  end(&watcher, "", "load\nspawn one S_OK\n");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/mock-activity/whole-life", whole_life);
  g_test_add_func("/mock-activity/more-and-less", more_and_less);
  g_test_add_func("/mock-activity/crash", crash);
  return g_test_run();
}
