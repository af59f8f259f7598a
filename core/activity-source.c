/* activity-source.c: the sources of process-notify.h: what is asked of them, and what they are believed. */
#include "lock-order.h"
#include "process-notify-internal.h"

#define EXIT_WSL_KILLED   137 /* 128 + SIGKILL */
#define EXIT_WIN32_KILLED 1

struct BhActivitySource {
  BhProcessNotify *notify;
  BhActivityOrigin origin;
  char *who; /* for the trace */

  /* Guarded by notify's lock; the last three, once it was closed and tells no more, by whoever frees it. */
  const BhActivitySourceClass *class;
  gpointer data;
  gboolean open;         /* it may be asked */
  gboolean changing;     /* it is being asked to watch */
  guint users;           /* who ask it for a process */
  BhWatch watching;      /* what it was asked for */
  BhWatch asking;        /* what it is just being asked for */
  gboolean nonsense;     /* it told some */
  GHashTable *processes; /* number → Process: those that have begun and not ended; NULL: none yet */
  GHashTable *threads;   /* number → its process's, likewise */
  guint64 last_process;  /* in the order they began */
};

typedef struct {
  guint32 number;
  guint threads; /* of it, that have begun and not ended */
  guint64 order;
} Process;

/* --- Its life ---------------------------------------------------------------------------------------------------- */

BhActivitySource *bh_activity_source_new(BhProcessNotify *notify, const BhActivityOrigin *origin) {
  BhActivitySource *source = g_atomic_rc_box_new0(BhActivitySource);

  source->notify = notify;
  source->origin = *origin;
  source->origin.name = g_strdup(origin->name);
  source->origin.plugin = g_strdup(origin->plugin);
  source->who = origin->plugin != NULL ? g_strdup(origin->plugin)
                : origin->name != NULL ? g_strdup_printf("wslc %s", origin->name)
                                       : g_strdup_printf("session %u", origin->session);
  return source;
}

static void finalize(gpointer data) {
  BhActivitySource *source = data;

  g_clear_pointer(&source->processes, g_hash_table_unref);
  g_clear_pointer(&source->threads, g_hash_table_unref);
  g_free((char *)source->origin.name);
  g_free((char *)source->origin.plugin);
  g_free(source->who);
}

static void unref(gpointer source) {
  g_atomic_rc_box_release_full(source, finalize);
}

/* From here on `with the lock` means: the caller holds notify's. */

/* --- Asking it --------------------------------------------------------------------------------------------------- */

/* With the lock: it will not tell how what it told of goes on. When it is asked again, it begins anew. */
static void forget(BhActivitySource *source, BhWatch what) {
  GHashTableIter iter;
  gpointer process;

  if (source->processes == NULL) return;
  if ((what & BH_WATCH_THREADS) != 0) {
    g_hash_table_remove_all(source->threads);
    g_hash_table_iter_init(&iter, source->processes);
    while (g_hash_table_iter_next(&iter, NULL, &process)) ((Process *)process)->threads = 0;
  }
  if ((what & BH_WATCH_PROCESSES) != 0) g_hash_table_remove_all(source->processes);
}

/* With the lock, which is released meanwhile. */
static BhResult ask_once(BhActivitySource *source, BhWatch wanted) {
  BhProcessNotify *notify = source->notify;
  BhResult result;

  source->changing = TRUE;
  source->asking = wanted; /* what comes before it has answered counts */
  bh_mutex_unlock(&notify->lock);
  result = source->class->watch(source->data, wanted);
  if (BH_FAILED(result) && result != BH_E_NOT_VALID_STATE)
    bh_trace_event(notify->trace, source->who, "not watched", result, NULL);
  bh_mutex_lock(&notify->lock);
  source->changing = FALSE;
  source->asking = BH_WATCH_NOTHING;
  if (result == BH_E_NOT_VALID_STATE || result == BH_E_NOTIMPL) result = BH_OK;
  if (BH_SUCCEEDED(result)) {
    forget(source, source->watching & ~wanted);
    source->watching = wanted;
  }
  bh_cond_broadcast(&notify->changed);
  return result;
}

