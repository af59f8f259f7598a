/* event-log.h: what an administrator finds in the Event Log under "Bulkhead": the service's starts and stops, and what
 * became of each plugin. The messages are backend-win32/package/resources/bulkhead-events.mc.
 *
 *   BhEventLog *log = bh_event_log_new(FALSE);
 *   bh_event_log_write(log, BH_EVENT_STARTED, "0.1.0", "1234", NULL);
 *   bh_trace_attach(trace, bh_event_log_sink, log);
 *   bh_event_log_free(log);
 *
 * Writing never fails for the caller: a log that is full or gone is no reason to end. Any thread. */
#pragma once

#include "core/trace.h"

#include "bulkhead-events.h" /* BH_EVENT_… */

G_BEGIN_DECLS

typedef struct BhEventLog BhEventLog;

/* echo: every entry is printed on stderr as well, worded by the message table, as Event Viewer would. */
BhEventLog *bh_event_log_new(gboolean echo);
void bh_event_log_free(BhEventLog *log);

/* Writes a message with the strings it has places for, up to a NULL; no more than five. */
void bh_event_log_write(BhEventLog *log, guint32 id, ...) G_GNUC_NULL_TERMINATED;

/* A trace sink: tells of plugins. */
void bh_event_log_sink(const BhTraceEvent *event, gpointer log);

/* Where Event Viewer looks the messages up: this program. */
#define BH_EVENT_SOURCE_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\Bulkhead"

G_END_DECLS
