/* A session's lock, its pump, and who runs a plugin's call. */
#include "protocols.h"

#include "core/instance-lock.h"

#define MAX_CALLERS 8
#define THAT_WAIT   5

typedef struct {
  BhInstanceLock lock;
  BhWorkers *workers;
  gpointer inside; /* the thread that has the lock to itself */
} Session;

static void session_init(Session *session, BhWorkers *workers) {
  *session = (Session){.workers = workers};
  bh_instance_lock_init(&session->lock);
}

static void session_clear(Session *session) {
  bh_instance_lock_clear(&session->lock);
}

/* --- Calls and operations ---------------------------------------------------------------------------------------- */

/* A plugin's call: it runs once, with the lock, whoever runs it. */
typedef struct {
  Session *session;
  guint runs;
  gpointer ran_on;
} Call;

static void work(gpointer data) {
  Call *call = data;
  Session *session = call->session;
  gpointer outer = session->inside;

  bh_scheduler_note("the call runs");
  bh_explore_once(&call->runs, "the call");
  bh_explore_expect(outer == NULL || outer == bh_thread_self(), "another thread has the lock");
  call->ran_on = session->inside = bh_thread_self();
  bh_instance_lock_acquire(&session->lock); /* which it must be able to take again */
  bh_instance_lock_release(&session->lock);
  bh_explore_expect(session->inside == bh_thread_self(), "another thread came in");
  session->inside = outer;
}

static void make_call(Call *call) {
  bh_instance_lock_call(&call->session->lock, work, call);
  bh_explore_expect(call->runs == 1, "the call returned, and ran %u times", call->runs);
}

static gpointer caller(gpointer data) {
  make_call(data);
  return NULL;
}

static BhThread *start_caller(Call *call) {
  return bh_thread_new("caller", BH_RANK_SESSION_TABLE, caller, call);
}

static void begin_operation(Session *session) {
  bh_instance_lock_acquire(&session->lock);
  bh_explore_expect(session->inside == NULL, "another thread has the lock");
  session->inside = bh_thread_self();
}

static void end_operation(Session *session) {
  bh_explore_expect(session->inside == bh_thread_self(), "another thread came in");
  session->inside = NULL;
  bh_instance_lock_release(&session->lock);
}

static void notify(Session *session, BhPumpFunc hook, gpointer data) {
  bh_explore_expect(bh_instance_lock_notify(&session->lock, session->workers, hook, data) == BH_OK, "no thread");
}

static void nothing(gpointer data) {
  (void)data;
}

static gpointer operate(gpointer data) {
  begin_operation(data);
  end_operation(data);
  return NULL;
}

/* --- Protocols --------------------------------------------------------------------------------------------------- */

static void two_calls(gconstpointer data) {
  Session session;
  Call calls[2] = {{.session = &session}, {.session = &session}};
  BhThread *thread;

  (void)data;
  session_init(&session, NULL);
  thread = start_caller(&calls[0]);
  make_call(&calls[1]);
  bh_thread_join(thread);
  session_clear(&session);
}

static void call_against_operations(gconstpointer data) {
  Session session;
  Call call = {.session = &session};
  BhThread *threads[2];

  (void)data;
  session_init(&session, NULL);
  threads[0] = start_caller(&call);
  threads[1] = bh_thread_new("operation", BH_RANK_SESSION_TABLE, operate, &session);
  operate(&session);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  session_clear(&session);
}

static void hook_that_calls(gpointer data) {
  Call *call = data;

  make_call(call);
  bh_explore_expect(call->ran_on != bh_thread_self(), "the call ran on the hook's thread");
}

static void call_inside_a_hook(gconstpointer data) {
  Session session;
  Call call = {.session = &session};

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  begin_operation(&session);
  notify(&session, hook_that_calls, &call);
  bh_explore_expect(call.ran_on == bh_thread_self(), "the call ran elsewhere");
  end_operation(&session);
  bh_workers_free(session.workers);
  session_clear(&session);
}

