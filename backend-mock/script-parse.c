#include "script-internal.h"

#include <string.h>

typedef struct {
  const BhScriptNode *node; /* NULL: the handler itself */
  GPtrArray *body;
  guint places; /* BhPlace bits: all that a line here stands in */
} Block;

typedef struct {
  BhScript *script;
  guint line;
  GArray *words;        /* BhScriptWord of the line */
  GArray *blocks;       /* Block: the handler, then what is open in it */
  GPtrArray *threads;   /* const BhScriptNode, `thread`s */
  GPtrArray *signals;   /* `signal`s */
  GPtrArray *processes; /* `process`es */
  GPtrArray *users;     /* nodes whose first word must be one of them */
  char *error;
} Parser;

/* ---- Words --------------------------------------------------------------------------------------------- */

G_GNUC_PRINTF(4, 5) static gboolean fail_at(Parser *parser, guint line, guint column, const char *format, ...) {
  g_autofree char *text = NULL;
  va_list arguments;

  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  if (parser->error == NULL) parser->error = g_strdup_printf("line %u, column %u: %s", line, column, text);
  return FALSE;
}

#define FAIL(parser, word, ...) fail_at(parser, (parser)->line, (word)->column, __VA_ARGS__)

static void word_clear(gpointer data) {
  g_free(((BhScriptWord *)data)->text);
}

static GArray *words_new(void) {
  GArray *words = g_array_new(FALSE, FALSE, sizeof(BhScriptWord));
  g_array_set_clear_func(words, word_clear);
  return words;
}

static void node_free(gpointer data) {
  BhScriptNode *node = data;
  g_array_unref(node->words);
  if (node->body != NULL) g_ptr_array_unref(node->body);
  g_free(node);
}

static gboolean is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* The word that begins at *at, which moves behind it. */
static gboolean read_word(Parser *parser, const char *line, const char **at) {
  BhScriptWord word = {.column = (guint)g_utf8_pointer_to_offset(line, *at) + 1, .quoted = **at == '"'};
  GString *text = g_string_new(NULL);
  const char *next = *at;

  if (word.quoted) {
    for (next++; *next != '\0' && (next[0] != '"' || next[1] == '"'); next++) {
      if (*next == '"') next++;
      g_string_append_c(text, *next);
    }
    if (*next != '"') {
      g_string_free(text, TRUE);
      return FAIL(parser, &word, "a quote is not closed");
    }
    next++;
    if (*next != '\0' && !is_blank(*next)) {
      g_string_free(text, TRUE);
      return FAIL(parser, &word, "something stands right behind a closing quote");
    }
  } else {
    while (*next != '\0' && !is_blank(*next)) g_string_append_c(text, *next++);
  }
  word.text = g_string_free(text, FALSE);
  g_array_append_val(parser->words, word);
  *at = next;
  return TRUE;
}

static const BhScriptAction *find_action(const char *name) {
  for (guint i = 0; i < bh_script_action_count; i++)
    if (g_str_equal(bh_script_actions[i].name, name)) return &bh_script_actions[i];
  return NULL;
}

/* Splits a line into parser->words; *action is what its first word names, if it does. */
static gboolean read_words(Parser *parser, char *line, const BhScriptAction **action) {
  const char *at = line;

  *action = NULL;
  g_array_set_size(parser->words, 0);
  g_strchomp(line);
  for (;;) {
    guint count = parser->words->len;

    while (is_blank(*at)) at++;
    if (*at == '\0' || (count == 0 && *at == '#')) return TRUE;
    if (*action != NULL && count - 1 < G_N_ELEMENTS((*action)->words) &&
        (*action)->words[count - 1] == BH_WORD_TEXT) {
      BhScriptWord text = {g_strdup(at), FALSE, (guint)g_utf8_pointer_to_offset(line, at) + 1};
      g_array_append_val(parser->words, text);
      return TRUE;
    }
    if (!read_word(parser, line, &at)) return FALSE;
    if (count == 0) *action = find_action(g_array_index(parser->words, BhScriptWord, 0).text);
  }
}

static gboolean check_variables(Parser *parser, const BhScriptWord *word, gboolean *has_long) {
  for (const char *at = strchr(word->text, '%'); at != NULL; at = strchr(at, '%')) {
    const char *end = strchr(at + 1, '%');
    guint column = word->column + (word->quoted ? 1 : 0) + (guint)g_utf8_pointer_to_offset(word->text, at);
    g_autofree char *name = NULL;

    if (end == NULL)
      return fail_at(parser, parser->line, column, "a variable is not closed (%%%% is a percent sign)");
    name = g_strndup(at + 1, (gsize)(end - at - 1));
    if (*name != '\0' && bh_script_index(bh_script_variables, name) < 0)
      return fail_at(parser, parser->line, column, "there is no variable %%%s%%", name);
    if (g_str_equal(name, "LONG")) {
      if (*has_long) return fail_at(parser, parser->line, column, "%%LONG%% may stand in a line only once");
      *has_long = TRUE;
    }
    at = end + 1;
  }
  return TRUE;
}

