/* A scenario's text: what it is parsed to, and what is said of a bad one, where. */
#include "cli/scenario.h"

#include <string.h>

/* --- Helpers -------------------------------------------------------------------------------------------- */

static BhScenario *parse_size(const char *text, gsize size) {
  char *problem = NULL;
  BhScenario *scenario = bh_scenario_parse(text, size, &problem);

  if (scenario == NULL) g_error("'%s' is refused: %s", text, problem);
  g_assert_null(problem);
  return scenario;
}

static BhScenario *parse(const char *text) {
  return parse_size(text, strlen(text));
}

static const BhStep *step_at(const BhScenario *scenario, guint i) {
  g_assert_cmpuint(i, <, scenario->steps->len);
  return g_ptr_array_index(scenario->steps, i);
}

/* The words of the only step in a text, with '|' between them; the caller's. */
static char *words_of(const char *text) {
  g_autoptr(BhScenario) scenario = parse(text);
  g_assert_cmpuint(scenario->steps->len, ==, 1);
  return g_strjoinv("|", step_at(scenario, 0)->words);
}

static void assert_words(const char *text, const char *expected) {
  g_autofree char *words = words_of(text);
  g_assert_cmpstr(words, ==, expected);
}

static void assert_refused_size(const char *text, gsize size, const char *expected) {
  g_autofree char *problem = NULL;
  g_autoptr(BhScenario) scenario = bh_scenario_parse(text, size, &problem);

  g_assert_null(scenario);
  g_assert_cmpstr(problem, ==, expected);
}

static void assert_refused(const char *text, const char *expected) {
  assert_refused_size(text, strlen(text), expected);
}

/* --- Steps ---------------------------------------------------------------------------------------------- */

static void each_step_is_understood(void) {
  static const struct {
    const char *text;
    BhStepKind kind;
    const char *words;
  } steps[] = {
      {"distro register Debian", BH_STEP_DISTRO_REGISTER, "Debian"},
      {"distro start Debian", BH_STEP_DISTRO_START, "Debian"},
      {"distro stop Debian", BH_STEP_DISTRO_STOP, "Debian"},
      {"distro export Debian a.tar", BH_STEP_DISTRO_EXPORT, "Debian|a.tar"},
      {"distro terminate Debian", BH_STEP_DISTRO_TERMINATE, "Debian"},
      {"distro unregister Debian", BH_STEP_DISTRO_UNREGISTER, "Debian"},
      {"vm stop", BH_STEP_VM_STOP, ""},
      {"session open second", BH_STEP_SESSION_OPEN, "second"},
      {"session use main", BH_STEP_SESSION_USE, "main"},
      {"wslc create build", BH_STEP_WSLC_CREATE, "build"},
      {"wslc open build", BH_STEP_WSLC_OPEN, "build"},
      {"wslc use build", BH_STEP_WSLC_USE, "build"},
      {"wslc close build", BH_STEP_WSLC_CLOSE, "build"},
      {"wslc terminate build", BH_STEP_WSLC_TERMINATE, "build"},
      {"wslc run /bin/true", BH_STEP_WSLC_RUN, "/bin/true"},
      {"wslc run /bin/sh -c \"exit 1\" a=b", BH_STEP_WSLC_RUN, "/bin/sh|-c|exit 1|a=b"},
      {"wslc idle", BH_STEP_WSLC_IDLE, ""},
      {"container start web image=alpine", BH_STEP_CONTAINER_START, "web|image=alpine"},
      {"container start web image=alpine /bin/echo a b", BH_STEP_CONTAINER_START,
       "web|image=alpine|/bin/echo|a|b"},
      {"container stop web", BH_STEP_CONTAINER_STOP, "web"},
      {"image pull alpine", BH_STEP_IMAGE_PULL, "alpine"},
      {"image import alpine root=/srv", BH_STEP_IMAGE_IMPORT, "alpine|root=/srv"},
      {"image load alpine", BH_STEP_IMAGE_LOAD, "alpine"},
      {"image build alpine", BH_STEP_IMAGE_BUILD, "alpine"},
      {"image delete alpine", BH_STEP_IMAGE_DELETE, "alpine"},
      {"wait 0.5", BH_STEP_WAIT, "0.5"},
  };

  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    g_autoptr(BhScenario) scenario = parse(steps[i].text);
    const BhStep *step = step_at(scenario, 0);
    g_autofree char *words = g_strjoinv("|", step->words);

    g_assert_cmpuint(scenario->steps->len, ==, 1);
    g_assert_cmpint(step->kind, ==, steps[i].kind);
    g_assert_cmpstr(words, ==, steps[i].words);
    g_assert_cmpstr(step->text, ==, steps[i].text);
    g_assert_cmpuint(step->line, ==, 1);
    g_assert_false(step->fails);
    g_assert_false(step->has_code);
    g_assert_cmpuint(step->patterns->len, ==, 0);
  }
}

