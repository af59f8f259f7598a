#include "process-table.h"

#include "sync.h"

/* Shared by the table and the calls that look at it: a release may come while another call asks. */
typedef struct {
  BhProcess *process;
  BhResource streams[BH_STREAM_COUNT]; /* guarded by the table's lock; empty once handed out */
} Entry;

struct BhProcessTable {
  BhMutex lock;        /* guards all below */
  GHashTable *entries; /* number (guint64, owned) → Entry, with a reference */
  guint reserved;      /* for processes that are being started */
  guint64 last_number;
  gboolean ended;
};

static const BhLockClass table_class = {"process table", BH_RANK_LEAF, FALSE};

static void entry_clear(gpointer data) {
  Entry *entry = data;

  for (guint i = 0; i < BH_STREAM_COUNT; i++) bh_resource_clear(&entry->streams[i]);
  entry->process->class->process_free(entry->process);
}

static void entry_unref(gpointer data) {
  g_atomic_rc_box_release_full(data, entry_clear);
}

BhProcessTable *bh_process_table_new(void) {
  BhProcessTable *table = g_new0(BhProcessTable, 1);

  table->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, entry_unref);
  bh_mutex_init(&table->lock, &table_class);
  return table;
}

void bh_process_table_free(BhProcessTable *table) {
  g_hash_table_unref(table->entries);
  bh_mutex_clear(&table->lock);
  g_free(table);
}

BhResult bh_process_table_reserve(BhProcessTable *table) {
  BhResult result = BH_OK;

  bh_mutex_lock(&table->lock);
  if (table->ended)
    result = BH_E_UNEXPECTED;
  else if (g_hash_table_size(table->entries) + table->reserved >= BH_PROCESS_TABLE_MAX)
    result = BH_E_OUTOFMEMORY;
  else
    table->reserved++;
  bh_mutex_unlock(&table->lock);
  return result;
}

void bh_process_table_cancel(BhProcessTable *table) {
  bh_mutex_lock(&table->lock);
  table->reserved--;
  bh_mutex_unlock(&table->lock);
}

BhResult bh_process_table_add(BhProcessTable *table, BhProcess *process, BhResource streams[BH_STREAM_COUNT],
                              guint64 *number) {
  Entry *entry = g_atomic_rc_box_new0(Entry);
  BhResult result = BH_OK;

  entry->process = process;
  for (guint i = 0; i < BH_STREAM_COUNT; i++) {
    entry->streams[i] = streams[i];
    streams[i] = (BhResource){0};
  }

  bh_mutex_lock(&table->lock);
  table->reserved--;
  if (table->ended) {
    result = BH_E_UNEXPECTED;
  } else {
    *number = ++table->last_number;
    g_hash_table_insert(table->entries, g_memdup2(number, sizeof *number), g_atomic_rc_box_acquire(entry));
  }
  bh_mutex_unlock(&table->lock);
  entry_unref(entry);
  return result;
}

/* The entry with a reference, and, for GetFd, its stream; NULL: there is none of that number. */
static Entry *find(BhProcessTable *table, const BhCall *call, BhResource *stream) {
  Entry *entry;

  bh_mutex_lock(&table->lock);
  entry = g_hash_table_lookup(table->entries, &call->process);
  if (entry != NULL) {
    g_atomic_rc_box_acquire(entry);
    if (call->api == BH_API_PROCESS_GET_FD && call->fd < BH_STREAM_COUNT) {
      *stream = entry->streams[call->fd];
      entry->streams[call->fd] = (BhResource){0};
    }
  }
  bh_mutex_unlock(&table->lock);
  return entry;
}

static void forget(BhProcessTable *table, guint64 number) {
  gpointer key = NULL, entry = NULL;

  bh_mutex_lock(&table->lock);
  g_hash_table_steal_extended(table->entries, &number, &key, &entry);
  bh_mutex_unlock(&table->lock);
  g_free(key);
  if (entry != NULL) entry_unref(entry);
}

void bh_process_table_call(BhProcessTable *table, const BhCall *call, BhCallReply *reply) {
  Entry *entry = find(table, call, &reply->resource);
  gint32 code;

  if (entry == NULL) {
    /* Nothing to release is nothing to complain of: the call has no result. */
    reply->result = call->api == BH_API_PROCESS_RELEASE ? BH_OK : BH_E_INVALIDARG;
    return;
  }
  switch (call->api) {
    case BH_API_PROCESS_GET_FD:
      if (call->fd >= BH_STREAM_COUNT)
        reply->result = BH_E_INVALIDARG;
      else
        reply->result = reply->resource.close != NULL ? BH_OK : BH_E_NOT_VALID_STATE;
      break;
    case BH_API_PROCESS_GET_EXIT_EVENT:
      reply->result = entry->process->class->process_event(entry->process, &reply->resource);
      break;
    case BH_API_PROCESS_GET_EXIT_CODE:
      reply->result = entry->process->class->process_exit_code(entry->process, &code);
      if (BH_SUCCEEDED(reply->result)) reply->number = (guint32)code;
      break;
    case BH_API_PROCESS_RELEASE: forget(table, call->process); break;
    default: g_assert_not_reached();
  }
  entry_unref(entry);
}

void bh_process_table_end(BhProcessTable *table) {
  GHashTable *entries;

  bh_mutex_lock(&table->lock);
  table->ended = TRUE;
  entries = table->entries;
  table->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, entry_unref);
  bh_mutex_unlock(&table->lock);
  g_hash_table_unref(entries);
}
