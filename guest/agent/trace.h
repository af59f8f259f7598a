/* trace.h: what the programs in the sandboxes create, become and end, seen through ptrace, while somebody watches.
 *
 * Every task (thread) below a sandbox's init is traced, and so is init itself, of which nothing is told: what it forks is then
 * traced from its beginning. Of a program that starts
 *
 *     init forks        ── FORK ──▶ nothing is told yet, as it is only init's code that runs
 *     its execve        ── filter ─▶ TELL_PROCESS, held; refused: execve returns what the client said, and the request fails
 *                       ── EXEC ──▶ nothing, if that is what was told
 *     it forks          ── FORK ──▶ TELL_PROCESS; the child is held at its first stop; refused: killed there
 *     its execve        ── filter ─▶ TELL_IMAGE, held; refused: EPERM
 *     a thread          ── CLONE ─▶ TELL_THREAD
 *     a task's end      ── wait ──▶ TELL_THREAD_EXIT, and a process's: TELL_EXIT
 *
 * - **Who is told when.** A child is told of at its creator's stop, which knows who created it, and before which the creator
 *   can do nothing else. The child's own first stop mostly comes earlier: it waits for that (is *unclaimed*). A creator that is
 *   killed in between never says so; then, after AGENT_TRACE_CLAIM_MS, /proc does.
 * - **No stop that is not needed**: an exit is what wait(2) reports to the tracer, not a stop. Never PTRACE_SYSCALL.
 * - **An execve by another thread than the first** ends all others, and the caller takes the first one's number.
 * - **Signals, job control**: signals are passed on as they come; a group's stop is listened to (PTRACE_LISTEN).
 * - **What was told and what runs** are compared when it runs: should they differ (a thread changed the path meanwhile), the
 *   process is told of again, and refused means killed, before its first instruction.
 * - **What ran before** anybody watched has no filter: its images are told of as they begin, and cannot be refused.
 * - **Nobody watches any more**: every task is let go at its next stop, which is asked for. The filters stay (execs.h).
 *
 * Limits: what somebody else traces (a debugger inside) is not seen, and what is traced here cannot be traced inside, nor have a
 * seccomp listener of its own. A script's interpreter is not compared. One thread, that of the main loop: ptrace wants it. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "guest/agent/execs.h"

G_BEGIN_DECLS

#define AGENT_TRACE_CLAIM_MS 200

gboolean agent_trace_is_on(void);

/* Begins, with everything that runs; threads: of these, too, it is told. Returns 0, or an errno: it may not be traced. */
int agent_trace_start(gboolean threads);

/* Begins or ends to tell of threads; it is on. */
void agent_trace_threads(gboolean threads);

/* Ends. What waits for an answer goes on, or is refused. Also if it is not on. */
void agent_trace_stop(gboolean refuse);

/* ---- what happens; each is to be followed by agent_trace_settle, before the thread waits ---- */

/* An init is there. */
void agent_trace_init(pid_t init);

/* A process that runs already, and its parent. Returns whether any of its threads is new. */
gboolean agent_trace_adopt(pid_t pid, pid_t parent);

/* What wait(2) said. FALSE: it is not of a task that is traced. */
gboolean agent_trace_waited(pid_t task, int status);

/* And it was not anybody else's either: a task that ended before its creator was heard. */
void agent_trace_early(pid_t task, int status);

/* A filter's listener has this execve. */
void agent_trace_exec(AgentListener *listener, const struct seccomp_notif *call);

/* The answer to what was told of a task with that id: an HRESULT. */
void agent_trace_verdict(pid_t task, guint32 id, gint32 result);

/* The client has caught up. */
void agent_trace_go_on(void);

/* Sends what was told. May end the trace. */
void agent_trace_settle(void);

G_END_DECLS
