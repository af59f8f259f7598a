#include "explorer-jobs.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum { BOUNDED, RANDOM, FINISHED } Phase;

/* A protocol, and how far it has come. In memory that the processes share: a process writes what it found. */
typedef struct {
  const BhProtocol *protocol;
  FILE *output; /* findings */
  pid_t pid;    /* 0: none runs */
  Phase phase;
  guint bound;    /* that is tried next */
  guint findings; /* not expected */

  /* By the process. */
  gboolean complete, bounded, found; /* of the last search */
  guint64 last;                      /* its schedules */
  guint64 all;                       /* the schedules of all searches */
  guint choice_points;
  double seconds;

  /* Of the last bound that was reached. */
  gboolean reached, exhausted;
  guint reached_bound;
  guint64 schedules;
} Job;

typedef struct {
  const BhExploreCommand *command;
  Job *jobs;
  gint64 began;
} Run;

/* ---- In its process ------------------------------------------------------------------------------------ */

static gboolean is_expected(const BhProtocol *protocol, const char *finding) {
  return protocol->expects != NULL && g_pattern_match_simple(protocol->expects, finding);
}

static void print_finding(FILE *output, const BhProtocol *protocol, const BhExploreReport *report) {
  fprintf(output, "\nFINDING in %s, schedule %" G_GUINT64_FORMAT ": %s\n\n%s\n", protocol->name, report->schedules,
          report->finding, report->trace);
  fprintf(output, "  ! a thread was preempted here\n  again: bulkhead explore --replay '%s'\n\n", report->seed);
}

static void search(const BhExploreCommand *command, Job *job, gint64 until) {
  BhExploreOptions options = command->options;
  g_auto(BhExploreReport) report = {0};
  gint64 began = g_get_monotonic_time();

  options.bound = job->bound;
  if (job->phase == RANDOM) {
    bh_explore_random(job->protocol, &options, ((guint64)command->random + command->count - 1) / command->count,
                      (guint64)command->random_seed, &report);
  } else {
    options.until = until;
    bh_explore_bounded(job->protocol, &options, &report);
  }
  job->complete = report.complete;
  job->bounded = report.bounded;
  job->found = report.finding != NULL;
  job->last = report.schedules;
  job->all += report.schedules;
  job->choice_points = MAX(job->choice_points, report.choice_points);
  job->seconds += (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
  if (!job->found || is_expected(job->protocol, report.finding)) return;
  job->findings++;
  print_finding(job->output, job->protocol, &report);
}

/* ---- Around it ----------------------------------------------------------------------------------------- */

static guint last_bound(const BhExploreCommand *command, const BhProtocol *protocol) {
  if (command->bound >= 0) return (guint)command->bound;
  return protocol->bound != 0 ? protocol->bound : BH_EXPLORE_BOUND;
}

static guint next_bound(guint bound, guint last) {
  return last == BH_EXPLORE_NO_BOUND && bound >= BH_EXPLORE_BOUND ? last : bound + 1;
}

static void finish(Job *job) {
  const char *bound = job->exhausted ? "all" : "none";
  g_autofree char *number = g_strdup_printf("%u", job->reached_bound);
  char line[4096];

  job->phase = FINISHED;
  if (job->protocol->expects != NULL && !job->found) {
    job->findings++;
    fprintf(job->output, "\nFINDING in %s: what was to be found was not: %s\n\n", job->protocol->name,
            job->protocol->expects);
  }
  if (job->reached && !job->exhausted) bound = number;
  printf("%-34s %5s %12" G_GUINT64_FORMAT " %7u %12" G_GUINT64_FORMAT " %8.2f %4u%s\n", job->protocol->name, bound,
         job->schedules, job->choice_points, job->all, job->seconds, job->findings,
         job->found && job->findings == 0 ? "  (one, as expected)" : "");
  rewind(job->output);
  while (fgets(line, sizeof line, job->output) != NULL) fputs(line, stdout);
  fclose(job->output);
  fflush(stdout);
}

/* A search has ended: what comes next? */
static void advance(const Run *run, Job *job) {
  guint last = last_bound(run->command, job->protocol);
  gboolean more = FALSE;

  if (job->phase == BOUNDED && (job->complete || job->found)) {
    job->reached = TRUE;
    job->reached_bound = job->bound;
    job->schedules = job->last;
    job->exhausted = job->complete && !job->bounded;
    more = job->complete && job->bounded && job->bound < last;
  }
  if (more)
    job->bound = next_bound(job->bound, last);
  else if (job->phase == BOUNDED && !job->found && run->command->random > 0)
    job->phase = RANDOM;
  else
    finish(job);
}

static void start(const Run *run, Job *job, gint64 until) {
  pid_t pid;

  job->complete = job->bounded = FALSE; /* if it does not live to say so */
  fflush(NULL);
  pid = fork();
  g_assert(pid >= 0);
  if (pid != 0) {
    job->pid = pid;
    return;
  }
  dup2(fileno(job->output), STDERR_FILENO); /* a sanitizer's report */
  search(run->command, job, until);
  fflush(job->output);
  _exit(0);
}

static void wait_for_one(const Run *run) {
  int status;
  pid_t pid = wait(&status);

  for (guint i = 0; i < run->command->count; i++) {
    Job *job = &run->jobs[i];
    if (job->pid != pid) continue;
    job->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      job->findings++;
      job->found = TRUE;
      fseek(job->output, 0, SEEK_END);
      fprintf(job->output, "\nFINDING in %s: its process ended with status %d\n\n", job->protocol->name, status);
    }
    advance(run, job);
  }
}

