/* The pump alone, with a monitor of the test's own in the place of an instance lock. */
#include "core/call-pump.h"
#include "core/lock-order.h"
#include "tests/common/gate.h"

static const BhLockClass monitor_class = {"monitor", BH_RANK_PUMP, FALSE};

typedef struct {
  BhMutex monitor;
  BhCallPump pump;
  BhWorkers *workers;
  BhGate queued; /* lets one pass for each wait on the monitor by another thread than the test's */
  gpointer self;
} Fixture;

static Fixture *watched;

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  if (lock_class == &monitor_class && lock == &watched->monitor && bh_thread_self() != watched->self)
    bh_gate_let_one(&watched->queued);
}

static const BhSyncObserver observer = {.wait = on_wait};

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_mutex_init(&fixture->monitor, &monitor_class);
  bh_call_pump_init(&fixture->pump, &fixture->monitor);
  fixture->workers = bh_workers_new("worker");
  bh_gate_init(&fixture->queued);
  fixture->self = bh_thread_self();
  watched = fixture;
  bh_sync_add_observer(&observer);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_workers_free(fixture->workers);
  bh_sync_remove_observer(&observer);
  bh_lock_order_stop();
  bh_call_pump_clear(&fixture->pump);
  bh_mutex_clear(&fixture->monitor);
  bh_gate_clear(&fixture->queued);
}

/* --- A caller of its own thread ---------------------------------------------------------------------------------- */

typedef struct {
  Fixture *fixture;
  gpointer ran_on;
  gpointer self;
  gboolean ran; /* what invoke said */
} Caller;

static void work(gpointer data) {
  Caller *caller = data;
  caller->ran_on = bh_thread_self();
}

static gpointer invoke(gpointer data) {
  Caller *caller = data;

  caller->self = bh_thread_self();
  bh_mutex_lock(&caller->fixture->monitor);
  caller->ran = bh_call_pump_invoke(&caller->fixture->pump, work, caller);
  bh_mutex_unlock(&caller->fixture->monitor);
  return NULL;
}

static BhThread *start(Caller *caller) {
  BhThread *thread = bh_thread_new("caller", BH_RANK_PUMP, invoke, caller);
  bh_gate_pass(&caller->fixture->queued);
  return thread;
}

/* --- Notifications ----------------------------------------------------------------------------------------------- */

static void note_thread(gpointer data) {
  *(gpointer *)data = bh_thread_self();
}

static void join(gpointer thread) {
  bh_thread_join(thread);
}

static BhResult run(Fixture *fixture, BhPumpFunc notification, gpointer data) {
  BhResult result;

  bh_mutex_lock(&fixture->monitor);
  result = bh_call_pump_run(&fixture->pump, fixture->workers, notification, data);
  bh_mutex_unlock(&fixture->monitor);
  return result;
}

static void a_notification_runs_on_a_worker(Fixture *fixture, gconstpointer data) {
  gpointer first = NULL, second = NULL;

  (void)data;
  g_assert_cmpint(run(fixture, note_thread, &first), ==, BH_OK);
  g_assert_cmpint(run(fixture, note_thread, &second), ==, BH_OK);
  g_assert_true(first != NULL && first != bh_thread_self());
  g_assert_true(second != NULL && second != bh_thread_self());
}

static void work_from_before_runs_on_the_notifier(Fixture *fixture, gconstpointer data) {
  Caller caller = {.fixture = fixture};
  BhThread *thread = start(&caller);

  (void)data;
  g_assert_cmpint(run(fixture, join, thread), ==, BH_OK);
  g_assert_true(caller.ran);
  g_assert_true(caller.ran_on == bh_thread_self());
}

/* Handed back in the order of coming, each to its own thread, and none of them has run. */
static void work_is_handed_back(Fixture *fixture, gconstpointer data) {
  Caller callers[2] = {{.fixture = fixture}, {.fixture = fixture}};
  BhThread *threads[2];

  (void)data;
  for (int i = 0; i < 2; i++) threads[i] = start(&callers[i]);
  for (int i = 0; i < 2; i++) {
    bh_mutex_lock(&fixture->monitor);
    g_assert_true(bh_call_pump_has_waiting(&fixture->pump));
    g_assert_true(bh_call_pump_hand_back(&fixture->pump) == callers[i].self);
    bh_mutex_unlock(&fixture->monitor);
    bh_thread_join(threads[i]);
    g_assert_false(callers[i].ran);
    g_assert_null(callers[i].ran_on);
  }
  bh_mutex_lock(&fixture->monitor);
  g_assert_false(bh_call_pump_has_waiting(&fixture->pump));
  bh_mutex_unlock(&fixture->monitor);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add("/call-pump/" path, Fixture, NULL, set_up, func, tear_down)
  ADD("notification-runs-on-a-worker", a_notification_runs_on_a_worker);
  ADD("work-from-before-runs-on-the-notifier", work_from_before_runs_on_the_notifier);
  ADD("work-is-handed-back", work_is_handed_back);
  return g_test_run();
}
