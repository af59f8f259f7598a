/* Who started what in a real guest: everything is seen, once, in order, before it runs, and may be refused. Counts are compared
 * with the kernel's own: in a PID namespace every task gets the next number (activity-program.c). */
#include <stdlib.h>
#include <string.h>

#include "core/lock-order.h"
#include "witness.h"

#define REFUSAL ((BhResult)0x80041234)

static guint32 number_after(const char *output, const char *word) {
  const char *line = strstr(output, word);

  g_assert_nonnull(line);
  return (guint32)strtoul(line + strlen(word), NULL, 10);
}

/* ---- exactness ---- */

static void assert_all_seen(GuestFixture *fixture, const char *command, guint processes) {
  Witness *witness = witness_new(fixture, NULL, NULL);
  g_autofree char *output = NULL;
  guint32 tasks;
  gint32 code;

  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  output = witness_run(fixture, command, &code);
  g_assert_cmpint(code, ==, 0);
  witness_await_end(witness);
  tasks = number_after(output, "tasks ") - 1; /* init is one, too */
  g_assert_cmpuint(witness_count(witness, BH_THREAD_CREATED), ==, tasks);
  g_assert_cmpuint(witness_count(witness, BH_THREAD_EXITED), ==, tasks);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_CREATED), ==, processes);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_EXITED), ==, witness_count(witness, BH_PROCESS_CREATED));
  witness_free(witness);
}

static void every_process_and_thread_is_seen_once(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  if (!witness_mount_program(fixture)) return;
  assert_all_seen(fixture, PROGRAM " forks 200 2", 1 + 200 + 1);
}

static void so_are_those_that_end_at_once(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  if (!witness_mount_program(fixture)) return;
  assert_all_seen(fixture, PROGRAM " short 300", 1 + 300 + 150 + 1);
}

static void so_are_those_whose_parents_are_killed(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *output = NULL;
  Witness *witness;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  output = witness_run(fixture, PROGRAM " killed 60", NULL);
  witness_await_end(witness);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_CREATED), ==, 1 + number_after(output, "ran "));
  g_assert_cmpuint(witness_count(witness, BH_THREAD_CREATED), ==, 1 + number_after(output, "ran "));
  witness_free(witness);
}

static void of_processes_alone_no_thread_is_told(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness;
  g_autofree char *output = NULL;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES);
  output = witness_run(fixture, PROGRAM " forks 20 2", NULL);
  witness_await_end(witness);
  g_assert_cmpuint(witness_length(witness), ==, 2 * (1 + 20 + 1));
  for (guint i = 1; i < witness_length(witness); i++) {
    BhActivity first = witness_get(witness, 0), activity = witness_get(witness, i);

    if (activity.type != BH_PROCESS_CREATED) continue;
    g_assert_true(activity.may_refuse);
    g_assert_cmpuint(activity.parent, ==, first.process);
    g_assert_cmpuint(activity.creator, ==, first.process);
    g_assert_cmpuint(activity.creator_thread, ==, first.process);
    g_assert_cmpstr(activity.image, ==, PROGRAM);
    g_assert_cmpstr(activity.command_line, ==, PROGRAM " forks 20 2");
  }
  witness_free(witness);
}

/* ---- images ---- */

static void a_program_is_seen_with_its_own_image(GuestFixture *fixture, gconstpointer unused) {
  static const char *const argv[] = {"/bin/sh", "-c", "exit 7 # it's", "", NULL};
  Witness *witness = witness_new(fixture, NULL, NULL);
  BhInstance instance;
  BhActivity created;
  BhResource socket;

  (void)unused;
  instance = guest_start_instance(fixture, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES);
  g_assert_cmpint(fixture->vm->class->execute(fixture->vm, instance.number, argv[0], argv, &socket), ==, BH_OK);
  witness_await(witness, BH_PROCESS_EXITED, NULL);
  created = witness_get(witness, 0);
  g_assert_cmpuint(witness_length(witness), ==, 2);
  g_assert_cmpint(created.type, ==, BH_PROCESS_CREATED);
  g_assert_true(g_str_has_suffix(created.image, "/dash") || g_str_has_suffix(created.image, "sh"));
  g_assert_cmpstr(created.command_line, ==, "/bin/sh -c 'exit 7 # it'\\''s' ''");
  g_assert_cmpuint(created.parent, ==, instance.init_pid);
  g_assert_true(created.may_refuse);
  g_assert_cmpint(witness_get(witness, 1).exit_status, ==, 7);
  bh_resource_clear(&socket);
  witness_free(witness);
}

