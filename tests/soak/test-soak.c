/* test-soak.c: real hosts for a long time; at the end, this process has what it had.
 *
 *   meson test -C build/windows soak/win32                       120 seconds
 *   scripts/wine build/windows/tests/soak/test-soak.exe 3600     an hour; and a second argument: the seed
 *
 * Each round (round.h) is a service of its own, for a crash is latched and ends a service's usefulness: 16 plugins in 16
 * host processes, which behave, refuse, crash, hang, call from many threads (plugins.h), while four users do what users do
 * (work.h). The rounds come in three stages, and between them is measured, when the pools' threads have ended:
 *
 *   warm-up    a round of each mood: what GLib, COM and Wine need once, and keep
 *   calm       nobody dies: what grows here grows by the round
 *   bad ends   hosts crash, and are ended for hanging: what grows here grows by such an end
 *
 * What is proved:
 *
 *   in each round   every operation returns, and a failure has its code and text; the stop returns; no host is left;
 *                   where no plugin was to die, none did
 *   in each stage   heap, handles, threads have not grown (measure.h) by more than `limits` says
 *
 * The seed decides plugins and operations; how the threads meet is chance. */
#include "measure.h"
#include "round.h"
#include "watch.h"

#include "core/lock-order.h"

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#define SECONDS      120
#define ROUNDS_MIN   8 /* of each stage, even if the time is over */
#define PROGRESS     (5 * G_USEC_PER_SEC)
#define MEASURING_S  60
#define POOLS_KEEP_S 15 /* a pool ends threads that it has not needed for some seconds */

typedef struct {
  guint32 seed;
  GRand *random;
  SoakWorld world;
  SoakCounts counts;
  guint rounds;
  gint64 began, told; /* the last progress line */
} Soak;

/* --- What may grow ----------------------------------------------------------------------------------------------- */

/* Wine 8 never closes its connections to a host that has ended badly (link.c), nor those of an activation that it takes to a host
 * which is another's or has ended, and which is tried again: four to six handles each, up to twelve where calls were under way,
 * to files, events and mutexes only; and what rpcrt4 and ole32 know of them. Measured: up to 22 a round and 10 an end. There
 * the other measures are the sharp ones. */
static const struct {
  const char *name, *unit;
  double once; /* cached when it is first needed, whenever that may be */
  struct {
    double windows, wine;
  } per_round, per_end; /* of which a calm stage has none */
} limits[SOAK_MEASURES] = {
    [SOAK_C_HEAP] = {"C heap", " bytes", 4096, {64, 64}, {64, 64}},
    [SOAK_OTHER_HEAPS] = {"other heaps", " bytes", 16 * 1024, {256, 16 * 1024}, {64, 4096}},
    [SOAK_PAGES] = {"private pages", " bytes", 16 * 1024 * 1024, {64 * 1024, 256 * 1024}, {16 * 1024, 128 * 1024}},
    [SOAK_HANDLES] = {"handles", "", 16, {0.5, 64}, {0.25, 12}},
    [SOAK_OUR_KINDS] = {"of our kinds", "", 2, {0.1, 0.1}, {0.1, 0.1}},
    [SOAK_THREADS] = {"threads", "", 2, {0.1, 0.1}, {0.1, 0.1}},
};

static gboolean judge(const SoakSample *before, const SoakSample *after, guint rounds, guint ends) {
  gboolean holds = TRUE;

  printf("%u rounds with %u bad ends:\n", rounds, ends);
  for (guint i = 0; i < SOAK_MEASURES; i++) {
    const double per_round = soak_is_wine() ? limits[i].per_round.wine : limits[i].per_round.windows;
    const double per_end = soak_is_wine() ? limits[i].per_end.wine : limits[i].per_end.windows;
    const double growth = after->of[i] - before->of[i];
    const double allowed = limits[i].once + per_round * rounds + per_end * ends;

    printf("  %-13s %10.0f, then %10.0f: grew by %.0f%s, %.2f a round (allowed: %.0f)%s\n", limits[i].name,
           before->of[i], after->of[i], growth, limits[i].unit, growth / MAX(rounds, 1), allowed,
           growth < allowed ? "" : "  LEAKS");
    holds &= growth < allowed;
  }
  return holds;
}

