#include "scenario.h"

#include "core/guest.h"

#include <string.h>

/* What a step may have after its own words. */
typedef struct {
  BhStepKind kind;
  const char *own[2];  /* its own words; the second may be NULL */
  guint required;      /* how many words must follow */
  const char *options; /* those that may follow then, blank-separated: "word" or "key="; NULL: none; "*": one word,
                          whatever it is; "**": as many as there are */
  gboolean
      at_once; /* it may stand in `at once`: it changes nothing about where the scenario goes on, but for a WSLC
                          session that is opened */
  const char *usage;
  const char *meaning;
} StepInfo;

#define REGISTER_OPTIONS "wsl1 root= id= flavor= version= package="
#define REGISTER_USAGE   "NAME [wsl1] [root=FOLDER] [id=GUID] [flavor=TEXT] [version=TEXT] [package=TEXT]"
#define KERNEL_OPTIONS   "custom-kernel custom-kernel-command-line"
#define KERNEL_USAGE     "NAME [custom-kernel] [custom-kernel-command-line]"
#define CREATE_USAGE     "NAME [persistent] [on-demand] [idle=SECONDS] [pid=NUMBER]"

/* clang-format off */
static const StepInfo infos[] = {
    /* kind, own words, required words, options, at once; usage, meaning */
    {BH_STEP_DISTRO_REGISTER, {"distro", "register"}, 1, REGISTER_OPTIONS, FALSE,
     REGISTER_USAGE, "makes a distribution known; without a root it is the machine's own"},
    {BH_STEP_DISTRO_IMPORT, {"distro", "import"}, 1, REGISTER_OPTIONS, FALSE,
     REGISTER_USAGE, "likewise, for one that is new to the machine: the VM is started for that"},
    {BH_STEP_DISTRO_START, {"distro", "start"}, 1, KERNEL_OPTIONS, TRUE,
     KERNEL_USAGE, "starts it, and the VM when none runs"},
    {BH_STEP_DISTRO_STOP, {"distro", "stop"}, 1, NULL, TRUE, "NAME", "stops it, unless something runs in it"},
    {BH_STEP_DISTRO_TERMINATE, {"distro", "terminate"}, 1, NULL, TRUE, "NAME", "stops it; the VM stays"},
    {BH_STEP_DISTRO_EXPORT, {"distro", "export"}, 2, NULL, TRUE,
     "NAME FILE", "stops it and writes its files into an archive"},
    {BH_STEP_DISTRO_UNREGISTER, {"distro", "unregister"}, 1, NULL, TRUE, "NAME", "forgets it"},
    {BH_STEP_VM_STOP, {"vm", "stop"}, 0, NULL, TRUE, "", "stops the session's distributions and its VM"},
    {BH_STEP_SESSION_OPEN, {"session", "open"}, 1, NULL, FALSE, "NAME", "opens another session, and goes on in it"},
    {BH_STEP_SESSION_USE, {"session", "use"}, 1, NULL, FALSE,
     "NAME", "goes on in an open session; the first is 'main'"},
    {BH_STEP_WSLC_CREATE, {"wslc", "create"}, 1, "persistent on-demand idle= pid=", TRUE,
     CREATE_USAGE, "creates a WSLC session, and goes on in it"},
    {BH_STEP_WSLC_OPEN, {"wslc", "open"}, 1, NULL, TRUE, "NAME", "becomes a user of one by its name, and goes on in it"},
    {BH_STEP_WSLC_USE, {"wslc", "use"}, 1, NULL, FALSE, "NAME", "goes on in one that the scenario is a user of"},
    {BH_STEP_WSLC_CLOSE, {"wslc", "close"}, 1, NULL, FALSE,
     "NAME", "is its user no longer; without a user it ends, unless it is persistent"},
    {BH_STEP_WSLC_TERMINATE, {"wslc", "terminate"}, 1, NULL, TRUE, "NAME", "ends it, whoever uses it"},
    {BH_STEP_WSLC_RUN, {"wslc", "run"}, 1, "**", TRUE,
     "PATH [ARGUMENT...]", "runs a program in its VM; fails if that does not end with 0"},
    {BH_STEP_WSLC_IDLE, {"wslc", "idle"}, 0, NULL, TRUE, "", "stops its VM on demand, unless something uses that"},
    {BH_STEP_CONTAINER_START, {"container", "start"}, 2, "**", TRUE,
     "NAME image=IMAGE [PATH ARGUMENT...]", "runs a program in a container, '/bin/sleep 3600' if none is named"},
    {BH_STEP_CONTAINER_STOP, {"container", "stop"}, 1, NULL, TRUE, "NAME", "stops it"},
    {BH_STEP_IMAGE_PULL, {"image", "pull"}, 1, "root=", TRUE,
     "NAME [root=FOLDER]", "makes a folder an image; without a root it is the machine's own"},
    {BH_STEP_IMAGE_IMPORT, {"image", "import"}, 1, "root=", TRUE, "NAME [root=FOLDER]", "likewise"},
    {BH_STEP_IMAGE_LOAD, {"image", "load"}, 1, "root=", TRUE,
     "NAME [root=FOLDER]", "likewise, but plugins are not told"},
    {BH_STEP_IMAGE_BUILD, {"image", "build"}, 1, "root=", TRUE,
     "NAME [root=FOLDER]", "likewise, but plugins are not told"},
    {BH_STEP_IMAGE_DELETE, {"image", "delete"}, 1, NULL, TRUE, "NAME", "forgets it"},
    {BH_STEP_WAIT, {"wait", NULL}, 1, NULL, FALSE, "SECONDS", "does nothing for that long"},
    {BH_STEP_AT_ONCE, {"at", "once"}, 0, NULL, FALSE, "", "does what follows, up to 'end', all at the same time"},
    {BH_STEP_END, {"end", NULL}, 0, NULL, FALSE, "", "waits for all of that"},
    {BH_STEP_EXPECT_SUCCESS, {"expect", "success"}, 0, NULL, TRUE, "", "the operation before succeeded"},
    {BH_STEP_EXPECT_FAILURE, {"expect", "failure"}, 0, "*", TRUE,
     "[CODE]", "it failed, with that code: E_FAIL, 0x80004005"},
    {BH_STEP_EXPECT_TEXT, {"expect", "text"}, 1, NULL, TRUE,
     "PATTERN", "what the user is shown matches; * and ? as in a shell"},
};
/* clang-format on */

