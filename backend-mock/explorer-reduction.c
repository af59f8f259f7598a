#include "explorer-reduction.h"

#include <string.h>

#define MAX_THREADS BH_SCHEDULER_MAX_THREADS
#define NONE        G_MAXUINT

/* How far each thread has come: it has made so many transitions. */
typedef struct {
  guint16 at[MAX_THREADS];
} Clock;

/* What a thread does from one choice point to the next. Its first step is the one that others may be in a race with. */
typedef struct {
  guint8 thread;
  guint8 kind;   /* of the first step */
  guint16 count; /* it is its thread's count-th, from 1 */
  guint node;    /* the choice before it; NONE: there was no other option */
  guint before;  /* the last one that touched the same object; NONE */
  guint release; /* of the mutex that it took: the transition in which that happened; else this one */
  guint block;   /* where its thread was last switched to, this one apart; NONE: nowhere */
} Transition;

typedef struct {
  gconstpointer address;
  guint round; /* of the reduction; an older one: not met yet */
  guint last;  /* the transition that touched it last; NONE */
  Clock clock;
} Object;

#define OBJECTS 1024 /* a power of two; far more than there are locks and conditions in a protocol */

struct BhReduction {
  gboolean bounded;
  guint round;
  guint threads;
  GArray *transitions; /* Transition */
  Clock clocks[MAX_THREADS];
  Clock
      passed; /* all that was before the time passed last; part of a thread's clock from its next transition on */
  Object objects[OBJECTS];
};

/* ---- Clocks -------------------------------------------------------------------------------------------- */

static void join(Clock *clock, const Clock *other, guint threads) {
  for (guint i = 0; i < threads; i++) clock->at[i] = MAX(clock->at[i], other->at[i]);
}

static Object *find_object(BhReduction *reduction, gconstpointer address) {
  guint slot = (guint)(((guintptr)address >> 3) * 2654435761u) % OBJECTS;
  Object *object = &reduction->objects[slot];

  for (guint met = 0; object->round == reduction->round && object->address != address; met++) {
    g_assert(met < OBJECTS);
    object = &reduction->objects[slot = (slot + 1) % OBJECTS];
  }
  if (object->round != reduction->round)
    *object = (Object){.address = address, .round = reduction->round, .last = NONE};
  return object;
}

/* What a thread was about to do could have come before that. */
static void time_passes(BhReduction *reduction) {
  for (guint i = 0; i < reduction->threads; i++)
    join(&reduction->passed, &reduction->clocks[i], reduction->threads);
}

/* ---- Races --------------------------------------------------------------------------------------------- */

/* Let thread go first, at that choice; if it could not go on there, any other may lead to where it can. */
static void note_alternative(GArray *nodes, guint index, guint thread) {
  BhNode *node;
  guint64 options = G_MAXUINT64;

  if (index == NONE) return;
  node = &g_array_index(nodes, BhNode, index);
  for (guint i = 0; i < node->count; i++)
    if (node->thread[i] == thread) options = G_GUINT64_CONSTANT(1) << i;
  node->todo |= options & node->allowed & ~node->done;
}

static void note_race(BhReduction *reduction, GArray *nodes, const Transition *earlier, guint thread) {
  note_alternative(nodes, earlier->node, thread);
  if (reduction->bounded && earlier->block != NONE)
    note_alternative(nodes, g_array_index(reduction->transitions, Transition, earlier->block).node, thread);
}

/* Two that begin to wait may do so in either order. */
static gboolean commute(const Transition *one, const Transition *other) {
  return one->kind == BH_STEP_WAIT && other->kind == BH_STEP_WAIT;
}

static gboolean is_before(const Transition *transition, const Clock *clock) {
  return clock->at[transition->thread] >= transition->count;
}

/* The transitions that touched an object are in order among themselves, so the first that is in order with the thread ends
 * the search.
 *
 * A release and a lock cannot come in the other order; but where others run into a held lock they stop at no cost, so under a
 * bound the choice before the release leads to states that no other does. */
static void look_for_races(BhReduction *reduction, GArray *nodes, const Transition *transition) {
  const Clock *clock = &reduction->clocks[transition->thread];
  guint index = transition->before;

  while (index != NONE) {
    const Transition *earlier = &g_array_index(reduction->transitions, Transition, index);
    const Transition *release = &g_array_index(reduction->transitions, Transition, earlier->release);
    if (is_before(release, clock)) break;
    if (reduction->bounded && release != earlier) note_race(reduction, nodes, release, transition->thread);
    if (!is_before(earlier, clock) && !commute(earlier, transition))
      note_race(reduction, nodes, earlier, transition->thread);
    index = earlier->before;
  }
}

/* ---- The trace, step by step --------------------------------------------------------------------------- */

static gboolean begins_transition(const BhStep *step) {
  return step->kind != BH_STEP_UNLOCK && step->kind != BH_STEP_NOTE && step->kind != BH_STEP_END &&
         step->kind != BH_STEP_CLOCK;
}

