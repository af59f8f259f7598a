/* gate.h: lets a test decide when a thread goes on, and learn when it got somewhere.
 *
 *   bh_gate_open(&gate)     once; from then on
 *   bh_gate_pass(&gate)     returns at once; until then it waits
 *
 * To know that a call *is queued*, have a sync observer open a gate when the thread begins to wait (BhSyncObserver.wait). */
#pragma once

#include "core/sync.h"

/* Above all others: a thread may come to a gate with any lock held, and takes none inside. */
static const BhLockClass bh_gate_class = {"gate", (BhLockRank)(BH_RANK_LEAF + 1), FALSE};

typedef struct {
  BhMutex lock;
  BhCond opened;
  guint passes; /* how many may still pass; G_MAXUINT: all */
} BhGate;

static inline void bh_gate_init(BhGate *gate) {
  bh_mutex_init(&gate->lock, &bh_gate_class);
  bh_cond_init(&gate->opened);
  gate->passes = 0;
}

static inline void bh_gate_clear(BhGate *gate) {
  bh_cond_clear(&gate->opened);
  bh_mutex_clear(&gate->lock);
}

/* All may pass from now on. */
static inline void bh_gate_open(BhGate *gate) {
  bh_mutex_lock(&gate->lock);
  gate->passes = G_MAXUINT;
  bh_cond_broadcast(&gate->opened);
  bh_mutex_unlock(&gate->lock);
}

/* One more may pass. */
static inline void bh_gate_let_one(BhGate *gate) {
  bh_mutex_lock(&gate->lock);
  if (gate->passes < G_MAXUINT) gate->passes++;
  bh_cond_broadcast(&gate->opened);
  bh_mutex_unlock(&gate->lock);
}

static inline void bh_gate_pass(BhGate *gate) {
  bh_mutex_lock(&gate->lock);
  while (gate->passes == 0) bh_cond_wait(&gate->opened, &gate->lock);
  if (gate->passes < G_MAXUINT) gate->passes--;
  bh_mutex_unlock(&gate->lock);
}
