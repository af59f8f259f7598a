#include "notify-fixture.h"

#include <string.h>

BhProcessNotify *notify;
BhTrace *trace;
guint complaints;

static BhWorkers *workers;
static GPtrArray *observers, *sources;
static BhMutex lock; /* guards all below, and a source's watching and asked */
static BhCond changed;
static GString *lines;
static const BhLockClass test_class = {"test", BH_RANK_LEAF, FALSE};

static void note(const BhTraceEvent *event, gpointer data) {
  (void)data;
  if (g_str_equal(event->what, "told nonsense")) complaints++;
}

void open_notify(void) {
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  trace = bh_trace_new();
  bh_trace_attach(trace, note, NULL);
  workers = bh_workers_new("worker");
  notify = bh_process_notify_new(trace, workers);
  observers = g_ptr_array_new_with_free_func(g_free);
  sources = g_ptr_array_new_with_free_func(g_free);
  lines = g_string_new(NULL);
  complaints = 0;
  bh_mutex_init(&lock, &test_class);
  bh_cond_init(&changed);
}

void close_notify(void) {
  for (guint i = 0; i < observers->len; i++) drop(observers->pdata[i]);
  for (guint i = 0; i < sources->len; i++) end_source(sources->pdata[i]);
  bh_workers_free(workers);
  bh_process_notify_free(notify);
  g_ptr_array_unref(observers);
  g_ptr_array_unref(sources);
  bh_trace_free(trace);
  bh_cond_clear(&changed);
  bh_mutex_clear(&lock);
  g_string_free(lines, TRUE);
  bh_lock_order_stop();
}

/* --- Routines ---------------------------------------------------------------------------------------------------- */

void say(const char *text) {
  bh_mutex_lock(&lock);
  g_string_append_printf(lines, "%s%s", lines->len > 0 ? " " : "", text);
  bh_mutex_unlock(&lock);
}

void clear_log(void) {
  bh_mutex_lock(&lock);
  g_string_truncate(lines, 0);
  bh_mutex_unlock(&lock);
}

void assert_log(const char *expected) {
  g_autofree char *said = NULL;

  bh_mutex_lock(&lock);
  said = g_strdup(lines->str);
  g_string_truncate(lines, 0);
  bh_mutex_unlock(&lock);
  g_assert_cmpstr(said, ==, expected);
}

static BhResult observe(gpointer data, const BhProcessNotice *notice) {
  const Observer *observer = data;
  const BhActivity *activity = &notice->activity;
  static const char signs[] = {'+', '=', '-', '+', '-'};
  g_autofree char *thread = activity->thread != 0 ? g_strdup_printf(".%u", activity->thread) : g_strdup("");
  g_autofree char *text =
      g_strdup_printf("%s:%c%u%s%s%s", observer->name, signs[activity->type], activity->process, thread,
                      activity->may_refuse ? "!" : "", notice->is_subsystem_process ? "*" : "");

  say(text);
  if (observer->act != NULL) observer->act(observer->data);
  return observer->answer;
}

BhResult try_to_add(BhNotifyKind kind, BhNotifyType type, Observer *observer) {
  return bh_process_notify_add(notify, kind, type, observe, observer, &observer->id);
}

Observer *add(BhNotifyKind kind, BhNotifyType type, const char *name) {
  Observer *observer = g_new0(Observer, 1);

  observer->name = name;
  g_assert_cmpint(try_to_add(kind, type, observer), ==, BH_OK);
  g_ptr_array_add(observers, observer);
  return observer;
}

void drop(Observer *observer) {
  if (observer->id != 0) bh_process_notify_remove(notify, observer->id); /* it may have done so itself */
  observer->id = 0;
}

/* --- Sources ----------------------------------------------------------------------------------------------------- */

static BhResult watch(gpointer data, BhWatch what) {
  Source *source = data;

  if (source->asking != NULL) bh_gate_open(source->asking);
  if (source->hold != NULL) bh_gate_pass(source->hold);
  bh_mutex_lock(&lock);
  source->watching = what;
  source->asked++;
  bh_cond_broadcast(&changed);
  bh_mutex_unlock(&lock);
  return source->answer;
}

static gboolean has_process(gpointer data, guint32 process, guint32 thread) {
  (void)data;
  return process == 7 && (thread == 0 || thread == 9);
}

static const BhActivitySourceClass source_class = {watch, has_process};

Source *open_source(BhSubsystem subsystem) {
  Source *source = g_new0(Source, 1);

  g_ptr_array_add(sources, source);
  source->source = bh_activity_source_new(
      notify, &(BhActivityOrigin){.subsystem = subsystem, .session = subsystem == BH_SUBSYSTEM_WSL ? 3 : 0});
  source->open = TRUE;
  g_assert_cmpint(bh_activity_source_open(source->source, &source_class, source), ==, BH_OK);
  return source;
}

void close_source(Source *source) {
  if (source->open) bh_activity_source_close(source->source);
  source->open = FALSE;
}

void free_source(Source *source) {
  if (source->source != NULL) bh_activity_source_free(g_steal_pointer(&source->source));
}

void end_source(Source *source) {
  close_source(source);
  free_source(source);
}

void assert_watches(Source *source, BhWatch what) {
  BhWatch watching;

  bh_mutex_lock(&lock);
  watching = source->watching;
  bh_mutex_unlock(&lock);
  g_assert_cmpuint(watching, ==, what);
}

void await_watch(Source *source, BhWatch what) {
  bh_mutex_lock(&lock);
  while (source->watching != what) bh_cond_wait(&changed, &lock);
  bh_mutex_unlock(&lock);
}

BhResult tell(Source *source, BhActivityType type, guint32 process, guint32 thread) {
  return bh_activity_source_tell(source->source,
                                 &(BhActivity){.type = type, .process = process, .thread = thread});
}

BhResult tell_refusable(Source *source, BhActivityType type, guint32 process) {
  return bh_activity_source_tell(source->source,
                                 &(BhActivity){.type = type, .process = process, .may_refuse = TRUE});
}

typedef struct {
  Source *source;
  BhActivityType type;
  guint32 process;
} Telling;

static gpointer run_tell(gpointer data) {
  g_autofree Telling *telling = data;
  return GINT_TO_POINTER(tell_refusable(telling->source, telling->type, telling->process));
}

BhThread *begin_tell(Source *source, BhActivityType type, guint32 process) {
  Telling *telling = g_new(Telling, 1);

  *telling = (Telling){source, type, process};
  return bh_thread_new("teller", BH_RANK_CALLBACK, run_tell, telling);
}

BhResult result_of(BhThread *thread) {
  return GPOINTER_TO_INT(bh_thread_join(thread));
}
