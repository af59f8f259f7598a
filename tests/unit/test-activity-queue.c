/* What waits to be told: in order, on one thread, with an answer for whoever asks, also when it is no longer wanted. */
#include "core/activity-queue.h"
#include "core/lock-order.h"
#include "tests/common/gate.h"

typedef struct {
  BhMutex lock; /* the owner's */
  BhActivityQueue queue;
  BhGate reached, go_on; /* of process 1 */
  GString *told;         /* by the queue's thread; read when that has ended */
} Fixture;

static const BhLockClass owner_class = {"owner", BH_RANK_LEAF, FALSE};

static BhResult tell(gpointer data, const BhActivity *activity) {
  Fixture *fixture = data;

  g_string_append_printf(fixture->told, "%u%s ", activity->process,
                         activity->image != NULL ? activity->image : "");
  if (activity->process == 1) {
    bh_gate_open(&fixture->reached);
    bh_gate_pass(&fixture->go_on);
  }
  return activity->may_refuse ? BH_E_ACCESSDENIED : BH_OK;
}

static void set_up(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_mutex_init(&fixture->lock, &owner_class);
  bh_gate_init(&fixture->reached);
  bh_gate_init(&fixture->go_on);
  fixture->told = g_string_new(NULL);
  bh_activity_queue_init(&fixture->queue, &fixture->lock, tell, fixture);
  bh_mutex_lock(&fixture->lock);
  g_assert_true(bh_activity_queue_start(&fixture->queue, BH_RANK_CALLBACK));
  g_assert_true(bh_activity_queue_start(&fixture->queue, BH_RANK_CALLBACK)); /* is started already */
  bh_mutex_unlock(&fixture->lock);
}

static void tear_down(Fixture *fixture, gconstpointer expected) {
  bh_gate_open(&fixture->go_on);
  bh_activity_queue_stop(&fixture->queue);
  g_assert_cmpstr(fixture->told->str, ==, expected);
  bh_activity_queue_clear(&fixture->queue);
  g_string_free(fixture->told, TRUE);
  bh_gate_clear(&fixture->reached);
  bh_gate_clear(&fixture->go_on);
  bh_mutex_clear(&fixture->lock);
  bh_lock_order_stop();
}

/* With the lock. */
static void push(Fixture *fixture, BhActivityType type, guint32 process, const char *image) {
  g_autofree char *copy = g_strdup(image); /* whose text is the pusher's, for the call */
  bh_activity_queue_push(&fixture->queue, &(BhActivity){.type = type, .process = process, .image = copy});
}

static void in_order(Fixture *fixture, gconstpointer data) {
  (void)data;
  bh_mutex_lock(&fixture->lock);
  push(fixture, BH_PROCESS_CREATED, 2, "a");
  push(fixture, BH_PROCESS_CREATED, 3, "b");
  g_assert_cmpint(bh_activity_queue_ask(&fixture->queue, &(BhActivity){.process = 4, .may_refuse = TRUE}), ==,
                  BH_E_ACCESSDENIED);
  g_assert_cmpint(bh_activity_queue_ask(&fixture->queue, &(BhActivity){.process = 5}), ==, BH_OK);
  push(fixture, BH_PROCESS_EXITED, 6, NULL); /* told before stop returns */
  bh_mutex_unlock(&fixture->lock);
}

static gpointer ask(gpointer data) {
  Fixture *fixture = data;
  BhResult result;

  bh_mutex_lock(&fixture->lock);
  result = bh_activity_queue_ask(&fixture->queue, &(BhActivity){.process = 7, .may_refuse = TRUE});
  bh_mutex_unlock(&fixture->lock);
  return GINT_TO_POINTER(result);
}

/* What is being told when the rest is dropped, is told to its end; whoever asked of the rest is let go. */
static void dropped(Fixture *fixture, gconstpointer data) {
  gboolean asked = FALSE;
  BhThread *asker;

  (void)data;
  bh_mutex_lock(&fixture->lock);
  push(fixture, BH_PROCESS_CREATED, 1, NULL);
  bh_mutex_unlock(&fixture->lock);
  bh_gate_pass(&fixture->reached);
  asker = bh_thread_new("asker", BH_RANK_CALLBACK, ask, fixture);
  bh_mutex_lock(&fixture->lock);
  while (!asked) { /* the asker broadcasts when it has queued */
    asked = !g_queue_is_empty(&fixture->queue.waiting);
    if (!asked) bh_cond_wait(&fixture->queue.changed, &fixture->lock);
  }
  push(fixture, BH_THREAD_CREATED, 8, NULL);
  bh_activity_queue_drop(&fixture->queue, TRUE);
  g_assert_cmpuint(g_queue_get_length(&fixture->queue.waiting), ==, 1);
  bh_activity_queue_drop(&fixture->queue, FALSE);
  push(fixture, BH_PROCESS_CREATED, 9, NULL);
  bh_mutex_unlock(&fixture->lock);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(asker)), ==, BH_OK);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add("/activity-queue/in-order", Fixture, "2a 3b 4 5 6 ", set_up, in_order, tear_down);
  g_test_add("/activity-queue/dropped", Fixture, "1 9 ", set_up, dropped, tear_down);
  return g_test_run();
}
