/* `bulkhead explore`. Each protocol is explored in a process of its own: as many at a time as there are processors, and a
 * crash or a sanitizer's report ends only one of them. */
#include "explorer.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  int bound;     /* -1: each protocol's own */
  int seconds;   /* for all of it; 0: as long as it takes */
  gint64 random; /* schedules, for all of it */
  gint64 random_seed;
  int jobs;
  char *name; /* of the only protocol; NULL: all */
  char *replay;
  gboolean list;
  BhExploreOptions options;
  const BhProtocol *protocols;
  guint count;
} Command;

/* What a process tells of its protocol, in memory that all share. */
typedef struct {
  pid_t pid;
  FILE *output;
  gboolean ended, printed;
  guint64 schedules;
  guint findings;
} Job;

/* ---- One protocol -------------------------------------------------------------------------------------- */

static gboolean is_expected(const BhProtocol *protocol, const BhExploreReport *report) {
  return protocol->expects != NULL && g_pattern_match_simple(protocol->expects, report->finding);
}

static void print_finding(FILE *output, const BhProtocol *protocol, const BhExploreReport *report) {
  if (report->finding == NULL) {
    fprintf(output, "\nFINDING in %s: what was to be found was not: %s\n\n", protocol->name, protocol->expects);
    return;
  }
  fprintf(output, "\nFINDING in %s, after %" G_GUINT64_FORMAT " schedules: %s\n\n%s\n", protocol->name,
          report->schedules, report->finding, report->trace);
  fprintf(output, "  ! a thread was preempted here\n  again: bulkhead explore --replay '%s'\n\n", report->seed);
}

/* Bound after bound, then without one where that is asked for. Leaves in report the last that came to its end, or the one
 * with a finding; returns its bound, or -1: there was no time for any. */
static int explore_bounds(const Command *command, const BhProtocol *protocol, BhExploreOptions *options,
                          guint64 *schedules, BhExploreReport *report) {
  guint own = protocol->bound != 0 ? protocol->bound : BH_EXPLORE_BOUND;
  guint last = command->bound >= 0 ? (guint)command->bound : own;
  gboolean more = TRUE;
  int reached = -1;

  for (guint bound = 0; more; bound++) {
    g_auto(BhExploreReport) tried = {0};
    if (last == BH_EXPLORE_NO_BOUND && bound > BH_EXPLORE_BOUND) bound = BH_EXPLORE_NO_BOUND;
    options->bound = bound;
    bh_explore_bounded(protocol, options, &tried);
    *schedules += tried.schedules;
    more = tried.complete && tried.bounded && bound < last;
    if (!tried.complete && tried.finding == NULL) break;
    reached = (int)MIN(bound, G_MAXINT);
    bh_explore_report_clear(report);
    *report = tried;
    tried = (BhExploreReport){0};
  }
  return reached;
}

static void print_result(FILE *output, const BhProtocol *protocol, int bound, const BhExploreReport *report,
                         guint64 schedules, guint findings, double seconds) {
  g_autofree char *reached = bound < 0                              ? g_strdup("none")
                             : report->complete && !report->bounded ? g_strdup("all")
                                                                    : g_strdup_printf("%d", bound);

  fprintf(output, "%-34s %5s %12" G_GUINT64_FORMAT " %7u %12" G_GUINT64_FORMAT " %8.2f %4u%s\n", protocol->name,
          reached, report->schedules, report->choice_points, schedules, seconds, findings,
          report->finding != NULL && findings == 0 ? "  (one, as expected)" : "");
}

