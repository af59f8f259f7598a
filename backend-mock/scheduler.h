/* scheduler.h: runs threads one at a time, and asks who goes on wherever it could matter.
 *
 * A program that is linked with scheduler-sync.c has core/sync.h implemented on top of this. Its threads are contexts of one
 * kernel thread. Before each lock, wait, signal, spawn and join the running thread stops at a *choice point*: the chooser is
 * told which threads could go on, and names one.
 *
 *   static guint first_of(const BhChoice *choice, gpointer data) { return 0; }
 *   static const BhExecution execution = {.run = protocol, .choose = first_of};
 *   if (!bh_scheduler_run(&execution)) puts(bh_scheduler_finding()->text);
 *
 * An *execution* is one run from the start to the end of all threads; the same choices make the same execution again. It
 * depends on nothing else: the clock is virtual, and only moves when no thread can go on, to the earliest deadline that one
 * waits for.
 *
 * What is a choice point: what core/sync.h does, and nothing else. Between two of them a thread is alone, so g_atomic_*
 * never is one, nor is anything in GLib or the kernel; a thread that blocks in those blocks all. A release is one only on
 * request (after_release): what locks guard cannot tell the difference, what they do not guard can.
 *
 * A *finding* ends an execution where it stands: its threads are abandoned, with what they own. Deadlock, lost wake-up, no
 * end, a thread nobody joined, misuse of a lock or a condition (used after it was cleared, or cleared in use; held by a thread
 * that ends; one condition with two mutexes), a failed assertion, a fatal log message, a crash, and what bh_scheduler_fail
 * says.
 *
 * What is not seen, besides the orders of atomic operations: that time passes while somebody could go on. Of a timed wait
 * whose deadline comes before the wake-up only one with a deadline that is over when it begins is met by running threads; a
 * protocol that wants the race says so (deadline: bh_clock_now()).
 *
 * Threading: all of it on one kernel thread, one execution at a time. */
#pragma once

#include "core/sync.h"

G_BEGIN_DECLS

#define BH_SCHEDULER_MAX_THREADS 64 /* of one execution, ended ones included */

/* ---- One execution --------------------------------------------------------------------------------------- */

typedef enum {
  BH_CHOICE_GOES_ON,     /* of several threads that can go on */
  BH_CHOICE_PREEMPTION,  /* the same; option 0 runs and could go on, so any other one is a preemption */
  BH_CHOICE_IS_SIGNALLED /* of several threads that wait for the condition that is signalled */
} BhChoiceKind;

typedef struct {
  BhChoiceKind kind;
  guint count;    /* of the options, at least 2 */
  guint spurious; /* so many of them, the last ones, wait for a condition: choosing one wakes it for no reason */
  const guint8 *thread; /* the options, by the number of the thread */
} BhChoice;

/* Which option: below choice->count. */
typedef guint (*BhChooser)(const BhChoice *choice, gpointer data);

typedef struct {
  void (*run)(gconstpointer data); /* the first thread. Returns when it has joined all that it started */
  gconstpointer data;
  BhChooser choose;
  gpointer choose_data;
  guint spurious;         /* at most so many waits end for no reason */
  gboolean after_release; /* the point after a mutex was released is a choice point too */
  gboolean alike;         /* threads of one name begin in the order in which they were made */
} BhExecution;

/* TRUE: it came to its end. FALSE: there is a finding. */
gboolean bh_scheduler_run(const BhExecution *execution);

/* While on, an execution that runs for seconds and comes to no choice point is a finding, too. A child process does
 * not inherit it. */
void bh_scheduler_watch_time(gboolean on);

/* Inside an execution: */
gboolean bh_scheduler_is_running(void);
void bh_scheduler_fail(const char *kind, const char *format, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;
void bh_scheduler_note(const char *text); /* a line in the trace; static */

/* Nobody else can tell when the thread does what it has still to do: it takes a lock, looks at its own, and ends. It goes on
 * only when no other thread can, and not at every moment besides at which it could; so many such threads cost nothing. That
 * it does go on is checked as ever. For protocols with many threads, beside one with few that leaves nothing out. */
void bh_scheduler_leave_to_the_end(BhThread *thread);

/* ---- What happened, until the next one begins -------------------------------------------------------------- */

typedef struct {
  const char *kind; /* "deadlock", "lost wake-up", …; static */
  const char *text;
} BhFinding;

const BhFinding *bh_scheduler_finding(void); /* NULL: none */

typedef enum {
  BH_STEP_BEGIN,    /* the thread runs for the first time */
  BH_STEP_LOCK,     /* object: the mutex */
  BH_STEP_UNLOCK,   /* object: the mutex */
  BH_STEP_WAIT,     /* object: the condition */
  BH_STEP_WAKE,     /* after a wait: it has the mutex (object) again */
  BH_STEP_TIME_OUT, /* as WAKE, because of the deadline */
  BH_STEP_SIGNAL,   /* object: the condition */
  BH_STEP_BROADCAST,
  BH_STEP_SPAWN, /* name: the new thread's */
  BH_STEP_JOIN,  /* name: of the one that has ended */
  BH_STEP_NOTE,  /* name: the text */
  BH_STEP_END,
  BH_STEP_CLOCK, /* nobody could go on, so the clock did */
} BhStepKind;

typedef struct {
  guint8 kind;
  guint8 thread;
  guint8 preempted;     /* the thread that ran before could have gone on */
  guint8 left;          /* bh_scheduler_leave_to_the_end: nobody can tell when it comes */
  guint8 count;         /* SIGNAL, BROADCAST: of the threads that it woke. SPAWN, JOIN: that thread's number */
  const char *name;     /* of the lock's class, and see above */
  gconstpointer object; /* the mutex or condition */
  gconstpointer mutex;  /* WAIT: that is released meanwhile */
  const char *site;     /* where in the source; NULL: not known */
} BhStep;

const BhStep *bh_scheduler_steps(guint *count);
guint bh_scheduler_thread_count(void);
const char *bh_scheduler_thread_name(guint thread);

/* ---- For scheduler-sync.c ------------------------------------------------------------------------------------ */

typedef struct BhFiber BhFiber;

/* The one that runs; outside of an execution, one that stands for the program. Never NULL. */
BhFiber *bh_scheduler_current(void);
guint bh_scheduler_number(const BhFiber *fiber);
gpointer *bh_scheduler_local(BhLocal *local); /* the current one's value of it */
gint64 bh_scheduler_clock(void);

BhFiber *bh_scheduler_spawn(const char *name, gpointer (*func)(gpointer data), gpointer data); /* NULL: too many */
gpointer bh_scheduler_join(BhFiber *fiber);
void bh_scheduler_leave(BhFiber *fiber); /* to the end */

/* Each is a choice point first. */
void bh_scheduler_lock(BhMutex *mutex, const char *site);
void bh_scheduler_unlock(BhMutex *mutex);
gboolean bh_scheduler_wait(BhCond *cond, BhMutex *mutex, gint64 deadline);
void bh_scheduler_signal(BhCond *cond, gboolean all);

/* They are cleared: a finding if somebody has or wants the mutex, or waits for the condition; and if he does later. */
void bh_scheduler_forget_mutex(BhMutex *mutex);
void bh_scheduler_forget_cond(BhCond *cond);

G_END_DECLS
