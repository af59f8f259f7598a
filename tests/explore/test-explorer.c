/* The explorer itself: that it tries every schedule and none twice, that it finds what was put there, and that what it finds
 * can be seen again. */
#include "backend-mock/explorer.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const BhLockClass outer_class = {"outer", BH_RANK_MANAGER, FALSE};
static const BhLockClass inner_class = {"inner", BH_RANK_LEAF, FALSE};

/* Two threads, which is all that most mistakes need. They share what stands here. */
typedef struct {
  BhMutex outer, inner;
  BhCond changed;
  gboolean flag, other_flag;
  guint runs, value;
} Shared;

static void init(Shared *shared) {
  *shared = (Shared){.flag = FALSE};
  bh_mutex_init(&shared->outer, &outer_class);
  bh_mutex_init(&shared->inner, &inner_class);
  bh_cond_init(&shared->changed);
}

static void clear(Shared *shared) {
  bh_mutex_clear(&shared->outer);
  bh_mutex_clear(&shared->inner);
  bh_cond_clear(&shared->changed);
}

static void run_both(Shared *shared, BhThreadFunc one, BhThreadFunc two) {
  BhThread *threads[2] = {bh_thread_new("one", BH_RANK_MANAGER, one, shared),
                          bh_thread_new("two", BH_RANK_MANAGER, two, shared)};

  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
}

/* Runs one and two side by side. */
static void meet(BhThreadFunc one, BhThreadFunc two) {
  Shared shared;

  init(&shared);
  run_both(&shared, one, two);
  clear(&shared);
}

/* Explores up to that bound; says what was found, or "none". The caller frees. */
static char *find(void (*run)(gconstpointer data), guint bound, guint64 *schedules) {
  const BhProtocol protocol = {.name = "test", .run = run};
  const BhExploreOptions options = {.bound = bound, .whole = TRUE};
  g_auto(BhExploreReport) report = {0};

  bh_explore_bounded(&protocol, &options, &report);
  *schedules = report.schedules;
  g_test_message("bound %u: %" G_GUINT64_FORMAT " schedules, %u choice points, %s", bound, report.schedules,
                 report.choice_points, report.finding != NULL ? report.finding : "no finding");
  return g_strdup(report.finding != NULL ? report.finding : "none");
}

static void assert_found(void (*run)(gconstpointer data), guint bound, const char *pattern) {
  guint64 schedules;
  g_autofree char *found = find(run, bound, &schedules);

  if (!g_pattern_match_simple(pattern, found)) g_error("'%s' does not match '%s'", found, pattern);
}

/* Not at bound 0, but at 1. */
static void assert_found_at_one(void (*run)(gconstpointer data), const char *pattern) {
  assert_found(run, 0, "none");
  assert_found(run, 1, pattern);
}

/* --- As many schedules as there are ------------------------------------------------------------------------------- */

static guint steps; /* that each of two threads makes */

static gpointer take_steps(gpointer data) {
  BhMutex lock;

  (void)data;
  bh_mutex_init(&lock, &inner_class);
  for (guint i = 0; i < steps; i++) {
    bh_mutex_lock(&lock);
    bh_mutex_unlock(&lock);
  }
  bh_mutex_clear(&lock);
  return NULL;
}

static void two_threads(gconstpointer data) {
  BhThread *thread = bh_thread_new("other", BH_RANK_LEAF, take_steps, NULL);

  (void)data;
  take_steps(NULL);
  bh_thread_join(thread);
}

static guint64 choose_of(guint n, guint k) {
  guint64 result = 1;
  for (guint i = 1; i <= k; i++) result = result * (n - k + i) / i;
  return result;
}

/* The other thread has one step more: its beginning. */
static void all_interleavings_of_two_threads(void) {
  for (steps = 0; steps <= 7; steps++) {
    guint64 schedules;
    g_autofree char *found = find(two_threads, BH_EXPLORE_NO_BOUND, &schedules);
    g_assert_cmpstr(found, ==, "none");
    g_assert_cmpuint(schedules, ==, choose_of(2 * steps + 1, steps));
  }
}

/* Counted by hand: left[who] steps are left, and bound preemptions may still be made of the thread that runs. */
static guint64 count(const guint left[2], guint running, guint bound) {
  guint64 sum = 0;

  if (left[0] == 0 && left[1] == 0) return 1;
  for (guint next = 0; next < 2; next++) {
    guint after[2] = {left[0], left[1]};
    guint cost = next != running && left[running] > 0;
    if (left[next] == 0 || cost > bound) continue;
    after[next]--;
    sum += count(after, next, bound - cost);
  }
  return sum;
}

