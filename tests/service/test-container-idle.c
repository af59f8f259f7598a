/* VMs on demand: what keeps them, when they stop by themselves, and what may happen at the time. */
#include "container-fixture.h"

#define IDLE_TIMEOUT (G_USEC_PER_SEC / 20)

static void vm_with_a_container_is_not_idle(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_BUSY);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  release(session);
  close_world("W+ VM+ C+ C- VM- W-");
}

/* --- The idle timeout -------------------------------------------------------------------------------------------- */

/* Lets one pass for each VM that stops: of the session "other", and of any else. */
static BhGate other_stops, vm_stops;

static BhResult let_at_vm_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook != BH_HOOK_CONTAINER_VM_STOPPING) return BH_OK;
  bh_gate_let_one(g_str_equal(notification->display_name, "other") ? &other_stops : &vm_stops);
  return BH_OK;
}

static void open_idling_world(void) {
  bh_gate_init(&other_stops);
  bh_gate_init(&vm_stops);
  open_world(let_at_vm_stop, NULL);
}

static void close_idling_world(const char *expected) {
  close_world(expected);
  bh_gate_clear(&other_stops);
  bh_gate_clear(&vm_stops);
}

/* The service's own way to tell the time: another session's VM, idle from now on, stops. */
static void let_idle_timeout_pass(void) {
  BhContainerSession *other;

  say("[");
  other = created_idling("other", IDLE_TIMEOUT);
  g_assert_cmpint(run(other), ==, BH_OK);
  bh_gate_pass(&other_stops);
  release(other);
  say("]");
}

#define MEANWHILE "[ W+ VM+ VM- W- ] "

static void let_it_pass_in_program(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
  let_idle_timeout_pass();
}

static BhResult let_it_pass_at_image(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_IMAGE_CREATE) let_idle_timeout_pass();
  return BH_OK;
}

/* And begins anew after each of what holds it off: a container, a program, an operation. */
static void idle_timeout(void) {
  BhContainerSession *session;

  open_idling_world();
  world.guest.before = let_it_pass_at_image;
  session = created_idling("one", IDLE_TIMEOUT);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  let_idle_timeout_pass();
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  bh_gate_pass(&vm_stops); /* by itself */
  g_assert_cmpint(run_with(session, let_it_pass_in_program), ==, BH_OK);
  bh_gate_pass(&vm_stops);
  add_image(session);
  bh_gate_pass(&vm_stops);
  release(session);
  close_idling_world("W+ VM+ C+ " MEANWHILE "C- VM- VM+ " MEANWHILE "VM- VM+ " MEANWHILE "VM- W-");
}

/* --- A thread that is held where it takes a lock ----------------------------------------------------------------- */

/* Another thread that takes locks of these classes, in this order, is held at the last. */
static const char *const *awaited;
static gint stage; /* atomic: so many of them have been seen */
static gpointer test_thread;

static void hold_at(const char *const *classes, const BhSyncObserver *observer) {
  test_thread = bh_thread_self();
  awaited = classes;
  stage = 0;
  watch(observer);
}

static void on_acquire(const BhLockClass *lock_class, gconstpointer lock, const char *site) {
  gint seen = g_atomic_int_get(&stage);

  (void)lock, (void)site;
  if (bh_thread_self() == test_thread || awaited[seen] == NULL || !g_str_equal(lock_class->name, awaited[seen]))
    return;
  g_atomic_int_inc(&stage);
  if (awaited[seen + 1] != NULL) return;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
}

static const BhSyncObserver holding = {.acquire = on_acquire};

/* The test waits for the VM to change: it may be for the held thread's sake. */
static void go_on_at_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (bh_thread_self() == test_thread && g_str_equal(lock_class->name, "WSLC VM")) bh_gate_open(&world.go_on);
}

static void no_join_yet(const char *name, BhLockRank lowest) {
  (void)name, (void)lowest;
  g_assert_true(bh_thread_self() != test_thread || world.go_on.passes > 0);
}

static const BhSyncObserver holding_until_wait = {
    .acquire = on_acquire, .wait = go_on_at_wait, .join = no_join_yet};

static gpointer run_again(gpointer session) {
  return GINT_TO_POINTER(run(session));
}

/* An operation has set a timer, and not noted yet which; meanwhile another begins, and ends. The older timer alone would
 * come too early for that one: there must be another. */
