/* look.h: what /proc and a process's memory say of it: who it is, what it runs, what it is about to run.
 *
 * Numbers are the agent's, of its own PID namespace; a thread's does where a process's is asked for, but for children. All
 * may be gone at any moment, and then is not known. Paths are those inside the process's root, with symbolic links followed.
 * Nothing here waits for the process; where a file lies on a dead network mount, it may wait for that. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "core/activity.h"

struct seccomp_data;

G_BEGIN_DECLS

/* What is executed: its path, and its arguments as a shell would quote them, at most BH_COMMAND_LINE_MAX bytes. Both may be
 * NULL: not known. Reference-counted (GRefString): a fork has its parent's. */
typedef struct {
  char *path;
  char *command_line;
} AgentImage;

AgentImage agent_image_ref(const AgentImage *image);
void agent_image_clear(AgentImage *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AgentImage, agent_image_clear)

/* What an execve (execveat) names: image, and how to know it again. */
typedef struct {
  AgentImage image;
  gboolean known; /* what follows is: the file, which is held open, and its number */
  int file;
  dev_t device;
  ino_t inode;
} AgentExec;

void agent_exec_clear(AgentExec *exec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AgentExec, agent_exec_clear)

/* What a process runs. The caller's. */
AgentImage agent_look_image(pid_t pid);

/* What a thread that waits in such a system call is about to run. FALSE: nothing, as it will fail by itself. *exec must be
 * all zero, and is the caller's. */
gboolean agent_look_exec(pid_t thread, const struct seccomp_data *call, AgentExec *exec);

/* Whether it is no execve, but a clone. */
gboolean agent_look_is_clone(const struct seccomp_data *call);

/* Whether that is what the process now runs. What a script's interpreter is, nobody compares. */
gboolean agent_look_is(pid_t pid, const AgentExec *exec);

/* A process's parent, or a thread's process's; 0: not known. */
pid_t agent_look_parent(pid_t pid);

/* It is not there, or not reaped yet. */
gboolean agent_look_has_ended(pid_t pid);

/* A thread's process; 0: not known. */
pid_t agent_look_process(pid_t thread);

/* Who traces it; 0: nobody. */
pid_t agent_look_tracer(pid_t thread);

gboolean agent_look_has_thread(pid_t process, pid_t thread);

/* Whether they run the same file. */
gboolean agent_look_same(pid_t left, pid_t right);

/* The numbers of all processes of the machine (folder "/proc"), or of all threads of one ("/proc/N/task"), as pid_t. The
 * caller's. */
GArray *agent_look_numbers(const char *folder);

G_END_DECLS
