/* `bulkhead run` with plugins: scripts, as the native command has the mock backend. What a user reads, and the status. */
#include "command.h"

#define START \
  "distro register Debian\n" \
  "distro start Debian\n"

/* The contract's second line, up to the code. */
#define CODE "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/"

/* A command with a few plugins at hand. */
static void open_with_plugins(Command *command) {
  command_open(command);
  command_write(command, "shield", "on OnVMStarted\n  log started\n");
  command_write(command, "refuse", "on OnVMStarted\n  error No licence\n  return E_FAIL\n");
  command_write(command, "crash", "on OnVMStarted\n  crash null\n");
  command_write(command, "hang", "on load\n  hang\n");
  command_write(command, "torn", "on load\n  dance\n");
  command_write(command, "wslc",
                "on OnSessionCreated\non OnSessionStopping\non ContainerStarted\non ContainerStopping\n"
                "on ImageCreated\non ImageDeleted\non WslcVmStarted\non WslcVmStopping\n");
}

/* Puts the text into the file `scenario` and runs it with that plugin. */
static void run_with(Command *command, const char *plugin, const char *scenario) {
  command_write(command, "scenario", scenario);
  command_run(command, "run", "--plugin", plugin, "scenario", NULL);
}

/* --- Expectations ------------------------------------------------------------------------------------------------- */

static void expectations_that_hold_are_a_success(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Refuse=refuse",
           START "expect failure E_FAIL\n"
                 "expect text \"A fatal error was returned by plugin 'Refuse'. Error message: 'No licence'*\"\n"
                 "vm stop\n"
                 "expect success\n");
  g_assert_cmpint(command.status, ==, 0);
  assert_silent(command.err);
  assert_line(command.out, "* ! A fatal error was returned by plugin 'Refuse'. Error message: 'No licence'");
  assert_line(command.out, "* ! " CODE "E_FAIL");
}

/* A scenario that does not go as it expects, with that plugin, and what is said of it. */
typedef struct {
  const char *name;
  const char *plugin;
  const char *scenario;
  const char *complaint;
} Broken;

static const Broken broken[] = {
    {"success-by-default", "Refuse=refuse", START,
     "scenario:2: distro start Debian: expected success, but it failed with E_FAIL"},
    {"any-failure", "Shield=shield", START "expect failure\n",
     "scenario:2: distro start Debian: expected failure, but it succeeded"},
    {"a-failure", "Shield=shield", START "expect failure E_ABORT # who knows\n",
     "scenario:2: distro start Debian: expected failure E_ABORT, but it succeeded"},
    {"another-failure", "Refuse=refuse", START "expect failure E_ABORT\n",
     "scenario:2: distro start Debian: expected failure E_ABORT, but it failed with E_FAIL"},
    {"another-text", "Refuse=refuse", START "expect failure\nexpect text Hello\n",
     "scenario:2: distro start Debian: expected the text \"Hello\", but there is another"},
    {"a-text", "Shield=shield", START "expect text Hello\n",
     "scenario:2: distro start Debian: expected the text \"Hello\", but there is none"},
    {"a-distribution-that-nobody-knows", "Shield=shield", "distro start Arch\n",
     "scenario:1: distro start Arch: expected success, but it failed with *"},
    {"a-session-that-is-not-open", "Shield=shield", "session use attic\n",
     "scenario:1: session use attic: expected success, but it failed with ERROR_NOT_FOUND"},
    {"a-wslc-session", "Shield=shield", "wslc run /bin/true\n",
     "scenario:1: wslc run /bin/true: expected success, but it failed with ERROR_NOT_FOUND"},
    {"a-wslc-session-that-it-uses", "Shield=shield", "wslc close build\n",
     "scenario:1: wslc close build: expected success, but it failed with ERROR_NOT_FOUND"},
    {"a-wslc-session-of-that-name", "Shield=shield", "wslc open build\n",
     "scenario:1: wslc open build: expected success, but it failed with ERROR_NOT_FOUND"},
    {"an-image", "Shield=shield", "wslc create build\ncontainer start web image=none\n",
     "scenario:2: container start web image=none: expected success, but it failed with ERROR_NOT_FOUND"},
    {"an-exit-status-of-zero", "Shield=shield", "wslc create build\nwslc run /bin/sh -c \"exit 3\"\n",
     "scenario:2: wslc run /bin/sh -c \"exit 3\": expected success, but it failed with E_FAIL"},
    {"what-a-program-printed", "Shield=shield", "wslc create build\nwslc run /bin/echo hello\nexpect text bye\n",
     "scenario:2: wslc run /bin/echo hello: expected the text \"bye\", but there is another"},
    {"one-of-several-at-once", "Shield=shield", "at once\n  wslc create a\n  vm stop\n  expect failure\nend\n",
     "scenario:3: vm stop: expected failure, but it succeeded"},
};

