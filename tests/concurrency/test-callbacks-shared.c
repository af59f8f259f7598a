/* The callback lock of the shared design: calls at once, changes alone, and nobody held up by a stream. */
#include "core/callbacks.h"
#include "core/lock-order.h"
#include "tests/common/gate.h"

#define CALLERS 4

static const BhCallbacks *const shared = &bh_callbacks_shared;

typedef struct {
  BhCallbackGate gate;
  BhWorkers *workers;
  BhGate waits; /* lets one pass for each wait on the callback monitor */
} Fixture;

static Fixture *watched;

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  if (watched != NULL && lock == &watched->gate.monitor) bh_gate_let_one(&watched->waits);
  (void)lock_class;
}

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_callback_gate_init(&fixture->gate);
  fixture->workers = bh_workers_new("worker");
  bh_gate_init(&fixture->waits);
  watched = fixture;
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  watched = NULL;
  bh_workers_free(fixture->workers);
  bh_callback_gate_clear(&fixture->gate);
  bh_gate_clear(&fixture->waits);
}

/* --- Threads that do one thing ----------------------------------------------------------------------------------- */

typedef struct {
  Fixture *fixture;
  BhPumpFunc func;
  gpointer data;
} Caller;

static gpointer call(gpointer data) {
  Caller *caller = data;
  shared->call(&caller->fixture->gate, caller->func, caller->data);
  return NULL;
}

static BhThread *start_call(Caller *caller) {
  return bh_thread_new("caller", BH_RANK_CALLBACK, call, caller);
}

/* --- At once ------------------------------------------------------------------------------------------------------ */

typedef struct {
  int inside; /* atomic */
  BhGate all;
} Meeting;

static void meet(gpointer data) {
  Meeting *meeting = data;
  if (g_atomic_int_add(&meeting->inside, 1) + 1 == CALLERS) bh_gate_open(&meeting->all);
  bh_gate_pass(&meeting->all); /* each waits for all the others */
}

/* What a hook does: its plugin's threads call, and it waits for them. */
static void hook_with_four_callers(gpointer data) {
  Caller *caller = data;
  BhThread *threads[CALLERS];

  for (int i = 0; i < CALLERS; i++) threads[i] = start_call(caller);
  for (int i = 0; i < CALLERS; i++) bh_thread_join(threads[i]);
}

static void calls_run_at_once_inside_a_hook(Fixture *fixture, gconstpointer data) {
  Meeting meeting = {0};
  Caller caller = {fixture, meet, &meeting};

  (void)data;
  bh_gate_init(&meeting.all);
  g_assert_cmpint(shared->notify(&fixture->gate, fixture->workers, hook_with_four_callers, &caller), ==, BH_OK);
  g_assert_cmpint(meeting.inside, ==, CALLERS);
  bh_gate_clear(&meeting.all);
}

/* --- Alone -------------------------------------------------------------------------------------------------------- */

typedef struct {
  BhGate entered, leave;
  int *order; /* atomic: counts up */
  int left;   /* when it left */
} Stay;

static void stay(gpointer data) {
  Stay *visit = data;
  bh_gate_open(&visit->entered);
  bh_gate_pass(&visit->leave);
  visit->left = g_atomic_int_add(visit->order, 1) + 1;
}

typedef struct {
  Fixture *fixture;
  int *order;
  int changed; /* when the change was made */
} Change;

static gpointer change(gpointer data) {
  Change *made = data;

  bh_instance_lock_acquire(&made->fixture->gate.instance);
  shared->mutate_begin(&made->fixture->gate);
  made->changed = g_atomic_int_add(made->order, 1) + 1;
  shared->mutate_end(&made->fixture->gate);
  bh_instance_lock_release(&made->fixture->gate.instance);
  return NULL;
}

/* A change waits for the call in flight, and goes before one that comes while it waits. */
static void a_change_drains_calls_and_goes_first(Fixture *fixture, gconstpointer data) {
  int order = 0;
  Stay first = {.order = &order}, late = {.order = &order};
  Change made = {fixture, &order, 0};
  Caller callers[2] = {{fixture, stay, &first}, {fixture, stay, &late}};
  BhThread *threads[3];

  (void)data;
  bh_gate_init(&first.entered);
  bh_gate_init(&first.leave);
  bh_gate_init(&late.entered);
  bh_gate_init(&late.leave);
  bh_gate_open(&late.leave);
  threads[0] = start_call(&callers[0]);
  bh_gate_pass(&first.entered);
  threads[1] = bh_thread_new("change", BH_RANK_INSTANCE, change, &made);
  bh_gate_pass(&fixture->waits);
  threads[2] = start_call(&callers[1]);
  bh_gate_pass(&fixture->waits);
  bh_gate_open(&first.leave);
  for (int i = 0; i < 3; i++) bh_thread_join(threads[i]);
  g_assert_cmpint(first.left, ==, 1);
  g_assert_cmpint(made.changed, ==, 2);
  g_assert_cmpint(late.left, ==, 3);
  bh_gate_clear(&first.entered);
  bh_gate_clear(&first.leave);
  bh_gate_clear(&late.entered);
  bh_gate_clear(&late.leave);
}

/* --- Order --------------------------------------------------------------------------------------------------------- */

static GString *reports;

static void note(const char *report, gpointer data) {
  (void)data;
  g_string_append(reports, report);
}

static void take_instance(gpointer data) {
  Fixture *fixture = data;
  bh_instance_lock_acquire(&fixture->gate.instance);
  bh_instance_lock_release(&fixture->gate.instance);
}

/* The mistake of old: a call that wants the instance lock while it shares the callback lock. */
static void the_reverse_order_is_reported(Fixture *fixture, gconstpointer data) {
  (void)data;
  reports = g_string_new(NULL);
  bh_lock_order_start_with(note, NULL);
  shared->call(&fixture->gate, take_instance, fixture);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_assert_true(g_pattern_match_simple("*takes instance lock *while it holds callback lock *", reports->str));
  g_string_free(reports, TRUE);
}

static void designs_by_name(void) {
  g_assert_true(bh_callbacks_by_name("pumped") == &bh_callbacks_pumped);
  g_assert_true(bh_callbacks_by_name("shared") == &bh_callbacks_shared);
  g_assert_null(bh_callbacks_by_name("mixed"));
}

int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.wait = on_wait};

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
#define ADD(path, func) g_test_add("/callbacks-shared/" path, Fixture, NULL, set_up, func, tear_down)
  ADD("calls-run-at-once", calls_run_at_once_inside_a_hook);
  ADD("a-change-drains-calls-and-goes-first", a_change_drains_calls_and_goes_first);
  ADD("the-reverse-order-is-reported", the_reverse_order_is_reported);
  g_test_add_func("/callbacks-shared/by-name", designs_by_name);
  return g_test_run();
}
