/* scheduler-sync.c: core/sync.h, on contexts of one kernel thread. A program linked with this gets nothing of core/sync.c. */
#include "scheduler.h"

#include "core/sync-observers.h"

#include <unistd.h>

struct BhThread {
  BhFiber *fiber;
  char *name;
  BhLockRank lowest;
  BhThreadFunc func;
  gpointer data;
};

/* ---- Locks --------------------------------------------------------------------------------------------- */

/* Outside of an execution there is one thread, which never waits. */
static gboolean is_observers_own(const BhMutex *mutex) {
  return mutex->class == NULL;
}

void bh_mutex_init(BhMutex *mutex, const BhLockClass *lock_class) {
  *mutex = (BhMutex){.class = lock_class};
}

void bh_mutex_clear(BhMutex *mutex) {
  bh_scheduler_forget_mutex(mutex);
}

void bh_mutex_lock_at(BhMutex *mutex, const char *site) {
  if (is_observers_own(mutex)) return;
  BH_OBSERVE(acquire, mutex->class, mutex, site);
  if (bh_scheduler_is_running())
    bh_scheduler_lock(mutex, site);
  else
    mutex->owner = bh_scheduler_current();
  BH_OBSERVE(acquired, mutex->class, mutex);
}

void bh_mutex_unlock(BhMutex *mutex) {
  if (is_observers_own(mutex)) return;
  g_assert(mutex->owner == bh_scheduler_current());
  BH_OBSERVE(release, mutex->class, mutex);
  if (bh_scheduler_is_running())
    bh_scheduler_unlock(mutex);
  else
    mutex->owner = NULL;
}

/* ---- Conditions ---------------------------------------------------------------------------------------- */

void bh_cond_init(BhCond *cond) {
  *cond = (BhCond){0};
}

void bh_cond_clear(BhCond *cond) {
  bh_scheduler_forget_cond(cond);
}

gboolean bh_cond_wait_until(BhCond *cond, BhMutex *mutex, gint64 deadline) {
  gboolean in_time;

  g_assert(mutex->owner == bh_scheduler_current());
  g_assert(bh_scheduler_is_running());
  BH_OBSERVE(wait, mutex->class, mutex);
  in_time = bh_scheduler_wait(cond, mutex, deadline);
  BH_OBSERVE(acquired, mutex->class, mutex);
  return in_time;
}

void bh_cond_wait(BhCond *cond, BhMutex *mutex) {
  bh_cond_wait_until(cond, mutex, BH_NO_DEADLINE);
}

void bh_cond_signal(BhCond *cond) {
  if (bh_scheduler_is_running()) bh_scheduler_signal(cond, FALSE);
}

void bh_cond_broadcast(BhCond *cond) {
  if (bh_scheduler_is_running()) bh_scheduler_signal(cond, TRUE);
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

static gpointer run_thread(gpointer data) {
  BhThread *thread = data;

  BH_OBSERVE(start, thread->lowest);
  return thread->func(thread->data);
}

BhThread *bh_thread_new(const char *name, BhLockRank lowest, BhThreadFunc func, gpointer data) {
  BhThread *thread;

  g_assert(bh_scheduler_is_running());
  if (!bh_sync_may_start_thread(name)) return NULL;
  thread = g_new(BhThread, 1);
  *thread = (BhThread){NULL, g_strdup(name), lowest, func, data};
  thread->fiber = bh_scheduler_spawn(name, run_thread, thread);
  if (thread->fiber != NULL) return thread;
  g_free(thread->name);
  g_free(thread);
  return NULL;
}

gpointer bh_thread_join(BhThread *thread) {
  gpointer result;

  BH_OBSERVE(join, thread->name, thread->lowest);
  result = bh_scheduler_join(thread->fiber);
  g_free(thread->name);
  g_free(thread);
  return result;
}

void bh_scheduler_leave_to_the_end(BhThread *thread) {
  bh_scheduler_leave(thread->fiber);
}

gpointer bh_thread_self(void) {
  return bh_scheduler_current();
}

guint64 bh_thread_number(void) {
  return bh_scheduler_number(bh_scheduler_current()) + 1;
}

guint32 bh_process_number(void) {
  return (guint32)getpid();
}

gpointer bh_local_get(BhLocal *local) {
  return *bh_scheduler_local(local);
}

void bh_local_set(BhLocal *local, gpointer value) {
  *bh_scheduler_local(local) = value;
}

/* ---- The clock ----------------------------------------------------------------------------------------- */

gint64 bh_clock_now(void) {
  return bh_scheduler_clock();
}

gint64 bh_clock_deadline(gint64 timeout) {
  gint64 now = bh_clock_now();
  return timeout < BH_NO_DEADLINE - now ? now + timeout : BH_NO_DEADLINE;
}
