/* Who started what, through a whole service: plugins' hosts and their children, programs in VMs, and who may refuse them. */
#include "fixture.h"

#include "core/lock-order.h"
#include "guest/socket.h"

#include <glib/gstdio.h>

/* --- What routines were told -------------------------------------------------------------------------------------- */

typedef struct {
  BhActivityType type;
  gboolean is_subsystem, may_refuse;
  guint32 process, thread, session;
  gint32 exit_status;
  char image[32], command_line[64], owner[16]; /* owner: the plugin, or the WSLC session */
  BhResult query;
  BhSubsystemAnswer answer;
} Told;

typedef struct {
  guint64 id;
  Told told[64];
  guint count;         /* guarded by told_lock, as are told and refused */
  const char *refused; /* an image; NULL: none */
  BhService *asked;    /* for the subsystem of each that begins; may be NULL */
} Observer;

static BhMutex told_lock;
static BhCond told_more;
static const BhLockClass told_class = {"test", BH_RANK_LEAF, FALSE};

static BhResult observe(gpointer data, const BhProcessNotice *notice) {
  const BhActivity *activity = &notice->activity;
  const BhActivityOrigin *origin = &notice->origin;
  const char *owner = origin->plugin != NULL ? origin->plugin : origin->name != NULL ? origin->name : "";
  Observer *observer = data;
  gboolean refused;
  Told told = {.type = activity->type,
               .is_subsystem = notice->is_subsystem_process,
               .may_refuse = activity->may_refuse,
               .process = activity->process,
               .thread = activity->thread,
               .session = origin->session,
               .exit_status = activity->exit_status};

  g_strlcpy(told.image, activity->image != NULL ? activity->image : "", sizeof told.image);
  g_strlcpy(told.command_line, activity->command_line != NULL ? activity->command_line : "",
            sizeof told.command_line);
  g_strlcpy(told.owner, owner, sizeof told.owner);
  if (observer->asked != NULL) /* as the seed's callback does, wherever it is called */
    told.query =
        bh_service_query_subsystem(observer->asked, origin, activity->process, activity->thread, &told.answer);

  bh_mutex_lock(&told_lock);
  g_assert_cmpuint(observer->count, <, G_N_ELEMENTS(observer->told));
  observer->told[observer->count++] = told;
  bh_cond_broadcast(&told_more);
  refused = observer->refused != NULL && g_str_equal(told.image, observer->refused);
  bh_mutex_unlock(&told_lock);
  return refused ? BH_E_ACCESSDENIED : BH_OK;
}

static void add(Fixture *fixture, BhNotifyKind kind, BhNotifyType type, Observer *observer) {
  g_assert_cmpint(bh_process_notify_add(bh_service_process_notify(fixture->service), kind, type, observe, observer,
                                        &observer->id),
                  ==, BH_OK);
}

static void refuse(Observer *observer, const char *image) {
  bh_mutex_lock(&told_lock);
  observer->refused = image;
  bh_mutex_unlock(&told_lock);
}

static void drop(Fixture *fixture, Observer *observer) {
  g_assert_cmpint(bh_process_notify_remove(bh_service_process_notify(fixture->service), observer->id), ==, BH_OK);
}

/* With the lock. */
static guint count(const Observer *observer, BhActivityType type, gboolean is_subsystem) {
  guint found = 0;

  for (guint i = 0; i < observer->count; i++)
    found += observer->told[i].type == type && observer->told[i].is_subsystem == is_subsystem;
  return found;
}

static guint seen(const Observer *observer, BhActivityType type, gboolean is_subsystem) {
  guint found;

  bh_mutex_lock(&told_lock);
  found = count(observer, type, is_subsystem);
  bh_mutex_unlock(&told_lock);
  return found;
}

/* Until it was told so often. */
static void await(const Observer *observer, BhActivityType type, gboolean is_subsystem, guint times) {
  bh_mutex_lock(&told_lock);
  while (count(observer, type, is_subsystem) < times) bh_cond_wait(&told_more, &told_lock);
  bh_mutex_unlock(&told_lock);
}

/* The beginning of what has that image; NULL: none has. What is there does not change any more. */
static const Told *find(const Observer *observer, const char *image) {
  for (guint i = 0; i < observer->count; i++)
    if (observer->told[i].type == BH_PROCESS_CREATED && g_str_equal(observer->told[i].image, image))
      return &observer->told[i];
  return NULL;
}

/* The first thread of a process, likewise. */
static const Told *find_thread(const Observer *observer, guint32 process) {
  for (guint i = 0; i < observer->count; i++)
    if (observer->told[i].type == BH_THREAD_CREATED && observer->told[i].process == process)
      return &observer->told[i];
  return NULL;
}