static void timers_in_the_wrong_order(void) {
  static const char *const where[] = {"timers", "WSLC VM", NULL};
  BhContainerSession *session;
  BhThread *older;

  open_idling_world();
  hold_at(where, &holding);
  session = created_idling("one", 10 * IDLE_TIMEOUT);
  older = begin(run_again, session);
  bh_gate_pass(&world.reached);
  let_idle_timeout_pass();
  g_assert_cmpint(run(session), ==, BH_OK);
  bh_gate_open(&world.go_on);
  g_assert_cmpint(result_of(older), ==, BH_OK);
  bh_gate_pass(&vm_stops); /* by itself */
  release(session);
  close_idling_world("W+ VM+ " MEANWHILE "VM- W-");
}

static void say_ran(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
  say("ran");
}

/* The timeout is over, but work comes before the VM is stopped for it. Either it is not stopped, or the work gets another;
 * here, where the stop is decided already, another. */
static void work_while_the_timeout_ends(void) {
  static const char *const where[] = {"WSLC VM", "WSLC VM", NULL};
  BhContainerSession *session;

  open_idling_world();
  hold_at(where, &holding_until_wait);
  session = created_idling("one", IDLE_TIMEOUT);
  g_assert_cmpint(run(session), ==, BH_OK);
  bh_gate_pass(&world.reached);
  g_assert_cmpint(run_with(session, say_ran), ==, BH_OK);
  bh_gate_open(&world.go_on);
  release(session);
  close_idling_world("W+ VM+ VM- VM+ ran VM- W-");
}

static gpointer stop_none(gpointer session) {
  BhResult result = bh_container_session_stop_container(session, "none", NULL);

  bh_gate_open(&world.reached); /* it was held nowhere */
  return GINT_TO_POINTER(result);
}

static BhThread *other_work;

static BhResult work_at_image(BhFakeStep step, gpointer session) {
  if (step != BH_FAKE_IMAGE_CREATE) return BH_OK;
  other_work = begin(stop_none, session);
  bh_gate_pass(&world.reached);
  return BH_OK;
}

/* Two operations end at once: each sees the other still at work, but one of them is the last. */
static void two_operations_end_at_once(void) {
  static const char *const where[] = {"WSLC VM", "WSLC VM", "WSLC VM", NULL};
  BhContainerSession *session;

  open_idling_world();
  hold_at(where, &holding);
  session = created_idling("one", IDLE_TIMEOUT);
  world.guest.before = work_at_image;
  world.guest.data = session;
  add_image(session);
  bh_gate_open(&world.go_on);
  g_assert_cmpint(result_of(other_work), ==, BH_E_NOT_FOUND);
  bh_gate_pass(&vm_stops); /* by itself */
  release(session);
  close_idling_world("W+ VM+ VM- W-");
}

/* The timeout is over before whoever has set the timer has finished its operation. */
static void timer_comes_before_its_operation_has_ended(void) {
  static const char *const where[] = {"timers", "WSLC VM", NULL};
  BhContainerSession *session;
  BhThread *runner;

  open_idling_world();
  hold_at(where, &holding);
  session = created_idling("one", IDLE_TIMEOUT);
  runner = begin(run_again, session);
  bh_gate_pass(&world.reached);
  let_idle_timeout_pass();
  bh_gate_open(&world.go_on);
  g_assert_cmpint(result_of(runner), ==, BH_OK);
  bh_gate_pass(&vm_stops); /* by itself */
  release(session);
  stop_service();
  g_string_truncate(world.log, 0); /* whether it stopped before the other one is of no matter */
  close_idling_world("");
}

/* A container has ended, and whoever saw to that is about to set the timer: nobody takes the timers away. */
static void timer_is_set_while_the_service_stops(void) {
  static const char *const where[] = {"timers", NULL};
  BhContainerSession *session;

  open_idling_world();
  hold_at(where, &holding_until_wait);
  session = created_idling("one", G_USEC_PER_SEC);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_true(bh_fake_guest_end_container(&world.guest, world.guest.last_number));
  bh_gate_pass(&world.reached);
  bh_container_session_unref(session);
  close_idling_world("W+ VM+ C+ C- VM- W-");
}

/* --- While a stop is announced ----------------------------------------------------------------------------------- */

static BhMockHost *stopping_host; /* NULL: its first VM- has not come, or that VM is gone */
static gint stops;

