/* Random schedules with priorities (PCT): always the thread of the highest one goes on, and at a few random choice points the
 * one that would loses its own. A mistake that takes d such turns is met with a probability of at least 1/(n·k^(d-1)), for n
 * threads and k choice points, however long the schedules are. */
#include "explorer-internal.h"

#define MAX_TURNS 5 /* d-1 */

typedef struct {
  guint64 state;                              /* of the generator */
  guint32 priority[BH_SCHEDULER_MAX_THREADS]; /* 0: none yet */
  guint turns;
  guint turn_at[MAX_TURNS]; /* choice points, any order */
  guint position;
  guint length; /* of a schedule, in choice points: as the last one was */
} Random;

/* splitmix64: any state is a good one. */
static guint64 next_random(Random *random) {
  guint64 z = random->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static guint next_below(Random *random, guint limit) {
  return (guint)(next_random(random) % limit);
}

/* Those of the turns are below all others, the later ones lowest. */
static guint32 priority_of(Random *random, guint thread) {
  if (random->priority[thread] == 0) random->priority[thread] = MAX_TURNS + 1 + next_below(random, G_MAXINT32);
  return random->priority[thread];
}

static guint highest(Random *random, const BhChoice *choice) {
  guint best = 0;

  for (guint i = 1; i < choice->count - choice->spurious; i++)
    if (priority_of(random, choice->thread[i]) > priority_of(random, choice->thread[best])) best = i;
  return best;
}

static guint choose(const BhChoice *choice, gpointer data) {
  Random *random = data;

  if (choice->kind == BH_CHOICE_IS_SIGNALLED) return next_below(random, choice->count);
  if (choice->spurious > 0 && next_below(random, 8) == 0)
    return choice->count - 1 - next_below(random, choice->spurious);
  random->position++;
  for (guint i = 0; i < random->turns; i++)
    if (random->turn_at[i] == random->position) random->priority[choice->thread[highest(random, choice)]] = i + 1;
  return highest(random, choice);
}

/* Seeds that are neighbours have no schedules in common. */
static void begin_schedule(Random *random, guint64 seed, guint64 number) {
  random->state = seed;
  random->state = next_random(random) + number;
  random->position = 0;
  for (guint i = 0; i < BH_SCHEDULER_MAX_THREADS; i++) random->priority[i] = 0;
  random->turns = 1 + next_below(random, MAX_TURNS);
  for (guint i = 0; i < random->turns; i++) random->turn_at[i] = 1 + next_below(random, random->length);
}

void bh_explore_random(const BhProtocol *protocol, const BhExploreOptions *options, guint64 count,
                       guint64 random_seed, BhExploreReport *report) {
  Random random = {.length = 16};
  guint64 i;

  bh_explore_begin(report);
  for (i = 0; i < count && !bh_explore_is_over(options, report); i++) {
    begin_schedule(&random, random_seed, i);
    if (!bh_explore_one(protocol, options, choose, &random, report)) break;
    random.length = MAX(random.position, 1);
  }
  report->complete = i == count;
  bh_explore_end();
}