static void an_expectation_that_does_not_hold(gconstpointer data) {
  const Broken *row = data;
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, row->plugin, row->scenario);
  g_assert_cmpint(command.status, ==, 1);
  assert_only_line(command.err, row->complaint);
}

static void the_steps_after_a_broken_expectation_are_tried_too(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Shield=shield", START "expect failure\nvm stop\nexpect failure\n");
  g_assert_cmpint(command.status, ==, 1);
  assert_line(command.err, "scenario:2: *");
  assert_line(command.err, "scenario:4: vm stop: expected failure, but it succeeded");
}

/* --- WSLC sessions ------------------------------------------------------------------------------------------------ */

/* Runs a scenario in which all must hold, and asserts what the plugin has logged. */
static void run_wslc(const char *scenario, const char *log) {
  g_auto(Command) command = {0};
  g_autofree char *logged = NULL;

  open_with_plugins(&command);
  run_with(&command, "Wslc=wslc", scenario);
  assert_silent(command.err);
  g_assert_cmpint(command.status, ==, 0);
  logged = command_read(&command, "wslc.log");
  if (!g_pattern_match_simple(log, logged)) g_assert_cmpstr(logged, ==, log);
}

/* The example of docs/scenarios.md. */
static void containers_and_images_reach_the_plugin(void) {
  run_wslc(
      "wslc create build on-demand pid=77\n"
      "wslc run /bin/sh -c \"echo hello\"\nexpect text hello\n"
      "wslc run /bin/sh -c \"exit 12\"\nexpect failure E_FAIL\nexpect text \"*exit status 12*\"\n"
      "wslc idle\n"
      "image pull alpine\ncontainer start web image=alpine /bin/sleep 60\ncontainer stop web\n"
      "image load other\nimage delete alpine\nimage import alpine\nimage build more\ncontainer start web "
      "image=more\n"
      "wslc close build\n",
      "OnSessionCreated name=build pid=77 token=set sid=-\nWslcVmStarted name=build\nWslcVmStopping name=build\n"
      "WslcVmStarted name=build\nImageCreated image=alpine*\nContainerStarted container=web\n"
      "ContainerStopping container=web\nImageDeleted image=alpine*\nImageCreated image=alpine*\n"
      "ContainerStarted container=web\nContainerStopping container=web\nWslcVmStopping name=build\n"
      "OnSessionStopping name=build\n");
}

static void a_program_that_cannot_be_executed_has_its_errno_told(void) {
  run_wslc("wslc create build\nwslc run /no/such\nexpect failure E_FAIL\nexpect text \"*/no/such*errno 2?*\"\n"
           "wslc idle\nexpect failure E_NOT_VALID_STATE\n",
           "OnSessionCreated *OnSessionStopping *");
}

static void a_session_ends_with_its_last_user(void) {
  run_wslc(
      "wslc create a\nwslc open a\nwslc create b\nwslc use a\nwslc close a\nwslc run /bin/echo x\n"
      "wslc close a\nwslc run /bin/echo x\nexpect failure ERROR_NOT_FOUND\n"
      "wslc open a\nexpect failure ERROR_NOT_FOUND\nwslc use b\nwslc run /bin/echo x\n",
      "OnSessionCreated name=a *OnSessionCreated name=b *OnSessionStopping name=a\n*OnSessionStopping name=b\n*");
}

