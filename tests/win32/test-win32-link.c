/* The way of a notification and of a call, between this process and a host's. */
#include "fixture.h"

/* Commands of faults.dll whose own result says whether all was well. */
static void test_command(gconstpointer command) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, command, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)reply.result, ==, 0);
  g_assert_cmpstr(reply.message, ==, NULL);
  fixture_stop(&fixture);
}

static void test_start_and_release(void) {
  Fixture fixture;

  fixture_start(&fixture, "faults");
  g_assert_cmpuint(fixture.backend->class->pid(fixture.link), !=, GetCurrentProcessId());
  g_assert_cmphex(fixture.load.hooks, ==,
                  1u << BH_HOOK_DISTRIBUTION_STARTED | 1u << BH_HOOK_VM_STOPPING |
                      1u << BH_HOOK_CONTAINER_STARTED);
  fixture_stop(&fixture);
}

static void test_result_is_data(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) refused = fixture_command(&fixture, "return-disconnected", &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)refused.result, ==, 0x80010108u);
  g_auto(BhNotifyReply) next = fixture_command(&fixture, "succeed", &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)next.result, ==, 0);
  fixture_stop(&fixture);
}

static void test_record_arrives_whole(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture,
                                                "tell gr\xc3\xbc\xc3\x9f"
                                                "e",
                                                &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)reply.result, ==, (guint)BH_E_ILLEGAL_STATE_CHANGE);
  g_assert_cmpstr(reply.message, ==,
                  "12345678 tell gr\xc3\xbc\xc3\x9f"
                  "e 4026531836 NULL 42 ubuntu NULL");
  g_assert_cmpuint(reply.thread, !=, 0);
  fixture_stop(&fixture);
}

static void test_container_record(void) {
  BhNotification notification = {
      .hook = BH_HOOK_CONTAINER_STARTED,
      .number = 1,
      .session = SESSION,
      .display_name = (char *)"Docks",
      .application_pid = 11,
      .document = (char *)"{\"Id\":1}",
  };
  g_auto(BhNotifyReply) reply = {0};
  Fixture fixture;

  fixture_start(&fixture, "faults");
  g_assert_cmphex((guint)fixture.backend->class->notify(fixture.link, &notification, &reply), ==, 0);
  g_assert_cmpstr(reply.message, ==, "Docks 11 {\"Id\":1}");
  fixture_stop(&fixture);
}

static void test_hook_that_is_not_there(void) {
  BhNotification notification = {.hook = BH_HOOK_VM_STARTED, .number = 1, .session = SESSION};
  g_auto(BhNotifyReply) reply = {0};
  Fixture fixture;

  fixture_start(&fixture, "faults");
  g_assert_cmphex((guint)fixture.backend->class->notify(fixture.link, &notification, &reply), ==, 0);
  g_assert_cmphex((guint)reply.result, ==, 0);
  fixture_stop(&fixture);
}

static void test_socket(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "execute", &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmpstr(reply.message, ==, "cat|a b");
  fixture_stop(&fixture);
}

static void test_failed_call(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "execute-nothing", &status);
  g_assert_cmphex((guint)reply.result, ==, (guint)BH_E_FAIL);
  fixture_stop(&fixture);
}

/* A call says whether it was made on a hook's own thread. */
static void test_call_is_tagged(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) inside = fixture_command(&fixture, "mount", &status);
  g_assert_cmpuint(fixture.last_notification, !=, 0);
  g_assert_cmpuint(fixture.last_thread, ==, inside.thread);
  g_auto(BhNotifyReply) outside = fixture_command(&fixture, "thread-none", &status);
  g_assert_cmpuint(fixture.last_notification, ==, 0);
  g_assert_cmpuint(fixture.last_thread, !=, outside.thread);
  fixture_stop(&fixture);
}

static void test_calls_in_the_entry_point(void) {
  Fixture fixture;

  fixture_load(&fixture, "entry-calls");
  g_assert_cmphex((guint)fixture.load.result, ==, 0); /* they got 0x80070490 */
  g_assert_cmpuint(fixture.calls, ==, 1);
  fixture_stop(&fixture);
}

