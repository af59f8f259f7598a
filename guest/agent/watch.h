/* watch.h: the watch channel: what is traced (trace.h) is told there, and answered.
 *
 * One client, one channel at a time; with none, nothing is traced. What is told with an id (agent_watch_ask) is answered once,
 * through agent_trace_verdict, unless the channel ends first. A client that does not listen fast enough makes whoever creates
 * wait, not the agent: see agent_watch_is_behind. One thread. */
#pragma once

#include <sys/types.h>

#include "guest/protocol.h"

G_BEGIN_DECLS

#define AGENT_WATCH_BACKLOG (256u * 1024u) /* bytes that may wait to be sent before creators do */

/* An id for what is told next: its answer is for this task. */
guint32 agent_watch_ask(pid_t task);

/* Tells, at the next flush at the latest. */
void agent_watch_tell(const BhGuestMessage *message);

/* May end the channel, and so call agent_trace_stop: from where nothing of trace.c is half done. */
void agent_watch_flush(void);

/* Too much waits to be sent; agent_trace_go_on is called when that is over. */
gboolean agent_watch_is_behind(void);

G_END_DECLS
