#include "process-notify-internal.h"

#include "lock-order.h"

typedef struct {
  guint64 id;
  BhNotifyKind kind;
  BhNotifyType type;
  BhNotifyRoutine func;
  gpointer data;
} Routine;

/* A call of a routine, on the stack of the thread that makes it. */
typedef struct {
  guint64 routine;
  gpointer thread;
  GList link;
} Flight;

/* A thread that waits for flights, likewise. */
typedef struct {
  gpointer thread;
  GPtrArray *flights; /* Flight; they take themselves out */
  guint64 walk;       /* the last one that came by */
  GList link;
} Waiter;

static const BhLockClass notify_class = {"process notify", BH_RANK_LEAF, FALSE};

BhProcessNotify *bh_process_notify_new(BhTrace *trace, BhWorkers *workers) {
  BhProcessNotify *notify = g_new0(BhProcessNotify, 1);

  notify->trace = trace;
  notify->workers = workers;
  notify->routines = g_array_new(FALSE, FALSE, sizeof(Routine));
  notify->sources = g_ptr_array_new();
  g_queue_init(&notify->flights);
  g_queue_init(&notify->waiters);
  bh_mutex_init(&notify->lock, &notify_class);
  bh_cond_init(&notify->changed);
  return notify;
}

void bh_process_notify_free(BhProcessNotify *notify) {
  g_assert(notify->flights.length == 0 && notify->sources->len == 0);
  g_array_unref(notify->routines);
  g_ptr_array_unref(notify->sources);
  bh_cond_clear(&notify->changed);
  bh_mutex_clear(&notify->lock);
  g_free(notify);
}

/* From here on `with the lock` means: the caller holds it. */

/* --- Routines ---------------------------------------------------------------------------------------------------- */

static Routine *routine_at(const BhProcessNotify *notify, guint index) {
  return &g_array_index(notify->routines, Routine, index);
}

/* With the lock. */
BhWatch bh_process_notify_wanted(const BhProcessNotify *notify, BhSubsystem subsystem) {
  BhWatch wanted = BH_WATCH_NOTHING;

  for (guint i = 0; i < notify->routines->len; i++) {
    const Routine *routine = routine_at(notify, i);

    if (routine->type == BH_NOTIFY_PLAIN && subsystem != BH_SUBSYSTEM_WIN32) continue;
    wanted |= BH_WATCH_PROCESSES;
    if (routine->kind == BH_NOTIFY_THREADS) wanted |= BH_WATCH_THREADS;
  }
  return wanted;
}

/* With the lock. */
guint bh_process_notify_select(const BhProcessNotify *notify, const BhProcessNotice *notice, guint64 *ids) {
  BhActivityType type = notice->activity.type;
  BhNotifyKind kind =
      type == BH_THREAD_CREATED || type == BH_THREAD_EXITED ? BH_NOTIFY_THREADS : BH_NOTIFY_PROCESSES;
  guint count = 0;

  for (guint i = 0; i < notify->routines->len; i++) {
    const Routine *routine = routine_at(notify, i);

    if (routine->kind == kind && (routine->type == BH_NOTIFY_SUBSYSTEMS || !notice->is_subsystem_process))
      ids[count++] = routine->id;
  }
  return count;
}

/* With the lock. NULL: it was removed. */
static const Routine *find(const BhProcessNotify *notify, guint64 id, guint *index) {
  for (guint i = 0; i < notify->routines->len; i++) {
    if (routine_at(notify, i)->id != id) continue;
    *index = i;
    return routine_at(notify, i);
  }
  return NULL;
}

/* With the lock: the call has returned. */
static void land(BhProcessNotify *notify, Flight *flight) {
  g_queue_unlink(&notify->flights, &flight->link);
  for (GList *at = notify->waiters.head; at != NULL; at = at->next)
    if (g_ptr_array_remove_fast(((Waiter *)at->data)->flights, flight)) bh_cond_broadcast(&notify->changed);
}

static BhResult call(BhProcessNotify *notify, guint64 id, const BhProcessNotice *notice) {
  Flight flight = {.routine = id, .thread = bh_thread_self(), .link = {.data = &flight}};
  const Routine *found;
  Routine routine;
  BhResult result;
  guint index;

  bh_mutex_lock(&notify->lock);
  found = find(notify, id, &index);
  if (found != NULL) {
    routine = *found;
    g_queue_push_tail_link(&notify->flights, &flight.link);
  }
  bh_mutex_unlock(&notify->lock);
  if (found == NULL) return BH_OK;

  result = routine.func(routine.data, notice);

  bh_mutex_lock(&notify->lock);
  land(notify, &flight);
  bh_mutex_unlock(&notify->lock);
  return result;
}

BhResult bh_process_notify_run(BhProcessNotify *notify, const guint64 *ids, guint count,
                               const BhProcessNotice *notice) {
  BhResult first = BH_OK;

  bh_lock_order_assert_only(NULL, NULL, "telling of a process or thread");
  for (guint i = 0; i < count; i++) {
    BhResult result = call(notify, ids[i], notice);
    if (notice->activity.may_refuse && BH_SUCCEEDED(first) && BH_FAILED(result)) first = result;
  }
  return first;
}