static void options_come_after_the_name_in_any_order(void) {
  g_autoptr(BhScenario) scenario =
      parse("distro register Debian version=12 id=00112233-4455-6677-8899-aabbccddeeff "
            "wsl1 root=/srv/debian package=Pack flavor=\n"
            "distro start Debian custom-kernel-command-line custom-kernel");
  const BhStep *registration = step_at(scenario, 0), *start = step_at(scenario, 1);

  g_assert_cmpstr(bh_step_option(registration, 1, "version"), ==, "12");
  g_assert_cmpstr(bh_step_option(registration, 1, "id"), ==, "00112233-4455-6677-8899-aabbccddeeff");
  g_assert_cmpstr(bh_step_option(registration, 1, "root"), ==, "/srv/debian");
  g_assert_cmpstr(bh_step_option(registration, 1, "package"), ==, "Pack");
  g_assert_cmpstr(bh_step_option(registration, 1, "flavor"), ==, "");
  g_assert_cmpstr(bh_step_option(registration, 1, "ro"), ==, NULL);
  g_assert_cmpstr(bh_step_option(registration, 2, "version"), ==, NULL); /* looked for after it */
  g_assert_true(bh_step_has(registration, 1, "wsl1"));
  g_assert_false(bh_step_has(registration, 1, "Debian"));
  g_assert_true(bh_step_has(start, 1, "custom-kernel"));
  g_assert_true(bh_step_has(start, 1, "custom-kernel-command-line"));
}

static void a_wslc_session_has_options(void) {
  g_autoptr(BhScenario) scenario = parse("wslc create build pid=4294967295 on-demand idle=0.5 persistent");
  const BhStep *create = step_at(scenario, 0);

  g_assert_cmpstr(bh_step_option(create, 1, "pid"), ==, "4294967295");
  g_assert_cmpstr(bh_step_option(create, 1, "idle"), ==, "0.5");
  g_assert_true(bh_step_has(create, 1, "on-demand"));
  g_assert_true(bh_step_has(create, 1, "persistent"));
}

static void a_distribution_may_be_called_like_an_option(void) {
  g_autoptr(BhScenario) scenario = parse("distro register wsl1");

  g_assert_cmpstr(step_at(scenario, 0)->words[0], ==, "wsl1");
  g_assert_false(bh_step_has(step_at(scenario, 0), 1, "wsl1"));
}

/* --- At once -------------------------------------------------------------------------------------------- */

