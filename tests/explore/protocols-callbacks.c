/* Calls that run beside each other, and changes that wait for them. */
#include "protocols.h"

#include "core/callbacks.h"

static const BhCallbacks *const shared = &bh_callbacks_shared;

typedef struct {
  BhCallbackGate gate;
  const int *vm;     /* what calls look at: not to be changed while one of them runs */
  gboolean changing; /* a change goes on: no call may see that */
  guint runs;        /* of calls, guarded by lock */
  BhMutex lock;
} Session;

static const BhLockClass lock_class = {"counted calls", BH_RANK_LEAF, FALSE};
static const int the_vm;

static void session_init(Session *session) {
  *session = (Session){.vm = &the_vm};
  bh_callback_gate_init(&session->gate);
  bh_mutex_init(&session->lock, &lock_class);
}

static void session_clear(Session *session) {
  bh_mutex_clear(&session->lock);
  bh_callback_gate_clear(&session->gate);
}

/* Whatever it finds at first, it finds to the end. */
static void look_at_vm(gpointer data) {
  Session *session = data;
  const int *vm = session->vm;

  bh_explore_expect(!session->changing, "a call began in the midst of a change");
  bh_mutex_lock(&session->lock);
  session->runs++;
  bh_mutex_unlock(&session->lock);
  bh_mutex_lock(&session->lock);
  bh_explore_expect(session->vm == vm, "the VM went away during a call");
  bh_mutex_unlock(&session->lock);
}

static gpointer caller(gpointer data) {
  Session *session = data;
  shared->call(&session->gate, look_at_vm, session);
  return NULL;
}

static void end_vm(Session *session) {
  shared->mutate_begin(&session->gate);
  session->changing = TRUE;
  session->vm = NULL;
  bh_mutex_lock(&session->lock); /* as long as it takes to look at a lock */
  bh_mutex_unlock(&session->lock);
  session->changing = FALSE;
  shared->mutate_end(&session->gate);
}

static void join_all(BhThread *const *threads, guint count) {
  for (guint i = 0; i < count; i++) bh_thread_join(threads[i]);
}

/* As many calls as data says. */
static void termination_drains_calls(gconstpointer data) {
  guint count = GPOINTER_TO_UINT(data);
  BhThread *threads[4];
  Session session;

  session_init(&session);
  for (guint i = 0; i < count; i++) threads[i] = bh_thread_new("caller", BH_RANK_CALLBACK, caller, &session);
  bh_instance_lock_acquire(&session.gate.instance);
  end_vm(&session);
  bh_instance_lock_release(&session.gate.instance);
  join_all(threads, count);
  bh_explore_expect(session.runs == count, "%u calls ran", session.runs);
  session_clear(&session);
}

/* The hook waits for a call that another thread makes, and the termination for whatever is left. */
static void hook(gpointer data) {
  Session *session = data;
  BhThread *thread = bh_thread_new("caller", BH_RANK_CALLBACK, caller, session);

  caller(session);
  bh_thread_join(thread);
}

static void hook_with_calls_then_termination(gconstpointer data) {
  BhThread *late;
  Session session;

  (void)data;
  session_init(&session);
  late = bh_thread_new("late", BH_RANK_CALLBACK, caller, &session);
  bh_instance_lock_acquire(&session.gate.instance);
  shared->notify(&session.gate, NULL, hook, &session);
  end_vm(&session);
  bh_instance_lock_release(&session.gate.instance);
  bh_thread_join(late);
  bh_explore_expect(session.runs == 3, "%u calls ran", session.runs);
  session_clear(&session);
}

static gpointer change(gpointer data) {
  Session *session = data;

  bh_instance_lock_acquire(&session->gate.instance);
  end_vm(session);
  bh_instance_lock_release(&session->gate.instance);
  return NULL;
}

static void two_changes_and_a_call(gconstpointer data) {
  BhThread *threads[2];
  Session session;

  (void)data;
  session_init(&session);
  threads[0] = bh_thread_new("caller", BH_RANK_CALLBACK, caller, &session);
  threads[1] = bh_thread_new("change", BH_RANK_SESSION_TABLE, change, &session);
  change(&session);
  join_all(threads, 2);
  session_clear(&session);
}

/* The order is instance, then callback: a call that wants the instance lock is a mistake. */
static void want_instance(gpointer data) {
  Session *session = data;
  bh_instance_lock_acquire(&session->gate.instance);
}

static void reverse_order(gconstpointer data) {
  Session session;

  (void)data;
  session_init(&session);
  shared->call(&session.gate, want_instance, &session);
}

static const BhProtocol protocols[] = {
    {"termination-drains-a-call", "a VM's end waits for the call that looks at it",
     .run = termination_drains_calls, .data = GUINT_TO_POINTER(1), .bound = BH_EXPLORE_NO_BOUND},
    {"termination-drains-calls", "three of them", .run = termination_drains_calls, .data = GUINT_TO_POINTER(3),
     .alike = TRUE},
    {"hook-with-calls-then-termination", "calls beside a hook, then the VM's end",
     .run = hook_with_calls_then_termination},
    {"two-changes-and-a-call", "changes one after the other, and a call between them or not",
     .run = two_changes_and_a_call, .bound = BH_EXPLORE_NO_BOUND},
    {"call-that-wants-the-instance", "the reverse order is reported", .run = reverse_order,
     .expects = "lock order: *takes instance lock *while it holds callback lock *"},
};

const BhProtocolTable bh_protocols_callbacks = {protocols, G_N_ELEMENTS(protocols)};