static void a_persistent_session_ends_when_it_is_terminated(void) {
  run_wslc(
      "wslc create a persistent\nwslc close a\nwslc open a\nwslc create a\nexpect failure ERROR_ALREADY_EXISTS\n"
      "wslc terminate a\nwslc run /bin/echo x\nexpect failure E_NOT_VALID_STATE\nwslc create a\n"
      "wslc run /bin/echo x\n",
      "OnSessionCreated name=a *OnSessionStopping name=a\n*OnSessionCreated name=a *OnSessionStopping name=a\n*");
}

static void operations_at_once_end_before_the_next_step(void) {
  run_wslc(
      "at once\n  wslc create a\n  wslc create b\n  wslc run /bin/echo x\n  expect failure ERROR_NOT_FOUND\nend\n"
      "wslc create b\nexpect failure ERROR_ALREADY_EXISTS\n"
      "at once\n  wslc run /bin/echo one\n  expect text one\n  wslc run /bin/echo two\n  expect text two\nend\n"
      "wslc close b\nwslc run /bin/echo x\nexpect failure ERROR_NOT_FOUND\nwslc use a\nwslc run /bin/echo x\n",
      "OnSessionCreated *OnSessionCreated *OnSessionStopping name=b\n*OnSessionStopping name=a\n*");
}

static void what_a_program_prints_is_shown(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(
      &command, "Wslc=wslc",
      "wslc create a\nwslc run /bin/sh -c \"echo one; echo three >&2; echo two\"\nexpect text one?two?three\n");
  g_assert_cmpint(command.status, ==, 0);
  assert_silent(command.err);
  assert_line(command.out, "* /bin/sh * printed * one");
  assert_line(command.out, "* /bin/sh * printed * two");
  assert_line(command.out, "* /bin/sh * printed * three");
}

static void a_distribution_is_stopped_and_exported(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(
      &command, "Shield=shield",
      "distro register D\ndistro stop D\nexpect failure WSL_E_DISTRO_NOT_RUNNING\ndistro start D\n"
      "distro stop D\ndistro export D d.tar\ndistro export D none/d.tar\nexpect failure ERROR_PATH_NOT_FOUND\n");
  assert_silent(command.err);
  g_assert_cmpint(command.status, ==, 0);
  g_assert_true(g_file_test("d.tar", G_FILE_TEST_IS_REGULAR));
}

/* --- Plugins that cannot be had ----------------------------------------------------------------------------------- */

/* One line for who is to repair it, and what the contract has the user see. */
static void a_missing_plugin_is_named_with_file_and_cause(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Gone=nowhere", START);
  g_assert_cmpint(command.status, ==, 1);
  assert_line(command.err, "bulkhead: plugin 'Gone' *ERROR_MOD_NOT_FOUND*/nowhere*No such file or directory");
  assert_line(command.err,
              "scenario:2: distro start Debian: expected success, but it failed with ERROR_MOD_NOT_FOUND");
  assert_line(command.out, "* ! A fatal error was returned by plugin 'Gone'");
  assert_line(command.out, "* ! " CODE "ERROR_MOD_NOT_FOUND");
}

static void a_malformed_plugin_is_named_with_file_and_cause(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Torn=torn", START);
  g_assert_cmpint(command.status, ==, 1);
  assert_line(command.err, "bulkhead: plugin 'Torn' *ERROR_BAD_EXE_FORMAT*/torn*line 2, column 3: *'dance'");
  assert_line(command.out, "* ! A fatal error was returned by plugin 'Torn'");
  assert_line(command.out, "* ! " CODE "ERROR_BAD_EXE_FORMAT");
}

