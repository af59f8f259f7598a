#include "explorer-internal.h"

#include "core/lock-order.h"

#include <stdio.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

/* The execution that runs. */
static struct {
  const BhProtocol *protocol;
  const BhExploreOptions *options;
  BhChooser choose;
  gpointer data;
  GByteArray *choices; /* what choose has said so far; kept from one execution to the next */
  BhExploreReport *report;
} now;

/* ---- In a protocol ------------------------------------------------------------------------------------- */

void bh_explore_unfulfilled(const char *site, const char *condition, const char *format, ...) {
  g_autofree char *text = NULL;
  va_list arguments;

  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  bh_scheduler_fail("unfulfilled expectation", "%s: %s: %s", site, condition, text);
}

void bh_explore_once(guint *runs, const char *what) {
  if (++*runs > 1) bh_scheduler_fail("double execution", "%s runs for the second time", what);
}

void bh_explore_outcome(const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  g_hash_table_add(now.report->outcomes, g_strdup_vprintf(format, arguments));
  va_end(arguments);
}

/* ---- One execution ------------------------------------------------------------------------------------- */

static guint choose_and_note(const BhChoice *choice, gpointer data) {
  guint8 chosen = (guint8)now.choose(choice, now.data);

  (void)data;
  g_byte_array_append(now.choices, &chosen, 1);
  return chosen;
}

static void report_order(const char *report, gpointer data) {
  (void)data;
  bh_scheduler_fail("lock order", "%s", report);
}

#ifdef WITH_ASAN
/* The sanitizer ends the process, so this is the last chance to say under which schedule it found something. */
static void on_sanitizer_death(void) {
  if (!bh_scheduler_is_running()) return;
  g_autofree char *seed = bh_explore_format_seed(now.protocol, now.options, now.choices);
  g_autofree char *trace = bh_explore_format_trace();
  fprintf(stderr, "%s\nseed: %s\n", trace, seed);
}

/* What an abandoned execution owned is nobody's leak. */
static gboolean abandoned;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) {
  return abandoned;
}
#endif

void bh_explore_begin(BhExploreReport *report) {
  if (now.choices == NULL) now.choices = g_byte_array_new();
  if (report->outcomes == NULL) report->outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bh_lock_order_start_with(report_order, NULL);
  bh_scheduler_watch_time(TRUE);
#ifdef WITH_ASAN
  __sanitizer_set_death_callback(on_sanitizer_death);
#endif
}

void bh_explore_end(void) {
  bh_scheduler_watch_time(FALSE);
  bh_lock_order_stop();
}

void bh_explore_keep_finding(BhExploreReport *report, const BhFinding *finding) {
  report->finding = g_strdup_printf("%s: %s", finding->kind, finding->text);
  report->seed = bh_explore_format_seed(now.protocol, now.options, now.choices);
  report->trace = bh_explore_format_trace();
#ifdef WITH_ASAN
  abandoned = TRUE;
#endif
}

gboolean bh_explore_one(const BhProtocol *protocol, const BhExploreOptions *options, BhChooser choose,
                        gpointer data, BhExploreReport *report) {
  BhExecution execution = {.run = protocol->run,
                           .data = protocol->data,
                           .choose = choose_and_note,
                           .spurious = options->spurious,
                           .after_release = options->after_release,
                           .alike = protocol->alike};
  gboolean ended;

  now.protocol = protocol;
  now.options = options;
  now.choose = choose;
  now.data = data;
  now.report = report;
  g_byte_array_set_size(now.choices, 0);
  ended = bh_scheduler_run(&execution);
  report->schedules++;
  report->choice_points = MAX(report->choice_points, now.choices->len);
  if (!ended) bh_explore_keep_finding(report, bh_scheduler_finding());
  return ended;
}

gboolean bh_explore_is_over(const BhExploreOptions *options, const BhExploreReport *report) {
  return options->until != 0 && report->schedules % 256 == 0 && g_get_monotonic_time() >= options->until;
}

void bh_explore_report_clear(BhExploreReport *report) {
  g_clear_pointer(&report->outcomes, g_hash_table_unref);
  g_free(report->finding);
  g_free(report->seed);
  g_free(report->trace);
  *report = (BhExploreReport){0};
}

/* ---- A schedule again ---------------------------------------------------------------------------------- */

typedef struct {
  GByteArray *choices;
  guint position;
  gboolean fits;
} Replay;

static guint choose_as_before(const BhChoice *choice, gpointer data) {
  Replay *replay = data;
  guint chosen = replay->position < replay->choices->len ? replay->choices->data[replay->position] : 0;

  replay->position++;
  if (chosen < choice->count) return chosen;
  replay->fits = FALSE;
  return 0;
}

gboolean bh_explore_replay(const BhProtocol *protocol, const char *seed, BhExploreReport *report) {
  g_autoptr(GByteArray) choices = g_byte_array_new();
  Replay replay = {choices, 0, TRUE};
  BhExploreOptions options = {0};

  if (!bh_explore_parse_seed(protocol, seed, &options, choices)) return FALSE;
  bh_explore_begin(report);
  report->complete = bh_explore_one(protocol, &options, choose_as_before, &replay, report);
  if (report->trace == NULL) report->trace = bh_explore_format_trace();
  bh_explore_end();
  return replay.fits && replay.position >= choices->len;
}
