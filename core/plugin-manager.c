#include "plugin-manager.h"

#include "lock-order.h"

/* One plugin's load, on a worker. The manager's lock guards what changes. */
typedef struct {
  BhPluginManager *manager;
  BhPluginHost *host;
  gboolean running;
  gboolean abandoned; /* too late, and cannot be ended: its host is still being started */
  BhResult result;
} Load;

struct BhPluginManager {
  BhPluginManagerSettings settings;
  BhPluginHostShared shared;
  BhLatch latch;
  GPtrArray *hosts; /* in the order of discovery; does not change once loading has begun */
  BhMutex lock;     /* guards all below */
  BhCond changed;   /* a load ended, or all did */
  gboolean loading, loaded;
  Load *loads;         /* one for each host, once loading has begun */
  guint64 last_number; /* of a notification */
};

/* One plugin's part of a round. */
typedef struct {
  BhPluginHost *host;
  const BhNotification *notification;
  BhNotifyReply reply;
  BhTransport transport;
  BhResult status;
} Delivery;

static const BhLockClass manager_class = {"plugin manager", BH_RANK_MANAGER, FALSE};

BhPluginManager *bh_plugin_manager_new(const BhPluginManagerSettings *settings) {
  BhPluginManager *manager = g_new0(BhPluginManager, 1);

  manager->settings = *settings;
  manager->shared = (BhPluginHostShared){.backend = settings->backend,
                                         .trace = settings->trace,
                                         .latch = &manager->latch,
                                         .notify = settings->notify,
                                         .call = settings->call,
                                         .data = settings->data};
  manager->hosts = g_ptr_array_new_with_free_func((GDestroyNotify)bh_plugin_host_free);
  bh_latch_init(&manager->latch);
  bh_mutex_init(&manager->lock, &manager_class);
  bh_cond_init(&manager->changed);
  return manager;
}

void bh_plugin_manager_kill_hosts(BhPluginManager *manager, const char *reason) {
  for (guint i = 0; i < manager->hosts->len; i++) bh_plugin_host_kill(manager->hosts->pdata[i], reason);
}

void bh_plugin_manager_free(BhPluginManager *manager) {
  bh_lock_order_assert_only(NULL, NULL, "releasing the hosts, which waits for their calls");
  g_ptr_array_unref(manager->hosts);
  g_free(manager->loads);
  bh_cond_clear(&manager->changed);
  bh_mutex_clear(&manager->lock);
  bh_latch_clear(&manager->latch);
  g_free(manager);
}

const BhCallbacks *bh_plugin_manager_callbacks(const BhPluginManager *manager) {
  return manager->settings.callbacks;
}

/* As the registry and the file system compare them. */
static gboolean same_text(const char *a, const char *b) {
  g_autofree char *folded_a = g_utf8_casefold(a, -1), *folded_b = g_utf8_casefold(b, -1);
  return g_str_equal(folded_a, folded_b);
}

gboolean bh_plugin_manager_add(BhPluginManager *manager, const char *name, const char *path) {
  const char *why = NULL;
  BhResult result = BH_E_ALREADY_EXISTS;

  g_assert(manager->loads == NULL);
  if (*name == '\0' || *path == '\0') {
    why = "a plugin needs a name and a file";
    result = BH_E_INVALIDARG;
  }
  for (guint i = 0; i < manager->hosts->len && why == NULL; i++) {
    const BhPluginHost *other = manager->hosts->pdata[i];
    if (same_text(bh_plugin_host_path(other), path)) why = "its file is registered already";
    if (same_text(bh_plugin_host_name(other), name) && why == NULL) why = "its name is taken already";
  }
  if (why != NULL) {
    bh_trace_event(manager->settings.trace, name, "left out", result, "%s: %s", path, why);
    return FALSE;
  }
  g_ptr_array_add(manager->hosts, bh_plugin_host_new(&manager->shared, name, path));
  return TRUE;
}

/* --- Loading ---------------------------------------------------------------------------------------------------- */