static void operations_at_once_are_one_step(void) {
  g_autoptr(BhScenario) scenario = parse("vm stop\n"
                                         "at once # both\n"
                                         "  wslc create a\n"
                                         "  expect failure E_FAIL\n"
                                         "  wslc create b\n"
                                         "  expect text x\n"
                                         "end\n"
                                         "vm stop\n"
                                         "expect failure\n");
  const BhStep *block = step_at(scenario, 1), *first, *second;

  g_assert_cmpuint(scenario->steps->len, ==, 3);
  g_assert_null(step_at(scenario, 0)->together);
  g_assert_cmpint(block->kind, ==, BH_STEP_AT_ONCE);
  g_assert_cmpstr(block->text, ==, "at once");
  g_assert_cmpuint(block->together->len, ==, 2);
  first = block->together->pdata[0];
  second = block->together->pdata[1];
  g_assert_cmpstr(first->text, ==, "wslc create a");
  g_assert_cmpuint(first->line, ==, 3);
  g_assert_true(first->fails && first->code == BH_E_FAIL);
  g_assert_cmpstr(second->words[0], ==, "b");
  g_assert_cmpuint(second->patterns->len, ==, 1);
  g_assert_true(step_at(scenario, 2)->fails);
}

static void at_once_is_refused_where_it_makes_no_sense(void) {
  g_autoptr(GString) many = g_string_new("at once\n");

  assert_refused("vm stop\n  at once\nvm stop\n", "2:3: this 'at once' has no 'end'");
  assert_refused("vm stop\nend\n", "2:1: there is no 'at once' that could end here");
  assert_refused("at once\nend\n", "2:1: there is nothing to do at once");
  assert_refused("at once\n  at once\n", "2:3: 'at once' cannot stand in 'at once'");
  assert_refused("at once\nwait 1\n", "2:1: 'wait' cannot stand in 'at once'");
  assert_refused("at once\nsession use a\n", "2:1: 'session use' cannot stand in 'at once'");
  assert_refused("at once\nwslc close a\n", "2:1: 'wslc close' cannot stand in 'at once'");
  assert_refused("at once\ndistro register a\n", "2:1: 'distro register' cannot stand in 'at once'");
  assert_refused("vm stop\nat once\nexpect success\n", "3:1: there is no operation before this 'expect'");
  assert_refused("at once\nvm stop\nend\nexpect success\n",
                 "4:1: what is expected of operations at once stands before their 'end'");
  assert_refused("at twice\n", "1:4: 'twice' cannot follow 'at'; known are 'once'");
  for (guint i = 0; i < BH_SCENARIO_MAX_TOGETHER + 1; i++) g_string_append(many, "vm stop\n");
  assert_refused(many->str, "18:1: no more than 16 operations can be done at once");
}

/* --- Words and lines ------------------------------------------------------------------------------------ */

static void quotes_keep_blanks_and_marks(void) {
  assert_words("session open \"two words\"", "two words");
  assert_words("session open two\" \"words", "two words");
  assert_words("session open \"# no comment\"", "# no comment");
  assert_words("session open \"\"", "");
  assert_words("\"session\" \"open\" x", "x"); /* what is quoted is a word like others */
  assert_words("distro register D root=\"/srv/a b\"", "D|root=/srv/a b");
  assert_words("session open \"Prost\xc3\xa9\xf0\x9f\x90\xa7\"", "Prost\xc3\xa9\xf0\x9f\x90\xa7");
}

static void a_comment_goes_to_the_end_of_its_line(void) {
  g_autoptr(BhScenario) scenario = parse("# first\n"
                                         "   # second\n"
                                         "vm stop # third \"\n"
                                         "#vm stop\n"
                                         "session open a#b #c");

  g_assert_cmpuint(scenario->steps->len, ==, 2);
  g_assert_cmpstr(step_at(scenario, 0)->text, ==, "vm stop");
  g_assert_cmpuint(step_at(scenario, 0)->line, ==, 3);
  g_assert_cmpstr(step_at(scenario, 1)->text, ==, "session open a#b");
  g_assert_cmpstr(step_at(scenario, 1)->words[0], ==, "a#b");
}