static void hook_that_joins(gpointer thread) {
  bh_thread_join(thread);
}

/* Somebody calls when the lock is held and nothing is notified yet; the hook that follows waits for him. */
static void call_before_the_notification(gconstpointer data) {
  Session session;
  Call call = {.session = &session};
  BhThread *thread;

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  begin_operation(&session);
  thread = start_caller(&call);
  notify(&session, hook_that_joins, thread);
  bh_explore_expect(call.ran_on == bh_thread_self(), "the call ran elsewhere, while the lock was held here");
  end_operation(&session);
  bh_workers_free(session.workers);
  session_clear(&session);
}

/* As many callers as data says, at any moment of an operation that notifies. */
static void calls_against_a_stop(gconstpointer data) {
  guint count = GPOINTER_TO_UINT(data);
  BhThread *threads[MAX_CALLERS];
  Call calls[MAX_CALLERS];
  Session session;

  session_init(&session, bh_workers_new("worker"));
  for (guint i = 0; i < count; i++) {
    calls[i] = (Call){.session = &session};
    threads[i] = start_caller(&calls[i]);
  }
  begin_operation(&session);
  notify(&session, nothing, NULL);
  end_operation(&session);
  for (guint i = 0; i < count; i++) bh_thread_join(threads[i]);
  bh_workers_free(session.workers);
  session_clear(&session);
}

/* --- Many callers ------------------------------------------------------------------------------------------------ */

typedef struct {
  Session *session;
  BhThread *thread;
  guint runs;
} ShortCall;

/* A caller whose call another thread has run only returns, which two-calls-against-a-stop looks at. */
static void run_short(gpointer data) {
  ShortCall *call = data;

  bh_explore_once(&call->runs, "the call");
  if (call->session->inside != NULL) bh_scheduler_leave_to_the_end(call->thread);
}

static gpointer call_short(gpointer data) {
  ShortCall *call = data;

  bh_instance_lock_call(&call->session->lock, run_short, call);
  bh_explore_expect(call->runs == 1, "the call returned, and ran %u times", call->runs);
  return NULL;
}

/* Until no other thread can go on: only then does the clock. */
static void let_all_wait(void) {
  static const BhLockClass class = {"nobody's", BH_RANK_LEAF, FALSE};
  BhMutex mutex;
  BhCond never;

  bh_mutex_init(&mutex, &class);
  bh_cond_init(&never);
  bh_mutex_lock(&mutex);
  bh_cond_wait_until(&never, &mutex, bh_clock_deadline(1));
  bh_mutex_unlock(&mutex);
  bh_cond_clear(&never);
  bh_mutex_clear(&mutex);
}

/* Most of them wait when it notifies, the others come at any moment from then on. Joined in the order in which main has
 * least to do between them. */
static void eight_calls_against_a_stop(gconstpointer data) {
  ShortCall calls[MAX_CALLERS];
  Session session;

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  begin_operation(&session);
  for (guint i = 0; i < MAX_CALLERS; i++) {
    if (i == THAT_WAIT) let_all_wait();
    calls[i] = (ShortCall){.session = &session};
    calls[i].thread = bh_thread_new("caller", BH_RANK_SESSION_TABLE, call_short, &calls[i]);
  }
  notify(&session, nothing, NULL);
  end_operation(&session);
  for (guint i = MAX_CALLERS; i-- > 0;) bh_thread_join(calls[i].thread);
  bh_workers_free(session.workers);
  session_clear(&session);
}

/* --- More than one notification ---------------------------------------------------------------------------------- */

/* Between two notifications of one operation nobody serves calls; the worker is used again. */
static void call_across_two_notifications(gconstpointer data) {
  Session session;
  Call call = {.session = &session}, inner = {.session = &session};
  BhThread *thread;

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  thread = start_caller(&call);
  begin_operation(&session);
  notify(&session, nothing, NULL);
  notify(&session, hook_that_calls, &inner);
  end_operation(&session);
  bh_thread_join(thread);
  bh_workers_free(session.workers);
  session_clear(&session);
}