static gboolean is_name(const char *text) {
  return *text != '\0' &&
         text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")] == '\0';
}

static gboolean check_word(Parser *parser, BhWordKind kind, const BhScriptWord *word) {
  const char *text = word->text;
  guint64 number;
  BhResult result;
  BhGuid guid;

  switch (kind) {
    case BH_WORD_ANY:
    case BH_WORD_TEXT: return TRUE;
    case BH_WORD_NAME:
      return is_name(text) || FAIL(parser, word, "'%s' is no name (letters, digits, - and _)", text);
    case BH_WORD_SESSION:
      if (g_str_equal(text, "hook")) return TRUE;
      /* fall through */
    case BH_WORD_NUMBER:
      return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL) ||
             FAIL(parser, word, "'%s' is no number below 2^32", text);
    case BH_WORD_COUNT:
      return g_ascii_string_to_unsigned(text, 10, 1, BH_SCRIPT_MAX_PARALLEL, &number, NULL) ||
             FAIL(parser, word, "'%s' is no number from 1 to %u", text, BH_SCRIPT_MAX_PARALLEL);
    case BH_WORD_RESULT:
      return bh_result_parse(text, &result) ||
             FAIL(parser, word, "'%s' is no result, such as E_FAIL or 0x80004005", text);
    case BH_WORD_DISTRIBUTION:
      return g_str_equal(text, "%DISTRIBUTION%") || g_str_equal(text, "unknown") || bh_guid_parse(text, &guid) ||
             FAIL(parser, word, "'%s' is neither %%DISTRIBUTION%%, a GUID nor unknown", text);
    case BH_WORD_MODE:
      return g_str_equal(text, "ro") || g_str_equal(text, "rw") ||
             FAIL(parser, word, "'%s' is neither ro nor rw", text);
    case BH_WORD_ASSIGNMENT:
      return (strchr(text, '=') != NULL && *text != '=') || FAIL(parser, word, "'%s' is no NAME=VALUE", text);
    case BH_WORD_STREAM:
      return g_str_equal(text, "stdout") || g_str_equal(text, "stderr") ||
             FAIL(parser, word, "'%s' is neither stdout nor stderr", text);
    case BH_WORD_APARTMENT:
      return bh_script_index(bh_script_apartments, text) >= 0 ||
             FAIL(parser, word, "'%s' is none of the apartments none, mta and sta", text);
    case BH_WORD_CRASH:
      return bh_script_index(bh_script_crashes, text) >= 0 ||
             FAIL(parser, word, "'%s' is none of the crashes null, overflow, abort, exit, throw and illegal",
                  text);
  }
  return FALSE;
}

/* ---- Lines --------------------------------------------------------------------------------------------- */

static Block *innermost(Parser *parser) {
  return parser->blocks->len > 0 ? &g_array_index(parser->blocks, Block, parser->blocks->len - 1) : NULL;
}

/* FALSE: a block is still open. */
static gboolean close_handler(Parser *parser) {
  const Block *open = innermost(parser);

  if (open != NULL && open->node != NULL)
    return fail_at(parser, open->node->line, open->node->column, "this '%s' has no 'end'",
                   open->node->action->name);
  g_array_set_size(parser->blocks, 0);
  return TRUE;
}

static gboolean parse_on(Parser *parser) {
  const BhScriptWord *words = (const BhScriptWord *)(gpointer)parser->words->data;
  Block block = {.places = BH_PLACE_HOOK};
  guint handler;

  if (parser->words->len != 2) return FAIL(parser, &words[0], "expected: on load, on attach or on HOOK");
  if (!close_handler(parser)) return FALSE;
  handler = bh_hook_by_name(words[1].text);
  if (g_str_equal(words[1].text, "load")) {
    handler = BH_HANDLER_LOAD;
    block.places = BH_PLACE_LOAD;
  } else if (g_str_equal(words[1].text, "attach")) {
    handler = BH_HANDLER_ATTACH;
    block.places = BH_PLACE_ATTACH;
  } else if (handler == BH_HOOK_NONE) {
    return FAIL(parser, &words[1], "there is no hook '%s'", words[1].text);
  }
  if (parser->script->handlers[handler] != NULL)
    return FAIL(parser, &words[1], "there is an 'on %s' already", words[1].text);
  block.body = parser->script->handlers[handler] = g_ptr_array_new_with_free_func(node_free);
  g_array_append_val(parser->blocks, block);
  return TRUE;
}

