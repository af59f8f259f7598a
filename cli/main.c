/* The `bulkhead` command. Exit status: 0 all expectations held; 1 one did not; 2 the command or a scenario was wrong. */
#include "core/lock-order.h"
#include "platform.h"
#include "runner.h"
#include "timeline.h"

#include <locale.h>
#include <string.h>

enum { EXIT_HELD = 0, EXIT_BROKEN = 1, EXIT_USAGE = 2 };

/* The options of `bulkhead run`. */
typedef struct {
  char **plugins; /* NAME=PATH */
  char *guest;
  char *agent;
  gboolean quiet;
  gint load_timeout; /* ms */
} RunOptions;

G_GNUC_PRINTF(1, 2) static int usage_error(const char *format, ...) {
  g_autofree char *message = NULL;
  va_list arguments;

  va_start(arguments, format);
  message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_printerr("bulkhead: %s\n", message);
  return EXIT_USAGE;
}

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

/* --- bulkhead run ----------------------------------------------------------------------------------------------- */

static gboolean add_plugins(BhService *service, char **plugins, char **problem) {
  for (char **plugin = plugins; plugin != NULL && *plugin != NULL; plugin++) {
    const char *equals = strchr(*plugin, '=');
    g_autofree char *name = NULL, *path = NULL;

    if (equals == NULL || equals == *plugin || equals[1] == '\0') {
      *problem = g_strdup_printf("--plugin takes NAME=PATH, not '%s'", *plugin);
      return FALSE;
    }
    name = g_strndup(*plugin, (gsize)(equals - *plugin));
    path = g_canonicalize_filename(equals + 1, NULL);
    bh_service_add_plugin(service, name, path);
  }
  return TRUE;
}

static int run_scenario(const RunOptions *options, const char *file, const BhScenario *scenario,
                        const BhPlatformOptions *platform_options) {
  BhTimeline timeline = {!options->quiet, bh_clock_now()};
  Report report = {file, &timeline};
  BhPlatform platform;
  BhServiceSettings settings = {0};
  BhService *service;
  g_autofree char *problem = NULL;
  gboolean good, held = FALSE;

  if (!bh_platform_open(&platform, platform_options, &problem)) {
    g_printerr("bulkhead: %s\n", problem);
    return EXIT_BROKEN;
  }
  settings.backend = platform.backend;
  settings.guest = platform.guest;
  settings.load_timeout = (gint64)options->load_timeout * 1000;
  service = bh_service_new(&settings);
  bh_trace_attach(bh_service_trace(service), bh_timeline_sink, &timeline);

  good = add_plugins(service, options->plugins, &problem);
  if (good) {
    if (options->plugins == NULL) bh_platform_discover(service);
    bh_timeline_heading(&timeline);
    bh_timeline_note(&timeline, "the service is process %u; plugins run in %s, distributions in %s",
                     bh_process_number(), platform.backend->class->name, platform.guest->class->name);
    held = bh_run(service, &platform.user, scenario, &(BhRunReport){on_begin, on_end, &report});
  }
  bh_service_free(service);
  if (good) bh_timeline_note(&timeline, "the service ends; it is still process %u", bh_process_number());
  bh_platform_close(&platform);
  if (!good) return usage_error("%s", problem);
  return held ? EXIT_HELD : EXIT_BROKEN;
}

static BhScenario *read_scenario(const char *file, char **problem) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL, *where = NULL;
  BhScenario *scenario;
  gsize size;

  if (!g_file_get_contents(file, &text, &size, &error)) {
    *problem = g_strdup(error->message);
    return NULL;
  }
  scenario = bh_scenario_parse(text, size, &where);
  if (scenario == NULL) *problem = g_strdup_printf("%s:%s", file, where);
  return scenario;
}