static void blanks_and_empty_lines_do_not_matter(void) {
  g_autoptr(BhScenario) scenario = parse("\n  \t\n\n \tvm \t  stop\t \n\n");

  g_assert_cmpuint(scenario->steps->len, ==, 1);
  g_assert_cmpuint(step_at(scenario, 0)->line, ==, 4);
  g_assert_cmpstr(step_at(scenario, 0)->text, ==, "vm \t  stop");
}

static void lines_may_end_as_on_windows(void) {
  g_autoptr(BhScenario) scenario = parse("distro start Debian\r\n\r\n# comment\r\nvm stop\r\n");

  g_assert_cmpuint(scenario->steps->len, ==, 2);
  g_assert_cmpstr(step_at(scenario, 0)->words[0], ==, "Debian");
  g_assert_cmpstr(step_at(scenario, 0)->text, ==, "distro start Debian");
  g_assert_cmpuint(step_at(scenario, 1)->line, ==, 4);
}

/* The text ends where it is said to, not at a NUL. */
static void the_last_line_needs_no_end(void) {
  static const char text[] = "vm stop\nsession open abcdef";
  g_autoptr(BhScenario) whole = parse(text);
  g_autoptr(BhScenario) cut = parse_size(text, strlen(text) - 3);

  g_assert_cmpstr(step_at(whole, 1)->words[0], ==, "abcdef");
  g_assert_cmpstr(step_at(cut, 1)->words[0], ==, "abc");
  g_assert_cmpstr(step_at(cut, 1)->text, ==, "session open abc");
}

static void a_text_may_have_no_step(void) {
  g_autoptr(BhScenario) empty = parse("");
  g_autoptr(BhScenario) comment = parse("# nothing\n");

  g_assert_cmpuint(empty->steps->len, ==, 0);
  g_assert_cmpuint(comment->steps->len, ==, 0);
}

/* --- Expectations --------------------------------------------------------------------------------------- */

static void expectations_belong_to_the_operation_before_them(void) {
  g_autoptr(BhScenario) scenario = parse("distro start A\n"
                                         "expect failure E_UNEXPECTED\n"
                                         "expect text \"*plugin 'Shield'*\"\n"
                                         "\n# in between\n"
                                         "expect text Error*\n"
                                         "distro start B\n"
                                         "expect success\n"
                                         "vm stop\n"
                                         "expect failure\n"
                                         "wait 0\n"
                                         "expect failure 0x8004beef\n"
                                         "wait 1\n");
  const BhStep *first = step_at(scenario, 0), *third = step_at(scenario, 2), *fourth = step_at(scenario, 3);

  g_assert_cmpuint(scenario->steps->len, ==, 5);
  g_assert_true(first->fails && first->has_code);
  g_assert_cmpint(first->code, ==, BH_E_UNEXPECTED);
  g_assert_cmpuint(first->patterns->len, ==, 2);
  g_assert_cmpstr(first->patterns->pdata[0], ==, "*plugin 'Shield'*");
  g_assert_cmpstr(first->patterns->pdata[1], ==, "Error*");
  g_assert_cmpstr(first->text, ==, "distro start A");
  g_assert_false(step_at(scenario, 1)->fails);
  g_assert_cmpuint(step_at(scenario, 1)->patterns->len, ==, 0);
  g_assert_true(third->fails && !third->has_code);
  g_assert_true(fourth->fails && fourth->has_code);
  g_assert_cmphex((guint32)fourth->code, ==, 0x8004beefu);
  g_assert_false(step_at(scenario, 4)->fails);
}

static void an_expectation_needs_an_operation_before_it(void) {
  assert_refused("# nothing yet\n  expect success\n", "2:3: there is no operation before this 'expect'");
  assert_refused("expect failure", "1:1: there is no operation before this 'expect'");
  assert_refused("expect text x", "1:1: there is no operation before this 'expect'");
}

static void an_operation_has_one_outcome(void) {
  assert_refused("vm stop\nexpect success\nexpect failure\n", "3:1: line 1 has its outcome already");
  assert_refused("vm stop\nexpect failure E_FAIL\nexpect failure E_ABORT\n",
                 "3:1: line 1 has its outcome already");
}

