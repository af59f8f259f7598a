/* `bulkhead run`: a scenario, with a timeline of what happens. */
#include "commands.h"
#include "platform.h"
#include "runner.h"
#include "timeline.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

/* The options of `bulkhead run`. */
typedef struct {
  char **plugins; /* NAME=PATH */
  char *guest;
  char *callbacks;
  char *agent;
  char *host;
  gboolean quiet;
  gint load_timeout; /* ms */
} RunOptions;

/* --- Reporting a run -------------------------------------------------------------------------------------------- */

typedef struct {
  const char *file;
  const BhTimeline *timeline;
} Report;

static void on_begin(const BhStep *step, gpointer data) {
  const Report *report = data;
  bh_timeline_note(report->timeline, "> %s", step->text);
}

static void on_end(const BhStep *step, const char *error, const char *complaint, gpointer data) {
  const Report *report = data;

  if (error != NULL) {
    g_auto(GStrv) lines = g_strsplit(error, "\n", -1);
    for (char **line = lines; *line != NULL; line++) bh_timeline_note(report->timeline, "! %s", *line);
  }
  if (complaint != NULL) {
    g_printerr("%s:%u: %s: %s\n", report->file, step->line, step->text, complaint);
    if (error != NULL && !report->timeline->shown) g_printerr("%s\n", error);
  }
}

/* --- Running ---------------------------------------------------------------------------------------------------- */

/* Where the PATH of NAME=PATH begins; NULL: it is something else. */
static const char *plugin_path(const char *plugin) {
  const char *equals = strchr(plugin, '=');
  return equals != NULL && equals != plugin && equals[1] != '\0' ? equals + 1 : NULL;
}

static void add_plugins(BhService *service, char **plugins) {
  for (char **plugin = plugins; *plugin != NULL; plugin++) {
    const char *given = plugin_path(*plugin);
    g_autofree char *name = g_strndup(*plugin, (gsize)(given - 1 - *plugin));
    g_autofree char *path = bh_platform_absolute(given);
    bh_service_add_plugin(service, name, path);
  }
}

static int run_scenario(const RunOptions *options, const char *file, const BhScenario *scenario,
                        const BhPlatformOptions *platform_options) {
  BhTimeline timeline = {!options->quiet, bh_clock_now()};
  Report report = {file, &timeline};
  BhPlatform platform;
  BhServiceSettings settings = {0};
  BhService *service;
  g_autofree char *problem = NULL;
  gboolean held;

  if (!bh_platform_open(&platform, platform_options, &problem)) {
    g_printerr("bulkhead: %s\n", problem);
    return BH_EXIT_FAILED;
  }
  settings.backend = platform.backend;
  settings.guest = platform.guest;
  if (options->callbacks != NULL) settings.callbacks = bh_callbacks_by_name(options->callbacks);
  settings.load_timeout = (gint64)options->load_timeout * 1000;
  service = bh_service_new(&settings);
  bh_trace_attach(bh_service_trace(service), bh_timeline_sink, &timeline);

  bh_timeline_heading(&timeline);
  bh_timeline_note(&timeline, "the service is process %u; plugins run in %s, distributions in %s",
                   bh_process_number(), platform.backend->class->name, platform.guest->class->name);
  if (options->plugins != NULL)
    add_plugins(service, options->plugins);
  else
    bh_platform_discover(service);
  held = bh_run(service, &platform.user, scenario, &(BhRunReport){on_begin, on_end, &report});
  bh_service_free(service);
  bh_timeline_note(&timeline, "the service ends; it is still process %u", bh_process_number());
  bh_platform_close(&platform);
  return held ? BH_EXIT_OK : BH_EXIT_FAILED;
}

static BhScenario *read_scenario(const char *file, char **problem) {
  /* One byte more than it may have, so that the parser can tell; not all of it, as a file can be endless. */
  g_autofree char *text = g_malloc(BH_SCENARIO_MAX_SIZE + 1), *where = NULL;
  FILE *stream = g_fopen(file, "rb");
  BhScenario *scenario;
  gsize size = 0;
  int cause = errno;

  if (stream != NULL) {
    size = fread(text, 1, BH_SCENARIO_MAX_SIZE + 1, stream);
    cause = ferror(stream) ? errno : 0;
    fclose(stream);
  }
  if (stream == NULL || cause != 0) {
    *problem = g_strdup_printf("'%s' cannot be read: %s", file, g_strerror(cause));
    return NULL;
  }
  scenario = bh_scenario_parse(text, size, &where);
  if (scenario == NULL) *problem = g_strdup_printf("%s:%s", file, where);
  return scenario;
}

