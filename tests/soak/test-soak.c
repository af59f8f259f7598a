/* test-soak.c: real hosts for a long time; at the end, this process has what it had.
 *
 *   meson test -C build/windows soak/win32                       120 seconds
 *   scripts/wine build/windows/tests/soak/test-soak.exe 3600     an hour; and a second argument: the seed
 *
 * Each round (round.h) is a service of its own, for a crash is latched and ends a service's usefulness: 16 plugins in 16
 * host processes, which behave, refuse, crash, hang, call from many threads (plugins.h), while four users do what users do
 * (work.h). What is proved:
 *
 *   in each round   every operation returns, and a failure has its code and text; the stop returns; no host is left;
 *                   where no plugin was to die, none did
 *   over all        heap, handles, threads do not grow by the round (measure.h, trend.h)
 *
 * The first rounds are left out of the figures: Wine and GLib keep what they need once. What still grows for reasons that
 * are not ours is in one table, `limits`, with where it comes from.
 *
 * The seed decides plugins and operations; how the threads meet is chance. */
#include "measure.h"
#include "round.h"
#include "trend.h"
#include "watch.h"

#include "core/lock-order.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#define SECONDS      120
#define WARM_UP      6  /* rounds */
#define SAMPLES_MIN  12 /* rounds after them, even if the time is over */
#define PROGRESS     (5 * G_USEC_PER_SEC)
#define MEASURING_S  60
#define POOLS_KEEP_S 30 /* a pool ends threads that it has not needed for some seconds */

typedef struct {
  guint32 seed;
  GRand *random;
  SoakWorld world;
  SoakCounts counts;
  guint rounds;
  GArray *points[SOAK_MEASURES]; /* SoakPoint */
  gint64 began, told;            /* the last progress line */
} Soak;

/* --- What may grow ----------------------------------------------------------------------------------------------- */

static const struct {
  const char *name, *unit;
  double per_round;             /* at most, as the fit has it */
  double per_round_wine;        /* likewise, where Wine 8 itself keeps something of each host */
  double per_end, per_end_wine; /* of each host that ended badly: Wine 8 never closes connections to it (link.c) */
} limits[SOAK_MEASURES] = {
    [SOAK_C_HEAP] = {"C heap", "bytes", 512, 512, 64, 64},
    [SOAK_OTHER_HEAPS] = {"other heaps", "bytes", 512, 1024, 64, 2048},
    [SOAK_PAGES] = {"private pages", "bytes", 128 * 1024, 128 * 1024, 16 * 1024, 64 * 1024},
    [SOAK_HANDLES] = {"handles", "", 0.5, 0.5, 0.25, 6.5},
    [SOAK_THREADS] = {"threads", "", 0.5, 0.5, 0.25, 0.25},
};

static gboolean judge_measure(const Soak *soak, SoakMeasure measure) {
  const GArray *points = soak->points[measure];
  const SoakTrend trend = soak_trend((const SoakPoint *)(gconstpointer)points->data, points->len);
  const double per_round = soak_is_wine() ? limits[measure].per_round_wine : limits[measure].per_round;
  const double per_end = soak_is_wine() ? limits[measure].per_end_wine : limits[measure].per_end;
  const gboolean holds = trend.per[SOAK_ROUNDS] < per_round && trend.per[SOAK_ENDS] < per_end;

  printf("%-13s %9.2f %s a round (below %.2f), %.2f a bad end (below %.2f), %.2f a living thread%s\n",
         limits[measure].name, trend.per[SOAK_ROUNDS], limits[measure].unit, per_round, trend.per[SOAK_ENDS],
         per_end, trend.per[SOAK_ALIVE], holds ? "" : "  LEAKS");
  return holds;
}

/* --- Rounds ------------------------------------------------------------------------------------------------------ */

static void take_sample(Soak *soak) {
  const SoakSample sample = soak_measure();

  for (guint i = 0; i < SOAK_MEASURES; i++) {
    const SoakPoint point = {{soak->rounds, soak->counts.ends, i == SOAK_THREADS ? 0 : sample.of[SOAK_THREADS]},
                             sample.of[i]};
    if (soak->rounds > WARM_UP) g_array_append_val(soak->points[i], point);
  }
}

