/* tasks.h: what the agent knows of those it traces, and how it tells of them. For trace.c alone, which decides when; trace.h
 * draws it. */
#pragma once

#include "guest/agent/execs.h"
#include "guest/agent/look.h"

G_BEGIN_DECLS

typedef struct {
  pid_t pid, parent;
  AgentImage image;
  guint tasks;       /* that are traced */
  gboolean init;     /* a sandbox's */
  gboolean fresh;    /* init's child, which still runs init's code */
  gboolean filtered; /* its execve is seen before it happens, and its clone as a sibling */
  gboolean told;
} Process;

typedef struct {
  pid_t tid;
  Process *process;        /* NULL: unclaimed */
  int stop;                /* the stop in which it is held, as wait(2) had it; 0: it runs */
  guint32 awaits;          /* the id of what it was told of with; 0: no answer is awaited */
  AgentListener *listener; /* and its execve, if that is what waits: */
  guint64 call;
  AgentExec exec;     /* what it said last that it will execute */
  gboolean exec_told; /* and that was told */
  gboolean sibling;   /* what it creates next is its parent's child */
  gboolean told;      /* as a thread */
  gboolean leaving;   /* it is let go at its next stop */
  gboolean behind;    /* the client is: it goes on when that has caught up */
  gboolean overdue;   /* unclaimed, and not for the first time */
  gboolean unheard;   /* claimed, but its creator's stop may still come */
} Task;

/* One that ended before its creator was heard. */
typedef struct {
  int status;
  gboolean told; /* of all that: it was found otherwise */
  gint64 time;
} Early;

typedef struct {
  gboolean on, threads;
  GHashTable *tasks;     /* tid → Task */
  GHashTable *processes; /* pid → Process, which has a task */
  GHashTable *early;     /* tid → Early */
  guint unclaimed;
  guint timer;
} Trace;

extern Trace trace;

/* NULL: it is not traced. */
Task *task_find(pid_t tid);
Process *process_find(pid_t pid);

/* One that is unclaimed; a process without tasks, which a task, or process_release, ends. */
Task *task_new(pid_t tid);
Process *process_new(pid_t pid, pid_t parent);

/* It is one of that process's. Tells of it, where that has been told. */
void task_claim(Task *task, Process *process);

/* It is traced no more. */
void task_remove(Task *task);

/* Frees it, if it has no task. */
void process_release(Process *process);

/* It awaits no answer any more. */
void task_forget_call(Task *task);

/* Remembers one that has ended, and takes what is remembered of it: FALSE, if that is nothing, or was long ago. An entry of
 * which no creator tells is of nobody's child, and its number comes again. */
void early_add(pid_t tid, int status, gboolean told);
gboolean early_take(pid_t tid, Early *early);

/* ---- telling; asked: the task that waits for the answer, NULL: it cannot be refused ---- */

void tell_process(Process *process, Task *asked, pid_t creator, pid_t thread);
void tell_image(Process *process, const AgentImage *image, Task *asked);
void tell_exit(Process *process, int status);

/* Where threads are told of, the process was, and the thread was not yet, or was. */
void tell_thread(Task *task);
void tell_thread_exit(Task *task);

G_END_DECLS
