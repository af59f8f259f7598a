/* agent.h: bulkhead-agent, the native Linux program that is a session's "VM".
 *
 * It is started with the control channel (guest/protocol.h) as its stdin, and lives as long as that does. Every
 * program it runs, it runs in a sandbox that bubblewrap makes:
 *
 *     service ──control──▶ guard ─ ─ ─ (holds the channel open, does nothing)
 *                            │ forks
 *                          agent ── listens on loopback for data connections
 *                            │ forks
 *              ┌─────────────┼──────────────────────────┐
 *            bwrap         bwrap                      bwrap           outside, waits
 *     ═════════╪═════════════╪══════════════════════════╪════════════ pid and mount namespaces
 *            init          init                       init            pid 1 inside: bulkhead-init
 *              │             │                          │ forks
 *           /bin/cat      /bin/sh                 /sbin/a  /bin/b …
 *       └ one execution in the root     └ an instance (distribution): lives until it is stopped, and runs
 *         namespace each                  every program that is executed in it
 *
 * - **The root namespace** is the machine's top-level folders, read-only, on an empty writable /, with /proc and
 *   /dev of its own, one /tmp for the whole VM, and every folder mounted so far. Each execution there gets a
 *   sandbox of its own, made from the list of mounts as it then is; that needs no privilege inside, which is why
 *   it is the same as root and as a user with user namespaces. A mount is tried out with a sandbox that does
 *   nothing before it is added to the list, so that a mount point that cannot be is refused when it is asked for.
 *   So: a program that already runs sees no later mount, and sees no processes but its own.
 * - **A mount point** may be anywhere but on or below /proc and /dev (the sandbox's own, through which its init is
 *   started), below /tmp, or below another mount: BAD_PATH. bwrap makes mount points while the host's file system is
 *   still at hand, and follows symbolic links; in a folder that a guest program can write to, such a link would have
 *   it make folders on the host, as root. It makes no difference that the other mount is read-only: its folder may be
 *   writable through another one. A second mount on the same point covers the first.
 * - **An instance** is one sandbox with a root folder (as /, writable; the machine's own: like the root namespace,
 *   with a /tmp of its own and without the mounts). Its init's PID, as the agent sees it, and its PID namespace's
 *   inode are what is reported. Stopping it kills that init, and the kernel ends all others in it.
 * - **A container** is an instance with a first program, which reads nothing and writes to the log: when that ends, so
 *   does all the rest.
 * - **An export** is the machine's tar, outside of any sandbox, into a file of the machine's; that is removed if tar fails.
 * - **bulkhead-init** (init.c; static, so that it runs in any root folder) is started from a descriptor and needs
 *   no file inside. It executes what the agent hands to it, so that errno comes from the execve itself.
 * - **Nothing is left behind**, whoever is killed. Each process is told by the kernel when its parent ends: init and
 *   bwrap by SIGKILL, the agent by SIGTERM. Agent and guard adopt what their children leave (subreapers) and kill
 *   that too, until they have no child. The guard is the last one to let go of the control channel, so that its
 *   end of stream means: all is ended.
 * - **What this is not**: a boundary against hostile programs. The network, abstract Unix sockets and the sockets in
 *   /run are the machine's, and reachable (a read-only mount does not forbid connecting): as root that is as good as
 *   the services behind them allow. Run as root, programs are the machine's root, with CAP_CHOWN, CAP_DAC_OVERRIDE,
 *   CAP_FOWNER, CAP_SETUID, CAP_SETGID and CAP_KILL only: they read every file of the machine, and write to whatever
 *   is mounted writable. Processes, mounts and System V IPC are the sandbox's own.
 *
 * While somebody watches, the agent is the tracer of all that runs below the inits, and of these (trace.h).
 *
 * One thread; everything waits in one GMainLoop. It never waits for a client or a guest program; it does for the
 * machine's file systems, where it looks at folders (a dead network mount holds all of it up).
 *
 * The files: main.c (start, guard), control.c (main loop, requests), mounts.c, instances.c, executions.c, export.c (the kinds
 * of request), channel.c (frames in and out), data.c (data connections), sandbox.c (one sandbox), layout.c (bwrap's file
 * system arguments), program.c (programs as bytes), watch.c, trace.c, tasks.c, seize.c, look.c, execs.c (who started what),
 * filter.c (init's part of it), calls.h (agent and filter), reap.c (ending children), init.c (a program of its own),
 * init-protocol.h (agent and init). */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "guest/agent/layout.h"
#include "guest/protocol.h"

G_BEGIN_DECLS

/* Descriptors as the guard sets them up, before the agent starts: the control channel is 0. */
#define AGENT_CONTROL_FD 0

/* What main.c finds out before anything runs. */
typedef struct {
  int init_fd;   /* bulkhead-init, opened; read-only */
  char *tmp;     /* the VM's /tmp, a folder of the machine's */
  int signal_fd; /* SIGCHLD and SIGTERM, both blocked */
} AgentSettings;

/* Serves the channel until it ends (control.c). Returns when the VM is to end; ends no child itself. */
void agent_serve(const AgentSettings *settings);

/* Says why there can be no VM, where nothing else was said yet. */
void agent_refuse(int error, const char *text);

/* Kills every child and what they leave behind, until there is none (reap.c). Returns the number reaped. Where the
 * kernel does not list children nobody can be killed, and they end only when their parent does. So the agent, their
 * parent, must not wait for them, but end; the guard is patient: it waits for those that it inherits. */
guint agent_end_children(gboolean patient);

G_END_DECLS