static gboolean parse_end(Parser *parser) {
  const BhScriptWord *word = &g_array_index(parser->words, BhScriptWord, 0);
  const Block *open = innermost(parser);

  if (parser->words->len != 1) return FAIL(parser, word, "expected: end");
  if (open == NULL || open->node == NULL) return FAIL(parser, word, "there is nothing to end here");
  if (open->body->len == 0 && open->node->action->block == BH_PLACE_LOOP)
    return FAIL(parser, word, "a loop that does nothing would only burn time");
  g_array_set_size(parser->blocks, parser->blocks->len - 1);
  return TRUE;
}

static gboolean check_place(Parser *parser, const BhScriptAction *action, guint places) {
  static const struct {
    BhPlace place;
    const char *name;
  } names[] = {
      {BH_PLACE_ATTACH, "on attach"}, {BH_PLACE_LOAD, "on load"},      {BH_PLACE_HOOK, "the handler of a hook"},
      {BH_PLACE_THREAD, "a thread"},  {BH_PLACE_PARALLEL, "parallel"}, {BH_PLACE_LOOP, "loop-until"},
  };

  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if ((action->forbidden & places & names[i].place) == 0) continue;
    return FAIL(parser, &g_array_index(parser->words, BhScriptWord, 0), "'%s' cannot stand in %s", action->name,
                names[i].name);
  }
  return TRUE;
}

/* Things named in one place and used in another are looked at when all places are known. */
static gboolean note_names(Parser *parser, const BhScriptNode *node, guint places) {
  const char *name = node->action->name;
  const BhScriptWord *word;

  if (node->words->len == 0) return TRUE;
  word = bh_script_word(node, 0);
  if (g_str_equal(name, "thread")) {
    for (guint i = 0; i < parser->threads->len; i++)
      if (g_str_equal(bh_script_word(parser->threads->pdata[i], 0)->text, word->text))
        return FAIL(parser, word, "there is a thread '%s' already", word->text);
    g_ptr_array_add(parser->threads, (gpointer)node);
  } else if (g_str_equal(name, "await") && g_str_equal(word->text, "hook")) {
    if ((places & BH_PLACE_THREAD) == 0)
      return FAIL(parser, word, "only a thread can await the hook that began it");
  } else if (g_str_equal(name, "signal")) {
    if (g_str_equal(word->text, "hook")) return FAIL(parser, word, "a signal cannot be named 'hook'");
    g_ptr_array_add(parser->signals, (gpointer)node);
  } else if (g_str_equal(name, "process")) {
    if (bh_script_index(bh_script_handles, word->text) >= 0)
      return FAIL(parser, word, "a process cannot be named '%s'", word->text);
    g_ptr_array_add(parser->processes, (gpointer)node);
  } else if (g_str_has_prefix(name, "process-")) {
    if (bh_script_index(bh_script_handles, word->text) < 0) g_ptr_array_add(parser->users, (gpointer)node);
  } else if (g_str_equal(name, "join") || g_str_equal(name, "await") || g_str_equal(name, "loop-until")) {
    g_ptr_array_add(parser->users, (gpointer)node);
  }
  return TRUE;
}

static gboolean parse_action(Parser *parser, const BhScriptAction *action) {
  const BhScriptWord *words = (const BhScriptWord *)(gpointer)parser->words->data;
  guint count = parser->words->len - 1;
  Block *block = innermost(parser);
  BhScriptNode *node;
  gboolean has_long = FALSE;
  guint places;

  if (block == NULL) return FAIL(parser, &words[0], "'%s' stands before the first 'on'", action->name);
  if (!check_place(parser, action, block->places)) return FALSE;
  if (count < action->min || count > action->max)
    return FAIL(parser, &words[0], "expected: %s%s%s", action->name, *action->usage != '\0' ? " " : "",
                action->usage);
  for (guint i = 0; i < count; i++) {
    BhWordKind kind = i < G_N_ELEMENTS(action->words) ? action->words[i] : BH_WORD_ANY;
    if (!check_variables(parser, &words[i + 1], &has_long) || !check_word(parser, kind, &words[i + 1]))
      return FALSE;
  }
  if (action->block != 0 && parser->blocks->len > BH_SCRIPT_MAX_DEPTH)
    return FAIL(parser, &words[0], "blocks nest more than %u deep", BH_SCRIPT_MAX_DEPTH);

  node = g_new0(BhScriptNode, 1);
  *node = (BhScriptNode){action, parser->line, words[0].column, parser->words, NULL};
  parser->words = words_new();
  g_array_remove_index(node->words, 0);
  g_ptr_array_add(block->body, node);
  places = block->places;
  if (action->block != 0) {
    Block inner = {node, g_ptr_array_new_with_free_func(node_free), places | action->block};
    node->body = inner.body;
    g_array_append_val(parser->blocks, inner);
  }
  return note_names(parser, node, places);
}

