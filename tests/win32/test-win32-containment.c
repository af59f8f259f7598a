/* What a plugin has started ends with it. The plugin is test-win32-containment-plugin.c; what it starts is this program
 * again:
 *
 *   … --parent EVENT     starts a --child, and stays
 *   … --child EVENT      says that it is there, by the named event, and stays
 *   … --service PLUGIN   a service whose plugin has such a tree: says their process ids, and waits */
#include "fixture.h"

#include "backend-win32/service/callback.h"
#include "backend-win32/service/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must be gone is gone within this. */
#define GONE_MS 1000

#define TREE_MAX 16

/* --- The program as a child of the plugin's ------------------------------------------------------------- */

static char *self_path(void) {
  g_autofree wchar_t *self = g_new0(wchar_t, 32768);
  GetModuleFileNameW(NULL, self, 32768);
  return bh_wire_utf8(self);
}

static HANDLE start_self(const char *option, const char *argument, HANDLE *output) {
  g_autofree char *self = self_path();
  g_autofree char *line = g_strdup_printf("\"%s\" %s %s", self, option, argument);
  g_autofree wchar_t *wide_line = bh_wire_wide(line);
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  if (output != NULL) {
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    g_assert_true(CreatePipe(output, &startup.hStdOutput, &inherited, 0));
    SetHandleInformation(*output, HANDLE_FLAG_INHERIT, 0);
  }
  g_assert_true(CreateProcessW(NULL, wide_line, NULL, NULL, output != NULL, 0, NULL, NULL, &startup, &process));
  if (output != NULL) CloseHandle(startup.hStdOutput);
  CloseHandle(process.hThread);
  return process.hProcess;
}

static HANDLE named_event(const char *name) {
  g_autofree wchar_t *wide = bh_wire_wide(name);
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, wide);
  g_assert_nonnull(event);
  return event;
}

static int be_parent(const char *event) {
  start_self("--child", event, NULL);
  Sleep(INFINITE);
  return 0;
}

static int be_child(const char *event) {
  SetEvent(named_event(event));
  Sleep(INFINITE);
  return 0;
}

/* --- A tree --------------------------------------------------------------------------------------------- */

/* The processes of a link's job: host, child, grandchild, and what else of the system's came with them. */
typedef struct {
  DWORD pids[TREE_MAX];
  HANDLE processes[TREE_MAX];
  DWORD count;
} Tree;

static BhWin32Link *link_of(Fixture *fixture) {
  return (BhWin32Link *)fixture->link;
}

static void list_job(HANDLE job, Tree *tree) {
  g_autofree JOBOBJECT_BASIC_PROCESS_ID_LIST *list = g_malloc0(sizeof *list + TREE_MAX * sizeof(ULONG_PTR));

  g_assert_true(QueryInformationJobObject(job, JobObjectBasicProcessIdList, list,
                                          sizeof *list + TREE_MAX * sizeof(ULONG_PTR), NULL));
  tree->count = list->NumberOfProcessIdsInList;
  g_assert_cmpuint(tree->count, <=, TREE_MAX);
  for (DWORD i = 0; i < tree->count; i++) tree->pids[i] = (DWORD)list->ProcessIdList[i];
}

static void open_tree(Tree *tree) {
  for (DWORD i = 0; i < tree->count; i++) {
    tree->processes[i] = OpenProcess(SYNCHRONIZE, FALSE, tree->pids[i]);
    g_assert_nonnull(tree->processes[i]);
  }
}

static void assert_gone(Tree *tree, const char *why) {
  const gint64 began = bh_clock_now();

  g_assert_cmpuint(WaitForMultipleObjects(tree->count, tree->processes, TRUE, GONE_MS), ==, WAIT_OBJECT_0);
  g_test_message("%s: %lu processes gone after %.1f ms", why, tree->count, (double)(bh_clock_now() - began) / 1e3);
  for (DWORD i = 0; i < tree->count; i++) CloseHandle(tree->processes[i]);
}

static void start_plugin(Fixture *fixture, const char *path) {
  BhResult status;

  fixture_load_path(fixture, path, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmpstr(fixture->load.cause, ==, NULL);
}

static void start_own_plugin(Fixture *fixture) {
  g_autofree char *path = fixture_built("tests/win32/test-win32-containment-plugin.dll");
  start_plugin(fixture, path);
}

/* Has the plugin start child and grandchild, waits until they are there, and lists them. */
static void grow(Fixture *fixture, Tree *tree) {
  g_autofree char *name = g_strdup_printf("bulkhead-tree-%u", fixture->link->class->pid(fixture->link));
  g_autofree char *self = self_path();
  g_autofree char *command = g_strdup_printf("run \"%s\" --parent %s", self, name);
  HANDLE event = named_event(name);
  BhResult status;

  g_auto(BhNotifyReply) reply = fixture_command(fixture, command, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)reply.result, ==, 0);
  g_assert_cmpuint(WaitForSingleObject(event, 20000), ==, WAIT_OBJECT_0);
  CloseHandle(event);
  list_job(link_of(fixture)->job, tree);
  g_assert_cmpuint(tree->count, >=, 3);
}