/* As Notepad writes one. */
static void a_byte_order_mark_is_passed_over(void) {
  const char text[] = "\xEF\xBB\xBFvm stop\n";
  g_autofree char *problem = NULL;
  g_autoptr(BhScenario) scenario = bh_scenario_parse(text, strlen(text), &problem);

  g_assert_cmpstr(problem, ==, NULL);
  g_assert_cmpuint(scenario->steps->len, ==, 1);
}

static void an_expected_code_must_be_one(void) {
  assert_refused("vm stop\nexpect failure  E_NONSENSE\n",
                 "2:17: 'E_NONSENSE' is no code; write a name, like E_FAIL, or a number");
  assert_refused("vm stop\nexpect failure E_FAIL E_ABORT\n",
                 "2:23: 'expect failure' takes no 'E_ABORT'; it is: expect failure [CODE]");
}

/* --- Errors --------------------------------------------------------------------------------------------- */

#define FIRST_WORDS "'distro', 'vm', 'session', 'wslc', 'container', 'image', 'wait', 'at', 'end', 'expect'"

static void an_unknown_step_is_refused_where_it_begins(void) {
  assert_refused("vm stop\n\n  reboot now\n", "3:3: there is no step 'reboot'; steps begin with " FIRST_WORDS);
  assert_refused("Vm stop", "1:1: there is no step 'Vm'; steps begin with " FIRST_WORDS);
  assert_refused("vm  explode", "1:5: 'explode' cannot follow 'vm'; known are 'stop'");
  assert_refused(
      "\tdistro begin x",
      "1:9: 'begin' cannot follow 'distro'; known are 'register', 'import', 'start', 'stop', 'terminate', "
      "'export', 'unregister'");
  assert_refused("wslc web\n", "1:6: 'web' cannot follow 'wslc'; known are 'create', 'open', 'use', 'close', "
                               "'terminate', 'run', 'idle'");
  assert_refused("image",
                 "1:1: 'image' is not a whole step; it goes on with 'pull', 'import', 'load', 'build', 'delete'");
  assert_refused(" session", "1:2: 'session' is not a whole step; it goes on with 'open', 'use'");
}

static void too_few_words_are_refused(void) {
  assert_refused("  distro terminate", "1:3: 'distro terminate' needs more: distro terminate NAME");
  assert_refused("wait", "1:1: 'wait' needs more: wait SECONDS");
  assert_refused("wslc run", "1:1: 'wslc run' needs more: wslc run PATH [ARGUMENT...]");
  assert_refused("container start web",
                 "1:1: 'container start' needs more: container start NAME image=IMAGE [PATH ARGUMENT...]");
  assert_refused("distro export Debian", "1:1: 'distro export' needs more: distro export NAME FILE");
  assert_refused("wait # 5", "1:1: 'wait' needs more: wait SECONDS");
  assert_refused("vm stop\nexpect text", "2:1: 'expect text' needs more: expect text PATTERN");
}

static void too_many_words_are_refused_where_they_begin(void) {
  assert_refused("vm stop now", "1:9: 'vm stop' takes no 'now'; it is: vm stop");
  assert_refused("distro start D custom-kernel wsl1",
                 "1:30: 'distro start' takes no 'wsl1'; it is: "
                 "distro start NAME [custom-kernel] [custom-kernel-command-line]");
  assert_refused("distro start D custom-kernel=1",
                 "1:16: 'distro start' takes no 'custom-kernel=1'; it is: "
                 "distro start NAME [custom-kernel] [custom-kernel-command-line]");
  assert_refused("wslc idle now", "1:11: 'wslc idle' takes no 'now'; it is: wslc idle");
  assert_refused("wslc create a idle",
                 "1:15: 'wslc create' takes no 'idle'; it is: wslc create NAME [persistent] [on-demand] "
                 "[idle=SECONDS] [pid=NUMBER]");
  assert_refused("image pull a b", "1:14: 'image pull' takes no 'b'; it is: image pull NAME [root=FOLDER]");
  assert_refused("end now", "1:5: 'end' takes no 'now'; it is: end");
  assert_refused("wait 1 2", "1:8: 'wait' takes no '2'; it is: wait SECONDS");
  assert_refused("vm stop\nexpect text a b", "2:15: 'expect text' takes no 'b'; it is: expect text PATTERN");
}

