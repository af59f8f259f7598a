/* trace.h: what happened, when, where and for how long, to whoever wants to know.
 *
 *   BhTraceEvent span = bh_trace_begin("session 1", "create VM");
 *   …
 *   bh_trace_end(trace, &span, result, "flags=%u", flags);
 *
 * A *span* has a duration, an *event* has none. A sink is told of both when they are over; `bulkhead run` prints its
 * timeline from one. With no sink attached nothing is formatted, and nobody is waited for.
 *
 * Threading: any thread. Sinks are called one at a time, on the thread where the event ended, under the trace's own leaf lock: a sink must not come back into core. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

typedef struct {
  gint64 begin;    /* bh_clock_now(), µs */
  gint64 duration; /* µs; -1: an event, not a span */
  const char *who; /* "service", "session 1", a plugin's name */
  guint32 process;
  guint64 thread;
  const char *what; /* "OnVMStarted", "MountFolder", "host started" */
  BhResult result;
  const char *detail; /* may be NULL */
} BhTraceEvent;

typedef struct BhTrace BhTrace;
/* event and its strings are the caller's, and valid during the call. */
typedef void (*BhTraceSink)(const BhTraceEvent *event, gpointer data);

BhTrace *bh_trace_new(void);
void bh_trace_free(BhTrace *trace);

/* Adds a sink, for as long as the trace lives. Before the trace is used. */
void bh_trace_attach(BhTrace *trace, BhTraceSink sink, gpointer data);

/* Tells the sinks. */
void bh_trace_emit(BhTrace *trace, const BhTraceEvent *event);

/* An event of this process and thread, now. detail: a format, or NULL. */
void bh_trace_event(BhTrace *trace, const char *who, const char *what, BhResult result, const char *detail, ...)
    G_GNUC_PRINTF(5, 6);

/* A span of this process and thread begins; who and what must stay valid until its end. */
BhTraceEvent bh_trace_begin(const char *who, const char *what);
void bh_trace_end(BhTrace *trace, BhTraceEvent *span, BhResult result, const char *detail, ...)
    G_GNUC_PRINTF(4, 5);

G_END_DECLS
