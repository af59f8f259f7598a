/* What a host has given up before a plugin runs in it, what it leaves behind when it faults, and what a plugin
 * achieves that works against it: nothing that outlives its own host. */
#include "fixture.h"
#include "backend-win32/dump/dump.h"
#include "backend-win32/service/link.h"
#include "core/host-crash.h"

#include <glib/gstdio.h>
#include <psapi.h>
#include <string.h>

/* Where this program's hosts put their dumps. */
static char *dumps;

static gboolean is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

static HANDLE host_process(const Fixture *fixture) {
  return ((BhWin32Link *)fixture->link)->process.handle;
}

static void assert_dead(BhResult status) {
  if (bh_host_crash_classify(status) != BH_TRANSPORT_DEAD) g_error("0x%08x is no dead host", (guint)status);
}

static void assert_how(Fixture *fixture, const char *expected) {
  const char *how = fixture_await_death(fixture);
  if (strstr(how, expected) == NULL) g_error("'%s' does not say '%s'", how, expected);
}

/* What hostile.dll says to a command that it survives. */
static BhResult command(Fixture *fixture, const char *name) {
  BhResult status;
  g_auto(BhNotifyReply) reply = fixture_command(fixture, name, &status);
  g_assert_cmphex((guint)status, ==, 0);
  return reply.result;
}

/* --- Given up ------------------------------------------------------------------------------------------- */

static TOKEN_PRIVILEGES *privileges_of(HANDLE process) {
  TOKEN_PRIVILEGES *privileges;
  HANDLE token;
  DWORD size = 0;

  g_assert_true(OpenProcessToken(process, TOKEN_QUERY, &token));
  GetTokenInformation(token, TokenPrivileges, NULL, 0, &size);
  privileges = g_malloc0(size);
  g_assert_true(GetTokenInformation(token, TokenPrivileges, privileges, size, &size));
  CloseHandle(token);
  return privileges;
}

/* Seen from outside; and from inside, that one cannot be had again. */
static void test_privileges_are_gone(void) {
  static const char *const allowed[] = {"SeChangeNotifyPrivilege", "SeImpersonatePrivilege",
                                        "SeCreateGlobalPrivilege", "SeIncreaseWorkingSetPrivilege", NULL};
  g_autofree TOKEN_PRIVILEGES *ours = privileges_of(GetCurrentProcess());
  g_autofree TOKEN_PRIVILEGES *left = NULL;
  Fixture fixture;

  fixture_start(&fixture, "hostile");
  left = privileges_of(host_process(&fixture));
  g_test_message("privileges: service %lu, host %lu", ours->PrivilegeCount, left->PrivilegeCount);
  for (DWORD i = 0; i < left->PrivilegeCount; i++) {
    char name[64];
    DWORD size = sizeof name;
    g_assert_true(LookupPrivilegeNameA(NULL, &left->Privileges[i].Luid, name, &size));
    if (!g_strv_contains(allowed, name)) g_error("the host has %s", name);
  }
  g_assert_cmphex((guint)command(&fixture, "debug-others"), ==, (guint)HRESULT_FROM_WIN32(ERROR_NOT_ALL_ASSIGNED));
  fixture_stop(&fixture);
}

static void test_policies_are_set(void) {
  static const struct {
    PROCESS_MITIGATION_POLICY policy;
    DWORD flags;
  } expected[] = {
      {ProcessASLRPolicy, 1u << 1},
      {ProcessExtensionPointDisablePolicy, 1u << 0},
      {ProcessFontDisablePolicy, 1u << 0},
      {ProcessImageLoadPolicy, 1u << 0 | 1u << 1},
  };
  Fixture fixture;

  if (is_wine()) {
    g_test_skip("Wine accepts mitigation policies and keeps none");
    return;
  }
  fixture_start(&fixture, "hostile");
  for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
    DWORD flags = 0;
    g_assert_true(GetProcessMitigationPolicy(host_process(&fixture), expected[i].policy, &flags, sizeof flags));
    g_assert_cmphex(flags & expected[i].flags, ==, expected[i].flags);
  }
  fixture_stop(&fixture);
}

