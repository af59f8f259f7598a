#include "mock-internal.h"

#include "core/hook-slot.h"
#include "core/record.h"

struct BhMockThread {
  BhMockHost *host;
  void (*func)(gpointer data);
  gpointer data;
  gboolean done; /* guarded by the host's lock */
};

static const BhLockClass host_class = {"mock-host", BH_RANK_LEAF, FALSE};

/* ---- Life and death ------------------------------------------------------------------------------------ */

gboolean bh_mock_host_is_gone(BhMockHost *host) {
  gboolean gone;

  bh_mutex_lock(&host->lock);
  gone = host->state != BH_MOCK_ALIVE;
  bh_mutex_unlock(&host->lock);
  return gone;
}

void bh_mock_host_wait_dead(BhMockHost *host) {
  bh_mutex_lock(&host->lock);
  while (host->state == BH_MOCK_ALIVE) bh_cond_wait(&host->changed, &host->lock);
  bh_mutex_unlock(&host->lock);
}

/* The host is no more; only the first to say so is heard. */
static void end(BhMockHost *host, BhMockState state, const char *how) {
  gboolean first;

  bh_mutex_lock(&host->lock);
  first = host->state == BH_MOCK_ALIVE;
  if (first) {
    host->state = state;
    host->how = g_strdup(how);
    host->running++; /* plugin.gone is the plugin's code, and may run on a thread that release knows nothing of */
    bh_cond_broadcast(&host->changed);
  }
  bh_mutex_unlock(&host->lock);
  if (!first) return;

  if (host->mock != NULL) bh_mock_end_all(host, state == BH_MOCK_DEAD); /* not before it was started */
  if (host->plugin.gone != NULL) host->plugin.gone(host->plugin.data);

  bh_mutex_lock(&host->lock);
  bh_mock_host_leave(host);
  bh_mutex_unlock(&host->lock);
}

void bh_mock_host_crash(BhMockHost *host, const char *how) {
  end(host, BH_MOCK_DEAD, how);
}

static gpointer undertake(gpointer data) {
  BhMockHost *host = data;

  bh_mock_host_wait_dead(host);
  /* From here on state and how never change. */
  if (host->state == BH_MOCK_DEAD && host->events->died != NULL) host->events->died(host->events_data, host->how);
  return NULL;
}

BhMockHost *bh_mock_host_new(const char *name, const BhLinkEvents *events, gpointer events_data) {
  BhMockHost *host = g_new0(BhMockHost, 1);

  host->name = g_strdup(name);
  host->events = events;
  host->events_data = events_data;
  host->workers = bh_workers_new("mock-host");
  host->threads = g_ptr_array_new_with_free_func(g_free);
  bh_mutex_init(&host->lock, &host_class);
  bh_cond_init(&host->changed);
  bh_mock_activity_init(host);
  host->undertaker = bh_thread_new("mock-undertaker", BH_RANK_SESSION_TABLE, undertake, host);
  if (host->undertaker != NULL) return host;
  bh_mock_host_free(host);
  return NULL;
}

