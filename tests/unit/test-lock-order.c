/* The order of locks: what is reported, in which words, and what is not. */
#include "core/lock-order.h"
#include "tests/common/gate.h"

#include <string.h>
#ifndef G_OS_WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

static const BhLockClass instance_class = {"instance", BH_RANK_INSTANCE, TRUE};
static const BhLockClass manager_class = {"manager", BH_RANK_MANAGER, FALSE};
static const BhLockClass queue_class = {"queue", BH_RANK_LEAF, FALSE};
static const BhLockClass log_class = {"log", BH_RANK_LEAF, FALSE};

/* The recursive one is a monitor: it has no mutex of its own here, and tells the observer itself. */
typedef struct {
  int instance;
  BhMutex manager, queue, log;
  GPtrArray *reports; /* char * */
} Fixture;

static void note_report(const char *report, gpointer data) {
  g_ptr_array_add(data, g_strdup(report));
}

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  fixture->reports = g_ptr_array_new_with_free_func(g_free);
  bh_lock_order_start_with(note_report, fixture->reports);
  bh_mutex_init(&fixture->manager, &manager_class);
  bh_mutex_init(&fixture->queue, &queue_class);
  bh_mutex_init(&fixture->log, &log_class);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_clear(&fixture->manager);
  bh_mutex_clear(&fixture->queue);
  bh_mutex_clear(&fixture->log);
  bh_lock_order_stop();
  g_ptr_array_unref(fixture->reports);
}

#define assert_no_report(fixture) g_assert_cmpuint((fixture)->reports->len, ==, 0)

/* There is one report, and it is this one; it names the calling thread. */
static void assert_report(Fixture *fixture, const char *expected) {
  g_autofree char *whole = g_strdup_printf("thread %" G_GUINT64_FORMAT " %s", bh_thread_number(), expected);

  g_assert_cmpuint(fixture->reports->len, ==, 1);
  g_assert_cmpstr(fixture->reports->pdata[0], ==, whole);
  g_ptr_array_set_size(fixture->reports, 0);
}

static void take_instance(Fixture *fixture, const char *site) {
  bh_sync_note_acquire(&instance_class, &fixture->instance, site);
}

static void drop_instance(Fixture *fixture) {
  bh_sync_note_release(&instance_class, &fixture->instance);
}

/* --- Proper use ----------------------------------------------------------------------------------------- */

static void growing_ranks_are_in_order(Fixture *fixture, gconstpointer data) {
  (void)data;
  for (guint i = 0; i < 2; i++) {
    take_instance(fixture, "a");
    bh_mutex_lock(&fixture->manager);
    bh_mutex_lock(&fixture->queue);
    bh_mutex_unlock(&fixture->queue);
    bh_mutex_lock(&fixture->log);
    bh_mutex_unlock(&fixture->log);
    bh_mutex_unlock(&fixture->manager);
    drop_instance(fixture);
  }
  assert_no_report(fixture);
}

static void locks_may_be_released_in_any_order(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock(&fixture->manager);
  bh_mutex_lock(&fixture->queue);
  bh_mutex_unlock(&fixture->manager);
  bh_mutex_unlock(&fixture->queue);
  take_instance(fixture, "a"); /* nothing is held any more */
  drop_instance(fixture);
  assert_no_report(fixture);
}

static void a_recursive_lock_may_be_taken_again_below_others(Fixture *fixture, gconstpointer data) {
  (void)data;
  take_instance(fixture, "a");
  take_instance(fixture, "b");
  bh_mutex_lock(&fixture->manager);
  take_instance(fixture, "c"); /* held already, so nobody can be waited for */
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->manager);
  drop_instance(fixture);
  drop_instance(fixture);
  assert_no_report(fixture);
}

/* --- Violations ----------------------------------------------------------------------------------------- */

static void a_lower_rank_is_reported_with_both_names_and_places(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  take_instance(fixture, "session.c:20");
  assert_report(fixture,
                "takes instance (rank 2) at session.c:20 while it holds manager (rank 4) from manager.c:10");
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->manager);
  assert_no_report(fixture);
}

static void a_leaf_under_a_leaf_is_reported(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock_at(&fixture->queue, "queue.c:1");
  bh_mutex_lock_at(&fixture->log, "log.c:2");
  assert_report(fixture, "takes log (rank 6) at log.c:2 while it holds queue (rank 6) from queue.c:1");
  bh_mutex_unlock(&fixture->log);
  bh_mutex_unlock(&fixture->queue);
}

