/* Kept threads: a job begins at once or not at all, threads are used again, and none is left behind. */
#include "core/lock-order.h"
#include "core/workers.h"

#define JOBS 8

/* Far away: reached only when the test has failed, which would otherwise hang. */
#define FAR_AWAY (20 * G_USEC_PER_SEC)

static const BhLockClass shared_class = {"test", BH_RANK_LEAF, FALSE};

/* What the jobs of a test share. */
typedef struct {
  BhMutex lock; /* guards all below */
  BhCond changed;
  guint begun, ended;
  gboolean gate_open;
  GHashTable *threads; /* a set of those that ran a job */
} Shared;

typedef struct {
  BhWorkers *workers;
  Shared shared;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  fixture->workers = bh_workers_new("worker");
  bh_mutex_init(&fixture->shared.lock, &shared_class);
  bh_cond_init(&fixture->shared.changed);
  fixture->shared.threads = g_hash_table_new(NULL, NULL);
}

static void open_gate(Shared *shared) {
  bh_mutex_lock(&shared->lock);
  shared->gate_open = TRUE;
  bh_cond_broadcast(&shared->changed);
  bh_mutex_unlock(&shared->lock);
}

static guint threads_left; /* how many more may be started; used by the posting thread only */

static gboolean may_start_thread(const char *name) {
  g_assert_cmpstr(name, ==, "worker");
  if (threads_left == 0) return FALSE;
  threads_left--;
  return TRUE;
}

static Shared *opened_at_join;

static void on_join(const char *name, BhLockRank lowest) {
  (void)lowest;
  g_assert_cmpstr(name, ==, "worker");
  open_gate(opened_at_join);
}

static const BhSyncObserver thread_limit = {.may_start_thread = may_start_thread};
static const BhSyncObserver join_watch = {.join = on_join};

static void free_workers(Fixture *fixture) {
  g_clear_pointer(&fixture->workers, bh_workers_free);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  (void)data;
  free_workers(fixture);
  bh_sync_remove_observer(&thread_limit);
  bh_sync_remove_observer(&join_watch);
  bh_lock_order_stop();
  g_hash_table_unref(fixture->shared.threads);
  bh_cond_clear(&fixture->shared.changed);
  bh_mutex_clear(&fixture->shared.lock);
}

/* Waits, with the lock held, until *number has come so far. */
static void wait_for(Shared *shared, const guint *number, guint value) {
  gint64 deadline = bh_clock_now() + FAR_AWAY;
  while (*number < value)
    if (!bh_cond_wait_until(&shared->changed, &shared->lock, deadline)) g_error("only %u of %u", *number, value);
}

static void begin(Shared *shared) {
  bh_mutex_lock(&shared->lock);
  shared->begun++;
  g_hash_table_add(shared->threads, bh_thread_self());
  bh_cond_broadcast(&shared->changed);
}

static void end(Shared *shared) {
  shared->ended++;
  bh_cond_broadcast(&shared->changed);
  bh_mutex_unlock(&shared->lock);
}

/* --- Jobs ----------------------------------------------------------------------------------------------- */

static void run_and_end(gpointer data) {
  begin(data);
  end(data);
}

static void wait_for_all_to_have_begun(gpointer data) {
  begin(data);
  wait_for(data, &((Shared *)data)->begun, JOBS);
  end(data);
}

static void wait_for_the_gate(gpointer data) {
  Shared *shared = data;
  gint64 deadline = bh_clock_now() + FAR_AWAY;

  begin(shared);
  while (!shared->gate_open)
    if (!bh_cond_wait_until(&shared->changed, &shared->lock, deadline)) g_error("the gate stays shut");
  end(shared);
}

/* --- Tests ---------------------------------------------------------------------------------------------- */

static void a_job_runs_on_another_thread(Fixture *fixture, gconstpointer data) {
  (void)data;
  g_assert_true(bh_workers_post(fixture->workers, run_and_end, &fixture->shared));
  free_workers(fixture);
  g_assert_cmpuint(fixture->shared.ended, ==, 1);
  g_assert_cmpuint(g_hash_table_size(fixture->shared.threads), ==, 1);
  g_assert_false(g_hash_table_contains(fixture->shared.threads, bh_thread_self()));
}

/* Each job ends only when all have begun: were one queued behind another, none would. */
static void a_job_begins_at_once_whatever_the_others_wait_for(Fixture *fixture, gconstpointer data) {
  (void)data;
  for (guint i = 0; i < JOBS; i++)
    g_assert_true(bh_workers_post(fixture->workers, wait_for_all_to_have_begun, &fixture->shared));
  free_workers(fixture);
  g_assert_cmpuint(fixture->shared.ended, ==, JOBS);
  g_assert_cmpuint(g_hash_table_size(fixture->shared.threads), ==, JOBS);
}