static void what_cannot_be_executed_is_not_told(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness = witness_new(fixture, NULL, NULL);

  (void)unused;
  witness_watch(witness, BH_WATCH_PROCESSES);
  g_assert_cmphex((guint32)guest_try(fixture, BH_ROOT_NAMESPACE, "/bin/missing"), ==, (guint32)BH_E_FAIL);
  g_assert_cmphex((guint32)guest_try(fixture, BH_ROOT_NAMESPACE, "/etc"), ==, (guint32)BH_E_FAIL);
  g_assert_cmpuint(witness_length(witness), ==, 0);
  witness_free(witness);
}

/* Every way to name it leads to the same image. */
static void an_image_is_told_by_its_path(GuestFixture *fixture, gconstpointer unused) {
  static const char *const ways[] = {"plain", "fork", "fd", "proc", "cwd"};
  Witness *witness;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
    g_autofree char *command = g_strdup_printf(PROGRAM " try /usr/bin/env %s", ways[i]), *output = NULL;
    guint before = witness_count(witness, BH_PROCESS_IMAGE);
    BhActivity image = {0};

    output = witness_run(fixture, command, NULL); /* env cannot find a program of that name */
    witness_await_end(witness);
    g_assert_cmpuint(witness_count(witness, BH_PROCESS_IMAGE), ==, before + 1);
    for (guint j = 0; j < witness_length(witness); j++)
      if (witness_get(witness, j).type == BH_PROCESS_IMAGE) image = witness_get(witness, j);
    g_assert_cmpstr(image.image, ==, "/usr/bin/env");
    g_assert_true(image.may_refuse);
  }
  witness_free(witness);
}

/* The script is what is asked about. */
static void a_script_is_told_as_such(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness = witness_new(fixture, NULL, NULL);
  GuestProcess process;

  (void)unused;
  witness_watch(witness, BH_WATCH_PROCESSES);
  process = guest_process_start(
      fixture, GUEST_SH("echo '#!/bin/sh\nexit 5' >/tmp/script; chmod +x /tmp/script; exec /tmp/script"), NULL);
  g_assert_cmpint(guest_process_await(&process), ==, 5);
  witness_await_end(witness);
  g_assert_cmpstr(witness_await(witness, BH_PROCESS_IMAGE, "/script").image, ==, "/tmp/script");
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_IMAGE), ==, 2); /* chmod is the other */
  guest_process_clear(&process);
  witness_free(witness);
}

static void assert_thread_executes(GuestFixture *fixture, const char *command, guint threads) {
  Witness *witness = witness_new(fixture, NULL, NULL);
  g_autofree char *output = NULL;
  guint ended = 0, image = 0;
  guint32 process;

  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  output = witness_run(fixture, command, NULL);
  g_assert_cmpstr(output, ==, "hello\n");
  witness_await_end(witness);
  process = witness_get(witness, 0).process;
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_CREATED), ==, 1);
  g_assert_cmpuint(witness_count(witness, BH_THREAD_CREATED), ==, 1 + threads);
  for (guint i = 0; i < witness_length(witness); i++) {
    BhActivity activity = witness_get(witness, i);

    if (activity.type == BH_PROCESS_IMAGE) image = i;
    if (activity.type != BH_THREAD_EXITED) continue;
    ended++;
    if (ended > threads)
      g_assert_cmpuint(activity.thread, ==, process); /* the one that is left is the first again */
  }
  g_assert_cmpuint(ended, ==, 1 + threads);
  g_assert_cmpstr(witness_get(witness, image).command_line, ==, PROGRAM " say hello");
  witness_free(witness);
}

