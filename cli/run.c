/* `bulkhead run` and `bulkhead watch`: a scenario, with a timeline of what happens, or a table of who started what. */
#include "commands.h"
#include "platform.h"
#include "report.h"
#include "watcher.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

/* The options of both. */
typedef struct {
  char **plugins; /* NAME=PATH */
  char *guest;
  char *callbacks;
  char *agent;
  char *host;
  gint load_timeout;       /* ms */
  gboolean quiet, service; /* run's */
  gboolean json, plain;    /* watch's */
} RunOptions;

/* A view on what happens. Which of the two commands it is. */
typedef struct {
  const char *name, *scenario, *summary;
  gboolean watches;
} View;

static const View run_view = {"run", "SCENARIO",
                              "Puts a service with plugins through a scenario, and prints what happens.", FALSE};
static const View watch_view = {
    "watch", "[SCENARIO]",
    "Shows each process and thread of plugins (Win32) and distributions (WSL) as it begins and\n"
    "ends: of a scenario that is run here, or else of the service that runs on this machine, until\n"
    "interrupted.",
    TRUE};

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

static void print_line(gpointer data, const char *line) {
  (void)data;
  g_print("%s\n", line);
}

/* FALSE: it was said why not. */
static gboolean start_watching(BhWatcher *watcher, BhService *service) {
  BhResult result = bh_watcher_begin(watcher, bh_service_process_notify(service));
  g_autofree char *code = bh_result_to_string(result);

  if (BH_FAILED(result)) g_printerr("bulkhead: processes cannot be watched: %s\n", code);
  return BH_SUCCEEDED(result);
}

static int run_scenario(const View *view, const RunOptions *options, const char *file, const BhScenario *scenario,
                        const BhPlatformOptions *platform_options) {
  BhTimeline timeline = {.shown = !options->quiet && !view->watches, .began = bh_clock_now()};
  BhReport report = {file, &timeline};
  BhWatcher watcher = {.json = options->json, .plain = options->plain, .print = print_line};
  BhPlatform platform;
  BhServiceSettings settings = {0};
  BhService *service;
  g_autofree char *problem = NULL;
  gboolean held = FALSE;

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
  if (!view->watches || start_watching(&watcher, service))
    held = bh_run(service, &platform.user, scenario, &(BhRunReport){bh_report_begin, bh_report_end, &report});
  bh_service_free(service); /* and with it the watcher's routines, which have then seen its hosts end */
  bh_timeline_note(&timeline, "the service ends; it is still process %u", bh_process_number());
  bh_platform_close(&platform);
  return held ? BH_EXIT_OK : BH_EXIT_FAILED;
}

/* The file's text; one byte more than a scenario may have, so that the parser can tell, and not all of it, as a file can be
 * endless. The caller's; NULL: *problem says why. */
static char *read_text(const char *file, gsize *size, char **problem) {
  g_autofree char *text = g_malloc(BH_SCENARIO_MAX_SIZE + 1);
  FILE *stream = g_fopen(file, "rb");
  int cause = errno;

  if (stream != NULL) {
    *size = fread(text, 1, BH_SCENARIO_MAX_SIZE + 1, stream);
    cause = ferror(stream) ? errno : 0;
    fclose(stream);
  }
  if (stream != NULL && cause == 0) return g_steal_pointer(&text);
  *problem = g_strdup_printf("'%s' cannot be read: %s", file, g_strerror(cause));
  return NULL;
}

/* Here, or in the service that runs on this machine. What is wrong with the scenario is found before anything is done. */
static int run_file(const View *view, const RunOptions *options, const char *file,
                    const BhPlatformOptions *platform) {
  g_autoptr(BhScenario) scenario = NULL;
  g_autofree char *text = NULL, *problem = NULL;
  gsize size = 0;

  text = read_text(file, &size, &problem);
  if (text == NULL) return bh_usage_error("%s", problem);
  scenario = bh_scenario_parse(text, size, &problem);
  if (scenario == NULL) return bh_usage_error("%s:%s", file, problem);
  if (options->service) return bh_platform_run_in_service(text, size, options->quiet);
  return run_scenario(view, options, file, scenario, platform);
}

/* What only a service of the command's own can be told. */
static gboolean has_own_settings(const RunOptions *options) {
  return options->plugins != NULL || options->guest != NULL || options->callbacks != NULL ||
         options->agent != NULL || options->host != NULL || options->load_timeout != 0;
}

