/* Watching begins, ends and is held up at any moment: nothing hangs, nothing is lost, nothing is left behind. */
#include <string.h>

#include "../common/gate.h"
#include "core/lock-order.h"
#include "guest/socket.h"
#include "witness.h"

#define REFUSAL ((BhResult)0x80041234)

/* A judge who holds whatever has that image until the gate opens. */
typedef struct {
  const char *image;
  BhGate reached, gate;
  BhResult verdict;
} Holder;

static BhResult hold(gpointer data, const BhActivity *activity) {
  Holder *holder = data;

  if (!activity->may_refuse || activity->image == NULL || !g_str_has_suffix(activity->image, holder->image))
    return BH_OK;
  bh_gate_open(&holder->reached);
  bh_gate_pass(&holder->gate);
  return holder->verdict;
}

static Holder holder_of(const char *image, BhResult verdict) {
  Holder holder = {.image = image, .verdict = verdict};

  bh_gate_init(&holder.reached);
  bh_gate_init(&holder.gate);
  return holder;
}

static void holder_clear(Holder *holder) {
  bh_gate_clear(&holder->reached);
  bh_gate_clear(&holder->gate);
}

/* Executes touch in an instance, on a thread of its own. */
typedef struct {
  GuestFixture *fixture;
  guint32 instance;
  BhResult result;
} Touch;

static gpointer touch(gpointer data) {
  static const char *const argv[] = {"/usr/bin/touch", "/data/file", NULL};
  Touch *self = data;
  BhResource socket = {0};

  self->result = self->fixture->vm->class->execute(self->fixture->vm, self->instance, argv[0], argv, &socket);
  bh_resource_clear(&socket);
  return NULL;
}

static void assert_no_file(GuestFixture *fixture) {
  g_autofree char *file = g_build_filename(fixture->folder, "file", NULL);

  g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* ---- what is held ---- */

static void while_one_is_held_all_else_goes_on(GuestFixture *fixture, gconstpointer unused) {
  Holder holder = holder_of("/touch", REFUSAL);
  Witness *witness = witness_new(fixture, hold, &holder);
  Touch held = {.fixture = fixture};
  BhInstance other;
  BhThread *thread;

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  held.instance = guest_start_instance(fixture, NULL).number;
  witness_watch(witness, BH_WATCH_PROCESSES);
  thread = bh_thread_new("touch", BH_RANK_LEAF, touch, &held);
  bh_gate_pass(&holder.reached);
  other = guest_start_instance(fixture, NULL);
  guest_mount(fixture, "/mnt/data", TRUE);
  g_assert_true(fixture->vm->class->has_process(fixture->vm, witness_get(witness, 0).process, 0));
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, other.number), ==, BH_OK);
  bh_gate_open(&holder.gate);
  bh_thread_join(thread);
  g_assert_cmphex((guint32)held.result, ==, (guint32)REFUSAL);
  witness_await_end(witness);
  assert_no_file(fixture);
  witness_free(witness);
  holder_clear(&holder);
}

static void an_instance_stops_with_one_that_is_held(GuestFixture *fixture, gconstpointer unused) {
  Holder holder = holder_of("/touch", BH_OK);
  Witness *witness = witness_new(fixture, hold, &holder);
  Touch held = {.fixture = fixture};
  BhThread *thread;

  (void)unused;
  held.instance = guest_start_instance(fixture, NULL).number;
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS);
  thread = bh_thread_new("touch", BH_RANK_LEAF, touch, &held);
  bh_gate_pass(&holder.reached);
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, held.instance), ==, BH_OK);
  bh_thread_join(thread);
  g_assert_true(BH_FAILED(held.result));
  bh_gate_open(&holder.gate); /* too late */
  witness_await_end(witness);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo on", NULL, "on\n");
  witness_free(witness);
  holder_clear(&holder);
}

static gpointer destroy(gpointer data) {
  guest_vm_destroy(data);
  return NULL;
}