static gpointer notify_mount(gpointer data) {
  BhResult status;
  g_auto(BhNotifyReply) reply = fixture_command(data, "mount", &status);
  return GINT_TO_POINTER(BH_SUCCEEDED(status) && BH_SUCCEEDED(reply.result));
}

/* Both hooks are inside their calls at once. */
static void test_two_at_once(void) {
  BhThread *threads[2];
  Fixture fixture;

  fixture_start(&fixture, "faults");
  fixture_gate(&fixture);
  for (int i = 0; i < 2; i++) threads[i] = bh_thread_new("notify", BH_RANK_LEAF, notify_mount, &fixture);
  fixture_await_waiting(&fixture, 2);
  fixture_ungate(&fixture);
  for (int i = 0; i < 2; i++) g_assert_true(bh_thread_join(threads[i]));
  fixture_stop(&fixture);
}

/* An embedder's thread may be in a single-threaded apartment. */
static gpointer use_in_sta(G_GNUC_UNUSED gpointer data) {
  Fixture fixture;
  BhResult status;

  CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);
  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "thread-sta", &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmphex((guint)reply.result, ==, 0);
  fixture_stop(&fixture);
  CoUninitialize();
  return NULL;
}

static void test_embedder_in_sta(void) {
  bh_thread_join(bh_thread_new("sta", BH_RANK_LEAF, use_in_sta, NULL));
}

/* Notifications of each kind: with a token, with a call, with a socket. */
static void exchange(Fixture *fixture, int count) {
  static const char *const commands[] = {"check-token", "mount", "execute"};
  BhResult status;

  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    const gint64 began = bh_clock_now();
    for (int j = 0; j < count; j++) {
      g_auto(BhNotifyReply) reply = fixture_command(fixture, commands[i], &status);
      g_assert_cmphex((guint)status, ==, 0);
      if (i < 2) g_assert_cmphex((guint)reply.result, ==, 0);
    }
    g_test_message("%s: %.2f ms each", commands[i], (double)(bh_clock_now() - began) / 1e3 / count);
  }
}

/* --- Late calls ----------------------------------------------------------------------------------------- */

static HANDLE told_to_call; /* NULL: no such test runs */

/* A release that waits for a call has begun. */
static void on_wait(const BhLockClass *lock_class, G_GNUC_UNUSED gconstpointer lock) {
  if (told_to_call != NULL && g_str_equal(lock_class->name, "host callback")) SetEvent(told_to_call);
}

static HANDLE shared_event(const Fixture *fixture, const char *what) {
  g_autofree char *text = g_strdup_printf("bulkhead-faults-%s-%u", what, fixture->link->class->pid(fixture->link));
  g_autofree wchar_t *name = bh_wire_wide(text);
  return CreateEventW(NULL, TRUE, FALSE, name);
}

static gpointer stop(gpointer fixture) {
  fixture_stop(fixture);
  return NULL;
}

/* One of the plugin's threads has a call in the service, so the release waits; another one's, which comes after that has
 * begun, is refused while the host still lives. */
static void test_call_during_release(void) {
  HANDLE refused;
  Fixture fixture;
  BhResult status;
  BhThread *thread;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) later = fixture_command(&fixture, "call-later", &status);
  g_auto(BhNotifyReply) calling = fixture_command(&fixture, "keep-calling", &status);
  g_assert_cmphex((guint)status, ==, 0);
  refused = shared_event(&fixture, "refused");
  fixture_gate(&fixture);
  fixture_await_waiting(&fixture, 1);
  told_to_call = shared_event(&fixture, "call");
  thread = bh_thread_new("release", BH_RANK_LEAF, stop, &fixture);
  g_assert_cmpuint(WaitForSingleObject(refused, 10 * 1000), ==, WAIT_OBJECT_0);
  fixture_ungate(&fixture);
  bh_thread_join(thread);
  CloseHandle(refused);
  CloseHandle(told_to_call);
  told_to_call = NULL;
}

