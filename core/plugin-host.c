#include "plugin-host.h"

typedef enum { DISCOVERED, LOADING, READY, FAILED, CRASHED } State;

struct BhPluginHost {
  const BhPluginHostShared *shared;
  char *name, *path;
  BhMutex lock; /* guards all below */
  State state;
  BhLink *link;              /* once set, valid until the host is freed */
  guint32 pid;               /* its process, 0: none yet */
  gboolean dead;             /* the host is known to be no more */
  gboolean reported;         /* its crash was traced */
  char *given_up;            /* why the load was ended, if it was */
  guint32 hooks;             /* bit n: the plugin has hook n */
  BhProcessTable *processes; /* has a lock of its own; ended when the host is dead */
  BhActivitySource *source;  /* of what its host runs, likewise; NULL: nobody is told. Immutable */
};

static const BhLockClass host_class = {"plugin host", BH_RANK_LEAF, FALSE};

static State get_state(BhPluginHost *host) {
  State state;

  bh_mutex_lock(&host->lock);
  state = host->state;
  bh_mutex_unlock(&host->lock);
  return state;
}

BhPluginHost *bh_plugin_host_new(const BhPluginHostShared *shared, const char *name, const char *path) {
  BhPluginHost *host = g_new0(BhPluginHost, 1);

  host->shared = shared;
  host->name = g_strdup(name);
  host->path = g_strdup(path);
  host->processes = bh_process_table_new();
  if (shared->notify != NULL)
    host->source = bh_activity_source_new(shared->notify, &(BhActivityOrigin){.plugin = host->name});
  bh_mutex_init(&host->lock, &host_class);
  return host;
}

const char *bh_plugin_host_name(const BhPluginHost *host) {
  return host->name;
}

const char *bh_plugin_host_path(const BhPluginHost *host) {
  return host->path;
}

/* An event or span of the host's process: its thread is known to none. */
static BhTraceEvent begin(BhPluginHost *host, const char *what) {
  BhTraceEvent event = bh_trace_begin(host->name, what);

  bh_mutex_lock(&host->lock);
  event.process = host->pid;
  bh_mutex_unlock(&host->lock);
  event.thread = 0;
  return event;
}

static void trace(BhPluginHost *host, const char *what, BhResult result, const char *detail) {
  BhTraceEvent event = begin(host, what);

  event.result = result;
  event.detail = detail;
  bh_trace_emit(host->shared->trace, &event);
}

/* Telemetry: once, whoever comes first. */
static void report_crash(BhPluginHost *host, const char *how) {
  gboolean first;

  bh_mutex_lock(&host->lock);
  first = !host->reported;
  host->reported = TRUE;
  bh_mutex_unlock(&host->lock);
  if (first) trace(host, "crashed", BH_CRASH_CODE, how);
}

/* All roads by which a host's death is learnt of lead here. While the plugin is being loaded, it is the loading thread
 * that makes a failure of it. After that the latch is set *before* the state changes: who sees the plugin not ready, also
 * sees why. */
static void host_is_dead(BhPluginHost *host, const char *how) {
  State state;

  bh_mutex_lock(&host->lock);
  host->dead = TRUE;
  state = host->state;
  bh_mutex_unlock(&host->lock);
  if (state != READY && state != CRASHED) return;
  bh_process_table_end(host->processes);

  bh_latch_set(host->shared->latch, host->name, BH_CRASH_CODE);
  bh_mutex_lock(&host->lock);
  host->state = CRASHED;
  bh_mutex_unlock(&host->lock);
  report_crash(host, how);
}

/* --- Events of the link ----------------------------------------------------------------------------------------- */

static void serve(BhPluginHost *host, const BhCall *call, BhCallReply *reply) {
  reply->result = bh_call_check(call); /* the host's stub has checked it too, but a host is not to be believed */
  if (BH_FAILED(reply->result)) return;
  if (bh_apis[call->api].names_process)
    bh_process_table_call(host->processes, call, reply);
  else
    host->shared->call(host->shared->data, call, host->processes, reply);
}

