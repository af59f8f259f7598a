/* Timers: they come in the order of their deadlines, never before, and not at all once they were called off. */
#include "core/lock-order.h"
#include "core/timers.h"
#include "tests/common/gate.h"

typedef struct {
  BhWorkers *workers;
  BhTimers *timers;
} World;

static World open_world(void) {
  World world = {.workers = bh_workers_new("worker")};

  world.timers = bh_timers_new(world.workers);
  return world;
}

static void close_world(World *world) {
  bh_timers_free(world->timers);
  bh_workers_free(world->workers);
}

/* What a timer leaves behind. */
typedef struct {
  BhGate ran, freed;
  gint64 at;
} Alarm;

static void alarm_init(Alarm *alarm) {
  bh_gate_init(&alarm->ran);
  bh_gate_init(&alarm->freed);
  alarm->at = 0;
}

static void alarm_clear(Alarm *alarm) {
  bh_gate_clear(&alarm->ran);
  bh_gate_clear(&alarm->freed);
}

static void ring(gpointer data) {
  Alarm *alarm = data;

  alarm->at = bh_clock_now();
  bh_gate_open(&alarm->ran);
}

static void note_freed(gpointer data) {
  bh_gate_open(&((Alarm *)data)->freed);
}

static void comes_when_it_is_due(void) {
  World world = open_world();
  gint64 deadline = bh_clock_deadline(20 * 1000);
  Alarm alarm;

  alarm_init(&alarm);
  g_assert_cmpuint(bh_timers_set(world.timers, deadline, ring, &alarm, note_freed), !=, 0);
  bh_gate_pass(&alarm.ran);
  bh_gate_pass(&alarm.freed);
  g_assert_cmpint(alarm.at, >=, deadline);
  close_world(&world);
  alarm_clear(&alarm);
}

/* The thread waits for the later one already. */
static void an_earlier_one_comes_first(void) {
  World world = open_world();
  Alarm early, late;

  alarm_init(&early);
  alarm_init(&late);
  bh_timers_set(world.timers, bh_clock_deadline(40 * 1000), ring, &late, NULL);
  bh_timers_set(world.timers, bh_clock_deadline(1), ring, &early, NULL);
  bh_gate_pass(&early.ran);
  bh_gate_pass(&late.ran);
  g_assert_cmpint(early.at, <, late.at);
  close_world(&world);
  alarm_clear(&early);
  alarm_clear(&late);
}

static void called_off(void) {
  World world = open_world();
  guint64 timer;
  Alarm off, next;

  alarm_init(&off);
  alarm_init(&next);
  timer = bh_timers_set(world.timers, bh_clock_deadline(20 * 1000), ring, &off, note_freed);
  bh_timers_set(world.timers, bh_clock_deadline(40 * 1000), ring, &next, NULL);
  bh_timers_cancel(world.timers, timer);
  bh_gate_pass(&off.freed);
  bh_timers_cancel(world.timers, timer);
  bh_timers_cancel(world.timers, 0);
  bh_gate_pass(&next.ran);
  close_world(&world);
  g_assert_cmpint(off.at, ==, 0);
  alarm_clear(&off);
  alarm_clear(&next);
}

static void the_end_calls_off_all(void) {
  World world = open_world();
  Alarm alarm;

  alarm_init(&alarm);
  bh_timers_set(world.timers, BH_NO_DEADLINE, ring, &alarm, note_freed);
  close_world(&world);
  bh_gate_pass(&alarm.freed);
  g_assert_cmpint(alarm.at, ==, 0);
  alarm_clear(&alarm);
}

static gboolean refuse(const char *name) {
  (void)name;
  return FALSE;
}

static void no_thread(void) {
  static const BhSyncObserver observer = {.may_start_thread = refuse};
  World world = open_world();
  Alarm alarm;

  alarm_init(&alarm);
  bh_sync_add_observer(&observer);
  g_assert_cmpuint(bh_timers_set(world.timers, 0, ring, &alarm, note_freed), ==, 0);
  bh_sync_remove_observer(&observer);
  bh_gate_pass(&alarm.freed);
  close_world(&world);
  g_assert_cmpint(alarm.at, ==, 0);
  alarm_clear(&alarm);
}

/* There is a thread for the timers, and none for what is due: better on that one than never. */
static gboolean refuse_workers(const char *name) {
  return !g_str_equal(name, "worker");
}

static void no_worker(void) {
  static const BhSyncObserver observer = {.may_start_thread = refuse_workers};
  World world = open_world();
  Alarm alarm;

  alarm_init(&alarm);
  bh_sync_add_observer(&observer);
  g_assert_cmpuint(bh_timers_set(world.timers, 0, ring, &alarm, NULL), !=, 0);
  bh_gate_pass(&alarm.ran);
  close_world(&world);
  bh_sync_remove_observer(&observer);
  alarm_clear(&alarm);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/timers/comes-when-it-is-due", comes_when_it_is_due);
  g_test_add_func("/timers/an-earlier-one-comes-first", an_earlier_one_comes_first);
  g_test_add_func("/timers/called-off", called_off);
  g_test_add_func("/timers/the-end-calls-off-all", the_end_calls_off_all);
  g_test_add_func("/timers/no-thread", no_thread);
  g_test_add_func("/timers/no-worker", no_worker);
  return g_test_run();
}