static void a_plugin_that_never_loads_is_given_up(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  command_write(&command, "scenario", START);
  command_run(&command, "run", "--load-timeout=100", "--plugin", "Hang=hang", "scenario", NULL);
  g_assert_cmpint(command.status, ==, 1);
  assert_line(command.err, "bulkhead: plugin 'Hang' *ERROR_TIMEOUT*/hang*it had not loaded after 0.1 s");
}

static void the_same_file_twice_is_one_plugin(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  command_write(&command, "scenario", START);
  command_run(&command, "run", "--plugin", "Shield=shield", "-p", "Copy=./shield", "scenario", NULL);
  g_assert_cmpint(command.status, ==, 0);
  assert_only_line(command.err, "bulkhead: plugin 'Copy' is left out: ERROR_ALREADY_EXISTS: */shield: *");
  g_assert_true(
      g_pattern_match_simple("*when * outcome\n* Copy * left out *", command.out)); /* below the heading */
  g_autofree char *log = command_read(&command, "shield.log");
  g_assert_cmpuint(lines_like(log, "started"), ==, 1);
}

/* --- A plugin that crashes ---------------------------------------------------------------------------------------- */

static void the_service_outlives_a_plugin(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Crash=crash",
           START "expect failure\n"
                 "distro start Debian # is refused at once\n"
                 "expect failure\n"
                 "distro register Legacy wsl1\n"
                 "distro start Legacy\n");
  g_assert_cmpint(command.status, ==, 0);
  assert_only_line(command.err, "bulkhead: plugin 'Crash' crashed: *");
  assert_line(command.out, "* the service ends; it is still process *");
}

static void a_file_without_end_is_no_scenario(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_run(&command, "run", "/dev/zero", NULL);
  g_assert_cmpint(command.status, ==, 2);
  assert_only_line(command.err, "bulkhead: /dev/zero:1:1: a scenario may have 1048576 bytes at most");
}

/* --- What is printed ---------------------------------------------------------------------------------------------- */

static void quiet_prints_nothing_when_all_is_well(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  command_write(&command, "scenario", START "vm stop\n");
  command_run(&command, "run", "--quiet", "--plugin", "Shield=shield", "scenario", NULL);
  g_assert_cmpint(command.status, ==, 0);
  assert_silent(command.out);
  assert_silent(command.err);
}

static void quiet_still_says_what_went_wrong(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  command_write(&command, "scenario", START);
  command_run(&command, "run", "-q", "--plugin", "Refuse=refuse", "scenario", NULL);
  g_assert_cmpint(command.status, ==, 1);
  assert_silent(command.out);
  assert_line(command.err, "scenario:2: distro start Debian: expected success, but it failed with E_FAIL");
  assert_line(command.err, "A fatal error was returned by plugin 'Refuse'. Error message: 'No licence'");
  assert_line(command.err, CODE "E_FAIL");
}

/* What the first group of the expression matched; a line's ends are ^ and $. The caller's. */
static char *found(const char *text, const char *expression) {
  g_autoptr(GRegex) regex = g_regex_new(expression, G_REGEX_MULTILINE, 0, NULL);
  g_autoptr(GMatchInfo) match = NULL;

  if (g_regex_match(regex, text, 0, &match)) return g_match_info_fetch(match, 1);
  g_test_message("%s", text);
  g_test_fail_printf("there is no '%s'", expression);
  return NULL;
}

static void the_timeline_says_when_who_where_what_and_how(void) {
  g_auto(Command) command = {0};
  g_autofree char *service = NULL, *session = NULL, *host = NULL, *in_the_end = NULL;

  open_with_plugins(&command);
  run_with(&command, "Shield=shield", START);
  g_assert_cmpint(command.status, ==, 0);
  assert_line(command.out, "*when *took *who *process *thread *what *outcome");
  assert_line(command.out, "* > distro start Debian");

  service = found(command.out, "the service is process (\\d+); plugins run in mock, distributions in memory$");
  session = found(command.out, "^ *[\\d.]+s +[\\d.]+m?s +session 1 +(\\d+) +\\d+ +create VM +S_OK\\b");
  host = found(command.out, "^ *[\\d.]+s +[\\d.]+m?s +Shield +(\\d+) +\\d+ +OnVMStarted +S_OK$");
  in_the_end = found(command.out, "the service ends; it is still process (\\d+)$");
  g_assert_cmpstr(session, ==, service);
  g_assert_cmpstr(host, !=, service);
  g_assert_cmpstr(in_the_end, ==, service);
}