static gpointer stop(gpointer data) {
  Session *session = data;

  begin_operation(session);
  notify(session, nothing, NULL);
  end_operation(session);
  return NULL;
}

static void two_stops_and_a_call(gconstpointer data) {
  Session session;
  Call call = {.session = &session};
  BhThread *threads[2];

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  threads[0] = start_caller(&call);
  threads[1] = bh_thread_new("stop", BH_RANK_SESSION_TABLE, stop, &session);
  stop(&session);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  bh_workers_free(session.workers);
  session_clear(&session);
}

static gpointer stop_with_call(gpointer data) {
  Session *session = data;
  Call call = {.session = session};

  begin_operation(session);
  notify(session, hook_that_calls, &call);
  bh_explore_expect(call.ran_on == bh_thread_self(), "the call ran elsewhere");
  end_operation(session);
  return NULL;
}

/* Their hooks run in one host: on workers that they share. */
static void two_sessions_one_host(gconstpointer data) {
  BhWorkers *workers = bh_workers_new("worker");
  Session sessions[2];
  BhThread *thread;

  (void)data;
  for (guint i = 0; i < 2; i++) session_init(&sessions[i], workers);
  thread = bh_thread_new("second", BH_RANK_SESSION_TABLE, stop_with_call, &sessions[1]);
  stop_with_call(&sessions[0]);
  bh_thread_join(thread);
  bh_workers_free(workers);
  for (guint i = 0; i < 2; i++) session_clear(&sessions[i]);
}

static gboolean no_thread_for_workers(const char *name) {
  return !g_str_equal(name, "worker");
}

static void no_thread_for_a_notification(gconstpointer data) {
  static const BhSyncObserver starved = {.may_start_thread = no_thread_for_workers};
  Session session;
  Call call = {.session = &session};
  BhThread *thread;

  (void)data;
  bh_sync_add_observer(&starved);
  session_init(&session, bh_workers_new("worker"));
  thread = start_caller(&call);
  begin_operation(&session);
  bh_explore_expect(bh_instance_lock_notify(&session.lock, session.workers, nothing, NULL) == BH_E_OUTOFMEMORY,
                    "there was a thread");
  end_operation(&session);
  bh_thread_join(thread);
  bh_workers_free(session.workers);
  session_clear(&session);
  bh_sync_remove_observer(&starved);
}

static void notify_again(gpointer data) {
  Session *session = data;
  bh_instance_lock_notify(&session->lock, session->workers, nothing, NULL);
}

static void hook_whose_call_notifies(gpointer data) {
  Session *session = data;
  bh_instance_lock_call(&session->lock, notify_again, session);
}

static void work_that_notifies(gconstpointer data) {
  Session session;

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  begin_operation(&session);
  notify(&session, hook_whose_call_notifies, &session);
  end_operation(&session);
}

/* --- Who goes first ---------------------------------------------------------------------------------------------- */

static void look_for_the_end(gpointer data) {
  Call *call = data;
  const BhCallPump *pump = &call->session->lock.pump;

  /* Between the pump's look and this there is no choice point (but with --releases). */
  bh_explore_expect(!pump->serving || !pump->ended, "the notification has ended, and the pump goes on");
  bh_explore_once(&call->runs, "the call");
}

static gpointer call_and_look(gpointer data) {
  Call *call = data;

  bh_instance_lock_call(&call->session->lock, look_for_the_end, call);
  return NULL;
}

/* A stream of calls cannot hold up the notification's end. */
static void end_among_calls(gconstpointer data) {
  Session session;
  Call calls[2] = {{.session = &session}, {.session = &session}};
  BhThread *threads[2];

  (void)data;
  session_init(&session, bh_workers_new("worker"));
  for (guint i = 0; i < 2; i++)
    threads[i] = bh_thread_new("caller", BH_RANK_SESSION_TABLE, call_and_look, &calls[i]);
  begin_operation(&session);
  notify(&session, nothing, NULL);
  end_operation(&session);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  bh_workers_free(session.workers);
  session_clear(&session);
}