static void another_lock_of_a_recursive_class_is_reported(Fixture *fixture, gconstpointer data) {
  int other;

  (void)data;
  take_instance(fixture, "a");
  bh_sync_note_acquire(&instance_class, &other, "b");
  assert_report(fixture, "takes instance (rank 2) at b while it holds instance (rank 2) from a");
  bh_sync_note_release(&instance_class, &other);
  drop_instance(fixture);
}

/* Reported before the thread waits for itself; told by hand, as it would wait for ever. */
static void taking_a_lock_again_is_reported_when_its_class_is_not_recursive(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock_at(&fixture->manager, "first.c:1");
  bh_sync_note_acquire(&manager_class, &fixture->manager, "second.c:2");
  assert_report(fixture, "takes manager (rank 4) at second.c:2, which it took at first.c:1 already");
  bh_sync_note_release(&manager_class, &fixture->manager);
  bh_mutex_unlock(&fixture->manager);
}

static void each_lock_in_the_way_is_reported(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock(&fixture->manager);
  bh_mutex_lock(&fixture->queue);
  take_instance(fixture, "a");
  g_assert_cmpuint(fixture->reports->len, ==, 2);
  g_assert_nonnull(g_strrstr(fixture->reports->pdata[0], "holds manager"));
  g_assert_nonnull(g_strrstr(fixture->reports->pdata[1], "holds queue"));
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->queue);
  bh_mutex_unlock(&fixture->manager);
}

static void the_place_is_that_of_the_macro(Fixture *fixture, gconstpointer data) {
  g_autofree char *here = NULL;

  (void)data;
  bh_mutex_lock(&fixture->manager);
  here = g_strdup_printf("from %s:%d", __FILE__, __LINE__ - 1);
  take_instance(fixture, "a");
  g_assert_true(g_str_has_suffix(fixture->reports->pdata[0], here));
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->manager);
}

static void releasing_what_is_not_held_is_reported(Fixture *fixture, gconstpointer data) {
  (void)data;
  drop_instance(fixture);
  assert_report(fixture, "releases instance, which it does not hold");
  take_instance(fixture, "a");
  drop_instance(fixture);
  drop_instance(fixture);
  assert_report(fixture, "releases instance, which it does not hold");
}

/* --- Waiting for a thread ------------------------------------------------------------------------------- */

static gpointer do_nothing(gpointer data) {
  return data;
}

static void waiting_for_a_thread_counts_as_taking_its_locks(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  bh_thread_join(bh_thread_new("worker", BH_RANK_SESSION_TABLE, do_nothing, NULL));
  assert_report(fixture, "waits for the end of thread 'worker', which may take locks from rank 1 on, "
                         "while it holds manager (rank 4) from manager.c:10");
  bh_thread_join(bh_thread_new("equal", BH_RANK_MANAGER, do_nothing, NULL));
  g_assert_cmpuint(fixture->reports->len, ==, 1);
  g_ptr_array_set_size(fixture->reports, 0);

  bh_thread_join(bh_thread_new("modest", BH_RANK_LEAF, do_nothing, NULL));
  bh_mutex_unlock(&fixture->manager);
  bh_thread_join(bh_thread_new("any", BH_RANK_SESSION_TABLE, do_nothing, NULL));
  assert_no_report(fixture);
}

static gpointer take_manager(gpointer data) {
  Fixture *fixture = data;

  bh_mutex_lock_at(&fixture->manager, "worker.c:1");
  bh_mutex_unlock(&fixture->manager);
  return NULL;
}

static void a_thread_is_held_to_what_it_promised(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_thread_join(bh_thread_new("honest", BH_RANK_MANAGER, take_manager, fixture));
  assert_no_report(fixture);
  bh_thread_join(bh_thread_new("liar", BH_RANK_LEAF, take_manager, fixture));
  g_assert_cmpuint(fixture->reports->len, ==, 1);
  g_assert_true(g_str_has_suffix(fixture->reports->pdata[0],
                                 " takes manager (rank 4) at worker.c:1, but promised to take none below rank 6"));
}

typedef struct {
  Fixture *fixture;
  BhGate holds, go;
} Elsewhere;

