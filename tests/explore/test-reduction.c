/* The reduction is sound under the bound: with and without it, the same states are reached. */
#include "shared.h"

#include <string.h>

/* Who came first, second, third, to one lock; with another lock in between that all of them take as well. */
typedef struct {
  Shared shared;
  char order[16];
} Order;

typedef struct {
  Order *order;
  char name;
} Entrant;

static gpointer enter(gpointer data) {
  Entrant *entrant = data;
  Order *order = entrant->order;

  for (guint i = 0; i < 2; i++) {
    bh_mutex_lock(&order->shared.outer);
    order->order[strlen(order->order)] = entrant->name;
    bh_mutex_unlock(&order->shared.outer);
    bh_mutex_lock(&order->shared.inner);
    order->shared.value = order->shared.value * 2 + (entrant->name == 'a');
    bh_mutex_unlock(&order->shared.inner);
  }
  return NULL;
}

static void order_of_entrants(gconstpointer data) {
  Order order = {.order = ""};
  Entrant entrants[3] = {{&order, 'a'}, {&order, 'b'}, {&order, 'c'}};
  guint count = GPOINTER_TO_UINT(data);
  BhThread *threads[3];

  init(&order.shared);
  for (guint i = 0; i < count; i++) threads[i] = bh_thread_new("entrant", BH_RANK_MANAGER, enter, &entrants[i]);
  for (guint i = 0; i < count; i++) bh_thread_join(threads[i]);
  bh_explore_outcome("%s %u", order.order, order.shared.value);
  clear(&order.shared);
}

/* A queue of one place: what each reader got. */
typedef struct {
  Shared shared;
  BhCond space;
  GString *got;
} Place;

static gpointer put_three(gpointer data) {
  Place *place = data;

  for (guint i = 1; i <= 3; i++) {
    bh_mutex_lock(&place->shared.inner);
    while (place->shared.value != 0) bh_cond_wait(&place->space, &place->shared.inner);
    place->shared.value = i;
    bh_cond_signal(&place->shared.changed);
    bh_mutex_unlock(&place->shared.inner);
  }
  bh_mutex_lock(&place->shared.inner);
  place->shared.flag = TRUE;
  bh_cond_broadcast(&place->shared.changed);
  bh_mutex_unlock(&place->shared.inner);
  return NULL;
}

static gpointer get_all(gpointer data) {
  Place *place = data;
  guint value;

  do {
    bh_mutex_lock(&place->shared.inner);
    while (place->shared.value == 0 && !place->shared.flag)
      bh_cond_wait(&place->shared.changed, &place->shared.inner);
    value = place->shared.value;
    place->shared.value = 0;
    if (value != 0) g_string_append_printf(place->got, "%u%u ", value, (guint)bh_thread_number());
    bh_mutex_unlock(&place->shared.inner);
    bh_cond_signal(&place->space); /* without the lock, so that its order counts */
  } while (value != 0);
  return NULL;
}

static void readers_and_a_writer(gconstpointer data) {
  Place place = {.got = g_string_new(NULL)};
  BhThread *readers[2], *writer;

  (void)data;
  init(&place.shared);
  bh_cond_init(&place.space);
  for (guint i = 0; i < 2; i++) readers[i] = bh_thread_new("reader", BH_RANK_LEAF, get_all, &place);
  writer = bh_thread_new("writer", BH_RANK_LEAF, put_three, &place);
  bh_thread_join(writer);
  for (guint i = 0; i < 2; i++) bh_thread_join(readers[i]);
  bh_explore_outcome("%s", place.got->str);
  g_string_free(place.got, TRUE);
  bh_cond_clear(&place.space);
  clear(&place.shared);
}

/* Deadlines: whether the waiter was in time depends on nothing but the order. */
static gpointer wait_a_second(gpointer data) {
  Shared *shared = data;
  gboolean in_time = TRUE;

  bh_mutex_lock(&shared->inner);
  while (!shared->flag && in_time)
    in_time = bh_cond_wait_until(&shared->changed, &shared->inner, bh_clock_deadline(G_USEC_PER_SEC));
  shared->value = shared->value * 16 + (guint)bh_thread_number() * 2 + in_time;
  bh_mutex_unlock(&shared->inner);
  return NULL;
}

/* The others have waited from the first moment on, or from now. */
static gpointer set_after_a_second(gpointer data) {
  Shared *shared = data;

  wait_a_second(shared);
  return set_flag(shared);
}

static void deadlines(gconstpointer data) {
  BhThread *thread;
  Shared shared;

  (void)data;
  init(&shared);
  thread = bh_thread_new("three", BH_RANK_LEAF, wait_a_second, &shared);
  run_both(&shared, wait_a_second, set_after_a_second);
  bh_thread_join(thread);
  bh_explore_outcome("%u", shared.value);
  clear(&shared);
}

static void assert_subset(GHashTable *part, GHashTable *whole, const char *what) {
  GHashTableIter iter;
  gpointer outcome;

  g_hash_table_iter_init(&iter, part);
  while (g_hash_table_iter_next(&iter, &outcome, NULL))
    if (!g_hash_table_contains(whole, outcome)) g_error("%s: '%s' is missing", what, (char *)outcome);
}

