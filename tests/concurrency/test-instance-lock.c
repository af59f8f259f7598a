/* The instance lock and its pump, at the moments that decide: who runs a call, on which thread, how often, and who goes
 * first. Threads are led to each moment by gates; "a call is queued" is known from the sync observer. */
#include "core/instance-lock.h"
#include "core/lock-order.h"
#include "tests/common/gate.h"

#define CALLERS 8

typedef struct {
  BhInstanceLock lock;
  BhWorkers *workers;
} Fixture;

/* One piece of work, and what became of it. */
typedef struct {
  int runs;
  gpointer thread; /* it ran on */
} Work;

static BhGate queued; /* lets one pass for each wait on the instance monitor */

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (g_str_equal(lock_class->name, "instance monitor")) bh_gate_let_one(&queued);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_instance_lock_init(&fixture->lock);
  fixture->workers = bh_workers_new("worker");
  bh_gate_init(&queued);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_workers_free(fixture->workers);
  bh_instance_lock_clear(&fixture->lock);
  bh_gate_clear(&queued);
}

static void do_work(gpointer data) {
  Work *work = data;
  g_atomic_int_inc(&work->runs);
  work->thread = bh_thread_self();
}

/* --- Threads that do one thing ---------------------------------------------------------------------------------- */

typedef struct {
  Fixture *fixture;
  BhPumpFunc func;
  gpointer data;
  gpointer self; /* the thread, once it runs */
} Caller;

static gpointer call(gpointer data) {
  Caller *caller = data;
  caller->self = bh_thread_self();
  bh_instance_lock_call(&caller->fixture->lock, caller->func, caller->data);
  return NULL;
}

static BhThread *start_call(Caller *caller) {
  return bh_thread_new("caller", BH_RANK_SESSION_TABLE, call, caller);
}

static void pass_gate(gpointer gate) {
  bh_gate_pass(gate);
}

static void nothing(gpointer data) {
  (void)data;
}

/* --- Calls and notifications ------------------------------------------------------------------------------------ */

static void call_on_a_free_lock(Fixture *fixture, gconstpointer data) {
  Work work = {0};

  (void)data;
  bh_instance_lock_call(&fixture->lock, do_work, &work);
  g_assert_cmpint(work.runs, ==, 1);
  g_assert_true(work.thread == bh_thread_self());
}

static void call_waits_for_the_lock(Fixture *fixture, gconstpointer data) {
  Work work = {0};
  Caller caller = {fixture, do_work, &work, NULL};
  BhThread *thread;

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  thread = start_call(&caller);
  bh_gate_pass(&queued);
  g_assert_cmpint(work.runs, ==, 0);
  bh_instance_lock_release(&fixture->lock);
  bh_thread_join(thread);
  g_assert_cmpint(work.runs, ==, 1);
  g_assert_true(work.thread == caller.self);
}

/* Row 38: queued while the lock is held and no notification is in flight yet. */
static void call_before_the_notification(Fixture *fixture, gconstpointer data) {
  Work work = {0};
  Caller caller = {fixture, do_work, &work, NULL};
  BhThread *thread;

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  thread = start_call(&caller);
  bh_gate_pass(&queued);
  g_assert_cmpint(work.runs, ==, 0);

  g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, nothing, NULL), ==, BH_OK);
  bh_instance_lock_release(&fixture->lock);
  bh_thread_join(thread);
  g_assert_cmpint(work.runs, ==, 1);
}

/* The same, and the hook does not return before the call has: only the notifying thread can run it. */
typedef struct {
  Fixture *fixture;
  BhThread *thread;
} Joining;

static void join_caller(gpointer data) {
  Joining *joining = data;
  bh_thread_join(joining->thread);
}

static void hook_waits_for_a_call_from_before(Fixture *fixture, gconstpointer data) {
  Work work = {0};
  Caller caller = {fixture, do_work, &work, NULL};
  Joining joining = {fixture, NULL};

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  joining.thread = start_call(&caller);
  bh_gate_pass(&queued);
  g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, join_caller, &joining), ==, BH_OK);
  g_assert_cmpint(work.runs, ==, 1);
  g_assert_true(work.thread == bh_thread_self());
  bh_instance_lock_release(&fixture->lock);
}

/* Calls that come while the hook runs are served in order, on the notifying thread, which re-enters the lock. */
typedef struct {
  Fixture *fixture;
  int order[CALLERS];
  int served;
  gpointer notifier;
} Serving;

typedef struct {
  Serving *serving;
  int number;
} Numbered;