static gpointer hold_manager(gpointer data) {
  Elsewhere *elsewhere = data;

  bh_mutex_lock(&elsewhere->fixture->manager);
  bh_gate_open(&elsewhere->holds);
  bh_gate_pass(&elsewhere->go);
  bh_mutex_unlock(&elsewhere->fixture->manager);
  return NULL;
}

static void what_another_thread_holds_is_not_in_the_way(Fixture *fixture, gconstpointer data) {
  Elsewhere elsewhere = {.fixture = fixture};
  BhThread *thread;

  (void)data;
  bh_gate_init(&elsewhere.holds);
  bh_gate_init(&elsewhere.go);
  thread = bh_thread_new("other", BH_RANK_MANAGER, hold_manager, &elsewhere);
  bh_gate_pass(&elsewhere.holds);
  take_instance(fixture, "here");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "it works");
  drop_instance(fixture);
  bh_gate_open(&elsewhere.go);
  bh_thread_join(thread);
  assert_no_report(fixture);
  bh_gate_clear(&elsewhere.holds);
  bh_gate_clear(&elsewhere.go);
}

/* --- The other thread: who has the lock that is wanted ------------------------------------------------ */

typedef struct {
  Fixture *fixture;
  BhGate waits, has, go; /* each: one pass */
  guint64 number;
} Other;

static gpointer have_instance(gpointer data) {
  Other *other = data;

  other->number = bh_thread_number();
  bh_sync_note_acquire(&instance_class, &other->fixture->instance, "session.c:31");
  bh_gate_open(&other->waits);
  bh_gate_pass(&other->go);
  bh_sync_note_acquired(&instance_class, &other->fixture->instance);
  bh_gate_open(&other->has);
  bh_gate_pass(&other->go);
  bh_sync_note_release(&instance_class, &other->fixture->instance);
  return NULL;
}

static void assert_report_with_other(Fixture *fixture, const char *expected, guint64 other, const char *ending) {
  g_autofree char *whole = g_strdup_printf("%s; thread %" G_GUINT64_FORMAT " %s", expected, other, ending);
  assert_report(fixture, whole);
}

#define IN_THE_WRONG_ORDER \
  "takes instance (rank 2) at session.c:20 while it holds manager (rank 4) from manager.c:10"

static void who_has_the_lock_is_named_and_from_where(Fixture *fixture, gconstpointer data) {
  Other other = {.fixture = fixture};
  BhThread *thread;

  (void)data;
  bh_gate_init(&other.waits);
  bh_gate_init(&other.has);
  bh_gate_init(&other.go);
  thread = bh_thread_new("other", BH_RANK_INSTANCE, have_instance, &other);
  bh_gate_pass(&other.waits);
  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  take_instance(fixture, "session.c:20");
  assert_report(fixture, IN_THE_WRONG_ORDER); /* the other one waits for it too, and does not have it */
  drop_instance(fixture);

  bh_gate_let_one(&other.go);
  bh_gate_pass(&other.has);
  take_instance(fixture, "session.c:20");
  assert_report_with_other(fixture, IN_THE_WRONG_ORDER, other.number, "has instance from session.c:31");
  drop_instance(fixture);

  bh_gate_let_one(&other.go);
  bh_mutex_unlock(&fixture->manager);
  bh_thread_join(thread);
  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  take_instance(fixture, "session.c:20");
  assert_report(fixture, IN_THE_WRONG_ORDER); /* it has let it go */
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->manager);
  bh_gate_clear(&other.waits);
  bh_gate_clear(&other.has);
  bh_gate_clear(&other.go);
}

typedef struct {
  Fixture *fixture;
  BhCond *never;
  BhGate waits, has, go;
  guint64 number;
} Waiter;

static Waiter *watched;

static void open_when_it_waits(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock_class;
  if (lock == &watched->fixture->manager) bh_gate_open(&watched->waits);
}

static gpointer wait_with_manager(gpointer data) {
  Waiter *waiter = data;

  waiter->number = bh_thread_number();
  bh_mutex_lock_at(&waiter->fixture->manager, "waiter.c:1");
  bh_cond_wait(waiter->never, &waiter->fixture->manager);
  bh_gate_open(&waiter->has);
  bh_gate_pass(&waiter->go);
  bh_mutex_unlock(&waiter->fixture->manager);
  return NULL;
}

