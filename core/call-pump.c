#include "call-pump.h"

typedef enum { WAITING, RAN, HANDED_BACK } WorkState;

typedef struct {
  BhPumpFunc func;
  gpointer data;
  gpointer caller; /* its thread */
  WorkState state;
  BhCond decided; /* the state is RAN or HANDED_BACK */
} Work;

/* One notification on its way; on the stack of the notifying thread. */
typedef struct {
  BhCallPump *pump;
  BhPumpFunc func;
  gpointer data;
} Notification;

void bh_call_pump_init(BhCallPump *pump, BhMutex *monitor) {
  *pump = (BhCallPump){.monitor = monitor};
  bh_cond_init(&pump->changed);
  g_queue_init(&pump->waiting);
}

void bh_call_pump_clear(BhCallPump *pump) {
  g_assert(!pump->notifying && g_queue_is_empty(&pump->waiting));
  bh_cond_clear(&pump->changed);
}

static void notify(gpointer data) {
  Notification *notification = data;
  BhCallPump *pump = notification->pump;

  notification->func(notification->data);

  /* From the moment `ended` is seen, the notification is gone: the pump is all that may be touched. */
  bh_mutex_lock(pump->monitor);
  pump->ended = TRUE;
  bh_cond_signal(&pump->changed);
  bh_mutex_unlock(pump->monitor);
}

static void serve(BhCallPump *pump, Work *work) {
  pump->serving = TRUE;
  bh_mutex_unlock(pump->monitor);
  work->func(work->data);
  bh_mutex_lock(pump->monitor);
  pump->serving = FALSE;
  work->state = RAN;
  bh_cond_signal(&work->decided);
}

BhResult bh_call_pump_run(BhCallPump *pump, BhWorkers *workers, BhPumpFunc func, gpointer data) {
  Notification notification = {pump, func, data};

  g_assert(!pump->serving && "work on a pump must not notify");
  g_assert(!pump->notifying);
  if (!bh_workers_post(workers, notify, &notification)) return BH_E_OUTOFMEMORY;

  pump->notifying = TRUE;
  pump->ended = FALSE;
  while (!pump->ended) {
    Work *work = g_queue_pop_head(&pump->waiting);
    if (work != NULL)
      serve(pump, work);
    else
      bh_cond_wait(&pump->changed, pump->monitor);
  }
  pump->notifying = FALSE;
  return BH_OK;
}

gboolean bh_call_pump_invoke(BhCallPump *pump, BhPumpFunc func, gpointer data) {
  Work work = {.func = func, .data = data, .caller = bh_thread_self(), .state = WAITING};

  bh_cond_init(&work.decided);
  g_queue_push_tail(&pump->waiting, &work);
  if (pump->notifying) bh_cond_signal(&pump->changed);
  while (work.state == WAITING) bh_cond_wait(&work.decided, pump->monitor);
  bh_cond_clear(&work.decided);
  return work.state == RAN;
}

gboolean bh_call_pump_has_waiting(BhCallPump *pump) {
  return !pump->notifying && !g_queue_is_empty(&pump->waiting);
}

gpointer bh_call_pump_hand_back(BhCallPump *pump) {
  Work *work = g_queue_pop_head(&pump->waiting);

  work->state = HANDED_BACK;
  bh_cond_signal(&work->decided);
  return work->caller;
}
