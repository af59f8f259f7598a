#include "activity-queue.h"

/* Shared by the queue and whoever asks; whoever is last frees it. */
typedef struct {
  BhActivity activity;
  char *image, *command_line; /* its */
  gboolean asked;             /* somebody waits for the answer, and frees it */
  gboolean answered;
  BhResult answer;
} Entry;

void bh_activity_queue_init(BhActivityQueue *queue, BhMutex *lock, BhActivityFunc tell, gpointer data) {
  *queue = (BhActivityQueue){.lock = lock, .tell = tell, .data = data};
  g_queue_init(&queue->waiting);
  bh_cond_init(&queue->changed);
}

static void entry_free(Entry *entry) {
  g_free(entry->image);
  g_free(entry->command_line);
  g_free(entry);
}

static void answer(BhActivityQueue *queue, Entry *entry, BhResult result) {
  entry->answered = TRUE;
  entry->answer = result;
  if (entry->asked)
    bh_cond_broadcast(&queue->changed);
  else
    entry_free(entry);
}

static gpointer tell(gpointer data) {
  BhActivityQueue *queue = data;
  BhResult result;
  Entry *entry;

  bh_mutex_lock(queue->lock);
  for (;;) {
    while (g_queue_is_empty(&queue->waiting) && !queue->stopping) bh_cond_wait(&queue->changed, queue->lock);
    entry = g_queue_pop_head(&queue->waiting);
    if (entry == NULL) break;
    bh_mutex_unlock(queue->lock);
    result = queue->tell(queue->data, &entry->activity);
    bh_mutex_lock(queue->lock);
    answer(queue, entry, result);
  }
  bh_mutex_unlock(queue->lock);
  return NULL;
}

gboolean bh_activity_queue_start(BhActivityQueue *queue, BhLockRank lowest) {
  if (queue->thread == NULL) queue->thread = bh_thread_new("activity", lowest, tell, queue);
  return queue->thread != NULL;
}

static Entry *push(BhActivityQueue *queue, const BhActivity *activity, gboolean asked) {
  Entry *entry = g_new(Entry, 1);

  *entry = (Entry){.activity = *activity, .asked = asked};
  entry->activity.image = entry->image = g_strdup(activity->image);
  entry->activity.command_line = entry->command_line = g_strdup(activity->command_line);
  g_queue_push_tail(&queue->waiting, entry);
  bh_cond_broadcast(&queue->changed);
  return entry;
}

void bh_activity_queue_push(BhActivityQueue *queue, const BhActivity *activity) {
  push(queue, activity, FALSE);
}

BhResult bh_activity_queue_ask(BhActivityQueue *queue, const BhActivity *activity) {
  Entry *entry = push(queue, activity, TRUE);
  BhResult result;

  while (!entry->answered) bh_cond_wait(&queue->changed, queue->lock);
  result = entry->answer;
  entry_free(entry);
  return result;
}

void bh_activity_queue_drop(BhActivityQueue *queue, gboolean threads_only) {
  for (GList *at = queue->waiting.head, *next; at != NULL; at = next) {
    Entry *entry = at->data;
    BhActivityType type = entry->activity.type;

    next = at->next;
    if (threads_only && type != BH_THREAD_CREATED && type != BH_THREAD_EXITED) continue;
    g_queue_delete_link(&queue->waiting, at);
    answer(queue, entry, BH_OK);
  }
}

void bh_activity_queue_stop(BhActivityQueue *queue) {
  bh_mutex_lock(queue->lock);
  queue->stopping = TRUE;
  bh_cond_broadcast(&queue->changed);
  bh_mutex_unlock(queue->lock);
  if (queue->thread != NULL) bh_thread_join(g_steal_pointer(&queue->thread));
}

void bh_activity_queue_clear(BhActivityQueue *queue) {
  g_assert(queue->thread == NULL && g_queue_is_empty(&queue->waiting));
  bh_cond_clear(&queue->changed);
}
