/* Schedules as text, and executions as text. */
#include "explorer-internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Seeds --------------------------------------------------------------------------------------------- */

char *bh_explore_format_seed(const BhProtocol *protocol, const BhExploreOptions *options,
                             const GByteArray *choices) {
  GString *seed = g_string_new(protocol->name);
  guint firsts = 0;
  const char *comma = "";

  g_string_append_c(seed, ':');
  if (options->after_release) g_string_append_c(seed, 'r');
  if (options->spurious > 0) g_string_append_printf(seed, "s%u", options->spurious);
  g_string_append_c(seed, ':');
  for (guint i = 0; i < choices->len; i++) {
    if (choices->data[i] == 0) {
      firsts++;
      continue;
    }
    g_string_append_printf(seed, "%s%u.%u", comma, firsts, choices->data[i]);
    firsts = 0;
    comma = ",";
  }
  return g_string_free(seed, FALSE);
}

/* Moves *text past a number below limit. FALSE: there is none. */
static gboolean parse_number(const char **text, guint limit, guint *number) {
  char *end;
  guint64 value;

  if (!g_ascii_isdigit(**text)) return FALSE;
  value = g_ascii_strtoull(*text, &end, 10);
  *text = end;
  *number = (guint)value;
  return value < limit;
}

static gboolean parse_choice(const char **text, GByteArray *choices) {
  guint firsts, option, at = choices->len;

  if (!parse_number(text, 100000, &firsts)) return FALSE;
  if (*(*text)++ != '.' || !parse_number(text, G_MAXUINT8 + 1, &option)) return FALSE;
  g_byte_array_set_size(choices, at + firsts + 1);
  memset(choices->data + at, 0, firsts);
  choices->data[at + firsts] = (guint8)option;
  return TRUE;
}

gboolean bh_explore_parse_seed(const BhProtocol *protocol, const char *seed, BhExploreOptions *options,
                               GByteArray *choices) {
  gsize name = strlen(protocol->name);

  if (!g_str_has_prefix(seed, protocol->name) || seed[name] != ':') return FALSE;
  seed += name + 1;
  if (*seed == 'r') {
    options->after_release = TRUE;
    seed++;
  }
  if (*seed == 's' && !(seed++, parse_number(&seed, 1000, &options->spurious))) return FALSE;
  if (*seed++ != ':') return FALSE;
  while (*seed != '\0') {
    if (!parse_choice(&seed, choices)) return FALSE;
    if (*seed == ',' && seed[1] != '\0') seed++;
  }
  return TRUE;
}

/* ---- The trace ----------------------------------------------------------------------------------------- */

/* Locks and conditions by number, in the order in which they are met. */
typedef struct {
  GHashTable *numbers;    /* object → its number among those of its class, from 1; conditions are a class */
  GHashTable *classes;    /* "queue" → how many there are */
  GHashTable *conditions; /* condition → the class of the mutex one waits with; NULL: nobody waits */
} Names;

static void name_object(Names *names, gconstpointer object, const char *class) {
  guint count;

  if (g_hash_table_contains(names->numbers, object)) return;
  count = GPOINTER_TO_UINT(g_hash_table_lookup(names->classes, class)) + 1;
  g_hash_table_insert(names->classes, (gpointer) class, GUINT_TO_POINTER(count));
  g_hash_table_insert(names->numbers, (gpointer)object, GUINT_TO_POINTER(count));
}

static gboolean is_of_condition(const BhStep *step) {
  return step->kind == BH_STEP_WAIT || step->kind == BH_STEP_SIGNAL || step->kind == BH_STEP_BROADCAST;
}

/* A condition is of the class of the mutex one waits with; one that nobody waits for has none. */
static void collect_names(Names *names, const BhStep *steps, guint count) {
  for (guint i = 0; i < count; i++)
    if (steps[i].kind == BH_STEP_WAIT)
      g_hash_table_insert(names->conditions, (gpointer)steps[i].object, (gpointer)steps[i].name);
  for (guint i = 0; i < count; i++) {
    const BhStep *step = &steps[i];
    if (step->kind == BH_STEP_LOCK) name_object(names, step->object, step->name);
    if (is_of_condition(step)) name_object(names, step->object, "condition");
  }
}

