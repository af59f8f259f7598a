/* activity-queue.h: the thread on which a guest's VM or a backend's host tells of its activity, and what waits to be told.
 *
 * For implementations of guest.h and backend.h that see what happens on threads which cannot wait for whoever is told.
 *
 *   bh_activity_queue_init(&queue, &vm->lock, events->activity, vm->data);
 *   bh_mutex_lock(&vm->lock);
 *   if (bh_activity_queue_start(&queue)) …                    when it is first asked to watch
 *   bh_activity_queue_push(&queue, &exited);                  told some time, in this order
 *   result = bh_activity_queue_ask(&queue, &created);         waits for its turn, and for the answer
 *
 * Threading: it has no lock of its own, but its owner's, so that what is queued and what the owner knows agree: every function
 * is called with that lock held, but init, start's thread's end (stop) and clear. The thread holds no lock while it tells. */
#pragma once

#include "activity.h"
#include "sync.h"

G_BEGIN_DECLS

typedef BhResult (*BhActivityFunc)(gpointer data, const BhActivity *activity);

typedef struct {
  BhMutex *lock;  /* the owner's; guards all below */
  BhCond changed; /* something was queued, answered or dropped, or stopping was set */
  BhActivityFunc tell;
  gpointer data;
  GQueue waiting;   /* what is to be told */
  BhThread *thread; /* NULL: it was not started */
  gboolean stopping;
} BhActivityQueue;

void bh_activity_queue_init(BhActivityQueue *queue, BhMutex *lock, BhActivityFunc tell, gpointer data);

/* Begins the thread, if there is none. lowest: see bh_thread_new; whoever waits for the owner's end waits for the thread. FALSE:
 * none can be had. */
gboolean bh_activity_queue_start(BhActivityQueue *queue, BhLockRank lowest);

/* Copies activity. */
void bh_activity_queue_push(BhActivityQueue *queue, const BhActivity *activity);

/* Likewise, and returns what it is answered: BH_OK, if it was dropped. The lock is released meanwhile. */
BhResult bh_activity_queue_ask(BhActivityQueue *queue, const BhActivity *activity);

/* What waits is not told: all of it, or what is of threads. */
void bh_activity_queue_drop(BhActivityQueue *queue, gboolean threads_only);

/* Without the lock: tells what waits, and ends the thread. Nothing is queued any more, but by what is told. */
void bh_activity_queue_stop(BhActivityQueue *queue);
void bh_activity_queue_clear(BhActivityQueue *queue);

G_END_DECLS