/* Each process begins once and ends once, its threads in between. */
static void assert_legal(const Observer *observer) {
  for (guint i = 0; i < observer->count; i++) {
    const Told *told = &observer->told[i];
    guint begun = 0, ended = 0;

    for (guint j = 0; j < observer->count; j++) {
      const Told *other = &observer->told[j];
      gboolean same = other->process == told->process && other->thread == told->thread;

      begun += same && j <= i && (other->type == BH_PROCESS_CREATED || other->type == BH_THREAD_CREATED);
      ended += same && (other->type == BH_PROCESS_EXITED || other->type == BH_THREAD_EXITED);
    }
    g_assert_cmpuint(begun, ==, 1);
    g_assert_cmpuint(ended, ==, 1);
  }
}

/* --- A plugin that starts things ---------------------------------------------------------------------------------- */

static const char *program[] = {"/bin/echo", "it", "ran", NULL};
static BhResult executed; /* what the plugin got */

static BhResult execute(BhMockHost *host, guint32 session) {
  const BhCall call = {
      .api = BH_API_EXECUTE_BINARY, .session = session, .path = (char *)program[0], .arguments = (char **)program};
  g_auto(BhCallReply) reply = {0};
  g_autofree char *text = NULL;
  gsize length;

  executed = bh_mock_host_call(host, &call, &reply);
  if (BH_SUCCEEDED(executed)) bh_socket_read_to_end(reply.resource.value, 100, &text, &length);
  return BH_OK;
}

static void nothing(gpointer data) {
  (void)data;
}

static BhResult start_things(BhMockHost *host, const BhNotification *notification, gpointer data) {
  BhMockThread *thread;
  guint32 child;

  (void)data;
  if (notification->hook != BH_HOOK_VM_STARTED) return BH_OK;
  child = bh_mock_host_start_child(host, "scanner.exe", "scanner.exe /all");
  thread = bh_mock_host_spawn(host, nothing, NULL);
  bh_mock_host_join(host, thread);
  g_assert_true(bh_mock_host_end_child(host, child, 3));
  g_assert_false(bh_mock_host_end_child(host, child, 3));
  return execute(host, notification->session);
}

static const BhMockPlugin starter = {.name = "Starter", .hooks = ALL_VM_HOOKS, .hook = start_things};

/* --- The rows of the seed's examples ------------------------------------------------------------------------------ */

/* Each kind of registration beside the others, over one plugin with a child and a thread of its own, and one program in its VM.
 * Win32: the host, the child; their first threads and the plugin's. WSL: the program and its thread. */
static void by_subsystem(void) {
  static Observer plain, extended, plain_threads, extended_threads;
  const Told *told;
  Fixture fixture;

  fixture_open(&fixture, &starter, 1);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, &plain);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &extended);
  add(&fixture, BH_NOTIFY_THREADS, BH_NOTIFY_PLAIN, &plain_threads);
  add(&fixture, BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, &extended_threads);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  g_assert_cmpint(executed, ==, BH_OK);
  bh_session_stop_vm(fixture.session); /* what ran in the VM has been told of */
  bh_service_close_session(fixture.service, fixture.session);
  await(&extended, BH_PROCESS_EXITED, FALSE, 1);
  await(&plain_threads, BH_THREAD_EXITED, FALSE, 2);
  await(&extended_threads, BH_THREAD_EXITED, FALSE, 2);

  g_assert_cmpuint(seen(&plain, BH_PROCESS_CREATED, FALSE), ==, 2);
  g_assert_cmpuint(seen(&plain, BH_PROCESS_EXITED, FALSE), ==, 1); /* the host runs on */
  g_assert_cmpuint(plain.count, ==, 3);                            /* and of no WSL process */
  g_assert_cmpuint(seen(&extended, BH_PROCESS_CREATED, FALSE), ==, 2);
  g_assert_cmpuint(seen(&extended, BH_PROCESS_CREATED, TRUE), ==, 1);
  g_assert_cmpuint(seen(&extended, BH_PROCESS_EXITED, TRUE), ==, 1);
  g_assert_cmpuint(extended.count, ==, 5);
  g_assert_cmpuint(seen(&plain_threads, BH_THREAD_CREATED, FALSE), ==, 3);
  g_assert_cmpuint(plain_threads.count, ==, 5);
  g_assert_cmpuint(seen(&extended_threads, BH_THREAD_CREATED, FALSE), ==, 3);
  g_assert_cmpuint(seen(&extended_threads, BH_THREAD_CREATED, TRUE), ==, 1);
  g_assert_cmpuint(seen(&extended_threads, BH_THREAD_EXITED, TRUE), ==, 1);
  g_assert_cmpuint(extended_threads.count, ==, 7);

  told = find(&extended, "/bin/echo");
  g_assert_cmpstr(told->command_line, ==, "/bin/echo it ran");
  g_assert_cmpuint(told->session, ==, bh_session_id(fixture.session));
  g_assert_cmpstr(told->owner, ==, "");
  g_assert_true(told->may_refuse);
  told = find(&plain, "scanner.exe");
  g_assert_cmpstr(told->command_line, ==, "scanner.exe /all");
  g_assert_cmpstr(told->owner, ==, "Starter");
  g_assert_cmpuint(told->session, ==, 0);
  g_assert_false(told->may_refuse); /* after the fact */
  g_assert_cmpint(plain.told[2].exit_status, ==, 3);

  drop(&fixture, &plain);
  drop(&fixture, &extended);
  drop(&fixture, &plain_threads);
  drop(&fixture, &extended_threads);
  fixture_close(&fixture);
}

