/* The reduction is sound under the bound for programs that nobody has thought of: threads that each do a few things, made at
 * random, to two locks and three conditions, to the clock and to threads of their own. What each lock saw, in its order, is
 * the state.
 *
 *   test-random-programs --seed R02S… -m thorough       20,000 instead of 120 */
#include "same-states.h"

typedef enum {
  USE_OUTER,
  USE_INNER,
  NEST,
  NEST_AND_SIGNAL,
  SIGNAL,       /* without the lock, so that its order counts */
  SIGNAL_OTHER, /* likewise */
  SIGNAL_INSIDE,
  BROADCAST,
  BROADCAST_INSIDE,
  WAIT_A_WHILE,
  WAIT_A_WHILE_HOLDING,
  WAIT_A_WHILE_FOR_OTHER,
  WAIT_A_WHILE_OUTSIDE, /* with the outer lock, for the outer condition */
  SIGNAL_OUTSIDE,
  TAKE_A_TOKEN, /* waits as long as it takes */
  GIVE_A_TOKEN,
  USE_ONE_OR_BOTH, /* depends on what the outer lock saw */
  LOOK_AT_THE_CLOCK,
  SPAWN, /* a thread that does the thing after the next; it is joined by the next JOIN, or at the end */
  JOIN,
  OPERATIONS
} Operation;

#define PARTS  3
#define LENGTH 5

typedef struct {
  Operation operations[PARTS][LENGTH];
  guint parts, length;
} Program;

typedef struct {
  const Program *program;
  Shared shared;
  BhCond other, outside;
  GString *outer, *inner; /* what they saw */
} Machine;

typedef struct Part Part;
struct Part {
  Machine *machine;
  guint number;
  char name;
  guint first; /* of its operations */
  guint last;
  BhThread *thread; /* that it has spawned */
  Part *child;      /* that runs there */
};

static void use(BhMutex *lock, GString *saw, const Part *part, guint step) {
  bh_mutex_lock(lock);
  g_string_append_printf(saw, "%c%u", part->name, step);
  bh_mutex_unlock(lock);
}

static void wait_a_while(const Part *part, guint step, BhCond *cond, BhMutex *lock, GString *saw) {
  gint64 deadline = bh_clock_deadline(1000 * ((part->number + step) % 3)); /* for the first, now */
  gboolean in_time;

  bh_mutex_lock(lock);
  in_time = bh_cond_wait_until(cond, lock, deadline);
  g_string_append_printf(saw, "%c%u%s", part->name, step, in_time ? "+" : "-");
  bh_mutex_unlock(lock);
}

static void take_a_token(Machine *machine, const Part *part, guint step) {
  bh_mutex_lock(&machine->shared.inner);
  while (machine->shared.value == 0) bh_cond_wait(&machine->shared.changed, &machine->shared.inner);
  machine->shared.value--;
  g_string_append_printf(machine->inner, "%c%u", part->name, step);
  bh_mutex_unlock(&machine->shared.inner);
}

static void give_a_token(Machine *machine) {
  bh_mutex_lock(&machine->shared.inner);
  machine->shared.value++;
  bh_mutex_unlock(&machine->shared.inner);
  bh_cond_broadcast(&machine->shared.changed);
}

static void use_one_or_both(Machine *machine, const Part *part, guint step) {
  gboolean both;

  bh_mutex_lock(&machine->shared.outer);
  both = machine->outer->len % 4 == 0;
  g_string_append_printf(machine->outer, "%c%u", part->name, step);
  bh_mutex_unlock(&machine->shared.outer);
  if (both) use(&machine->shared.inner, machine->inner, part, step);
}

static void look_at_the_clock(Machine *machine, const Part *part, guint step) {
  bh_mutex_lock(&machine->shared.inner);
  g_string_append_printf(machine->inner, "%c%u@%d ", part->name, step, (int)(bh_clock_now() % G_USEC_PER_SEC));
  bh_mutex_unlock(&machine->shared.inner);
}

static void signal_inside(Machine *machine, gboolean all) {
  bh_mutex_lock(&machine->shared.inner);
  if (all)
    bh_cond_broadcast(&machine->shared.changed);
  else
    bh_cond_signal(&machine->shared.changed);
  bh_mutex_unlock(&machine->shared.inner);
}

static gpointer run_part(gpointer data);

static void join_child(Part *part) {
  if (part->thread == NULL) return;
  bh_thread_join(part->thread);
  g_free(part->child);
  part->thread = NULL;
}

static void spawn(Part *part, guint step) {
  join_child(part);
  if (step + 2 >= part->last) return;
  part->child = g_new(Part, 1);
  *part->child = (Part){part->machine, part->number, (char)(part->name + PARTS), step + 2, step + 3, NULL, NULL};
  part->thread = bh_thread_new("child", BH_RANK_MANAGER, run_part, part->child);
}