static void load_one(gpointer data) {
  Load *load = data;
  BhPluginManager *manager = load->manager;
  BhResult result = bh_plugin_host_load(load->host);

  bh_mutex_lock(&manager->lock);
  if (!load->abandoned) load->result = result;
  load->running = FALSE;
  bh_cond_broadcast(&manager->changed);
  bh_mutex_unlock(&manager->lock);
}

/* A load that runs, and is waited for; with the lock held. */
static gboolean any_runs(const BhPluginManager *manager) {
  for (guint i = 0; i < manager->hosts->len; i++)
    if (manager->loads[i].running && !manager->loads[i].abandoned) return TRUE;
  return FALSE;
}

/* Waits until all loads that run have ended, or until the deadline. */
static gboolean wait_for_loads(BhPluginManager *manager, gint64 deadline) {
  gboolean in_time = TRUE, ended;

  bh_mutex_lock(&manager->lock);
  while (any_runs(manager) && in_time) in_time = bh_cond_wait_until(&manager->changed, &manager->lock, deadline);
  ended = !any_runs(manager);
  bh_mutex_unlock(&manager->lock);
  return ended;
}

static void set_running(Load *load, gboolean running) {
  bh_mutex_lock(&load->manager->lock);
  load->running = running;
  bh_mutex_unlock(&load->manager->lock);
}

/* Ends the loads that still run. One whose host is still being started cannot be ended: it is left to its worker, and
 * counts as failed. */
static void give_up_loads(BhPluginManager *manager) {
  g_autofree char *reason =
      g_strdup_printf("it had not loaded after %.1f s", (double)manager->settings.load_timeout / G_USEC_PER_SEC);

  for (guint i = 0; i < manager->hosts->len; i++) {
    Load *load = &manager->loads[i];
    gboolean running, ends;

    bh_mutex_lock(&manager->lock);
    running = load->running;
    bh_mutex_unlock(&manager->lock);
    if (!running) continue;
    ends = bh_plugin_host_give_up(load->host, reason);

    bh_mutex_lock(&manager->lock);
    if (load->running && !ends) {
      load->abandoned = TRUE;
      load->result = BH_E_TIMEOUT;
    }
    bh_mutex_unlock(&manager->lock);
  }
  wait_for_loads(manager, BH_NO_DEADLINE);
}

/* Loads all that have not been tried, at once. FALSE: for at least one no thread could be had; it was not tried. */
static gboolean load_all(BhPluginManager *manager) {
  guint count = manager->hosts->len;
  gint64 deadline = bh_clock_deadline(manager->settings.load_timeout);
  gboolean all_tried = TRUE;

  if (manager->loads == NULL) manager->loads = g_new0(Load, count);
  for (guint i = 0; i < count; i++) {
    Load *load = &manager->loads[i];

    if (!bh_plugin_host_is_untried(manager->hosts->pdata[i])) continue;
    *load = (Load){.manager = manager, .host = manager->hosts->pdata[i]};
    set_running(load, TRUE);
    if (bh_workers_post(manager->settings.workers, load_one, load)) continue;
    set_running(load, FALSE);
    all_tried = FALSE;
  }

  if (!wait_for_loads(manager, deadline)) give_up_loads(manager);

  for (guint i = 0; i < count; i++)
    if (BH_FAILED(manager->loads[i].result))
      bh_latch_set(&manager->latch, bh_plugin_host_name(manager->hosts->pdata[i]), manager->loads[i].result);
  return all_tried;
}

BhResult bh_plugin_manager_load(BhPluginManager *manager, const BhContext *context, BhError **error) {
  BhContext here = {context, "Plugin"};
  gboolean loaded, mine;

  bh_mutex_lock(&manager->lock);
  while (manager->loading) bh_cond_wait(&manager->changed, &manager->lock);
  loaded = manager->loaded;
  mine = manager->loading = !loaded;
  bh_mutex_unlock(&manager->lock);

  if (mine) {
    loaded = load_all(manager);
    bh_mutex_lock(&manager->lock);
    manager->loading = FALSE;
    manager->loaded = loaded;
    bh_cond_broadcast(&manager->changed);
    bh_mutex_unlock(&manager->lock);
  }
  if (bh_latch_is_set(&manager->latch)) return bh_latch_error(&manager->latch, context, error);
  if (!loaded) return bh_error_set(error, BH_E_OUTOFMEMORY, &here, "The plugins could not be loaded: no thread");
  return BH_OK;
}

