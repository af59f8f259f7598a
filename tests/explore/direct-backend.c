#include "direct-backend.h"

#include "backend-mock/explorer.h"

#include <string.h>

static const BhLockClass backend_class = {"backend", BH_RANK_LEAF, FALSE};

/* The first host, in an event of its that begins; NULL: it does not live. */
static DirectLink *begin_event(DirectBackend *backend, gboolean last) {
  DirectLink *link;

  bh_mutex_lock(&backend->lock);
  link = backend->first != NULL && !backend->first->dead ? backend->first : NULL;
  if (link != NULL) {
    link->events_out++;
    link->dead = last;
  }
  bh_mutex_unlock(&backend->lock);
  return link;
}

static void end_event(DirectLink *link) {
  bh_mutex_lock(&link->backend->lock);
  link->events_out--;
  bh_cond_broadcast(&link->backend->changed);
  bh_mutex_unlock(&link->backend->lock);
}

static gboolean is_dead(DirectLink *link) {
  gboolean dead;

  bh_mutex_lock(&link->backend->lock);
  dead = link->dead;
  bh_mutex_unlock(&link->backend->lock);
  return dead;
}

void direct_die(DirectBackend *backend) {
  DirectLink *link = begin_event(backend, TRUE);

  if (link == NULL) return;
  link->events->died(link->data, "the test says so");
  end_event(link);
}

gboolean direct_call(DirectBackend *backend, const BhCall *call, BhCallReply *reply) {
  DirectLink *link = begin_event(backend, FALSE);

  if (link == NULL) return FALSE;
  link->events->call(link->data, call, reply);
  bh_resource_clear(&reply->resource);
  end_event(link);
  return TRUE;
}

static void wait_to_load(DirectLink *link) {
  DirectBackend *backend = link->backend;
  gboolean in_time = TRUE;

  if (backend->load_until == 0) return;
  bh_mutex_lock(&backend->lock);
  while (!link->dead && in_time)
    in_time = bh_cond_wait_until(&backend->changed, &backend->lock, backend->load_until);
  bh_mutex_unlock(&backend->lock);
}

static BhResult direct_load(BhLink *base, BhLoadReply *reply) {
  DirectLink *link = (DirectLink *)base;

  wait_to_load(link);
  if (is_dead(link)) return BH_RPC_S_SERVER_UNAVAILABLE;
  reply->hooks = link->backend->hooks;
  return BH_OK;
}

static BhResult direct_notify(BhLink *base, const BhNotification *notification, BhNotifyReply *reply) {
  DirectLink *link = (DirectLink *)base;

  if (is_dead(link)) return BH_RPC_S_SERVER_UNAVAILABLE;
  if (link->backend->hook != NULL) reply->result = link->backend->hook(link, notification, link->backend->data);
  return is_dead(link) ? BH_RPC_S_CALL_FAILED : BH_OK;
}

static void direct_kill(BhLink *base, const char *reason) {
  (void)reason;
  bh_mutex_lock(&((DirectLink *)base)->backend->lock);
  ((DirectLink *)base)->dead = TRUE; /* `died` may not come on this thread; whoever kills knows */
  bh_cond_broadcast(&((DirectLink *)base)->backend->changed);
  bh_mutex_unlock(&((DirectLink *)base)->backend->lock);
}

static void direct_release(BhLink *base) {
  DirectLink *link = (DirectLink *)base;
  DirectBackend *backend = link->backend;

  bh_mutex_lock(&backend->lock);
  link->dead = TRUE;
  while (link->events_out > 0) bh_cond_wait(&backend->changed, &backend->lock);
  backend->links--;
  if (backend->first == link) backend->first = NULL;
  bh_mutex_unlock(&backend->lock);
  g_free(link);
}

static guint32 direct_pid(BhLink *link) {
  (void)link;
  return 42;
}

static BhResult direct_start(BhBackend *base, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                             BhLink **result, char **cause);

static const BhBackendClass direct_class = {.name = "direct",
                                            .start = direct_start,
                                            .load = direct_load,
                                            .notify = direct_notify,
                                            .kill = direct_kill,
                                            .release = direct_release,
                                            .pid = direct_pid};

static BhResult direct_start(BhBackend *base, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                             BhLink **result, char **cause) {
  DirectBackend *backend = (DirectBackend *)base;
  DirectLink *link = g_new(DirectLink, 1);

  (void)spec, (void)cause;
  *link = (DirectLink){{&direct_class}, backend, events, data, FALSE, 0};
  bh_mutex_lock(&backend->lock);
  backend->links++;
  if (backend->started++ == 0) backend->first = link;
  bh_mutex_unlock(&backend->lock);
  *result = &link->parent;
  return BH_OK;
}

void direct_backend_init(DirectBackend *backend) {
  memset(backend, 0, sizeof *backend);
  backend->parent.class = &direct_class;
  backend->hooks = 0x3fff;
  bh_mutex_init(&backend->lock, &backend_class);
  bh_cond_init(&backend->changed);
}

void direct_backend_clear(DirectBackend *backend) {
  bh_explore_expect(backend->links == 0, "%u links were not released", backend->links);
  bh_cond_clear(&backend->changed);
  bh_mutex_clear(&backend->lock);
}
