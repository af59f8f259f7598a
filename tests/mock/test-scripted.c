/* Scripted plugins in the mock backend: the script's file, its log, its folder, and a process's output. */
#include "core/lock-order.h"
#include "guest/socket.h"

#include "backend-mock/mock.h"
#include "backend-mock/scripted-wait.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  BhBackend *backend;
  BhLink *link;
  char *folder, *script, *log;

  BhMutex lock; /* guards what follows */
  BhCond changed;
  guint died;
  char *how;
  guint events;       /* handed out */
  BhResource process; /* the other end of a socket that was handed out last, if kept */
  gboolean keep;      /* keeps it: the process goes on */
} Service;

static const BhLockClass service_class = {"test-service", BH_RANK_LEAF, FALSE};

/* A socket for the plugin, whose other end says text and ends. If it is kept, or text is NULL, it goes on. */
static void hand_out_socket(Service *service, const char *text, BhCallReply *reply) {
  BhResource theirs = {0};

  reply->result = bh_socket_pair(&reply->resource, &theirs);
  g_assert_cmpint(reply->result, ==, BH_OK);
  if (!service->keep && text != NULL) {
    g_assert_true(bh_socket_write_all(theirs.value, text, strlen(text)));
    bh_resource_clear(&theirs);
    return;
  }
  bh_mutex_lock(&service->lock);
  bh_resource_clear(&service->process);
  service->process = theirs;
  bh_cond_broadcast(&service->changed);
  bh_mutex_unlock(&service->lock);
}

/* An event of a process that has ended; or, if it is kept, never does. */
static void hand_out_event(Service *service, BhCallReply *reply) {
  reply->resource = bh_mock_event_new();
  g_assert_nonnull(reply->resource.close);
  if (!service->keep) bh_mock_event_set(reply->resource.value);
  bh_mutex_lock(&service->lock);
  service->events++;
  bh_cond_broadcast(&service->changed);
  bh_mutex_unlock(&service->lock);
}

static const char *const streams[] = {NULL, "out", "err"};

/* A process says its path and ends with 12. The WSLC process is number 5. */
static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  Service *service = data;

  switch (call->api) {
    case BH_API_EXECUTE_BINARY: hand_out_socket(service, call->path, reply); break;
    case BH_API_CONTAINER_CREATE_PROCESS:
      reply->process = 5;
      if (!g_str_equal(call->path, "missing")) break;
      *reply = (BhCallReply){.result = BH_E_FAIL, .number = 2};
      break;
    case BH_API_PROCESS_GET_FD:
      reply->result = call->process == 5 && call->fd < 3 ? BH_OK : BH_E_INVALIDARG;
      if (BH_SUCCEEDED(reply->result)) hand_out_socket(service, streams[call->fd], reply);
      break;
    case BH_API_PROCESS_GET_EXIT_EVENT: hand_out_event(service, reply); break;
    case BH_API_PROCESS_GET_EXIT_CODE: reply->number = 12; break;
    default: break;
  }
}

static void on_died(gpointer data, const char *how) {
  Service *service = data;

  bh_mutex_lock(&service->lock);
  service->died++;
  service->how = g_strdup(how);
  bh_cond_broadcast(&service->changed);
  bh_mutex_unlock(&service->lock);
}

static void service_start(Service *service, const char *script) {
  static const BhLinkEvents events = {.call = on_call, .died = on_died};
  g_autofree char *cause = NULL;
  BhPluginSpec spec = {.name = "Scripted"};

  *service = (Service){.folder = g_dir_make_tmp("bulkhead-XXXXXX", NULL)};
  service->script = g_build_filename(service->folder, "the.plugin.script", NULL);
  service->log = g_build_filename(service->folder, "the.plugin.log", NULL);
  if (script != NULL) g_assert_true(g_file_set_contents(service->script, script, -1, NULL));
  bh_mutex_init(&service->lock, &service_class);
  bh_cond_init(&service->changed);
  service->backend = bh_backend_mock_new(NULL, 0);
  spec.path = service->script;
  g_assert_cmpint(
      service->backend->class->start(service->backend, &spec, &events, service, &service->link, &cause), ==,
      BH_OK);
}

static void service_assert_died(Service *service, const char *how) {
  bh_mutex_lock(&service->lock);
  while (service->died == 0) bh_cond_wait(&service->changed, &service->lock);
  g_assert_cmpstr(service->how, ==, how);
  bh_mutex_unlock(&service->lock);
}

static BhResult service_notify(Service *service, BhHook hook, BhNotifyReply *reply) {
  BhNotification notification = {.hook = hook, .number = 1, .session = 7, .name = (char *)"Debian", .token = 70};
  return service->link->class->notify(service->link, &notification, reply);
}

static void service_release(Service *service) {
  BhLink *link = g_steal_pointer(&service->link);
  if (link != NULL) link->class->release(link);
}

/* Releases the link, if release has not happened, and asserts that the log is as expected, where * stands
 * for anything; NULL: that there is none. */