/* Where parsing is. */
typedef struct {
  const char *text, *end; /* of the whole */
  const char *line;       /* the current line begins here */
  guint number;           /* its number */
  const char *comment;    /* … its comment here, or the next line */
  GPtrArray *words;       /* of the line */
  GArray *columns;        /* guint: where each begins, from 1 */
  BhStep *block;          /* an `at once` that is open */
  guint block_column;     /* where that begins */
  char *problem;
} Parser;

G_GNUC_PRINTF(3, 4) static gboolean fail(Parser *parser, guint column, const char *format, ...) {
  g_autofree char *what = NULL;
  va_list arguments;

  va_start(arguments, format);
  what = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  parser->problem = g_strdup_printf("%u:%u: %s", parser->number, column, what);
  return FALSE;
}

static guint column_of(const Parser *parser, guint word) {
  return word < parser->columns->len ? g_array_index(parser->columns, guint, word) : 1;
}

/* Splits the line that ends at `end` into words. */
static gboolean split(Parser *parser, const char *end) {
  const char *at = parser->line;

  parser->comment = end;
  g_ptr_array_set_size(parser->words, 0);
  g_array_set_size(parser->columns, 0);
  while (at < end) {
    if (*at == ' ' || *at == '\t' || *at == '\r') {
      at++;
      continue;
    }
    if (*at == '#') {
      parser->comment = at;
      return TRUE;
    }

    guint column = (guint)(at - parser->line) + 1;
    g_autoptr(GString) word = g_string_new(NULL);
    gboolean quoted = FALSE;
    for (; at < end && (quoted || !strchr(" \t\r", *at)); at++) {
      if (*at == '"')
        quoted = !quoted;
      else
        g_string_append_c(word, *at);
    }
    if (quoted) return fail(parser, column, "this quotation mark is never closed");
    g_array_append_val(parser->columns, column);
    g_ptr_array_add(parser->words, g_strdup(word->str));
  }
  return TRUE;
}

