#include "witness.h"

#include <string.h>

#include "core/sync.h"
#include "guest/socket.h"

#define PATIENCE (60 * G_USEC_PER_SEC)

static const BhLockClass witness_class = {.name = "test-witness", .rank = BH_RANK_LEAF};

struct Witness {
  GuestFixture *fixture;
  WitnessJudge judge;
  gpointer data;
  BhMutex lock; /* guards what follows */
  BhCond changed;
  GPtrArray *seen;     /* BhActivity, in their order */
  GHashTable *running; /* the keys of what has begun and not ended */
  BhWatch what;        /* is told for certain: not what is about to end */
  char *objection;     /* the first one */
};

static void activity_free(gpointer data) {
  BhActivity *activity = data;

  g_free((char *)activity->image);
  g_free((char *)activity->command_line);
  g_free(activity);
}

static BhActivity *activity_copy(const BhActivity *activity) {
  BhActivity *copy = g_memdup2(activity, sizeof *activity);

  copy->image = g_strdup(activity->image);
  copy->command_line = g_strdup(activity->command_line);
  return copy;
}

/* A process's thread 0 is itself. */
static gboolean runs(Witness *witness, guint32 process, guint32 thread) {
  gint64 key = (gint64)process << 32 | thread;

  return g_hash_table_contains(witness->running, &key);
}

static gboolean has_threads(Witness *witness, guint32 process) {
  GHashTableIter iterator;
  gpointer key;

  g_hash_table_iter_init(&iterator, witness->running);
  while (g_hash_table_iter_next(&iterator, &key, NULL))
    if (*(gint64 *)key >> 32 == process && (guint32) * (gint64 *)key != 0) return TRUE;
  return FALSE;
}

static void begin_or_end(Witness *witness, guint32 process, guint32 thread, gboolean begins) {
  gint64 key = (gint64)process << 32 | thread;

  if (begins)
    g_hash_table_add(witness->running, g_memdup2(&key, sizeof key));
  else
    g_hash_table_remove(witness->running, &key);
}

/* Why it cannot be; NULL: it can. */
static const char *objection_to(Witness *witness, const BhActivity *activity) {
  gboolean known = runs(witness, activity->process, 0);

  if (activity->process == 0) return "no number";
  switch (activity->type) {
    case BH_PROCESS_CREATED: return known ? "a process that runs already" : NULL;
    case BH_PROCESS_IMAGE: return known ? NULL : "an image of an unknown process";
    case BH_PROCESS_EXITED:
      if (!known) return "the end of an unknown process";
      return (witness->what & BH_WATCH_THREADS) != 0 && has_threads(witness, activity->process)
                 ? "the end of a process that has threads"
                 : NULL;
    case BH_THREAD_CREATED:
      if (!known) return "a thread of an unknown process";
      return runs(witness, activity->process, activity->thread) ? "a thread that runs already" : NULL;
    case BH_THREAD_EXITED:
      return runs(witness, activity->process, activity->thread) ? NULL : "the end of an unknown thread";
  }
  return "no such type";
}

static BhResult on_activity(gpointer data, const BhActivity *activity) {
  Witness *witness = data;
  BhActivityType type = activity->type;
  const char *objection;

  bh_mutex_lock(&witness->lock);
  if ((witness->what & (type >= BH_THREAD_CREATED ? BH_WATCH_THREADS : BH_WATCH_PROCESSES)) == 0) {
    bh_mutex_unlock(&witness->lock);
    return BH_OK;
  }
  objection = objection_to(witness, activity);
  if (objection != NULL && witness->objection == NULL)
    witness->objection = g_strdup_printf("%s: type %u, process %u, thread %u, number %u", objection, type,
                                         activity->process, activity->thread, witness->seen->len);
  g_ptr_array_add(witness->seen, activity_copy(activity));
  if (type == BH_PROCESS_CREATED || type == BH_PROCESS_EXITED)
    begin_or_end(witness, activity->process, 0, type == BH_PROCESS_CREATED);
  if (type == BH_THREAD_CREATED || type == BH_THREAD_EXITED)
    begin_or_end(witness, activity->process, activity->thread, type == BH_THREAD_CREATED);
  bh_cond_broadcast(&witness->changed);
  bh_mutex_unlock(&witness->lock);
  return witness->judge != NULL ? witness->judge(witness->data, activity) : BH_OK;
}

