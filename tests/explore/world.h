/* world.h: a whole service for a protocol: the direct backend, a fake guest, one plugin that is counted.
 *
 *   World world;
 *   world_open(&world, &bh_callbacks_pumped);
 *   … bh_service_create_container_session(world.service, …)
 *   world_close(&world);           frees the service, and expects that all is even */
#pragma once

#include "backend-mock/explorer.h"
#include "core/service.h"
#include "direct-backend.h"
#include "tests/common/fake-guest.h"

#define WORLD_SESSIONS 4

/* What the plugin has seen of one session. */
typedef struct {
  guint seen[BH_HOOK_COUNT];
} Seen;

typedef struct World World;
struct World {
  DirectBackend backend;
  BhFakeGuest guest;
  BhService *service;
  Seen vm[WORLD_SESSIONS], containers[WORLD_SESSIONS]; /* by id - 1; guarded by the backend's lock */
  gboolean host_died; /* set before world_close: a dead plugin is told of no end */
  /* What the plugin does besides; may be NULL. */
  BhResult (*hook)(World *world, DirectLink *link, const BhNotification *notification);
};

extern const BhUser world_user;
extern const BhDistribution world_debian;

void world_open(World *world, const BhCallbacks *callbacks);

/* Frees the service; expects: what began has ended, in pairs, unless the host died; nothing is left. */
void world_close(World *world);

guint world_seen(World *world, BhHook hook, guint32 session);

/* Has the plugins loaded, so that a protocol need not explore that: a VM session's import and stop. */
void world_load(World *world);

/* An operation that a thread makes. */
typedef gpointer (*WorldFunc)(gpointer data);
BhThread *world_thread(const char *name, WorldFunc func, gpointer data);

BhResult world_create(World *world, const char *name, gboolean on_demand, BhContainerSession **session);
BhResult world_run(BhContainerSession *session);
BhResult world_call(World *world, BhApi api, guint32 session);