static void tell(Soak *soak, SoakMood mood) {
  const SoakCounts *counts = &soak->counts;

  if (bh_clock_now() - soak->told < PROGRESS) return;
  soak->told = bh_clock_now();
  printf("%4u s: round %u (%s); %u hosts, %u ended badly; %u operations, %u failed as they may\n",
         (guint)((soak->told - soak->began) / G_USEC_PER_SEC), soak->rounds, soak_mood_name(mood), counts->hosts,
         counts->ends, counts->operations, counts->failures);
  fflush(stdout);
}

/* All kinds come early, so that what they need once is there when the warm-up ends; most of the later rounds are calm. */
static SoakMood draw_mood(const Soak *soak) {
  static const SoakMood later[] = {SOAK_CALM,    SOAK_CALM,    SOAK_CALM,          SOAK_CALM,
                                   SOAK_CRASHES, SOAK_CRASHES, SOAK_HANGS_AT_STOP, SOAK_HANGS_AT_LOAD};

  if (soak->rounds < SOAK_MOODS) return (SoakMood)soak->rounds;
  return later[g_rand_int_range(soak->random, 0, G_N_ELEMENTS(later))];
}

static void run_round(Soak *soak) {
  const SoakMood mood = draw_mood(soak);

  soak_round(&soak->world, mood, soak->random, &soak->counts);
  soak->rounds++;
  soak_watch("measuring", MEASURING_S);
  take_sample(soak);
  tell(soak, mood);
}

static gboolean judge(const Soak *soak) {
  gboolean holds = TRUE;
  guint left;

  soak_watch("the pools' threads", POOLS_KEEP_S + MEASURING_S);
  left = soak_await_threads(POOLS_KEEP_S * G_USEC_PER_SEC);
  for (guint i = 0; i < SOAK_MEASURES; i++) holds &= judge_measure(soak, (SoakMeasure)i);
  printf("%u rounds, %u hosts of which %u ended badly, %u not loaded, %u late; %u operations of which %u failed "
         "as they may; "
         "%u threads stay\n",
         soak->rounds, soak->counts.hosts, soak->counts.ends, soak->counts.unstarted, soak->counts.late,
         soak->counts.operations, soak->counts.failures, left);
  return holds;
}

/* --- The program ------------------------------------------------------------------------------------------------- */

/* This program is in its tests/soak. */
static char *build_folder(void) {
  static wchar_t wide[32768];
  g_autofree char *path = NULL, *soak = NULL, *tests = NULL;

  GetModuleFileNameW(NULL, wide, G_N_ELEMENTS(wide));
  path = g_utf16_to_utf8((const gunichar2 *)wide, -1, NULL, NULL, NULL);
  soak = g_path_get_dirname(path);
  tests = g_path_get_dirname(soak);
  return g_path_get_dirname(tests);
}

static void open_soak(Soak *soak) {
  g_autofree char *build = build_folder();

  for (guint i = 0; i < SOAK_MEASURES; i++)
    soak->points[i] = g_array_sized_new(FALSE, FALSE, sizeof(SoakPoint), 64 * 1024);
  soak->random = g_rand_new_with_seed(soak->seed);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  soak_watch_begin();
  soak_world_open(&soak->world, build);
  soak_measure_begin();
  soak->began = bh_clock_now();
}

static void close_soak(Soak *soak) {
  soak_world_close(&soak->world);
  soak_watch_end();
  g_rand_free(soak->random);
  for (guint i = 0; i < SOAK_MEASURES; i++) g_array_unref(soak->points[i]);
}

int main(int argc, char **argv) {
  const gint64 seconds = argc > 1 ? (gint64)strtoul(argv[1], NULL, 10) : SECONDS;
  Soak soak = {.seed = argc > 2 ? (guint32)strtoul(argv[2], NULL, 10) : g_random_int()};
  gboolean holds;

  printf("seed %u, %u seconds\n", soak.seed, (guint)seconds);
  open_soak(&soak);
  while (bh_clock_now() - soak.began < seconds * G_USEC_PER_SEC || soak.rounds < WARM_UP + SAMPLES_MIN)
    run_round(&soak);
  holds = judge(&soak);
  close_soak(&soak);
  printf("%s\n", holds ? "nothing leaks" : "something leaks");
  return holds ? 0 : 1;
}
