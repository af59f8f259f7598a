#include "service.h"

/* What the service knows of a WSLC session. */
typedef struct {
  BhContainerSession *session; /* with a reference */
  guint users;
  gboolean persistent;
} ContainerEntry;

struct BhService {
  BhTrace *trace;
  BhWorkers *workers;
  BhTimers *timers;
  BhProcessNotify *notify;
  BhBackend *backend;
  BhPluginManager *manager;
  BhSessionShared shared;

  /* Who is there. Whom plugins' calls reach, by id: VM sessions while they are open; WSLC sessions from before
   * OnSessionCreated until after OnSessionStopping. Whom users reach, by name: WSLC sessions, from when the plugins have
   * agreed until their end begins. */
  BhMutex table_lock;     /* guards all up to last_container */
  GHashTable *sessions;   /* id → BhSession, with a reference */
  GHashTable *containers; /* id → ContainerEntry */
  GHashTable *names;      /* name → ContainerEntry */
  guint32 last_session, last_container;

  gint64 stop_timeout;
  BhMutex stop_lock; /* guards stopped */
  BhCond stop_ended; /* stopped was set */
  gboolean stopped;  /* no session is left */
};

static const BhLockClass table_class = {"session table", BH_RANK_SESSION_TABLE, FALSE};
static const BhLockClass stop_class = {"service stop", BH_RANK_LEAF, FALSE};

/* --- Plugins' calls ---------------------------------------------------------------------------------------------- */

static BhSession *find_session(BhService *service, guint32 id) {
  BhSession *session;

  bh_mutex_lock(&service->table_lock);
  session = g_hash_table_lookup(service->sessions, GUINT_TO_POINTER(id));
  if (session != NULL) bh_session_ref(session);
  bh_mutex_unlock(&service->table_lock);
  return session;
}

static BhContainerSession *find_container_session(BhService *service, guint32 id) {
  BhContainerSession *session = NULL;
  const ContainerEntry *entry;

  bh_mutex_lock(&service->table_lock);
  entry = g_hash_table_lookup(service->containers, GUINT_TO_POINTER(id));
  if (entry != NULL) session = bh_container_session_ref(entry->session);
  bh_mutex_unlock(&service->table_lock);
  return session;
}

/* VM sessions and WSLC sessions have number spaces of their own; which it is, the call says. */
static void on_call(gpointer data, const BhCall *call, BhProcessTable *processes, BhCallReply *reply) {
  BhService *service = data;
  g_autoptr(BhSession) session = NULL;
  g_autoptr(BhContainerSession) containers = NULL;

  if (bh_apis[call->api].kind == BH_SESSION_VM)
    session = find_session(service, call->session);
  else
    containers = find_container_session(service, call->session);
  if (session != NULL)
    bh_session_call(session, call, reply);
  else if (containers != NULL)
    bh_container_session_call(containers, call, processes, reply);
  else
    reply->result = BH_E_NOT_FOUND;
}

/* --- Its own life ------------------------------------------------------------------------------------------------ */

static void entry_free(gpointer data) {
  ContainerEntry *entry = data;

  bh_container_session_unref(entry->session);
  g_free(entry);
}

BhService *bh_service_new(const BhServiceSettings *settings) {
  BhService *service = g_new0(BhService, 1);

  service->trace = bh_trace_new();
  service->workers = bh_workers_new("bh-worker");
  service->sessions = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)bh_session_unref);
  service->containers = g_hash_table_new_full(NULL, NULL, NULL, entry_free);
  service->names = g_hash_table_new(g_str_hash, g_str_equal);
  service->timers = bh_timers_new(service->workers);
  service->notify = bh_process_notify_new(service->trace, service->workers);
  service->backend = settings->backend;
  bh_mutex_init(&service->table_lock, &table_class);
  bh_mutex_init(&service->stop_lock, &stop_class);
  bh_cond_init(&service->stop_ended);
  service->stop_timeout = settings->stop_timeout != 0 ? settings->stop_timeout : BH_STOP_TIMEOUT;
  service->manager = bh_plugin_manager_new(&(BhPluginManagerSettings){
      .backend = settings->backend,
      .trace = service->trace,
      .workers = service->workers,
      .notify = service->notify,
      .callbacks = settings->callbacks != NULL ? settings->callbacks : &bh_callbacks_pumped,
      .load_timeout = settings->load_timeout != 0 ? settings->load_timeout : BH_LOAD_TIMEOUT,
      .call = on_call,
      .data = service,
  });
  service->shared = (BhSessionShared){.manager = service->manager,
                                      .guest = settings->guest,
                                      .trace = service->trace,
                                      .workers = service->workers,
                                      .timers = service->timers,
                                      .notify = service->notify,
                                      .forbidden_flags = settings->forbidden_flags,
                                      .vm_idle_timeout = settings->vm_idle_timeout};
  return service;
}