static void each_session_has_its_rows(void) {
  g_auto(Command) command = {0};

  open_with_plugins(&command);
  run_with(&command, "Shield=shield",
           START "session open second\n" START "session use main\nvm stop\nwait 0\nsession use second\nvm stop\n");
  g_assert_cmpint(command.status, ==, 0);
  assert_silent(command.err);
  assert_line(command.out, "* session 1 * create VM *S_OK*");
  assert_line(command.out, "* session 2 * create VM *S_OK*");
  assert_line(command.out, "* session 1 * stop VM *S_OK*");
  assert_line(command.out, "* session 2 * stop VM *S_OK*");
  g_assert_cmpuint(lines_like(command.out, "* Shield * OnVMStarted *S_OK*"), ==, 2);
  assert_line(command.out, "* > wait 0");
}

int main(int argc, char **argv) {
  command_init(&argc, &argv);
  g_test_add_func("/run/expectations-that-hold-are-a-success", expectations_that_hold_are_a_success);
  for (guint i = 0; i < G_N_ELEMENTS(broken); i++) {
    g_autofree char *path = g_strconcat("/run/is-a-failure-without/", broken[i].name, NULL);
    g_test_add_data_func(path, &broken[i], an_expectation_that_does_not_hold);
  }
  g_test_add_func("/run/the-steps-after-a-broken-expectation-are-tried-too",
                  the_steps_after_a_broken_expectation_are_tried_too);
  g_test_add_func("/run/wslc/containers-and-images-reach-the-plugin", containers_and_images_reach_the_plugin);
  g_test_add_func("/run/wslc/a-program-that-cannot-be-executed",
                  a_program_that_cannot_be_executed_has_its_errno_told);
  g_test_add_func("/run/wslc/a-session-ends-with-its-last-user", a_session_ends_with_its_last_user);
  g_test_add_func("/run/wslc/a-persistent-session", a_persistent_session_ends_when_it_is_terminated);
  g_test_add_func("/run/wslc/at-once", operations_at_once_end_before_the_next_step);
  g_test_add_func("/run/wslc/what-a-program-prints-is-shown", what_a_program_prints_is_shown);
  g_test_add_func("/run/a-distribution-is-stopped-and-exported", a_distribution_is_stopped_and_exported);
  g_test_add_func("/run/a-missing-plugin-is-named-with-file-and-cause",
                  a_missing_plugin_is_named_with_file_and_cause);
  g_test_add_func("/run/a-malformed-plugin-is-named-with-file-and-cause",
                  a_malformed_plugin_is_named_with_file_and_cause);
  g_test_add_func("/run/a-plugin-that-never-loads-is-given-up", a_plugin_that_never_loads_is_given_up);
  g_test_add_func("/run/the-same-file-twice-is-one-plugin", the_same_file_twice_is_one_plugin);
  g_test_add_func("/run/a-file-without-end-is-no-scenario", a_file_without_end_is_no_scenario);
  g_test_add_func("/run/the-service-outlives-a-plugin", the_service_outlives_a_plugin);
  g_test_add_func("/run/quiet-prints-nothing-when-all-is-well", quiet_prints_nothing_when_all_is_well);
  g_test_add_func("/run/quiet-still-says-what-went-wrong", quiet_still_says_what_went_wrong);
  g_test_add_func("/run/the-timeline-says-when-who-where-what-and-how",
                  the_timeline_says_when_who_where_what_and_how);
  g_test_add_func("/run/each-session-has-its-rows", each_session_has_its_rows);
  return g_test_run();
}