static void reduction_reaches_the_same_states(gconstpointer data) {
  static const guint bounds[] = {0, 1, 2, 3, 4, BH_EXPLORE_NO_BOUND};
  const BhProtocol *protocol = data;

  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    BhExploreOptions options = {
        .bound = bounds[i], .whole = TRUE, .until = g_get_monotonic_time() + 20 * G_USEC_PER_SEC};
    g_auto(BhExploreReport) whole = {0}, reduced = {0};
    if (bounds[i] > protocol->bound) break;
    bh_explore_bounded(protocol, &options, &whole);
    g_assert_true(whole.complete);
    options.whole = FALSE;
    bh_explore_bounded(protocol, &options, &reduced);
    g_assert_true(reduced.complete);
    g_test_message("%s, bound %d: %" G_GUINT64_FORMAT " schedules, reduced %" G_GUINT64_FORMAT ", %u states",
                   protocol->name, (int)bounds[i], whole.schedules, reduced.schedules,
                   g_hash_table_size(whole.outcomes));
    assert_subset(whole.outcomes, reduced.outcomes, "reduced");
    assert_subset(reduced.outcomes, whole.outcomes, "whole");
  }
}

/* Programs made at random: three threads that each do a few things to two locks and two conditions. What each lock saw, in
 * its order, is the state. */
typedef enum {
  USE_OUTER,
  USE_INNER,
  NEST,
  NEST_AND_SIGNAL,
  SIGNAL,
  BROADCAST,
  WAIT_A_WHILE,
  WAIT_A_WHILE_HOLDING,
  OPERATIONS
} Operation;

#define PARTS 3

typedef struct {
  Operation operations[PARTS][4];
  guint length;
} Program;

typedef struct {
  const Program *program;
  Shared shared;
  GString *outer, *inner; /* what they saw */
} Machine;

typedef struct {
  Machine *machine;
  guint number;
} Part;

static void use(BhMutex *lock, GString *saw, const Part *part, guint step) {
  bh_mutex_lock(lock);
  g_string_append_printf(saw, "%c%u", 'a' + part->number, step);
  bh_mutex_unlock(lock);
}

static void wait_a_while(const Part *part, guint step) {
  Machine *machine = part->machine;
  gint64 deadline = bh_clock_deadline(1000 * (part->number + step)); /* for the first, now */
  gboolean in_time;

  bh_mutex_lock(&machine->shared.inner);
  in_time = bh_cond_wait_until(&machine->shared.changed, &machine->shared.inner, deadline);
  g_string_append_printf(machine->inner, "%c%u%s", 'a' + part->number, step, in_time ? "+" : "-");
  bh_mutex_unlock(&machine->shared.inner);
}

static void operate(const Part *part, guint step) {
  Machine *machine = part->machine;
  Shared *shared = &machine->shared;
  Operation operation = machine->program->operations[part->number][step];
  gboolean nested = operation == NEST || operation == NEST_AND_SIGNAL || operation == WAIT_A_WHILE_HOLDING;

  if (nested) bh_mutex_lock(&shared->outer);
  switch (operation) {
    case USE_OUTER: use(&shared->outer, machine->outer, part, step); break;
    case SIGNAL: bh_cond_signal(&shared->changed); break;
    case BROADCAST: bh_cond_broadcast(&shared->changed); break;
    case WAIT_A_WHILE:
    case WAIT_A_WHILE_HOLDING: wait_a_while(part, step); break;
    default: use(&shared->inner, machine->inner, part, step);
  }
  if (operation == NEST_AND_SIGNAL) bh_cond_signal(&shared->changed);
  if (nested) bh_mutex_unlock(&shared->outer);
}

static gpointer run_part(gpointer data) {
  const Part *part = data;
  for (guint step = 0; step < part->machine->program->length; step++) operate(part, step);
  return NULL;
}

static void run_program(gconstpointer data) {
  Machine machine = {.program = data, .outer = g_string_new(NULL), .inner = g_string_new(NULL)};
  BhThread *threads[PARTS];
  Part parts[PARTS];

  init(&machine.shared);
  for (guint i = 0; i < PARTS; i++) parts[i] = (Part){&machine, i};
  for (guint i = 1; i < PARTS; i++) threads[i] = bh_thread_new("part", BH_RANK_MANAGER, run_part, &parts[i]);
  run_part(&parts[0]);
  for (guint i = 1; i < PARTS; i++) bh_thread_join(threads[i]);
  bh_explore_outcome("%s %s", machine.outer->str, machine.inner->str);
  g_string_free(machine.outer, TRUE);
  g_string_free(machine.inner, TRUE);
  clear(&machine.shared);
}

static void random_programs_reach_the_same_states(void) {
  for (guint i = 0; i < (g_test_thorough() ? 2000 : 100); i++) {
    Program program = {.length = (guint)g_test_rand_int_range(1, 4)};
    const BhProtocol protocol = {.name = "random", .run = run_program, .data = &program, .bound = 2};
    for (guint thread = 0; thread < PARTS; thread++)
      for (guint step = 0; step < program.length; step++)
        program.operations[thread][step] = (Operation)g_test_rand_int_range(0, OPERATIONS);
    reduction_reaches_the_same_states(&protocol);
  }
}

int main(int argc, char **argv) {
  static const BhProtocol same_states[] = {
      {.name = "two-entrants",
       .run = order_of_entrants,
       .data = GUINT_TO_POINTER(2),
       .bound = BH_EXPLORE_NO_BOUND},
      {.name = "three-entrants", .run = order_of_entrants, .data = GUINT_TO_POINTER(3), .bound = 3},
      {.name = "readers-and-a-writer", .run = readers_and_a_writer, .bound = 2},
      {.name = "deadlines", .run = deadlines, .bound = 4},
  };

  g_test_init(&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(same_states); i++) {
    g_autofree char *path = g_strconcat("/reduction/", same_states[i].name, NULL);
    g_test_add_data_func(path, &same_states[i], reduction_reaches_the_same_states);
  }
  g_test_add_func("/reduction/random-programs", random_programs_reach_the_same_states);
  return g_test_run();
}