/* The same from a job: a job may post another and wait for it. */
static void post_and_wait(gpointer data) {
  Fixture *fixture = data;
  Shared *shared = &fixture->shared;

  g_assert_true(bh_workers_post(fixture->workers, run_and_end, shared));
  bh_mutex_lock(&shared->lock);
  wait_for(shared, &shared->ended, 1);
  end(shared);
}

static void a_job_may_wait_for_one_it_posted(Fixture *fixture, gconstpointer data) {
  (void)data;
  g_assert_true(bh_workers_post(fixture->workers, post_and_wait, fixture));
  bh_mutex_lock(&fixture->shared.lock);
  wait_for(&fixture->shared, &fixture->shared.ended, 2);
  bh_mutex_unlock(&fixture->shared.lock);
}

/* --- With few threads to be had ------------------------------------------------------------------------- */

/* Before the first job: other threads must not use the observer meanwhile. */
static void allow_threads(guint count) {
  threads_left = count;
  bh_sync_add_observer(&thread_limit);
}

/* Posts as soon as the one thread is idle; in between, no other can be had. */
static void an_idle_thread_is_used_again(Fixture *fixture, gconstpointer data) {
  (void)data;
  allow_threads(1);
  for (guint i = 0; i < 100; i++) {
    gint64 deadline = bh_clock_now() + FAR_AWAY;
    while (!bh_workers_post(fixture->workers, run_and_end, &fixture->shared)) {
      g_assert_cmpint(bh_clock_now(), <, deadline);
      g_thread_yield();
    }
  }
  free_workers(fixture);
  g_assert_cmpuint(fixture->shared.ended, ==, 100);
  g_assert_cmpuint(g_hash_table_size(fixture->shared.threads), ==, 1);
}

static void that_no_thread_can_be_had_is_a_result(Fixture *fixture, gconstpointer data) {
  Shared *shared = &fixture->shared;

  (void)data;
  allow_threads(0);
  g_assert_false(bh_workers_post(fixture->workers, run_and_end, shared));

  /* One thread, and that is busy. */
  threads_left = 1;
  g_assert_true(bh_workers_post(fixture->workers, wait_for_the_gate, shared));
  g_assert_false(bh_workers_post(fixture->workers, run_and_end, shared));

  /* Another may be had again. */
  threads_left = 1;
  g_assert_true(bh_workers_post(fixture->workers, run_and_end, shared));
  open_gate(shared);
  free_workers(fixture);
  g_assert_cmpuint(shared->begun, ==, 2); /* what was refused did not run */
  g_assert_cmpuint(shared->ended, ==, 2);
}

/* --- The end -------------------------------------------------------------------------------------------- */

/* The gate opens only when free waits for a thread. */
static void free_waits_for_every_job(Fixture *fixture, gconstpointer data) {
  (void)data;
  opened_at_join = &fixture->shared;
  bh_sync_add_observer(&join_watch);
  for (guint i = 0; i < JOBS; i++)
    g_assert_true(bh_workers_post(fixture->workers, wait_for_the_gate, &fixture->shared));
  free_workers(fixture);
  g_assert_true(fixture->shared.gate_open);
  g_assert_cmpuint(fixture->shared.ended, ==, JOBS);
}

static void without_a_job_no_thread_is_made(Fixture *fixture, gconstpointer data) {
  (void)data;
  allow_threads(1);
  free_workers(fixture);
  fixture->workers = bh_workers_new("worker");
  g_assert_cmpuint(threads_left, ==, 1);
}

int main(int argc, char **argv) {
#define ADD(path, func) g_test_add("/workers/" path, Fixture, NULL, set_up, func, tear_down)
  g_test_init(&argc, &argv, NULL);
  ADD("a-job-runs-on-another-thread", a_job_runs_on_another_thread);
  ADD("a-job-begins-at-once-whatever-the-others-wait-for", a_job_begins_at_once_whatever_the_others_wait_for);
  ADD("a-job-may-wait-for-one-it-posted", a_job_may_wait_for_one_it_posted);
  ADD("an-idle-thread-is-used-again", an_idle_thread_is_used_again);
  ADD("that-no-thread-can-be-had-is-a-result", that_no_thread_can_be_had_is_a_result);
  ADD("free-waits-for-every-job", free_waits_for_every_job);
  ADD("without-a-job-no-thread-is-made", without_a_job_no_thread_is_made);
  return g_test_run();
}
