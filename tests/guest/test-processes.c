/* Processes with three streams, and the folders they see: the same for every guest. Runs natively and under Wine. */
#include <glib/gstdio.h>
#include <string.h>

#ifdef G_OS_WIN32
#include <winsock2.h>
#include <windows.h>
#endif

#include "core/lock-order.h"
#include "core/sync.h"
#include "guest-fixture.h"
#include "guest/event.h"
#include "guest/memory.h"
#include "guest/socket.h"

#define MANY 200

static const char *const cat[] = {"/bin/cat", NULL};

static gint32 exit_code(GuestProcess *process, BhResult *result) {
  gint32 code = -1;

  *result = process->process->class->process_exit_code(process->process, &code);
  return code;
}

/* ---- streams ---- */

static void each_stream_is_that_stream_alone(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process =
      guest_process_start(fixture, GUEST_SH("echo out; echo err >&2; cat; echo again >&2"), NULL);
  g_autofree char *out = NULL, *err = NULL;

  (void)unused;
  guest_process_say(&process, "from stdin");
  out = guest_process_hear(&process, BH_STDOUT);
  err = guest_process_hear(&process, BH_STDERR);
  g_assert_cmpstr(out, ==, "out\nfrom stdin");
  g_assert_cmpstr(err, ==, "err\nagain\n");
  g_assert_cmpint(guest_process_await(&process), ==, 0);
  guest_process_clear(&process);
}

static void it_answers_while_it_runs(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, cat, NULL);
  char letter = 0;

  (void)unused;
  for (int i = 0; i < 3; i++) {
    g_assert_true(bh_socket_write_all(process.streams[BH_STDIN].value, "x", 1));
    g_assert_cmpint(bh_socket_read(process.streams[BH_STDOUT].value, &letter, 1), ==, 1);
    g_assert_cmpint(letter, ==, 'x');
  }
  guest_process_say(&process, NULL);
  g_assert_cmpint(guest_process_await(&process), ==, 0);
  guest_process_clear(&process);
}

static void much_arrives_whole(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *large = g_strnfill(3 * 1024 * 1024, 'a'), *out = NULL;
  GuestProcess process;

  (void)unused;
  guest_write(fixture, "large", large);
  guest_mount(fixture, "/data", TRUE);
  process = guest_process_start(fixture, (const char *const[]){"/bin/cat", "/data/large", NULL}, NULL);
  out = guest_process_hear(&process, BH_STDOUT);
  g_assert_true(strcmp(out, large) == 0);
  g_assert_cmpint(guest_process_await(&process), ==, 0);
  guest_process_clear(&process);
}

static void without_arguments_argv_is_the_path(GuestFixture *fixture, gconstpointer unused) {
  BhProgram program = {.path = "/bin/cat"};
  const BhGuestClass *class = fixture->vm->class;
  GuestProcess process = {0};
  gint32 error;

  (void)unused;
  g_assert_cmpint(class->process_start(fixture->vm, &program, process.streams, &process.process, &error), ==,
                  BH_OK);
  g_assert_cmpint(class->process_event(process.process, &process.event), ==, BH_OK);
  guest_process_say(&process, NULL);
  g_assert_cmpint(guest_process_await(&process), ==, 0);
  guest_process_clear(&process);
}

#ifdef G_OS_WIN32
/* As a plugin does it, which knows nothing of sockets. */
static void streams_are_handles(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, cat, NULL);
  OVERLAPPED writing = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)}, reading = writing;
  HANDLE in = (HANDLE)process.streams[BH_STDIN].value, out = (HANDLE)process.streams[BH_STDOUT].value;
  DWORD moved = 0;
  char bytes[8];

  (void)unused;
  g_assert_true(WriteFile(in, "hello", 5, NULL, &writing) || GetLastError() == ERROR_IO_PENDING);
  g_assert_true(GetOverlappedResult(in, &writing, &moved, TRUE));
  g_assert_cmpuint(moved, ==, 5);
  reading.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
  g_assert_true(ReadFile(out, bytes, sizeof bytes, NULL, &reading) || GetLastError() == ERROR_IO_PENDING);
  g_assert_true(GetOverlappedResult(out, &reading, &moved, TRUE));
  g_assert_cmpuint(moved, ==, 5);
  CloseHandle(writing.hEvent);
  CloseHandle(reading.hEvent);
  for (int i = 0; i < BH_STREAM_COUNT; i++) {
    g_assert_true(CloseHandle((HANDLE)process.streams[i].value));
    process.streams[i] = (BhResource){0};
  }
  g_assert_cmpint(guest_process_await(&process), ==, 0); /* its stdin has ended */
  guest_process_clear(&process);
}