static void operate(Part *part, guint step) {
  Machine *machine = part->machine;
  Shared *shared = &machine->shared;
  Operation operation = machine->program->operations[part->number][step];
  gboolean nested = operation == NEST || operation == NEST_AND_SIGNAL || operation == WAIT_A_WHILE_HOLDING;

  if (nested) bh_mutex_lock(&shared->outer);
  switch (operation) {
    case USE_OUTER: use(&shared->outer, machine->outer, part, step); break;
    case SIGNAL: bh_cond_signal(&shared->changed); break;
    case SIGNAL_OTHER: bh_cond_signal(&machine->other); break;
    case SIGNAL_INSIDE: signal_inside(machine, FALSE); break;
    case BROADCAST: bh_cond_broadcast(&shared->changed); break;
    case BROADCAST_INSIDE: signal_inside(machine, TRUE); break;
    case WAIT_A_WHILE:
    case WAIT_A_WHILE_HOLDING: wait_a_while(part, step, &shared->changed, &shared->inner, machine->inner); break;
    case WAIT_A_WHILE_FOR_OTHER: wait_a_while(part, step, &machine->other, &shared->inner, machine->inner); break;
    case WAIT_A_WHILE_OUTSIDE: wait_a_while(part, step, &machine->outside, &shared->outer, machine->outer); break;
    case SIGNAL_OUTSIDE: bh_cond_signal(&machine->outside); break;
    case TAKE_A_TOKEN: take_a_token(machine, part, step); break;
    case GIVE_A_TOKEN: give_a_token(machine); break;
    case USE_ONE_OR_BOTH: use_one_or_both(machine, part, step); break;
    case LOOK_AT_THE_CLOCK: look_at_the_clock(machine, part, step); break;
    case SPAWN: spawn(part, step); break;
    case JOIN: join_child(part); break;
    default: use(&shared->inner, machine->inner, part, step);
  }
  if (operation == NEST_AND_SIGNAL) bh_cond_signal(&shared->changed);
  if (nested) bh_mutex_unlock(&shared->outer);
}

static gpointer run_part(gpointer data) {
  Part *part = data;

  for (guint step = part->first; step < part->last; step++) operate(part, step);
  join_child(part);
  return NULL;
}

static void run_program(gconstpointer data) {
  const Program *program = data;
  Machine machine = {.program = program, .outer = g_string_new(NULL), .inner = g_string_new(NULL)};
  BhThread *threads[PARTS];
  Part parts[PARTS];

  init(&machine.shared);
  bh_cond_init(&machine.other);
  bh_cond_init(&machine.outside);
  for (guint i = 0; i < program->parts; i++)
    parts[i] = (Part){&machine, i, (char)('a' + i), 0, program->length, NULL, NULL};
  for (guint i = 1; i < program->parts; i++)
    threads[i] = bh_thread_new("part", BH_RANK_MANAGER, run_part, &parts[i]);
  run_part(&parts[0]);
  for (guint i = 1; i < program->parts; i++) bh_thread_join(threads[i]);
  bh_explore_outcome("%s %s", machine.outer->str, machine.inner->str);
  g_string_free(machine.outer, TRUE);
  g_string_free(machine.inner, TRUE);
  bh_cond_clear(&machine.other);
  bh_cond_clear(&machine.outside);
  clear(&machine.shared);
}

/* Shorter ones of three threads, longer ones of two. */
static Program make_program(void) {
  guint parts = (guint)g_test_rand_int_range(2, PARTS + 1);
  Program program = {.parts = parts, .length = (guint)g_test_rand_int_range(1, parts == 2 ? LENGTH + 1 : 4)};

  for (guint part = 0; part < parts; part++)
    for (guint step = 0; step < program.length; step++)
      program.operations[part][step] = (Operation)g_test_rand_int_range(0, OPERATIONS);
  return program;
}

static void print_program(const Program *program) {
  for (guint part = 0; part < program->parts; part++) {
    g_autoptr(GString) line = g_string_new(NULL);
    for (guint step = 0; step < program->length; step++)
      g_string_append_printf(line, " %d", (int)program->operations[part][step]);
    g_test_message("thread %c:%s", 'a' + part, line->str);
  }
}

/* Found this way. Two threads are blocked, the time passes, and the one that ran last goes on, as it was chosen to: there the
 * other one could have been, at no cost. */
static const Program time_passes = {
    .operations = {{LOOK_AT_THE_CLOCK, WAIT_A_WHILE_OUTSIDE, USE_OUTER, TAKE_A_TOKEN},
                   {WAIT_A_WHILE_FOR_OTHER, GIVE_A_TOKEN, BROADCAST, USE_ONE_OR_BOTH}},
    .parts = 2,
    .length = 4};

/* Who joins before the end stops at no cost. */
static const Program join_before_the_end = {
    .operations = {{SPAWN, BROADCAST, JOIN, WAIT_A_WHILE},
                   {USE_OUTER, WAIT_A_WHILE_HOLDING, BROADCAST, BROADCAST}},
    .parts = 2,
    .length = 4};

static void known_programs_reach_the_same_states(gconstpointer program) {
  const BhProtocol protocol = {.name = "known", .run = run_program, .data = program, .bound = 3};
  assert_same_states(&protocol);
}

static void random_programs_reach_the_same_states(void) {
  for (guint i = 0; i < (g_test_thorough() ? 20000 : 120); i++) {
    Program program = make_program();
    const BhProtocol protocol = {
        .name = "random", .run = run_program, .data = &program, .bound = BH_EXPLORE_NO_BOUND};
    print_program(&program);
    assert_same_states(&protocol);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_data_func("/random-programs/time-passes", &time_passes, known_programs_reach_the_same_states);
  g_test_add_data_func("/random-programs/join-before-the-end", &join_before_the_end,
                       known_programs_reach_the_same_states);
  g_test_add_func("/random-programs/same-states", random_programs_reach_the_same_states);
  return g_test_run();
}
