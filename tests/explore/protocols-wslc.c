/* WSLC sessions: who creates, finds, uses and ends them at the same time. */
#include "protocols.h"
#include "world.h"

/* --- Two create a session of one name, and a third looks it up --------------------------------------------------- */

typedef struct {
  World *world;
  BhContainerSession *session;
  BhResult result;
} Party;

static gpointer create_dev(gpointer data) {
  Party *party = data;

  party->result = world_create(party->world, "dev", FALSE, &party->session);
  bh_explore_expect((party->session != NULL) == BH_SUCCEEDED(party->result), "a session with a failure");
  return NULL;
}

/* Who finds it may use it: the plugins have agreed. */
static void look_up(World *world) {
  BhContainerSession *session;

  if (BH_FAILED(bh_service_open_container_session(world->service, "dev", &session, NULL))) return;
  bh_explore_expect(world_seen(world, BH_HOOK_SESSION_CREATED, bh_container_session_id(session)) == 1,
                    "it was published before the plugins were asked");
  bh_service_release_container_session(world->service, session);
}

static void create_race(gconstpointer data) {
  World world;
  Party parties[2] = {{.world = &world}, {.world = &world}};
  BhThread *thread;
  guint won = 0;

  world_open(&world, NULL);
  thread = world_thread("creator", create_dev, &parties[1]);
  if (data != NULL)
    look_up(&world);
  else
    create_dev(&parties[0]);
  bh_thread_join(thread);
  for (guint i = 0; i < 2; i++) {
    won += parties[i].session != NULL;
    bh_explore_expect(BH_SUCCEEDED(parties[i].result) || parties[i].result == BH_E_ALREADY_EXISTS,
                      "creation failed with 0x%08x", (guint)parties[i].result);
  }
  bh_explore_expect(won == 1, "%u sessions have the name", won);
  for (guint i = 0; i < 2; i++)
    if (parties[i].session != NULL) bh_service_release_container_session(world.service, parties[i].session);
  world_close(&world);
}

/* --- A refused session, and another of its name ------------------------------------------------------------------- */

static BhResult refuse_first(World *world, DirectLink *link, const BhNotification *notification) {
  (void)world, (void)link;
  return notification->hook == BH_HOOK_SESSION_CREATED && notification->session == 1 ? BH_E_ACCESSDENIED : BH_OK;
}

static void veto_race(gconstpointer data) {
  World world;
  Party parties[2] = {{.world = &world}, {.world = &world}};
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  world.hook = refuse_first;
  thread = world_thread("creator", create_dev, &parties[1]);
  create_dev(&parties[0]);
  bh_thread_join(thread);
  for (guint i = 0; i < 2; i++) {
    if (parties[i].session == NULL) continue;
    bh_explore_expect(bh_container_session_id(parties[i].session) != 1, "the refused session was handed out");
    bh_service_release_container_session(world.service, parties[i].session);
  }
  world_close(&world);
}

/* --- Several end one session ------------------------------------------------------------------------------------- */

static gpointer terminate(gpointer data) {
  Party *party = data;

  bh_service_terminate_container_session(party->world->service, party->session);
  bh_explore_expect(world_seen(party->world, BH_HOOK_SESSION_STOPPING, bh_container_session_id(party->session)) ==
                        1,
                    "it is not over when its termination returns");
  return NULL;
}

static gpointer kill_vm(gpointer data) {
  bh_fake_guest_kill_vm(&((World *)data)->guest);
  return NULL;
}

static void two_ends(gconstpointer data) {
  World world;
  Party party = {.world = &world};
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  create_dev(&party);
  bh_container_session_ref(party.session);
  thread = world_thread("terminator", terminate, &party);
  bh_service_release_container_session(world.service, party.session);
  bh_thread_join(thread);
  bh_container_session_unref(party.session);
  world_close(&world);
}

/* A VM's death is an end too; the service's is the last of all. */
static void vm_death_against_the_end(gconstpointer data) {
  World world;
  BhContainerSession *session;

  world_open(&world, NULL);
  bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", data != NULL, &session)), "no session");
  if (data != NULL) world_run(session);
  kill_vm(&world); /* its worker comes at any time from here on */
  if (data != NULL) bh_explore_expect(BH_SUCCEEDED(world_run(session)), "no new VM");
  bh_service_release_container_session(world.service, session);
  world_close(&world);
}

/* --- The last user goes, and another comes ------------------------------------------------------------------------ */

static gpointer release(gpointer data) {
  Party *party = data;

  bh_service_release_container_session(party->world->service, party->session);
  return NULL;
}

static void release_against_open(gconstpointer data) {
  World world;
  Party party = {.world = &world};
  BhContainerSession *session;
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  create_dev(&party);
  thread = world_thread("last-user", release, &party);
  if (BH_SUCCEEDED(bh_service_open_container_session(world.service, "dev", &session, NULL))) {
    bh_explore_expect(BH_SUCCEEDED(world_run(session)), "a session with a user has ended");
    bh_service_release_container_session(world.service, session);
  }
  bh_thread_join(thread);
  world_close(&world);
}

/* --- Work and an idle stop ---------------------------------------------------------------------------------------- */

static gpointer run(gpointer data) {
  Party *party = data;

  party->result = world_run(party->session);
  return NULL;
}