static void an_event_can_only_be_waited_for(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, cat, NULL);

  (void)unused;
  g_assert_false(SetEvent((HANDLE)process.event.value));
  g_assert_cmpuint(GetLastError(), ==, ERROR_ACCESS_DENIED);
  guest_process_clear(&process);
}
#endif

/* ---- environment ---- */

static void the_environment_is_added_and_goes_before(GuestFixture *fixture, gconstpointer unused) {
  static const char *const environment[] = {"BULKHEAD_TEST=a value", "HOME=/elsewhere", "TWICE=first",
                                            "no-variable",           "TWICE=second",    NULL};

  (void)unused;
  g_assert_cmpint(guest_assert_script(fixture, "echo $BULKHEAD_TEST; echo $HOME $TWICE", environment,
                                      "a value\n/elsewhere second\n"),
                  ==, 0);
  g_assert_cmpint(guest_assert_script(fixture, "echo $HOME $BULKHEAD_TEST; echo $LANG", NULL, "/\nC.UTF-8\n"), ==,
                  0);
}

static void the_last_redirection_counts(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process;
  g_autofree char *out = NULL, *err = NULL;

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  process = guest_process_start(
      fixture, GUEST_SH("echo err >/data/file >&2; echo file >&2 >/data/file; cat /data/file"), NULL);
  out = guest_process_hear(&process, BH_STDOUT);
  err = guest_process_hear(&process, BH_STDERR);
  g_assert_cmpstr(out, ==, "file\n");
  g_assert_cmpstr(err, ==, "err\n");
  guest_process_clear(&process);
}

/* ---- exit ---- */

static void exit_code_and_event_tell_of_its_end(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, GUEST_SH("cat; exit 12"), NULL);
  BhResource other = {0};
  BhResult result;

  (void)unused;
  g_assert_cmpint(exit_code(&process, &result), ==, -1);
  g_assert_cmphex((guint32)result, ==, 0x8007139Fu);
  g_assert_false(bh_event_wait(process.event.value, 0));
  g_assert_false(bh_event_wait(process.event.value, 20 * 1000));
  guest_process_say(&process, NULL);
  g_assert_cmpint(guest_process_await(&process), ==, 12);
  g_assert_cmpint(guest_process_await(&process), ==, 12); /* and stays so */
  g_assert_cmpint(process.process->class->process_event(process.process, &other), ==, BH_OK);
  g_assert_true(bh_event_wait(other.value, 0));
  bh_resource_clear(&other);
  guest_process_clear(&process);
}

static void an_event_outlives_its_process_object(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, cat, NULL);
  char letter;

  (void)unused;
  process.process->class->process_free(process.process); /* it runs on */
  bh_socket_write_all(process.streams[BH_STDIN].value, "x", 1);
  g_assert_cmpint(bh_socket_read(process.streams[BH_STDOUT].value, &letter, 1), ==, 1);
  guest_process_say(&process, NULL);
  g_assert_true(bh_event_wait(process.event.value, 30 * G_USEC_PER_SEC));
  for (int i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&process.streams[i]);
  bh_resource_clear(&process.event);
}

static void it_ends_though_nobody_reads(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, GUEST_SH("cat; exit 5"), NULL);

  (void)unused;
  bh_resource_clear(&process.streams[BH_STDOUT]);
  bh_resource_clear(&process.streams[BH_STDERR]);
  bh_resource_clear(&process.streams[BH_STDIN]);
  g_assert_cmpint(guest_process_await(&process), ==, 5);
  guest_process_clear(&process);
}

