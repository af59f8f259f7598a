/* Scripts with a mistake: each is told by line and column, and in words. */
#include "backend-mock/script.h"

#include <string.h>

/* clang-format off */
static const struct {
  const char *name, *text, *error;
} mistakes[] = {
    {"unknown-action", "on load\n  mout %FOLDER% / ro\n", "line 2, column 3: there is no action 'mout'"},
    {"before-on", "# hello\n\nlog hi\n", "line 3, column 1: 'log' stands before the first 'on'"},
    {"unknown-hook", "on OnVmStarted\n", "line 1, column 4: there is no hook 'OnVmStarted'"},
    {"on-nothing", "on\n", "line 1, column 1: expected: on load, on attach or on HOOK"},
    {"on-twice", "on load\non OnVMStarted\non load\n", "line 3, column 4: there is an 'on load' already"},
    {"too-few-words", "on load\n  execute\n", "line 2, column 3: expected: execute PATH [ARGUMENT...]"},
    {"too-many-words", "on load\n  hang around\n", "line 2, column 3: expected: hang"},
    {"no-text", "on load\n  error   \n", "line 2, column 3: expected: error TEXT"},
    {"mode", "on load\n  mount a b rx\n", "line 2, column 13: 'rx' is neither ro nor rw"},
    {"apartment", "on load\n  thread t mtx\n  end\n",
     "line 2, column 12: 'mtx' is none of the apartments none, mta and sta"},
    {"crash-kind", "on load\n  crash hard\n",
     "line 2, column 9: 'hard' is none of the crashes null, overflow, abort, exit, throw and illegal"},
    {"result", "on load\n  return E_FALI\n", "line 2, column 10: 'E_FALI' is no result, such as E_FAIL or 0x80004005"},
    {"distribution", "on load\n  execute-in Debian /bin/true\n",
     "line 2, column 14: 'Debian' is neither %DISTRIBUTION%, a GUID nor unknown"},
    {"count-zero", "on load\n  parallel 0\n  end\n", "line 2, column 12: '0' is no number from 1 to 64"},
    {"count-many", "on load\n  parallel 65\n  end\n", "line 2, column 12: '65' is no number from 1 to 64"},
    {"version", "on load\n  require-version 2 x 0\n", "line 2, column 21: 'x' is no number below 2^32"},
    {"session", "on load\n  session 4294967296\n", "line 2, column 11: '4294967296' is no number below 2^32"},
    {"name", "on load\n  signal a%b\n", "line 2, column 11: a variable is not closed (%% is a percent sign)"},
    {"name-letters", "on load\n  signal a,b\n", "line 2, column 10: 'a,b' is no name (letters, digits, - and _)"},
    {"variable", "on load\n  log a %FOLDR%\n", "line 2, column 9: there is no variable %FOLDR%"},
    {"variable-in-quotes", "on load\n  execute \"a %X%\"\n", "line 2, column 14: there is no variable %X%"},
    {"long-twice", "on load\n  execute %LONG% %LONG%\n", "line 2, column 18: %LONG% may stand in a line only once"},
    {"quote", "on load\n  execute \"a b\n", "line 2, column 11: a quote is not closed"},
    {"after-quote", "on load\n  execute \"a\"b\n", "line 2, column 11: something stands right behind a closing quote"},
    {"end-too-many", "on load\n  end\n", "line 2, column 3: there is nothing to end here"},
    {"end-words", "on load\n  parallel 2\n  end parallel\n", "line 3, column 3: expected: end"},
    {"no-end", "on load\n\n  parallel 2\n    log x\n", "line 3, column 3: this 'parallel' has no 'end'"},
    {"no-end-before-on", "on load\n parallel 2\non OnVMStarted\n", "line 2, column 2: this 'parallel' has no 'end'"},
    {"empty-loop", "on load\n  loop-until x\n  end\n", "line 3, column 3: a loop that does nothing would only burn time"},
    {"process-nobody", "on load\n  process-wait p\n", "line 2, column 16: there is no process 'p'"},
    {"process-release-nobody", "on load\n  process q /a\n  process-release p\n",
     "line 3, column 19: there is no process 'p'"},
    {"process-null", "on load\n  process null /a\n", "line 2, column 11: a process cannot be named 'null'"},
    {"process-bogus", "on load\n  process bogus /a\n", "line 2, column 11: a process cannot be named 'bogus'"},
    {"process-without-path", "on load\n  process p\n",
     "line 2, column 3: expected: process NAME PATH [ARGUMENT...]"},
    {"process-stream", "on load\n  process p /a\n  process-read p stdin\n",
     "line 3, column 18: 'stdin' is neither stdout nor stderr"},
    {"process-fd", "on load\n  process-fd null -1\n", "line 2, column 19: '-1' is no number below 2^32"},
    {"process-write-nothing", "on load\n  process-write null\n",
     "line 2, column 3: expected: process-write NAME TEXT"},
    {"env", "on load\n  env A\n", "line 2, column 7: 'A' is no NAME=VALUE"},
    {"env-without-name", "on load\n  env =A\n", "line 2, column 7: '=A' is no NAME=VALUE"},
    {"wslc-mode", "on load\n  wslc-mount a /b x\n", "line 2, column 19: 'x' is neither ro nor rw"},
    {"wslc-in-attach", "on attach\n  wslc-unmount /b\n", "line 2, column 3: 'wslc-unmount' cannot stand in on attach"},
    {"join-nobody", "on load\n  join t\n", "line 2, column 8: there is no thread 't'"},
    {"await-nothing", "on load\n  await s\n", "line 2, column 9: nothing signals 's'"},
    {"loop-for-ever", "on load\n  loop-until s\n    log x\n  end\n", "line 2, column 14: nothing signals 's'"},
    {"await-hook-in-hook", "on OnVMStarted\n  await hook\n",
     "line 2, column 9: only a thread can await the hook that began it"},
    {"signal-hook", "on load\n  signal hook\n", "line 2, column 10: a signal cannot be named 'hook'"},
    {"thread-twice", "on load\n  thread t none\n  end\n  thread t none\n  end\n",
     "line 4, column 10: there is a thread 't' already"},
    {"thread-in-thread", "on load\n  thread t none\n    thread u none\n    end\n  end\n",
     "line 3, column 5: 'thread' cannot stand in a thread"},
    {"parallel-in-parallel", "on load\n  parallel 2\n    parallel 2\n    end\n  end\n",
     "line 3, column 5: 'parallel' cannot stand in parallel"},
    {"return-in-loop", "on load\n  loop-until s\n    return S_OK\n  end\n  signal s\n",
     "line 3, column 5: 'return' cannot stand in loop-until"},
    {"version-in-hook", "on OnVMStarted\n  require-version 2 0 0\n",
     "line 2, column 3: 'require-version' cannot stand in the handler of a hook"},
    {"call-in-attach", "on attach\n  execute /bin/true\n", "line 2, column 3: 'execute' cannot stand in on attach"},
    {"characters", "on load\n  execute \"äöü\" \"x\n", "line 2, column 17: a quote is not closed"},
    {"utf-8", "on load\n  log ä\xff\n", "line 2, column 8: this is not UTF-8"},
};
/* clang-format on */