static void record_order(gpointer data) {
  Numbered *numbered = data;
  Serving *serving = numbered->serving;

  g_assert_true(bh_thread_self() == serving->notifier);
  bh_instance_lock_acquire(&serving->fixture->lock);
  serving->order[serving->served++] = numbered->number;
  bh_instance_lock_release(&serving->fixture->lock);
}

static void hook_that_calls_back(gpointer data) {
  Serving *serving = data;
  for (int i = 0; i < CALLERS; i++) {
    Numbered numbered = {serving, i};
    bh_instance_lock_call(&serving->fixture->lock, record_order, &numbered);
    g_assert_cmpint(serving->served, ==, i + 1);
  }
}

static void calls_inside_a_hook(Fixture *fixture, gconstpointer data) {
  Serving serving = {.fixture = fixture, .notifier = bh_thread_self()};

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, hook_that_calls_back, &serving), ==,
                  BH_OK);
  bh_instance_lock_release(&fixture->lock);
  g_assert_cmpint(serving.served, ==, CALLERS);
}

/* Waiting calls are served first come, first served. */
static void calls_keep_their_order(Fixture *fixture, gconstpointer data) {
  Serving serving = {.fixture = fixture, .notifier = bh_thread_self()};
  Numbered numbered[CALLERS];
  Caller callers[CALLERS];
  BhThread *threads[CALLERS];

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  for (int i = 0; i < CALLERS; i++) {
    numbered[i] = (Numbered){&serving, i};
    callers[i] = (Caller){fixture, record_order, &numbered[i], NULL};
    threads[i] = start_call(&callers[i]);
    bh_gate_pass(&queued);
  }
  /* The hook waits for the last of them. */
  Joining last = {fixture, threads[CALLERS - 1]};
  g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, join_caller, &last), ==, BH_OK);
  bh_instance_lock_release(&fixture->lock);
  for (int i = 0; i < CALLERS - 1; i++) bh_thread_join(threads[i]);
  for (int i = 0; i < CALLERS; i++) g_assert_cmpint(serving.order[i], ==, i);
}

/* Row 39: a call against the end of the notification, many times: it runs once, on one side or the other. */
static void call_against_the_end(Fixture *fixture, gconstpointer data) {
  int rounds = g_test_thorough() ? 20000 : 2000, on_pump = 0;

  (void)data;
  for (int i = 0; i < rounds; i++) {
    Work work = {0};
    Caller caller = {fixture, do_work, &work, NULL};
    BhThread *thread;

    bh_instance_lock_acquire(&fixture->lock);
    thread = start_call(&caller);
    g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, nothing, NULL), ==, BH_OK);
    bh_instance_lock_release(&fixture->lock);
    bh_thread_join(thread);
    g_assert_cmpint(work.runs, ==, 1);
    if (work.thread == bh_thread_self()) on_pump++;
  }
  g_test_message("%d of %d calls ran on the pump", on_pump, rounds);
}

/* Row 40: callers that never pause do not hide the notification's end. */
typedef struct {
  Fixture *fixture;
  int stop;
  BhGate *first;
} Stream;

static void let_one(gpointer gate) {
  bh_gate_let_one(gate);
}

static gpointer stream_calls(gpointer data) {
  Stream *stream = data;
  while (!g_atomic_int_get(&stream->stop)) bh_instance_lock_call(&stream->fixture->lock, let_one, stream->first);
  return NULL;
}

static void stream_of_calls(Fixture *fixture, gconstpointer data) {
  BhGate first;
  Stream stream = {fixture, FALSE, &first};
  BhThread *threads[CALLERS];

  (void)data;
  bh_gate_init(&first);
  for (int i = 0; i < CALLERS; i++)
    threads[i] = bh_thread_new("streamer", BH_RANK_SESSION_TABLE, stream_calls, &stream);
  for (int i = 0; i < 50; i++) {
    bh_instance_lock_acquire(&fixture->lock);
    g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, pass_gate, &first), ==, BH_OK);
    bh_instance_lock_release(&fixture->lock);
  }
  g_atomic_int_set(&stream.stop, TRUE);
  for (int i = 0; i < CALLERS; i++) bh_thread_join(threads[i]);
  bh_gate_clear(&first);
}

/* --- Fairness --------------------------------------------------------------------------------------------------- */

typedef struct {
  Fixture *fixture;
  GString *log; /* guarded by the lock */
  const char *name;
} Entrant;

static void log_name(gpointer data) {
  Entrant *entrant = data;
  g_string_append(entrant->log, entrant->name);
}

static gpointer operate(gpointer data) {
  Entrant *entrant = data;
  bh_instance_lock_acquire(&entrant->fixture->lock);
  log_name(entrant);
  bh_instance_lock_release(&entrant->fixture->lock);
  return NULL;
}