static const char *word_at(const Parser *parser, guint i) {
  return i < parser->words->len ? parser->words->pdata[i] : NULL;
}

static const StepInfo *find_info(const Parser *parser, guint *own) {
  for (guint i = 0; i < G_N_ELEMENTS(infos); i++) {
    *own = infos[i].own[1] != NULL ? 2 : 1;
    if (g_strcmp0(word_at(parser, 0), infos[i].own[0]) != 0) continue;
    if (*own == 1 || g_strcmp0(word_at(parser, 1), infos[i].own[1]) == 0) return &infos[i];
  }
  return NULL;
}

/* What steps may begin with; or, after a first word that is known, what may follow it. */
static gboolean unknown_step(Parser *parser) {
  g_autoptr(GString) known = g_string_new(NULL);
  const char *first = word_at(parser, 0);
  gboolean first_known = FALSE;

  g_assert(first != NULL);
  for (guint i = 0; i < G_N_ELEMENTS(infos); i++)
    if (g_str_equal(infos[i].own[0], first)) first_known = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(infos); i++) {
    if (first_known && !g_str_equal(infos[i].own[0], first)) continue;
    if (!first_known && i > 0 && g_str_equal(infos[i].own[0], infos[i - 1].own[0])) continue;
    g_string_append_printf(known, "%s'%s'", known->len > 0 ? ", " : "",
                           first_known ? infos[i].own[1] : infos[i].own[0]);
  }
  if (first_known && word_at(parser, 1) != NULL)
    return fail(parser, column_of(parser, 1), "'%s' cannot follow '%s'; known are %s", word_at(parser, 1), first,
                known->str);
  if (first_known)
    return fail(parser, column_of(parser, 0), "'%s' is not a whole step; it goes on with %s", first, known->str);
  return fail(parser, column_of(parser, 0), "there is no step '%s'; steps begin with %s", first, known->str);
}

static gboolean option_allowed(const StepInfo *info, const char *word) {
  g_auto(GStrv) options = g_strsplit(info->options != NULL ? info->options : "", " ", -1);

  for (char **option = options; *option != NULL; option++) {
    if (g_str_equal(*option, word)) return TRUE;
    if (g_str_has_suffix(*option, "=") && g_str_has_prefix(word, *option)) return TRUE;
  }
  return FALSE;
}

static gboolean check_words(Parser *parser, const StepInfo *info, guint own) {
  g_autofree char *step = g_strjoin(" ", info->own[0], info->own[1], NULL);
  guint taken = own + info->required;

  if (parser->words->len < own + info->required)
    return fail(parser, column_of(parser, 0), "'%s' needs more: %s %s", step, step, info->usage);
  if (g_strcmp0(info->options, "**") == 0) return TRUE;
  if (g_strcmp0(info->options, "*") == 0) taken++;
  for (guint i = taken; i < parser->words->len; i++)
    if (!option_allowed(info, word_at(parser, i)))
      return fail(parser, column_of(parser, i), "'%s' takes no '%s'; it is: %s%s%s", step, word_at(parser, i),
                  step, *info->usage != '\0' ? " " : "", info->usage);
  return TRUE;
}

static gboolean check_seconds(Parser *parser, guint word, const char *text) {
  char *rest;
  double seconds = g_ascii_strtod(text, &rest);

  if (*rest == '\0' && rest != text && seconds >= 0 && seconds <= BH_SCENARIO_MAX_SECONDS) return TRUE;
  return fail(parser, column_of(parser, word), "'%s' is not a number of seconds, 0 to %d", text,
              BH_SCENARIO_MAX_SECONDS);
}

/* One "key=value", at that word. */
static gboolean check_option(Parser *parser, const BhStep *step, guint word, const char *text) {
  BhGuid guid;

  if (g_str_has_prefix(text, "id=") && !bh_guid_parse(text + 3, &guid))
    return fail(parser, column_of(parser, word), "'%s' is not a GUID", text + 3);
  if (g_str_has_prefix(text, "pid=") && !g_ascii_string_to_unsigned(text + 4, 10, 0, G_MAXUINT32, NULL, NULL))
    return fail(parser, column_of(parser, word), "'%s' is not a process's number", text + 4);
  if (!g_str_has_prefix(text, "idle=")) return TRUE;
  if (!bh_step_has(step, 1, "on-demand"))
    return fail(parser, column_of(parser, word), "only a VM that is on-demand can have an '%s'", text);
  return check_seconds(parser, word, text + 5);
}

