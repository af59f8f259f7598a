/* What was put there is found: at which bound, and in which words. */
#include "shared.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- What was put there ------------------------------------------------------------------------------------------- */

/* Two locks made of one monitor, of which lock-order does not know. */
static void take(Shared *shared, gboolean *flag) {
  bh_mutex_lock(&shared->inner);
  while (*flag) bh_cond_wait(&shared->changed, &shared->inner);
  *flag = TRUE;
  bh_mutex_unlock(&shared->inner);
}

static void drop(Shared *shared, gboolean *flag) {
  bh_mutex_lock(&shared->inner);
  *flag = FALSE;
  bh_cond_broadcast(&shared->changed);
  bh_mutex_unlock(&shared->inner);
}

static gpointer take_in_order(gpointer data) {
  Shared *shared = data;
  take(shared, &shared->flag);
  take(shared, &shared->other_flag);
  drop(shared, &shared->other_flag);
  drop(shared, &shared->flag);
  return NULL;
}

static gpointer take_in_reverse(gpointer data) {
  Shared *shared = data;
  take(shared, &shared->other_flag);
  take(shared, &shared->flag);
  drop(shared, &shared->flag);
  drop(shared, &shared->other_flag);
  return NULL;
}

static void two_locks_in_both_orders(gconstpointer data) {
  (void)data;
  meet(take_in_order, take_in_reverse);
}

static void finds_a_deadlock(void) {
  assert_found_at_one(two_locks_in_both_orders, "deadlock: main waits for the end of *; "
                                                "one waits for a condition with inner; "
                                                "two waits for a condition with inner");
}