/* What the step is about, if others may be in a race for it. */
static gconstpointer contended(const BhStep *step) {
  switch (step->kind) {
    case BH_STEP_LOCK:
    case BH_STEP_WAKE:
    case BH_STEP_TIME_OUT:
    case BH_STEP_WAIT:
    case BH_STEP_SIGNAL:
    case BH_STEP_BROADCAST: return step->object;
    default: return NULL;
  }
}

/* Of the transition that is the last so far: it was chosen at no cost. Its thread need not be another than before: if all
 * were blocked until the time passed, the one that blocked last may be the one that goes on. */
static gboolean begins_block(const GArray *transitions, const GArray *nodes) {
  const Transition *last = &g_array_index(transitions, Transition, transitions->len - 1);

  if (transitions->len == 1 || (last - 1)->thread != last->thread) return TRUE;
  return last->node != NONE && g_array_index(nodes, BhNode, last->node).kind == BH_CHOICE_GOES_ON;
}

/* The last transition, before this one, with which a thread was switched to. */
static guint find_block(const GArray *transitions, const GArray *nodes) {
  if (transitions->len == 0) return NONE;
  if (begins_block(transitions, nodes)) return transitions->len - 1;
  return g_array_index(transitions, Transition, transitions->len - 1).block;
}

/* An end and a join cannot come in the other order either; but whoever joins before the end stops at no cost. */
static void look_for_end(BhReduction *reduction, GArray *nodes, const BhStep *join_step) {
  for (guint i = reduction->transitions->len; reduction->bounded && i-- > 0;) {
    const Transition *last = &g_array_index(reduction->transitions, Transition, i);
    if (last->thread != join_step->count) continue;
    if (!is_before(last, &reduction->clocks[join_step->thread]))
      note_race(reduction, nodes, last, join_step->thread);
    return;
  }
}

static void begin_transition(BhReduction *reduction, GArray *nodes, const BhStep *step, guint node) {
  Clock *clock = &reduction->clocks[step->thread];
  gconstpointer address = contended(step);
  Object *object = address != NULL ? find_object(reduction, address) : NULL;
  Transition transition = {.thread = step->thread,
                           .kind = step->kind,
                           .count = (guint16)(clock->at[step->thread] + 1),
                           .node = node,
                           .before = object != NULL ? object->last : NONE,
                           .release = reduction->transitions->len,
                           .block = find_block(reduction->transitions, nodes)};

  if (!step->left) look_for_races(reduction, nodes, &transition);
  if (step->kind == BH_STEP_JOIN) look_for_end(reduction, nodes, step);
  join(clock, &reduction->passed, reduction->threads);
  clock->at[step->thread] = transition.count;
  if (object != NULL) {
    join(clock, &object->clock, reduction->threads);
    object->last = reduction->transitions->len;
    if (step->kind == BH_STEP_WAIT || step->kind == BH_STEP_SIGNAL || step->kind == BH_STEP_BROADCAST)
      object->clock = *clock;
  }
  g_array_append_val(reduction->transitions, transition);
}

/* In the transition that is the last so far. */
static void release(BhReduction *reduction, gconstpointer mutex, const Clock *clock) {
  Object *object = find_object(reduction, mutex);

  object->clock = *clock;
  if (object->last != NONE)
    g_array_index(reduction->transitions, Transition, object->last).release = reduction->transitions->len - 1;
}

/* What the step makes known to others. */
static void publish(BhReduction *reduction, const BhStep *step) {
  Clock *clock = &reduction->clocks[step->thread];

  if (step->kind == BH_STEP_UNLOCK) release(reduction, step->object, clock);
  if (step->kind == BH_STEP_WAIT) release(reduction, step->mutex, clock);
  if (step->kind == BH_STEP_SPAWN) reduction->clocks[step->count] = *clock;
  if (step->kind == BH_STEP_JOIN) join(clock, &reduction->clocks[step->count], reduction->threads);
  if (step->kind == BH_STEP_CLOCK) time_passes(reduction);
}

static void start_round(BhReduction *reduction) {
  reduction->round++;
  reduction->threads = bh_scheduler_thread_count();
  memset(reduction->clocks, 0, reduction->threads * sizeof(Clock));
  reduction->passed = (Clock){{0}};
  g_array_set_size(reduction->transitions, 0);
}

void bh_reduction_look(BhReduction *reduction, GArray *nodes) {
  guint count, next = 0;
  const BhStep *steps = bh_scheduler_steps(&count);

  start_round(reduction);
  for (guint i = 0; i < count; i++) {
    guint node = NONE;
    if (begins_transition(&steps[i])) {
      for (; next < nodes->len && g_array_index(nodes, BhNode, next).step <= i; next++)
        if (g_array_index(nodes, BhNode, next).kind != BH_CHOICE_IS_SIGNALLED) node = next;
      begin_transition(reduction, nodes, &steps[i], node);
    }
    publish(reduction, &steps[i]);
  }
}

BhReduction *bh_reduction_new(gboolean bounded) {
  BhReduction *reduction = g_new0(BhReduction, 1);
  reduction->bounded = bounded;
  reduction->transitions = g_array_new(FALSE, FALSE, sizeof(Transition));
  return reduction;
}

void bh_reduction_free(BhReduction *reduction) {
  g_array_unref(reduction->transitions);
  g_free(reduction);
}