static void given_a_mistake_then_it_is_told_by_line_and_column(gconstpointer data) {
  guint i = GPOINTER_TO_UINT(data);
  g_autofree char *error = NULL;

  g_assert_null(bh_script_parse(mistakes[i].text, strlen(mistakes[i].text), &error));
  g_assert_cmpstr(error, ==, mistakes[i].error);
}

static void given_a_zero_byte_then_it_is_refused(void) {
  g_autofree char *error = NULL;

  g_assert_null(bh_script_parse("on load\0", 8, &error));
  g_assert_cmpstr(error, ==, "line 1, column 8: this is not UTF-8");
}

static void given_a_script_that_is_too_long_then_it_is_refused(void) {
  g_autofree char *text = g_strnfill(64 * 1024 + 1, '\n');
  g_autofree char *error = NULL;
  BhScript *script;

  g_assert_null(bh_script_parse(text, 64 * 1024 + 1, &error));
  g_assert_cmpstr(error, ==, "line 1, column 1: the script is longer than 64 KiB");
  script = bh_script_parse(text, 64 * 1024, NULL);
  g_assert_nonnull(script);
  bh_script_free(script);
}

static void given_blocks_nested_too_deep_then_it_is_refused(void) {
  GString *text = g_string_new("on load\nsignal s\n");
  g_autofree char *error = NULL;

  for (guint i = 0; i < 9; i++) g_string_append(text, "loop-until s\n");
  g_assert_null(bh_script_parse(text->str, text->len, &error));
  g_assert_cmpstr(error, ==, "line 11, column 1: blocks nest more than 8 deep");
  g_string_free(text, TRUE);
}

static void given_no_mistake_then_hooks_are_those_with_handlers(void) {
  static const char text[] = "# a comment\r\n"
                             "on OnVMStarted\r\n"
                             "\ton-comment\n";
  static const char good[] = "# a comment\r\n\r\non OnVMStarted\r\n\tlog # no comment\r\n"
                             "on WslcVmStopping\n"
                             "on attach\n  crash null\n"
                             "on OnDistributionStarted\n  parallel 64\n  end\n";
  g_autofree char *error = NULL;
  g_autoptr(BhScript) script = NULL;

  g_assert_null(bh_script_parse(text, sizeof text - 1, &error));
  script = bh_script_parse(good, sizeof good - 1, NULL);
  g_assert_cmphex(bh_script_hooks(script), ==,
                  1u << BH_HOOK_VM_STARTED | 1u << BH_HOOK_CONTAINER_VM_STOPPING |
                      1u << BH_HOOK_DISTRIBUTION_STARTED);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(mistakes); i++) {
    g_autofree char *path = g_strconcat("/script/mistake/", mistakes[i].name, NULL);
    g_test_add_data_func(path, GUINT_TO_POINTER(i), given_a_mistake_then_it_is_told_by_line_and_column);
  }
  g_test_add_func("/script/mistake/zero-byte", given_a_zero_byte_then_it_is_refused);
  g_test_add_func("/script/bounds/size", given_a_script_that_is_too_long_then_it_is_refused);
  g_test_add_func("/script/bounds/depth", given_blocks_nested_too_deep_then_it_is_refused);
  g_test_add_func("/script/good", given_no_mistake_then_hooks_are_those_with_handlers);
  return g_test_run();
}