static void what_cannot_be_executed_tells_errno(GuestFixture *fixture, gconstpointer unused) {
  BhProgram program = {.path = "/bin/there-is-no-such-program"};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  BhProcess *process = NULL;
  gint32 error = -1;

  (void)unused;
  g_assert_cmpint(fixture->vm->class->process_start(fixture->vm, &program, streams, &process, &error), ==,
                  BH_E_FAIL);
  g_assert_cmpint(error, ==, 2);
  g_assert_null(process);
  for (int i = 0; i < BH_STREAM_COUNT; i++) g_assert_null(streams[i].close);
}

static gpointer signal_event(gpointer event) {
  bh_event_signal(((BhResource *)event)->value);
  return NULL;
}

static void an_event_happens_once_and_stays(void) {
  BhResource event = {0}, copy = {0};
  BhThread *thread;

  g_assert_cmpint(bh_event_new(&event), ==, BH_OK);
  g_assert_cmpint(bh_event_duplicate(event.value, &copy), ==, BH_OK);
  g_assert_false(bh_event_wait(event.value, 0));
  g_assert_false(bh_event_wait(copy.value, 1));
  g_assert_nonnull(thread = bh_thread_new("signals", BH_RANK_LEAF, signal_event, &event));
  g_assert_true(bh_event_wait(copy.value, -1));
  bh_thread_join(thread);
  bh_event_signal(event.value);
  bh_resource_clear(&event);
  g_assert_true(bh_event_wait(copy.value, 0));
  g_assert_true(bh_event_wait(copy.value, G_MAXINT64));
  bh_resource_clear(&copy);
}

/* ---- with its VM ---- */

static void assert_killed(GuestProcess *process) {
  BhResult result;
  char letter;

  g_assert_true(bh_event_wait(process->event.value, 30 * G_USEC_PER_SEC));
  g_assert_cmpint(exit_code(process, &result), ==, 137);
  g_assert_cmpint(bh_socket_read(process->streams[BH_STDOUT].value, &letter, 1), <=, 0);
  guest_process_clear(process);
}

static void destroying_the_vm_kills_it(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess waits = guest_process_start(fixture, cat, NULL),
               sleeps = guest_process_start(fixture, (const char *const[]){"/bin/sleep", "1000", NULL}, NULL),
               ended = guest_process_start(fixture, GUEST_SH("exit 7"), NULL);
  BhResult result;

  (void)unused;
  g_assert_cmpint(guest_process_await(&ended), ==, 7);
  guest_vm_destroy(fixture);
  g_assert_true(bh_event_wait(waits.event.value, 0));
  g_assert_true(bh_event_wait(sleeps.event.value, 0));
  assert_killed(&waits);
  assert_killed(&sleeps);
  g_assert_cmpint(exit_code(&ended, &result), ==, 7);
  guest_process_clear(&ended);
}

static void a_vm_that_dies_kills_it(GuestFixture *fixture, gconstpointer unused) {
  GuestProcess process = guest_process_start(fixture, GUEST_SH("echo begun; sleep 1000; echo never"), NULL);
  BhProgram program = {.path = "/bin/true"};
  BhResource streams[BH_STREAM_COUNT] = {{0}};
  BhProcess *none = NULL;
  gint32 error = -1;

  (void)unused;
  if (fixture->real) {
    g_test_skip("guest/agent kills an agent");
    guest_process_clear(&process);
    return;
  }
  bh_guest_memory_kill_vm(fixture->vm);
  g_assert_true(bh_event_wait(process.event.value, 30 * G_USEC_PER_SEC));
  g_assert_cmpint(guest_process_await(&process), ==, 137);
  guest_process_clear(&process);
  g_assert_cmphex((guint32)fixture->vm->class->process_start(fixture->vm, &program, streams, &none, &error), ==,
                  0x8007139Fu);
  g_assert_cmpint(error, ==, 0);
  program.path = "/bin/missing";
  g_assert_cmphex((guint32)fixture->vm->class->process_start(fixture->vm, &program, streams, &none, &error), ==,
                  0x8007139Fu);
  g_assert_cmphex((guint32)fixture->vm->class->unmount(fixture->vm, "/data"), ==, 0x8007139Fu);
}