static int run(char ***arguments) {
  RunOptions options = {0};
  BhPlatformOptions platform = {0};
  g_autofree char *steps = bh_scenario_usage();
  g_autofree char *about = g_strdup_printf("The steps of a scenario, one a line:\n%s\n"
                                           "Exit status: 0 all expectations held, 1 one did not, 2 usage error.",
                                           steps);
  GOptionEntry entries[] = {
      {"plugin", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &options.plugins,
       "a plugin's name and file; may be repeated. Without any, the registered plugins", "NAME=PATH"},
      {"guest", 'g', 0, G_OPTION_ARG_STRING, &options.guest,
       "where distributions run: 'agent' (a real Linux) or 'memory'", "KIND"},
      {"agent", 0, 0, G_OPTION_ARG_FILENAME, &options.agent, "the agent's program; else it is beside this one",
       "PATH"},
      {"host", 0, 0, G_OPTION_ARG_FILENAME, &options.host,
       "on Windows, wslpluginhost.exe, as it is registered; else it is beside this program", "PATH"},
      {"callbacks", 'c', 0, G_OPTION_ARG_STRING, &options.callbacks,
       "how plugins' calls are served: 'pumped' (one lock) or 'shared' (two)", "DESIGN"},
      {"load-timeout", 0, 0, G_OPTION_ARG_INT, &options.load_timeout, "how long plugins may take to load (30000)",
       "MS"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "no timeline, only what went wrong", NULL},
      G_OPTION_ENTRY_NULL,
  };
  g_autoptr(GOptionContext) context = g_option_context_new("SCENARIO");
  g_autoptr(GError) error = NULL;
  g_autoptr(BhScenario) scenario = NULL;
  g_autofree char *problem = NULL, *agent = NULL, *host = NULL;
  const char *file;
  int status = BH_EXIT_USAGE;

  g_option_context_set_summary(context,
                               "Puts a service with plugins through a scenario, and prints what happens.");
  g_option_context_set_description(context, about);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse_strv(context, arguments, &error)) {
    bh_usage_error("%s; see bulkhead run --help", error->message);
    goto out;
  }
  if (options.callbacks != NULL && bh_callbacks_by_name(options.callbacks) == NULL) {
    bh_usage_error("--callbacks is 'pumped' or 'shared', not '%s'", options.callbacks);
    goto out;
  }
  if (options.guest != NULL) {
    platform.guest = g_str_equal(options.guest, "agent")    ? BH_GUEST_AGENT
                     : g_str_equal(options.guest, "memory") ? BH_GUEST_MEMORY
                                                            : BH_GUEST_DEFAULT;
    if (platform.guest == BH_GUEST_DEFAULT) {
      bh_usage_error("--guest is 'agent' or 'memory', not '%s'", options.guest);
      goto out;
    }
  }
  if (g_strv_length(*arguments) != 2) {
    bh_usage_error("run takes one scenario, not %u; see bulkhead run --help", g_strv_length(*arguments) - 1);
    goto out;
  }
  file = (*arguments)[1];
  for (char **plugin = options.plugins; plugin != NULL && *plugin != NULL; plugin++) {
    if (plugin_path(*plugin) != NULL) continue;
    bh_usage_error("--plugin takes NAME=PATH, not '%s'", *plugin);
    goto out;
  }
  if (options.load_timeout < 0) {
    bh_usage_error("--load-timeout cannot be negative");
    goto out;
  }
  platform.agent = agent = options.agent != NULL ? g_strdup(options.agent) : bh_platform_beside("bulkhead-agent");
  platform.host = host = options.host != NULL ? g_strdup(options.host) : bh_platform_beside("wslpluginhost.exe");
  scenario = read_scenario(file, &problem);
  status = scenario != NULL ? run_scenario(&options, file, scenario, &platform) : bh_usage_error("%s", problem);
out:
  g_strfreev(options.plugins);
  g_free(options.guest);
  g_free(options.callbacks);
  g_free(options.agent);
  g_free(options.host);
  return status;
}

const BhCommand bh_command_run = {"run", run, "puts a service with plugins through a scenario"};
