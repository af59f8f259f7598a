#include "workers.h"

typedef struct {
  BhWorkerFunc func;
  gpointer data;
} Job;

struct BhWorkers {
  const char *name;
  BhMutex lock;       /* guards all below */
  BhCond changed;     /* a job was posted, or closing was set */
  GQueue jobs;        /* posted to an idle thread that has not woken yet: never more than there are idle ones */
  guint idle;         /* threads that wait, or will when they get the lock */
  GPtrArray *threads; /* BhThread, all of them */
  gboolean closing;
};

static const BhLockClass workers_class = {"workers", BH_RANK_LEAF, FALSE};

static gpointer work(gpointer data) {
  BhWorkers *workers = data;

  bh_mutex_lock(&workers->lock);
  for (;;) {
    while (g_queue_is_empty(&workers->jobs) && !workers->closing) bh_cond_wait(&workers->changed, &workers->lock);
    if (g_queue_is_empty(&workers->jobs)) break;

    g_autofree Job *job = g_queue_pop_head(&workers->jobs);
    workers->idle--;
    bh_mutex_unlock(&workers->lock);
    job->func(job->data);
    bh_mutex_lock(&workers->lock);
    workers->idle++;
  }
  bh_mutex_unlock(&workers->lock);
  return NULL;
}

BhWorkers *bh_workers_new(const char *name) {
  BhWorkers *workers = g_new0(BhWorkers, 1);
  workers->name = name;
  workers->threads = g_ptr_array_new();
  g_queue_init(&workers->jobs);
  bh_mutex_init(&workers->lock, &workers_class);
  bh_cond_init(&workers->changed);
  return workers;
}

gboolean bh_workers_post(BhWorkers *workers, BhWorkerFunc func, gpointer data) {
  gboolean posted = TRUE;

  bh_mutex_lock(&workers->lock);
  g_assert(!workers->closing);
  if (g_queue_get_length(&workers->jobs) == workers->idle) {
    BhThread *thread = bh_thread_new(workers->name, BH_RANK_SESSION_TABLE, work, workers);
    if (thread != NULL) {
      g_ptr_array_add(workers->threads, thread);
      workers->idle++;
    } else {
      posted = FALSE;
    }
  }
  if (posted) {
    Job *job = g_new(Job, 1);
    *job = (Job){func, data};
    g_queue_push_tail(&workers->jobs, job);
    bh_cond_signal(&workers->changed);
  }
  bh_mutex_unlock(&workers->lock);
  return posted;
}

void bh_workers_free(BhWorkers *workers) {
  bh_mutex_lock(&workers->lock);
  workers->closing = TRUE;
  bh_cond_broadcast(&workers->changed);
  bh_mutex_unlock(&workers->lock);

  /* Nobody posts any more, so the array no longer changes. */
  for (guint i = 0; i < workers->threads->len; i++) bh_thread_join(workers->threads->pdata[i]);
  g_ptr_array_unref(workers->threads);
  bh_cond_clear(&workers->changed);
  bh_mutex_clear(&workers->lock);
  g_free(workers);
}
