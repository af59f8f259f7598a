/* VM sessions and the service as a whole, under both callback designs. */
#include "protocols.h"
#include "world.h"

static const BhVmSettings vm_settings;

typedef struct {
  World *world;
  BhSession *session;
  BhResult result;
} Party;

static BhSession *new_session(World *world) {
  BhSession *session = bh_service_open_session(world->service, &world_user);

  bh_session_register(session, &world_debian, NULL);
  return session;
}

static gpointer start(gpointer data) {
  Party *party = data;

  party->result = bh_session_start(party->session, &world_debian.id, &vm_settings, NULL);
  return NULL;
}

static gpointer stop(gpointer data) {
  bh_session_stop_vm(((Party *)data)->session);
  return NULL;
}

static void close_session(Party *party) {
  bh_service_close_session(party->world->service, party->session);
  bh_session_unref(party->session);
}

/* --- Two sessions need the plugins for the first time --------------------------------------------------------------- */

typedef struct {
  World *world;
  const char *name;
  BhContainerSession *session;
} Creation;

static gpointer create(gpointer data) {
  Creation *creation = data;
  BhResult result = world_create(creation->world, creation->name, TRUE, &creation->session);

  bh_explore_expect(BH_SUCCEEDED(result), "'%s' failed with 0x%08x", creation->name, (guint)result);
  return NULL;
}

static void first_use(gconstpointer data) {
  World world;
  Creation creations[2] = {{&world, "one", NULL}, {&world, "two", NULL}};
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  thread = world_thread("session", create, &creations[1]);
  create(&creations[0]);
  bh_thread_join(thread);
  bh_explore_expect(world.backend.started == 1, "the plugin was loaded %u times", world.backend.started);
  for (guint i = 0; i < 2; i++) bh_service_release_container_session(world.service, creations[i].session);
  world_close(&world);
}

/* --- A plugin that takes its time to load --------------------------------------------------------------------------- */

/* data: the moment, after the deadline for all loads. 0: both come at once. Whatever has come of it stays so. */
static void load_at_the_deadline(gconstpointer data) {
  World world;
  BhContainerSession *session = NULL;
  BhResult first, second;

  world_open(&world, NULL);
  world.backend.load_until = bh_clock_deadline(BH_LOAD_TIMEOUT) + GPOINTER_TO_INT(data);
  first = world_create(&world, "one", TRUE, &session);
  bh_explore_expect(first == BH_E_TIMEOUT || (BH_SUCCEEDED(first) && data == NULL), "the load ended with 0x%08x",
                    (guint)first);
  bh_explore_expect(BH_FAILED(first) || world_seen(&world, BH_HOOK_SESSION_CREATED, 1) == 1,
                    "it succeeded, and the plugin was not asked");
  if (BH_SUCCEEDED(first)) bh_service_release_container_session(world.service, session);
  second = world_create(&world, "one", TRUE, &session);
  bh_explore_expect(first == second, "at first it ended with 0x%08x, and then with 0x%08x", (guint)first,
                    (guint)second);
  if (BH_SUCCEEDED(second)) bh_service_release_container_session(world.service, session);
  world_close(&world);
}

/* --- A start against a stop ---------------------------------------------------------------------------------------- */

static gpointer ask(gpointer data) {
  Party *party = data;

  party->result = world_call(party->world, BH_API_EXECUTE_BINARY, 1);
  return NULL;
}

/* A thread of the plugin's that is there all the time, and asks for something when V+ says so; V+ waits for the answer, so
 * the session's thread must serve it, or leave it alone. What V+ and it do with each other is not the service's to see. */
typedef struct {
  World *world;
  BhMutex lock; /* guards all below */
  BhCond changed;
  gboolean asked, answered;
  BhResult result;
} Helper;

static const BhLockClass helper_class = {"plugin", BH_RANK_LEAF, FALSE};
static Helper helper;

static gpointer help(gpointer data) {
  Party party = {.world = helper.world};

  (void)data;
  bh_mutex_lock(&helper.lock);
  while (!helper.asked) bh_cond_wait(&helper.changed, &helper.lock);
  bh_mutex_unlock(&helper.lock);
  ask(&party);
  bh_mutex_lock(&helper.lock);
  helper.answered = TRUE;
  helper.result = party.result;
  bh_cond_broadcast(&helper.changed);
  bh_mutex_unlock(&helper.lock);
  return NULL;
}