gboolean bh_plugin_manager_is_loaded(BhPluginManager *manager) {
  gboolean loaded;

  bh_mutex_lock(&manager->lock);
  loaded = manager->loaded;
  bh_mutex_unlock(&manager->lock);
  return loaded;
}

/* --- Notifying -------------------------------------------------------------------------------------------------- */

static guint64 next_number(BhPluginManager *manager) {
  guint64 number;

  bh_mutex_lock(&manager->lock);
  number = ++manager->last_number;
  bh_mutex_unlock(&manager->lock);
  return number;
}

static void deliver(gpointer data) {
  Delivery *delivery = data;

  delivery->transport =
      bh_plugin_host_notify(delivery->host, delivery->notification, &delivery->reply, &delivery->status);
}

/* Has the plugin told, and calls served meanwhile. That no thread could be had is no word of the transport's, and must
 * not be written over it. */
static void send(BhPluginManager *manager, BhCallbackGate *gate, Delivery *delivery) {
  BhResult posted;

  if (gate == NULL) {
    deliver(delivery);
    return;
  }
  posted = manager->settings.callbacks->notify(gate, manager->settings.workers, deliver, delivery);
  if (BH_SUCCEEDED(posted)) return;
  delivery->transport = BH_TRANSPORT_FAILED;
  delivery->status = posted;
  bh_trace_event(manager->settings.trace, bh_plugin_host_name(delivery->host),
                 bh_hooks[delivery->notification->hook].name, posted, "not notified: no thread");
}

/* What one plugin's answer means for an aborting round; BH_OK: go on. */
static BhResult verdict(BhPluginManager *manager, const Delivery *delivery, const BhContext *context,
                        BhError **error) {
  BhContext here = {context, "Plugin"};
  const char *name = bh_plugin_host_name(delivery->host);

  switch (delivery->transport) {
    case BH_TRANSPORT_DEAD: return bh_latch_error(&manager->latch, context, error); /* set before this was said */
    case BH_TRANSPORT_FAILED:
      return bh_error_set(error, delivery->status, &here, "The plugin '%s' could not be notified", name);
    case BH_TRANSPORT_OK: break;
  }
  if (BH_SUCCEEDED(delivery->reply.result)) return BH_OK;
  return bh_plugin_failure(error, delivery->reply.result, context, name, delivery->reply.message);
}

BhResult bh_plugin_manager_notify(BhPluginManager *manager, BhCallbackGate *gate, BhNotification *notification,
                                  const BhContext *context, BhError **error) {
  const BhHookInfo *hook = &bh_hooks[notification->hook];
  BhResult result = BH_OK;

  g_assert((hook->kind == BH_SESSION_VM) == (gate != NULL));
  bh_lock_order_assert_only(&bh_instance_lock_class, gate != NULL ? &gate->instance : NULL, hook->name);

  for (guint i = 0; i < manager->hosts->len && BH_SUCCEEDED(result); i++) {
    Delivery delivery = {.host = manager->hosts->pdata[i], .notification = notification};

    if (hook->aborts && bh_latch_is_set(&manager->latch)) break;
    if (!bh_plugin_host_wants(delivery.host, notification->hook)) continue;
    notification->number = next_number(manager);
    send(manager, gate, &delivery);
    if (hook->aborts) result = verdict(manager, &delivery, context, error);
    bh_notify_reply_clear(&delivery.reply);
  }
  /* Also when a plugin was passed over because it had just died: its veto would have been. */
  if (hook->aborts && BH_SUCCEEDED(result) && bh_latch_is_set(&manager->latch))
    result = bh_latch_error(&manager->latch, context, error);
  return result;
}
