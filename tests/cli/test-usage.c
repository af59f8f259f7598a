/* What `bulkhead` says of itself, and of a command line or a scenario that is wrong: no plugin is needed for that, nor
 * is anything registered. Status 2 means that nothing was done, so nothing is on stdout then. */
#include "command.h"

#include <string.h>

/* A command line, and what is said of it. */
typedef struct {
  const char *name;
  const char *arguments[6];
  const char *complaint;
} UsageError;

static const UsageError usage_errors[] = {
    {"an-unknown-command", {"dance"}, "bulkhead: there is no command 'dance'; see bulkhead --help"},
    {"an-unknown-option", {"run", "--dance", "good"}, "bulkhead: Unknown option --dance; see bulkhead run --help"},
    {"an-option-without-its-value", {"run", "good", "--plugin"}, "bulkhead: *--plugin; see bulkhead run --help"},
    {"no-scenario", {"run"}, "bulkhead: run takes one scenario, not 0; see bulkhead run --help"},
    {"watch-two-scenarios",
     {"watch", "good", "good"},
     "bulkhead: watch takes one scenario, not 2; see bulkhead watch --help"},
    {"watch-a-service-with-plugins",
     {"watch", "--plugin", "A=a.dll"},
     "bulkhead: without a scenario, watch looks at the service, which has its own plugins and settings"},
    {"watch-a-timeline",
     {"watch", "--quiet", "good"},
     "bulkhead: Unknown option --quiet; see bulkhead watch --help"},
    {"two-scenarios", {"run", "good", "good"}, "bulkhead: run takes one scenario, not 2; see bulkhead run --help"},
    {"a-scenario-that-is-not-there", {"run", "none"}, "bulkhead: *none*: No such file or directory"},
    {"a-plugin-without-a-name",
     {"run", "--plugin", "a.dll", "good"},
     "bulkhead: --plugin takes NAME=PATH, not 'a.dll'"},
    {"a-plugin-with-an-empty-name",
     {"run", "--plugin", "=a.dll", "good"},
     "bulkhead: --plugin takes NAME=PATH, not '=a.dll'"},
    {"a-plugin-with-an-empty-path",
     {"run", "--plugin", "A=", "good"},
     "bulkhead: --plugin takes NAME=PATH, not 'A='"},
    {"a-guest-that-is-none",
     {"run", "--guest", "moon", "good"},
     "bulkhead: --guest is 'agent' or 'memory', not 'moon'"},
    {"a-time-out-that-is-no-number",
     {"run", "--load-timeout", "soon", "good"},
     "bulkhead: *soon* for --load-timeout; see bulkhead run --help"},
    {"a-time-out-below-zero", {"run", "--load-timeout=-1", "good"}, "bulkhead: --load-timeout cannot be negative"},
};

/* A scenario in the file `bad`, and what is said of it. The parser's own tests have more. */
typedef struct {
  const char *name;
  const char *text;
  const char *complaint;
} ScenarioError;

static const ScenarioError scenario_errors[] = {
    {"an-unknown-step", "vm stop\n  dance\n", "bulkhead: bad:2:3: there is no step 'dance'; steps begin with *"},
    {"a-word-that-cannot-follow", "# begin\n\ndistro dance\n",
     "bulkhead: bad:3:8: 'dance' cannot follow 'distro'; *"},
    {"a-block-without-end", "vm stop\nat once\n  vm stop\n", "bulkhead: bad:2:1: this 'at once' has no 'end'"},
    {"an-idle-time-of-nothing", "wslc create a idle=1\n", "bulkhead: bad:1:15: only a VM that is on-demand *"},
    {"too-few-words", "distro start\n", "bulkhead: bad:1:1: 'distro start' needs more: *"},
    {"an-expectation-of-nothing", "expect success\n", "bulkhead: bad:1:1: there is no operation before *"},
    {"a-code-that-is-none", "vm stop\nexpect failure E_DANCE\n", "bulkhead: bad:2:16: 'E_DANCE' is no code; *"},
    {"bytes-that-are-not-utf-8", "vm stop\nwait \xff\n", "bulkhead: bad:2:6: this is not UTF-8 text"},
};