static void call_on_own_thread(gpointer host) {
  say_result(call_process(host, 1, NULL));
}

/* Of the first stop: a call in the hook, which leaves a process, and one of another thread of the plugin's meanwhile. */
static BhResult hold_vm_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook != BH_HOOK_CONTAINER_VM_STOPPING || stops++ > 0) return BH_OK;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  stopping_host = host;
  call_in_hook(host, notification, NULL);
  bh_mock_host_join(host, bh_mock_host_spawn(host, call_on_own_thread, host));
  return BH_OK;
}

static BhResult call_after_hook(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_VM_DESTROY && stopping_host != NULL) call_on_own_thread(g_steal_pointer(&stopping_host));
  return BH_OK;
}

static gpointer stop_idle(gpointer session) {
  return GINT_TO_POINTER(bh_container_session_stop_idle_vm(session, NULL));
}

/* Opens a gate when a thread begins to wait for a change of the VM. */
static BhGate work_waits;

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (g_str_equal(lock_class->name, "WSLC VM")) bh_gate_open(&work_waits);
}

static const BhSyncObserver wait_observer = {.wait = on_wait};

/* Row 49. */
static void work_while_a_stop_is_announced(void) {
  BhContainerSession *session;
  BhThread *stopper, *worker;

  stops = 0;
  bh_gate_init(&work_waits);
  open_world(hold_vm_stop, NULL);
  world.guest.before = call_after_hook;
  watch(&wait_observer);
  session = created("one", TRUE);
  g_assert_cmpint(run(session), ==, BH_OK);
  stopper = begin(stop_idle, session);
  bh_gate_pass(&world.reached);
  worker = begin(run_again, session);
  bh_gate_pass(&work_waits);
  bh_gate_open(&world.go_on);
  g_assert_cmpint(result_of(stopper), ==, BH_OK);
  g_assert_cmpint(result_of(worker), ==, BH_OK);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 2);
  release(session);
  g_assert_cmpuint(world.guest.processes, ==, 2); /* the two that were served: the plugin's until its host goes */
  stop_service();
  g_assert_cmpuint(world.guest.processes, ==, 0);
  close_world("W+ VM+ VM- (S_OK) (S_OK) (WSLC_E_VM_NOT_RUNNING) VM+ VM- W-");
  bh_gate_clear(&work_waits);
}

/* --- Plugins' calls ---------------------------------------------------------------------------------------------- */

static BhResult hold_mount(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_VM_DESTROY) say("destroyed");
  if (step != BH_FAKE_MOUNT) return BH_OK;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  say("mounted");
  return BH_OK;
}

static void mount_on_own_thread(gpointer host) {
  BhCallReply reply = {0};
  BhCall call = {.api = BH_API_CONTAINER_MOUNT_FOLDER, .session = 1, .host_path = "C:\\", .linux_path = "/mnt"};

  bh_mock_host_call(host, &call, &reply);
}

static BhResult spawn_mount(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_CONTAINER_VM_STARTED) {
    bh_mock_host_spawn(host, mount_on_own_thread, host);
    bh_gate_pass(&world.reached);
  }
  if (notification->hook == BH_HOOK_CONTAINER_VM_STOPPING) bh_gate_open(&world.go_on);
  return BH_OK;
}

/* The VM's end waits for a plugin's call. */
static void lease(void) {
  open_world(spawn_mount, NULL);
  world.guest.before = hold_mount;
  release(created("one", FALSE));
  close_world("W+ VM+ W- VM- mounted destroyed");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func) g_test_add_func("/container-session/" path, func)
  TEST("vm-with-a-container-is-not-idle", vm_with_a_container_is_not_idle);
  TEST("idle-timeout", idle_timeout);
  TEST("timers-in-the-wrong-order", timers_in_the_wrong_order);
  TEST("work-while-the-timeout-ends", work_while_the_timeout_ends);
  TEST("two-operations-end-at-once", two_operations_end_at_once);
  TEST("timer-comes-before-its-operation-has-ended", timer_comes_before_its_operation_has_ended);
  TEST("timer-is-set-while-the-service-stops", timer_is_set_while_the_service_stops);
  TEST("work-while-a-stop-is-announced", work_while_a_stop_is_announced);
  TEST("lease", lease);
  return g_test_run();
}