static void an_option_without_its_value_is_none(void) {
  assert_refused(
      "distro register D \"root\"",
      "1:19: 'distro register' takes no 'root'; it is: distro register NAME [wsl1] [root=FOLDER] [id=GUID] "
      "[flavor=TEXT] [version=TEXT] [package=TEXT]");
}

static void a_wrong_value_is_refused_where_it_is(void) {
  assert_refused("distro register D wsl1 id=12345", "1:24: '12345' is not a GUID");
  assert_refused("container start web alpine", "1:21: here must be image=IMAGE, not 'alpine'");
  assert_refused("container start web image= /bin/true", "1:21: here must be image=IMAGE, not 'image='");
  assert_refused("wslc create a pid=-1", "1:15: '-1' is not a process's number");
  assert_refused("wslc create a pid=4294967296", "1:15: '4294967296' is not a process's number");
  assert_refused("wslc create a on-demand idle=x", "1:25: 'x' is not a number of seconds, 0 to 3600");
  assert_refused("wslc create a persistent idle=1", "1:26: only a VM that is on-demand can have an 'idle=1'");
  assert_refused("wait soon", "1:6: 'soon' is not a number of seconds, 0 to 3600");
  assert_refused("wait   -1", "1:8: '-1' is not a number of seconds, 0 to 3600");
  assert_refused("wait 3601", "1:6: '3601' is not a number of seconds, 0 to 3600");
  assert_refused("wait nan", "1:6: 'nan' is not a number of seconds, 0 to 3600");
  assert_refused("wait 1s", "1:6: '1s' is not a number of seconds, 0 to 3600");
  assert_refused("wait \"\"", "1:6: '' is not a number of seconds, 0 to 3600");
}

static void a_quotation_mark_must_be_closed_on_its_line(void) {
  assert_refused("vm stop\nsession open \"two words\nvm stop \"", "2:14: this quotation mark is never closed");
  assert_refused("session open a\"b", "1:14: this quotation mark is never closed");
}

static void text_that_is_not_utf_8_is_refused_where_it_is_not(void) {
  assert_refused("vm stop\nvm \xff", "2:4: this is not UTF-8 text");
  assert_refused("# \xc3", "1:3: this is not UTF-8 text"); /* in a comment too */
  assert_refused("vm stop\n\xed\xa0\x80", "2:1: this is not UTF-8 text");
  assert_refused_size("vm\0stop", 7, "1:3: this is not UTF-8 text"); /* NUL is no text here */
}

/* The limit is looked at first: there are no bytes to look at. */
static void only_so_much_is_parsed(void) {
  g_autofree char *largest = g_strnfill(BH_SCENARIO_MAX_SIZE, '#');
  g_autoptr(BhScenario) scenario = parse_size(largest, BH_SCENARIO_MAX_SIZE);

  g_assert_cmpuint(scenario->steps->len, ==, 0);
  assert_refused_size("", BH_SCENARIO_MAX_SIZE + 1, "1:1: a scenario may have 1048576 bytes at most");
  assert_refused_size("", G_MAXSIZE, "1:1: a scenario may have 1048576 bytes at most");
}