BhTrace *bh_service_trace(BhService *service) {
  return service->trace;
}

BhProcessNotify *bh_service_process_notify(BhService *service) {
  return service->notify;
}

BhResult bh_service_query_subsystem(BhService *service, const BhActivityOrigin *origin, guint32 process,
                                    guint32 thread, BhSubsystemAnswer *answer) {
  const BhBackendClass *class = service->backend->class;

  *answer = (BhSubsystemAnswer){BH_SUBSYSTEM_WSL, FALSE}; /* what a VM has is WSL's */
  if (origin != NULL && (origin->session != 0 || origin->name != NULL))
    return bh_process_notify_has_process(service->notify, origin, process, thread);
  if (class->subsystem == NULL) return BH_E_NOTIMPL;
  return class->subsystem(service->backend, process, thread, &answer->subsystem, &answer->assumed);
}

gboolean bh_service_add_plugin(BhService *service, const char *name, const char *path) {
  return bh_plugin_manager_add(service->manager, name, path);
}

BhSession *bh_service_open_session(BhService *service, const BhUser *user) {
  BhSession *session = NULL;

  bh_mutex_lock(&service->table_lock);
  if (service->last_session < G_MAXUINT32) {
    session = bh_session_new(&service->shared, ++service->last_session, user);
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

/* --- WSLC sessions ----------------------------------------------------------------------------------------------- */

/* Its name leads to it no more; with the lock held. */
static void unpublish(BhService *service, ContainerEntry *entry) {
  const char *name = bh_container_session_name(entry->session);
  if (g_hash_table_lookup(service->names, name) == entry) g_hash_table_remove(service->names, name);
}

/* Users reach it no more; then it is stopped; then plugins' calls reach it no more. Several threads may do so at once: the
 * session is stopped by one of them, and the others wait for that. */
static void end_container_session(BhService *service, BhContainerSession *session, const char *why) {
  gpointer id = GUINT_TO_POINTER(bh_container_session_id(session)), ended = NULL;
  ContainerEntry *entry;

  bh_mutex_lock(&service->table_lock);
  entry = g_hash_table_lookup(service->containers, id);
  if (entry != NULL) unpublish(service, entry);
  bh_mutex_unlock(&service->table_lock);

  bh_container_session_stop(session, why);

  bh_mutex_lock(&service->table_lock);
  if (g_hash_table_steal_extended(service->containers, id, NULL, &ended)) unpublish(service, ended);
  bh_mutex_unlock(&service->table_lock);
  if (ended != NULL) entry_free(ended);
}

/* Its VM has died. On a worker; the session is alive during the call. */
static void on_container_end(BhContainerSession *session, gpointer data) {
  end_container_session(data, session, "its VM has died");
}

/* A reference to the one of that name, which has so many users more; NULL: there is none. One that is dead is stopped
 * first. */
static BhContainerSession *look_up(BhService *service, const char *name, guint users) {
  for (;;) {
    g_autoptr(BhContainerSession) session = NULL;
    ContainerEntry *entry;
    gboolean dead = FALSE;

    bh_mutex_lock(&service->table_lock);
    entry = g_hash_table_lookup(service->names, name);
    if (entry != NULL) {
      session = bh_container_session_ref(entry->session);
      dead = bh_container_session_is_dead(session);
      if (!dead) entry->users += users;
    }
    bh_mutex_unlock(&service->table_lock);
    if (!dead) return g_steal_pointer(&session);
    end_container_session(service, session, "it was found dead");
  }
}

BhResult bh_service_open_container_session(BhService *service, const char *name, BhContainerSession **session,
                                           BhError **error) {
  BhContext context = {&bh_service_context, "OpenSession"};

  *session = look_up(service, name, 1);
  return *session != NULL ? BH_OK
                          : bh_error_set(error, BH_E_NOT_FOUND, &context, "There is no session '%s'", name);
}

void bh_service_release_container_session(BhService *service, BhContainerSession *session) {
  gboolean last = FALSE;
  ContainerEntry *entry;

  bh_mutex_lock(&service->table_lock);
  entry = g_hash_table_lookup(service->containers, GUINT_TO_POINTER(bh_container_session_id(session)));
  if (entry != NULL) {
    g_assert(entry->users > 0);
    last = --entry->users == 0 && !entry->persistent;
    if (last) unpublish(service, entry); /* in the same step: nobody becomes its user after this */
  }
  bh_mutex_unlock(&service->table_lock);
  if (last) end_container_session(service, session, "its last user has gone");
  bh_container_session_unref(session);
}

void bh_service_terminate_container_session(BhService *service, BhContainerSession *session) {
  end_container_session(service, session, "it was terminated");
}

/* Plugins' calls reach it; nobody else does. NULL: no id is left. */
static BhContainerSession *add_container_session(BhService *service, const BhContainerSettings *settings) {
  BhContainerSession *session = NULL;
  ContainerEntry *entry;

  bh_mutex_lock(&service->table_lock);
  if (service->last_container < G_MAXUINT32) {
    session = bh_container_session_new(&service->shared, ++service->last_container, settings);
    bh_container_session_on_end(session, on_container_end, service);
    entry = g_new(ContainerEntry, 1);
    *entry = (ContainerEntry){bh_container_session_ref(session), 1, settings->persistent};
    g_hash_table_insert(service->containers, GUINT_TO_POINTER(bh_container_session_id(session)), entry);
  }
  bh_mutex_unlock(&service->table_lock);
  return session;
}

/* Users reach it from here on. FALSE: the name is another's. */
static gboolean publish(BhService *service, BhContainerSession *session) {
  char *name = (char *)bh_container_session_name(session); /* the entry keeps the session, and that its name */
  ContainerEntry *entry;
  gboolean won;

  bh_mutex_lock(&service->table_lock);
  entry = g_hash_table_lookup(service->containers, GUINT_TO_POINTER(bh_container_session_id(session)));
  won = entry != NULL && !g_hash_table_contains(service->names, name);
  if (won) g_hash_table_insert(service->names, name, entry);
  bh_mutex_unlock(&service->table_lock);
  return won;
}

BhResult bh_service_create_container_session(BhService *service, const BhContainerSettings *settings,
                                             BhContainerSession **session, BhError **error) {
  BhContext context = {&bh_service_context, "CreateSession"};
  g_autoptr(BhContainerSession) created = NULL, other = look_up(service, settings->name, 0);
  BhResult result;

  *session = NULL;
  if (other != NULL)
    return bh_error_set(error, BH_E_ALREADY_EXISTS, &context, "There is a session '%s' already", settings->name);
  created = add_container_session(service, settings);
  if (created == NULL)
    return bh_error_set(error, BH_E_OUTOFMEMORY, &context, "No session can be created any more");
  result = bh_container_session_begin(created, error);
  if (BH_SUCCEEDED(result) && !publish(service, created)) result = bh_container_session_abandon(created, error);
  if (BH_FAILED(result)) {
    end_container_session(service, created, "it was not published"); /* it was stopped already */
    return result;
  }
  bh_container_session_announce(created);
  *session = g_steal_pointer(&created);
  return BH_OK;
}

/* --- The end ----------------------------------------------------------------------------------------------------- */

static GList *all_container_sessions(BhService *service) {
  GList *sessions = NULL;
  GHashTableIter iter;
  gpointer value;

  bh_mutex_lock(&service->table_lock);
  g_hash_table_iter_init(&iter, service->containers);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    sessions = g_list_prepend(sessions, bh_container_session_ref(((ContainerEntry *)value)->session));
  bh_mutex_unlock(&service->table_lock);
  return sessions;
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
  GList *sessions = all_sessions(service), *containers = all_container_sessions(service);

  bh_workers_post(service->workers, limit_stop, service); /* no thread: then without a limit */
  for (GList *i = sessions; i != NULL; i = i->next) bh_service_close_session(service, i->data);
  g_list_free_full(sessions, (GDestroyNotify)bh_session_unref);
  for (GList *i = containers; i != NULL; i = i->next) end_container_session(service, i->data, "the service stops");
  g_list_free_full(containers, (GDestroyNotify)bh_container_session_unref);
  bh_mutex_lock(&service->stop_lock);
  service->stopped = TRUE;
  bh_cond_signal(&service->stop_ended);
  bh_mutex_unlock(&service->stop_lock);

  /* Hosts go after the sessions that notify them; workers, when nothing posts any more. A call that still comes in finds
   * no session. */
  bh_timers_free(service->timers);
  bh_workers_free(service->workers);
  bh_plugin_manager_free(service->manager);
  bh_process_notify_free(service->notify);
  bh_cond_clear(&service->stop_ended);
  bh_mutex_clear(&service->stop_lock);
  bh_mutex_clear(&service->table_lock);
  g_hash_table_unref(service->names);
  g_hash_table_unref(service->containers);
  g_hash_table_unref(service->sessions);
  bh_trace_free(service->trace);
  g_free(service);
}