static gboolean parse_line(Parser *parser, char *line) {
  const BhScriptAction *action;
  const BhScriptWord *word;

  if (!read_words(parser, line, &action)) return FALSE;
  if (parser->words->len == 0) return TRUE;
  word = &g_array_index(parser->words, BhScriptWord, 0);
  if (g_str_equal(word->text, "on")) return parse_on(parser);
  if (g_str_equal(word->text, "end")) return parse_end(parser);
  return action != NULL ? parse_action(parser, action) : FAIL(parser, word, "there is no action '%s'", word->text);
}

/* Whether one of named has this name for its first word. */
static gboolean has_name(const GPtrArray *named, const char *name) {
  for (guint i = 0; i < named->len; i++)
    if (g_str_equal(bh_script_word(named->pdata[i], 0)->text, name)) return TRUE;
  return FALSE;
}

static gboolean check_users(Parser *parser) {
  for (guint i = 0; i < parser->users->len; i++) {
    const BhScriptNode *node = parser->users->pdata[i];
    const BhScriptWord *word = bh_script_word(node, 0);

    if (g_str_equal(node->action->name, "join")) {
      if (!has_name(parser->threads, word->text))
        return fail_at(parser, node->line, word->column, "there is no thread '%s'", word->text);
    } else if (g_str_has_prefix(node->action->name, "process-")) {
      if (!has_name(parser->processes, word->text))
        return fail_at(parser, node->line, word->column, "there is no process '%s'", word->text);
    } else if (!has_name(parser->signals, word->text)) {
      return fail_at(parser, node->line, word->column, "nothing signals '%s'", word->text);
    }
  }
  return TRUE;
}

static gboolean parse_text(Parser *parser, const char *text, gsize size) {
  g_auto(GStrv) lines = NULL;
  g_autofree char *copy = NULL;
  const char *valid;

  if (size > BH_SCRIPT_MAX_SIZE) return fail_at(parser, 1, 1, "the script is longer than 64 KiB");
  copy = g_strndup(text, size);
  if (!g_utf8_validate(text, (gssize)size, &valid)) {
    guint line = 1;
    const char *begin = text;
    for (const char *at = text; at < valid; at++)
      if (*at == '\n') line++, begin = at + 1;
    return fail_at(parser, line, (guint)g_utf8_strlen(begin, valid - begin) + 1, "this is not UTF-8");
  }
  lines = g_strsplit(copy, "\n", -1);
  for (parser->line = 1; lines[parser->line - 1] != NULL; parser->line++)
    if (!parse_line(parser, lines[parser->line - 1])) return FALSE;
  return close_handler(parser) && check_users(parser);
}

BhScript *bh_script_parse(const char *text, gsize size, char **error) {
  g_autoptr(BhScript) script = g_new0(BhScript, 1);
  Parser parser = {
      .script = script,
      .words = words_new(),
      .blocks = g_array_new(FALSE, FALSE, sizeof(Block)),
      .threads = g_ptr_array_new(),
      .signals = g_ptr_array_new(),
      .processes = g_ptr_array_new(),
      .users = g_ptr_array_new(),
  };
  gboolean parsed = parse_text(&parser, text, size);

  g_array_unref(parser.words);
  g_array_unref(parser.blocks);
  g_ptr_array_unref(parser.threads);
  g_ptr_array_unref(parser.signals);
  g_ptr_array_unref(parser.processes);
  g_ptr_array_unref(parser.users);
  if (parsed) return g_steal_pointer(&script);
  *error = parser.error;
  return NULL;
}

void bh_script_free(BhScript *script) {
  for (guint i = 0; i < BH_HANDLER_COUNT; i++)
    if (script->handlers[i] != NULL) g_ptr_array_unref(script->handlers[i]);
  g_free(script);
}

guint32 bh_script_hooks(const BhScript *script) {
  guint32 hooks = 0;

  for (guint i = 0; i < BH_HOOK_COUNT; i++)
    if (script->handlers[i] != NULL) hooks |= 1u << i;
  return hooks;
}