/* --- Who waits for whom ------------------------------------------------------------------------------------------ */

/* With the lock: the calling thread is in a routine. */
static gboolean in_routine(const BhProcessNotify *notify) {
  gpointer self = bh_thread_self();

  for (GList *at = notify->flights.head; at != NULL; at = at->next)
    if (((const Flight *)at->data)->thread == self) return TRUE;
  return FALSE;
}

/* With the lock: thread is target, or waits for a call on a thread that (and so on) waits for a call on target. There is no
 * circle, for nobody begins to wait who would close one; walk: that no waiter need be looked at twice. */
static gboolean waits_for(BhProcessNotify *notify, gpointer thread, gpointer target) {
  Waiter *waiter = NULL;

  if (thread == target) return TRUE;
  for (GList *at = notify->waiters.head; at != NULL && waiter == NULL; at = at->next)
    if (((Waiter *)at->data)->thread == thread) waiter = at->data;
  if (waiter == NULL || waiter->walk == notify->walk) return FALSE;
  waiter->walk = notify->walk;
  for (guint i = 0; i < waiter->flights->len; i++)
    if (waits_for(notify, ((const Flight *)waiter->flights->pdata[i])->thread, target)) return TRUE;
  return FALSE;
}

/* With the lock: until no call of the routine is in flight, but for those that wait for this thread. */
static void await_flights(BhProcessNotify *notify, guint64 id) {
  g_autoptr(GPtrArray) flights = g_ptr_array_new();
  Waiter waiter = {.thread = bh_thread_self(), .flights = flights, .link = {.data = &waiter}};

  for (GList *at = notify->flights.head; at != NULL; at = at->next) {
    Flight *flight = at->data;

    notify->walk++;
    if (flight->routine == id && !waits_for(notify, flight->thread, waiter.thread))
      g_ptr_array_add(flights, flight);
  }
  g_queue_push_tail_link(&notify->waiters, &waiter.link);
  while (flights->len > 0) bh_cond_wait(&notify->changed, &notify->lock);
  g_queue_unlink(&notify->waiters, &waiter.link);
}

/* --- Adding and removing ----------------------------------------------------------------------------------------- */

static void ask_sources(gpointer data) {
  bh_activity_sources_ask(data);
}

/* What the sources are wanted for may have changed. In a routine somebody else asks them: a source may wait for the routine
 * before it answers. */
static BhResult follow(BhProcessNotify *notify, gboolean in_a_routine) {
  if (!in_a_routine) return bh_activity_sources_ask(notify);
  return bh_workers_post(notify->workers, ask_sources, notify) ? BH_OK : BH_E_OUTOFMEMORY;
}

/* With the lock. */
static BhResult check_new(const BhProcessNotify *notify, const Routine *new) {
  guint count = 0;

  for (guint i = 0; i < notify->routines->len; i++) {
    const Routine *routine = routine_at(notify, i);

    if (routine->kind != new->kind) continue;
    if (routine->func == new->func && routine->data == new->data) return BH_E_ALREADY_EXISTS;
    count++;
  }
  return count < BH_NOTIFY_ROUTINES_MAX ? BH_OK : BH_E_TOO_MANY_ROUTINES;
}

BhResult bh_process_notify_add(BhProcessNotify *notify, BhNotifyKind kind, BhNotifyType type,
                               BhNotifyRoutine routine, gpointer data, guint64 *id) {
  Routine new = {0, kind, type, routine, data};
  gboolean inside;
  BhResult result;

  bh_lock_order_assert_only(NULL, NULL, "adding a notify routine");
  bh_mutex_lock(&notify->lock);
  inside = in_routine(notify);
  result = check_new(notify, &new);
  if (BH_SUCCEEDED(result)) {
    *id = new.id = ++notify->last_id;
    g_array_append_val(notify->routines, new);
  }
  bh_mutex_unlock(&notify->lock);
  if (BH_FAILED(result)) return result;

  result = follow(notify, inside);
  if (BH_FAILED(result)) bh_process_notify_remove(notify, new.id);
  return result;
}

BhResult bh_process_notify_remove(BhProcessNotify *notify, guint64 id) {
  gboolean found, inside;
  guint index;

  bh_lock_order_assert_only(NULL, NULL, "removing a notify routine, which waits for its calls");
  bh_mutex_lock(&notify->lock);
  inside = in_routine(notify);
  found = find(notify, id, &index) != NULL;
  if (found) {
    g_array_remove_index(notify->routines, index); /* from here on no call begins */
    await_flights(notify, id);
  }
  bh_mutex_unlock(&notify->lock);
  if (!found) return BH_E_NOT_FOUND;
  follow(notify, inside); /* where no thread can be had, whoever next adds or removes one sees to it */
  return BH_OK;
}