typedef struct {
  BhVm *vm;
  gint events; /* atomic; negative: the VM is gone, and there must be none */
} Busy;

static void on_died(gpointer data) {
  g_assert_cmpint(g_atomic_int_add(&((Busy *)data)->events, 1), >=, 0);
}

static void on_container_ended(gpointer data, guint32 number) {
  (void)number;
  on_died(data);
}

static BhResult use_instance(BhVm *vm) {
  BhDistribution distribution = {.name = (char *)"Debian"};
  BhInstance instance = {0};
  BhResource socket = {0};
  BhResult result = vm->class->instance_start(vm, &distribution, &instance);

  if (BH_SUCCEEDED(result)) result = vm->class->execute(vm, instance.number, "/bin/cat", NULL, &socket);
  if (BH_SUCCEEDED(result)) result = vm->class->instance_stop(vm, instance.number);
  bh_resource_clear(&socket);
  return result;
}

static BhResult use_container(BhVm *vm) {
  BhContainerSpec spec = {.name = "web", .program = {.path = "/bin/true"}};
  g_auto(BhDescription) container = {0};
  BhResource socket = {0};
  BhResult result = vm->class->container_start(vm, &spec, &container);

  if (BH_FAILED(result)) return result;
  vm->class->execute(vm, container.number, "/bin/cat", NULL, &socket); /* it may have ended */
  result = vm->class->container_stop(vm, container.number);
  bh_resource_clear(&socket);
  return result;
}

static BhResult use_process(BhVm *vm) {
  BhProgram program = {.path = "/bin/echo"};
  GuestProcess process = {0};
  gint32 error;
  BhResult result = vm->class->process_start(vm, &program, process.streams, &process.process, &error);

  if (BH_FAILED(result)) return result;
  g_assert_cmpint(process.process->class->process_event(process.process, &process.event), ==, BH_OK);
  guest_process_await(&process);
  guest_process_clear(&process);
  return result;
}

static gpointer use_until_it_is_dead(gpointer data) {
  BhVm *vm = ((Busy *)data)->vm;
  BhResult result = BH_OK;

  while (BH_SUCCEEDED(result)) {
    result = use_instance(vm);
    if (BH_SUCCEEDED(result)) result = use_container(vm);
    if (BH_SUCCEEDED(result)) result = use_process(vm);
  }
  g_assert_cmphex((guint32)result, ==, 0x8007139Fu);
  return NULL;
}

static void a_vm_that_dies_amid_everything_leaves_nothing(GuestFixture *fixture, gconstpointer unused) {
  static const BhVmEvents events = {.died = on_died, .container_ended = on_container_ended};
  BhVmSettings settings = {0};

  (void)unused;
  if (fixture->real) {
    g_test_skip("guest/agent kills an agent");
    return;
  }
  for (int i = 0; i < 20; i++) {
    Busy busy = {0};
    BhThread *threads[4];

    g_assert_cmpint(fixture->guest->class->vm_create(fixture->guest, &settings, &events, &busy, &busy.vm), ==,
                    BH_OK);
    for (guint j = 0; j < G_N_ELEMENTS(threads); j++)
      g_assert_nonnull(threads[j] = bh_thread_new("uses", BH_RANK_LEAF, use_until_it_is_dead, &busy));
    for (int j = 0; j < i; j++) use_process(busy.vm); /* so long it lives */
    bh_guest_memory_kill_vm(busy.vm);
    for (guint j = 0; j < G_N_ELEMENTS(threads); j++) bh_thread_join(threads[j]);
    busy.vm->class->vm_destroy(busy.vm);
    g_atomic_int_set(&busy.events, G_MININT);
  }
}

/* ---- folders ---- */

static void a_writable_mount_is_read_back(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *file = g_build_filename(fixture->folder, "new", NULL), *contents = NULL;

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  g_assert_cmpint(guest_assert_script(fixture, "echo $A > /data/new; cat /data/new; echo two words >/data/other",
                                      (const char *const[]){"A=written", NULL}, "written\n"),
                  ==, 0);
  g_assert_true(g_file_get_contents(file, &contents, NULL, NULL));
  g_assert_cmpstr(contents, ==, "written\n");
}