void bh_mock_host_free(BhMockHost *host) {
  end(host, BH_MOCK_RELEASED, NULL);
  bh_mutex_lock(&host->lock);
  while (host->running > 0) bh_cond_wait(&host->changed, &host->lock);
  bh_mutex_unlock(&host->lock);

  bh_workers_free(host->workers);
  if (host->undertaker != NULL) bh_thread_join(host->undertaker);
  bh_mock_activity_clear(host);
  if (host->plugin.destroy != NULL) host->plugin.destroy(host->plugin.data);
  g_ptr_array_unref(host->threads);
  bh_cond_clear(&host->changed);
  bh_mutex_clear(&host->lock);
  g_free(host->how);
  g_free(host->name);
  g_free(host);
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

BhResult bh_mock_host_enter(BhMockHost *host, BhWorkerFunc func, gpointer data) {
  bh_mutex_lock(&host->lock);
  if (host->state != BH_MOCK_ALIVE) {
    bh_mutex_unlock(&host->lock);
    return BH_RPC_S_SERVER_UNAVAILABLE;
  }
  host->running++; /* which keeps release from freeing the workers below */
  bh_mutex_unlock(&host->lock);
  if (bh_workers_post(host->workers, func, data)) return BH_OK;

  bh_mutex_lock(&host->lock);
  bh_mock_host_leave(host);
  bh_mutex_unlock(&host->lock);
  return BH_E_OUTOFMEMORY;
}

void bh_mock_host_leave(BhMockHost *host) {
  host->running--;
  bh_cond_broadcast(&host->changed);
}

static void run_thread(gpointer data) {
  BhMockThread *thread = data;
  BhMockHost *host = thread->host;
  guint32 number = bh_mock_begin_thread(host, host->pid);

  thread->func(thread->data);
  bh_mock_end_number(host, number, 0);
  bh_mutex_lock(&host->lock);
  thread->done = TRUE;
  bh_mock_host_leave(host);
  bh_mutex_unlock(&host->lock);
}

BhMockThread *bh_mock_host_spawn(BhMockHost *host, void (*func)(gpointer data), gpointer data) {
  BhMockThread *thread = g_new0(BhMockThread, 1);
  gboolean begun;

  *thread = (BhMockThread){.host = host, .func = func, .data = data};
  begun = BH_SUCCEEDED(bh_mock_host_enter(host, run_thread, thread));
  if (!begun) {
    g_free(thread);
    return NULL;
  }
  bh_mutex_lock(&host->lock);
  g_ptr_array_add(host->threads, thread);
  bh_mutex_unlock(&host->lock);
  return thread;
}

void bh_mock_host_join(BhMockHost *host, BhMockThread *thread) {
  bh_mutex_lock(&host->lock);
  while (!thread->done) bh_cond_wait(&host->changed, &host->lock);
  g_ptr_array_remove_fast(host->threads, thread);
  bh_mutex_unlock(&host->lock);
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

/* The service's end of a call: decodes what arrived, and encodes what the handler says. The resource goes
 * beside the record, which is how it would travel between processes. NULL: neither end's doing; nothing
 * was handed out. */
static GBytes *serve(BhMockHost *host, BhApi api, GBytes *request, BhResource *resource) {
  g_auto(BhCall) call = {0};
  g_auto(BhCallReply) reply = {0};
  GBytes *record;
  gsize size;
  gconstpointer bytes = g_bytes_get_data(request, &size);

  if (!bh_record_decode_call(api, bytes, size, &call, NULL)) return NULL;
  host->events->call(host->events_data, &call, &reply);
  record = bh_record_encode(&bh_call_reply_fields, &reply, NULL);
  if (record != NULL) {
    *resource = reply.resource;
    reply.resource = (BhResource){0};
  }
  return record;
}

BhResult bh_mock_host_call(BhMockHost *host, const BhCall *call, BhCallReply *reply) {
  BhCall tagged = *call;
  g_autoptr(GBytes) request = NULL;
  g_autoptr(GBytes) answer = NULL;
  BhResource resource = {0};
  gconstpointer bytes;
  gsize size;

  reply->result = bh_call_check(call);
  if (BH_FAILED(reply->result)) return reply->result;
  tagged.notification = bh_hook_slot_current();
  tagged.thread = bh_thread_number();
  request = bh_record_encode_call(&tagged, NULL);
  if (request == NULL) return reply->result = BH_E_INVALIDARG;

  reply->result = BH_E_UNEXPECTED;
  if (bh_mock_host_is_gone(host)) return reply->result;
  answer = serve(host, call->api, request, &resource);
  if (answer == NULL) return reply->result;
  bytes = g_bytes_get_data(answer, &size);
  if (bh_mock_host_is_gone(host) || !bh_record_decode(&bh_call_reply_fields, bytes, size, reply, NULL))
    bh_resource_clear(&resource); /* it was on its way to a plugin that is no more */
  else
    reply->resource = resource;
  return reply->result;
}

BhResult bh_mock_host_plugin_error(BhMockHost *host, const char *message) {
  BhNotifyReply reply = {.message = (char *)message};
  g_autoptr(GBytes) record = bh_record_encode(&bh_notify_reply_fields, &reply, NULL);

  if (bh_mock_host_is_gone(host)) return BH_E_UNEXPECTED;
  if (record == NULL) return BH_E_INVALIDARG; /* could never reach the service */
  return bh_hook_slot_plugin_error(message);
}