/* What lies in the current folder, or in PATH, is no plugin's DLL; what lies beside it is. */
static void test_planted_dll_is_not_loaded(void) {
  const BhResult not_found = HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND);
  g_autofree char *dependent = fixture_copy_plugin("import-missing", "import-missing");
  g_autofree char *folder = g_path_get_dirname(dependent);
  g_autofree char *planted_folder = g_build_filename(folder, "planted", NULL);
  g_autofree char *planted = NULL;
  g_autofree char *beside = NULL;
  Fixture fixture;

  g_assert_cmpint(g_mkdir_with_parents(planted_folder, 0700), ==, 0);
  planted = fixture_copy_plugin("absent/absent", "planted\\absent");
  fixture_start(&fixture, "hostile");
  g_assert_cmphex((guint)command(&fixture, "load-planted"), ==, (guint)not_found);
  g_assert_cmphex((guint)command(&fixture, "load-dependent"), ==, (guint)not_found);
  beside = fixture_copy_plugin("absent/absent", "absent");
  g_assert_cmphex((guint)command(&fixture, "load-planted"), ==, 0);
  g_assert_cmphex((guint)command(&fixture, "load-dependent"), ==, 0);
  fixture_stop(&fixture);
  g_unlink(beside); /* other tests want it to be absent */
}

/* --- Dumps ---------------------------------------------------------------------------------------------- */

/* Has hosts fault by this command until one's report names a dump, and returns its path, the caller's. Wine's
 * dbghelp.dll needs more than a second for one, and on a machine that has much else to do may need more than it gets. */
static char *fault_with_dump(const char *name) {
  char *path = NULL;

  for (guint i = 0; i < 5 && path == NULL; i++) {
    const gint64 began = bh_clock_now();
    const char *how, *mark;
    Fixture fixture;
    BhResult status;

    fixture_start(&fixture, "hostile");
    g_auto(BhNotifyReply) reply = fixture_command(&fixture, name, &status);
    how = fixture_await_death(&fixture);
    g_test_message("%s, after %.0f ms", how, (double)(bh_clock_now() - began) / 1e3);
    mark = strstr(how, "; dump: ");
    if (mark != NULL) path = g_strdup(mark + strlen("; dump: "));
    fixture_stop(&fixture);
  }
  if (path == NULL) g_error("no report names a dump");
  return path;
}

static void assert_is_dump(const char *path) {
  g_autofree char *bytes = NULL;
  g_autoptr(GError) error = NULL;
  gsize size = 0;

  g_file_get_contents(path, &bytes, &size, &error);
  g_assert_no_error(error);
  g_test_message("%s: %" G_GSIZE_FORMAT " bytes", path, size);
  g_assert_cmpuint(size, >, 1024);
  g_assert_cmpuint(size, <=, BH_DUMP_SIZE_MAX);
  g_assert_cmpmem(bytes, 4, "MDMP", 4);
}

static guint count_dumps(void) {
  GDir *directory = g_dir_open(dumps, 0, NULL);
  guint count = 0;

  while (directory != NULL && g_dir_read_name(directory) != NULL) count++;
  if (directory != NULL) g_dir_close(directory);
  return count;
}

static void test_dump_is_named(gconstpointer name) {
  g_autofree char *path = fault_with_dump(name);
  assert_is_dump(path);
}

/* Old ones go; and only what is a dump by its name. */
static void test_dumps_are_few(void) {
  g_autofree char *other = g_build_filename(dumps, "letter.txt", NULL);
  g_autofree char *first = g_build_filename(dumps, "host-20000101-000000-1.dmp", NULL);
  g_autofree char *path = NULL;

  g_mkdir_with_parents(dumps, 0700);
  g_assert_true(g_file_set_contents(other, "hello", -1, NULL));
  g_assert_true(g_file_set_contents(first, "old", -1, NULL));
  for (guint i = 2; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("host-20000101-0000%02u-1.dmp.part", i);
    g_autofree char *old = g_build_filename(dumps, name, NULL);
    g_assert_true(g_file_set_contents(old, "old", -1, NULL));
  }
  path = fault_with_dump("swallow-faults");
  assert_is_dump(path);
  g_assert_false(g_file_test(first, G_FILE_TEST_EXISTS));
  g_assert_cmpuint(count_dumps(), ==, BH_DUMPS_MAX + 1);
  g_assert_cmpint(g_unlink(other), ==, 0);
}

