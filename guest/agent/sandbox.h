/* sandbox.h: one sandbox: a bwrap, and bulkhead-init inside it.
 *
 *   sandbox = agent_sandbox_start(settings, layout, &events, user, &error);
 *   events.ready(user)                              → its init runs; agent_sandbox_run may be called
 *   agent_sandbox_run(sandbox, id, program, streams, last)
 *   events.started(user, id, error, pid)            → once per run
 *   events.exited(user, id, status)                 → once per run that started
 *   events.ended(user, complaint)                   → once, the last one; everything in it has ended. Frees it
 *
 * Events come from the main loop, never from within a call. One thread, the default main context. */
#pragma once

#include "guest/agent/agent.h"
#include "guest/agent/program.h"

G_BEGIN_DECLS

#define AGENT_SANDBOX_DEADLINE_S 20 /* from start to ready; it is killed then */

typedef struct AgentSandbox AgentSandbox;

typedef struct {
  void (*ready)(gpointer user);
  /* NULL, both: nothing will be run. error: 0, execve's errno, or the HRESULT (negative) by which it was refused */
  void (*started)(gpointer user, guint32 id, int error, guint32 pid);
  void (*exited)(gpointer user, guint32 id, int status);
  void (*ended)(gpointer user, const char *complaint); /* what bwrap said, or "" */
} AgentSandboxEvents;

/* Starts one with these file system arguments (layout.h). NULL: *error is an errno. */
AgentSandbox *agent_sandbox_start(const AgentSettings *settings, GPtrArray *layout,
                                  const AgentSandboxEvents *events, gpointer user, int *error);

/* Runs a program in a ready sandbox. streams become its stdin, stdout and stderr; they stay the caller's to close. last: the
 * sandbox ends by itself when no process is left in it. Returns 0, or an errno: then there will be no event. */
int agent_sandbox_run(AgentSandbox *sandbox, guint32 id, const AgentProgram *program, const int *streams,
                      gboolean last);

/* Kills everything in it; ended follows. May be called more than once, and from events; without effect in ended. */
void agent_sandbox_kill(AgentSandbox *sandbox);

/* Of a ready one: its init, as the agent sees it, and its PID namespace's inode. */
guint32 agent_sandbox_init_pid(const AgentSandbox *sandbox);
guint64 agent_sandbox_pid_namespace(const AgentSandbox *sandbox);

/* Calls func for the init of each ready one in which something may run. */
void agent_sandbox_each_init(void (*func)(pid_t init));

/* A child has been reaped. FALSE: it was no sandbox's. Emits what follows from it. */
gboolean agent_sandbox_reaped(pid_t pid);

G_END_DECLS