/* What is wrong with the options, as a whole, is said. */
static gboolean check(const View *view, const RunOptions *options, guint count, BhPlatformOptions *platform) {
  if (options->callbacks != NULL && bh_callbacks_by_name(options->callbacks) == NULL) {
    bh_usage_error("--callbacks is 'pumped' or 'shared', not '%s'", options->callbacks);
    return FALSE;
  }
  if (options->guest != NULL && !bh_guest_kind_parse(options->guest, &platform->guest)) return FALSE;
  if (count > 1 || (count == 0 && !view->watches)) {
    bh_usage_error("%s takes one scenario, not %u; see bulkhead %s --help", view->name, count, view->name);
    return FALSE;
  }
  for (char **plugin = options->plugins; plugin != NULL && *plugin != NULL; plugin++) {
    if (plugin_path(*plugin) != NULL) continue;
    bh_usage_error("--plugin takes NAME=PATH, not '%s'", *plugin);
    return FALSE;
  }
  if (options->load_timeout < 0) {
    bh_usage_error("--load-timeout cannot be negative");
    return FALSE;
  }
  if (options->service && has_own_settings(options)) {
    bh_usage_error("--service goes with --quiet only: the service has its own plugins and settings");
    return FALSE;
  }
  if (count == 0 && has_own_settings(options)) {
    bh_usage_error("without a scenario, watch looks at the service, which has its own plugins and settings");
    return FALSE;
  }
  return TRUE;
}

/* file: NULL: there is none, and the service is watched. */
static int show_checked(const View *view, const RunOptions *options, const char *file,
                        BhPlatformOptions *platform) {
  g_autofree char *agent = bh_platform_file(options->agent, "bulkhead-agent");
  g_autofree char *host = bh_platform_file(options->host, "wslpluginhost.exe");

  if (file == NULL) return bh_platform_watch_service(options->json, options->plain);
  platform->agent = agent;
  platform->host = host;
  return run_file(view, options, file, platform);
}

static int show(const View *view, char ***arguments) {
  RunOptions options = {0};
  BhPlatformOptions platform = {0};
  g_autofree char *steps = bh_scenario_usage();
  g_autofree char *about = g_strdup_printf("The steps of a scenario, one a line:\n%s\n"
                                           "Exit status: 0 all expectations held, 1 one did not, 2 usage error.",
                                           steps);
  const GOptionEntry entries[] = {
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
      G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry own[2][3] = {
      {{"service", 's', 0, G_OPTION_ARG_NONE, &options.service,
        "in the service that runs on this machine, with its plugins (see bulkhead service)", NULL},
       {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "no timeline, only what went wrong", NULL},
       G_OPTION_ENTRY_NULL},
      {{"json", 'j', 0, G_OPTION_ARG_NONE, &options.json, "JSON, an object a line, instead of a table", NULL},
       {"plain", 0, 0, G_OPTION_ARG_NONE, &options.plain,
        "what a plain notify routine sees: Win32's processes and threads alone", NULL},
       G_OPTION_ENTRY_NULL}};
  g_autoptr(GOptionContext) context = g_option_context_new(view->scenario);
  g_autoptr(GError) error = NULL;
  int status = BH_EXIT_USAGE;

  g_option_context_set_summary(context, view->summary);
  g_option_context_set_description(context, about);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_add_main_entries(context, own[view->watches], NULL);
  if (!g_option_context_parse_strv(context, arguments, &error))
    bh_usage_error("%s; see bulkhead %s --help", error->message, view->name);
  else if (check(view, &options, g_strv_length(*arguments) - 1, &platform))
    status = show_checked(view, &options, (*arguments)[1], &platform);
  g_strfreev(options.plugins);
  g_free(options.guest);
  g_free(options.callbacks);
  g_free(options.agent);
  g_free(options.host);
  return status;
}

static int run(char ***arguments) {
  return show(&run_view, arguments);
}

static int watch(char ***arguments) {
  return show(&watch_view, arguments);
}

const BhCommand bh_command_run = {"run", run, "puts a service with plugins through a scenario"};
const BhCommand bh_command_watch = {"watch", watch, "shows the processes of plugins and distributions, live"};
