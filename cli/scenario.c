#include "scenario.h"

#include "core/guest.h"

#include <string.h>

/* What a step may have after its own words. */
typedef struct {
  BhStepKind kind;
  const char *own[2];  /* its own words; the second may be NULL */
  guint required;      /* how many words must follow */
  const char *options; /* those that may follow then, blank-separated: "word" or "key="; NULL: none; "*": one word,
                          whatever it is */
  const char *usage;
  const char *meaning;
} StepInfo;

static const StepInfo infos[] = {
    {BH_STEP_DISTRO_REGISTER,
     {"distro", "register"},
     1,
     "wsl1 root= id= flavor= version= package=",
     "NAME [wsl1] [root=FOLDER] [id=GUID] [flavor=TEXT] [version=TEXT] [package=TEXT]",
     "makes a distribution known; without a root it is the machine's own"},
    {BH_STEP_DISTRO_IMPORT,
     {"distro", "import"},
     1,
     "wsl1 root= id= flavor= version= package=",
     "NAME [wsl1] [root=FOLDER] [id=GUID] [flavor=TEXT] [version=TEXT] [package=TEXT]",
     "likewise, for one that is new to the machine: the VM is started for that"},
    {BH_STEP_DISTRO_START,
     {"distro", "start"},
     1,
     "custom-kernel custom-kernel-command-line",
     "NAME [custom-kernel] [custom-kernel-command-line]",
     "starts it, and the VM when none runs"},
    {BH_STEP_DISTRO_TERMINATE, {"distro", "terminate"}, 1, NULL, "NAME", "stops it; the VM stays"},
    {BH_STEP_DISTRO_UNREGISTER, {"distro", "unregister"}, 1, NULL, "NAME", "forgets it"},
    {BH_STEP_VM_STOP, {"vm", "stop"}, 0, NULL, "", "stops the session's distributions and its VM"},
    {BH_STEP_SESSION_OPEN, {"session", "open"}, 1, NULL, "NAME", "opens another session, and goes on in it"},
    {BH_STEP_SESSION_USE, {"session", "use"}, 1, NULL, "NAME", "goes on in an open session; the first is 'main'"},
    {BH_STEP_WAIT, {"wait", NULL}, 1, NULL, "SECONDS", "does nothing for that long"},
    {BH_STEP_EXPECT_SUCCESS, {"expect", "success"}, 0, NULL, "", "the operation before succeeded"},
    {BH_STEP_EXPECT_FAILURE,
     {"expect", "failure"},
     0,
     "*",
     "[CODE]",
     "it failed, with that code: E_FAIL, 0x80004005"},
    {BH_STEP_EXPECT_TEXT,
     {"expect", "text"},
     1,
     NULL,
     "PATTERN",
     "what the user is shown matches; * and ? as in a shell"},
};

/* Where parsing is. */
typedef struct {
  const char *text, *end; /* of the whole */
  const char *line;       /* the current line begins here */
  guint number;           /* its number */
  const char *comment;    /* … its comment here, or the next line */
  GPtrArray *words;       /* of the line */
  GArray *columns;        /* guint: where each begins, from 1 */
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
  guint taken = own + info->required + (g_strcmp0(info->options, "*") == 0 ? 1 : 0);

  if (parser->words->len < own + info->required)
    return fail(parser, column_of(parser, 0), "'%s' needs more: %s %s", step, step, info->usage);
  for (guint i = taken; i < parser->words->len; i++)
    if (!option_allowed(info, word_at(parser, i)))
      return fail(parser, column_of(parser, i), "'%s' takes no '%s'; it is: %s%s%s", step, word_at(parser, i),
                  step, *info->usage != '\0' ? " " : "", info->usage);
  return TRUE;
}

/* What only some steps ask of their words. */
static gboolean check_values(Parser *parser, const BhStep *step, guint own) {
  BhGuid guid;
  double seconds;
  char *rest;

  if (step->kind == BH_STEP_DISTRO_REGISTER || step->kind == BH_STEP_DISTRO_IMPORT)
    for (guint i = 1; step->words[i] != NULL; i++)
      if (g_str_has_prefix(step->words[i], "id=") && !bh_guid_parse(step->words[i] + 3, &guid))
        return fail(parser, column_of(parser, own + i), "'%s' is not a GUID", step->words[i] + 3);
  if (step->kind == BH_STEP_WAIT) {
    seconds = g_ascii_strtod(step->words[0], &rest);
    if (*rest != '\0' || rest == step->words[0] || !(seconds >= 0 && seconds <= 3600))
      return fail(parser, column_of(parser, own), "'%s' is not a number of seconds, 0 to 3600", step->words[0]);
  }
  return TRUE;
}

static void step_free(gpointer data) {
  BhStep *step = data;

  g_free(step->text);
  g_strfreev(step->words);
  if (step->patterns != NULL) g_ptr_array_unref(step->patterns);
  g_free(step);
}

/* An expectation goes into the operation before it. */
static gboolean attach(Parser *parser, BhScenario *scenario, const BhStep *expectation, guint own) {
  BhStep *operation;

  if (scenario->steps->len == 0)
    return fail(parser, column_of(parser, 0), "there is no operation before this 'expect'");
  operation = g_ptr_array_index(scenario->steps, scenario->steps->len - 1);
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

static gboolean parse_line(Parser *parser, BhScenario *scenario, const char *end) {
  const StepInfo *info;
  BhStep *step;
  guint own;
  gboolean good;

  if (!split(parser, end)) return FALSE;
  if (parser->words->len == 0) return TRUE;
  info = find_info(parser, &own);
  if (info == NULL) return unknown_step(parser);
  if (!check_words(parser, info, own)) return FALSE;

  step = g_new0(BhStep, 1);
  step->kind = info->kind;
  step->line = parser->number;
  step->text = g_strstrip(g_strndup(parser->line, (gsize)(parser->comment - parser->line)));
  step->words = g_new0(char *, parser->words->len - own + 1);
  for (guint i = own; i < parser->words->len; i++) step->words[i - own] = g_strdup(word_at(parser, i));
  step->patterns = g_ptr_array_new_with_free_func(g_free);

  good = check_values(parser, step, own);
  if (good && step->kind < BH_STEP_EXPECT_SUCCESS) {
    g_ptr_array_add(scenario->steps, step);
    return TRUE;
  }
  if (good) good = attach(parser, scenario, step, own);
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