static BhResult ask_in_hook(World *world, DirectLink *link, const BhNotification *notification) {
  (void)world, (void)link;
  if (notification->hook != BH_HOOK_VM_STARTED) return BH_OK;
  bh_mutex_lock(&helper.lock);
  helper.asked = TRUE;
  bh_cond_broadcast(&helper.changed);
  while (!helper.answered) bh_cond_wait(&helper.changed, &helper.lock);
  bh_mutex_unlock(&helper.lock);
  bh_explore_expect(BH_SUCCEEDED(helper.result), "a call inside a hook was answered 0x%08x", (guint)helper.result);
  return BH_OK;
}

static void start_against_stop(gconstpointer callbacks) {
  World world;
  Party party;
  BhThread *thread, *plugin;

  world_open(&world, callbacks);
  world.hook = ask_in_hook;
  helper = (Helper){.world = &world};
  bh_mutex_init(&helper.lock, &helper_class);
  bh_cond_init(&helper.changed);
  plugin = world_thread("plugin", help, NULL);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  thread = world_thread("stopper", stop, &party);
  start(&party);
  bh_thread_join(thread);
  bh_explore_expect(BH_SUCCEEDED(party.result), "the start failed with 0x%08x", (guint)party.result);
  close_session(&party);
  bh_thread_join(plugin);
  bh_cond_clear(&helper.changed);
  bh_mutex_clear(&helper.lock);
  world_close(&world);
}

/* --- A call outside any hook, against a stop ------------------------------------------------------------------------ */

static void call_against_stop(gconstpointer callbacks) {
  World world;
  Party party, caller = {.world = &world};
  BhThread *thread;

  world_open(&world, callbacks);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  start(&party);
  thread = world_thread("plugin", ask, &caller);
  stop(&party);
  bh_thread_join(thread);
  bh_explore_expect(BH_SUCCEEDED(caller.result) || caller.result == BH_E_NOT_FOUND, "it was answered 0x%08x",
                    (guint)caller.result);
  close_session(&party);
  world_close(&world);
}

/* --- A host dies ---------------------------------------------------------------------------------------------------- */

static gpointer die(gpointer data) {
  direct_die(&((World *)data)->backend);
  return NULL;
}

/* Between, before or after its notifications: whoever fails, fails from the latch, with its text. */
static void host_dies(gconstpointer callbacks) {
  g_autoptr(BhError) error = NULL;
  World world;
  Party party;
  BhThread *thread;
  BhResult result;

  world_open(&world, callbacks);
  world_load(&world);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  thread = world_thread("host", die, &world);
  result = bh_session_start(party.session, &world_debian.id, &vm_settings, &error);
  bh_thread_join(thread);
  if (BH_FAILED(result)) {
    bh_explore_expect(result == BH_RPC_E_SERVER_DIED, "it failed with 0x%08x", (guint)result);
    bh_explore_expect(g_str_has_prefix(error->message, "A fatal error was returned by plugin 'Plugin'"), "%s",
                      error->message);
  } else {
    /* Nobody passed it over: its veto would have been. The first session was world_load's. */
    bh_explore_expect(world_seen(&world, BH_HOOK_VM_STARTED, 2) == 1 &&
                          world_seen(&world, BH_HOOK_DISTRIBUTION_STARTED, 2) == 1,
                      "it succeeded, and the plugin was not asked");
  }
  close_session(&party);
  world.host_died = TRUE;
  world_close(&world);
}

static gpointer call_then_die(gpointer data) {
  Party *party = data;

  ask(data);
  direct_die(&party->world->backend);
  return NULL;
}

static void host_dies_after_a_call(gconstpointer callbacks) {
  World world;
  Party party, caller = {.world = &world};
  BhThread *thread;

  world_open(&world, callbacks);
  world_load(&world);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  thread = world_thread("plugin", call_then_die, &caller);
  start(&party);
  bh_thread_join(thread);
  close_session(&party);
  world.host_died = TRUE;
  world_close(&world);
}

/* Its call may be running when it dies. Whoever comes later is told so. */
static void host_dies_during_a_call(gconstpointer callbacks) {
  World world;
  Party party, caller = {.world = &world};
  BhThread *thread;

  world_open(&world, callbacks);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  start(&party);
  thread = world_thread("plugin", ask, &caller);
  die(&world);
  stop(&party); /* what runs needs nobody's leave */
  start(&party);
  bh_explore_expect(party.result == BH_RPC_E_SERVER_DIED, "the next start ended with 0x%08x", (guint)party.result);
  bh_thread_join(thread);
  close_session(&party);
  world.host_died = TRUE;
  world_close(&world);
}

/* --- Two sessions, one host ----------------------------------------------------------------------------------------- */

