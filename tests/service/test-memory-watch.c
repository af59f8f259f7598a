/* The memory guest while it is watched: programs that wait for an answer, and what may come in between. */
#include "core/lock-order.h"
#include "guest/memory.h"
#include "tests/common/gate.h"

typedef struct {
  BhGuest *guest;
  BhVm *vm;
  BhGate reached, answer; /* of a creation */
  BhGate ended;           /* opened by the first exit that is told */
  BhResult result;        /* the answer */
  gint created, exited;   /* atomic */
  gint container_ends, deaths;
} Fixture;

static BhResult on_activity(gpointer data, const BhActivity *activity) {
  Fixture *fixture = data;

  if (activity->type == BH_PROCESS_EXITED) {
    g_atomic_int_inc(&fixture->exited);
    bh_gate_open(&fixture->ended);
  }
  if (activity->type != BH_PROCESS_CREATED) return BH_OK;
  g_atomic_int_inc(&fixture->created);
  g_assert_true(fixture->vm->class->has_process(fixture->vm, activity->process, 0)); /* it may call back */
  bh_gate_open(&fixture->reached);
  bh_gate_pass(&fixture->answer);
  return fixture->result;
}

static void on_died(gpointer data) {
  g_atomic_int_inc(&((Fixture *)data)->deaths);
}

static void on_container_ended(gpointer data, guint32 number) {
  (void)number;
  g_atomic_int_inc(&((Fixture *)data)->container_ends);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  static const BhVmEvents events = {
      .died = on_died, .container_ended = on_container_ended, .activity = on_activity};

  (void)data;
  bh_gate_init(&fixture->reached);
  bh_gate_init(&fixture->answer);
  bh_gate_init(&fixture->ended);
  fixture->guest = bh_guest_memory_new();
  g_assert_cmpint(
      fixture->guest->class->vm_create(fixture->guest, &(BhVmSettings){0}, &events, fixture, &fixture->vm), ==,
      BH_OK);
  g_assert_cmpint(fixture->vm->class->watch(fixture->vm, BH_WATCH_PROCESSES), ==, BH_OK);
}

/* Each that began has ended when the VM is gone, and been told of. */
static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  fixture->vm->class->vm_destroy(fixture->vm);
  g_assert_cmpint(fixture->exited, ==, fixture->created);
  g_assert_cmpint(fixture->container_ends, ==, 0);
  bh_guest_memory_free(fixture->guest);
  bh_gate_clear(&fixture->reached);
  bh_gate_clear(&fixture->answer);
  bh_gate_clear(&fixture->ended);
}

static gpointer start(gpointer data) {
  BhVm *vm = ((Fixture *)data)->vm;
  BhResource socket = {0};
  BhResult result = vm->class->execute(vm, BH_ROOT_NAMESPACE, "/bin/true", NULL, &socket);

  bh_resource_clear(&socket);
  return GINT_TO_POINTER(result);
}

static BhThread *begin(Fixture *fixture) {
  BhThread *thread = bh_thread_new("starter", BH_RANK_CALLBACK, start, fixture);

  bh_gate_pass(&fixture->reached);
  return thread;
}

static BhResult result_of(BhThread *thread) {
  return GPOINTER_TO_INT(bh_thread_join(thread));
}

static void dies_while_it_waits(Fixture *fixture, gconstpointer data) {
  BhThread *starter = begin(fixture);

  (void)data;
  bh_guest_memory_kill_vm(fixture->vm);
  g_assert_cmpint(result_of(starter), ==, BH_E_NOT_VALID_STATE); /* though nobody has answered */
  g_assert_cmpint(fixture->vm->class->watch(fixture->vm, BH_WATCH_NOTHING), ==, BH_E_NOT_VALID_STATE);
  bh_gate_open(&fixture->answer);
}

/* One creation is being told of, and another waits for its turn, when nobody wants to know any more. */
static void let_go_while_it_waits(Fixture *fixture, gconstpointer data) {
  BhThread *first = begin(fixture), *second;

  (void)data;
  fixture->result = BH_E_ACCESSDENIED;
  second = bh_thread_new("starter", BH_RANK_CALLBACK, start, fixture);
  g_assert_cmpint(fixture->vm->class->watch(fixture->vm, BH_WATCH_NOTHING), ==, BH_OK);
  g_assert_cmpint(result_of(second), ==,
                  BH_OK); /* before the first is answered; if it was not asked at all, too */
  bh_gate_open(&fixture->answer);
  g_assert_cmpint(result_of(first), ==, BH_E_ACCESSDENIED);
  fixture->exited++; /* the first one's end was nobody's business any more */
}

/* A container that was refused has not been, and so has no end. */
static void refused_container(Fixture *fixture, gconstpointer data) {
  const BhContainerSpec spec = {.name = "web", .program = {.path = "/bin/true"}};
  g_auto(BhDescription) container = {0};

  (void)data;
  fixture->result = BH_E_ACCESSDENIED;
  bh_gate_open(&fixture->answer);
  g_assert_cmpint(fixture->vm->class->container_start(fixture->vm, &spec, &container), ==, BH_E_ACCESSDENIED);
  g_assert_cmpint(fixture->vm->class->container_stop(fixture->vm, 1), ==, BH_E_NOT_FOUND);
  bh_gate_pass(&fixture->ended);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add("/memory-watch/dies-while-it-waits", Fixture, NULL, set_up, dies_while_it_waits, tear_down);
  g_test_add("/memory-watch/let-go-while-it-waits", Fixture, NULL, set_up, let_go_while_it_waits, tear_down);
  g_test_add("/memory-watch/refused-container", Fixture, NULL, set_up, refused_container, tear_down);
  return g_test_run();
}