/* The seed's callback: it asks for the type of what it is called for, while that is there. */
static void query(void) {
  static Observer processes, threads;
  const BhActivityOrigin session = {.session = 1}, unknown = {.session = 9}, wslc = {.name = "none"};
  const Told *host, *thread;
  BhSubsystemAnswer answer;
  Fixture fixture;

  fixture_open(&fixture, &starter, 1);
  processes.asked = threads.asked = fixture.service;
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &processes);
  add(&fixture, BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, &threads);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  await(&threads, BH_THREAD_EXITED, TRUE, 1);
  await(&processes, BH_PROCESS_EXITED, TRUE, 1);
  await(&processes, BH_PROCESS_EXITED, FALSE, 1);
  for (guint i = 0; i < processes.count; i++) {
    const Told *told = &processes.told[i];
    gboolean lives = told->is_subsystem ? told->type == BH_PROCESS_CREATED : g_str_equal(told->image, "mock-host");

    if (!lives) continue; /* it may have ended meanwhile */
    g_assert_cmpint(told->query, ==, BH_OK);
    g_assert_cmpint(told->answer.subsystem, ==, told->is_subsystem ? BH_SUBSYSTEM_WSL : BH_SUBSYSTEM_WIN32);
    g_assert_false(told->answer.assumed);
  }
  host = find(&processes, "mock-host");
  thread = find_thread(&threads, host->process);
  g_assert_cmpint(thread->query, ==, BH_OK); /* the host's first: it lives */
  g_assert_cmpint(thread->answer.subsystem, ==, BH_SUBSYSTEM_WIN32);

  /* Numbers count where they are from: a guest's is none of this machine's. */
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, NULL, host->process, thread->thread, &answer), ==,
                  BH_OK);
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, NULL, host->process, 1, &answer), ==,
                  BH_E_NOT_FOUND);
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, NULL, 1, 0, &answer), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, &session, host->process, 0, &answer), ==,
                  BH_E_NOT_FOUND);
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, &unknown, 1, 0, &answer), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_service_query_subsystem(fixture.service, &wslc, 1, 0, &answer), ==, BH_E_NOT_FOUND);
  drop(&fixture, &processes);
  drop(&fixture, &threads);
  fixture_close(&fixture);
}

/* --- Refusing ----------------------------------------------------------------------------------------------------- */

/* Starts the VM with a plugin that executes `/bin/sh -c "echo ran > /out/file"`. TRUE: it ran. */
static gboolean writes_a_file(Fixture *fixture) {
  g_autofree char *folder = g_dir_make_tmp("bulkhead-XXXXXX", NULL),
                  *file = g_build_filename(folder, "file", NULL);
  const char *const shell[] = {"/bin/sh", "-c", "echo ran > /out/file", NULL};
  BhResource socket = {0};
  gboolean ran;
  BhVm *vm;
  BhResult result;
  char byte;

  vm = g_atomic_pointer_get(&fixture->guest.last_vm);
  g_assert_cmpint(vm->class->mount(vm, folder, "/out", FALSE, NULL), ==, BH_OK);
  result = vm->class->execute(vm, BH_ROOT_NAMESPACE, shell[0], shell, &socket);
  if (BH_SUCCEEDED(result)) g_assert_cmpint(bh_socket_read(socket.value, &byte, 1), ==, 0);
  bh_resource_clear(&socket);
  ran = g_file_test(file, G_FILE_TEST_EXISTS);
  g_assert_true(ran == BH_SUCCEEDED(result));
  g_remove(file);
  g_rmdir(folder);
  return ran;
}