static void the_usage_names_every_step(void) {
  static const char *const steps[] = {"distro register NAME",
                                      "distro start NAME",
                                      "distro terminate NAME",
                                      "distro unregister NAME",
                                      "vm stop",
                                      "session open NAME",
                                      "session use NAME",
                                      "wslc create NAME [persistent] [on-demand] [idle=SECONDS] [pid=NUMBER]",
                                      "wslc run PATH [ARGUMENT...]",
                                      "container start NAME image=IMAGE [PATH ARGUMENT...]",
                                      "image pull NAME [root=FOLDER]",
                                      "distro stop NAME",
                                      "distro export NAME FILE",
                                      "at once",
                                      "end",
                                      "wait SECONDS",
                                      "expect success",
                                      "expect failure [CODE]",
                                      "expect text PATTERN"};
  g_autofree char *usage = bh_scenario_usage();

  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    g_autofree char *line = g_strdup_printf("  %s", steps[i]);
    g_assert_nonnull(strstr(usage, line));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/scenario/each-step-is-understood", each_step_is_understood);
  g_test_add_func("/scenario/options-come-after-the-name-in-any-order", options_come_after_the_name_in_any_order);
  g_test_add_func("/scenario/a-wslc-session-has-options", a_wslc_session_has_options);
  g_test_add_func("/scenario/operations-at-once-are-one-step", operations_at_once_are_one_step);
  g_test_add_func("/scenario/refuses/at-once-where-it-makes-no-sense", at_once_is_refused_where_it_makes_no_sense);
  g_test_add_func("/scenario/a-distribution-may-be-called-like-an-option",
                  a_distribution_may_be_called_like_an_option);
  g_test_add_func("/scenario/quotes-keep-blanks-and-marks", quotes_keep_blanks_and_marks);
  g_test_add_func("/scenario/a-comment-goes-to-the-end-of-its-line", a_comment_goes_to_the_end_of_its_line);
  g_test_add_func("/scenario/blanks-and-empty-lines-do-not-matter", blanks_and_empty_lines_do_not_matter);
  g_test_add_func("/scenario/lines-may-end-as-on-windows", lines_may_end_as_on_windows);
  g_test_add_func("/scenario/the-last-line-needs-no-end", the_last_line_needs_no_end);
  g_test_add_func("/scenario/a-text-may-have-no-step", a_text_may_have_no_step);
  g_test_add_func("/scenario/expectations-belong-to-the-operation-before-them",
                  expectations_belong_to_the_operation_before_them);
  g_test_add_func("/scenario/refuses/an-expectation-without-an-operation",
                  an_expectation_needs_an_operation_before_it);
  g_test_add_func("/scenario/refuses/a-second-outcome", an_operation_has_one_outcome);
  g_test_add_func("/scenario/a-byte-order-mark-is-passed-over", a_byte_order_mark_is_passed_over);
  g_test_add_func("/scenario/refuses/an-expected-code-that-is-none", an_expected_code_must_be_one);
  g_test_add_func("/scenario/refuses/an-unknown-step-where-it-begins", an_unknown_step_is_refused_where_it_begins);
  g_test_add_func("/scenario/refuses/too-few-words", too_few_words_are_refused);
  g_test_add_func("/scenario/refuses/too-many-words-where-they-begin",
                  too_many_words_are_refused_where_they_begin);
  g_test_add_func("/scenario/refuses/an-option-without-its-value", an_option_without_its_value_is_none);
  g_test_add_func("/scenario/refuses/a-wrong-value-where-it-is", a_wrong_value_is_refused_where_it_is);
  g_test_add_func("/scenario/refuses/an-open-quotation-mark", a_quotation_mark_must_be_closed_on_its_line);
  g_test_add_func("/scenario/refuses/text-that-is-not-utf-8", text_that_is_not_utf_8_is_refused_where_it_is_not);
  g_test_add_func("/scenario/refuses/more-than-its-limit", only_so_much_is_parsed);
  g_test_add_func("/scenario/the-usage-names-every-step", the_usage_names_every_step);
  return g_test_run();
}