static void test_no_dumps_wanted(void) {
  Fixture fixture;
  BhResult status;

  g_setenv("BULKHEAD_DUMPS", "", TRUE);
  fixture_start(&fixture, "hostile");
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE); /* it was asked when the host said hello */
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  assert_how(&fixture, "access violation writing 0x0 at hostile.dll+0x");
  assert_how(&fixture, "; dump: none was asked for");
  fixture_stop(&fixture);
}

/* A folder that cannot be made: the report is there all the same. */
static void test_dump_cannot_be_written(void) {
  g_autofree char *file = fixture_copy_plugin("hostile", "no-folder");
  Fixture fixture;
  BhResult status;

  g_setenv("BULKHEAD_DUMPS", file, TRUE);
  fixture_start(&fixture, "hostile");
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  assert_how(&fixture, "access violation writing 0x0 at hostile.dll+0x");
  assert_how(&fixture, "; dump: none, ");
  fixture_stop(&fixture);
}

/* The report is a host's word: another exit code, bytes that are no text, no end. */
static void test_report_is_not_believed(void) {
  const DWORD pid = GetCurrentProcessId();
  HANDLE section = bh_dump_report_new(pid);
  BhDumpReport *report = bh_dump_report_open(pid);
  g_autofree char *where = NULL, *dump = NULL, *other_where = NULL, *other_dump = NULL;

  g_assert_nonnull(report);
  g_assert_null(bh_dump_report_new(pid)); /* the name is taken */
  memset(report->where, '\n', sizeof report->where);
  memset(report->dump, 0xFF, sizeof report->dump);
  report->code = 0xC0000005;
  bh_dump_report_take(section, 0xC0000005, &where, &dump);
  g_assert_null(strchr(where, '\n'));
  g_assert_cmpuint(strlen(where), ==, sizeof report->where);
  g_assert_true(g_utf8_validate(dump, -1, NULL));
  bh_dump_report_take(section, 0xC00000FD, &other_where, &other_dump);
  g_assert_cmpstr(other_where, ==, "");
  g_assert_cmpstr(other_dump, ==, "");
  UnmapViewOfFile(report);
  CloseHandle(section);
}

/* --- Hostile -------------------------------------------------------------------------------------------- */

typedef struct {
  const char *plugin, *command;
  const char *how;  /* how must contain this */
  const char *wine; /* and this under Wine, where it differs */
} Hostile;

static const Hostile hostiles[] = {
    {"faults", "exit-process-7", "exit code 7", NULL},
    {"faults", "terminate-0", "exit code 0", NULL},
    {"faults", "abort", "exit code 3 (abort)", NULL},
    {"faults", "stack-overflow", "stack overflow at faults.dll+0x", NULL},
    {"hostile", "overflow-in-thread", "stack overflow at hostile.dll+0x", NULL},
    {"hostile", "swallow-faults", "access violation writing 0x0 at hostile.dll+0x", NULL},
    {"hostile", "fault-everywhere", "access violation writing 0x0 at hostile.dll+0x", NULL},
    {"hostile", "fault-among-threads", "access violation writing 0x0 at hostile.dll+0x", NULL},
    {"hostile", "raise", "exit code 0xE0001234 at ", NULL},
    {"cxx", "throw", "uncaught C++ exception at ", NULL},
    {"hostile", "fail-fast", "fail fast (0xC0000409)", NULL},
    /* Wine's heap notices nothing until it runs into what it was made of. */
    {"hostile", "corrupt-heap", "heap corruption (0xC0000374)", "access violation"},
    {"hostile", "unload", "access violation", NULL},
};

