/* The explorer tries every schedule and none twice; and one that it has tried can be had again. */
#include "shared.h"

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

/* PCT promises a mistake that takes one turn in a schedule of n threads and k choice points with a probability of 1/(n·k): here
 * 1/30, at which fewer than 50 of 3000 schedules would be six standard deviations off. No schedule depends on the seeds
 * before its own, so neighbouring seeds find it at moments of their own. */
static void random_schedules_keep_their_promise(void) {
  const BhProtocol protocol = {.name = "careless", .run = careless_wait};
  const BhExploreOptions options = {0};
  guint found = 0, alike = 0;
  guint64 last = 0;

  for (guint64 seed = 0; seed < 3000; seed++) {
    g_auto(BhExploreReport) report = {0};
    bh_explore_random(&protocol, &options, 1, seed, &report);
    found += report.finding != NULL;
  }
  for (guint64 seed = 0; seed < 200; seed++) {
    g_auto(BhExploreReport) report = {0};
    bh_explore_random(&protocol, &options, 1000, seed, &report);
    alike += report.schedules + 1 == last;
    last = report.schedules;
  }
  g_test_message("%u of 3000 schedules; %u of 200 one later than the seed before", found, alike);
  g_assert_cmpuint(found, >=, 50);
  g_assert_cmpuint(alike, <, 100);
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

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/schedules/counts/two-threads", all_interleavings_of_two_threads);
  g_test_add_func("/schedules/counts/under-a-bound", all_interleavings_under_a_bound);
  g_test_add_func("/schedules/counts/independent", independent_threads_need_one_schedule);
  g_test_add_func("/schedules/again/seed", a_seed_shows_it_again);
  g_test_add_func("/schedules/again/not-a-seed", what_is_no_seed_is_refused);
  g_test_add_func("/schedules/again/random", random_schedules_find_it_too);
  g_test_add_func("/schedules/again/promise", random_schedules_keep_their_promise);
  g_test_add_func("/schedules/options/spurious", waits_may_end_for_no_reason);
  g_test_add_func("/schedules/options/after-release", a_release_may_be_a_choice_point);
  g_test_add_func("/schedules/time", time_passes_when_nobody_can_go_on);
  g_test_add_func("/schedules/threads", each_thread_is_itself);
  return g_test_run();
}
