#include "plugin-manager.h"

#include "lock-order.h"

struct BhPluginManager {
  BhPluginManagerSettings settings;
  BhPluginHostShared shared;
  BhLatch latch;
  GPtrArray *hosts;    /* in the order of discovery; does not change once loading has begun */
  BhMutex lock;        /* guards all below */
  BhCond changed;      /* a load ended, or all did */
  gboolean loading, loaded;
  guint pending;       /* loads that run */
  guint64 last_number; /* of a notification */
};

/* One plugin's load, on a worker. */
typedef struct {
  BhPluginManager *manager;
  BhPluginHost *host;
  gboolean tried, done;
  BhResult result;
} Load;

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
  manager->shared = (BhPluginHostShared){settings->backend, settings->trace, &manager->latch, settings->call,
                                         settings->data};
  manager->hosts = g_ptr_array_new_with_free_func((GDestroyNotify)bh_plugin_host_free);
  bh_latch_init(&manager->latch);
  bh_mutex_init(&manager->lock, &manager_class);
  bh_cond_init(&manager->changed);
  return manager;
}

void bh_plugin_manager_free(BhPluginManager *manager) {
  g_ptr_array_unref(manager->hosts);
  bh_cond_clear(&manager->changed);
  bh_mutex_clear(&manager->lock);
  bh_latch_clear(&manager->latch);
  g_free(manager);
}

const BhCallbacks *bh_plugin_manager_callbacks(const BhPluginManager *manager) {
  return manager->settings.callbacks;
}

gboolean bh_plugin_manager_add(BhPluginManager *manager, const char *name, const char *path) {
  g_autofree char *folded = g_utf8_casefold(path, -1);
  const char *why = NULL;

  g_assert(!manager->loading && !manager->loaded);
  if (*name == '\0' || *path == '\0') why = "a plugin needs a name and a file; it is left out";
  for (guint i = 0; i < manager->hosts->len && why == NULL; i++) {
    g_autofree char *other = g_utf8_casefold(bh_plugin_host_path(manager->hosts->pdata[i]), -1);
    if (g_str_equal(folded, other)) why = "its file is registered already; it is left out";
  }
  if (why != NULL) {
    bh_trace_event(manager->settings.trace, name, "discovered", BH_E_ALREADY_EXISTS, "'%s': %s", path, why);
    return FALSE;
  }
  g_ptr_array_add(manager->hosts, bh_plugin_host_new(&manager->shared, name, path));
  return TRUE;
}

/* --- Loading ---------------------------------------------------------------------------------------------------- */

static void load_one(gpointer data) {
  Load *load = data;
  BhPluginManager *manager = load->manager;

  load->result = bh_plugin_host_load(load->host);

  bh_mutex_lock(&manager->lock);
  load->done = TRUE;
  manager->pending--;
  bh_cond_broadcast(&manager->changed);
  bh_mutex_unlock(&manager->lock);
}

/* Waits until all loads that run have ended, or until the deadline. */
static gboolean wait_for_loads(BhPluginManager *manager, gint64 deadline) {
  gboolean in_time = TRUE;

  bh_mutex_lock(&manager->lock);
  while (manager->pending > 0 && in_time)
    in_time = bh_cond_wait_until(&manager->changed, &manager->lock, deadline);
  in_time = manager->pending == 0;
  bh_mutex_unlock(&manager->lock);
  return in_time;
}

/* Loads all that have not been tried, at once. FALSE: for at least one no thread could be had; it was not tried. */
static gboolean load_all(BhPluginManager *manager) {
  guint count = manager->hosts->len;
  gint64 timeout = manager->settings.load_timeout;
  gint64 deadline = bh_clock_now() + timeout;
  g_autofree Load *loads = g_new0(Load, count);
  gboolean all_tried = TRUE;

  for (guint i = 0; i < count; i++) {
    loads[i] = (Load){.manager = manager, .host = manager->hosts->pdata[i]};
    if (!bh_plugin_host_is_untried(loads[i].host)) continue;
    bh_mutex_lock(&manager->lock);
    manager->pending++;
    bh_mutex_unlock(&manager->lock);
    loads[i].tried = bh_workers_post(manager->settings.workers, load_one, &loads[i]);
    if (loads[i].tried) continue;
    all_tried = FALSE;
    bh_mutex_lock(&manager->lock);
    manager->pending--;
    bh_mutex_unlock(&manager->lock);
  }

  if (!wait_for_loads(manager, deadline)) {
    g_autofree char *reason = g_strdup_printf("it had not loaded after %.1f s", (double)timeout / G_USEC_PER_SEC);
    for (guint i = 0; i < count; i++)
      if (loads[i].tried) bh_plugin_host_give_up(loads[i].host, reason);
    wait_for_loads(manager, BH_NO_DEADLINE); /* a killed host's load returns */
  }

  for (guint i = 0; i < count; i++)
    if (loads[i].tried && BH_FAILED(loads[i].result))
      bh_latch_set(&manager->latch, bh_plugin_host_name(loads[i].host), loads[i].result);
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
static void send(BhPluginManager *manager, BhInstanceLock *lock, Delivery *delivery) {
  BhResult posted;

  if (lock == NULL) {
    deliver(delivery);
    return;
  }
  posted = manager->settings.callbacks->notify(lock, manager->settings.workers, deliver, delivery);
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
    case BH_TRANSPORT_DEAD: return bh_latch_error(&manager->latch, context, error);
    case BH_TRANSPORT_FAILED:
      return bh_error_set(error, delivery->status, &here, "The plugin '%s' could not be notified", name);
    case BH_TRANSPORT_OK: break;
  }
  if (BH_SUCCEEDED(delivery->reply.result)) return BH_OK;
  return bh_plugin_failure(error, delivery->reply.result, context, name, delivery->reply.message);
}

BhResult bh_plugin_manager_notify(BhPluginManager *manager, BhInstanceLock *lock, BhNotification *notification,
                                  const BhContext *context, BhError **error) {
  const BhHookInfo *hook = &bh_hooks[notification->hook];
  BhResult result = BH_OK;

  g_assert((hook->kind == BH_SESSION_VM) == (lock != NULL));
  bh_lock_order_assert_at_most(lock != NULL ? BH_RANK_INSTANCE : 0, hook->name);

  for (guint i = 0; i < manager->hosts->len && BH_SUCCEEDED(result); i++) {
    Delivery delivery = {.host = manager->hosts->pdata[i], .notification = notification};

    if (hook->aborts && bh_latch_is_set(&manager->latch)) return bh_latch_error(&manager->latch, context, error);
    if (!bh_plugin_host_wants(delivery.host, notification->hook)) continue;
    notification->number = next_number(manager);
    send(manager, lock, &delivery);
    if (hook->aborts) result = verdict(manager, &delivery, context, error);
    bh_notify_reply_clear(&delivery.reply);
  }
  return result;
}