/* Without dumps, which are slow under Wine and have tests of their own. */
static void run_hostile(const Hostile *hostile, gboolean checks_how) {
  Fixture fixture;
  BhResult status;

  g_setenv("BULKHEAD_DUMPS", "", TRUE);
  fixture_start(&fixture, hostile->plugin);
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, hostile->command, &status);
  assert_dead(status);
  fixture_await_death(&fixture);
  if (checks_how) assert_how(&fixture, is_wine() && hostile->wine != NULL ? hostile->wine : hostile->how);
  g_test_message("%s: %s", hostile->command, fixture.how);
  fixture_stop(&fixture);
}

static void test_hostile(gconstpointer data) {
  run_hostile(data, TRUE);
}

static gsize own_memory(void) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  g_assert_true(K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters));
  return counters.PagefileUsage;
}

/* After all of them have been there once, all of them again. */
static void test_service_is_what_it_was(void) {
  /* Under Wine 8, COM keeps handles of each process that ended in the middle of a call. */
  const guint allowed = 3 + (is_wine() ? 5 * G_N_ELEMENTS(hostiles) : 0);
  const gsize memory = own_memory();
  const guint handles = fixture_handles(GetCurrentProcessId());

  for (gsize i = 0; i < G_N_ELEMENTS(hostiles); i++) run_hostile(&hostiles[i], FALSE);
  g_test_message("handles: %u, then %u; memory: %" G_GSIZE_FORMAT " KiB, then %" G_GSIZE_FORMAT " KiB", handles,
                 fixture_handles(GetCurrentProcessId()), memory / 1024, own_memory() / 1024);
  g_assert_cmpuint(fixture_handles(GetCurrentProcessId()), <=, handles + allowed);
  g_assert_cmpuint(own_memory(), <=, memory + 4 * 1024 * 1024);
}

/* Children and grandchildren, none of which can leave. */
static void test_children_end_with_the_host(void) {
  HANDLE processes[32];
  const DWORD size = sizeof(JOBOBJECT_BASIC_PROCESS_ID_LIST) + sizeof(ULONG_PTR[G_N_ELEMENTS(processes) - 1]);
  g_autofree JOBOBJECT_BASIC_PROCESS_ID_LIST *list = g_malloc0(size);
  DWORD count;
  gint64 began;
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "hostile");
  g_assert_cmphex((guint)command(&fixture, "break-away"), ==, (guint)BH_E_ACCESSDENIED);
  g_assert_cmphex((guint)command(&fixture, "spawn"), ==, 0);
  g_assert_true(QueryInformationJobObject(((BhWin32Link *)fixture.link)->job, JobObjectBasicProcessIdList, list,
                                          size, NULL));
  count = list->NumberOfProcessIdsInList;
  g_assert_cmpuint(count, >=, 4); /* host, helper, child, grandchild, and what rundll32 has besides */
  for (DWORD i = 0; i < count; i++) {
    processes[i] = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)list->ProcessIdList[i]);
    g_assert_nonnull(processes[i]);
  }
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "swallow-faults", &status);
  fixture_await_death(&fixture);
  began = bh_clock_now();
  for (DWORD i = 0; i < count; i++) {
    g_assert_cmpuint(WaitForSingleObject(processes[i], 1000), ==, WAIT_OBJECT_0);
    CloseHandle(processes[i]);
  }
  g_test_message("the host's children outlived it by %.0f ms", (double)(bh_clock_now() - began) / 1e3);
  fixture_stop(&fixture);
}

/* What becomes of a host without handles is open, but not that the service hears of it. As core does, a host that the
 * transport gives up is ended. */
static void test_closes_every_handle(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "hostile");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "close-handles", &status);
  assert_dead(status);
  fixture.backend->class->kill(fixture.link, "its plugin crashed");
  g_test_message("%s", fixture_await_death(&fixture));
  fixture_stop(&fixture);
}

