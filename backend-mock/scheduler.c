#include "scheduler-internal.h"

#include <string.h>

#define MAX_STEPS    50000 /* an execution that takes more does not end */
#define FIRST_MOMENT ((gint64)G_USEC_PER_SEC)

BhScheduler bh_scheduler = {.current = &bh_scheduler.outside, .now = FIRST_MOMENT};

/* ---- The trace ----------------------------------------------------------------------------------------- */

static BhStep *record(BhStepKind kind, const char *name, gconstpointer object, const char *site) {
  BhScheduler *s = &bh_scheduler;
  BhStep *step = &s->steps[s->step_count];

  if (s->step_count == MAX_STEPS - 1) bh_scheduler_fail("no end", "after %u steps it still goes on", MAX_STEPS);
  s->step_count++;
  *step = (BhStep){.kind = kind,
                   .thread = s->current->number,
                   .preempted = s->preempted,
                   .left = (guint8)s->current->left,
                   .name = name,
                   .object = object,
                   .site = site};
  s->preempted = FALSE;
  return step;
}

void bh_scheduler_note(const char *text) {
  if (bh_scheduler_is_running()) record(BH_STEP_NOTE, text, NULL, NULL);
}

/* ---- Who can go on ------------------------------------------------------------------------------------- */

static gboolean can_go_on(const BhFiber *fiber) {
  switch (fiber->state) {
    case BH_FIBER_READY: return TRUE;
    case BH_FIBER_WANTS: return fiber->mutex->owner == NULL;
    case BH_FIBER_JOINS: return fiber->joined->state == BH_FIBER_ENDED;
    default: return FALSE;
  }
}

static void wake(BhFiber *fiber, BhStepKind reason) {
  fiber->state = BH_FIBER_WANTS;
  fiber->woken_by = reason;
}

/* Nobody can go on: to the earliest deadline. FALSE: there is none. */
static gboolean advance_clock(void) {
  BhScheduler *s = &bh_scheduler;
  gint64 earliest = BH_NO_DEADLINE;

  for (guint i = 0; i < s->fiber_count; i++)
    if (s->fibers[i]->state == BH_FIBER_WAITS) earliest = MIN(earliest, s->fibers[i]->deadline);
  if (earliest == BH_NO_DEADLINE) return FALSE;
  s->now = MAX(s->now, earliest);
  record(BH_STEP_CLOCK, NULL, NULL, NULL);
  for (guint i = 0; i < s->fiber_count; i++)
    if (s->fibers[i]->state == BH_FIBER_WAITS && s->fibers[i]->deadline <= s->now)
      wake(s->fibers[i], BH_STEP_TIME_OUT);
  return TRUE;
}

/* Another one of its name is to begin before it. */
static gboolean is_behind(const BhFiber *fiber) {
  const BhScheduler *s = &bh_scheduler;

  if (fiber->begun || !s->execution->alike) return FALSE;
  for (guint i = 0; i < fiber->number; i++)
    if (!s->fibers[i]->begun && g_str_equal(s->fibers[i]->name, fiber->name)) return TRUE;
  return FALSE;
}

/* The options, beginning with the current thread and then round: the first one is what happens if nothing is chosen. Among
 * those that were left to the end nothing is. */
static guint list_options(guint8 *options) {
  const BhScheduler *s = &bh_scheduler;
  guint count = 0, number = s->current->number;
  const BhFiber *left = NULL;

  for (guint i = 0; i < s->fiber_count; i++) {
    const BhFiber *fiber = s->fibers[number];
    if (can_go_on(fiber) && fiber->left)
      left = fiber;
    else if (can_go_on(fiber) && !is_behind(fiber))
      options[count++] = (guint8)number;
    if (++number == s->fiber_count) number = 0;
  }
  if (count == 0 && left != NULL) options[count++] = left->number;
  return count;
}

static guint list_spurious(guint8 *options) {
  const BhScheduler *s = &bh_scheduler;
  guint count = 0;

  for (guint i = 0; i < s->fiber_count && s->spurious_left > 0; i++)
    if (s->fibers[i]->state == BH_FIBER_WAITS && s->fibers[i]->mutex->owner == NULL) options[count++] = (guint8)i;
  return count;
}

