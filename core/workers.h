/* workers.h: threads that are kept.
 *
 * A blocking call into a host runs on a worker, so that whoever asked for it can do something else meanwhile. A
 * thread costs 0.8 ms to make under Wine, a round trip to a kept one 0.05 ms.
 *
 *   if (!bh_workers_post(workers, notify, job)) return BH_E_OUTOFMEMORY;
 *
 * Guarantees: a posted job begins at once, whatever the other jobs wait for: it gets an idle thread or a new one, and
 * is never queued behind another. That no thread can be had is a result, and then nothing was posted.
 *
 * Threading: any function from any thread. The lock is a leaf, and is not held while a job runs. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

typedef struct BhWorkers BhWorkers;
typedef void (*BhWorkerFunc)(gpointer data);

/* name: of the threads; static. Makes no thread yet. */
BhWorkers *bh_workers_new(const char *name);

/* Runs func(data) on a thread of its own. FALSE: no thread can be had; func will not run. */
gboolean bh_workers_post(BhWorkers *workers, BhWorkerFunc func, gpointer data);

/* Waits for every job, ends the threads, frees workers. Nobody may post any more; the caller holds no lock, as a job may
 * take any. */
void bh_workers_free(BhWorkers *workers);

G_END_DECLS