static void service_end(Service *service, const char *expected_log) {
  g_autofree char *log = NULL;
  gboolean has_log;

  service_release(service);
  bh_backend_mock_free(service->backend);
  has_log = g_file_get_contents(service->log, &log, NULL, NULL);
  if (has_log != (expected_log != NULL) || (has_log && !g_pattern_match_simple(expected_log, log)))
    g_assert_cmpstr(log, ==, expected_log);
  g_remove(service->log);
  g_remove(service->script);
  g_assert_cmpint(g_rmdir(service->folder), ==, 0);
  bh_resource_clear(&service->process);
  bh_cond_clear(&service->changed);
  bh_mutex_clear(&service->lock);
  g_free(service->folder);
  g_free(service->script);
  g_free(service->log);
  g_free(service->how);
}

static void given_a_script_when_it_is_driven_then_its_log_lies_beside_it(void) {
  g_auto(BhLoadReply) load = {0};
  g_auto(BhNotifyReply) started = {0};
  g_autofree char *user = g_strdup_printf("load\nOnVMStarted flags=0\nmount S_OK\nexecute S_OK: /bin/cat\n"
                                          "error S_OK\nuser %s\nreturn E_ACCESSDENIED\n",
                                          g_get_user_name());
  Service service;

  service_start(&service, "on load\n"
                          "on OnVMStarted\n"
                          "  mount %FOLDER% /test-plugin/deep/folder ro\n"
                          "  execute /bin/cat\n"
                          "  error Not in %FOLDER%\n"
                          "  user\n"
                          "  return E_ACCESSDENIED\n");
  g_autofree char *message = g_strdup_printf("Not in %s", service.folder);
  g_assert_cmpint(service.link->class->load(service.link, &load), ==, BH_OK);
  g_assert_cmpint(load.result, ==, BH_OK);
  g_assert_cmphex(load.hooks, ==, 1u << BH_HOOK_VM_STARTED);
  g_assert_cmpint(service_notify(&service, BH_HOOK_VM_STARTED, &started), ==, BH_OK);
  g_assert_cmpint(started.result, ==, BH_E_ACCESSDENIED);
  g_assert_cmpstr(started.message, ==, message);
  service_end(&service, user);
}