/* A leaf is held and manager wanted, told by hand: first while the other thread waits with it, then when it has it again. */
static void one_who_waits_for_a_condition_does_not_have_its_mutex(Fixture *fixture, gconstpointer data) {
  static const BhSyncObserver watching = {.wait = open_when_it_waits};
  static const char expected[] = "takes manager (rank 4) at here.c:2 while it holds queue (rank 6) from here.c:1";
  BhCond never;
  Waiter waiter = {.fixture = fixture, .never = &never};
  BhThread *thread;

  (void)data;
  bh_cond_init(&never);
  bh_gate_init(&waiter.waits);
  bh_gate_init(&waiter.has);
  bh_gate_init(&waiter.go);
  watched = &waiter;
  bh_sync_add_observer(&watching);
  thread = bh_thread_new("waiter", BH_RANK_MANAGER, wait_with_manager, &waiter);
  bh_gate_pass(&waiter.waits);
  bh_mutex_lock(&fixture->manager); /* from here on it does wait */
  bh_mutex_unlock(&fixture->manager);

  bh_mutex_lock_at(&fixture->queue, "here.c:1");
  bh_sync_note_acquire(&manager_class, &fixture->manager, "here.c:2");
  assert_report(fixture, expected);
  bh_sync_note_release(&manager_class, &fixture->manager);
  bh_cond_signal(&never);
  bh_gate_pass(&waiter.has);
  bh_sync_note_acquire(&manager_class, &fixture->manager, "here.c:2");
  assert_report_with_other(fixture, expected, waiter.number, "has manager from waiter.c:1");
  bh_sync_note_release(&manager_class, &fixture->manager);
  bh_mutex_unlock(&fixture->queue);

  bh_gate_open(&waiter.go);
  bh_thread_join(thread);
  bh_sync_remove_observer(&watching);
  bh_gate_clear(&waiter.waits);
  bh_gate_clear(&waiter.has);
  bh_gate_clear(&waiter.go);
  bh_cond_clear(&never);
}

/* --- Where a notification leaves ------------------------------------------------------------------------ */

static void nothing_but_one_lock_may_be_held(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_lock_order_assert_only(NULL, NULL, "notifying");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "notifying"); /* it need not be held */
  take_instance(fixture, "session.c:20");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "notifying");
  take_instance(fixture, "session.c:21");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "notifying");
  assert_no_report(fixture);
  drop_instance(fixture);
  bh_lock_order_assert_only(NULL, NULL, "OnSessionCreated");
  assert_report(fixture, "holds instance from session.c:20 at: OnSessionCreated");
  bh_lock_order_assert_only(&instance_class, &fixture->manager, "OnVMStarted"); /* another one's */
  assert_report(fixture, "holds instance from session.c:20 at: OnVMStarted");

  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "OnVMStarted");
  assert_report(fixture, "holds manager from manager.c:10 at: OnVMStarted");
  bh_mutex_unlock(&fixture->manager);
  drop_instance(fixture);
}

/* The mistake of old: a notification that leaves under the session table's lock, of a rank below the instance's. */
static void a_lower_lock_is_in_the_way_too(Fixture *fixture, gconstpointer data) {
  static const BhLockClass table_class = {"session table", BH_RANK_SESSION_TABLE, FALSE};
  BhMutex table;

  (void)data;
  bh_mutex_init(&table, &table_class);
  bh_mutex_lock_at(&table, "service.c:30");
  bh_lock_order_assert_only(&instance_class, &fixture->instance, "OnVMStarted");
  assert_report(fixture, "holds session table from service.c:30 at: OnVMStarted");
  bh_mutex_unlock(&table);
  bh_mutex_clear(&table);
}

/* --- Recursion ------------------------------------------------------------------------------------------ */

/* What was wrong the first time was said then. */
static void taking_again_what_was_taken_wrongly_is_said_once(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock_at(&fixture->manager, "manager.c:10");
  take_instance(fixture, "session.c:20");
  assert_report(fixture, IN_THE_WRONG_ORDER);
  take_instance(fixture, "session.c:21");
  assert_no_report(fixture);
  drop_instance(fixture);
  drop_instance(fixture);
  bh_mutex_unlock(&fixture->manager);
}

/* --- Modes ---------------------------------------------------------------------------------------------- */

