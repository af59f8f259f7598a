/* What it costs a program to be watched by somebody who agrees with everything: each kind of work is measured by the program
 * itself, unwatched and watched in turn, in short turns, so that whatever else the machine does meets both; the median of
 * those ratios counts. What else runs can make it look worse, so it may look again.
 *
 *     test-activity-cost [TURNS]          default 15 */
#include <stdlib.h>

#include "witness.h"

#define TURNS_MAX 1001
#define LOOKS     4

static guint turns = 15;

/* Shells are what forks and executes all day. The two by activity-program are the least that a fork and an execve can be, and
 * so the most that watching can add: told, and not judged. */
static const struct {
  const char *name, *command;
  double allowed; /* 0: any */
} kinds[] = {
    {"fork-heavy", PROGRAM " measure shell-forks 200", 2.0},
    {"fork+exec-heavy", PROGRAM " measure shell-execs 60", 1.6},
    {"syscalls", PROGRAM " measure calls 400", 1.05},
    {"cpu", PROGRAM " measure cpu 20000", 1.05},
    {"least fork", PROGRAM " measure fork 200", 0},
    {"least fork+exec", PROGRAM " measure exec 60", 0},
};

static BhResult agree(gpointer data, const BhActivity *activity) {
  (void)data, (void)activity;
  return BH_OK;
}

static gdouble measure(GuestFixture *fixture, const char *command, BhWatch what) {
  g_autofree char *output = NULL;

  g_assert_cmpint(fixture->vm->class->watch(fixture->vm, what), ==, BH_OK);
  output = witness_run(fixture, command, NULL);
  return g_ascii_strtod(output, NULL);
}

static int compare(gconstpointer left, gconstpointer right) {
  gdouble difference = *(const gdouble *)left - *(const gdouble *)right;

  return difference < 0 ? -1 : difference > 0;
}

static gdouble median_ratio(GuestFixture *fixture, const char *command) {
  gdouble ratios[TURNS_MAX];

  for (guint i = 0; i < turns; i++) {
    gdouble without = measure(fixture, command, BH_WATCH_NOTHING);

    ratios[i] = measure(fixture, command, BH_WATCH_PROCESSES) / without;
  }
  qsort(ratios, turns, sizeof *ratios, compare);
  return ratios[turns / 2];
}

static void being_watched_costs_little(GuestFixture *fixture, gconstpointer unused) {
  (void)unused;
  if (!witness_mount_program(fixture)) return;
  fixture->activity = agree;
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    gdouble ratio = 0;

    for (guint look = 0; look == 0 || (look < LOOKS && kinds[i].allowed > 0 && ratio > kinds[i].allowed); look++) {
      ratio = median_ratio(fixture, kinds[i].command);
      g_test_message("%-16s %.2f x (at most %.2f)", kinds[i].name, ratio, kinds[i].allowed);
    }
    if (kinds[i].allowed > 0) g_assert_cmpfloat(ratio, <=, kinds[i].allowed);
  }
}

static const GuestTestRow tests[] = {{"being-watched-costs-little", being_watched_costs_little}};

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (argc > 1) turns = CLAMP((guint)atoi(argv[1]), 1, TURNS_MAX);
  guest_test_add_agent(tests, G_N_ELEMENTS(tests));
  return g_test_run();
}