static void all_interleavings_under_a_bound(void) {
  for (guint bound = 0; bound <= 4; bound++) {
    for (steps = 0; steps <= 8; steps++) {
      const guint left[2] = {steps, steps + 1};
      guint64 schedules;
      g_autofree char *found = find(two_threads, bound, &schedules);
      g_assert_cmpstr(found, ==, "none");
      g_assert_cmpuint(schedules, ==, count(left, 0, bound));
    }
  }
}

/* Threads that share nothing: one schedule tells all, and the reduction knows. */
static void independent_threads_need_one_schedule(void) {
  const BhProtocol protocol = {.name = "test", .run = two_threads};

  steps = 8;
  for (guint bound = 0; bound <= 4; bound++) {
    const BhExploreOptions options = {.bound = bound};
    g_auto(BhExploreReport) report = {0};
    bh_explore_bounded(&protocol, &options, &report);
    g_assert_true(report.complete);
    g_assert_cmpuint(report.schedules, ==, 1);
  }
}

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
      "lock order: thread 3 takes outer (rank 4) at *test-explorer.c:* while it holds inner (rank 6) "
      "from *test-explorer.c:*; thread 2 has outer from *test-explorer.c:*";
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

/* It looks before it takes the lock. */
static gpointer wait_carelessly(gpointer data) {
  Shared *shared = data;

  if (shared->flag) return NULL;
  bh_mutex_lock(&shared->inner);
  bh_cond_wait(&shared->changed, &shared->inner);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static gpointer set_carelessly(gpointer data) {
  Shared *shared = data;
  shared->flag = TRUE;
  bh_cond_signal(&shared->changed);
  return NULL;
}

static void careless_wait(gconstpointer data) {
  (void)data;
  meet(wait_carelessly, set_carelessly);
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
                      "unfulfilled expectation: *test-explorer.c:*: shared.value == 2: the value is 1");
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

static void null_dereference(gconstpointer data) {
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

static void finds_misuse_and_crashes(void) {
  assert_found(failing_assertion, 0, "assertion: *test-explorer.c:*assertion failed*");
  assert_found(null_dereference, 0, "crash: *");
  assert_found(never_joined, 0, "misuse: lonely was never joined");
  assert_found(use_after_clear, 0, "misuse: main uses a mutex that was cleared: inner");
  assert_found(clear_while_waited_for, 1, "misuse: two clears a condition that one waits for");
  assert_found(without_end, 0, "no end: *");
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

/* --- Again ------------------------------------------------------------------------------------------------------- */

static void a_seed_shows_it_again(void) {
  const BhProtocol protocol = {.name = "careless", .run = careless_wait};
  const BhExploreOptions options = {.bound = 2};
  g_auto(BhExploreReport) first = {0};

  bh_explore_bounded(&protocol, &options, &first);
  g_assert_nonnull(first.seed);
  g_test_message("%s\n%s", first.seed, first.trace);
  for (guint i = 0; i < 3; i++) {
    g_auto(BhExploreReport) again = {0};
    g_assert_true(bh_explore_replay(&protocol, first.seed, &again));
    g_assert_cmpstr(again.finding, ==, first.finding);
    g_assert_cmpstr(again.trace, ==, first.trace);
    g_assert_cmpstr(again.seed, ==, first.seed);
  }
}

static void what_is_no_seed_is_refused(void) {
  static const char *const wrong[] = {"",
                                      "other::",
                                      "careless",
                                      "careless:",
                                      "careless::x",
                                      "careless::1",
                                      "careless::1.",
                                      "careless::1.300",
                                      "careless::9.9",
                                      "careless::0.7",
                                      "careless:q:",
                                      "careless::1.1;"};
  const BhProtocol protocol = {.name = "careless", .run = careless_wait};

  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_auto(BhExploreReport) report = {0};
    g_test_message("%s", wrong[i]);
    g_assert_false(bh_explore_replay(&protocol, wrong[i], &report));
  }
}

static void random_schedules_find_it_too(void) {
  const BhProtocol protocol = {.name = "careless", .run = careless_wait};
  const BhExploreOptions options = {0};
  g_auto(BhExploreReport) first = {0}, same = {0}, again = {0};

  bh_explore_random(&protocol, &options, 10000, 42, &first);
  g_assert_nonnull(first.finding);
  bh_explore_random(&protocol, &options, 10000, 42, &same);
  g_assert_cmpuint(same.schedules, ==, first.schedules);
  g_assert_cmpstr(same.trace, ==, first.trace);
  g_assert_true(bh_explore_replay(&protocol, first.seed, &again));
  g_assert_cmpstr(again.trace, ==, first.trace);
  g_test_message("after %" G_GUINT64_FORMAT " schedules", first.schedules);
}

/* --- Options ------------------------------------------------------------------------------------------------------ */

static gpointer wait_once(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  if (!shared->flag) bh_cond_wait(&shared->changed, &shared->inner);
  bh_explore_expect(shared->flag, "it goes on, and nothing was set");
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static gpointer set_flag(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  shared->flag = TRUE;
  bh_cond_signal(&shared->changed);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static void wait_without_loop(gconstpointer data) {
  (void)data;
  meet(wait_once, set_flag);
}

static void waits_may_end_for_no_reason(void) {
  const BhProtocol protocol = {.name = "test", .run = wait_without_loop};
  BhExploreOptions options = {.bound = 3};
  g_auto(BhExploreReport) without = {0}, with = {0}, again = {0};

  bh_explore_bounded(&protocol, &options, &without);
  g_assert_true(without.complete);
  options.spurious = 1;
  bh_explore_bounded(&protocol, &options, &with);
  g_assert_nonnull(with.finding);
  g_assert_true(bh_explore_replay(&protocol, with.seed, &again));
  g_assert_cmpstr(again.trace, ==, with.trace);
}

/* It thinks the lock still protects it. */
static gpointer use_after_release(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  shared->value++;
  bh_mutex_unlock(&shared->inner);
  bh_explore_expect(shared->value == 1, "the value is %u", shared->value);
  shared->value = 0;
  return NULL;
}

static void unguarded(gconstpointer data) {
  (void)data;
  meet(use_after_release, use_after_release);
}

static void a_release_may_be_a_choice_point(void) {
  const BhProtocol protocol = {.name = "test", .run = unguarded};
  BhExploreOptions options = {.bound = 3};
  g_auto(BhExploreReport) without = {0}, with = {0};

  bh_explore_bounded(&protocol, &options, &without);
  g_assert_true(without.complete);
  options.after_release = TRUE;
  bh_explore_bounded(&protocol, &options, &with);
  g_assert_nonnull(with.finding);
}

/* --- Time and threads --------------------------------------------------------------------------------------------- */

static void wait_for_an_hour(gconstpointer data) {
  gint64 deadline = bh_clock_deadline(G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC);
  Shared shared;

  (void)data;
  init(&shared);
  bh_mutex_lock(&shared.inner);
  bh_explore_expect(!bh_cond_wait_until(&shared.changed, &shared.inner, bh_clock_now()), "no time is still time");
  while (bh_cond_wait_until(&shared.changed, &shared.inner, deadline)) continue;
  bh_explore_expect(bh_clock_now() == deadline, "it is %" G_GINT64_FORMAT, bh_clock_now());
  bh_mutex_unlock(&shared.inner);
  clear(&shared);
}

static void time_passes_when_nobody_can_go_on(void) {
  assert_found(wait_for_an_hour, 3, "none");
}

static guint freed;

static void count_freed(gpointer value) {
  (void)value;
  freed++;
}

static BhLocal local = BH_LOCAL_INIT(count_freed);

static gpointer have_own_value(gpointer data) {
  gpointer *self = data;

  *self = bh_thread_self();
  bh_explore_expect(bh_local_get(&local) == NULL, "there is a value");
  bh_local_set(&local, self);
  return self;
}

static void own_values(gconstpointer data) {
  gpointer first, second;
  BhThread *threads[2];

  (void)data;
  freed = 0;
  bh_local_set(&local, &freed);
  threads[0] = bh_thread_new("first", BH_RANK_LEAF, have_own_value, &first);
  threads[1] = bh_thread_new("second", BH_RANK_LEAF, have_own_value, &second);
  bh_explore_expect(bh_thread_join(threads[0]) == &first, "another result");
  bh_explore_expect(bh_thread_join(threads[1]) == &second, "another result");
  bh_explore_expect(first != second && first != bh_thread_self(), "threads are the same");
  bh_explore_expect(freed == 2, "%u values were freed", freed);
  bh_explore_expect(bh_local_get(&local) == &freed, "the value is gone");
  bh_local_set(&local, NULL);
}

static void each_thread_is_itself(void) {
  assert_found(own_values, BH_EXPLORE_NO_BOUND, "none");
}

/* --- The reduction is sound under the bound ----------------------------------------------------------------------- */

/* Who came first, second, third, to one lock; with another lock in between that all of them take as well. */
typedef struct {
  Shared shared;
  char order[16];
} Order;

typedef struct {
  Order *order;
  char name;
} Entrant;

static gpointer enter(gpointer data) {
  Entrant *entrant = data;
  Order *order = entrant->order;

  for (guint i = 0; i < 2; i++) {
    bh_mutex_lock(&order->shared.outer);
    order->order[strlen(order->order)] = entrant->name;
    bh_mutex_unlock(&order->shared.outer);
    bh_mutex_lock(&order->shared.inner);
    order->shared.value = order->shared.value * 2 + (entrant->name == 'a');
    bh_mutex_unlock(&order->shared.inner);
  }
  return NULL;
}

static void order_of_entrants(gconstpointer data) {
  Order order = {.order = ""};
  Entrant entrants[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
  guint count = GPOINTER_TO_UINT(data);
  BhThread *threads[3];

  init(&order.shared);
  for (guint i = 0; i < count; i++) threads[i] = bh_thread_new("entrant", BH_RANK_MANAGER, enter, &entrants[i]);
  for (guint i = 0; i < count; i++) bh_thread_join(threads[i]);
  bh_explore_outcome("%s %u", order.order, order.shared.value);
  clear(&order.shared);
}

/* A queue of one place: what each reader got. */
typedef struct {
  Shared shared;
  BhCond space;
  GString *got;
} Place;

static gpointer put_three(gpointer data) {
  Place *place = data;

  for (guint i = 1; i <= 3; i++) {
    bh_mutex_lock(&place->shared.inner);
    while (place->shared.value != 0) bh_cond_wait(&place->space, &place->shared.inner);
    place->shared.value = i;
    bh_cond_signal(&place->shared.changed);
    bh_mutex_unlock(&place->shared.inner);
  }
  bh_mutex_lock(&place->shared.inner);
  place->shared.flag = TRUE;
  bh_cond_broadcast(&place->shared.changed);
  bh_mutex_unlock(&place->shared.inner);
  return NULL;
}

static gpointer get_all(gpointer data) {
  Place *place = data;
  guint value;

  do {
    bh_mutex_lock(&place->shared.inner);
    while (place->shared.value == 0 && !place->shared.flag)
      bh_cond_wait(&place->shared.changed, &place->shared.inner);
    value = place->shared.value;
    place->shared.value = 0;
    if (value != 0) g_string_append_printf(place->got, "%u%u ", value, (guint)bh_thread_number());
    bh_mutex_unlock(&place->shared.inner);
    bh_cond_signal(&place->space); /* without the lock, so that its order counts */
  } while (value != 0);
  return NULL;
}

static void readers_and_a_writer(gconstpointer data) {
  Place place = {.got = g_string_new(NULL)};
  BhThread *readers[2], *writer;

  (void)data;
  init(&place.shared);
  bh_cond_init(&place.space);
  for (guint i = 0; i < 2; i++) readers[i] = bh_thread_new("reader", BH_RANK_LEAF, get_all, &place);
  writer = bh_thread_new("writer", BH_RANK_LEAF, put_three, &place);
  bh_thread_join(writer);
  for (guint i = 0; i < 2; i++) bh_thread_join(readers[i]);
  bh_explore_outcome("%s", place.got->str);
  g_string_free(place.got, TRUE);
  bh_cond_clear(&place.space);
  clear(&place.shared);
}

/* Deadlines: whether the waiter was in time depends on nothing but the order. */
static gpointer wait_a_second(gpointer data) {
  Shared *shared = data;
  gboolean in_time = TRUE;

  bh_mutex_lock(&shared->inner);
  while (!shared->flag && in_time)
    in_time = bh_cond_wait_until(&shared->changed, &shared->inner, bh_clock_deadline(G_USEC_PER_SEC));
  shared->value = shared->value * 16 + (guint)bh_thread_number() * 2 + in_time;
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

/* The others have waited from the first moment on, or from now. */
static gpointer set_after_a_second(gpointer data) {
  Shared *shared = data;

  wait_a_second(shared);
  return set_flag(shared);
}

static void deadlines(gconstpointer data) {
  BhThread *thread;
  Shared shared;

  (void)data;
  init(&shared);
  thread = bh_thread_new("three", BH_RANK_LEAF, wait_a_second, &shared);
  run_both(&shared, wait_a_second, set_after_a_second);
  bh_thread_join(thread);
  bh_explore_outcome("%u", shared.value);
  clear(&shared);
}

static void assert_subset(GHashTable *part, GHashTable *whole, const char *what) {
  GHashTableIter iter;
  gpointer outcome;

  g_hash_table_iter_init(&iter, part);
  while (g_hash_table_iter_next(&iter, &outcome, NULL))
    if (!g_hash_table_contains(whole, outcome)) g_error("%s: '%s' is missing", what, (char *)outcome);
}

static void reduction_reaches_the_same_states(gconstpointer data) {
  static const guint bounds[] = {0, 1, 2, 3, 4, BH_EXPLORE_NO_BOUND};
  const BhProtocol *protocol = data;

  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    BhExploreOptions options = {
        .bound = bounds[i], .whole = TRUE, .until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC};
    g_auto(BhExploreReport) whole = {0}, reduced = {0};
    if (bounds[i] > protocol->bound) break;
    bh_explore_bounded(protocol, &options, &whole);
    g_assert_true(whole.complete);
    options.whole = FALSE;
    bh_explore_bounded(protocol, &options, &reduced);
    g_assert_true(reduced.complete);
    g_test_message("%s, bound %d: %" G_GUINT64_FORMAT " schedules, reduced %" G_GUINT64_FORMAT ", %u states",
                   protocol->name, (int)bounds[i], whole.schedules, reduced.schedules,
                   g_hash_table_size(whole.outcomes));
    assert_subset(whole.outcomes, reduced.outcomes, "reduced");
    assert_subset(reduced.outcomes, whole.outcomes, "whole");
  }
}

/* Programs made at random: three threads that each do a few things to two locks and two conditions. What each lock saw, in
 * its order, is the state. */
typedef enum {
  USE_OUTER,
  USE_INNER,
  NEST,
  NEST_AND_SIGNAL,
  SIGNAL,
  BROADCAST,
  WAIT_A_WHILE,
  WAIT_A_WHILE_HOLDING,
  OPERATIONS
} Operation;

#define PARTS 3

typedef struct {
  Operation operations[PARTS][4];
  guint length;
} Program;

typedef struct {
  const Program *program;
  Shared shared;
  GString *outer, *inner; /* what they saw */
} Machine;

typedef struct {
  Machine *machine;
  guint number;
} Part;

static void use(BhMutex *lock, GString *saw, const Part *part, guint step) {
  bh_mutex_lock(lock);
  g_string_append_printf(saw, "%c%u", 'a' + part->number, step);
  bh_mutex_unlock(lock);
}

static void wait_a_while(const Part *part, guint step) {
  Machine *machine = part->machine;
  gint64 deadline = bh_clock_deadline(1000 * (part->number + step)); /* for the first, now */
  gboolean in_time;

  bh_mutex_lock(&machine->shared.inner);
  in_time = bh_cond_wait_until(&machine->shared.changed, &machine->shared.inner, deadline);
  g_string_append_printf(machine->inner, "%c%u%s", 'a' + part->number, step, in_time ? "+" : "-");
  bh_mutex_unlock(&machine->shared.inner);
}

static void operate(const Part *part, guint step) {
  Machine *machine = part->machine;
  Shared *shared = &machine->shared;
  Operation operation = machine->program->operations[part->number][step];
  gboolean nested = operation == NEST || operation == NEST_AND_SIGNAL || operation == WAIT_A_WHILE_HOLDING;

  if (nested) bh_mutex_lock(&shared->outer);
  switch (operation) {
    case USE_OUTER: use(&shared->outer, machine->outer, part, step); break;
    case SIGNAL: bh_cond_signal(&shared->changed); break;
    case BROADCAST: bh_cond_broadcast(&shared->changed); break;
    case WAIT_A_WHILE:
    case WAIT_A_WHILE_HOLDING: wait_a_while(part, step); break;
    default: use(&shared->inner, machine->inner, part, step);
  }
  if (operation == NEST_AND_SIGNAL) bh_cond_signal(&shared->changed);
  if (nested) bh_mutex_unlock(&shared->outer);
}

static gpointer run_part(gpointer data) {
  const Part *part = data;
  for (guint step = 0; step < part->machine->program->length; step++) operate(part, step);
  return NULL;
}

static void run_program(gconstpointer data) {
  Machine machine = {.program = data, .outer = g_string_new(NULL), .inner = g_string_new(NULL)};
  BhThread *threads[PARTS];
  Part parts[PARTS];

  init(&machine.shared);
  for (guint i = 0; i < PARTS; i++) parts[i] = (Part){&machine, i};
  for (guint i = 1; i < PARTS; i++) threads[i] = bh_thread_new("part", BH_RANK_MANAGER, run_part, &parts[i]);
  run_part(&parts[0]);
  for (guint i = 1; i < PARTS; i++) bh_thread_join(threads[i]);
  bh_explore_outcome("%s %s", machine.outer->str, machine.inner->str);
  g_string_free(machine.outer, TRUE);
  g_string_free(machine.inner, TRUE);
  clear(&machine.shared);
}

static void random_programs_reach_the_same_states(void) {
  for (guint i = 0; i < (g_test_thorough() ? 2000 : 100); i++) {
    Program program = {.length = (guint)g_test_rand_int_range(1, 4)};
    const BhProtocol protocol = {.name = "random", .run = run_program, .data = &program, .bound = 2};
    for (guint thread = 0; thread < PARTS; thread++)
      for (guint step = 0; step < program.length; step++)
        program.operations[thread][step] = (Operation)g_test_rand_int_range(0, OPERATIONS);
    reduction_reaches_the_same_states(&protocol);
  }
}

int main(int argc, char **argv) {
  static const BhProtocol same_states[] = {
      {.name = "two-entrants",
       .run = order_of_entrants,
       .data = GUINT_TO_POINTER(2),
       .bound = BH_EXPLORE_NO_BOUND},
      {.name = "three-entrants", .run = order_of_entrants, .data = GUINT_TO_POINTER(3), .bound = 3},
      {.name = "readers-and-a-writer", .run = readers_and_a_writer, .bound = 2},
      {.name = "deadlines", .run = deadlines, .bound = 4},
  };

  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/explorer/counts/two-threads", all_interleavings_of_two_threads);
  g_test_add_func("/explorer/counts/under-a-bound", all_interleavings_under_a_bound);
  g_test_add_func("/explorer/counts/independent", independent_threads_need_one_schedule);
  g_test_add_func("/explorer/finds/deadlock", finds_a_deadlock);
  g_test_add_func("/explorer/finds/wrong-order", finds_the_wrong_order);
  g_test_add_func("/explorer/finds/both-sides-of-the-wrong-order", finds_both_sides_of_the_wrong_order);
  g_test_add_func("/explorer/finds/lost-wake-up", finds_a_lost_wake_up);
  g_test_add_func("/explorer/finds/double-execution", finds_double_execution);
  g_test_add_func("/explorer/finds/unfulfilled-expectation", finds_an_unfulfilled_expectation);
  g_test_add_func("/explorer/finds/misuse-and-crashes", finds_misuse_and_crashes);
  g_test_add_func("/explorer/finds/messages", finds_messages);
  g_test_add_func("/explorer/again/seed", a_seed_shows_it_again);
  g_test_add_func("/explorer/again/not-a-seed", what_is_no_seed_is_refused);
  g_test_add_func("/explorer/again/random", random_schedules_find_it_too);
  g_test_add_func("/explorer/options/spurious", waits_may_end_for_no_reason);
  g_test_add_func("/explorer/options/after-release", a_release_may_be_a_choice_point);
  g_test_add_func("/explorer/time", time_passes_when_nobody_can_go_on);
  g_test_add_func("/explorer/threads", each_thread_is_itself);
  for (guint i = 0; i < G_N_ELEMENTS(same_states); i++) {
    g_autofree char *path = g_strconcat("/explorer/reduction/", same_states[i].name, NULL);
    g_test_add_data_func(path, &same_states[i], reduction_reaches_the_same_states);
  }
  g_test_add_func("/explorer/reduction/random-programs", random_programs_reach_the_same_states);
  return g_test_run();
}