/* --- Rounds ------------------------------------------------------------------------------------------------------ */

static void tell(Soak *soak, SoakMood mood) {
  const SoakCounts *counts = &soak->counts;

  if (bh_clock_now() - soak->told < PROGRESS) return;
  soak->told = bh_clock_now();
  printf("%4u s: round %u (%s); %u hosts, %u ended badly; %u operations, %u failed as they may\n",
         (guint)((soak->told - soak->began) / G_USEC_PER_SEC), soak->rounds, soak_mood_name(mood), counts->hosts,
         counts->ends, counts->operations, counts->failures);
  fflush(stdout);
}

static void run_round(Soak *soak, SoakMood mood) {
  soak_round(&soak->world, mood, soak->random, &soak->counts);
  soak->rounds++;
  tell(soak, mood);
}

static SoakSample measure(void) {
  SoakSample sample;
  guint stay;

  soak_watch("the pools' threads", POOLS_KEEP_S + MEASURING_S);
  stay = soak_await_threads(POOLS_KEEP_S * G_USEC_PER_SEC);
  soak_watch("measuring", MEASURING_S);
  sample = soak_measure();
  if (stay > 0) printf("  %u threads stay\n", stay);
  return sample;
}

/* --- Stages ------------------------------------------------------------------------------------------------------ */

static void warm_up(Soak *soak) {
  for (SoakMood mood = 0; mood < SOAK_MOODS; mood++) run_round(soak, mood);
}

static void run_stage(Soak *soak, const SoakMood *moods, guint count, gint64 until) {
  const guint least = soak->rounds + ROUNDS_MIN;

  while (bh_clock_now() < until || soak->rounds < least)
    run_round(soak, moods[g_rand_int_range(soak->random, 0, (gint32)count)]);
}

static gboolean run(Soak *soak, gint64 seconds) {
  static const SoakMood calm[] = {SOAK_CALM}, bad[] = {SOAK_CRASHES, SOAK_HANGS_AT_STOP, SOAK_HANGS_AT_LOAD};
  const gint64 middle = soak->began + seconds * G_USEC_PER_SEC / 2, end = soak->began + seconds * G_USEC_PER_SEC;
  SoakSample samples[3];
  guint rounds[3], ends[3];
  gboolean holds;

  for (guint stage = 0; stage < G_N_ELEMENTS(samples); stage++) {
    if (stage == 0) warm_up(soak);
    if (stage == 1) run_stage(soak, calm, G_N_ELEMENTS(calm), middle);
    if (stage == 2) run_stage(soak, bad, G_N_ELEMENTS(bad), end);
    samples[stage] = measure();
    rounds[stage] = soak->rounds;
    ends[stage] = soak->counts.ends;
  }
  holds = judge(&samples[0], &samples[1], rounds[1] - rounds[0], ends[1] - ends[0]);
  return judge(&samples[1], &samples[2], rounds[2] - rounds[1], ends[2] - ends[1]) && holds;
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

  soak->random = g_rand_new_with_seed(soak->seed);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  soak_watch_begin();
  soak_world_open(&soak->world, build);
  soak_measure_begin();
  soak->began = bh_clock_now();
}

static void close_soak(Soak *soak) {
  const SoakCounts *counts = &soak->counts;

  soak_world_close(&soak->world);
  soak_watch_end();
  g_rand_free(soak->random);
  printf(
      "%u rounds, %u hosts of which %u ended badly, %u not loaded, %u late; %u operations of which %u failed as "
      "they may\n",
      soak->rounds, counts->hosts, counts->ends, counts->unstarted, counts->late, counts->operations,
      counts->failures);
}

int main(int argc, char **argv) {
  const gint64 seconds = argc > 1 ? (gint64)strtoul(argv[1], NULL, 10) : SECONDS;
  Soak soak = {.seed = argc > 2 ? (guint32)strtoul(argv[2], NULL, 10) : g_random_int()};
  gboolean holds;

  printf("seed %u, %u seconds\n", soak.seed, (guint)seconds);
  open_soak(&soak);
  holds = run(&soak, seconds);
  close_soak(&soak);
  printf("%s\n", holds ? "nothing leaks" : "something leaks");
  return holds ? 0 : 1;
}
