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

static void alarm_of(const BhTraceEvent *event) {
  if (BH_SUCCEEDED(event->result)) return;
  for (guint i = 0; i < G_N_ELEMENTS(alarms); i++) {
    if (!g_str_equal(event->what, alarms[i].what)) continue;
    g_autofree char *code = bh_result_to_string(event->result);
    g_printerr("bulkhead: plugin '%s' %s: %s%s%s\n", event->who, alarms[i].words, code,
               event->detail != NULL ? ": " : "", event->detail != NULL ? event->detail : "");
  }
}

void bh_timeline_heading(const BhTimeline *timeline) {
  if (timeline->shown)
    g_print("%9s %8s  %-16s %7s %7s  %-28s %s\n", "when", "took", "who", "process", "thread", "what", "outcome");
}

void bh_timeline_sink(const BhTraceEvent *event, gpointer data) {
  const BhTimeline *timeline = data;
  g_autofree char *took = format_duration(event->duration);
  g_autofree char *code = bh_result_to_string(event->result);
  g_autofree char *thread =
      event->thread != 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, event->thread) : g_strdup("");

  alarm_of(event);
  if (!timeline->shown) return;
  g_print("%8.3fs %8s  %-16s %7u %7s  %-28s %s%s%s\n", (double)(event->begin - timeline->began) / G_USEC_PER_SEC,
          took, event->who, event->process, thread, event->what, code, event->detail != NULL ? "  " : "",
          event->detail != NULL ? event->detail : "");
}

void bh_timeline_note(const BhTimeline *timeline, const char *format, ...) {
  g_autofree char *line = NULL;
  va_list arguments;

  if (!timeline->shown) return;
  va_start(arguments, format);
  line = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_print("%8.3fs %8s  %s\n", (double)(bh_clock_now() - timeline->began) / G_USEC_PER_SEC, "", line);
}
