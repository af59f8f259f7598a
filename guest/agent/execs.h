/* execs.h: the listeners of the programs' system call filters (filter.h): who is about to execute what.
 *
 * A listener lives as long as a process has that filter, whether anybody watches or not: without it, their execve would fail.
 * What arrives is handed to agent_trace_exec, and answered once. One thread, the default main context. */
#pragma once

#include <glib.h>

struct seccomp_notif;

G_BEGIN_DECLS

typedef struct AgentListener AgentListener;

/* Listens; fd is the callee's. */
void agent_execs_listen(int fd);

/* Whoever holds a reference may answer, even when nobody has the filter any more. */
AgentListener *agent_listener_ref(AgentListener *listener);
void agent_listener_unref(AgentListener *listener);

/* That call may go on. */
void agent_listener_go_on(AgentListener *listener, guint64 id);

/* It does not happen, and returns that: -errno, or with value TRUE the bits of result, as they are. */
void agent_listener_refuse(AgentListener *listener, guint64 id, gint32 result, gboolean value);

G_END_DECLS