/* The VM's end waits for the event, which ends; whoever waits for the program gets no answer but that. */
static void so_does_the_vm(GuestFixture *fixture, gconstpointer unused) {
  Holder holder = holder_of("/touch", BH_OK);
  Witness *witness = witness_new(fixture, hold, &holder);
  Touch held = {.fixture = fixture};
  BhThread *threads[2];

  (void)unused;
  guest_mount(fixture, "/data", FALSE);
  held.instance = guest_start_instance(fixture, NULL).number;
  witness_watch(witness, BH_WATCH_PROCESSES);
  threads[0] = bh_thread_new("touch", BH_RANK_LEAF, touch, &held);
  bh_gate_pass(&holder.reached);
  threads[1] = bh_thread_new("destroy", BH_RANK_LEAF, destroy, fixture);
  bh_thread_join(threads[0]);
  g_assert_cmphex((guint32)held.result, ==, (guint32)BH_E_NOT_VALID_STATE);
  bh_gate_open(&holder.gate);
  bh_thread_join(threads[1]);
  assert_no_file(fixture);
  witness_free(witness);
  holder_clear(&holder);
}

static void the_end_of_watching_lets_it_go(GuestFixture *fixture, gconstpointer unused) {
  Holder holder = holder_of("/touch", REFUSAL);
  Witness *witness = witness_new(fixture, hold, &holder);
  Touch held = {.fixture = fixture};
  BhThread *thread;

  (void)unused;
  held.instance = guest_start_instance(fixture, NULL).number;
  witness_watch(witness, BH_WATCH_PROCESSES);
  thread = bh_thread_new("touch", BH_RANK_LEAF, touch, &held);
  bh_gate_pass(&holder.reached);
  witness_watch(witness, BH_WATCH_NOTHING);
  bh_thread_join(thread);
  g_assert_cmphex((guint32)held.result, ==, BH_OK);
  bh_gate_open(&holder.gate);
  witness_free(witness);
  holder_clear(&holder);
}

/* ---- beginning and end ---- */

/* A program that was started while it was watched executes another one when nobody watches; and the other way round. */
static void what_is_watched_no_more_runs_as_ever(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness = witness_new(fixture, NULL, NULL);
  const BhWatch all = BH_WATCH_PROCESSES | BH_WATCH_THREADS;

  (void)unused;
  for (guint i = 0; i < 4; i++) {
    g_autofree char *output = NULL;
    GuestProcess process;
    guint before;

    witness_watch(witness, i % 2 == 0 ? all : BH_WATCH_NOTHING);
    process = guest_process_start(
        fixture, GUEST_SH("read x; /bin/echo one; (exec /bin/echo two); exec /bin/echo three"), NULL);
    witness_watch(witness, i % 2 == 0 ? BH_WATCH_NOTHING : all);
    before = witness_length(witness);
    guest_process_say(&process, "x\n");
    output = guest_process_hear(&process, BH_STDOUT);
    g_assert_cmpstr(output, ==, "one\ntwo\nthree\n");
    g_assert_cmpint(guest_process_await(&process), ==, 0);
    if (i % 2 == 0) g_assert_cmpuint(witness_length(witness), ==, before);
    if (i % 2 == 1) witness_await_end(witness);
    guest_process_clear(&process);
  }
  g_assert_cmpuint(witness_count(witness, BH_PROCESS_IMAGE), ==, 2 * 3); /* of those seized: three each */
  witness_free(witness);
}

static void what_ran_before_is_told(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness = witness_new(fixture, NULL, NULL);
  BhInstance instance = guest_start_instance(fixture, NULL);
  BhResource cat = guest_start_cat(fixture, instance.number);
  BhActivity activity;

  (void)unused;
  witness_watch(witness, BH_WATCH_PROCESSES);
  activity = witness_await(witness, BH_PROCESS_CREATED, "/cat");
  g_assert_false(activity.may_refuse);
  g_assert_cmpuint(activity.parent, ==, instance.init_pid);
  g_assert_cmpstr(activity.command_line, ==, "/bin/cat");
  g_assert_cmpuint(witness_length(witness), ==, 1);
  witness_watch(witness, BH_WATCH_PROCESSES | BH_WATCH_THREADS); /* threads too, from here on */
  activity = witness_await(witness, BH_THREAD_CREATED, NULL);
  g_assert_cmpuint(activity.thread, ==, activity.process);
  bh_resource_clear(&cat);
  witness_await_end(witness);
  g_assert_cmpuint(witness_length(witness), ==, 4);
  witness_free(witness);
}

