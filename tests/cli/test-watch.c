/* `bulkhead watch` with a scenario, as the native command runs it: what is seen of a plugin's host and of what runs in the guest,
 * as a table and as JSON. */
#include "command.h"

#include <jansson.h>
#include <string.h>

#define SCENARIO \
  "distro register Debian\n" \
  "distro start Debian\n" \
  "wslc create web\n" \
  "wslc run /bin/echo hello\n"

static void watch(Command *command, const char *option) {
  command_open(command);
  command_write(command, "shield", "on OnVMStarted\n  execute /bin/true\n");
  command_write(command, "scenario", SCENARIO);
  command_run(command, "watch", "--plugin", "Shield=shield", "scenario", option, NULL);
  g_assert_cmpint(command->status, ==, 0);
  assert_silent(command->err);
}

static void both_kinds_of_processes_are_in_the_table(void) {
  g_auto(Command) command = {0};

  watch(&command, NULL);
  assert_line(command.out, "*when *subsystem *event *pid *thread *parent *whose *what");
  assert_line(command.out, "* Win32 * created *Shield *mock-host: Shield");
  assert_line(command.out, "* WSL * created *session 1 */bin/true: /bin/true");
  assert_line(command.out, "* WSL * created *web */bin/echo: /bin/echo hello");
  assert_line(command.out, "* WSL * exited *session 1 *status 0");
  assert_line(command.out, "* WSL * exited *web *status 0");
  assert_line(command.out, "* Win32 * exited *Shield *status 0"); /* also of who ends with the service */
  g_assert_cmpuint(lines_like(command.out, "* thread created *"), ==, 3);
  g_assert_cmpuint(lines_like(command.out, "* thread exited *"), ==, 3);
}

static void the_plain_view_has_win32s_processes_only(void) {
  g_auto(Command) command = {0};

  watch(&command, "--plain");
  assert_line(command.out, "* Win32 * created *Shield *");
  assert_line(command.out, "* Win32 * exited *Shield *");
  g_assert_cmpuint(lines_like(command.out, "* WSL *"), ==, 0);
}

static void json_is_an_object_a_line(void) {
  g_auto(Command) command = {0};
  g_auto(GStrv) lines = NULL;
  guint created = 0, exited = 0;

  watch(&command, "--json");
  lines = g_strsplit(g_strchomp(command.out), "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    json_t *object = json_loads(*line, 0, NULL);
    const char *event = json_string_value(json_object_get(object, "event"));
    const char *subsystem = json_string_value(json_object_get(object, "subsystem"));

    g_assert_nonnull(event);
    created += g_str_equal(event, "process created");
    exited += g_str_equal(event, "process exited");
    g_assert_cmpint(json_is_true(json_object_get(object, "is_subsystem_process")), ==,
                    g_str_equal(subsystem, "WSL"));
    g_assert_cmpint(json_integer_value(json_object_get(object, "pid")), >, 0);
    json_decref(object);
  }
  g_assert_cmpuint(created, ==, 3);
  g_assert_cmpuint(exited, ==, 3);
}

static void an_expectation_in_vain_is_a_failure_all_the_same(void) {
  g_auto(Command) command = {0};

  command_open(&command);
  command_write(&command, "scenario", SCENARIO "expect failure\n");
  command_run(&command, "watch", "scenario", NULL);
  g_assert_cmpint(command.status, ==, 1);
  assert_only_line(command.err, "scenario:4: wslc run /bin/echo hello: expected failure, but it succeeded");
}

int main(int argc, char **argv) {
  command_init(&argc, &argv);
  g_test_add_func("/watch/both-kinds-of-processes-are-in-the-table", both_kinds_of_processes_are_in_the_table);
  g_test_add_func("/watch/the-plain-view-has-win32s-processes-only", the_plain_view_has_win32s_processes_only);
  g_test_add_func("/watch/json-is-an-object-a-line", json_is_an_object_a_line);
  g_test_add_func("/watch/an-expectation-in-vain-is-a-failure-all-the-same",
                  an_expectation_in_vain_is_a_failure_all_the_same);
  return g_test_run();
}
