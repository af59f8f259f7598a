/* shared.h: what the tests of the explorer share: two threads, a few locks, and an exploration that says what it found. */
#pragma once

#include "backend-mock/explorer.h"

static const BhLockClass outer_class = {"outer", BH_RANK_MANAGER, FALSE};
static const BhLockClass inner_class = {"inner", BH_RANK_LEAF, FALSE};

/* Two threads, which is all that most mistakes need. They share what stands here. */
typedef struct {
  BhMutex outer, inner;
  BhCond changed;
  gboolean flag, other_flag;
  guint runs, value;
} Shared;

static inline void init(Shared *shared) {
  *shared = (Shared){.flag = FALSE};
  bh_mutex_init(&shared->outer, &outer_class);
  bh_mutex_init(&shared->inner, &inner_class);
  bh_cond_init(&shared->changed);
}

static inline void clear(Shared *shared) {
  bh_mutex_clear(&shared->outer);
  bh_mutex_clear(&shared->inner);
  bh_cond_clear(&shared->changed);
}

static inline void run_both(Shared *shared, BhThreadFunc one, BhThreadFunc two) {
  BhThread *threads[2] = {bh_thread_new("one", BH_RANK_MANAGER, one, shared),
                          bh_thread_new("two", BH_RANK_MANAGER, two, shared)};

  for (guint i = 0; i < 2; i++) bh_thread_join(threads[i]);
}

/* Runs one and two side by side. */
static inline void meet(BhThreadFunc one, BhThreadFunc two) {
  Shared shared;

  init(&shared);
  run_both(&shared, one, two);
  clear(&shared);
}

/* Explores up to that bound; says what was found, or "none". The caller frees. */
static inline char *find(void (*run)(gconstpointer data), guint bound, guint64 *schedules) {
  const BhProtocol protocol = {.name = "test", .run = run};
  const BhExploreOptions options = {.bound = bound, .whole = TRUE};
  g_auto(BhExploreReport) report = {0};

  bh_explore_bounded(&protocol, &options, &report);
  *schedules = report.schedules;
  g_test_message("bound %u: %" G_GUINT64_FORMAT " schedules, %u choice points, %s", bound, report.schedules,
                 report.choice_points, report.finding != NULL ? report.finding : "no finding");
  return g_strdup(report.finding != NULL ? report.finding : "none");
}

static inline void assert_found(void (*run)(gconstpointer data), guint bound, const char *pattern) {
  guint64 schedules;
  g_autofree char *found = find(run, bound, &schedules);

  if (!g_pattern_match_simple(pattern, found)) g_error("'%s' does not match '%s'", found, pattern);
}

/* Not at bound 0, but at 1. */
static inline void assert_found_at_one(void (*run)(gconstpointer data), const char *pattern) {
  assert_found(run, 0, "none");
  assert_found(run, 1, pattern);
}

/* It looks before it takes the lock. */
static inline gpointer wait_carelessly(gpointer data) {
  Shared *shared = data;

  if (shared->flag) return NULL;
  bh_mutex_lock(&shared->inner);
  bh_cond_wait(&shared->changed, &shared->inner);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

static inline gpointer set_carelessly(gpointer data) {
  Shared *shared = data;
  shared->flag = TRUE;
  bh_cond_signal(&shared->changed);
  return NULL;
}

static inline void careless_wait(gconstpointer data) {
  (void)data;
  meet(wait_carelessly, set_carelessly);
}

static inline gpointer set_flag(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->inner);
  shared->flag = TRUE;
  bh_cond_signal(&shared->changed);
  bh_mutex_unlock(&shared->inner);
  return NULL;
}
