#include "host-crash.h"

static const BhResult dead[] = {
    BH_RPC_E_DISCONNECTED,    BH_RPC_E_SERVER_DIED,        BH_RPC_E_SERVER_DIED_DNE,
    BH_CO_E_OBJNOTCONNECTED,  BH_RPC_S_SERVER_UNAVAILABLE, BH_RPC_S_CALL_FAILED,
    BH_RPC_S_CALL_FAILED_DNE, BH_RPC_E_SERVERFAULT, /* COM swallowed a fault: the process runs on, but must not */
};

static const BhLockClass latch_class = {"crash latch", BH_RANK_LEAF, FALSE};

BhTransport bh_host_crash_classify(BhResult status) {
  for (guint i = 0; i < G_N_ELEMENTS(dead); i++)
    if (dead[i] == status) return BH_TRANSPORT_DEAD;
  return BH_FAILED(status) ? BH_TRANSPORT_FAILED : BH_TRANSPORT_OK;
}

void bh_latch_init(BhLatch *latch) {
  *latch = (BhLatch){.code = BH_OK};
  bh_mutex_init(&latch->lock, &latch_class);
}

void bh_latch_clear(BhLatch *latch) {
  bh_mutex_clear(&latch->lock);
  g_free(latch->plugin);
}

gboolean bh_latch_set(BhLatch *latch, const char *plugin, BhResult code) {
  gboolean first;

  bh_mutex_lock(&latch->lock);
  first = latch->plugin == NULL;
  if (first) {
    latch->plugin = g_strdup(plugin);
    latch->code = code;
  }
  bh_mutex_unlock(&latch->lock);
  return first;
}

gboolean bh_latch_is_set(BhLatch *latch) {
  gboolean set;

  bh_mutex_lock(&latch->lock);
  set = latch->plugin != NULL;
  bh_mutex_unlock(&latch->lock);
  return set;
}

BhResult bh_latch_error(BhLatch *latch, const BhContext *context, BhError **error) {
  g_assert(bh_latch_is_set(latch));
  /* Without the lock: what is set does not change, and bh_latch_is_set has seen it. */
  return bh_plugin_failure(error, latch->code, context, latch->plugin, NULL);
}

BhResult bh_plugin_failure(BhError **error, BhResult code, const BhContext *context, const char *plugin,
                           const char *message) {
  BhContext here = {context, "Plugin"};

  if (code == BH_E_REQUIRES_UPDATE)
    return bh_error_set(error, code, &here,
                        "The plugin '%s' requires a newer version of WSL. Please run: wsl.exe --update", plugin);
  if (message != NULL)
    return bh_error_set(error, code, &here, "A fatal error was returned by plugin '%s'. Error message: '%s'",
                        plugin, message);
  return bh_error_set(error, code, &here, "A fatal error was returned by plugin '%s'", plugin);
}