static void two_sessions(gconstpointer callbacks) {
  World world;
  Party parties[2];
  BhThread *thread;

  world_open(&world, callbacks);
  world_load(&world);
  for (guint i = 0; i < 2; i++) parties[i] = (Party){&world, new_session(&world), BH_E_FAIL};
  thread = world_thread("second", start, &parties[1]);
  start(&parties[0]);
  bh_thread_join(thread);
  for (guint i = 0; i < 2; i++) {
    bh_explore_expect(BH_SUCCEEDED(parties[i].result), "start %u failed with 0x%08x", i, (guint)parties[i].result);
    close_session(&parties[i]);
  }
  world_close(&world);
}

/* --- A VM dies ------------------------------------------------------------------------------------------------------ */

static gpointer kill_vm(gpointer data) {
  bh_fake_guest_kill_vm(&((World *)data)->guest);
  return NULL;
}

/* While a start uses it, or after. Its pairs are even in the end, and the next start works. */
static BhResult kill_in_hook(World *world, DirectLink *link, const BhNotification *notification) {
  (void)link;
  if (notification->hook == BH_HOOK_VM_STARTED &&
      world_seen(world, BH_HOOK_VM_STARTED, notification->session) == 1)
    kill_vm(world);
  return BH_OK;
}

static void vm_dies(gconstpointer callbacks) {
  World world;
  Party party;

  world_open(&world, callbacks);
  world.hook = kill_in_hook;
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  start(&party); /* fails, or finds out later */
  start(&party);
  bh_explore_expect(BH_SUCCEEDED(party.result), "the next start failed with 0x%08x", (guint)party.result);
  close_session(&party);
  world_close(&world);
}

/* --- The service stops, with everything in flight -------------------------------------------------------------------- */

/* A call on its way, a VM that has died, a host that dies. */
static void shutdown_in_flight(gconstpointer callbacks) {
  World world;
  Party party, caller = {.world = &world};
  BhThread *thread;

  world_open(&world, callbacks);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  start(&party);
  bh_session_unref(party.session);
  thread = world_thread("plugin", call_then_die, &caller);
  kill_vm(&world);
  bh_thread_join(thread);
  world.host_died = TRUE;
  world_close(&world);
}

/* --- A call while its host is released ------------------------------------------------------------------------------ */

static void call_against_release(gconstpointer callbacks) {
  World world;
  Party party, caller = {.world = &world};
  BhThread *thread;

  world_open(&world, callbacks);
  party = (Party){&world, new_session(&world), BH_E_FAIL};
  start(&party);
  bh_session_unref(party.session);
  thread = world_thread("plugin", ask, &caller);
  bh_service_free(world.service);
  world.service = NULL;
  bh_thread_join(thread);
  bh_explore_expect(BH_SUCCEEDED(caller.result) || caller.result == BH_E_NOT_FOUND ||
                        caller.result == BH_E_UNEXPECTED,
                    "it was answered 0x%08x", (guint)caller.result);
  world_close(&world);
}

#define BOTH(protocol, shows, func) \
  {.name = protocol "-pumped", .about = shows, .run = func, .data = &bh_callbacks_pumped}, { \
    .name = protocol "-shared", .about = shows, .run = func, .data = &bh_callbacks_shared \
  }

static const BhProtocol protocols[] = {
    {.name = "first-use", .about = "two sessions need the plugins for the first time", .run = first_use},
    {.name = "load-at-the-deadline",
     .about = "a plugin loads as the time for it is over",
     .run = load_at_the_deadline},
    {.name = "load-after-the-deadline",
     .about = "a plugin would load too late, and is ended",
     .run = load_at_the_deadline,
     .data = GINT_TO_POINTER(1)},
    BOTH("start-stop", "a start, with a call in its hook, against a stop", start_against_stop),
    BOTH("call-stop", "a call outside of any hook against a stop", call_against_stop),
    BOTH("host-dies", "a host dies while a session starts", host_dies),
    BOTH("host-dies-after-a-call", "likewise, after a call of its", host_dies_after_a_call),
    BOTH("host-dies-during-a-call", "a host dies, and its last call is in flight", host_dies_during_a_call),
    BOTH("two-sessions", "two sessions start on one host", two_sessions),
    BOTH("vm-dies", "a VM dies in its first hook, and the next start works", vm_dies),
    BOTH("call-against-release", "a call comes while the service is freed", call_against_release),
    BOTH("shutdown", "the service stops with everything in flight", shutdown_in_flight),
};

const BhProtocolTable bh_protocols_service = {protocols, G_N_ELEMENTS(protocols)};