/* In the very end, the host knows by itself. */
static void test_call_after_release(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "detach-calls");
  DWORD code = 0;
  HANDLE process;
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, path, &status);
  g_assert_cmphex((guint)fixture.load.result, ==, 0);
  process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, fixture.link->class->pid(fixture.link));
  fixture_stop(&fixture);
  g_assert_true(GetExitCodeProcess(process, &code));
  g_assert_cmpuint(code, ==, 77);
  CloseHandle(process);
}

/* -------------------------------------------------------------------------------------------------------- */

static void test_handles_stay_flat(void) {
  Fixture fixture;

  fixture_start(&fixture, "faults");
  fixture_assert_handles_flat(&fixture, exchange, 20, 200);
  fixture_stop(&fixture);
}

/* A host's whole life leaves nothing behind in the service. */
static void test_lives_leave_nothing(void) {
  Fixture fixture;
  guint before = 0;

  for (int i = 0; i < 4; i++) {
    if (i == 1) before = fixture_handles(GetCurrentProcessId());
    fixture_start(&fixture, "faults");
    fixture_stop(&fixture);
  }
  g_test_message("handles: %u, then %u", before, fixture_handles(GetCurrentProcessId()));
  g_assert_cmpuint(fixture_handles(GetCurrentProcessId()), <=, before + 3);
}

static void test_release_while_calls_come(void) {
  Fixture fixture;
  BhResult status;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "keep-calling", &status);
  g_assert_cmphex((guint)reply.result, ==, 0);
  fixture_stop(&fixture);
}

/* A reply that says it is longer than what has come. */
static void test_reply_is_shorter_than_it_says(void) {
  g_auto(BhLoadReply) sent = {.cause = g_strdup("nothing")};
  g_auto(BhLoadReply) taken = {0};
  UINT32 size;
  BYTE *array;

  g_assert_cmphex((guint)bh_wire_give(bh_record_encode(&bh_load_reply_fields, &sent, NULL), &size, &array), ==, 0);
  array = CoTaskMemRealloc(array, size - 1); /* what was there still is, behind its end */
  g_assert_cmphex((guint)bh_wire_take(&bh_load_reply_fields, size, array, &taken), ==, (guint)E_INVALIDARG);
}

int main(int argc, char **argv) {
  static const char *const commands[] = {"check-token", "mount",    "thread-none",    "thread-mta",
                                         "thread-sta",  "oversize", "null-arguments", "a-process"};
  static const BhSyncObserver observer = {.wait = on_wait};

  fixture_init(&argc, &argv);
  bh_sync_add_observer(&observer);
  g_test_add_func("/win32/link/46-start-and-release", test_start_and_release);
  g_test_add_func("/win32/link/53-result-is-data", test_result_is_data);
  g_test_add_func("/win32/link/record-arrives-whole", test_record_arrives_whole);
  g_test_add_func("/win32/link/container-record", test_container_record);
  g_test_add_func("/win32/link/hook-that-is-not-there", test_hook_that_is_not_there);
  g_test_add_func("/win32/link/reply-is-shorter-than-it-says", test_reply_is_shorter_than_it_says);
  g_test_add_func("/win32/link/socket", test_socket);
  g_test_add_func("/win32/link/failed-call", test_failed_call);
  g_test_add_func("/win32/link/call-is-tagged", test_call_is_tagged);
  g_test_add_func("/win32/link/58-calls-in-the-entry-point", test_calls_in_the_entry_point);
  g_test_add_func("/win32/link/two-at-once", test_two_at_once);
  g_test_add_func("/win32/link/embedder-in-sta", test_embedder_in_sta);
  g_test_add_func("/win32/link/release-while-calls-come", test_release_while_calls_come);
  g_test_add_func("/win32/link/call-during-release", test_call_during_release);
  g_test_add_func("/win32/link/call-after-release", test_call_after_release);
  g_test_add_func("/win32/link/handles-stay-flat", test_handles_stay_flat);
  g_test_add_func("/win32/link/lives-leave-nothing", test_lives_leave_nothing);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autofree char *path = g_strconcat("/win32/link/command/", commands[i], NULL);
    g_test_add_data_func(path, commands[i], test_command);
  }
  return g_test_run();
}