static void logging_says_the_first_and_goes_on(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_lock_order_start(BH_LOCK_ORDER_LOG);
  g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_CRITICAL,
                        "lock order: thread * releases instance, which it does not*");
  drop_instance(fixture);
  g_test_assert_expected_messages();
  drop_instance(fixture); /* says nothing: a message that nobody expects would end the test */
  assert_no_report(fixture);
}

/* This test is part of every build, and those with assertions are ended by a violation. */
static void the_build_chooses_the_mode(void) {
#ifdef NDEBUG
  g_assert_cmpint(bh_lock_order_mode_of_build(), ==, BH_LOCK_ORDER_LOG);
#else
  g_assert_cmpint(bh_lock_order_mode_of_build(), ==, BH_LOCK_ORDER_FATAL);
#endif
}

#ifdef G_OS_WIN32
static void fatal_ends_the_process(Fixture *fixture, gconstpointer data) {
  (void)fixture, (void)data;
  g_test_skip("no fork; and GLib's own way to run a test in another process needs its gspawn program");
}
#else
/* By fork, as g_test_trap_subprocess leaves a thread of GLib's behind, which valgrind takes for a leak. */
static void fatal_ends_the_process(Fixture *fixture, gconstpointer data) {
  char said[4096] = "";
  gsize length = 0;
  gssize more;
  int ends[2], status;
  pid_t child;

  (void)data;
  g_assert_no_errno(pipe(ends));
  child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    bh_lock_order_start(BH_LOCK_ORDER_FATAL);
    drop_instance(fixture);
    _exit(0);
  }
  close(ends[1]);
  while ((more = read(ends[0], said + length, sizeof said - 1 - length)) > 0) length += (gsize)more;
  close(ends[0]);
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_true(WIFSIGNALED(status));
  g_assert_nonnull(strstr(said, "lock order: thread "));
  g_assert_nonnull(strstr(said, " releases instance, which it does not hold"));
}
#endif

int main(int argc, char **argv) {
#define ADD(path, func) g_test_add("/lock-order/" path, Fixture, NULL, set_up, func, tear_down)
  g_test_init(&argc, &argv, NULL);
  ADD("growing-ranks-are-in-order", growing_ranks_are_in_order);
  ADD("locks-may-be-released-in-any-order", locks_may_be_released_in_any_order);
  ADD("a-recursive-lock-may-be-taken-again-below-others", a_recursive_lock_may_be_taken_again_below_others);
  ADD("reports/a-lower-rank-with-both-names-and-places", a_lower_rank_is_reported_with_both_names_and_places);
  ADD("reports/a-leaf-under-a-leaf", a_leaf_under_a_leaf_is_reported);
  ADD("reports/another-lock-of-a-recursive-class", another_lock_of_a_recursive_class_is_reported);
  ADD("reports/taking-a-lock-again-when-its-class-is-not-recursive",
      taking_a_lock_again_is_reported_when_its_class_is_not_recursive);
  ADD("reports/each-lock-in-the-way", each_lock_in_the_way_is_reported);
  ADD("reports/the-place-of-the-macro", the_place_is_that_of_the_macro);
  ADD("reports/releasing-what-is-not-held", releasing_what_is_not_held_is_reported);
  ADD("waiting-for-a-thread-counts-as-taking-its-locks", waiting_for_a_thread_counts_as_taking_its_locks);
  ADD("a-thread-is-held-to-what-it-promised", a_thread_is_held_to_what_it_promised);
  ADD("what-another-thread-holds-is-not-in-the-way", what_another_thread_holds_is_not_in_the_way);
  ADD("reports/who-has-the-lock", who_has_the_lock_is_named_and_from_where);
  ADD("reports/not-one-who-waits-for-a-condition", one_who_waits_for_a_condition_does_not_have_its_mutex);
  ADD("reports/a-wrong-order-once", taking_again_what_was_taken_wrongly_is_said_once);
  ADD("nothing-but-one-lock-may-be-held", nothing_but_one_lock_may_be_held);
  ADD("a-lower-lock-is-in-the-way-too", a_lower_lock_is_in_the_way_too);
  ADD("logging-says-the-first-and-goes-on", logging_says_the_first_and_goes_on);
  g_test_add_func("/lock-order/the-build-chooses-the-mode", the_build_chooses_the_mode);
  ADD("fatal-ends-the-process", fatal_ends_the_process);
  return g_test_run();
}