/* With the lock, which is released meanwhile: when it returns, the source watches what is wanted, or has failed, or is closed. */
static BhResult ask(BhActivitySource *source) {
  BhProcessNotify *notify = source->notify;
  BhResult result = BH_OK;

  while (BH_SUCCEEDED(result)) {
    BhWatch wanted;

    while (source->changing) bh_cond_wait(&notify->changed, &notify->lock);
    wanted = bh_process_notify_wanted(notify, source->origin.subsystem);
    if (!source->open || source->watching == wanted) break;
    result = ask_once(source, wanted);
  }
  return result;
}

BhResult bh_activity_sources_ask(BhProcessNotify *notify) {
  g_autoptr(GPtrArray) sources = g_ptr_array_new_with_free_func(unref);
  BhResult first = BH_OK;

  bh_mutex_lock(&notify->lock);
  for (guint i = 0; i < notify->sources->len; i++)
    g_ptr_array_add(sources, g_atomic_rc_box_acquire(notify->sources->pdata[i]));
  for (guint i = 0; i < sources->len; i++) {
    BhResult result = ask(sources->pdata[i]);
    if (BH_SUCCEEDED(first)) first = result;
  }
  bh_mutex_unlock(&notify->lock);
  return first;
}

BhResult bh_activity_source_open(BhActivitySource *source, const BhActivitySourceClass *source_class,
                                 gpointer data) {
  BhProcessNotify *notify = source->notify;
  BhResult result;

  bh_mutex_lock(&notify->lock);
  source->class = source_class;
  source->data = data;
  source->open = TRUE;
  g_ptr_array_add(notify->sources, g_atomic_rc_box_acquire(source));
  result = ask(source);
  bh_mutex_unlock(&notify->lock);
  return result;
}

void bh_activity_source_close(BhActivitySource *source) {
  BhProcessNotify *notify = source->notify;
  gboolean was_open;

  bh_mutex_lock(&notify->lock);
  was_open = source->open;
  source->open = FALSE;
  while (source->changing || source->users > 0) bh_cond_wait(&notify->changed, &notify->lock);
  g_ptr_array_remove(notify->sources, source);
  bh_mutex_unlock(&notify->lock);
  if (was_open) unref(source);
}

/* With the lock. */
static BhActivitySource *find(BhProcessNotify *notify, const BhActivityOrigin *origin) {
  for (guint i = 0; i < notify->sources->len; i++) {
    BhActivitySource *source = notify->sources->pdata[i];

    if (source->origin.subsystem == BH_SUBSYSTEM_WSL && source->origin.session == origin->session &&
        g_strcmp0(source->origin.name, origin->name) == 0 && source->open)
      return source;
  }
  return NULL;
}

BhResult bh_process_notify_has_process(BhProcessNotify *notify, const BhActivityOrigin *origin, guint32 process,
                                       guint32 thread) {
  BhActivitySource *source;
  gboolean has;

  bh_mutex_lock(&notify->lock);
  source = find(notify, origin);
  if (source != NULL) source->users++;
  bh_mutex_unlock(&notify->lock);
  if (source == NULL) return BH_E_NOT_FOUND;
  has = source->class->has_process != NULL && source->class->has_process(source->data, process, thread);
  bh_mutex_lock(&notify->lock);
  if (--source->users == 0) bh_cond_broadcast(&notify->changed);
  bh_mutex_unlock(&notify->lock);
  return has ? BH_OK : BH_E_NOT_FOUND;
}

/* --- Believing it ------------------------------------------------------------------------------------------------ */

static Process *find_process(const BhActivitySource *source, guint32 number) {
  return g_hash_table_lookup(source->processes, GUINT_TO_POINTER(number));
}