/* --- DllMain -------------------------------------------------------------------------------------------- */

typedef struct {
  Fixture *fixture;
  BhResult status;
} Loading;

static gpointer load_in_thread(gpointer data) {
  Loading *loading = data;
  loading->status = loading->fixture->backend->class->load(loading->fixture->link, &loading->fixture->load);
  return NULL;
}

static void test_dllmain_deadlocks(void) {
  g_autofree char *path = fixture_copy_plugin("hostile", "dllmain-deadlocks");
  Fixture fixture;
  Loading loading = {.fixture = &fixture};
  BhThread *thread;

  fixture_open(&fixture, path);
  thread = bh_thread_new("load", BH_RANK_LEAF, load_in_thread, &loading);
  fixture_await_hang(&fixture);
  fixture.backend->class->kill(fixture.link, "loading took too long");
  bh_thread_join(thread);
  assert_dead(loading.status);
  g_assert_cmpstr(fixture_await_death(&fixture), ==, "stopped by the service: loading took too long");
  fixture_stop(&fixture);
}

/* The loader catches it and says so; where one does not, the host ends. */
static void test_dllmain_faults(void) {
  g_autofree char *path = fixture_copy_plugin("hostile", "dllmain-faults");
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status);
  if (BH_SUCCEEDED(status)) {
    g_assert_true(BH_FAILED(fixture.load.result));
    g_test_message("0x%08x: %s", (guint)fixture.load.result, fixture.load.cause);
    g_assert_nonnull(strstr(fixture.load.cause, "DllMain of "));
  } else {
    assert_dead(status);
    assert_how(&fixture, "access violation writing 0x0 at dllmain-faults.dll+0x");
  }
  fixture_stop(&fixture);
}

int main(int argc, char **argv) {
  g_autofree char *example = NULL, *folder = NULL;
  int status;

  fixture_init(&argc, &argv);
  example = fixture_copy_plugin("hostile", "hostile");
  folder = g_path_get_dirname(example);
  dumps = g_build_filename(folder, "dumps", "of hosts", NULL);
  g_setenv("BULKHEAD_DUMPS", dumps, TRUE);

  g_test_add_func("/win32/hardening/privileges-are-gone", test_privileges_are_gone);
  g_test_add_func("/win32/hardening/policies-are-set", test_policies_are_set);
  g_test_add_func("/win32/hardening/planted-dll-is-not-loaded", test_planted_dll_is_not_loaded);
  g_test_add_data_func("/win32/dump/is-named", "swallow-faults", test_dump_is_named);
  g_test_add_data_func("/win32/dump/of-an-overflowed-stack", "overflow-in-thread", test_dump_is_named);
  g_test_add_data_func("/win32/dump/of-many-threads", "fault-among-threads", test_dump_is_named);
  g_test_add_func("/win32/dump/are-few", test_dumps_are_few);
  g_test_add_func("/win32/dump/not-wanted", test_no_dumps_wanted);
  g_test_add_func("/win32/dump/cannot-be-written", test_dump_cannot_be_written);
  g_test_add_func("/win32/dump/report-is-not-believed", test_report_is_not_believed);
  for (gsize i = 0; i < G_N_ELEMENTS(hostiles); i++) {
    g_autofree char *path = g_strconcat("/win32/hostile/", hostiles[i].command, NULL);
    g_test_add_data_func(path, &hostiles[i], test_hostile);
  }
  g_test_add_func("/win32/hostile/service-is-what-it-was", test_service_is_what_it_was);
  g_test_add_func("/win32/hostile/children-end-with-the-host", test_children_end_with_the_host);
  g_test_add_func("/win32/hostile/closes-every-handle", test_closes_every_handle);
  g_test_add_func("/win32/hostile/dllmain-deadlocks", test_dllmain_deadlocks);
  g_test_add_func("/win32/hostile/dllmain-faults", test_dllmain_faults);
  status = g_test_run();
  g_free(dumps);
  return status;
}