/* Row 57: an operation that comes after waiting calls goes before them. */
static void operation_before_calls(Fixture *fixture, gconstpointer data) {
  g_autoptr(GString) log = g_string_new(NULL);
  Entrant first = {fixture, log, "1"}, second = {fixture, log, "2"}, operation = {fixture, log, "O"},
          late = {fixture, log, "o"};
  Caller callers[2] = {{fixture, log_name, &first, NULL}, {fixture, log_name, &second, NULL}};
  BhThread *threads[4];

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  threads[0] = start_call(&callers[0]);
  bh_gate_pass(&queued);
  threads[1] = start_call(&callers[1]);
  bh_gate_pass(&queued);
  threads[2] = bh_thread_new("operation", BH_RANK_SESSION_TABLE, operate, &operation);
  bh_gate_pass(&queued);
  threads[3] = bh_thread_new("operation", BH_RANK_SESSION_TABLE, operate, &late);
  bh_gate_pass(&queued);
  bh_instance_lock_release(&fixture->lock);
  for (int i = 0; i < 4; i++) bh_thread_join(threads[i]);
  g_assert_cmpstr(log->str, ==, "Oo12");
}

static void recursion(Fixture *fixture, gconstpointer data) {
  Work work = {0};
  Caller caller = {fixture, do_work, &work, NULL};
  BhThread *thread;

  (void)data;
  bh_instance_lock_acquire(&fixture->lock);
  bh_instance_lock_acquire(&fixture->lock);
  bh_instance_lock_release(&fixture->lock);
  thread = start_call(&caller);
  bh_gate_pass(&queued); /* it is still held */
  bh_instance_lock_release(&fixture->lock);
  bh_thread_join(thread);
  g_assert_cmpint(work.runs, ==, 1);
}

/* --- No thread (row 41) ----------------------------------------------------------------------------------------- */

static int starved; /* atomic: no worker can be had */

static gboolean may_start_thread(const char *name) {
  return !g_atomic_int_get(&starved) || !g_str_equal(name, "worker");
}

static void notification_without_a_thread(Fixture *fixture, gconstpointer data) {
  Work work = {0};
  Caller caller = {fixture, do_work, &work, NULL};
  BhThread *thread;

  (void)data;
  g_atomic_int_set(&starved, TRUE);
  bh_instance_lock_acquire(&fixture->lock);
  thread = start_call(&caller);
  bh_gate_pass(&queued);
  g_assert_cmpint(bh_instance_lock_notify(&fixture->lock, fixture->workers, nothing, NULL), ==, BH_E_OUTOFMEMORY);
  bh_instance_lock_release(&fixture->lock);
  bh_thread_join(thread);
  g_atomic_int_set(&starved, FALSE);
  g_assert_cmpint(work.runs, ==, 1); /* the call that waited is not lost */
}

#ifndef G_OS_WIN32
/* --- Asserted --------------------------------------------------------------------------------------------------- */

static void notify_again(gpointer data) {
  Fixture *fixture = data;
  bh_instance_lock_notify(&fixture->lock, fixture->workers, nothing, NULL);
}

static void call_that_notifies(gpointer data) {
  Fixture *fixture = data;
  bh_instance_lock_call(&fixture->lock, notify_again, fixture);
}

static void work_must_not_notify(Fixture *fixture, gconstpointer data) {
  (void)data;
  if (g_test_subprocess()) {
    bh_instance_lock_acquire(&fixture->lock);
    bh_instance_lock_notify(&fixture->lock, fixture->workers, call_that_notifies, fixture);
    return;
  }
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*must not notify*");
}

#endif

int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.wait = on_wait, .may_start_thread = may_start_thread};

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
#define ADD(path, func) g_test_add("/instance-lock/" path, Fixture, NULL, set_up, func, tear_down)
  ADD("call/on-a-free-lock", call_on_a_free_lock);
  ADD("call/waits-for-the-lock", call_waits_for_the_lock);
  ADD("call/before-the-notification", call_before_the_notification);
  ADD("call/before-the-notification-that-waits-for-it", hook_waits_for_a_call_from_before);
  ADD("call/inside-a-hook", calls_inside_a_hook);
  ADD("call/in-order", calls_keep_their_order);
  ADD("call/against-the-end", call_against_the_end);
  ADD("call/stream-that-never-pauses", stream_of_calls);
  ADD("fair/operation-before-calls", operation_before_calls);
  ADD("lock/recursion", recursion);
  ADD("notify/without-a-thread", notification_without_a_thread);
#ifndef G_OS_WIN32 /* a test's subprocess needs GLib's gspawn helper there, which is not built */
  ADD("notify/not-from-work", work_must_not_notify);
#endif
  return g_test_run();
}