static BhResult enter_process(BhActivitySource *source, guint32 number) {
  Process *process;

  if (number == 0 || find_process(source, number) != NULL) return BH_E_INVALIDARG;
  if (g_hash_table_size(source->processes) >= BH_ACTIVITY_PROCESSES_MAX) return BH_E_OUTOFMEMORY;
  process = g_new(Process, 1);
  *process = (Process){number, 0, ++source->last_process};
  g_hash_table_insert(source->processes, GUINT_TO_POINTER(number), process);
  return BH_OK;
}

static BhResult enter_thread(BhActivitySource *source, guint32 number, guint32 thread) {
  Process *process = find_process(source, number);

  if (process == NULL || thread == 0 || g_hash_table_contains(source->threads, GUINT_TO_POINTER(thread)))
    return BH_E_INVALIDARG;
  if (g_hash_table_size(source->threads) >= BH_ACTIVITY_THREADS_MAX) return BH_E_OUTOFMEMORY;
  g_hash_table_insert(source->threads, GUINT_TO_POINTER(thread), GUINT_TO_POINTER(number));
  process->threads++;
  return BH_OK;
}

static BhResult leave_thread(BhActivitySource *source, guint32 number, guint32 thread) {
  Process *process = find_process(source, number);

  if (process == NULL ||
      g_hash_table_lookup(source->threads, GUINT_TO_POINTER(thread)) != GUINT_TO_POINTER(number))
    return BH_E_INVALIDARG;
  g_hash_table_remove(source->threads, GUINT_TO_POINTER(thread));
  process->threads--;
  return BH_OK;
}

/* With the lock: whether that may come now; and that it has. */
static BhResult enter(BhActivitySource *source, const BhActivity *activity) {
  if (source->processes == NULL) {
    source->processes = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    source->threads = g_hash_table_new(NULL, NULL);
  }
  switch (activity->type) {
    case BH_PROCESS_CREATED: return enter_process(source, activity->process);
    case BH_PROCESS_IMAGE:
      return source->origin.subsystem == BH_SUBSYSTEM_WSL && find_process(source, activity->process) != NULL
                 ? BH_OK
                 : BH_E_INVALIDARG;
    case BH_PROCESS_EXITED:
      return g_hash_table_remove(source->processes, GUINT_TO_POINTER(activity->process)) ? BH_OK : BH_E_INVALIDARG;
    case BH_THREAD_CREATED: return enter_thread(source, activity->process, activity->thread);
    case BH_THREAD_EXITED: return leave_thread(source, activity->process, activity->thread);
    default: return BH_E_INVALIDARG;
  }
}

/* --- Telling ----------------------------------------------------------------------------------------------------- */

/* As routines get it: nothing in it that does not belong there. */
static BhProcessNotice make_notice(const BhActivitySource *source, const BhActivity *activity) {
  gboolean is_wsl = source->origin.subsystem == BH_SUBSYSTEM_WSL;
  gboolean begins = activity->type == BH_PROCESS_CREATED, shows = begins || activity->type == BH_PROCESS_IMAGE;
  gboolean of_thread = activity->type == BH_THREAD_CREATED || activity->type == BH_THREAD_EXITED;

  return (BhProcessNotice){
      .activity = {.type = activity->type,
                   .process = activity->process,
                   .thread = of_thread ? activity->thread : 0,
                   .parent = begins ? activity->parent : 0,
                   .creator = begins ? activity->creator : 0,
                   .creator_thread = begins ? activity->creator_thread : 0,
                   .may_refuse = is_wsl && shows && activity->may_refuse,
                   .image = shows ? activity->image : NULL,
                   .command_line = shows ? activity->command_line : NULL,
                   .exit_status = activity->type == BH_PROCESS_EXITED ? activity->exit_status : 0},
      .origin = source->origin,
      .is_subsystem_process = is_wsl};
}