/* What only some steps ask of their words. */
static gboolean check_values(Parser *parser, const BhStep *step, guint own) {
  switch (step->kind) {
    case BH_STEP_WAIT: return check_seconds(parser, own, step->words[0]);
    case BH_STEP_CONTAINER_START:
      if (g_str_has_prefix(step->words[1], "image=") && step->words[1][6] != '\0') return TRUE;
      return fail(parser, column_of(parser, own + 1), "here must be image=IMAGE, not '%s'", step->words[1]);
    case BH_STEP_DISTRO_REGISTER:
    case BH_STEP_DISTRO_IMPORT:
    case BH_STEP_WSLC_CREATE:
      for (guint i = 1; step->words[i] != NULL; i++)
        if (!check_option(parser, step, own + i, step->words[i])) return FALSE;
      return TRUE;
    default: return TRUE;
  }
}

static void step_free(gpointer data) {
  BhStep *step = data;

  g_free(step->text);
  g_strfreev(step->words);
  if (step->patterns != NULL) g_ptr_array_unref(step->patterns);
  if (step->together != NULL) g_ptr_array_unref(step->together);
  g_free(step);
}

/* Where operations go: into the scenario, or into the `at once` that is open. */
static GPtrArray *operations_of(const Parser *parser, const BhScenario *scenario) {
  return parser->block != NULL ? parser->block->together : scenario->steps;
}

/* An expectation goes into the operation before it. */
static gboolean attach(Parser *parser, BhScenario *scenario, const BhStep *expectation, guint own) {
  const GPtrArray *operations = operations_of(parser, scenario);
  BhStep *operation;

  if (operations->len == 0)
    return fail(parser, column_of(parser, 0), "there is no operation before this 'expect'");
  operation = g_ptr_array_index(operations, operations->len - 1);
  if (operation->kind == BH_STEP_AT_ONCE)
    return fail(parser, column_of(parser, 0), "what is expected of operations at once stands before their 'end'");
  if (expectation->kind != BH_STEP_EXPECT_TEXT) {
    if (operation->has_outcome)
      return fail(parser, column_of(parser, 0), "line %u has its outcome already", operation->line);
    operation->has_outcome = TRUE;
  }
  switch (expectation->kind) {
    case BH_STEP_EXPECT_FAILURE:
      operation->fails = TRUE;
      if (expectation->words[0] == NULL) break;
      if (!bh_result_parse(expectation->words[0], &operation->code))
        return fail(parser, column_of(parser, own), "'%s' is no code; write a name, like E_FAIL, or a number",
                    expectation->words[0]);
      operation->has_code = TRUE;
      break;
    case BH_STEP_EXPECT_TEXT: g_ptr_array_add(operation->patterns, g_strdup(expectation->words[0])); break;
    default: break;
  }
  return TRUE;
}

static gboolean check_block(Parser *parser, const StepInfo *info) {
  guint column = column_of(parser, 0);

  if (info->kind == BH_STEP_END) {
    if (parser->block == NULL) return fail(parser, column, "there is no 'at once' that could end here");
    return parser->block->together->len > 0 || fail(parser, column, "there is nothing to do at once");
  }
  if (parser->block == NULL) return TRUE;
  if (!info->at_once)
    return fail(parser, column, "'%s%s%s' cannot stand in 'at once'", info->own[0],
                info->own[1] != NULL ? " " : "", info->own[1] != NULL ? info->own[1] : "");
  if (info->kind < BH_STEP_EXPECT_SUCCESS && parser->block->together->len >= BH_SCENARIO_MAX_TOGETHER)
    return fail(parser, column, "no more than %d operations can be done at once", BH_SCENARIO_MAX_TOGETHER);
  return TRUE;
}

