/* timeline.h: a trace as people read it, while it happens: when, for how long, who, in which process and thread, what,
 * and how it ended.
 *
 *       when     took  who               process thread  what                     outcome
 *     1.204s   12.3ms  hello                3412   3424  OnVMStarted              S_OK
 *
 * What an operator must not miss (a plugin that is left out or could not be loaded) goes to stderr as a line of its own,
 * whether or not the timeline is asked for.
 *
 * Lines go to stdout and stderr, or to whoever is named: the service's go to the client that runs a scenario through it.
 *
 * bh_timeline_sink is a trace sink: it is called one at a time. The other functions from any thread. */
#pragma once

#include "core/trace.h"

G_BEGIN_DECLS

typedef struct {
  gboolean shown; /* FALSE: only what must not be missed */
  gint64 began;   /* bh_clock_now() at the start */
  /* Gets each line, without its end; alarm: it must not be missed. NULL: stdout, and stderr for alarms. */
  void (*print)(gpointer data, gboolean alarm, const char *line);
  gpointer data;
} BhTimeline;

void bh_timeline_heading(const BhTimeline *timeline);
void bh_timeline_sink(const BhTraceEvent *event, gpointer timeline);

/* A line of the command's own, in the timeline's first column: a step, its outcome. */
void bh_timeline_note(const BhTimeline *timeline, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* A line that must not be missed. */
void bh_timeline_alarm(const BhTimeline *timeline, const char *format, ...) G_GNUC_PRINTF(2, 3);

G_END_DECLS