static void a_read_only_mount_refuses_to_be_written(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *file = g_build_filename(fixture->folder, "new", NULL), *err = NULL, *contents = NULL;
  GuestProcess process;

  (void)unused;
  guest_write(fixture, "old", "kept");
  guest_mount(fixture, "/data", TRUE);
  process = guest_process_start(fixture, GUEST_SH("echo text > /data/new"), NULL);
  err = guest_process_hear(&process, BH_STDERR);
  g_assert_nonnull(strstr(err, "/data/new"));
  g_assert_nonnull(strstr(err, "Read-only"));
  g_assert_cmpint(guest_process_await(&process), ==, 2);
  guest_process_clear(&process);
  g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
  g_assert_cmpint(guest_assert_script(fixture, "echo text > /data/old; cat /data/old", NULL, "kept"), ==, 0);
}

static BhResult unmount(GuestFixture *fixture, const char *linux_path) {
  return fixture->vm->class->unmount(fixture->vm, linux_path);
}

static void what_is_unmounted_is_not_there(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_write(fixture, "file", "OK");
  guest_mount(fixture, "/deep/data", TRUE);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /deep/data/file", NULL, "OK");
  g_assert_cmpint(unmount(fixture, "//deep/./data/"), ==, BH_OK);
  g_assert_cmpint(guest_assert_script(fixture, "cat /deep/data/file", NULL, ""), ==, 1);
  g_assert_cmphex((guint32)unmount(fixture, "/deep/data"), ==, 0x80070490u);
  guest_mount(fixture, "/deep/data", TRUE);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /deep/data/file", NULL, "OK");
}

static void the_last_mount_on_a_point_goes_first(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *inner = g_build_filename(fixture->folder, "inner", NULL), *file = NULL;

  (void)unused;
  file = g_build_filename(inner, "file", NULL);
  g_assert_cmpint(g_mkdir(inner, 0755), ==, 0);
  g_assert_true(g_file_set_contents(file, "inner", -1, NULL));
  guest_write(fixture, "file", "outer");
  guest_mount(fixture, "/data", TRUE);
  g_assert_cmpint(fixture->vm->class->mount(fixture->vm, inner, "/data", TRUE, ""), ==, BH_OK);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /data/file", NULL, "inner");
  g_assert_cmpint(unmount(fixture, "/data"), ==, BH_OK);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/cat /data/file", NULL, "outer");
  g_assert_cmpint(unmount(fixture, "/data"), ==, BH_OK);
  g_assert_cmphex((guint32)unmount(fixture, "/data"), ==, 0x80070490u);
}

static void what_was_never_mounted_is_not_unmounted(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  guest_mount(fixture, "/data", TRUE);
  g_assert_cmphex((guint32)unmount(fixture, "/"), ==, 0x80070490u);
  g_assert_cmphex((guint32)unmount(fixture, "/nowhere"), ==, 0x80070490u);
  g_assert_cmphex((guint32)unmount(fixture, "/data/below"), ==, 0x80070490u);
  g_assert_cmphex((guint32)unmount(fixture, "/proc"), ==, 0x80070490u);
  g_assert_cmpint(unmount(fixture, "data"), ==, BH_E_INVALIDARG);
  g_assert_cmpint(unmount(fixture, ""), ==, BH_E_INVALIDARG);
  g_assert_cmpint(unmount(fixture, "/data"), ==, BH_OK);
}

/* ---- many ---- */

/* What the process has open: descriptors or handles. Wine does not count handles, but a new one is always the lowest
 * that is free. */
static guint count_open(void) {
#ifdef G_OS_WIN32
  HANDLE lowest = CreateEventW(NULL, TRUE, FALSE, NULL);
  DWORD count = 0;

  CloseHandle(lowest);
  GetProcessHandleCount(GetCurrentProcess(), &count);
  return count != 0 ? (guint)count : (guint)((guintptr)lowest / 4);
#else
  g_autoptr(GDir) descriptors = g_dir_open("/proc/self/fd", 0, NULL);
  guint count = 0;

  while (g_dir_read_name(descriptors) != NULL) count++;
  return count;
#endif
}