static gpointer take_mutexes_in_reverse(gpointer data) {
  Shared *shared = data;
  bh_mutex_lock(&shared->inner);
  bh_mutex_lock(&shared->outer);
  bh_mutex_unlock(&shared->outer);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static gpointer take_mutexes(gpointer data) {
  Shared *shared = data;
  bh_mutex_lock(&shared->outer);
  bh_mutex_lock(&shared->inner);
  bh_mutex_unlock(&shared->inner);
  bh_mutex_unlock(&shared->outer);
  return NULL;
}

static void mutexes_in_both_orders(gconstpointer data) {
  (void)data;
  meet(take_mutexes, take_mutexes_in_reverse);
}

/* No interleaving is needed for it; the one in which they would block each other says who is on the other side. */
static void finds_the_wrong_order(void) {
  assert_found(mutexes_in_both_orders, 0, "lock order: thread 3 takes outer * while it holds inner *");
}

/* Under a schedule in which the two of them would block each other, the report has both halves. */
static void finds_both_sides_of_the_wrong_order(void) {
  static const char both[] =
      "lock order: thread 3 takes outer (rank 4) at *test-findings.c:* while it holds inner (rank 6) "
      "from *test-findings.c:*; thread 2 has outer from *test-findings.c:*";
  const BhProtocol protocol = {.name = "test", .run = mutexes_in_both_orders};
  const BhExploreOptions options = {0};
  gboolean found = FALSE;

  for (guint64 seed = 1; seed < 1000 && !found; seed++) {
    g_auto(BhExploreReport) report = {0};
    bh_explore_random(&protocol, &options, 1, seed, &report);
    found = g_pattern_match_simple(both, report.finding);
  }
  g_assert_true(found);
}

static void finds_a_lost_wake_up(void) {
  assert_found_at_one(careless_wait,
                      "lost wake-up: *one waits for a condition with inner, signalled before when nobody waited");
}

static gpointer run_if_nobody_has(gpointer data) {
  Shared *shared = data;
  gboolean done;

  bh_mutex_lock(&shared->inner);
  done = shared->flag;
  bh_mutex_unlock(&shared->inner);
  if (done) return NULL;
  bh_mutex_lock(&shared->inner);
  bh_explore_once(&shared->runs, "the work");
  shared->flag = TRUE;
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static void work_for_one(gconstpointer data) {
  (void)data;
  meet(run_if_nobody_has, run_if_nobody_has);
}

static void finds_double_execution(void) {
  assert_found_at_one(work_for_one, "double execution: the work runs for the second time");
}

static gpointer add_one(gpointer data) {
  Shared *shared = data;
  guint value;

  bh_mutex_lock(&shared->inner);
  value = shared->value;
  bh_mutex_unlock(&shared->inner);
  bh_mutex_lock(&shared->inner);
  shared->value = value + 1;
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static void lost_update(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  run_both(&shared, add_one, add_one);
  bh_explore_expect(shared.value == 2, "the value is %u", shared.value);
  clear(&shared);
}

static void finds_an_unfulfilled_expectation(void) {
  assert_found_at_one(lost_update,
                      "unfulfilled expectation: *test-findings.c:*: shared.value == 2: the value is 1");
}

/* --- What a program can do wrong besides ------------------------------------------------------------------------- */

static void failing_assertion(gconstpointer data) {
  g_assert_cmpint(GPOINTER_TO_INT(data), ==, 1);
}

static void fatal_message(gconstpointer data) {
  (void)data;
  g_error("so it goes");
}

static void critical_message(gconstpointer data) {
  (void)data;
  g_critical("that should not be");
}

/* UndefinedBehaviorSanitizer would end the process, which is not what is to be seen here. */
__attribute__((no_sanitize("undefined"))) static void null_dereference(gconstpointer data) {
  guint *volatile nothing = (guint *)data;
  *nothing = 1;
}

static void never_joined(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  bh_thread_new("lonely", BH_RANK_LEAF, add_one, &shared);
}

static void use_after_clear(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  clear(&shared);
  bh_mutex_lock(&shared.inner);
}

static gpointer wait_for_flag(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  while (!shared->flag) bh_cond_wait(&shared->changed, &shared->inner);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static gpointer clear_too_soon(gpointer data) {
  Shared *shared = data;
  bh_cond_clear(&shared->changed);
  return NULL;
}

static void clear_while_waited_for(gconstpointer data) {
  (void)data;
  meet(wait_for_flag, clear_too_soon);
}

static void without_end(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  for (;;) add_one(&shared);
}

/* With an end to it, which the compiler must believe in. */
static guint deeper(volatile guint *depth) {
  volatile guint more = *depth + 1;
  return more == 0 ? 0 : deeper(&more) + more;
}

static void stack_overflow(gconstpointer data) {
  volatile guint depth = 1;
  (void)data;
  deeper(&depth);
}

static void without_choice_points(gconstpointer data) {
  volatile gboolean flag = data != NULL;
  while (!flag) continue;
}

static void double_unlock(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  bh_mutex_lock(&shared.inner);
  bh_mutex_unlock(&shared.inner);
  bh_mutex_unlock(&shared.inner);
}

static gpointer unlock(gpointer data) {
  bh_mutex_unlock(&((Shared *)data)->inner);
  return NULL;
}

static void unlock_by_another(gconstpointer data) {
  (void)data;
  meet(take_mutexes, unlock);
}

static void wait_without_lock(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  bh_mutex_lock(&shared.outer);
  bh_cond_wait(&shared.changed, &shared.inner);
}

static gpointer wait_with_outer(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->outer);
  while (!shared->flag) bh_cond_wait(&shared->changed, &shared->outer);
  bh_mutex_unlock(&shared->outer);
  return NULL;
}

static void wait_with_two_locks(gconstpointer data) {
  (void)data;
  meet(wait_for_flag, wait_with_outer);
}

static void signal_after_clear(gconstpointer data) {
  Shared shared;

  (void)data;
  init(&shared);
  clear(&shared);
  bh_cond_signal(&shared.changed);
}

static gpointer lock_and_end(gpointer data) {
  bh_mutex_lock(&((Shared *)data)->inner);
  return NULL;
}

static void ends_with_a_lock(gconstpointer data) {
  (void)data;
  meet(lock_and_end, set_carelessly);
}

static gpointer leave_a_thread(gpointer data) {
  bh_thread_new("grandchild", BH_RANK_LEAF, add_one, data);
  return NULL;
}

static void grandchild_never_joined(gconstpointer data) {
  (void)data;
  meet(leave_a_thread, set_carelessly);
}

/* Two are blocked for good, and a third one wakes up now and then. */
static gpointer wake_up_now_and_then(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  while (!shared->other_flag)
    bh_cond_wait_until(&shared->changed, &shared->inner, bh_clock_deadline(G_USEC_PER_SEC));
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static void deadlock_beside_timed_waits(gconstpointer data) {
  (void)data;
  meet(wait_for_flag, wake_up_now_and_then);
}

static guint executions;

static void other_threads_each_time(gconstpointer data) {
  (void)data;
  meet(add_one, executions++ % 2 == 0 ? add_one : set_carelessly);
}

static void shorter_each_time(gconstpointer data) {
  (void)data;
  if (executions++ == 0) meet(add_one, add_one);
}

static void finds_what_is_not_the_same_again(void) {
  executions = 0;
  assert_found(other_threads_each_time, 2, "not the same again: *");
  executions = 0;
  assert_found(shorter_each_time, 2, "not the same again: it ended earlier than before");
}

static void finds_misuse_of_locks(void) {
  assert_found(double_unlock, 0, "assertion: *mutex->owner == *");
  assert_found(unlock_by_another, 0, "assertion: *mutex->owner == *");
  assert_found(wait_without_lock, 0, "assertion: *mutex->owner == *");
  assert_found(wait_with_two_locks, 0, "misuse: * waits for a condition with *, while * with another mutex (*)");
  assert_found(signal_after_clear, 0, "misuse: main uses a condition that was cleared");
  assert_found(ends_with_a_lock, 0, "misuse: one ends, and has 1 mutexes still");
}

static void finds_no_end(void) {
  assert_found(without_end, 0, "no end: after *");
  assert_found(deadlock_beside_timed_waits, 0, "no end: after *");
  assert_found(without_choice_points, 0, "no end: it goes on, and comes to no choice point");
}

static void finds_misuse_and_crashes(void) {
  assert_found(failing_assertion, 0, "assertion: *test-findings.c:*assertion failed*");
  assert_found(null_dereference, 0, "crash: *");
  assert_found(never_joined, 0, "misuse: lonely was never joined");
  assert_found(use_after_clear, 0, "misuse: main uses a mutex that was cleared: inner");
  assert_found(clear_while_waited_for, 1, "misuse: two clears a condition that one waits for");
  assert_found(grandchild_never_joined, 0, "misuse: grandchild was never joined");
  assert_found(stack_overflow, 0, "crash: *");
  assert_found(stack_overflow, 0, "crash: *"); /* the same stack again */
}

/* In a process of its own: what is abandoned inside of GLib's log stays inside of it, and later messages are garbled. */
static void assert_found_apart(void (*run)(gconstpointer data), const char *pattern) {
  pid_t child = fork();
  int status;

  if (child == 0) {
    assert_found(run, 0, pattern);
    _exit(0);
  }
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(status, ==, 0);
}

static void finds_messages(void) {
  assert_found_apart(fatal_message, "assertion: so it goes");
  assert_found_apart(critical_message, "assertion: that should not be");
}

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif

#ifdef WITH_ASAN
static gpointer nothing(gpointer data) {
  return data;
}

/* The last one to leave frees; but one looks at it again after it has left. */
static gpointer leave_and_look(gpointer data) {
  Shared *shared = data;
  guint left;

  bh_mutex_lock(&shared->inner);
  left = ++shared->runs;
  bh_mutex_unlock(&shared->inner);
  if (left < 2) {
    bh_thread_join(bh_thread_new("pause", BH_RANK_LEAF, nothing, NULL));
    bh_explore_expect(shared->runs > 0, "nobody has left");
  } else {
    clear(shared);
    g_free(shared);
  }
  return NULL;
}

static void freed_too_soon(gconstpointer data) {
  Shared *shared = g_new(Shared, 1);

  (void)data;
  init(shared);
  run_both(shared, leave_and_look, leave_and_look);
}

/* The sanitizer ends the process; what it says on the way is the seed, among other things. */
static void finds_use_after_free(void) {
  char said[65536] = "";
  gsize length = 0;
  gssize more;
  int ends[2], status;
  pid_t child;

  g_assert_no_errno(pipe(ends));
  child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    assert_found(freed_too_soon, 1, "none");
    _exit(0);
  }
  close(ends[1]);
  while ((more = read(ends[0], said + length, sizeof said - 1 - length)) > 0) length += (gsize)more;
  close(ends[0]);
  g_assert_cmpint(waitpid(child, &status, 0), ==, child);
  g_assert_cmpint(status, !=, 0);
  g_assert_nonnull(strstr(said, "heap-use-after-free"));
  g_assert_nonnull(strstr(said, "seed: test::"));
}
#else
static void finds_use_after_free(void) {
  g_test_skip("not built with AddressSanitizer");
}
#endif

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/findings/deadlock", finds_a_deadlock);
  g_test_add_func("/findings/wrong-order", finds_the_wrong_order);
  g_test_add_func("/findings/both-sides-of-the-wrong-order", finds_both_sides_of_the_wrong_order);
  g_test_add_func("/findings/lost-wake-up", finds_a_lost_wake_up);
  g_test_add_func("/findings/double-execution", finds_double_execution);
  g_test_add_func("/findings/unfulfilled-expectation", finds_an_unfulfilled_expectation);
  g_test_add_func("/findings/misuse-and-crashes", finds_misuse_and_crashes);
  g_test_add_func("/findings/misuse-of-locks", finds_misuse_of_locks);
  g_test_add_func("/findings/no-end", finds_no_end);
  g_test_add_func("/findings/not-the-same-again", finds_what_is_not_the_same_again);
  g_test_add_func("/findings/messages", finds_messages);
  g_test_add_func("/findings/use-after-free", finds_use_after_free);
  return g_test_run();
}