static void watching_goes_on_and_off_while_they_run(GuestFixture *fixture, gconstpointer unused) {
  static const char *const argv[] = {PROGRAM, "busy", NULL};
  g_autofree char *output = NULL;
  GuestProcess processes[2];
  Witness *witness;

  (void)unused;
  if (!witness_mount_program(fixture)) return;
  witness = witness_new(fixture, NULL, NULL);
  processes[0] = guest_process_start(fixture, argv, NULL);
  witness_watch(witness, BH_WATCH_PROCESSES);
  processes[1] = guest_process_start(fixture, argv, NULL);
  for (guint i = 0; i < 60; i++)
    witness_watch(witness,
                  (BhWatch[]){BH_WATCH_NOTHING, BH_WATCH_PROCESSES | BH_WATCH_THREADS, BH_WATCH_PROCESSES}[i % 3]);
  for (guint i = 0; i < G_N_ELEMENTS(processes); i++) {
    guest_process_say(&processes[i], NULL);
    output = guest_process_hear(&processes[i], BH_STDERR);
    g_assert_cmpstr(output, ==, ""); /* what it has to complain of */
    g_clear_pointer(&output, g_free);
    output = guest_process_hear(&processes[i], BH_STDOUT);
    g_assert_true(g_str_has_prefix(output, "tasks "));
    g_clear_pointer(&output, g_free);
    g_assert_cmpint(guest_process_await(&processes[i]), ==, 0);
    guest_process_clear(&processes[i]);
  }
  witness_await_end(witness);
  witness_free(witness);
}

/* ---- questions ---- */

static void a_process_is_found_by_its_number(GuestFixture *fixture, gconstpointer unused) {
  gboolean (*has)(BhVm * vm, guint32 process, guint32 thread) = fixture->vm->class->has_process;
  BhInstance instance = guest_start_instance(fixture, NULL);
  Witness *witness = witness_new(fixture, NULL, NULL);
  BhResource cat;
  guint32 number;

  (void)unused;
  g_assert_true(has(fixture->vm, instance.init_pid, 0));
  g_assert_true(has(fixture->vm, instance.init_pid, instance.init_pid));
  g_assert_false(has(fixture->vm, 1, 0));
  g_assert_false(has(fixture->vm, 0, 0));
  g_assert_false(has(fixture->vm, G_MAXUINT32, 0));
  witness_watch(witness, BH_WATCH_PROCESSES);
  cat = guest_start_cat(fixture, instance.number);
  number = witness_get(witness, 0).process;
  g_assert_true(has(fixture->vm, number, number));
  g_assert_false(has(fixture->vm, number, instance.init_pid));
  bh_resource_clear(&cat);
  witness_await_end(witness);
  g_assert_cmpint(fixture->vm->class->instance_stop(fixture->vm, instance.number), ==, BH_OK);
  g_assert_false(has(fixture->vm, number, 0));
  witness_free(witness);
}

static BhResult call_back(gpointer data, const BhActivity *activity) {
  GuestFixture *fixture = *(GuestFixture **)data;

  if (activity->type != BH_PROCESS_CREATED) return BH_OK;
  guest_mount(fixture, "/mnt/there", TRUE);
  g_assert_true(fixture->vm->class->has_process(fixture->vm, activity->process, activity->process));
  g_assert_cmphex((guint32)guest_try(fixture, BH_ROOT_NAMESPACE, "/bin/true"), ==,
                  (guint32)BH_E_ILLEGAL_METHOD_CALL);
  return BH_OK;
}

static void an_event_may_call_back(GuestFixture *fixture, gconstpointer unused) {
  Witness *witness = witness_new(fixture, call_back, &fixture);

  (void)unused;
  witness_watch(witness, BH_WATCH_PROCESSES);
  guest_assert_output(fixture, BH_ROOT_NAMESPACE, "/bin/echo on", NULL, "on\n");
  witness_await_end(witness);
  witness_free(witness);
}

static const GuestTestRow tests[] = {
    {"while-one-is-held-all-else-goes-on", while_one_is_held_all_else_goes_on},
    {"an-instance-stops-with-one-that-is-held", an_instance_stops_with_one_that_is_held},
    {"so-does-the-vm", so_does_the_vm},
    {"the-end-of-watching-lets-it-go", the_end_of_watching_lets_it_go},
    {"what-is-watched-no-more-runs-as-ever", what_is_watched_no_more_runs_as_ever},
    {"what-ran-before-is-told", what_ran_before_is_told},
    {"watching-goes-on-and-off-while-they-run", watching_goes_on_and_off_while_they_run},
    {"a-process-is-found-by-its-number", a_process_is_found_by_its_number},
    {"an-event-may-call-back", an_event_may_call_back},
};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  guest_test_add_agent(tests, G_N_ELEMENTS(tests));
  return g_test_run();
}