/* The agent's program: as said, as the environment says, or beside this program. The caller's. */
static char *find_agent(const char *said) {
  const char *environment = g_getenv("BULKHEAD_AGENT");
  g_autofree char *program = bh_platform_program(), *folder = g_path_get_dirname(program);

  if (said != NULL) return g_strdup(said);
  if (environment != NULL && *environment != '\0') return g_strdup(environment);
  return g_build_filename(folder, "bulkhead-agent", NULL);
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
      {"agent", 0, 0, G_OPTION_ARG_FILENAME, &options.agent, "the agent's program", "PATH"},
      {"load-timeout", 0, 0, G_OPTION_ARG_INT, &options.load_timeout, "how long plugins may take to load (30000)", "MS"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &options.quiet, "no timeline, only what went wrong", NULL},
      G_OPTION_ENTRY_NULL,
  };
  g_autoptr(GOptionContext) context = g_option_context_new("SCENARIO");
  g_autoptr(GError) error = NULL;
  g_autoptr(BhScenario) scenario = NULL;
  g_autofree char *problem = NULL, *agent = NULL;
  const char *file;
  int status = EXIT_USAGE;

  g_option_context_set_summary(context, "Puts a service with plugins through a scenario, and prints what happens.");
  g_option_context_set_description(context, about);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse_strv(context, arguments, &error)) {
    usage_error("%s; see bulkhead run --help", error->message);
    goto out;
  }
  if (options.guest != NULL) {
    platform.guest = g_str_equal(options.guest, "agent")    ? BH_GUEST_AGENT
                     : g_str_equal(options.guest, "memory") ? BH_GUEST_MEMORY
                                                            : BH_GUEST_DEFAULT;
    if (platform.guest == BH_GUEST_DEFAULT) {
      usage_error("--guest is 'agent' or 'memory', not '%s'", options.guest);
      goto out;
    }
  }
  if (g_strv_length(*arguments) != 2) {
    usage_error("run takes one scenario, not %u; see bulkhead run --help", g_strv_length(*arguments) - 1);
    goto out;
  }
  file = (*arguments)[1];
  if (options.load_timeout < 0) {
    usage_error("--load-timeout cannot be negative");
    goto out;
  }
  platform.agent = agent = find_agent(options.agent);
  scenario = read_scenario(file, &problem);
  status = scenario != NULL ? run_scenario(&options, file, scenario, &platform) : usage_error("%s", problem);
out:
  g_strfreev(options.plugins);
  g_free(options.guest);
  g_free(options.agent);
  return status;
}

/* --- The commands ----------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  int (*main)(char ***arguments); /* the command's own name first */
  const char *meaning;
} commands[] = {
    {"run", run, "puts a service with plugins through a scenario"},
};

static void print_help(void) {
  g_print("Usage: bulkhead COMMAND …\n\n"
          "Runs a service's third-party plugins in processes of their own.\n\n");
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) g_print("  %-10s %s\n", commands[i].name, commands[i].meaning);
  g_print("\n'bulkhead COMMAND --help' says more; 'bulkhead --version' its version.\n");
}

static int dispatch(char **arguments) {
  const char *command = arguments[0] != NULL ? arguments[1] : NULL;

  if (command == NULL) {
    print_help();
    return EXIT_USAGE;
  }
  if (g_str_equal(command, "--help") || g_str_equal(command, "-h")) {
    print_help();
    return EXIT_HELD;
  }
  if (g_str_equal(command, "--version")) {
    g_print("bulkhead %s\n", BH_VERSION);
    return EXIT_HELD;
  }
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    if (!g_str_equal(command, commands[i].name)) continue;
    g_autofree char *program = g_strdup_printf("bulkhead %s", command);
    g_auto(GStrv) own = g_strdupv(arguments + 1);
    g_set_prgname(program);
    return commands[i].main(&own);
  }
  return usage_error("there is no command '%s'; see bulkhead --help", command);
}

int main(int argc, char **argv) {
  g_auto(GStrv) arguments = NULL;

  (void)argc;
  (void)argv;
  setlocale(LC_ALL, "");
#ifdef G_OS_WIN32
  arguments = g_win32_get_command_line(); /* argv is in the code page, and may have lost what does not fit */
#else
  arguments = g_strdupv(argv);
#endif
#ifdef NDEBUG
  bh_lock_order_start(BH_LOCK_ORDER_LOG);
#else
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#endif
  return dispatch(arguments);
}