/* Both waited when the lock was released: the operation was first. */
typedef struct {
  Call call; /* first: it is what the call gets */
  gboolean both_waited, operated;
} Order;

static void note_order(gpointer data) {
  Order *order = data;
  bh_explore_expect(!order->both_waited || order->operated, "a call went before an operation that waited, too");
}

static gpointer call_in_order(gpointer data) {
  Order *order = data;

  bh_instance_lock_call(&order->call.session->lock, note_order, order);
  return NULL;
}

static gpointer operate_in_order(gpointer data) {
  Order *order = data;

  begin_operation(order->call.session);
  order->operated = TRUE;
  end_operation(order->call.session);
  return NULL;
}

static void operation_before_calls(gconstpointer data) {
  Session session;
  Order order = {.call = {.session = &session}};
  BhThread *threads[2];

  (void)data;
  session_init(&session, NULL);
  begin_operation(&session);
  threads[0] = bh_thread_new("caller", BH_RANK_SESSION_TABLE, call_in_order, &order);
  threads[1] = bh_thread_new("operation", BH_RANK_SESSION_TABLE, operate_in_order, &order);
  bh_mutex_lock(&session.lock.monitor);
  order.both_waited = !g_queue_is_empty(&session.lock.operations) && !g_queue_is_empty(&session.lock.pump.waiting);
  bh_mutex_unlock(&session.lock.monitor);
  end_operation(&session);
  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
  session_clear(&session);
}

static const BhProtocol protocols[] = {
    {"two-calls", "two calls on a free lock run one after the other", .run = two_calls,
     .bound = BH_EXPLORE_NO_BOUND},
    {"call-against-operations", "a call and two operations want the lock", .run = call_against_operations,
     .bound = BH_EXPLORE_NO_BOUND},
    {"call-inside-a-hook", "a call from inside a hook runs on the notifying thread", .run = call_inside_a_hook,
     .bound = BH_EXPLORE_NO_BOUND},
    {"call-before-the-notification", "a call that came before the notification is served by it",
     .run = call_before_the_notification, .bound = BH_EXPLORE_NO_BOUND},
    {"call-against-a-stop", "a call at any moment of an operation that notifies", .run = calls_against_a_stop,
     .data = GUINT_TO_POINTER(1), .bound = BH_EXPLORE_NO_BOUND},
    {"two-calls-against-a-stop", "two of them", .run = calls_against_a_stop, .data = GUINT_TO_POINTER(2),
     .alike = TRUE},
    {"eight-calls-against-a-stop", "eight: five wait when it notifies, three come at any moment then",
     .run = eight_calls_against_a_stop, .bound = 1, .alike = TRUE},
    {"call-across-two-notifications", "a call at any moment of an operation that notifies twice",
     .run = call_across_two_notifications},
    {"two-stops-and-a-call", "a call, and two operations that notify", .run = two_stops_and_a_call},
    {"two-sessions-one-host", "two sessions notify at once, and their hooks call", .run = two_sessions_one_host},
    {"no-thread-for-a-notification", "a notification that cannot be made loses no call",
     .run = no_thread_for_a_notification},
    {"end-among-calls", "the notification's end is seen between any two calls", .run = end_among_calls,
     .alike = TRUE},
    {"operation-before-calls", "an operation that waits goes before calls that wait",
     .run = operation_before_calls},
    {"work-that-notifies", "work on a pump must not notify: asserted", .run = work_that_notifies,
     .expects = "assertion: *work on a pump must not notify*"},
};

const BhProtocolTable bh_protocols_instance_lock = {protocols, G_N_ELEMENTS(protocols)};