/* The cheapest so far; NULL: none waits. left: how many have not finished. */
static Job *find_next(const Run *run, guint *left) {
  Job *next = NULL;

  *left = 0;
  for (guint i = 0; i < run->command->count; i++) {
    Job *job = &run->jobs[i];
    if (job->phase == FINISHED) continue;
    (*left)++;
    if (job->pid == 0 && (next == NULL || job->all < next->all)) next = job;
  }
  return next;
}

static gint64 share_of_time(const Run *run, guint left) {
  gint64 now = g_get_monotonic_time(), end = run->began + (gint64)run->command->seconds * G_USEC_PER_SEC;

  if (run->command->seconds == 0) return 0;
  return now + MAX(end - now, 0) * MIN((guint)run->command->jobs, left) / left;
}

static void explore(const Run *run) {
  guint left, running = 0;

  for (;;) {
    Job *next = find_next(run, &left);
    if (left == 0) return;
    if (next != NULL && running < (guint)run->command->jobs) {
      start(run, next, share_of_time(run, left));
      running++;
    } else {
      wait_for_one(run);
      running--;
    }
  }
}

static int sum_up(const Run *run) {
  guint64 schedules = 0;
  guint findings = 0;

  for (guint i = 0; i < run->command->count; i++) {
    schedules += run->jobs[i].all;
    findings += run->jobs[i].findings;
  }
  if (run->command->random > 0) printf("random seed %" G_GINT64_FORMAT "\n", run->command->random_seed);
  printf("%u protocols, %" G_GUINT64_FORMAT " schedules in %.1f s, %u findings\n", run->command->count, schedules,
         (double)(g_get_monotonic_time() - run->began) / G_USEC_PER_SEC, findings);
  return findings > 0;
}

int bh_explore_all(const BhExploreCommand *command) {
  gsize size = command->count * sizeof(Job);
  Run run = {command, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
             g_get_monotonic_time()};
  int status;

  g_assert(run.jobs != MAP_FAILED);
  for (guint i = 0; i < command->count; i++) {
    FILE *output = tmpfile();

    g_assert(output != NULL);
    run.jobs[i] = (Job){.protocol = &command->protocols[i], .output = output};
  }
  printf("%-34s %5s %12s %7s %12s %8s %s\n", "protocol", "bound", "schedules", "choices", "in all", "seconds",
         "findings");
  explore(&run);
  status = sum_up(&run);
  munmap(run.jobs, size);
  return status;
}
