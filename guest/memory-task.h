/* memory-task.h: a program of the memory guest that runs: a thread, with its streams.
 *
 *   MemoryTask *task = memory_task_new(vm, instance, &program);      → NULL: there is no such program
 *   task->streams[BH_STDOUT] = memory_task_keep(task, socket);
 *   result = memory_task_start(task, NULL);                          → started or not, it is no longer ours
 *
 * Three kinds: an execution has one socket, which is stdin and stdout; a process has three, and an object that is told of
 * its exit code; a container's first process has none. What has no socket reads nothing and writes to the log.
 *
 *     thread             whoever ends it (memory_tasks_end, with the VM's lock)
 *       │ runs             killed = TRUE; its sockets are shut down; `changed` is broadcast:
 *       │ ◀─────────────── whatever it waits for, it waits no more
 *     over: who wants to know is told
 *     finished: touches nothing of the VM's any more; joined by whoever starts the next one, or by vm_destroy
 *
 * A program is an int (*)(MemoryTask *), which returns its exit status; the functions at the end are all that it may do. */
#pragma once

#include <stdio.h>

#include "core/activity-queue.h"
#include "core/guest.h"
#include "core/sync.h"

G_BEGIN_DECLS

#define MEMORY_LOG_DOMAIN "bulkhead-guest"
#define MEMORY_NO_STREAM  ((gintptr)-1)

/* errno as Linux has it; the host's may be another. */
enum { MEMORY_ENOENT = 2, MEMORY_EISDIR = 21, MEMORY_EROFS = 30 };

typedef struct {
  BhVm base;
  const BhVmEvents *events;
  gpointer data;
  BhThread *undertaker; /* waits for the death, and tells of it */

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GPtrArray *mounts;      /* MemoryMount */
  GHashTable *instances;  /* the numbers of those that run, containers included */
  GHashTable *containers; /* the numbers of those that were started and not stopped */
  guint32 last_instance;
  GList *tasks;               /* MemoryTask: all whose thread has not been joined, the newest first */
  BhWatch watch;              /* what is told of */
  BhActivityQueue activities; /* on its way to be */
  gboolean dead;
  gboolean destroying;
} MemoryVm;

typedef struct MemoryTask MemoryTask;
typedef int (*MemoryProgram)(MemoryTask *task);

struct MemoryTask {
  MemoryVm *vm;
  guint32 instance;
  guint32 number; /* as a process and as its thread: no other task of this program ever has it */
  char *image;    /* the program's path */
  MemoryProgram program;
  char **arguments;
  char **environment;
  gintptr streams[BH_STREAM_COUNT]; /* sockets, or MEMORY_NO_STREAM */
  BhProcess *process;               /* NULL, or told of its end; its own reference */
  gboolean container;               /* it is the first process of one */
  BhThread *thread;

  /* guarded by the VM's lock */
  BhResource sockets[BH_STREAM_COUNT]; /* what is to be closed: open as long as somebody may shut it down */
  gboolean killed;
  gboolean over;
  gboolean finished;
  gboolean starting;          /* whoever starts it waits until it has begun; it is not freed before */
  gboolean begun;             /* it runs, or was refused */
  BhResult refusal;           /* what its start fails with, and then it has not run */
  gboolean told, thread_told; /* somebody is to be told of its end */
};

/* ---- for the VM ---- */

/* Copies program. The caller's, until memory_task_start takes it (else memory_task_free). NULL: there is no such program. */
MemoryTask *memory_task_new(MemoryVm *vm, guint32 instance, const BhProgram *program);

/* Takes a socket, which is closed with the task. Before it starts. Returns it. */
gintptr memory_task_keep(MemoryTask *task, BhResource *socket);

/* Starts its thread, if something may run there (see memory_may_run); where it is watched, waits for the answer (memory-watch.h).
 * Takes the task, also when it fails. A container is
 * entered here, and *number, which may be NULL for the others, is its. */
BhResult memory_task_start(MemoryTask *task, guint32 *number);

/* Waits for its thread, if it has one, and frees it. Without the lock. */
void memory_task_free(gpointer task);

/* Whether something may run there. With the lock. */
BhResult memory_may_run(MemoryVm *vm, guint32 instance);

/* Ends what runs in an instance, or everything. With the lock; returns at once. */
void memory_tasks_end(MemoryVm *vm, guint32 instance, gboolean all);

/* Waits until nothing of an instance's runs, but for one (NULL: nothing at all). With the lock, which it releases
 * meanwhile. */
void memory_tasks_await(MemoryVm *vm, guint32 instance, const MemoryTask *but);

/* ---- for programs, on their thread ---- */

/* As read(2) on stdin. */
gssize memory_read(MemoryTask *task, gpointer bytes, gsize size);
/* FALSE: nobody reads any more. */
gboolean memory_write(MemoryTask *task, int stream, gconstpointer bytes, gsize length);
/* A line on stderr. */
void memory_complain(MemoryTask *task, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A regular file in a mount, to be read or (write) written anew. Returns 0 or Linux's errno. */
int memory_open(MemoryTask *task, const char *path, gboolean write, FILE **file);
/* NULL: there is no such variable. */
const char *memory_getenv(MemoryTask *task, const char *name);
/* FALSE: it was killed before the time was over. */
gboolean memory_sleep(MemoryTask *task, gint64 time_us);
gboolean memory_is_killed(MemoryTask *task);

G_END_DECLS
