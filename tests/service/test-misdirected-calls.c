/* A plugin's calls to a session that is there, but is not of the kind, or not in the state, that the call is for. */
#include "backend-mock/mock.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"

static const BhUser user = {.token = 1};
static const BhVmSettings vm_settings;
static const BhDistribution debian = {.id = {{1}}, .name = (char *)"Debian"};
static const BhDistribution old = {.id = {{2}}, .name = (char *)"Old", .wsl1 = TRUE};

typedef struct {
  BhHook when;
  BhCall what;
  BhResult got;
  guint calls;
} Plugin;

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Plugin *plugin = data;
  BhCallReply reply = {.result = BH_OK};

  if (notification->hook != plugin->when) return BH_OK;
  plugin->what.session = notification->session;
  plugin->got = bh_mock_host_call(host, &plugin->what, &reply);
  plugin->calls++;
  bh_resource_clear(&reply.resource);
  return BH_OK;
}

typedef struct {
  BhFakeGuest guest;
  BhBackend *backend;
  BhService *service;
} World;

static void open_world(World *world, Plugin *plugin) {
  const BhMockPlugin mock = {.name = "Astray", .hooks = 1u << plugin->when, .hook = on_hook, .data = plugin};

  bh_fake_guest_init(&world->guest);
  world->backend = bh_backend_mock_new(&mock, 1);
  world->service = bh_service_new(&(BhServiceSettings){.backend = world->backend, .guest = &world->guest.parent});
  g_assert_true(bh_service_add_plugin(world->service, "Astray", "Astray"));
}

static void close_world(World *world, const Plugin *plugin, BhResult expected) {
  bh_service_free(world->service);
  bh_backend_mock_free(world->backend);
  g_assert_cmpuint(world->guest.passed[BH_FAKE_MOUNT], ==, 0);
  g_assert_cmpuint(world->guest.passed[BH_FAKE_EXECUTE], ==, 0);
  bh_fake_guest_clear(&world->guest);
  g_assert_cmpuint(plugin->calls, ==, 1);
  g_assert_cmpint(plugin->got, ==, expected);
}

/* A VM session that starts a WSL2 distribution and one that is WSL1, and stops the first. */
static void run_vm_session(Plugin *plugin, BhResult expected) {
  World world;
  BhSession *session;

  open_world(&world, plugin);
  session = bh_service_open_session(world.service, &user);
  g_assert_cmpint(bh_session_register(session, &debian, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_register(session, &old, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_start(session, &debian.id, &vm_settings, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_start(session, &old.id, &vm_settings, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_terminate(session, &debian.id, NULL), ==, BH_OK);
  bh_service_close_session(world.service, session);
  bh_session_unref(session);
  close_world(&world, plugin, expected);
}

static void nothing_is_executed_in_a_wsl1_distribution(void) {
  Plugin plugin = {.when = BH_HOOK_DISTRIBUTION_STOPPING,
                   .what = {.api = BH_API_EXECUTE_BINARY_IN_DISTRIBUTION, .path = (char *)"/bin/true"}};

  plugin.what.distribution = old.id;
  run_vm_session(&plugin, BH_E_WSL2_NEEDED);
}

/* Each kind of call looks among its own kind of sessions. */
static void a_vm_session_serves_no_wslc_call(void) {
  Plugin plugin = {.when = BH_HOOK_VM_STARTED,
                   .what = {.api = BH_API_CONTAINER_UNMOUNT_FOLDER, .linux_path = (char *)"/mnt/a"}};

  run_vm_session(&plugin, BH_E_NOT_FOUND);
}

static void a_wslc_session_serves_no_call_of_a_vm_session(void) {
  Plugin plugin = {.when = BH_HOOK_SESSION_CREATED,
                   .what = {.api = BH_API_EXECUTE_BINARY, .path = (char *)"/bin/true"}};
  BhContainerSettings settings = {.name = "dev", .user = &user};
  BhContainerSession *session;
  World world;

  open_world(&world, &plugin);
  g_assert_cmpint(bh_service_create_container_session(world.service, &settings, &session, NULL), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  close_world(&world, &plugin, BH_E_NOT_FOUND);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/misdirected-calls/wsl1", nothing_is_executed_in_a_wsl1_distribution);
  g_test_add_func("/misdirected-calls/wslc-call-to-a-vm-session", a_vm_session_serves_no_wslc_call);
  g_test_add_func("/misdirected-calls/vm-call-to-a-wslc-session", a_wslc_session_serves_no_call_of_a_vm_session);
  return g_test_run();
}