static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  BhPluginHost *host = data;
  BhTraceEvent span;

  if ((guint)call->api >= BH_API_COUNT) {
    reply->result = BH_E_INVALIDARG;
    return;
  }
  span = begin(host, bh_apis[call->api].name);
  span.thread = call->thread;
  switch (get_state(host)) {
    case READY: serve(host, call, reply); break;
    case LOADING: reply->result = BH_E_NOT_FOUND; break; /* no session is known to a plugin that is not loaded */
    default: reply->result = BH_E_UNEXPECTED; break;
  }
  bh_trace_end(host->shared->trace, &span, reply->result, "%s",
               call->linux_path != NULL ? call->linux_path
               : call->path != NULL     ? call->path
                                        : "");
}

static void on_died(gpointer data, const char *how) {
  BhPluginHost *host = data;

  trace(host, "host ended", BH_CRASH_CODE, how);
  host_is_dead(host, how);
}

/* On a thread that serves nothing else, and only once the link was asked to watch. */
static void on_activity(gpointer data, const BhActivity *activity) {
  bh_activity_source_tell(((BhPluginHost *)data)->source, activity);
}

static const BhLinkEvents link_events = {.call = on_call, .died = on_died, .activity = on_activity};

static BhResult watch(gpointer data, BhWatch what) {
  BhLink *link = data;
  return link->class->watch != NULL ? link->class->watch(link, what) : BH_E_NOTIMPL;
}

static const BhActivitySourceClass source_class = {.watch = watch};

/* --- Loading ---------------------------------------------------------------------------------------------------- */

gboolean bh_plugin_host_is_untried(BhPluginHost *host) {
  return get_state(host) == DISCOVERED;
}

/* The link is there: from now on a load can be given up by killing it. FALSE: it was given up already. */
static gboolean publish_link(BhPluginHost *host, BhLink *link) {
  gboolean wanted;

  bh_mutex_lock(&host->lock);
  host->link = link;
  host->pid = link->class->pid(link);
  wanted = host->given_up == NULL;
  bh_mutex_unlock(&host->lock);
  return wanted;
}

/* What went wrong, for people, is in reply's cause; set here where the backend left it out. */
static BhResult start_and_load(BhPluginHost *host, BhLoadReply *reply) {
  BhPluginSpec spec = {host->name, host->path};
  BhLink *link = NULL;
  BhResult status;

  status =
      host->shared->backend->class->start(host->shared->backend, &spec, &link_events, host, &link, &reply->cause);
  if (BH_FAILED(status)) {
    if (reply->cause == NULL) reply->cause = g_strdup("its host could not be started");
    return status;
  }
  if (!publish_link(host, link)) return BH_E_TIMEOUT;
  /* Before any code of the plugin's runs. A failure was traced, and changes nothing: nothing could be refused either. */
  if (host->source != NULL) bh_activity_source_open(host->source, &source_class, link);
  trace(host, "host started", BH_OK, NULL);

  status = link->class->load(link, reply);
  switch (bh_host_crash_classify(status)) {
    case BH_TRANSPORT_OK:
      if (BH_FAILED(reply->result) && reply->cause == NULL) reply->cause = g_strdup("its entry point failed");
      return reply->result;
    case BH_TRANSPORT_FAILED:
      if (reply->cause == NULL) reply->cause = g_strdup("its host could not be asked to load it");
      return status;
    case BH_TRANSPORT_DEAD: break;
  }
  bh_mutex_lock(&host->lock);
  host->dead = TRUE;
  bh_mutex_unlock(&host->lock);
  return BH_CRASH_CODE;
}

/* The load is over: what has come of it. A host that has died meanwhile, for whatever reason, has not loaded. */
static BhResult conclude_load(BhPluginHost *host, BhResult result, BhLoadReply *reply) {
  gboolean crashed = FALSE;

  bh_mutex_lock(&host->lock);
  if (host->given_up != NULL) {
    result = BH_E_TIMEOUT;
    g_free(reply->cause);
    reply->cause = g_strdup(host->given_up);
  } else if (host->dead) {
    result = BH_CRASH_CODE;
    crashed = TRUE;
    if (reply->cause == NULL) reply->cause = g_strdup("its host process died while loading it");
  }
  host->state = BH_FAILED(result) ? FAILED : READY;
  host->hooks = reply->hooks;
  bh_mutex_unlock(&host->lock);
  if (crashed) report_crash(host, reply->cause);
  return result;
}

