#include "plugin-host.h"

typedef enum { DISCOVERED, LOADING, READY, FAILED, CRASHED } State;

struct BhPluginHost {
  const BhPluginHostShared *shared;
  char *name, *path;
  BhMutex lock;         /* guards all below */
  State state;
  BhLink *link;         /* set before LOADING ends, then until free */
  char *given_up;       /* why the load was ended, if it was */
  guint32 hooks;        /* bit n: the plugin has hook n */
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
  bh_mutex_init(&host->lock, &host_class);
  return host;
}

const char *bh_plugin_host_name(const BhPluginHost *host) {
  return host->name;
}

const char *bh_plugin_host_path(const BhPluginHost *host) {
  return host->path;
}

static void trace(BhPluginHost *host, const char *what, BhResult result, const char *detail) {
  BhTraceEvent event = bh_trace_begin(host->name, what);

  event.process = host->link != NULL ? host->link->class->pid(host->link) : 0;
  event.thread = 0;
  event.result = result;
  event.detail = detail;
  bh_trace_emit(host->shared->trace, &event);
}

/* Both roads by which a loaded plugin's death is learnt of lead here. */
static void crashed(BhPluginHost *host) {
  gboolean first;

  bh_mutex_lock(&host->lock);
  first = host->state == READY;
  if (first) host->state = CRASHED;
  bh_mutex_unlock(&host->lock);
  if (!first) return;
  bh_latch_set(host->shared->latch, host->name, BH_CRASH_CODE);
  trace(host, "crashed", BH_CRASH_CODE, NULL);
}

/* --- Events of the link ----------------------------------------------------------------------------------------- */

static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  BhPluginHost *host = data;
  BhTraceEvent event = bh_trace_begin(host->name, bh_apis[call->api].name);

  switch (get_state(host)) {
    case READY: host->shared->call(host->shared->data, call, reply); break;
    case LOADING: reply->result = BH_E_NOT_FOUND; break; /* no session is known to a plugin that is not loaded */
    default: reply->result = BH_E_UNEXPECTED; break;
  }
  event.duration = bh_clock_now() - event.begin;
  event.process = host->link != NULL ? host->link->class->pid(host->link) : 0;
  event.thread = call->thread;
  event.result = reply->result;
  event.detail = call->linux_path != NULL ? call->linux_path : call->path;
  bh_trace_emit(host->shared->trace, &event);
}

static void on_died(gpointer data, const char *how) {
  BhPluginHost *host = data;

  trace(host, "host ended", BH_CRASH_CODE, how);
  crashed(host);
}

static const BhLinkEvents link_events = {on_call, on_died};

/* --- Loading ---------------------------------------------------------------------------------------------------- */

/* The link is there: from now on a load can be given up by killing it. FALSE: it was given up already. */
static gboolean publish_link(BhPluginHost *host, BhLink *link) {
  gboolean wanted;

  bh_mutex_lock(&host->lock);
  host->link = link;
  wanted = host->given_up == NULL;
  bh_mutex_unlock(&host->lock);
  return wanted;
}

static BhResult start_and_load(BhPluginHost *host, BhLoadReply *reply) {
  BhPluginSpec spec = {host->name, host->path};
  BhLink *link = NULL;
  BhResult status;

  status = host->shared->backend->class->start(host->shared->backend, &spec, &link_events, host, &link, &reply->cause);
  if (BH_FAILED(status)) return status;
  if (!publish_link(host, link)) return BH_E_TIMEOUT;
  trace(host, "host started", BH_OK, NULL);

  status = link->class->load(link, reply);
  switch (bh_host_crash_classify(status)) {
    case BH_TRANSPORT_OK: return reply->result;
    case BH_TRANSPORT_FAILED: return status;
    case BH_TRANSPORT_DEAD: break;
  }
  link->class->kill(link, "its plugin crashed while it was loaded"); /* a swallowed fault leaves it running */
  return BH_CRASH_CODE;
}

BhResult bh_plugin_host_load(BhPluginHost *host) {
  g_auto(BhLoadReply) reply = {0};
  BhTraceEvent span = bh_trace_begin(host->name, "load");
  g_autofree char *given_up = NULL;
  BhResult result;

  bh_mutex_lock(&host->lock);
  g_assert(host->state == DISCOVERED);
  host->state = LOADING;
  bh_mutex_unlock(&host->lock);

  result = start_and_load(host, &reply);

  bh_mutex_lock(&host->lock);
  if (host->given_up != NULL) {
    result = BH_E_TIMEOUT;
    given_up = g_strdup(host->given_up);
  }
  host->state = BH_FAILED(result) ? FAILED : READY;
  host->hooks = reply.hooks;
  bh_mutex_unlock(&host->lock);

  span.process = host->link != NULL ? host->link->class->pid(host->link) : 0;
  span.thread = 0;
  if (BH_FAILED(result))
    bh_trace_end(host->shared->trace, &span, result, "plugin '%s', file '%s': %s", host->name, host->path,
                 given_up != NULL                ? given_up
                 : reply.cause != NULL           ? reply.cause
                 : result == BH_CRASH_CODE       ? "its host process died while loading it"
                                                 : "its entry point failed");
  else
    bh_trace_end(host->shared->trace, &span, result, "%s", host->path);
  return result;
}

gboolean bh_plugin_host_is_untried(BhPluginHost *host) {
  return get_state(host) == DISCOVERED;
}

void bh_plugin_host_give_up(BhPluginHost *host, const char *reason) {
  BhLink *link = NULL;

  bh_mutex_lock(&host->lock);
  if (host->state == LOADING && host->given_up == NULL) {
    host->given_up = g_strdup(reason);
    link = host->link;
  }
  bh_mutex_unlock(&host->lock);

  /* The link stays until the host is freed, which is not while its load runs. */
  if (link != NULL) link->class->kill(link, reason);
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
static void trace_hook(BhPluginHost *host, BhHook hook, gint64 began, const BhNotifyReply *reply) {
  BhTraceEvent event = {.begin = began,
                        .duration = (gint64)MIN(reply->duration, (guint64)G_MAXINT64),
                        .who = host->name,
                        .process = host->link->class->pid(host->link),
                        .thread = reply->thread,
                        .what = bh_hooks[hook].name,
                        .result = reply->result,
                        .detail = reply->message};
  bh_trace_emit(host->shared->trace, &event);
}

BhTransport bh_plugin_host_notify(BhPluginHost *host, const BhNotification *notification, BhNotifyReply *reply,
                                  BhResult *status) {
  gint64 began = bh_clock_now();
  BhTransport transport;

  *status = host->link->class->notify(host->link, notification, reply);
  transport = bh_host_crash_classify(*status);
  switch (transport) {
    case BH_TRANSPORT_OK: trace_hook(host, notification->hook, began, reply); break;
    case BH_TRANSPORT_FAILED: trace(host, bh_hooks[notification->hook].name, *status, "could not be notified"); break;
    case BH_TRANSPORT_DEAD:
      crashed(host);
      host->link->class->kill(host->link, "its plugin crashed"); /* a swallowed fault leaves it running */
      break;
  }
  return transport;
}

void bh_plugin_host_free(BhPluginHost *host) {
  if (host->link != NULL) {
    trace(host, "host released", BH_OK, NULL);
    host->link->class->release(host->link);
  }
  bh_mutex_clear(&host->lock);
  g_free(host->given_up);
  g_free(host->name);
  g_free(host->path);
  g_free(host);
}