static void run_one(GuestFixture *fixture, gint64 *first_byte) {
  gint64 begin = bh_clock_now();
  GuestProcess process = guest_process_start(fixture, GUEST_SH("echo out; cat"), NULL);
  g_autofree char *out = NULL;
  char letter;

  g_assert_cmpint(bh_socket_read(process.streams[BH_STDOUT].value, &letter, 1), ==, 1);
  if (first_byte != NULL) *first_byte += bh_clock_now() - begin;
  guest_process_say(&process, " and back");
  out = guest_process_hear(&process, BH_STDOUT);
  g_assert_cmpstr(out, ==, "ut\n and back");
  g_assert_cmpint(guest_process_await(&process), ==, 0);
  guest_process_clear(&process);
}

static void many_leave_nothing_open(GuestFixture *fixture, gconstpointer unused) {
  gint64 first_byte = 0;
  guint before;

  (void)unused;
  run_one(fixture, NULL);
  before = count_open();
  for (int i = 0; i < MANY; i++) run_one(fixture, &first_byte);
  g_test_message("open: %u before, %u after; request to first byte %.1f ms", before, count_open(),
                 (double)first_byte / MANY / 1000);
  /* The memory guest's last thread may not have been joined yet. */
  g_assert_cmpuint(count_open(), <=, before + 8);
}

static gpointer run_often(gpointer data) {
  for (int i = 0; i < 10; i++) run_one(data, NULL);
  return NULL;
}

static void several_threads_start_them_at_once(GuestFixture *fixture, gconstpointer unused) {
  BhThread *threads[6];

  (void)unused;
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_nonnull(threads[i] = bh_thread_new("runs", BH_RANK_LEAF, run_often, fixture));
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) bh_thread_join(threads[i]);
}

static const GuestTestRow tests[] = {
    {"each-stream-is-that-stream-alone", each_stream_is_that_stream_alone},
    {"it-answers-while-it-runs", it_answers_while_it_runs},
    {"much-arrives-whole", much_arrives_whole},
    {"without-arguments-argv-is-the-path", without_arguments_argv_is_the_path},
#ifdef G_OS_WIN32
    {"streams-are-handles", streams_are_handles},
    {"an-event-can-only-be-waited-for", an_event_can_only_be_waited_for},
#endif
    {"the-environment-is-added-and-goes-before", the_environment_is_added_and_goes_before},
    {"the-last-redirection-counts", the_last_redirection_counts},
    {"exit-code-and-event-tell-of-its-end", exit_code_and_event_tell_of_its_end},
    {"an-event-outlives-its-process-object", an_event_outlives_its_process_object},
    {"it-ends-though-nobody-reads", it_ends_though_nobody_reads},
    {"what-cannot-be-executed-tells-errno", what_cannot_be_executed_tells_errno},
    {"destroying-the-vm-kills-it", destroying_the_vm_kills_it},
    {"a-vm-that-dies-kills-it", a_vm_that_dies_kills_it},
    {"a-vm-that-dies-amid-everything-leaves-nothing", a_vm_that_dies_amid_everything_leaves_nothing},
    {"a-writable-mount-is-read-back", a_writable_mount_is_read_back},
    {"a-read-only-mount-refuses-to-be-written", a_read_only_mount_refuses_to_be_written},
    {"what-is-unmounted-is-not-there", what_is_unmounted_is_not_there},
    {"the-last-mount-on-a-point-goes-first", the_last_mount_on_a_point_goes_first},
    {"what-was-never-mounted-is-not-unmounted", what_was_never_mounted_is_not_unmounted},
    {"many-leave-nothing-open", many_leave_nothing_open},
    {"several-threads-start-them-at-once", several_threads_start_them_at_once},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  guest_test_add_all(tests, G_N_ELEMENTS(tests));
  g_test_add_func("/guest/event/it-happens-once-and-stays", an_event_happens_once_and_stays);
  return g_test_run();
}
