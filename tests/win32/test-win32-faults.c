/* Row 36, 37, 58: whatever ends a host is noticed once, and named. (What a plugin does on purpose is in
 * test-win32-hardening.c.) */
#include "fixture.h"

typedef struct {
  const char *command; /* of faults.dll */
  const char *how;     /* how must contain this */
} Fault;

static const Fault faults[] = {
    {"access-violation", "access violation writing 0x0 at faults.dll+0x"},
    {"stack-overflow", "stack overflow at faults.dll+0x"},
    {"division", "division by zero at faults.dll+0x"},
    {"illegal-instruction", "illegal instruction at faults.dll+0x"},
    {"call-nowhere", "0x10 at 0x10 (0xC0000005)"},
    {"abort", "exit code 3 (abort)"},
    {"exit-0", "exit code 0"},
    {"exit-process-7", "exit code 7"},
    {"terminate-0", "exit code 0"},
};

static void test_in_hook(gconstpointer data) {
  const Fault *fault = data;
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, fault->command, &status);
  fixture_assert_dead(status);
  fixture_assert_how(&fixture, fault->how);
  /* And it stays dead. */
  g_auto(BhNotifyReply) next = fixture_command(&fixture, "succeed", &status);
  fixture_assert_dead(status);
  fixture_stop(&fixture);
}

static void test_cxx_exception_leaves_hook(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "cxx");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "throw", &status);
  fixture_assert_dead(status);
  fixture_assert_how(&fixture, "uncaught C++ exception");
  fixture_stop(&fixture);
}

static void test_cxx_exceptions_inside(void) {
  BhNotification started = {.hook = BH_HOOK_VM_STARTED, .number = 1, .session = SESSION};
  g_auto(BhNotifyReply) reply = {0};
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "cxx");
  g_assert_cmphex((guint)fixture.backend->class->notify(fixture.link, &started, &reply), ==, 0);
  g_assert_cmphex((guint)reply.result, ==, 0);
  g_auto(BhNotifyReply) ran = fixture_command(&fixture, "Debian", &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)ran.result, ==, 0);
  fixture_stop(&fixture);
}

/* No call is in flight when it happens. */
static void test_own_thread(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) prepared = fixture_command(&fixture, "own-thread-prepare", &status);
  g_assert_cmphex((guint)prepared.result, ==, 0);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "own-thread-fault", &status);
  fixture_assert_how(&fixture, "access violation writing 0x0 at faults.dll+0x");
  fixture_stop(&fixture);
}

static gpointer notify_waiting(gpointer data) {
  BhResult status;
  g_auto(BhNotifyReply) reply = fixture_command(data, "mount", &status);
  fixture_assert_dead(status);
  return NULL;
}

/* Its call tells that the hook was entered, and holds it there. */
static void test_killed_in_hook(void) {
  BhThread *thread;
  Fixture fixture;

  fixture_start(&fixture, "faults");
  fixture_gate(&fixture);
  thread = bh_thread_new("notify", BH_RANK_LEAF, notify_waiting, &fixture);
  fixture_await_waiting(&fixture, 1);
  fixture.backend->class->kill(fixture.link, "the test wants it");
  bh_thread_join(thread);
  g_assert_cmpstr(fixture_await_death(&fixture), ==, "stopped by the service: the test wants it");
  fixture.backend->class->kill(fixture.link, "again");
  fixture_ungate(&fixture);
  fixture_stop(&fixture);
}

static void test_killed_while_calling(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "keep-calling", &status);
  fixture.backend->class->kill(fixture.link, "enough");
  fixture_await_death(&fixture);
  fixture_stop(&fixture);
}

/* --- Loading -------------------------------------------------------------------------------------------- */

/* start and load apart, and a kill from outside while load runs. */
static void test_load_hangs(gconstpointer name) {
  g_autofree char *path = fixture_copy_plugin("faults", name);
  Fixture fixture;

  fixture_open(&fixture, path);
  fixture_begin_load(&fixture);
  fixture_await_hang(&fixture);
  fixture_kill_load(&fixture);
  fixture_stop(&fixture);
}

/* Likewise, inside a call of the entry point's. */
static void test_load_waits(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "entry-calls");
  Fixture fixture;

  fixture_open(&fixture, path);
  fixture_gate(&fixture);
  fixture_begin_load(&fixture);
  fixture_await_waiting(&fixture, 1);
  fixture_kill_load(&fixture);
  fixture_ungate(&fixture);
  fixture_stop(&fixture);
}

static void test_entry_point_faults(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "entry-faults");
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status);
  fixture_assert_dead(status);
  fixture_assert_how(&fixture, "access violation");
  fixture_stop(&fixture);
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  g_setenv("BULKHEAD_DUMPS", "", TRUE); /* they have tests of their own */
  for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
    g_autofree char *path = g_strconcat("/win32/faults/36-", faults[i].command, NULL);
    g_test_add_data_func(path, &faults[i], test_in_hook);
  }
  g_test_add_func("/win32/faults/36-cxx-exception-leaves-hook", test_cxx_exception_leaves_hook);
  g_test_add_func("/win32/faults/cxx-exceptions-inside", test_cxx_exceptions_inside);
  g_test_add_func("/win32/faults/37-own-thread", test_own_thread);
  g_test_add_func("/win32/faults/killed-in-hook", test_killed_in_hook);
  g_test_add_func("/win32/faults/killed-while-calling", test_killed_while_calling);
  g_test_add_data_func("/win32/faults/58-entry-point-hangs", "entry-hangs", test_load_hangs);
  g_test_add_data_func("/win32/faults/58-dllmain-hangs", "dllmain-hangs", test_load_hangs);
  g_test_add_func("/win32/faults/58-entry-point-waits", test_load_waits);
  g_test_add_func("/win32/faults/entry-point-faults", test_entry_point_faults);
  return g_test_run();
}