Witness *witness_new(GuestFixture *fixture, WitnessJudge judge, gpointer data) {
  Witness *witness = g_new0(Witness, 1);

  witness->fixture = fixture;
  witness->judge = judge;
  witness->data = data;
  bh_mutex_init(&witness->lock, &witness_class);
  bh_cond_init(&witness->changed);
  witness->seen = g_ptr_array_new_with_free_func(activity_free);
  witness->running = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  fixture->activity_data = witness;
  fixture->activity = on_activity;
  return witness;
}

void witness_free(Witness *witness) {
  GuestFixture *fixture = witness->fixture;

  if (fixture->vm != NULL) guest_vm_destroy(fixture); /* nobody tells anything any more */
  fixture->activity = NULL;
  g_assert_cmpstr(witness->objection, ==, NULL);
  g_ptr_array_unref(witness->seen);
  g_hash_table_unref(witness->running);
  bh_cond_clear(&witness->changed);
  bh_mutex_clear(&witness->lock);
  g_free(witness);
}

void witness_watch(Witness *witness, BhWatch what) {
  GHashTableIter iterator;
  gpointer key;

  bh_mutex_lock(&witness->lock);
  /* What is new comes before watch returns, and of what is not wanted any more, only some does. */
  witness->what = what;
  bh_mutex_unlock(&witness->lock);
  g_assert_cmphex((guint32)witness->fixture->vm->class->watch(witness->fixture->vm, what), ==, BH_OK);
  bh_mutex_lock(&witness->lock);
  g_hash_table_iter_init(&iterator, witness->running);
  while (g_hash_table_iter_next(&iterator, &key, NULL))
    if (what == BH_WATCH_NOTHING || ((what & BH_WATCH_THREADS) == 0 && (guint32) * (gint64 *)key != 0))
      g_hash_table_iter_remove(&iterator);
  bh_mutex_unlock(&witness->lock);
}

void witness_await_end(Witness *witness) {
  gint64 deadline = bh_clock_now() + PATIENCE;

  bh_mutex_lock(&witness->lock);
  while (g_hash_table_size(witness->running) > 0)
    g_assert_true(bh_cond_wait_until(&witness->changed, &witness->lock, deadline));
  bh_mutex_unlock(&witness->lock);
}

BhActivity witness_await(Witness *witness, BhActivityType type, const char *image) {
  gint64 deadline = bh_clock_now() + PATIENCE;
  const BhActivity *found = NULL;
  BhActivity result;

  bh_mutex_lock(&witness->lock);
  for (guint i = 0; found == NULL; i++) {
    while (i == witness->seen->len) g_assert_true(bh_cond_wait_until(&witness->changed, &witness->lock, deadline));
    found = witness->seen->pdata[i];
    if (found->type != type) found = NULL;
    if (found != NULL && image != NULL && (found->image == NULL || !g_str_has_suffix(found->image, image)))
      found = NULL;
  }
  result = *found;
  bh_mutex_unlock(&witness->lock);
  return result;
}

guint witness_count(Witness *witness, BhActivityType type) {
  guint count = 0;

  bh_mutex_lock(&witness->lock);
  for (guint i = 0; i < witness->seen->len; i++) count += ((BhActivity *)witness->seen->pdata[i])->type == type;
  bh_mutex_unlock(&witness->lock);
  return count;
}

BhActivity witness_get(Witness *witness, guint number) {
  BhActivity result;

  bh_mutex_lock(&witness->lock);
  result = *(BhActivity *)witness->seen->pdata[number];
  bh_mutex_unlock(&witness->lock);
  return result;
}

guint witness_length(Witness *witness) {
  guint length;

  bh_mutex_lock(&witness->lock);
  length = witness->seen->len;
  bh_mutex_unlock(&witness->lock);
  return length;
}

gboolean witness_mount_program(GuestFixture *fixture) {
  const char *program = g_getenv("BULKHEAD_ACTIVITY_PROGRAM");
  g_autofree char *folder = program != NULL ? g_strdup(program) : NULL;

  if (folder == NULL) {
    g_test_skip("BULKHEAD_ACTIVITY_PROGRAM names no program");
    return FALSE;
  }
  *strrchr(folder, '/') = '\0';
  guest_mount_linux(fixture, folder, PROGRAMS);
  return TRUE;
}

char *witness_run(GuestFixture *fixture, const char *command, gint32 *code) {
  g_auto(GStrv) argv = g_strsplit(command, " ", -1);
  GuestProcess process = guest_process_start(fixture, (const char *const *)argv, NULL);
  char *output;
  gint32 ended;

  guest_process_say(&process, NULL);
  output = guest_process_hear(&process, BH_STDOUT);
  ended = guest_process_await(&process);
  if (code != NULL) *code = ended;
  guest_process_clear(&process);
  return output;
}
