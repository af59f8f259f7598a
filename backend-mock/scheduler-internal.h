/* scheduler-internal.h: the scheduler's state, for its own files. */
#pragma once

#include "scheduler-stack.h"
#include "scheduler.h"

typedef enum {
  BH_FIBER_READY,
  BH_FIBER_WANTS, /* mutex: can go on when nobody has it */
  BH_FIBER_WAITS, /* for cond, to then want mutex */
  BH_FIBER_JOINS, /* joined: can go on when that one has ended */
  BH_FIBER_ENDED,
} BhFiberState;

#define BH_FIBER_MAX_LOCALS 16

typedef struct {
  BhLocal *local;
  gpointer value;
} BhFiberLocal;

struct BhFiber {
  BhStack *stack;
  guint8 number;
  BhFiberState state;
  gboolean begun;
  gboolean left; /* to the end: goes on only when no other can */
  BhMutex *mutex;
  BhCond *cond;
  gint64 deadline;
  BhStepKind woken_by; /* WAKE, TIME_OUT; LOCK: it did not wait */
  BhFiber *joined;
  gboolean joined_by_somebody;
  guint held; /* mutexes */
  gpointer (*func)(gpointer data);
  gpointer data;
  gpointer result;
  BhFiberLocal locals[BH_FIBER_MAX_LOCALS];
  guint local_count;
  char name[32];
};

typedef struct {
  const BhExecution *execution;
  guint executions;                          /* begun so far */
  BhFiber *fibers[BH_SCHEDULER_MAX_THREADS]; /* the first fiber_count; the others are kept for later executions */
  guint fiber_count;
  guint live; /* have not ended */
  BhFiber *current;
  BhFiber outside; /* the program around the executions */
  gint64 now;
  guint spurious_left;
  gboolean preempted; /* the next step is the first after a preemption */
  BhStep *steps;
  guint step_count;
  gboolean found;
  BhFinding finding;
  char *finding_text;
} BhScheduler;

extern BhScheduler bh_scheduler;

/* The owner of a mutex that was cleared, and what such a condition points to. */
#define BH_CLEARED ((gpointer)&bh_scheduler)

/* From the first execution on, assertions, fatal messages and crashes inside one are findings. */
void bh_scheduler_watch(void);

/* No thread can go on: tells why. */
void bh_scheduler_fail_stuck(void) G_GNUC_NORETURN;