static guint ask(BhChoiceKind kind, const guint8 *options, guint count, guint spurious) {
  BhScheduler *s = &bh_scheduler;
  BhChoice choice = {kind, count, spurious, options};

  if (count == 1) return 0;
  return s->execution->choose(&choice, s->execution->choose_data);
}

static BhFiber *choose_next(void) {
  BhScheduler *s = &bh_scheduler;
  guint8 options[2 * BH_SCHEDULER_MAX_THREADS];
  gboolean can = can_go_on(s->current);
  guint count = list_options(options), spurious, chosen;

  while (count == 0) {
    if (!advance_clock()) bh_scheduler_fail_stuck();
    count = list_options(options);
  }
  spurious = list_spurious(options + count);
  chosen = ask(can ? BH_CHOICE_PREEMPTION : BH_CHOICE_GOES_ON, options, count + spurious, spurious);
  if (chosen >= count) {
    s->spurious_left--;
    wake(s->fibers[options[chosen]], BH_STEP_WAKE);
  }
  s->preempted = can && chosen > 0;
  return s->fibers[options[chosen]];
}

/* Returns when the current thread has been chosen. */
static void reschedule(void) {
  BhScheduler *s = &bh_scheduler;
  BhFiber *from = s->current, *to = choose_next();

  if (to == from) return;
  s->current = to;
  bh_stack_switch(from->stack, to->stack);
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

BhFiber *bh_scheduler_current(void) {
  return bh_scheduler.current;
}

guint bh_scheduler_number(const BhFiber *fiber) {
  return fiber->number;
}

gint64 bh_scheduler_clock(void) {
  return bh_scheduler.now;
}

gpointer *bh_scheduler_local(BhLocal *local) {
  BhFiber *fiber = bh_scheduler.current;

  for (guint i = 0; i < fiber->local_count; i++)
    if (fiber->locals[i].local == local) return &fiber->locals[i].value;
  g_assert(fiber->local_count < BH_FIBER_MAX_LOCALS);
  fiber->locals[fiber->local_count] = (BhFiberLocal){local, NULL};
  return &fiber->locals[fiber->local_count++].value;
}

static void free_locals(BhFiber *fiber) {
  for (guint i = 0; i < fiber->local_count; i++) {
    BhFiberLocal *held = &fiber->locals[i];
    gpointer value = held->value;
    held->value = NULL;
    if (value != NULL && held->local->free_func != NULL) held->local->free_func(value);
  }
}

/* A thread, from its first instruction to its last switch. */
static void run_fiber(gpointer data) {
  BhScheduler *s = &bh_scheduler;
  BhFiber *fiber = data, *next;

  fiber->begun = TRUE;
  record(BH_STEP_BEGIN, NULL, NULL, NULL);
  fiber->result = fiber->func(fiber->data);
  free_locals(fiber);
  if (fiber->held > 0) bh_scheduler_fail("misuse", "%s ends, and has %u mutexes still", fiber->name, fiber->held);
  record(BH_STEP_END, NULL, NULL, NULL);
  fiber->state = BH_FIBER_ENDED;
  s->live--;
  if (s->live == 0) {
    s->current = &s->outside;
    bh_stack_leave(fiber->stack, s->outside.stack);
  }
  next = choose_next();
  s->current = next;
  bh_stack_leave(fiber->stack, next->stack);
}

static BhFiber *add_fiber(const char *name, gpointer (*func)(gpointer data), gpointer data) {
  BhScheduler *s = &bh_scheduler;
  BhFiber *fiber;

  if (s->fiber_count == BH_SCHEDULER_MAX_THREADS) return NULL;
  fiber = s->fibers[s->fiber_count];
  if (fiber == NULL) {
    fiber = s->fibers[s->fiber_count] = g_new0(BhFiber, 1);
    fiber->stack = bh_stack_new();
  }
  fiber->number = (guint8)s->fiber_count++;
  fiber->state = BH_FIBER_READY;
  fiber->begun = fiber->left = FALSE;
  fiber->func = func;
  fiber->data = data;
  fiber->joined_by_somebody = FALSE;
  fiber->held = 0;
  fiber->local_count = 0;
  g_strlcpy(fiber->name, name, sizeof fiber->name);
  bh_stack_start(fiber->stack, run_fiber, fiber);
  s->live++;
  return fiber;
}

BhFiber *bh_scheduler_spawn(const char *name, gpointer (*func)(gpointer data), gpointer data) {
  BhFiber *fiber;

  reschedule();
  fiber = add_fiber(name, func, data);
  if (fiber != NULL) record(BH_STEP_SPAWN, fiber->name, NULL, NULL)->count = fiber->number;
  return fiber;
}

gpointer bh_scheduler_join(BhFiber *fiber) {
  BhFiber *self = bh_scheduler.current;

  if (fiber->joined_by_somebody) bh_scheduler_fail("misuse", "%s is joined a second time", fiber->name);
  fiber->joined_by_somebody = TRUE;
  self->state = BH_FIBER_JOINS;
  self->joined = fiber;
  reschedule();
  self->state = BH_FIBER_READY;
  record(BH_STEP_JOIN, fiber->name, NULL, NULL)->count = fiber->number;
  return fiber->result;
}

void bh_scheduler_leave(BhFiber *fiber) {
  fiber->left = TRUE;
}

/* ---- Locks and conditions ------------------------------------------------------------------------------ */

static void require_alive(const BhMutex *mutex) {
  if (mutex->owner == BH_CLEARED)
    bh_scheduler_fail("misuse", "%s uses a mutex that was cleared: %s", bh_scheduler.current->name,
                      mutex->class->name);
}

static void require_cond_alive(const BhCond *cond) {
  if (cond->native.p == BH_CLEARED)
    bh_scheduler_fail("misuse", "%s uses a condition that was cleared", bh_scheduler.current->name);
}

/* Whoever waits for a condition at the same time does so with the same mutex. */
static void require_one_mutex(const BhCond *cond, const BhMutex *mutex) {
  for (guint i = 0; i < bh_scheduler.fiber_count; i++) {
    const BhFiber *fiber = bh_scheduler.fibers[i];
    if (fiber->state == BH_FIBER_WAITS && fiber->cond == cond && fiber->mutex != mutex)
      bh_scheduler_fail("misuse",
                        "%s waits for a condition with %s, while %s waits for it with another mutex (%s)",
                        bh_scheduler.current->name, mutex->class->name, fiber->name, fiber->mutex->class->name);
  }
}

void bh_scheduler_lock(BhMutex *mutex, const char *site) {
  BhFiber *self = bh_scheduler.current;

  self->state = BH_FIBER_WANTS;
  self->mutex = mutex;
  self->woken_by = BH_STEP_LOCK;
  require_alive(mutex);
  reschedule();
  require_alive(mutex);
  self->state = BH_FIBER_READY;
  mutex->owner = self;
  self->held++;
  record(BH_STEP_LOCK, mutex->class->name, mutex, site);
}

void bh_scheduler_unlock(BhMutex *mutex) {
  record(BH_STEP_UNLOCK, mutex->class->name, mutex, NULL);
  mutex->owner = NULL;
  bh_scheduler.current->held--;
  if (bh_scheduler.execution->after_release) reschedule();
}

gboolean bh_scheduler_wait(BhCond *cond, BhMutex *mutex, gint64 deadline) {
  BhFiber *self = bh_scheduler.current;

  reschedule();
  require_cond_alive(cond);
  require_one_mutex(cond, mutex);
  record(BH_STEP_WAIT, mutex->class->name, cond, NULL)->mutex = mutex;
  mutex->owner = NULL;
  self->state = BH_FIBER_WAITS;
  self->cond = cond;
  self->mutex = mutex;
  self->deadline = deadline;
  if (deadline <= bh_scheduler.now) wake(self, BH_STEP_TIME_OUT);
  reschedule();
  require_alive(mutex);
  self->state = BH_FIBER_READY;
  mutex->owner = self;
  record(self->woken_by, mutex->class->name, mutex, NULL);
  return self->woken_by != BH_STEP_TIME_OUT;
}

static guint list_waiting(const BhCond *cond, guint8 *options) {
  guint count = 0;

  for (guint i = 0; i < bh_scheduler.fiber_count; i++)
    if (bh_scheduler.fibers[i]->state == BH_FIBER_WAITS && bh_scheduler.fibers[i]->cond == cond)
      options[count++] = (guint8)i;
  return count;
}

void bh_scheduler_signal(BhCond *cond, gboolean all) {
  BhScheduler *s = &bh_scheduler;
  guint8 options[BH_SCHEDULER_MAX_THREADS];
  guint count, chosen;
  BhStep *step;

  reschedule();
  require_cond_alive(cond);
  count = list_waiting(cond, options);
  step = record(all ? BH_STEP_BROADCAST : BH_STEP_SIGNAL, NULL, cond, NULL);
  step->count = (guint8)(all ? count : MIN(count, 1));
  if (all) {
    for (guint i = 0; i < count; i++) wake(s->fibers[options[i]], BH_STEP_WAKE);
  } else if (count > 0) {
    chosen = ask(BH_CHOICE_IS_SIGNALLED, options, count, 0);
    wake(s->fibers[options[chosen]], BH_STEP_WAKE);
  }
}

/* Who wants the mutex, or waits to want it; or waits for the condition. NULL: nobody. */
static const BhFiber *find_user(gconstpointer object) {
  for (guint i = 0; bh_scheduler_is_running() && i < bh_scheduler.fiber_count; i++) {
    const BhFiber *fiber = bh_scheduler.fibers[i];
    if ((fiber->state == BH_FIBER_WANTS || fiber->state == BH_FIBER_WAITS) && fiber->mutex == object) return fiber;
    if (fiber->state == BH_FIBER_WAITS && fiber->cond == object) return fiber;
  }
  return NULL;
}

void bh_scheduler_forget_mutex(BhMutex *mutex) {
  const BhFiber *user = mutex->owner != NULL ? mutex->owner : find_user(mutex);

  require_alive(mutex);
  if (user != NULL)
    bh_scheduler_fail("misuse", "%s clears a mutex that %s %s: %s", bh_scheduler.current->name, user->name,
                      mutex->owner != NULL ? "has" : "wants", mutex->class->name);
  mutex->owner = BH_CLEARED;
}

void bh_scheduler_forget_cond(BhCond *cond) {
  const BhFiber *user = find_user(cond);

  require_cond_alive(cond);
  if (user != NULL)
    bh_scheduler_fail("misuse", "%s clears a condition that %s waits for", bh_scheduler.current->name, user->name);
  cond->native.p = BH_CLEARED;
}

/* ---- The execution ------------------------------------------------------------------------------------- */

gboolean bh_scheduler_is_running(void) {
  return bh_scheduler.current != &bh_scheduler.outside;
}

static gpointer run_first(gpointer data) {
  BhScheduler *s = &bh_scheduler;

  (void)data;
  s->execution->run(s->execution->data);
  for (guint i = 1; i < s->fiber_count; i++)
    if (!s->fibers[i]->joined_by_somebody) bh_scheduler_fail("misuse", "%s was never joined", s->fibers[i]->name);
  return NULL;
}

gboolean bh_scheduler_run(const BhExecution *execution) {
  static BhStack outside;
  BhScheduler *s = &bh_scheduler;

  g_assert(!bh_scheduler_is_running());
  if (s->steps == NULL) s->steps = g_new(BhStep, MAX_STEPS);
  s->outside.stack = &outside;
  s->execution = execution;
  s->step_count = s->fiber_count = s->live = 0;
  s->spurious_left = execution->spurious;
  s->executions++;
  s->now = FIRST_MOMENT;
  s->found = FALSE;
  s->preempted = FALSE;
  bh_scheduler_watch();

  s->current = add_fiber("main", run_first, NULL);
  g_assert(s->current != NULL);
  bh_stack_switch(s->outside.stack, s->current->stack);
  return !s->found;
}

const BhStep *bh_scheduler_steps(guint *count) {
  *count = bh_scheduler.step_count;
  return bh_scheduler.steps;
}

guint bh_scheduler_thread_count(void) {
  return bh_scheduler.fiber_count;
}

const char *bh_scheduler_thread_name(guint thread) {
  return bh_scheduler.fibers[thread]->name;
}