/* --- Who ends with whom --------------------------------------------------------------------------------- */

static void test_killed(void) {
  Fixture fixture;
  Tree tree;

  start_own_plugin(&fixture);
  grow(&fixture, &tree);
  open_tree(&tree);
  fixture.backend->class->kill(fixture.link, "the test wants it");
  assert_gone(&tree, "killed");
  g_assert_cmpstr(fixture_await_death(&fixture), ==, "stopped by the service: the test wants it");
  fixture_stop(&fixture);
}

static void test_host_dies(void) {
  Fixture fixture;
  BhResult status;
  Tree tree;

  start_own_plugin(&fixture);
  grow(&fixture, &tree);
  open_tree(&tree);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "exit", &status);
  g_assert_cmphex((guint)status, !=, 0);
  assert_gone(&tree, "its host died");
  fixture_await_death(&fixture);
  fixture_stop(&fixture);
}

static void test_released(void) {
  Fixture fixture;
  Tree tree;

  start_own_plugin(&fixture);
  grow(&fixture, &tree);
  open_tree(&tree);
  fixture_stop(&fixture);
  assert_gone(&tree, "released");
}

/* A second fixture, whose link is the first one's backend's: two plugins of one service. */
static void share_backend(Fixture *one, Fixture *other) {
  g_autofree char *path = fixture_built("tests/win32/test-win32-containment-plugin.dll");
  static const BhLinkEvents events = {0}; /* it does not call, and is not to die */
  const BhPluginSpec spec = {"OtherPlugin", path};

  *other = (Fixture){.backend = one->backend};
  g_assert_cmphex((guint)one->backend->class->start(one->backend, &spec, &events, NULL, &other->link, NULL), ==,
                  0);
  g_assert_cmphex((guint)one->backend->class->load(other->link, &other->load), ==, 0);
}

static gboolean all_run(const Tree *tree) {
  return WaitForMultipleObjects(tree->count, tree->processes, FALSE, 0) == WAIT_TIMEOUT;
}

static void test_only_its_own(void) {
  Fixture one, other;
  Tree tree, others_tree;

  start_own_plugin(&one);
  share_backend(&one, &other);
  grow(&one, &tree);
  grow(&other, &others_tree);
  open_tree(&tree);
  open_tree(&others_tree);
  one.backend->class->kill(one.link, "only this one");
  assert_gone(&tree, "killed");
  g_assert_true(all_run(&others_tree));
  fixture_await_death(&one);
  other.backend->class->release(other.link);
  assert_gone(&others_tree, "released");
  bh_load_reply_clear(&other.load);
  fixture_stop(&one);
}

static int be_service(const char *plugin) {
  Fixture fixture;
  Tree tree;

  start_plugin(&fixture, plugin);
  grow(&fixture, &tree);
  for (DWORD i = 0; i < tree.count; i++) printf("%lu ", (unsigned long)tree.pids[i]);
  printf("\n");
  fflush(stdout);
  Sleep(INFINITE);
  return 0;
}

static void test_44_service_killed(void) {
  g_autofree char *plugin = fixture_built("tests/win32/test-win32-containment-plugin.dll");
  HANDLE output, service;
  char line[1024] = "";
  char *at = line, *end;
  DWORD size, length = 0;
  Tree tree = {.count = 0};

  service = start_self("--service", plugin, &output);
  while (memchr(line, '\n', length) == NULL &&
         ReadFile(output, line + length, sizeof line - 1 - length, &size, NULL))
    length += size;
  for (DWORD pid = strtoul(at, &end, 10); end != at; pid = strtoul(at, &end, 10)) {
    g_assert_cmpuint(tree.count, <, TREE_MAX);
    tree.pids[tree.count++] = pid;
    at = end;
  }
  g_assert_cmpuint(tree.count, >=, 3);
  open_tree(&tree);
  TerminateProcess(service, 9);
  assert_gone(&tree, "service killed");
  CloseHandle(service);
  CloseHandle(output);
}

/* --- No way out ----------------------------------------------------------------------------------------- */

