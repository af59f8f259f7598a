/* The reduction is sound under the bound: with and without it, the same states are reached. */
#include "same-states.h"

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

/* --- Left to the end --------------------------------------------------------------------------------------------- */

typedef struct {
  Shared shared;
  GQueue asking;  /* Guest */
  GString *order; /* of what others can tell apart */
  const char *how;
} Counter;

typedef struct {
  Counter *counter;
  BhThread *thread;
  BhCond served;
  gboolean is_served;
} Guest;

/* Asks, waits to be served, and goes. */
static gpointer ask(gpointer data) {
  Guest *guest = data;
  Counter *counter = guest->counter;

  bh_mutex_lock(&counter->shared.inner);
  g_string_append_printf(counter->order, "%u asks ", (guint)bh_thread_number());
  g_queue_push_tail(&counter->asking, guest);
  bh_cond_signal(&counter->shared.changed);
  while (!guest->is_served) bh_cond_wait(&guest->served, &counter->shared.inner);
  bh_mutex_unlock(&counter->shared.inner);
  return NULL;
}

static void serve_one(Counter *counter) {
  Guest *guest;

  bh_mutex_lock(&counter->shared.inner);
  while (g_queue_is_empty(&counter->asking)) bh_cond_wait(&counter->shared.changed, &counter->shared.inner);
  guest = g_queue_pop_head(&counter->asking);
  g_string_append(counter->order, "served ");
  if (!g_str_equal(counter->how, "as they come")) bh_scheduler_leave_to_the_end(guest->thread);
  guest->is_served = TRUE;
  if (!g_str_equal(counter->how, "forgotten")) bh_cond_signal(&guest->served);
  bh_mutex_unlock(&counter->shared.inner);
}

static void guests_and_a_counter(gconstpointer how) {
  Counter counter = {.asking = G_QUEUE_INIT, .order = g_string_new(NULL), .how = how};
  Guest guests[3] = {{.counter = &counter}, {.counter = &counter}, {.counter = &counter}};

  init(&counter.shared);
  for (guint i = 0; i < G_N_ELEMENTS(guests); i++) {
    bh_cond_init(&guests[i].served);
    guests[i].thread = bh_thread_new("guest", BH_RANK_LEAF, ask, &guests[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS(guests); i++) serve_one(&counter);
  for (guint i = 0; i < G_N_ELEMENTS(guests); i++) {
    bh_thread_join(guests[i].thread);
    bh_cond_clear(&guests[i].served);
  }
  bh_explore_outcome("%s", counter.order->str);
  g_string_free(counter.order, TRUE);
  clear(&counter.shared);
}

static void leaving_to_the_end_loses_nothing(void) {
  const BhProtocol all = {.name = "all", .run = guests_and_a_counter, .data = "as they come"},
                   fewer = {.name = "fewer", .run = guests_and_a_counter, .data = "left to the end"};

  for (guint bound = 0; bound <= 2; bound++) {
    const BhExploreOptions options = {.bound = bound};
    g_auto(BhExploreReport) one = {0}, other = {0};

    bh_explore_bounded(&all, &options, &one);
    bh_explore_bounded(&fewer, &options, &other);
    g_assert_true(one.complete && other.complete);
    g_test_message("bound %u: %" G_GUINT64_FORMAT " schedules, %" G_GUINT64_FORMAT " with threads left to the end",
                   bound, one.schedules, other.schedules);
    g_assert_cmpuint(other.schedules, <, one.schedules);
    assert_subset(one.outcomes, other.outcomes, "left to the end");
    assert_subset(other.outcomes, one.outcomes, "as they come");
  }
}

static void what_is_left_to_the_end_has_to_come(void) {
  const BhProtocol forgotten = {.name = "forgotten", .run = guests_and_a_counter, .data = "forgotten"};
  const BhExploreOptions options = {.bound = 0};
  g_auto(BhExploreReport) report = {0};

  bh_explore_bounded(&forgotten, &options, &report);
  g_assert_nonnull(report.finding);
  g_test_message("%s", report.finding);
  g_assert_true(strstr(report.finding, "guest") != NULL);
}

int main(int argc, char **argv) {
  static const BhProtocol same_states[] = {
      {.name = "guests-as-they-come", .run = guests_and_a_counter, .data = "as they come", .bound = 2},
      {.name = "guests-left-to-the-end", .run = guests_and_a_counter, .data = "left to the end", .bound = 2},
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
    g_test_add_data_func(path, &same_states[i], assert_same_states);
  }
  g_test_add_func("/reduction/leaving-to-the-end-loses-nothing", leaving_to_the_end_loses_nothing);
  g_test_add_func("/reduction/what-is-left-to-the-end-has-to-come", what_is_left_to_the_end_has_to_come);
  return g_test_run();
}