static void it_is_refused(Command *command, const char *complaint) {
  g_assert_cmpint(command->status, ==, 2);
  assert_only_line(command->err, complaint);
  assert_silent(command->out);
}

static void usage_error(gconstpointer data) {
  const UsageError *error = data;
  g_auto(Command) command = {0};

  command_open(&command);
  command_write(&command, "good", "vm stop\n");
  command_run_strv(&command, error->arguments);
  it_is_refused(&command, error->complaint);
}

static void scenario_error(gconstpointer data) {
  const ScenarioError *error = data;
  g_auto(Command) command = {0};

  command_open(&command);
  command_write(&command, "bad", error->text);
  command_run(&command, "run", "bad", NULL);
  it_is_refused(&command, error->complaint);
}

static void a_scenario_of_more_than_a_mebibyte_is_refused(void) {
  const gsize size = 1024 * 1024 + 1;
  g_autofree char *text = g_malloc(size);
  g_auto(Command) command = {0};

  memset(text, '\n', size);
  command_open(&command);
  command_write_bytes(&command, "bad", text, (gssize)size);
  command_run(&command, "run", "bad", NULL);
  it_is_refused(&command, "bulkhead: bad:1:1: a scenario may have 1048576 bytes at most");
}

static void a_folder_is_no_scenario(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, "run", ".", NULL);
  it_is_refused(&command, "bulkhead: *");
}

/* --- Help --------------------------------------------------------------------------------------------------------- */

static void help_is_a_success(gconstpointer option) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, option, NULL);
  g_assert_cmpint(command.status, ==, 0);
  assert_line(command.out, "Usage: bulkhead COMMAND *");
  assert_line(command.out, "  run  *");
  assert_silent(command.err);
}

static void no_command_shows_the_help_and_fails(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, NULL);
  g_assert_cmpint(command.status, ==, 2);
  assert_line(command.out, "Usage: bulkhead COMMAND *");
}

static void the_version_is_one_line(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, "--version", NULL);
  g_assert_cmpint(command.status, ==, 0);
  assert_only_line(command.out, "bulkhead ?*.?*.?*");
  assert_silent(command.err);
}

static void the_help_of_run_names_options_and_steps(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, "run", "--help", NULL);
  g_assert_cmpint(command.status, ==, 0);
  assert_line(command.out, "  bulkhead run * SCENARIO");
  assert_line(command.out, "  -p, --plugin=NAME=PATH *");
  assert_line(command.out, "  -q, --quiet *");
  assert_line(command.out, "  distro start NAME *");
  assert_line(command.out, "  wslc create NAME *");
  assert_line(command.out, "  container start NAME image=IMAGE *");
  assert_line(command.out, "  at once*");
  assert_line(command.out, "  expect failure *CODE*");
  assert_line(command.out, "Exit status: 0 *, 1 *, 2 *");
  assert_silent(command.err);
}

int main(int argc, char **argv) {
  command_init(&argc, &argv);
  g_test_add_data_func("/usage/help-is-a-success", "--help", help_is_a_success);
  g_test_add_data_func("/usage/help-by-one-letter-too", "-h", help_is_a_success);
  g_test_add_func("/usage/no-command-shows-the-help-and-fails", no_command_shows_the_help_and_fails);
  g_test_add_func("/usage/the-version-is-one-line", the_version_is_one_line);
  g_test_add_func("/usage/the-help-of-run-names-options-and-steps", the_help_of_run_names_options_and_steps);
  for (guint i = 0; i < G_N_ELEMENTS(usage_errors); i++) {
    g_autofree char *path = g_strconcat("/usage/refuses/", usage_errors[i].name, NULL);
    g_test_add_data_func(path, &usage_errors[i], usage_error);
  }
  for (guint i = 0; i < G_N_ELEMENTS(scenario_errors); i++) {
    g_autofree char *path = g_strconcat("/usage/scenario/", scenario_errors[i].name, NULL);
    g_test_add_data_func(path, &scenario_errors[i], scenario_error);
  }
  g_test_add_func("/usage/scenario/more-than-a-mebibyte", a_scenario_of_more_than_a_mebibyte_is_refused);
  g_test_add_func("/usage/scenario/a-folder", a_folder_is_no_scenario);
  return g_test_run();
}
