#include "service.h"

struct BhService {
  BhTrace *trace;
  BhWorkers *workers;
  BhPluginManager *manager;
  BhSessionShared shared;
  BhMutex table_lock;   /* guards the two below */
  GHashTable *sessions; /* id → BhSession, with a reference */
  guint32 last_id;
  gint64 stop_timeout;
  BhMutex stop_lock; /* guards stopped */
  BhCond stop_ended; /* stopped was set */
  gboolean stopped;  /* no session is left */
};

static const BhLockClass table_class = {"session table", BH_RANK_SESSION_TABLE, FALSE};
static const BhLockClass stop_class = {"service stop", BH_RANK_LEAF, FALSE};

static BhSession *find_session(BhService *service, guint32 id) {
  BhSession *session;

  bh_mutex_lock(&service->table_lock);
  session = g_hash_table_lookup(service->sessions, GUINT_TO_POINTER(id));
  if (session != NULL) bh_session_ref(session);
  bh_mutex_unlock(&service->table_lock);
  return session;
}

/* A plugin's call; the host's stub has checked it too, but a host is not to be believed. */
static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  BhService *service = data;
  g_autoptr(BhSession) session = NULL;

  reply->result = bh_call_check(call);
  if (BH_FAILED(reply->result)) return;
  session = bh_apis[call->api].kind == BH_SESSION_VM ? find_session(service, call->session) : NULL;
  if (session == NULL)
    reply->result = BH_E_NOT_FOUND;
  else
    bh_session_call(session, call, reply);
}

BhService *bh_service_new(const BhServiceSettings *settings) {
  BhService *service = g_new0(BhService, 1);

  service->trace = bh_trace_new();
  service->workers = bh_workers_new("bh-worker");
  service->sessions = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)bh_session_unref);
  bh_mutex_init(&service->table_lock, &table_class);
  bh_mutex_init(&service->stop_lock, &stop_class);
  bh_cond_init(&service->stop_ended);
  service->stop_timeout = settings->stop_timeout != 0 ? settings->stop_timeout : BH_STOP_TIMEOUT;
  service->manager = bh_plugin_manager_new(&(BhPluginManagerSettings){
      .backend = settings->backend,
      .trace = service->trace,
      .workers = service->workers,
      .callbacks = settings->callbacks != NULL ? settings->callbacks : &bh_callbacks_pumped,
      .load_timeout = settings->load_timeout != 0 ? settings->load_timeout : BH_LOAD_TIMEOUT,
      .call = on_call,
      .data = service,
  });
  service->shared = (BhSessionShared){.manager = service->manager,
                                      .guest = settings->guest,
                                      .trace = service->trace,
                                      .workers = service->workers,
                                      .forbidden_flags = settings->forbidden_flags};
  return service;
}

BhTrace *bh_service_trace(BhService *service) {
  return service->trace;
}

gboolean bh_service_add_plugin(BhService *service, const char *name, const char *path) {
  return bh_plugin_manager_add(service->manager, name, path);
}

BhSession *bh_service_open_session(BhService *service, const BhUser *user) {
  BhSession *session = NULL;

  bh_mutex_lock(&service->table_lock);
  if (service->last_id < G_MAXUINT32) {
    session = bh_session_new(&service->shared, ++service->last_id, user);
    g_hash_table_insert(service->sessions, GUINT_TO_POINTER(bh_session_id(session)), bh_session_ref(session));
  }
  bh_mutex_unlock(&service->table_lock);
  return session;
}

void bh_service_close_session(BhService *service, BhSession *session) {
  gpointer registered = NULL;

  bh_session_close(session);
  bh_mutex_lock(&service->table_lock);
  g_hash_table_steal_extended(service->sessions, GUINT_TO_POINTER(bh_session_id(session)), NULL, &registered);
  bh_mutex_unlock(&service->table_lock);
  if (registered != NULL) bh_session_unref(registered);
}

static GList *all_sessions(BhService *service) {
  GList *sessions;

  bh_mutex_lock(&service->table_lock);
  sessions = g_hash_table_get_values(service->sessions);
  g_list_foreach(sessions, (GFunc)(void (*)(void))bh_session_ref, NULL);
  bh_mutex_unlock(&service->table_lock);
  return sessions;
}

/* On a worker, while the sessions are closed: a hook that does not return holds its session's lock, so nobody else could
 * end it. */
static void limit_stop(gpointer data) {
  BhService *service = data;
  gint64 deadline = bh_clock_deadline(service->stop_timeout);
  gboolean stopped;

  bh_mutex_lock(&service->stop_lock);
  while (!service->stopped)
    if (!bh_cond_wait_until(&service->stop_ended, &service->stop_lock, deadline)) break;
  stopped = service->stopped;
  bh_mutex_unlock(&service->stop_lock);
  if (!stopped) bh_plugin_manager_kill_hosts(service->manager, "it had not finished when the service stopped");
}

void bh_service_free(BhService *service) {
  GList *sessions = all_sessions(service);

  bh_workers_post(service->workers, limit_stop, service); /* no thread: then without a limit */
  for (GList *i = sessions; i != NULL; i = i->next) bh_service_close_session(service, i->data);
  g_list_free_full(sessions, (GDestroyNotify)bh_session_unref);
  bh_mutex_lock(&service->stop_lock);
  service->stopped = TRUE;
  bh_cond_signal(&service->stop_ended);
  bh_mutex_unlock(&service->stop_lock);

  /* Hosts go after the sessions that notify them; workers, when nothing posts any more. A call that still comes in finds
   * no session. */
  bh_workers_free(service->workers);
  bh_plugin_manager_free(service->manager);
  bh_cond_clear(&service->stop_ended);
  bh_mutex_clear(&service->stop_lock);
  bh_mutex_clear(&service->table_lock);
  g_hash_table_unref(service->sessions);
  bh_trace_free(service->trace);
  g_free(service);
}
