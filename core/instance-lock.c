#include "instance-lock.h"

/* A thread in acquire; on its stack. */
typedef struct {
  gpointer thread;
  gboolean granted;
  BhCond wake; /* granted was set */
} Operation;

const BhLockClass bh_instance_lock_class = {"instance lock", BH_RANK_INSTANCE, TRUE};
static const BhLockClass monitor_class = {"instance monitor", BH_RANK_PUMP, FALSE};

void bh_instance_lock_init(BhInstanceLock *lock) {
  bh_mutex_init(&lock->monitor, &monitor_class);
  lock->owner = NULL;
  lock->depth = 0;
  g_queue_init(&lock->operations);
  bh_call_pump_init(&lock->pump, &lock->monitor);
}

void bh_instance_lock_clear(BhInstanceLock *lock) {
  g_assert(lock->owner == NULL && g_queue_is_empty(&lock->operations));
  bh_call_pump_clear(&lock->pump);
  bh_mutex_clear(&lock->monitor);
}

/* All below: with the monitor held. */

static void own(BhInstanceLock *lock, gpointer thread) {
  g_assert(lock->owner == NULL);
  lock->owner = thread;
  lock->depth = 1;
}

/* Nobody holds the lock: gives it to whoever is next. Every path that leaves the lock free ends here. */
static void hand_over(BhInstanceLock *lock) {
  Operation *operation = g_queue_pop_head(&lock->operations);

  if (operation != NULL) {
    own(lock, operation->thread);
    operation->granted = TRUE;
    bh_cond_signal(&operation->wake);
  } else if (bh_call_pump_has_waiting(&lock->pump)) {
    own(lock, bh_call_pump_hand_back(&lock->pump));
  }
}

static void wait_for_grant(BhInstanceLock *lock) {
  Operation operation = {.thread = bh_thread_self()};

  bh_cond_init(&operation.wake);
  g_queue_push_tail(&lock->operations, &operation);
  while (!operation.granted) bh_cond_wait(&operation.wake, &lock->monitor);
  bh_cond_clear(&operation.wake);
}

static void release(BhInstanceLock *lock) {
  g_assert(lock->owner == bh_thread_self());
  if (--lock->depth > 0) return;
  lock->owner = NULL;
  hand_over(lock);
}

/* The interface. */

void bh_instance_lock_acquire_at(BhInstanceLock *lock, const char *site) {
  bh_sync_note_acquire(&bh_instance_lock_class, lock, site);
  bh_mutex_lock(&lock->monitor);
  if (lock->owner == bh_thread_self())
    lock->depth++;
  else if (lock->owner == NULL)
    own(lock, bh_thread_self()); /* free means that nobody waits: see hand_over */
  else
    wait_for_grant(lock);
  bh_mutex_unlock(&lock->monitor);
  bh_sync_note_acquired(&bh_instance_lock_class, lock);
}

void bh_instance_lock_release(BhInstanceLock *lock) {
  bh_sync_note_release(&bh_instance_lock_class, lock);
  bh_mutex_lock(&lock->monitor);
  release(lock);
  bh_mutex_unlock(&lock->monitor);
}

BhResult bh_instance_lock_notify(BhInstanceLock *lock, BhWorkers *workers, BhPumpFunc notification,
                                 gpointer data) {
  BhResult result;

  bh_mutex_lock(&lock->monitor);
  g_assert(lock->owner == bh_thread_self());
  result = bh_call_pump_run(&lock->pump, workers, notification, data);
  bh_mutex_unlock(&lock->monitor);
  return result;
}

void bh_instance_lock_call(BhInstanceLock *lock, BhPumpFunc call, gpointer data) {
  gboolean ran = FALSE;

  bh_sync_note_acquire(&bh_instance_lock_class, lock, G_STRLOC);
  bh_mutex_lock(&lock->monitor);
  g_assert(lock->owner != bh_thread_self());
  if (lock->owner == NULL)
    own(lock, bh_thread_self());
  else
    ran = bh_call_pump_invoke(&lock->pump, call, data);
  bh_mutex_unlock(&lock->monitor);
  if (ran) {
    bh_sync_note_release(&bh_instance_lock_class, lock);
    return;
  }

  /* Handed back, or never queued: this thread owns the lock. */
  bh_sync_note_acquired(&bh_instance_lock_class, lock);
  call(data);
  bh_instance_lock_release(lock);
}
