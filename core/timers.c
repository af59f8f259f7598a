#include "timers.h"

typedef struct {
  guint64 number;
  gint64 deadline;
  BhWorkerFunc func;
  gpointer data;
  GDestroyNotify free_data;
} Timer;

struct BhTimers {
  BhWorkers *workers;
  BhMutex lock;       /* guards all below */
  BhCond changed;     /* another timer is the next, or closing was set */
  GSequence *waiting; /* Timer, by deadline */
  guint64 last_number;
  BhThread *thread; /* NULL: none was needed yet */
  gboolean closing;
};

static const BhLockClass timers_class = {"timers", BH_RANK_LEAF, FALSE};

static void timer_free(gpointer data) {
  Timer *timer = data;

  if (timer->free_data != NULL) timer->free_data(timer->data);
  g_free(timer);
}

static gint compare(gconstpointer a, gconstpointer b, gpointer unused) {
  const Timer *left = a, *right = b;

  (void)unused;
  if (left->deadline != right->deadline) return left->deadline < right->deadline ? -1 : 1;
  return left->number < right->number ? -1 : left->number > right->number;
}

static void run_timer(gpointer data) {
  Timer *timer = data;

  timer->func(timer->data);
  timer_free(timer);
}

/* With the lock held. NULL: none waits. */
static Timer *first(BhTimers *timers) {
  GSequenceIter *begin = g_sequence_get_begin_iter(timers->waiting);
  return g_sequence_iter_is_end(begin) ? NULL : g_sequence_get(begin);
}

static gpointer keep_time(gpointer data) {
  BhTimers *timers = data;
  Timer *timer;

  bh_mutex_lock(&timers->lock);
  while (!timers->closing) {
    timer = first(timers);
    if (timer == NULL || timer->deadline > bh_clock_now()) {
      bh_cond_wait_until(&timers->changed, &timers->lock, timer != NULL ? timer->deadline : BH_NO_DEADLINE);
      continue;
    }
    g_sequence_remove(g_sequence_get_begin_iter(timers->waiting));
    bh_mutex_unlock(&timers->lock);
    /* Where no thread can be had, here: late timers are better than none. */
    if (!bh_workers_post(timers->workers, run_timer, timer)) run_timer(timer);
    bh_mutex_lock(&timers->lock);
  }
  bh_mutex_unlock(&timers->lock);
  return NULL;
}

BhTimers *bh_timers_new(BhWorkers *workers) {
  BhTimers *timers = g_new0(BhTimers, 1);

  timers->workers = workers;
  timers->waiting = g_sequence_new(NULL); /* freed by whoever takes one out */
  bh_mutex_init(&timers->lock, &timers_class);
  bh_cond_init(&timers->changed);
  return timers;
}

guint64 bh_timers_set(BhTimers *timers, gint64 deadline, BhWorkerFunc func, gpointer data,
                      GDestroyNotify free_data) {
  Timer *timer = g_new(Timer, 1);
  guint64 number = 0;

  *timer = (Timer){0, deadline, func, data, free_data};
  bh_mutex_lock(&timers->lock);
  if (timers->thread == NULL)
    timers->thread = bh_thread_new("bh-timers", BH_RANK_SESSION_TABLE, keep_time, timers);
  if (timers->thread != NULL) {
    timer->number = number = ++timers->last_number;
    g_sequence_insert_sorted(timers->waiting, timer, compare, NULL);
    bh_cond_signal(&timers->changed);
  }
  bh_mutex_unlock(&timers->lock);
  if (number == 0) timer_free(timer);
  return number;
}

/* Few wait at one time: as many as there are idle sessions. */
static Timer *take(BhTimers *timers, guint64 number) {
  for (GSequenceIter *i = g_sequence_get_begin_iter(timers->waiting); !g_sequence_iter_is_end(i);
       i = g_sequence_iter_next(i)) {
    Timer *timer = g_sequence_get(i);

    if (timer->number != number) continue;
    g_sequence_remove(i);
    return timer;
  }
  return NULL;
}

void bh_timers_cancel(BhTimers *timers, guint64 number) {
  Timer *timer;

  if (number == 0) return;
  bh_mutex_lock(&timers->lock);
  timer = take(timers, number);
  bh_mutex_unlock(&timers->lock);
  if (timer != NULL) timer_free(timer);
}

void bh_timers_free(BhTimers *timers) {
  Timer *timer;

  bh_mutex_lock(&timers->lock);
  timers->closing = TRUE;
  bh_cond_signal(&timers->changed);
  bh_mutex_unlock(&timers->lock);
  if (timers->thread != NULL) bh_thread_join(timers->thread);
  while ((timer = first(timers)) != NULL) {
    g_sequence_remove(g_sequence_get_begin_iter(timers->waiting));
    timer_free(timer);
  }
  g_sequence_free(timers->waiting);
  bh_cond_clear(&timers->changed);
  bh_mutex_clear(&timers->lock);
  g_free(timers);
}