/* Returns how many findings there are that were not expected. */
static guint explore(const Command *command, const BhProtocol *protocol, gint64 until, guint64 random,
                     FILE *output, guint64 *schedules) {
  g_auto(BhExploreReport) report = {0};
  g_auto(BhExploreReport) beyond = {0};
  BhExploreOptions options = command->options;
  gint64 began = g_get_monotonic_time();
  guint findings = 0;
  int bound;

  options.until = until;
  bound = explore_bounds(command, protocol, &options, schedules, &report);
  if (report.finding != NULL || (protocol->expects != NULL && report.complete)) {
    findings = report.finding == NULL || !is_expected(protocol, &report);
  } else if (random > 0) {
    options.until = 0;
    bh_explore_random(protocol, &options, random, (guint64)command->random_seed, &beyond);
    *schedules += beyond.schedules;
    findings = beyond.finding != NULL && !is_expected(protocol, &beyond);
  }
  print_result(output, protocol, bound, &report, *schedules, findings,
               (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC);
  if (findings > 0) print_finding(output, protocol, beyond.finding != NULL ? &beyond : &report);
  return findings;
}

/* ---- All of them --------------------------------------------------------------------------------------- */

static void start_job(const Command *command, Job *job, const BhProtocol *protocol, gint64 until) {
  pid_t pid;

  job->output = tmpfile();
  g_assert(job->output != NULL);
  fflush(NULL);
  pid = fork();
  g_assert(pid >= 0);
  if (pid != 0) {
    job->pid = pid;
    return;
  }
  dup2(fileno(job->output), STDERR_FILENO); /* a sanitizer's report */
  job->findings =
      explore(command, protocol, until, (guint64)command->random / command->count, job->output, &job->schedules);
  fflush(job->output);
  _exit(0);
}

static void wait_for_job(Job *jobs, const BhProtocol *protocols, guint count) {
  int status;
  pid_t pid = wait(&status);

  for (guint i = 0; i < count; i++) {
    if (jobs[i].pid != pid || jobs[i].ended) continue;
    jobs[i].ended = TRUE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    jobs[i].findings++;
    fseek(jobs[i].output, 0, SEEK_END);
    fprintf(jobs[i].output, "\nFINDING in %s: its process ended with status %d; see above\n\n", protocols[i].name,
            status);
  }
}

/* In the order of the table. */
static void print_ended(Job *jobs, guint count) {
  char line[4096];

  for (guint i = 0; i < count && jobs[i].ended; i++) {
    if (jobs[i].printed) continue;
    jobs[i].printed = TRUE;
    rewind(jobs[i].output);
    while (fgets(line, sizeof line, jobs[i].output) != NULL) fputs(line, stdout);
    fclose(jobs[i].output);
    fflush(stdout);
  }
}

/* Each that begins gets its share of what time is left. */
static gint64 share_of_time(const Command *command, gint64 began, guint left) {
  gint64 now = g_get_monotonic_time(), end = began + (gint64)command->seconds * G_USEC_PER_SEC;

  if (command->seconds == 0) return 0;
  return now + MAX(end - now, 0) * MIN((guint)command->jobs, left) / left;
}

static int sum_up(const Job *jobs, guint count, gint64 began) {
  guint64 schedules = 0;
  guint findings = 0;

  for (guint i = 0; i < count; i++) {
    schedules += jobs[i].schedules;
    findings += jobs[i].findings;
  }
  printf("%u protocols, %" G_GUINT64_FORMAT " schedules in %.1f s, %u findings\n", count, schedules,
         (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC, findings);
  return findings > 0;
}

static int explore_all(const Command *command) {
  guint count = command->count, started = 0, running = 0;
  gsize size = count * sizeof(Job);
  Job *jobs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  gint64 began = g_get_monotonic_time();
  int status;

  g_assert(jobs != MAP_FAILED);
  printf("%-34s %5s %12s %7s %12s %8s %4s\n", "protocol", "bound", "schedules", "choices", "in all", "seconds",
         "findings");
  while (started < count || running > 0) {
    if (started < count && running < (guint)command->jobs) {
      start_job(command, &jobs[started], &command->protocols[started],
                share_of_time(command, began, count - started));
      started++;
      running++;
      continue;
    }
    wait_for_job(jobs, command->protocols, started);
    running--;
    print_ended(jobs, count);
  }
  if (command->random > 0) printf("random seed %" G_GINT64_FORMAT "\n", command->random_seed);
  status = sum_up(jobs, count, began);
  munmap(jobs, size);
  return status;
}

/* ---- The command --------------------------------------------------------------------------------------- */

static int list(const Command *command) {
  for (guint i = 0; i < command->count; i++)
    printf("%-34s %s\n", command->protocols[i].name, command->protocols[i].about);
  return 0;
}

static int replay(const Command *command) {
  for (guint i = 0; i < command->count; i++) {
    g_auto(BhExploreReport) report = {0};
    if (!bh_explore_replay(&command->protocols[i], command->replay, &report)) continue;
    printf("%s\n%s\n", report.trace, report.finding != NULL ? report.finding : "no finding");
    return report.finding != NULL;
  }
  fprintf(stderr, "explore: '%s' is no seed of a protocol here\n", command->replay);
  return 2;
}

static gboolean choose_protocol(Command *command) {
  if (command->name == NULL) return TRUE;
  for (guint i = 0; i < command->count; i++) {
    if (!g_str_equal(command->protocols[i].name, command->name)) continue;
    command->protocols += i;
    command->count = 1;
    return TRUE;
  }
  fprintf(stderr, "explore: there is no protocol '%s'; see --list\n", command->name);
  return FALSE;
}

static gboolean parse(Command *command, int argc, char **argv) {
  const GOptionEntry entries[] = {
      {"bound", 'b', 0, G_OPTION_ARG_INT, &command->bound,
       "Preemptions in a schedule, instead of each protocol's own", "N"},
      {"time", 't', 0, G_OPTION_ARG_INT, &command->seconds, "Time for all of it; as far as it gets", "SECONDS"},
      {"random", 'r', 0, G_OPTION_ARG_INT64, &command->random, "Random schedules besides, for all of it", "N"},
      {"random-seed", 0, 0, G_OPTION_ARG_INT64, &command->random_seed, "The same number makes the same ones", "N"},
      {"scenario", 's', 0, G_OPTION_ARG_STRING, &command->name, "Only that protocol", "NAME"},
      {"replay", 0, 0, G_OPTION_ARG_STRING, &command->replay, "The one schedule of that seed, with its trace",
       "SEED"},
      {"list", 'l', 0, G_OPTION_ARG_NONE, &command->list, "The protocols, and what each shows", NULL},
      {"whole", 0, 0, G_OPTION_ARG_NONE, &command->options.whole, "Without partial-order reduction", NULL},
      {"releases", 0, 0, G_OPTION_ARG_NONE, &command->options.after_release,
       "A choice after each release of a lock too (without reduction)", NULL},
      {"spurious", 0, 0, G_OPTION_ARG_INT, &command->options.spurious,
       "So many waits of a schedule end for no reason (without reduction)", "N"},
      {"jobs", 'j', 0, G_OPTION_ARG_INT, &command->jobs, "Protocols at a time", "N"},
      {NULL}};
  g_autoptr(GOptionContext) context = g_option_context_new("- every interleaving of a few threads");
  g_autoptr(GError) error = NULL;

  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "explore: %s\n", error->message);
    return FALSE;
  }
  if (argc > 1) fprintf(stderr, "explore: '%s' is not known; see --help\n", argv[1]);
  if (command->jobs < 1 || command->seconds < 0 || command->random < 0 || command->bound < -1) {
    fprintf(stderr, "explore: a number is out of range\n");
    return FALSE;
  }
  return argc == 1 && choose_protocol(command);
}

int bh_explore_main(int argc, char **argv, const BhProtocol *protocols, guint count) {
  Command command = {.bound = -1,
                     .jobs = (int)g_get_num_processors(),
                     .random_seed = g_random_int(),
                     .protocols = protocols,
                     .count = count};
  gboolean usable = parse(&command, argc, argv);
  int status = 2;

  if (usable)
    status = command.list ? list(&command) : command.replay != NULL ? replay(&command) : explore_all(&command);
  g_free(command.name);
  g_free(command.replay);
  return status;
}
