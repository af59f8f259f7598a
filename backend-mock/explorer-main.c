/* `bulkhead explore`: its options, and what it prints. */
#include "explorer-jobs.h"

#include <stdio.h>

/* ---- The command --------------------------------------------------------------------------------------- */

typedef struct {
  BhExploreCommand command;
  char *name;   /* of the only protocol; NULL: all */
  char *replay; /* a seed */
  gboolean list;
} Options;

static int list(const BhExploreCommand *command) {
  for (guint i = 0; i < command->count; i++)
    printf("%-34s %s\n", command->protocols[i].name, command->protocols[i].about);
  return 0;
}

static int replay(const BhExploreCommand *command, const char *seed) {
  for (guint i = 0; i < command->count; i++) {
    g_auto(BhExploreReport) report = {0};
    if (!bh_explore_replay(&command->protocols[i], seed, &report)) continue;
    printf("%s\n%s\n", report.trace, report.finding != NULL ? report.finding : "no finding");
    return report.finding != NULL;
  }
  fprintf(stderr, "explore: '%s' is no seed of a protocol here\n", seed);
  return 2;
}

static gboolean choose_protocol(BhExploreCommand *command, const char *name) {
  if (name == NULL) return TRUE;
  for (guint i = 0; i < command->count; i++) {
    if (!g_str_equal(command->protocols[i].name, name)) continue;
    command->protocols += i;
    command->count = 1;
    return TRUE;
  }
  fprintf(stderr, "explore: there is no protocol '%s'; see --list\n", name);
  return FALSE;
}

static gboolean parse(Options *options, int argc, char **argv) {
  BhExploreCommand *command = &options->command;
  const GOptionEntry entries[] = {
      {"bound", 'b', 0, G_OPTION_ARG_INT, &command->bound,
       "Preemptions in a schedule, instead of each protocol's own", "N"},
      {"time", 't', 0, G_OPTION_ARG_INT, &command->seconds, "Time for all of it; 0: no limit (default: 240)",
       "SECONDS"},
      {"random", 'r', 0, G_OPTION_ARG_INT64, &command->random, "Random schedules besides, for all of it", "N"},
      {"random-seed", 0, 0, G_OPTION_ARG_INT64, &command->random_seed, "The same number makes the same ones", "N"},
      {"scenario", 's', 0, G_OPTION_ARG_STRING, &options->name, "Only that protocol", "NAME"},
      {"replay", 0, 0, G_OPTION_ARG_STRING, &options->replay, "The one schedule of that seed, with its trace",
       "SEED"},
      {"list", 'l', 0, G_OPTION_ARG_NONE, &options->list, "The protocols, and what each shows", NULL},
      {"whole", 0, 0, G_OPTION_ARG_NONE, &command->options.whole, "Without partial-order reduction", NULL},
      {"releases", 0, 0, G_OPTION_ARG_NONE, &command->options.after_release,
       "A choice after each release of a lock too (without reduction)", NULL},
      {"spurious", 0, 0, G_OPTION_ARG_INT, &command->options.spurious,
       "So many waits of a schedule end for no reason (without reduction)", "N"},
      {"jobs", 'j', 0, G_OPTION_ARG_INT, &command->jobs, "Protocols at a time", "N"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GOptionContext) context = g_option_context_new("- every interleaving of a few threads");
  g_autoptr(GError) error = NULL;

  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) {
    fprintf(stderr, "explore: %s\n", error->message);
    return FALSE;
  }
  if (argc > 1) fprintf(stderr, "explore: '%s' is not known; see --help\n", argv[1]);
  if (command->jobs < 1 || command->seconds < 0 || command->random < 0 || command->bound < -1 ||
      (int)command->options.spurious < 0) {
    fprintf(stderr, "explore: a number is out of range\n");
    return FALSE;
  }
  return argc == 1 && choose_protocol(command, options->name);
}

int bh_explore_main(int argc, char **argv, const BhProtocol *protocols, guint count) {
  Options options = {.command = {.bound = -1,
                                 .seconds = 240,
                                 .jobs = (int)g_get_num_processors(),
                                 .random_seed = g_random_int(),
                                 .protocols = protocols,
                                 .count = count}};
  int status;

  if (!parse(&options, argc, argv))
    status = 2;
  else if (options.list)
    status = list(&options.command);
  else if (options.replay != NULL)
    status = replay(&options.command, options.replay);
  else
    status = bh_explore_all(&options.command);
  g_free(options.name);
  g_free(options.replay);
  return status;
}