static void given_no_file_when_loaded_then_the_cause_names_it(void) {
  g_auto(BhLoadReply) reply = {0};
  Service service;

  service_start(&service, NULL);
  g_assert_cmpint(service.link->class->load(service.link, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_E_MOD_NOT_FOUND);
  g_assert_nonnull(strstr(reply.cause, service.script));
  service_end(&service, NULL);
}

static void given_a_mistake_when_loaded_then_the_cause_names_its_place(void) {
  g_auto(BhLoadReply) reply = {0};
  Service service;

  service_start(&service, "on load\n  return S_KO\n");
  g_autofree char *cause = g_strdup_printf(
      "'%s', line 2, column 10: 'S_KO' is no result, such as E_FAIL or 0x80004005", service.script);
  g_assert_cmpint(service.link->class->load(service.link, &reply), ==, BH_OK);
  g_assert_cmpint(reply.result, ==, BH_E_BAD_EXE_FORMAT);
  g_assert_cmpstr(reply.cause, ==, cause);
  service_end(&service, NULL);
}

static void given_a_crash_then_the_host_died_of_it_and_the_log_ends_there(void) {
  static const struct {
    const char *kind, *how;
  } crashes[] = {
      {"null", "access violation"}, {"overflow", "stack overflow"}, {"abort", "abort"},
      {"exit", "exit code 0"},      {"throw", "C++ exception"},     {"illegal", "illegal instruction"},
  };

  for (guint i = 0; i < G_N_ELEMENTS(crashes); i++) {
    g_autofree char *script =
        g_strdup_printf("on OnVMStarted\n  thread t none\n    await hook\n    log never\n  end\n"
                        "  crash %s\n  log never\n",
                        crashes[i].kind);
    g_autofree char *log = g_strdup_printf("OnVMStarted flags=0\ncrash %s\n", crashes[i].kind);
    g_auto(BhLoadReply) load = {0};
    g_auto(BhNotifyReply) reply = {0};
    Service service;

    service_start(&service, script);
    g_assert_cmpint(service.link->class->load(service.link, &load), ==, BH_OK);
    g_assert_cmpint(service_notify(&service, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_CALL_FAILED);
    service_assert_died(&service, crashes[i].how);
    service_end(&service, log);
  }
}

typedef struct {
  Service *service;
  BhResult status;
} Notify;

static gpointer notify_elsewhere(gpointer data) {
  Notify *notify = data;
  g_auto(BhNotifyReply) reply = {0};

  notify->status = service_notify(notify->service, BH_HOOK_VM_STARTED, &reply);
  return NULL;
}

/* What a thread does that waits for a process, and how far it then has come. */
static void given_a_wait_when_the_host_is_killed_then_it_ends(const char *script, gboolean for_event,
                                                              const char *log) {
  g_auto(BhLoadReply) load = {0};
  Service service;
  Notify notify = {&service, BH_OK};
  BhThread *thread;

  service_start(&service, script);
  service.keep = TRUE;
  g_assert_cmpint(service.link->class->load(service.link, &load), ==, BH_OK);
  thread = bh_thread_new("notify", BH_RANK_SESSION_TABLE, notify_elsewhere, &notify);
  bh_mutex_lock(&service.lock);
  while (for_event ? service.events == 0 : service.process.close == NULL)
    bh_cond_wait(&service.changed, &service.lock);
  bh_mutex_unlock(&service.lock);
  service.link->class->kill(service.link, "asked to");
  bh_thread_join(thread);
  g_assert_cmpint(notify.status, ==, BH_RPC_S_CALL_FAILED);
  service_end(&service, log); /* its release waits for the thread that waited */
}

static void given_a_process_that_goes_on_when_the_host_is_killed_then_reading_from_it_ends(void) {
  given_a_wait_when_the_host_is_killed_then_it_ends("on OnVMStarted\n  execute /bin/sleep\n  log never\n", FALSE,
                                                    "OnVMStarted flags=0\n");
}

static void given_a_process_that_goes_on_when_the_host_is_killed_then_waiting_for_it_ends(void) {
  given_a_wait_when_the_host_is_killed_then_it_ends(
      "on OnVMStarted\n  process p /bin/sleep\n  process-wait p\n  log never\n", TRUE,
      "OnVMStarted flags=0\nprocess p S_OK\n");
}

#ifndef G_OS_WIN32 /* where a connection takes in all that a script can write */
static void given_a_process_that_does_not_read_when_the_host_is_killed_then_writing_to_it_ends(void) {
  given_a_wait_when_the_host_is_killed_then_it_ends(
      "on OnVMStarted\n  process p /bin/sleep\n  process-write p %LONG%\n  log never\n", FALSE,
      "OnVMStarted flags=0\nprocess p S_OK\n");
}
#endif

static void given_wslc_calls_then_they_come_back_with_what_they_got(void) {
  g_auto(BhLoadReply) load = {0};
  g_auto(BhNotifyReply) started = {0};
  g_autofree char *input = NULL;
  gsize length;
  Service service;

  service_start(&service, "on OnVMStarted\n"
                          "  wslc-mount %FOLDER% /x ro\n  wslc-mount null /x ro\n  wslc-unmount /x\n"
                          "  process q missing\n  process p /bin/echo\n"
                          "  process-read p stdout\n  process-read p stderr\n  process-write p in\n"
                          "  process-fd p 3\n  process-fd q 1\n  process-fd bogus 1\n"
                          "  process-wait p\n  process-code p\n  process-release p\n");
  g_assert_cmpint(service.link->class->load(service.link, &load), ==, BH_OK);
  g_assert_cmpint(service_notify(&service, BH_HOOK_VM_STARTED, &started), ==, BH_OK);
  g_assert_cmpint(bh_socket_read_to_end(service.process.value, 100, &input, &length), ==, BH_OK);
  g_assert_cmpstr(input, ==, "in");
  service_end(&service, "OnVMStarted flags=0\nwslc-mount S_OK\nwslc-mount E_POINTER\nwslc-unmount S_OK\n"
                        "process q E_FAIL errno=2\nprocess p S_OK\n"
                        "process-read p stdout: out\nprocess-read p stderr: err\nprocess-write p S_OK\n"
                        "process-fd p E_INVALIDARG\nprocess-fd q E_INVALIDARG\nprocess-fd bogus E_INVALIDARG\n"
                        "process-wait p S_OK\nprocess-code p S_OK 12\n");
}

static void given_hooks_that_hang_when_released_then_they_end(void) {
  g_auto(BhLoadReply) load = {0};
  Service service;

  service_start(&service, "on attach\n  log in DllMain\n"
                          "on load\n"
                          "  thread one none\n    loop-until s\n      mount a /b ro\n    end\n  end\n"
                          "  thread two sta\n    await hook\n    hang\n  end\n"
                          "on OnVMStopping\n  signal s\n");
  g_assert_cmpint(service.link->class->load(service.link, &load), ==, BH_OK);
  service_release(&service);
  g_assert_cmpuint(service.died, ==, 0);
  service_end(&service, "attach\nin DllMain\nload\n*");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, function) g_test_add_func("/scripted/" path, function)
  TEST("log", given_a_script_when_it_is_driven_then_its_log_lies_beside_it);
  TEST("no-file", given_no_file_when_loaded_then_the_cause_names_it);
  TEST("mistake", given_a_mistake_when_loaded_then_the_cause_names_its_place);
  TEST("crash", given_a_crash_then_the_host_died_of_it_and_the_log_ends_there);
  TEST("reading", given_a_process_that_goes_on_when_the_host_is_killed_then_reading_from_it_ends);
  TEST("wslc", given_wslc_calls_then_they_come_back_with_what_they_got);
  TEST("waiting", given_a_process_that_goes_on_when_the_host_is_killed_then_waiting_for_it_ends);
#ifndef G_OS_WIN32
  TEST("writing", given_a_process_that_does_not_read_when_the_host_is_killed_then_writing_to_it_ends);
#endif
  TEST("hang", given_hooks_that_hang_when_released_then_they_end);
  return g_test_run();
}
