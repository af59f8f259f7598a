#include "trace.h"

typedef struct {
  BhTraceSink func;
  gpointer data;
} Sink;

struct BhTrace {
  GArray *sinks; /* Sink; changes only before the trace is used, so reading it needs no lock */
  BhMutex lock;  /* one event at a time */
};

static const BhLockClass trace_class = {"trace", BH_RANK_LEAF, FALSE};

BhTrace *bh_trace_new(void) {
  BhTrace *trace = g_new(BhTrace, 1);
  trace->sinks = g_array_new(FALSE, FALSE, sizeof(Sink));
  bh_mutex_init(&trace->lock, &trace_class);
  return trace;
}

void bh_trace_free(BhTrace *trace) {
  bh_mutex_clear(&trace->lock);
  g_array_unref(trace->sinks);
  g_free(trace);
}

void bh_trace_attach(BhTrace *trace, BhTraceSink sink, gpointer data) {
  Sink added = {sink, data};
  g_array_append_val(trace->sinks, added);
}

void bh_trace_emit(BhTrace *trace, const BhTraceEvent *event) {
  if (trace->sinks->len == 0) return;
  bh_mutex_lock(&trace->lock);
  for (guint i = 0; i < trace->sinks->len; i++) {
    Sink *sink = &g_array_index(trace->sinks, Sink, i);
    sink->func(event, sink->data);
  }
  bh_mutex_unlock(&trace->lock);
}

static void emit_with_detail(BhTrace *trace, BhTraceEvent *event, const char *format, va_list arguments) {
  g_autofree char *detail = NULL;

  if (trace->sinks->len == 0) return;
  if (format != NULL) detail = g_strdup_vprintf(format, arguments);
  event->detail = detail;
  bh_trace_emit(trace, event);
  event->detail = NULL;
}

BhTraceEvent bh_trace_begin(const char *who, const char *what) {
  return (BhTraceEvent){.begin = bh_clock_now(),
                        .duration = -1,
                        .who = who,
                        .process = bh_process_number(),
                        .thread = bh_thread_number(),
                        .what = what};
}

void bh_trace_event(BhTrace *trace, const char *who, const char *what, BhResult result, const char *detail, ...) {
  BhTraceEvent event = bh_trace_begin(who, what);
  va_list arguments;

  event.result = result;
  va_start(arguments, detail);
  emit_with_detail(trace, &event, detail, arguments);
  va_end(arguments);
}

void bh_trace_end(BhTrace *trace, BhTraceEvent *span, BhResult result, const char *detail, ...) {
  va_list arguments;

  span->duration = bh_clock_now() - span->begin;
  span->result = result;
  va_start(arguments, detail);
  emit_with_detail(trace, span, detail, arguments);
  va_end(arguments);
}