static void refused(void) {
  static Observer observer;
  Fixture fixture;

  observer = (Observer){.refused = "/bin/echo"};
  fixture_open(&fixture, &starter, 1);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK); /* the plugin goes on; it was told */
  g_assert_cmpint(executed, ==, BH_E_ACCESSDENIED);
  await(&observer, BH_PROCESS_EXITED, TRUE, 1); /* of the guest's own accord, while the VM runs */
  g_assert_true(writes_a_file(&fixture));       /* of another image */
  refuse(&observer, "/bin/sh");
  g_assert_false(writes_a_file(&fixture));
  bh_session_stop_vm(fixture.session);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_CREATED, TRUE), ==, 3);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_EXITED, TRUE), ==, 3); /* one that was refused ends as others do */
  drop(&fixture, &observer);
  fixture_close(&fixture);
}

static void fail_func(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
  g_assert_not_reached();
}

/* In a WSLC session: its programs, and its containers, which are named after it. */
static void refused_in_a_wslc_session(void) {
  static const BhUser user;
  const BhContainerSettings settings = {.name = "dev", .user = &user};
  const BhProgram echo = {.path = "/bin/echo"};
  const BhContainerSpec spec = {
      .name = "web", .root = g_get_tmp_dir(), .program = {.path = "/bin/sleep", .arguments = program}};
  static Observer observer;
  BhContainerSession *session;
  gint32 linux_error;
  Fixture fixture;

  observer = (Observer){.refused = "/bin/echo"};
  fixture_open(&fixture, NULL, 0);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer);
  g_assert_cmpint(bh_service_create_container_session(fixture.service, &settings, &session, NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_run(session, &echo, fail_func, NULL, &linux_error, NULL), ==,
                  BH_E_ACCESSDENIED);
  g_assert_cmpstr(find(&observer, "/bin/echo")->owner, ==, "dev");
  refuse(&observer, "/bin/sleep");
  g_assert_cmpint(bh_container_session_start_container(session, &spec, NULL), ==, BH_E_ACCESSDENIED);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
  refuse(&observer, NULL);
  g_assert_cmpint(bh_container_session_start_container(session, &spec, NULL), ==, BH_OK); /* its name was free */
  bh_service_release_container_session(fixture.service, session);
  assert_legal(&observer);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_CREATED, TRUE), ==, 3);
  drop(&fixture, &observer);
  fixture_close(&fixture);
}

/* --- VMs and hosts that go ---------------------------------------------------------------------------------------- */

static BhResult sleep_in_vm(BhMockHost *host, const BhNotification *notification, gpointer data) {
  static const char *const sleep[] = {"/bin/sleep", "1000", NULL};
  const BhCall call = {.api = BH_API_EXECUTE_BINARY,
                       .session = notification->session,
                       .path = (char *)sleep[0],
                       .arguments = (char **)sleep};
  BhResource *socket = data;
  BhCallReply reply = {0};

  if (notification->hook != BH_HOOK_VM_STARTED) return BH_OK;
  g_assert_cmpint(bh_mock_host_call(host, &call, &reply), ==, BH_OK);
  bh_resource_clear(socket);
  *socket = reply.resource;
  return BH_OK;
}

/* What ran in it has ended, whether the guest says so or not; in the next one others run. */
static void vm_dies_while_watched(void) {
  static Observer observer, threads;
  BhResource socket = {0};
  const BhMockPlugin sleeper = {.name = "Sleeper", .hooks = ALL_VM_HOOKS, .hook = sleep_in_vm, .data = &socket};
  Fixture fixture;

  observer = threads = (Observer){0};
  fixture_open(&fixture, &sleeper, 1);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer);
  add(&fixture, BH_NOTIFY_THREADS, BH_NOTIFY_SUBSYSTEMS, &threads);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_guest_memory_kill_vm(g_atomic_pointer_get(&fixture.guest.last_vm));
  await(&observer, BH_PROCESS_EXITED, TRUE, 1);
  bh_session_stop_vm(fixture.session); /* whether or not the session has heard of it yet */
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  bh_session_stop_vm(fixture.session);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_CREATED, TRUE), ==, 2);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_EXITED, TRUE), ==, 2);
  g_assert_cmpuint(seen(&threads, BH_THREAD_EXITED, TRUE), ==, 2);
  for (guint i = 0; i < observer.count; i++)
    if (observer.told[i].type == BH_PROCESS_EXITED) g_assert_cmpint(observer.told[i].exit_status, ==, 137);
  drop(&fixture, &observer);
  drop(&fixture, &threads);
  bh_resource_clear(&socket);
  fixture_close(&fixture);
}

