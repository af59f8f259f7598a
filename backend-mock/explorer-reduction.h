/* explorer-reduction.h: which other schedules are worth trying, after one has been.
 *
 * Two steps of different threads are *in a race* if they touch the same object, could have come in the other order, and no
 * chain of other steps orders them. For each race there must be a schedule in which the other thread goes first: it is
 * noted at the choice before the earlier step. Under a bound that schedule may cost a preemption too many, so the other
 * thread is noted as well where the earlier step's thread was switched to, at which it may cost none ("conservative
 * backtrack point").
 *
 *   schedule       main: lock q   main: unlock q   worker: lock q
 *                  ▲    ▲                             │
 *                  │    └── in a race with ───────────┘
 *                  └─ here: try worker first
 *
 * A release and a lock cannot come in the other order, nor can an end and a join; but whoever runs into a held lock, or joins
 * a thread that has not ended, stops at no cost. Under a bound they count as a race, therefore.
 *
 * The order is kept in vector clocks, per thread and per object. That time passes orders all before with all after. */
#pragma once

#include "scheduler.h"

/* A choice of the present schedule. Sets are of options, a bit each. */
typedef struct {
  BhChoiceKind kind;
  guint step;      /* of the trace, which this choice was made before */
  guint64 allowed; /* by the bound */
  guint64 done;    /* tried, or being so */
  guint64 todo;
  guint8 chosen;
  guint8 count;
  guint8 thread[BH_SCHEDULER_MAX_THREADS];
} BhNode;

typedef struct BhReduction BhReduction;

BhReduction *bh_reduction_new(gboolean bounded);
void bh_reduction_free(BhReduction *reduction);

/* Looks at the execution that has just ended, and adds to the todo of nodes (BhNode). */
void bh_reduction_look(BhReduction *reduction, GArray *nodes);