/* "queue", or "queue 2" of several. */
static void append_mutex(GString *line, const Names *names, const BhStep *step) {
  guint number = GPOINTER_TO_UINT(g_hash_table_lookup(names->numbers, step->object));

  g_string_append(line, step->name);
  if (GPOINTER_TO_UINT(g_hash_table_lookup(names->classes, step->name)) > 1)
    g_string_append_printf(line, " %u", number);
}

static void append_condition(GString *line, const Names *names, const BhStep *step) {
  const char *class = g_hash_table_lookup(names->conditions, step->object);

  g_string_append_printf(line, "condition %u",
                         GPOINTER_TO_UINT(g_hash_table_lookup(names->numbers, step->object)));
  if (class != NULL) g_string_append_printf(line, " of %s", class);
}

/* Without the way to the file from where it was compiled. */
static const char *file_and_line(const char *site) {
  const char *slash = strrchr(site, '/');
  return slash != NULL ? slash + 1 : site;
}

static void append_step(GString *line, const Names *names, const BhStep *step) {
  static const char *const verbs[] = {"begins",      "lock ",   "unlock ",    "wait ",  "wakes with ",
                                      "times out, ", "signal ", "broadcast ", "spawn ", "join ",
                                      "» ",          "ends",    "time passes"};

  g_string_append(line, verbs[step->kind]);
  if (is_of_condition(step))
    append_condition(line, names, step);
  else if (step->kind >= BH_STEP_LOCK && step->kind <= BH_STEP_TIME_OUT)
    append_mutex(line, names, step);
  else if (step->name != NULL)
    g_string_append(line, step->name);
  if (step->kind == BH_STEP_SIGNAL || step->kind == BH_STEP_BROADCAST)
    g_string_append_printf(line, ", wakes %u", step->count);
  if (step->site != NULL) g_string_append_printf(line, "  %s", file_and_line(step->site));
}

/* A bar for each thread that has begun and not ended, up to the one whose step it is. */
static void append_bars(GString *line, const gboolean *alive, guint until, guint width) {
  for (guint i = 0; i < until; i++)
    g_string_append_printf(line, "%s%*s", alive[i] ? "│" : " ", (int)width - 1, "");
}

static void append_heading(GString *trace, guint threads, guint width) {
  g_string_append(trace, "step  ");
  for (guint i = 0; i < threads; i++)
    g_string_append_printf(trace, "%-*.*s", (int)width, (int)width - 1, bh_scheduler_thread_name(i));
  g_string_append_c(trace, '\n');
}

char *bh_explore_format_trace(void) {
  guint count, threads = bh_scheduler_thread_count(), width = CLAMP(120 / MAX(threads, 1), 10, 30);
  const BhStep *steps = bh_scheduler_steps(&count);
  GString *trace = g_string_new(NULL);
  gboolean alive[BH_SCHEDULER_MAX_THREADS] = {FALSE};
  Names names = {g_hash_table_new(NULL, NULL), g_hash_table_new(g_str_hash, g_str_equal),
                 g_hash_table_new(NULL, NULL)};

  collect_names(&names, steps, count);
  append_heading(trace, threads, width);
  for (guint i = 0; i < count; i++) {
    alive[steps[i].thread] = steps[i].kind != BH_STEP_END;
    g_string_append_printf(trace, "%4u%s ", i + 1, steps[i].preempted ? "!" : " ");
    append_bars(trace, alive, steps[i].thread, width);
    append_step(trace, &names, &steps[i]);
    g_string_append_c(trace, '\n');
  }
  g_hash_table_unref(names.numbers);
  g_hash_table_unref(names.classes);
  g_hash_table_unref(names.conditions);
  return g_string_free(trace, FALSE);
}