static void a_thread_may_execute(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  if (witness_mount_program(fixture)) assert_thread_executes(fixture, PROGRAM " exec-thread", 4);
}

static void so_may_one_that_outlived_the_first(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  if (witness_mount_program(fixture)) assert_thread_executes(fixture, PROGRAM " exec-orphan-thread", 1);
}

/* ---- refusals ---- */

/* data: how the image that is not wanted ends. */
static BhResult not_that_image(gpointer data, const BhActivity *activity) {
  return activity->may_refuse && activity->image != NULL && g_str_has_suffix(activity->image, data) ? REFUSAL
                                                                                                    : BH_OK;
}

static void assert_no_file(GuestFixture *fixture) {
  g_autofree char *file = g_build_filename(fixture->folder, "file", NULL);

  g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* Whoever asks for it gets the status; and it never ran. */
static void a_program_is_refused_with_that_status(GuestFixture *fixture, gconstpointer unused) {
  static const char *const argv[] = {"/usr/bin/touch", "/data/file", NULL};
  BhContainerSpec container = {.name = "web", .program = {.path = argv[0], .arguments = argv}};
  BhProgram program = {.path = argv[0], .arguments = argv};
  Witness *witness = witness_new(fixture, not_that_image, (gpointer) "/touch");
  const BhGuestClass *class = fixture->vm->class;
  BhResource socket = {0}, streams[BH_STREAM_COUNT] = {{0}};
  g_auto(BhDescription) description = {0};
  BhProcess *process = NULL;
  BhInstance instance;
  gint32 error = -1;

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  instance = guest_start_instance(fixture, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  g_assert_cmphex((guint32) class->execute(fixture->vm, BH_ROOT_NAMESPACE, argv[0], argv, &socket), ==,
                  (guint32)REFUSAL);
  g_assert_cmphex((guint32) class->execute(fixture->vm, instance.number, argv[0], argv, &socket), ==,
                  (guint32)REFUSAL);
  g_assert_cmphex((guint32) class->process_start(fixture->vm, &program, streams, &process, &error), ==,
                  (guint32)REFUSAL);
  g_assert_cmpint(error, ==, 0);
  g_assert_cmphex((guint32) class->container_start(fixture->vm, &container, &description), ==, (guint32)REFUSAL);
  witness_await_end(witness);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_CREATED), ==, 4);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_IMAGE), ==, 0);
  assert_no_file(fixture);
  guest_assert_output(fixture, instance.number, "/bin/echo on", NULL, "on\n");
  witness_free(witness);
}

static void an_image_is_refused_with_an_errno(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness;
  gint32 code;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  guest_mount(fixture, "/data", FALSE);
  witness = witness_new(fixture, not_that_image, (gpointer) "/touch");
  witness_watch(witness, BH_WATCH_PROCESSES);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *output =
        witness_run(fixture, i == 0 ? PROGRAM " try /usr/bin/touch" : PROGRAM " try /usr/bin/touch fork", &code);

    g_assert_cmpstr(output, ==, "errno 1\n");
    g_assert_cmpint(code, ==, 3);
  }
  code = guest_assert_script(fixture, "/usr/bin/touch /data/file || echo $?", NULL, "126\n");
  witness_await_end(witness);
  assert_no_file(fixture);
  witness_free(witness);
}

typedef struct {
  GuestFixture *fixture;
  guint32 first;
} OnlyChild;