BhResult bh_plugin_host_load(BhPluginHost *host) {
  g_auto(BhLoadReply) reply = {0};
  BhTraceEvent span = bh_trace_begin(host->name, "load");
  gboolean wanted;
  BhResult result;

  bh_mutex_lock(&host->lock);
  g_assert(host->state == DISCOVERED);
  host->state = LOADING;
  wanted = host->given_up == NULL;
  bh_mutex_unlock(&host->lock);

  result = conclude_load(host, wanted ? start_and_load(host, &reply) : BH_E_TIMEOUT, &reply);

  /* A plugin that is not loaded needs no process; and a fault that was swallowed leaves one running. */
  if (BH_FAILED(result) && host->link != NULL) host->link->class->kill(host->link, "its plugin was not loaded");
  span.process = host->pid; /* only this thread writes link and pid */
  span.thread = 0;
  bh_trace_end(host->shared->trace, &span, result, "%s%s%s", host->path, reply.cause != NULL ? ": " : "",
               reply.cause != NULL ? reply.cause : "");
  return result;
}

gboolean bh_plugin_host_kill(BhPluginHost *host, const char *reason) {
  BhLink *link;

  bh_mutex_lock(&host->lock);
  link = host->link;
  bh_mutex_unlock(&host->lock);
  if (link != NULL) link->class->kill(link, reason); /* valid until the host is freed */
  return link != NULL;
}

gboolean bh_plugin_host_give_up(BhPluginHost *host, const char *reason) {
  gboolean over;

  bh_mutex_lock(&host->lock);
  over = host->state != DISCOVERED && host->state != LOADING; /* discovered: its worker has not come that far */
  if (!over && host->given_up == NULL) host->given_up = g_strdup(reason);
  bh_mutex_unlock(&host->lock);
  return over || bh_plugin_host_kill(host, reason);
}

/* --- Notifying -------------------------------------------------------------------------------------------------- */

gboolean bh_plugin_host_wants(BhPluginHost *host, BhHook hook) {
  gboolean wants;

  bh_mutex_lock(&host->lock);
  wants = host->state == READY && (host->hooks & (1u << hook)) != 0;
  bh_mutex_unlock(&host->lock);
  return wants;
}

/* The hook as its host tells of it: its process, its thread, its own time. */
static void trace_hook(BhPluginHost *host, BhHook hook, const BhNotifyReply *reply) {
  BhTraceEvent event = begin(host, bh_hooks[hook].name);

  event.duration = (gint64)MIN(reply->duration, (guint64)G_MAXINT64);
  event.begin -= event.duration;
  event.thread = reply->thread;
  event.result = reply->result;
  event.detail = reply->message;
  bh_trace_emit(host->shared->trace, &event);
}

BhTransport bh_plugin_host_notify(BhPluginHost *host, const BhNotification *notification, BhNotifyReply *reply,
                                  BhResult *status) {
  BhTransport transport;

  *status = host->link->class->notify(host->link, notification, reply); /* it is ready: link no longer changes */
  transport = bh_host_crash_classify(*status);
  switch (transport) {
    case BH_TRANSPORT_OK: trace_hook(host, notification->hook, reply); break;
    case BH_TRANSPORT_FAILED:
      trace(host, bh_hooks[notification->hook].name, *status, "could not be notified");
      break;
    case BH_TRANSPORT_DEAD:
      trace(host, bh_hooks[notification->hook].name, *status, "its host died in it");
      host_is_dead(host, bh_hooks[notification->hook].name);
      bh_plugin_host_kill(host, "its plugin crashed"); /* a swallowed fault leaves it running */
      break;
  }
  return transport;
}

void bh_plugin_host_free(BhPluginHost *host) {
  if (host->source != NULL) bh_activity_source_close(host->source);
  if (host->link != NULL) {
    BhTraceEvent span = begin(host, "release");
    host->link->class->release(host->link);
    bh_trace_end(host->shared->trace, &span, BH_OK, NULL);
  }
  if (host->source != NULL) bh_activity_source_free(host->source);
  bh_process_table_end(host->processes);
  bh_process_table_free(host->processes);
  bh_mutex_clear(&host->lock);
  g_free(host->given_up);
  g_free(host->name);
  g_free(host->path);
  g_free(host);
}