static void work_against_idle_stop(gconstpointer data) {
  World world;
  Party party = {.world = &world};
  BhThread *thread;
  BhResult stopped;

  (void)data;
  world_open(&world, NULL);
  bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", TRUE, &party.session)), "no session");
  world_run(party.session);
  thread = world_thread("worker", run, &party);
  stopped = bh_container_session_stop_idle_vm(party.session, NULL);
  bh_thread_join(thread);
  bh_explore_expect(BH_SUCCEEDED(party.result), "the work failed with 0x%08x", (guint)party.result);
  bh_explore_expect(BH_SUCCEEDED(stopped) || stopped == BH_E_BUSY, "the stop failed with 0x%08x", (guint)stopped);
  bh_explore_outcome("%s, %u VMs", BH_SUCCEEDED(stopped) ? "stopped" : "busy",
                     world_seen(&world, BH_HOOK_CONTAINER_VM_STARTED, 1));
  bh_service_release_container_session(world.service, party.session);
  world_close(&world);
}

/* --- A plugin's call and the VM's end ------------------------------------------------------------------------------ */

static gpointer call_outside_hooks(gpointer data) {
  Party *party = data;

  party->result = world_call(party->world, BH_API_CONTAINER_MOUNT_FOLDER, 1);
  return NULL;
}

static void call_against_the_end(gconstpointer data) {
  gboolean on_demand = data != NULL;
  World world;
  Party party = {.world = &world};
  BhThread *thread;

  world_open(&world, NULL);
  bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", on_demand, &party.session)), "no session");
  if (on_demand) world_run(party.session);
  thread = world_thread("plugin", call_outside_hooks, &party);
  bh_service_release_container_session(world.service, party.session);
  bh_thread_join(thread);
  bh_explore_expect(BH_SUCCEEDED(party.result) || party.result == BH_E_WSLC_VM_NOT_RUNNING ||
                        party.result == BH_E_NOT_VALID_STATE || party.result == BH_E_NOT_FOUND,
                    "the call was answered 0x%08x", (guint)party.result);
  bh_explore_outcome("0x%08x", (guint)party.result);
  world_close(&world);
}

/* --- A host dies with a process on its way ------------------------------------------------------------------------- */

static gpointer create_process(gpointer data) {
  Party *party = data;

  party->result = world_call(party->world, BH_API_CONTAINER_CREATE_PROCESS, 1);
  return NULL;
}

static void host_dies_against_a_process(gconstpointer data) {
  World world;
  Party party = {.world = &world};
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", TRUE, &party.session)), "no session");
  world_run(party.session);
  thread = world_thread("plugin", create_process, &party);
  direct_die(&world.backend);
  bh_thread_join(thread);
  bh_explore_expect(world.guest.processes == 0, "a dead host has %u processes", world.guest.processes);
  bh_service_release_container_session(world.service, party.session);
  world.host_died = TRUE;
  world_close(&world);
}

/* --- A container that ends by itself ------------------------------------------------------------------------------- */

static gpointer end_container(gpointer data) {
  World *world = data;

  bh_fake_guest_end_container(&world->guest, 1);
  return NULL;
}

static void container_end_against_its_stop(gconstpointer data) {
  BhContainerSpec spec = {.name = "web", .image = "none", .root = "/", .program = {.path = "/bin/sleep"}};
  World world;
  BhContainerSession *session;
  BhThread *thread;

  (void)data;
  world_open(&world, NULL);
  bh_explore_expect(BH_SUCCEEDED(world_create(&world, "dev", FALSE, &session)), "no session");
  bh_container_session_start_container(session, &spec, NULL);
  thread = world_thread("container", end_container, &world);
  bh_container_session_stop_container(session, "web", NULL);
  bh_thread_join(thread);
  bh_service_release_container_session(world.service, session);
  bh_explore_expect(world_seen(&world, BH_HOOK_CONTAINER_STOPPING, 1) == 1, "its end was told %u times",
                    world_seen(&world, BH_HOOK_CONTAINER_STOPPING, 1));
  world_close(&world);
}

#define PROTOCOL(protocol, shows, func, its_data) \
  { .name = protocol, .about = shows, .run = func, .data = its_data }

static const BhProtocol protocols[] = {
    PROTOCOL("wslc-create-race", "two create a session of one name", create_race, NULL),
    PROTOCOL("wslc-create-look-up", "one creates a session, another looks it up", create_race, "look up"),
    PROTOCOL("wslc-veto-race", "one of two of one name is refused", veto_race, NULL),
    PROTOCOL("wslc-two-ends", "a session's last user goes while it is terminated", two_ends, NULL),
    PROTOCOL("wslc-vm-death", "an eager VM dies while its session ends", vm_death_against_the_end, NULL),
    PROTOCOL("wslc-vm-death-on-demand", "a VM on demand dies, and work gets another", vm_death_against_the_end,
             "yes"),
    PROTOCOL("wslc-release-open", "the last user goes while another comes", release_against_open, NULL),
    PROTOCOL("wslc-idle-work", "work comes while an idle VM is stopped", work_against_idle_stop, NULL),
    PROTOCOL("wslc-call", "a plugin's call while the session ends", call_against_the_end, NULL),
    PROTOCOL("wslc-call-on-demand", "likewise, with a VM on demand", call_against_the_end, "yes"),
    PROTOCOL("wslc-host-dies", "a host dies with a process on its way to it", host_dies_against_a_process, NULL),
    PROTOCOL("wslc-container-end", "a container ends by itself while it is stopped",
             container_end_against_its_stop, NULL),
};

const BhProtocolTable bh_protocols_wslc = {protocols, G_N_ELEMENTS(protocols)};