/* Takes as long as a mount, in which one that was not held would have done whatever it likes. */
static BhResult no_children(gpointer data, const BhActivity *activity) {
  OnlyChild *only = data;

  if (activity->type != BH_PROCESS_CREATED) return BH_OK;
  if (only->first == 0) only->first = activity->process;
  if (activity->process == only->first) return BH_OK;
  guest_mount(only->fixture, "/mnt/meanwhile", TRUE);
  return REFUSAL;
}

static void a_fork_is_refused_before_it_runs(GuestFixture *fixture, gconstpointer unused) {
  OnlyChild only = {.fixture = fixture};
  g_autofree char *output = NULL;
  Witness *witness;
  gint32 code;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  guest_mount(fixture, "/data", FALSE);
  witness = witness_new(fixture, no_children, &only);
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  output = witness_run(fixture, PROGRAM " fork /data/file", &code);
  g_assert_cmpstr(output, ==, "status 9\n");
  g_assert_cmpint(code, ==, 0);
  witness_await_end(witness);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_EXITED), ==, 2);
  assert_no_file(fixture);
  witness_free(witness);
}

/* ---- what must not change ---- */

static void jobs_and_signals_are_as_ever(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *output = NULL;

    witness_watch(witness, i == 0 ? BH_WATCH_NOTHING : BH_WATCH_PROCESSES | BH_WATCH_THREADS);
    output = witness_run(fixture, PROGRAM " jobs", NULL);
    g_assert_cmpstr(output, ==, "stopped 19\nstopped 20\nsignal 10\n");
  }
  witness_await_end(witness);
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_EXITED), ==, 2);
  witness_free(witness);
}

/* What cannot be followed cannot be had; and trace.h's limits. */
static void odd_ways_to_create(GuestFixture *fixture, gconstpointer unused) {
  g_autofree char *output = NULL;
  BhActivity second = {0};
  Witness *witness;
  guint found = 0;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES);
  output = witness_run(fixture, PROGRAM " odd", NULL);
  g_assert_cmpstr(output, ==, "untraced 1\nclone3 38\nptrace 1\n");
  witness_await_end(witness);
  for (guint i = 0; i < witness_length(witness); i++) {
    BhActivity activity = witness_get(witness, i);

    if (activity.type != BH_PROCESS_CREATED) continue;
    found++;
    if (found == 2) second = activity;
    if (found != 3) continue;
    g_assert_cmpuint(activity.parent, ==, witness_get(witness, 0).process);
    g_assert_cmpuint(activity.creator, ==, second.process);
  }
  g_assert_cmpuint(found, ==, 3);
  witness_free(witness);
}

static const GuestTestRow tests[] = {
    {"every-process-and-thread-is-seen-once", every_process_and_thread_is_seen_once},
    {"so-are-those-that-end-at-once", so_are_those_that_end_at_once},
    {"so-are-those-whose-parents-are-killed", so_are_those_whose_parents_are_killed},
    {"of-processes-alone-no-thread-is-told", of_processes_alone_no_thread_is_told},
    {"a-program-is-seen-with-its-own-image", a_program_is_seen_with_its_own_image},
    {"what-cannot-be-executed-is-not-told", what_cannot_be_executed_is_not_told},
    {"an-image-is-told-by-its-path", an_image_is_told_by_its_path},
    {"a-script-is-told-as-such", a_script_is_told_as_such},
    {"a-thread-may-execute", a_thread_may_execute},
    {"so-may-one-that-outlived-the-first", so_may_one_that_outlived_the_first},
    {"a-program-is-refused-with-that-status", a_program_is_refused_with_that_status},
    {"an-image-is-refused-with-an-errno", an_image_is_refused_with_an_errno},
    {"a-fork-is-refused-before-it-runs", a_fork_is_refused_before_it_runs},
    {"jobs-and-signals-are-as-ever", jobs_and_signals_are_as_ever},
    {"odd-ways-to-create", odd_ways_to_create},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  guest_test_add_agent(tests, G_N_ELEMENTS(tests));
  return g_test_run();
}