static gboolean is_watched(const BhActivitySource *source, BhActivityType type) {
  BhWatch needed = type == BH_THREAD_CREATED || type == BH_THREAD_EXITED ? BH_WATCH_THREADS : BH_WATCH_PROCESSES;
  return ((source->watching | source->asking) & needed) != 0;
}

static void complain(BhActivitySource *source, const BhActivity *activity, BhResult result) {
  static const char *const names[] = {"process created", "image", "process exited", "thread created",
                                      "thread exited"};

  bh_trace_event(source->notify->trace, source->who, "told nonsense", result,
                 "%s, process %u, thread %u (later ones are not reported)",
                 (guint)activity->type < G_N_ELEMENTS(names) ? names[activity->type] : "?", activity->process,
                 activity->thread);
}

static BhResult tell(BhActivitySource *source, const BhActivity *activity) {
  BhProcessNotify *notify = source->notify;
  BhProcessNotice notice = make_notice(source, activity);
  guint64 ids[BH_NOTIFY_ROUTINES_MAX];
  gboolean watched, complains = FALSE;
  BhResult result = BH_OK;
  guint count = 0;

  bh_mutex_lock(&notify->lock);
  watched = is_watched(source, activity->type); /* else it was on its way when it was no longer wanted */
  if (watched) result = enter(source, activity);
  if (watched && BH_SUCCEEDED(result)) count = bh_process_notify_select(notify, &notice, ids);
  if (BH_FAILED(result)) {
    complains = !source->nonsense;
    source->nonsense = TRUE;
  }
  bh_mutex_unlock(&notify->lock);
  if (complains) complain(source, activity, result);
  return count > 0 ? bh_process_notify_run(notify, ids, count, &notice) : result;
}

/* Ends what is left of its threads. */
static void end_threads(BhActivitySource *source, guint32 number) {
  BhProcessNotify *notify = source->notify;
  g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(guint32));
  const Process *process;
  GHashTableIter iter;
  gpointer thread, owner;

  bh_mutex_lock(&notify->lock);
  process = source->processes != NULL ? find_process(source, number) : NULL;
  if (process != NULL && process->threads > 0) {
    g_hash_table_iter_init(&iter, source->threads);
    while (g_hash_table_iter_next(&iter, &thread, &owner)) {
      guint32 thread_number = GPOINTER_TO_UINT(thread);
      if (owner == GUINT_TO_POINTER(number)) g_array_append_val(left, thread_number);
    }
  }
  bh_mutex_unlock(&notify->lock);
  for (guint i = 0; i < left->len; i++)
    tell(source,
         &(BhActivity){.type = BH_THREAD_EXITED, .process = number, .thread = g_array_index(left, guint32, i)});
}

BhResult bh_activity_source_tell(BhActivitySource *source, const BhActivity *activity) {
  if (activity->type == BH_PROCESS_EXITED) end_threads(source, activity->process);
  return tell(source, activity);
}

static gint compare(gconstpointer a, gconstpointer b) {
  const Process *left = a, *right = b;
  return left->order < right->order ? -1 : left->order > right->order;
}

void bh_activity_source_free(BhActivitySource *source) {
  gint32 status = source->origin.subsystem == BH_SUBSYSTEM_WSL ? EXIT_WSL_KILLED : EXIT_WIN32_KILLED;
  g_autoptr(GArray) left = g_array_new(FALSE, FALSE, sizeof(Process));
  GHashTableIter iter;
  gpointer process;

  g_assert(!source->open);
  if (source->processes != NULL) {
    g_hash_table_iter_init(&iter, source->processes);
    while (g_hash_table_iter_next(&iter, NULL, &process)) g_array_append_vals(left, process, 1);
  }
  g_array_sort(left, compare);
  for (guint i = 0; i < left->len; i++)
    bh_activity_source_tell(source, &(BhActivity){.type = BH_PROCESS_EXITED,
                                                  .process = g_array_index(left, Process, i).number,
                                                  .exit_status = status});
  unref(source);
}
