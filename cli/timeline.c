#include "timeline.h"

#include <string.h>

/* What an operator is told of even without a timeline: which event, if it is a failure, and how it reads. */
static const struct {
  const char *what, *words;
} alarms[] = {
    {"load", "could not be loaded"},
    {"left out", "is left out"},
    {"crashed", "crashed"},
};

static char *format_duration(gint64 duration) {
  if (duration < 0) return g_strdup("");
  if (duration < 10 * 1000) return g_strdup_printf("%.2fms", (double)duration / 1000);
  if (duration < G_USEC_PER_SEC) return g_strdup_printf("%.0fms", (double)duration / 1000);
  return g_strdup_printf("%.2fs", (double)duration / G_USEC_PER_SEC);
}

/* What a plugin or a program says is shown on somebody's terminal: nothing in it may steer that, or begin a line that looks
 * like one of ours. keep: but for line ends. The caller's. */
static char *harmless(const char *text, gboolean keep) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  GString *result = g_string_sized_new(strlen(valid));

  for (const char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
    gunichar character = g_utf8_get_char(at);
    g_string_append_unichar(result,
                            g_unichar_iscntrl(character) && !(keep && character == '\n') ? ' ' : character);
  }
  return g_string_free(result, FALSE);
}

static void print(const BhTimeline *timeline, gboolean alarm, const char *text) {
  g_autofree char *line = harmless(text, alarm);

  if (timeline->print != NULL)
    timeline->print(timeline->data, alarm, line);
  else if (alarm)
    g_printerr("%s\n", line);
  else
    g_print("%s\n", line);
}

static void alarm_of(const BhTimeline *timeline, const BhTraceEvent *event) {
  if (BH_SUCCEEDED(event->result)) return;
  for (guint i = 0; i < G_N_ELEMENTS(alarms); i++) {
    if (!g_str_equal(event->what, alarms[i].what)) continue;
    g_autofree char *code = bh_result_to_string(event->result);
    g_autofree char *detail = harmless(event->detail != NULL ? event->detail : "", FALSE);
    bh_timeline_alarm(timeline, "bulkhead: plugin '%s' %s: %s%s%s", event->who, alarms[i].words, code,
                      event->detail != NULL ? ": " : "", detail);
  }
}

void bh_timeline_heading(const BhTimeline *timeline) {
  g_autofree char *line = g_strdup_printf("%9s %8s  %-16s %7s %7s  %-28s %s", "when", "took", "who", "process",
                                          "thread", "what", "outcome");
  if (timeline->shown) print(timeline, FALSE, line);
}

void bh_timeline_sink(const BhTraceEvent *event, gpointer data) {
  const BhTimeline *timeline = data;
  g_autofree char *took = format_duration(event->duration);
  g_autofree char *code = bh_result_to_string(event->result);
  g_autofree char *thread =
      event->thread != 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, event->thread) : g_strdup("");
  g_autofree char *line = NULL;

  alarm_of(timeline, event);
  if (!timeline->shown) return;
  line = g_strdup_printf("%8.3fs %8s  %-16s %7u %7s  %-28s %s%s%s",
                         (double)(event->begin - timeline->began) / G_USEC_PER_SEC, took, event->who,
                         event->process, thread, event->what, code, event->detail != NULL ? "  " : "",
                         event->detail != NULL ? event->detail : "");
  print(timeline, FALSE, line);
}

void bh_timeline_note(const BhTimeline *timeline, const char *format, ...) {
  g_autofree char *text = NULL, *line = NULL;
  va_list arguments;

  if (!timeline->shown) return;
  va_start(arguments, format);
  text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  line = g_strdup_printf("%8.3fs %8s  %s", (double)(bh_clock_now() - timeline->began) / G_USEC_PER_SEC, "", text);
  print(timeline, FALSE, line);
}

void bh_timeline_alarm(const BhTimeline *timeline, const char *format, ...) {
  g_autofree char *line = NULL;
  va_list arguments;

  va_start(arguments, format);
  line = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  print(timeline, TRUE, line);
}
