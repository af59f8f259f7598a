/* What a host has given up before a plugin runs in it, and what a plugin achieves that works against it: nothing that
 * outlives its own host. (What is left of a host that faults is win32/dump's.) */
#include "fixture.h"
#include "backend-win32/service/link.h"

#include <glib/gstdio.h>
#include <string.h>

static HANDLE host_process(const Fixture *fixture) {
  return ((BhWin32Link *)fixture->link)->process.handle;
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

  if (fixture_is_wine()) {
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

/* What the service was before the first of them came, and how many have come. */
static struct {
  gsize memory;
  guint handles, count;
} before;

static void test_hostile(gconstpointer data) {
  const Hostile *hostile = data;
  Fixture fixture;
  BhResult status;

  if (before.count++ == 0) {
    before.memory = fixture_memory();
    before.handles = fixture_handles(GetCurrentProcessId());
  }
  fixture_start(&fixture, hostile->plugin);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, hostile->command, &status);
  fixture_assert_dead(status);
  fixture_assert_how(&fixture, fixture_is_wine() && hostile->wine != NULL ? hostile->wine : hostile->how);
  g_test_message("%s: %s", hostile->command, fixture.how);
  fixture_stop(&fixture);
}

/* Other hosts have been there before the first: what COM makes once is made. */
static void test_service_is_what_it_was(void) {
  const gsize memory = fixture_memory();
  const guint handles = fixture_handles(GetCurrentProcessId());
  /* Under Wine 8, COM keeps handles of each process that ended in the middle of a call. */
  const guint allowed = 3 + (fixture_is_wine() ? 5 * before.count : 0);

  if (before.count == 0) {
    g_test_skip("it is about the tests before it");
    return;
  }
  g_test_message("handles: %u, then %u; memory: %" G_GSIZE_FORMAT " KiB, then %" G_GSIZE_FORMAT " KiB",
                 before.handles, handles, before.memory / 1024, memory / 1024);
  g_assert_cmpuint(handles, <=, before.handles + allowed);
  g_assert_cmpuint(memory, <=, before.memory + 2 * 1024 * 1024);
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
  fixture_assert_dead(status);
  fixture.backend->class->kill(fixture.link, "its plugin crashed");
  g_test_message("%s", fixture_await_death(&fixture));
  fixture_stop(&fixture);
}

/* --- DllMain -------------------------------------------------------------------------------------------- */

static void test_dllmain_deadlocks(void) {
  g_autofree char *path = fixture_copy_plugin("hostile", "dllmain-deadlocks");
  Fixture fixture;

  fixture_open(&fixture, path);
  fixture_begin_load(&fixture);
  fixture_await_hang(&fixture);
  fixture_kill_load(&fixture);
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
    fixture_assert_dead(status);
    fixture_assert_how(&fixture, "access violation writing 0x0 at dllmain-faults.dll+0x");
  }
  fixture_stop(&fixture);
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  g_setenv("BULKHEAD_DUMPS", "", TRUE); /* they have tests of their own */
  g_test_add_func("/win32/hardening/privileges-are-gone", test_privileges_are_gone);
  g_test_add_func("/win32/hardening/policies-are-set", test_policies_are_set);
  g_test_add_func("/win32/hardening/planted-dll-is-not-loaded", test_planted_dll_is_not_loaded);
  for (gsize i = 0; i < G_N_ELEMENTS(hostiles); i++) {
    g_autofree char *path = g_strconcat("/win32/hostile/", hostiles[i].command, NULL);
    g_test_add_data_func(path, &hostiles[i], test_hostile);
  }
  g_test_add_func("/win32/hostile/service-is-what-it-was", test_service_is_what_it_was);
  g_test_add_func("/win32/hostile/children-end-with-the-host", test_children_end_with_the_host);
  g_test_add_func("/win32/hostile/closes-every-handle", test_closes_every_handle);
  g_test_add_func("/win32/hostile/dllmain-deadlocks", test_dllmain_deadlocks);
  g_test_add_func("/win32/hostile/dllmain-faults", test_dllmain_faults);
  return g_test_run();
}