static void test_jobs_are_nested(void) {
  Fixture fixture;
  BOOL in_outer = FALSE, in_inner = FALSE;
  DWORD flags;

  start_own_plugin(&fixture);
  g_assert_true(IsProcessInJob(link_of(&fixture)->process.handle, link_of(&fixture)->backend->job, &in_outer));
  g_assert_true(IsProcessInJob(link_of(&fixture)->process.handle, link_of(&fixture)->job, &in_inner));
  g_assert_true(in_outer);
  g_assert_true(in_inner);
  /* So its Hello would be refused by another link, and this program's not for that reason. */
  g_assert_true(bh_job_has(link_of(&fixture)->backend->job, link_of(&fixture)->process.pid));
  g_assert_false(bh_job_has(link_of(&fixture)->backend->job, GetCurrentProcessId()));
  g_assert_true(bh_job_has(link_of(&fixture)->backend->job, 0));
  g_assert_true(GetHandleInformation(link_of(&fixture)->job, &flags));
  g_assert_cmphex(flags & HANDLE_FLAG_INHERIT, ==, 0);
  g_assert_true(GetHandleInformation(link_of(&fixture)->backend->job, &flags));
  g_assert_cmphex(flags & HANDLE_FLAG_INHERIT, ==, 0);
  fixture_stop(&fixture);
}

/* Neither JOB_OBJECT_LIMIT_BREAKAWAY_OK nor JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK. */
static void test_jobs_are_tight(void) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
  HANDLE job = bh_host_process_job();

  g_assert_true(QueryInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits, NULL));
  CloseHandle(job);
  if (limits.BasicLimitInformation.LimitFlags == 0)
    g_test_skip("Wine 8 says nothing of a job's limits");
  else
    g_assert_cmphex(limits.BasicLimitInformation.LimitFlags, ==, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE);
}

static void test_breakaway_is_refused(void) {
  g_autofree char *self = self_path();
  g_autofree char *command = g_strdup_printf("break-away \"%s\" --child nobody", self);
  Fixture fixture;
  BhResult status;

  start_own_plugin(&fixture);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, command, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)reply.result, ==, (guint)BH_E_ACCESSDENIED);
  fixture_stop(&fixture);
}

/* A host that cannot be put into its job loads nothing: it has not even a link. */
static void test_not_contained_is_refused(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  const BhWin32Settings settings = {.host_path = host};
  const BhPluginSpec spec = {"TestPlugin", "C:\\plugin.dll"};
  const BhLinkEvents events = {0};
  g_autofree char *cause = NULL;
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);
  HANDLE own = ((BhWin32Backend *)backend)->job;
  HANDLE weaker;
  BhLink *link = NULL;
  Tree tree;

  /* Not JOB_OBJECT_ASSIGN_PROCESS. */
  g_assert_true(DuplicateHandle(GetCurrentProcess(), own, GetCurrentProcess(), &weaker,
                                JOB_OBJECT_QUERY | JOB_OBJECT_TERMINATE, FALSE, 0));
  ((BhWin32Backend *)backend)->job = weaker;
  g_assert_cmphex((guint)backend->class->start(backend, &spec, &events, NULL, &link, &cause), ==,
                  (guint)BH_E_ACCESSDENIED);
  g_test_message("%s", cause);
  g_assert_null(link);
  g_assert_nonnull(strstr(cause, "job"));
  list_job(own, &tree);
  g_assert_cmpuint(tree.count, ==, 0);
  bh_backend_win32_free(backend);
  CloseHandle(own);
}

/* A job that is of another hierarchy, as a plugin's own would be. */
static void test_foreign_job_is_refused(void) {
  Fixture fixture;
  HANDLE foreign = bh_host_process_job();
  HANDLE stranger = start_self("--child", "nobody", NULL);

  start_own_plugin(&fixture);
  g_assert_cmphex((guint)bh_job_hold(foreign, stranger), ==, 0);
  g_assert_true(FAILED(bh_job_hold(foreign, link_of(&fixture)->process.handle)));
  bh_job_end(foreign, 1);
  g_assert_cmpuint(WaitForSingleObject(stranger, GONE_MS), ==, WAIT_OBJECT_0);
  CloseHandle(stranger);
  CloseHandle(foreign);
  fixture_stop(&fixture);
}

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--parent")) return be_parent(argv[2]);
  if (argc == 3 && g_str_equal(argv[1], "--child")) return be_child(argv[2]);
  if (argc == 3 && g_str_equal(argv[1], "--service")) return be_service(argv[2]);
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/containment/killed", test_killed);
  g_test_add_func("/win32/containment/host-dies", test_host_dies);
  g_test_add_func("/win32/containment/released", test_released);
  g_test_add_func("/win32/containment/only-its-own", test_only_its_own);
  g_test_add_func("/win32/containment/44-service-killed", test_44_service_killed);
  g_test_add_func("/win32/containment/jobs-are-nested", test_jobs_are_nested);
  g_test_add_func("/win32/containment/jobs-are-tight", test_jobs_are_tight);
  g_test_add_func("/win32/containment/breakaway-is-refused", test_breakaway_is_refused);
  g_test_add_func("/win32/containment/not-contained-is-refused", test_not_contained_is_refused);
  g_test_add_func("/win32/containment/foreign-job-is-refused", test_foreign_job_is_refused);
  return g_test_run();
}
