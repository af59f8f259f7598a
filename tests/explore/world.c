#include "world.h"

#include <string.h>

const BhUser world_user = {.token = 1};
const BhDistribution world_debian = {.id = {{1}}, .name = (char *)"Debian"};

static Seen *seen_of(World *world, BhHook hook, guint32 session) {
  Seen *table = bh_hooks[hook].kind == BH_SESSION_VM ? world->vm : world->containers;

  bh_explore_expect(session >= 1 && session <= WORLD_SESSIONS, "session %u", session);
  return &table[session - 1];
}

static BhResult on_hook(DirectLink *link, const BhNotification *notification, gpointer data) {
  World *world = data;

  bh_mutex_lock(&world->backend.lock);
  seen_of(world, notification->hook, notification->session)->seen[notification->hook]++;
  bh_mutex_unlock(&world->backend.lock);
  return world->hook != NULL ? world->hook(world, link, notification) : BH_OK;
}

guint world_seen(World *world, BhHook hook, guint32 session) {
  guint seen;

  bh_mutex_lock(&world->backend.lock);
  seen = seen_of(world, hook, session)->seen[hook];
  bh_mutex_unlock(&world->backend.lock);
  return seen;
}

void world_open(World *world, const BhCallbacks *callbacks) {
  memset(world, 0, sizeof *world);
  direct_backend_init(&world->backend);
  world->backend.hook = on_hook;
  world->backend.data = world;
  bh_fake_guest_init(&world->guest);
  world->service = bh_service_new(&(BhServiceSettings){
      .backend = &world->backend.parent, .guest = &world->guest.parent, .callbacks = callbacks});
  bh_service_add_plugin(world->service, "Plugin", "plugin.dll");
}

/* A beginning and the end that must follow it. */
static void expect_pair(const Seen *seen, guint32 session, BhHook begin, BhHook end) {
  bh_explore_expect(seen->seen[begin] == seen->seen[end], "session %u: %u times %s, %u times %s", session,
                    seen->seen[begin], bh_hooks[begin].name, seen->seen[end], bh_hooks[end].name);
}

void world_close(World *world) {
  if (world->service != NULL) bh_service_free(world->service);
  for (guint32 i = 0; i < WORLD_SESSIONS && !world->host_died; i++) {
    expect_pair(&world->vm[i], i + 1, BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING);
    expect_pair(&world->vm[i], i + 1, BH_HOOK_DISTRIBUTION_STARTED, BH_HOOK_DISTRIBUTION_STOPPING);
    expect_pair(&world->containers[i], i + 1, BH_HOOK_SESSION_CREATED, BH_HOOK_SESSION_STOPPING);
    expect_pair(&world->containers[i], i + 1, BH_HOOK_CONTAINER_VM_STARTED, BH_HOOK_CONTAINER_VM_STOPPING);
    bh_explore_expect(world->containers[i].seen[BH_HOOK_SESSION_CREATED] <= 1, "session %u was created twice",
                      i + 1);
  }
  bh_explore_expect(world->guest.vms == NULL, "a VM is left");
  bh_explore_expect(world->guest.processes == 0, "%u processes are left", world->guest.processes);
  bh_explore_expect(world->guest.resources == 0, "%u resources are left", world->guest.resources);
  bh_fake_guest_clear(&world->guest);
  direct_backend_clear(&world->backend);
}

void world_load(World *world) {
  BhSession *session = bh_service_open_session(world->service, &world_user);

  bh_session_import(session, &world_debian, &(BhVmSettings){0}, NULL);
  bh_service_close_session(world->service, session);
  bh_session_unref(session);
}

BhThread *world_thread(const char *name, WorldFunc func, gpointer data) {
  BhThread *thread = bh_thread_new(name, BH_RANK_SESSION_TABLE, func, data);

  bh_explore_expect(thread != NULL, "no thread '%s'", name);
  return thread;
}

BhResult world_create(World *world, const char *name, gboolean on_demand, BhContainerSession **session) {
  BhContainerSettings settings = {.name = name, .user = &world_user, .on_demand = on_demand};
  return bh_service_create_container_session(world->service, &settings, session, NULL);
}

static void nothing(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
}

BhResult world_run(BhContainerSession *session) {
  gint32 linux_error;
  return bh_container_session_run(session, &(BhProgram){.path = "/bin/true"}, nothing, NULL, &linux_error, NULL);
}

BhResult world_call(World *world, BhApi api, guint32 session) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = api,
                 .session = session,
                 .path = (char *)"/bin/true",
                 .host_path = (char *)"C:\\",
                 .linux_path = (char *)"/mnt",
                 .name = (char *)"mnt"};

  return direct_call(&world->backend, &call, &reply) ? reply.result : BH_E_UNEXPECTED;
}