/* The line as a step, whatever it may mean. */
static BhStep *step_new(const Parser *parser, const StepInfo *info, guint own) {
  BhStep *step = g_new0(BhStep, 1);

  step->kind = info->kind;
  step->line = parser->number;
  step->text = g_strstrip(g_strndup(parser->line, (gsize)(parser->comment - parser->line)));
  step->words = g_new0(char *, parser->words->len - own + 1);
  for (guint i = own; i < parser->words->len; i++) step->words[i - own] = g_strdup(word_at(parser, i));
  step->patterns = g_ptr_array_new_with_free_func(g_free);
  if (info->kind == BH_STEP_AT_ONCE) step->together = g_ptr_array_new_with_free_func(step_free);
  return step;
}

static gboolean parse_line(Parser *parser, BhScenario *scenario, const char *end) {
  const StepInfo *info;
  BhStep *step;
  guint own;
  gboolean good;

  if (!split(parser, end)) return FALSE;
  if (parser->words->len == 0) return TRUE;
  info = find_info(parser, &own);
  if (info == NULL) return unknown_step(parser);
  if (!check_words(parser, info, own) || !check_block(parser, info)) return FALSE;

  step = step_new(parser, info, own);
  good = check_values(parser, step, own);
  if (good && step->kind < BH_STEP_EXPECT_SUCCESS) {
    g_ptr_array_add(operations_of(parser, scenario), step);
    if (step->kind == BH_STEP_AT_ONCE) parser->block = step;
    if (step->kind == BH_STEP_AT_ONCE) parser->block_column = column_of(parser, 0);
    return TRUE;
  }
  if (good && step->kind == BH_STEP_END)
    parser->block = NULL;
  else if (good)
    good = attach(parser, scenario, step, own);
  step_free(step);
  return good;
}

BhScenario *bh_scenario_parse(const char *text, gsize size, char **problem) {
  g_autoptr(BhScenario) scenario = g_new0(BhScenario, 1);
  g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GArray) columns = g_array_new(FALSE, FALSE, sizeof(guint));
  Parser parser = {
      .text = text, .end = text + size, .line = text, .number = 1, .words = words, .columns = columns};
  const char *invalid;

  scenario->steps = g_ptr_array_new_with_free_func(step_free);
  if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    parser.line += 3; /* a byte order mark, as Notepad writes one */
  if (size > BH_SCENARIO_MAX_SIZE) {
    fail(&parser, 1, "a scenario may have %d bytes at most", BH_SCENARIO_MAX_SIZE);
    goto out;
  }
  for (; parser.line < parser.end; parser.number++) {
    const char *end = memchr(parser.line, '\n', (gsize)(parser.end - parser.line));
    if (end == NULL) end = parser.end;
    if (!g_utf8_validate(parser.line, end - parser.line, &invalid)) {
      fail(&parser, (guint)(invalid - parser.line) + 1, "this is not UTF-8 text");
      goto out;
    }
    if (!parse_line(&parser, scenario, end)) goto out;
    parser.line = end + 1;
  }
  if (parser.block != NULL) {
    parser.number = parser.block->line;
    fail(&parser, parser.block_column, "this 'at once' has no 'end'");
  }
out:
  if (parser.problem == NULL) return g_steal_pointer(&scenario);
  *problem = parser.problem;
  return NULL;
}

void bh_scenario_free(BhScenario *scenario) {
  if (scenario->steps != NULL) g_ptr_array_unref(scenario->steps);
  g_free(scenario);
}

char *bh_scenario_usage(void) {
  GString *usage = g_string_new(NULL);

  for (guint i = 0; i < G_N_ELEMENTS(infos); i++) {
    g_string_append_printf(usage, "  %s%s%s %s\n", infos[i].own[0], infos[i].own[1] != NULL ? " " : "",
                           infos[i].own[1] != NULL ? infos[i].own[1] : "", infos[i].usage);
    g_string_append_printf(usage, "      %s\n", infos[i].meaning);
  }
  return g_string_free(usage, FALSE);
}

const char *bh_step_option(const BhStep *step, guint from, const char *key) {
  gsize length = strlen(key);

  for (guint i = from; i < g_strv_length(step->words); i++)
    if (strncmp(step->words[i], key, length) == 0 && step->words[i][length] == '=')
      return step->words[i] + length + 1;
  return NULL;
}

gboolean bh_step_has(const BhStep *step, guint from, const char *word) {
  for (guint i = from; i < g_strv_length(step->words); i++)
    if (g_str_equal(step->words[i], word)) return TRUE;
  return FALSE;
}