/* What runs already when the first routine comes is told of then, and cannot be refused any more. */
static void ran_before(void) {
  static Observer observer;
  BhResource socket = {0};
  const BhMockPlugin sleeper = {.name = "Sleeper", .hooks = ALL_VM_HOOKS, .hook = sleep_in_vm, .data = &socket};
  Fixture fixture;

  observer = (Observer){.refused = "/bin/sleep"};
  fixture_open(&fixture, &sleeper, 1);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  g_assert_cmpint(g_atomic_int_get(&fixture.guest.passed[BH_PROBE_WATCH]), ==, 0); /* nobody asked, nobody paid */
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer);
  await(&observer, BH_PROCESS_CREATED, TRUE, 1);
  await(&observer, BH_PROCESS_CREATED, FALSE, 1);
  g_assert_false(find(&observer, "/bin/sleep")->may_refuse);
  bh_session_stop_vm(fixture.session);
  g_assert_cmpuint(seen(&observer, BH_PROCESS_EXITED, TRUE), ==, 1);
  drop(&fixture, &observer);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK); /* again untold */
  g_assert_cmpint(g_atomic_int_get(&fixture.guest.passed[BH_PROBE_WATCH]), ==, 1);
  bh_resource_clear(&socket);
  fixture_close(&fixture);
}

static BhResult crash(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook != BH_HOOK_VM_STARTED) return BH_OK;
  bh_mock_host_start_child(host, "scanner.exe", NULL);
  bh_mock_host_crash(host, "access violation");
  return BH_OK;
}

/* A host that dies takes its children along: all of it is told, the children first. */
static void host_dies(void) {
  static Observer observer, threads;
  const BhMockPlugin crasher = {.name = "Crasher", .hooks = ALL_VM_HOOKS, .hook = crash};
  Fixture fixture;

  observer = threads = (Observer){0};
  fixture_open(&fixture, &crasher, 1);
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_PLAIN, &observer);
  add(&fixture, BH_NOTIFY_THREADS, BH_NOTIFY_PLAIN, &threads);
  g_assert_true(BH_FAILED(fixture_start(&fixture)));
  await(&observer, BH_PROCESS_EXITED, FALSE, 2);
  await(&threads, BH_THREAD_EXITED, FALSE, 2);
  g_assert_cmpuint(observer.count, ==, 4);
  g_assert_cmpstr(observer.told[0].image, ==, "mock-host");
  g_assert_cmpuint(observer.told[2].process, ==, observer.told[1].process);
  g_assert_cmpuint(observer.told[3].process, ==, observer.told[0].process);
  assert_legal(&observer);
  assert_legal(&threads);
  drop(&fixture, &observer);
  drop(&fixture, &threads);
  fixture_close(&fixture);
}

static BhResult cannot_watch(BhProbePoint point, gpointer data) {
  (void)data;
  return point == BH_PROBE_WATCH ? BH_E_ACCESSDENIED : BH_OK;
}

/* A VM that cannot be watched though somebody wants to be told does not start: an allow-list has no holes. */
static void vm_that_cannot_be_watched(void) {
  static Observer observer;
  g_autofree char *text = NULL;
  Fixture fixture;

  observer = (Observer){0};
  fixture_open(&fixture, &starter, 1);
  fixture.guest.before = cannot_watch;
  add(&fixture, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, &observer);
  text = fixture_refused(&fixture);
  g_assert_cmpstr(text, ==,
                  "What runs in the virtual machine cannot be watched\n"
                  "Error code: Wsl/Service/CreateInstance/CreateVm/E_ACCESSDENIED");
  drop(&fixture, &observer);
  g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);
  fixture_close(&fixture);
}

static const struct {
  const char *name;
  GTestFunc func;
} tests[] = {
    {"by-subsystem", by_subsystem},
    {"query", query},
    {"refused", refused},
    {"refused-in-a-wslc-session", refused_in_a_wslc_session},
    {"vm-dies-while-watched", vm_dies_while_watched},
    {"ran-before", ran_before},
    {"host-dies", host_dies},
    {"vm-that-cannot-be-watched", vm_that_cannot_be_watched},
};

/* test-process-notify pumped|shared */
int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_mutex_init(&told_lock, &told_class);
  bh_cond_init(&told_more);
  if (argc == 2) fixture_callbacks = bh_callbacks_by_name(argv[1]);
  if (argc != 2 || fixture_callbacks == NULL) g_error("usage: test-process-notify pumped|shared");
  for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
    g_autofree char *path = g_strdup_printf("/process-notify/%s/%s", tests[i].name, fixture_callbacks->name);
    g_test_add_func(path, tests[i].func);
  }
  return g_test_run();
}
