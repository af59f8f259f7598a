/* mock-activity.c: the processes and threads that a mock's host has, and who is told of them. */
#include "mock-internal.h"

/* One of them. */
typedef struct {
  guint32 number;
  guint32 process; /* whose thread it is; its own number: it is a process */
  guint32 parent;  /* of a process, as are the next two */
  char *image, *command_line;
  gboolean told; /* somebody is to be told of its end */
} Item;

static void item_free(gpointer data) {
  Item *item = data;

  g_free(item->image);
  g_free(item->command_line);
  g_free(item);
}

static BhResult tell(gpointer data, const BhActivity *activity) {
  BhMockHost *host = data;

  if (host->events->activity != NULL) host->events->activity(host->events_data, activity);
  return BH_OK;
}

void bh_mock_activity_init(BhMockHost *host) {
  host->items = g_ptr_array_new_with_free_func(item_free);
  bh_activity_queue_init(&host->activities, &host->lock, tell, host);
}

void bh_mock_activity_clear(BhMockHost *host) {
  bh_activity_queue_stop(&host->activities); /* the ends of them all are told */
  bh_activity_queue_clear(&host->activities);
  g_ptr_array_unref(host->items);
}

/* From here on: with the host's lock, unless said otherwise. */

static gboolean is_thread(const Item *item) {
  return item->process != item->number;
}

static void push(BhMockHost *host, const Item *item, BhActivityType type, gint32 status) {
  bh_activity_queue_push(&host->activities,
                         &(BhActivity){.type = type,
                                       .process = item->process,
                                       .thread = is_thread(item) ? item->number : 0,
                                       .parent = item->parent,
                                       .creator = item->parent,
                                       .image = type == BH_PROCESS_CREATED ? item->image : NULL,
                                       .command_line = type == BH_PROCESS_CREATED ? item->command_line : NULL,
                                       .exit_status = status});
}

static void tell_begin(BhMockHost *host, Item *item) {
  BhWatch needed = is_thread(item) ? BH_WATCH_THREADS : BH_WATCH_PROCESSES;

  if (item->told || (host->watch & needed) == 0) return;
  item->told = TRUE;
  push(host, item, is_thread(item) ? BH_THREAD_CREATED : BH_PROCESS_CREATED, 0);
}

static void tell_end(BhMockHost *host, Item *item, gint32 status) {
  if (item->told) push(host, item, is_thread(item) ? BH_THREAD_EXITED : BH_PROCESS_EXITED, status);
  item->told = FALSE;
}

/* Without the lock. FALSE: the host is gone, and the item with it. */
static gboolean begin(BhMockHost *host, Item *item) {
  gboolean alive;

  bh_mutex_lock(&host->lock);
  alive = host->state == BH_MOCK_ALIVE;
  if (alive) {
    g_ptr_array_add(host->items, item);
    tell_begin(host, item);
  }
  bh_mutex_unlock(&host->lock);
  if (alive) return TRUE;
  bh_mock_forget(host->mock, item->number);
  item_free(item);
  return FALSE;
}

/* Without the lock, as are the next three. */
guint32 bh_mock_begin_thread(BhMockHost *host, guint32 process) {
  Item *item = g_new0(Item, 1);
  guint32 number = bh_mock_number(host->mock, process);

  *item = (Item){.number = number, .process = process};
  return begin(host, item) ? number : 0;
}

guint32 bh_mock_begin_process(BhMockHost *host, guint32 parent, const char *image, const char *command_line) {
  Item *item = g_new0(Item, 1);
  guint32 number = bh_mock_number(host->mock, 0);

  *item = (Item){.number = number,
                 .process = number,
                 .parent = parent,
                 .image = g_strdup(image),
                 .command_line = g_strdup(command_line)};
  if (!begin(host, item)) return 0;
  bh_mock_begin_thread(host, number);
  return number;
}

/* The last one that began, of those that are that process or thread, or (threads) that process's threads; NULL: none. */
static Item *take(BhMockHost *host, guint32 number, gboolean threads) {
  for (guint i = host->items->len; i-- > 0;) {
    Item *item = host->items->pdata[i];
    gboolean fits = item->number == number || (threads && item->process == number);

    if (number == 0 || fits) return g_ptr_array_steal_index(host->items, i);
  }
  return NULL;
}

/* number 0: all. A process's threads end before it, for they began after it. */
static gboolean end(BhMockHost *host, guint32 number, gint32 status) {
  g_autoptr(GPtrArray) ended = g_ptr_array_new_with_free_func(item_free);
  Item *item;

  bh_mutex_lock(&host->lock);
  while ((item = take(host, number, TRUE)) != NULL) {
    tell_end(host, item, status);
    g_ptr_array_add(ended, item);
  }
  bh_mutex_unlock(&host->lock);
  for (guint i = 0; i < ended->len; i++) bh_mock_forget(host->mock, ((Item *)ended->pdata[i])->number);
  return ended->len > 0;
}

void bh_mock_end_number(BhMockHost *host, guint32 number, gint32 status) {
  if (number != 0) end(host, number, status);
}

void bh_mock_end_all(BhMockHost *host, gint32 status) {
  end(host, 0, status);
}

/* ---- Asked for by others: without the lock ------------------------------------------------------------------- */

BhResult bh_mock_watch(BhLink *link, BhWatch what) {
  BhMockHost *host = (BhMockHost *)link;
  BhResult result = BH_OK;

  bh_mutex_lock(&host->lock);
  if (host->state != BH_MOCK_ALIVE) {
    result = BH_E_NOT_VALID_STATE;
  } else if (what != BH_WATCH_NOTHING && !bh_activity_queue_start(&host->activities, BH_RANK_SESSION_TABLE)) {
    result = BH_E_OUTOFMEMORY;
  } else {
    host->watch = what;
    if ((what & BH_WATCH_THREADS) == 0) bh_activity_queue_drop(&host->activities, what != BH_WATCH_NOTHING);
    for (guint i = 0; i < host->items->len; i++) {
      Item *item = host->items->pdata[i];
      if ((what & (is_thread(item) ? BH_WATCH_THREADS : BH_WATCH_PROCESSES)) == 0) item->told = FALSE;
      tell_begin(host, item);
    }
  }
  bh_mutex_unlock(&host->lock);
  return result;
}

guint32 bh_mock_host_start_child(BhMockHost *host, const char *image, const char *command_line) {
  return bh_mock_begin_process(host, host->pid, image, command_line);
}

gboolean bh_mock_host_end_child(BhMockHost *host, guint32 child, gint32 status) {
  return child != 0 && end(host, child, status);
}
