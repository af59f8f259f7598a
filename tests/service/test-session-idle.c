/* VM sessions whose VM or distribution is idle, or is not; and what waits for what when a VM's start is refused. */
#include "backend-mock/mock.h"
#include "core/lock-order.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"
#include "tests/common/gate.h"

static const BhUser user = {.token = 1};
static const BhVmSettings vm_settings;
static const BhDistribution debian = {.id = {{1}}, .name = (char *)"Debian"};
static const BhDistribution old = {.id = {{2}}, .name = (char *)"Old", .wsl1 = TRUE};

/* A service with a plugin that logs its hooks, may refuse one, and opens a gate at the VM's stop. */
static struct {
  BhFakeGuest guest;
  BhBackend *backend;
  BhService *service;
  BhSession *session;
  GString *log; /* one session's hooks never overlap */
  BhHook refused;
  gboolean dies; /* the VM, in V+ */
  BhGate stopping;
} world;

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  static const char *const names[] = {"V+", "V-", "D+", "D-"};

  (void)host, (void)data;
  g_string_append_printf(world.log, "%s ", names[notification->hook]);
  if (notification->hook == BH_HOOK_VM_STARTED && world.dies) bh_fake_guest_kill_vm(&world.guest);
  if (notification->hook == BH_HOOK_VM_STOPPING) bh_gate_open(&world.stopping);
  return notification->hook == world.refused ? BH_E_FAIL : BH_OK;
}

static void open_world(const BhCallbacks *callbacks, BhHook refused, gint64 idle_timeout) {
  const BhMockPlugin plugin = {.name = "Log", .hooks = 0xf, .hook = on_hook};

  world.refused = refused;
  world.dies = FALSE;
  world.log = g_string_new(NULL);
  bh_gate_init(&world.stopping);
  bh_fake_guest_init(&world.guest);
  world.backend = bh_backend_mock_new(&plugin, 1);
  world.service = bh_service_new(&(BhServiceSettings){.backend = world.backend,
                                                      .guest = &world.guest.parent,
                                                      .callbacks = callbacks,
                                                      .vm_idle_timeout = idle_timeout});
  g_assert_true(bh_service_add_plugin(world.service, "Log", "Log"));
  world.session = bh_service_open_session(world.service, &user);
  g_assert_cmpint(bh_session_register(world.session, &debian, NULL), ==, BH_OK);
  g_assert_cmpint(bh_session_register(world.session, &old, NULL), ==, BH_OK);
}

static void close_world(const char *expected) {
  bh_service_close_session(world.service, world.session);
  bh_session_unref(world.session);
  bh_service_free(world.service);
  bh_backend_mock_free(world.backend);
  bh_fake_guest_clear(&world.guest);
  bh_gate_clear(&world.stopping);
  g_assert_cmpstr(g_strchomp(world.log->str), ==, expected);
  g_string_free(world.log, TRUE);
}

static BhResult start(const BhDistribution *distribution) {
  return bh_session_start(world.session, &distribution->id, &vm_settings, NULL);
}

static void idle_vm_stops(gconstpointer callbacks) {
  open_world(callbacks, BH_HOOK_NONE, 1000);
  g_assert_cmpint(start(&debian), ==, BH_OK);
  g_assert_cmpint(start(&old), ==, BH_OK);
  g_assert_cmpint(bh_session_terminate(world.session, &debian.id, NULL), ==, BH_OK);
  bh_gate_pass(&world.stopping); /* by itself, though a WSL1 distribution runs */
  g_assert_cmpint(start(&debian), ==, BH_OK);
  close_world("V+ D+ D- V- V+ D+ D- V-");
}

/* Contract, section 5: the VM outlives the refusal, its idle timer armed. */
static void refused_distribution_leaves_an_idle_vm(gconstpointer callbacks) {
  open_world(callbacks, BH_HOOK_DISTRIBUTION_STARTED, 1000);
  g_assert_cmpint(start(&debian), ==, BH_E_FAIL);
  bh_gate_pass(&world.stopping);
  close_world("V+ D+ V-");
}

static void busy_vm_does_not_stop(gconstpointer callbacks) {
  open_world(callbacks, BH_HOOK_NONE, 1);
  g_assert_cmpint(start(&debian), ==, BH_OK);
  for (guint i = 0; i < 100; i++) g_assert_cmpint(start(&debian), ==, BH_OK);
  g_assert_cmpstr(world.log->str, ==, "V+ D+ ");
  close_world("V+ D+ D- V-");
}

static void stop_may_be_refused(gconstpointer callbacks) {
  open_world(callbacks, BH_HOOK_NONE, 0);
  g_assert_cmpint(bh_session_stop_if_idle(world.session, &debian.id, NULL), ==, BH_E_DISTRO_NOT_RUNNING);
  g_assert_cmpint(start(&debian), ==, BH_OK);
  world.guest.busy = TRUE;
  g_assert_cmpint(bh_session_stop_if_idle(world.session, &debian.id, NULL), ==, BH_E_BUSY);
  g_assert_cmpstr(world.log->str, ==, "V+ D+ "); /* no hook */
  world.guest.busy = FALSE;
  g_assert_cmpint(bh_session_stop_if_idle(world.session, &debian.id, NULL), ==, BH_OK);
  close_world("V+ D+ D- V-");
}

static void export_needs_no_vm(gconstpointer callbacks) {
  BhDistribution unknown = {.id = {{9}}};

  open_world(callbacks, BH_HOOK_NONE, 0);
  g_assert_cmpint(bh_session_export(world.session, &unknown.id, "x.tar", NULL), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_session_export(world.session, &debian.id, "x.tar", NULL), ==, BH_OK);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 0);
  g_assert_cmpint(start(&debian), ==, BH_OK);
  g_assert_cmpint(bh_session_export(world.session, &debian.id, "x.tar", NULL), ==, BH_OK);
  close_world("V+ D+ D- V-");
}

/* Nor is a VM started for a name that is taken. */
static void import_of_a_known_name_starts_no_vm(gconstpointer callbacks) {
  open_world(callbacks, BH_HOOK_NONE, 0);
  g_assert_cmpint(bh_session_import(world.session, &debian, &vm_settings, NULL), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 0);
  close_world("");
}

/* --- Too late ---------------------------------------------------------------------------------------------------- */

static gpointer late_thread; /* atomic */
static BhGate late, go_on;

/* The late operation is held before it has got the session's lock. */
static void hold_late(const BhLockClass *lock_class, gconstpointer lock, const char *site) {
  (void)lock, (void)site;
  if (lock_class->rank != BH_RANK_INSTANCE || g_atomic_pointer_get(&late_thread) != bh_thread_self()) return;
  bh_gate_open(&late);
  bh_gate_pass(&go_on);
}

static gpointer start_late(gpointer session) {
  BhResult result;

  g_atomic_pointer_set(&late_thread, bh_thread_self());
  result = bh_session_start(session, &debian.id, &vm_settings, NULL);
  bh_session_unref(session);
  return GINT_TO_POINTER(result);
}

/* The session is closed, and the service gone, by the time it begins: it touches nothing of that. Where it does, only a
 * build with sanitizers, or valgrind, will tell. */
static void operation_after_the_service(gconstpointer callbacks) {
  static const BhSyncObserver observer = {.acquire = hold_late};
  BhThread *thread;

  late_thread = NULL;
  bh_gate_init(&late);
  bh_gate_init(&go_on);
  open_world(callbacks, BH_HOOK_NONE, 1000);
  bh_sync_add_observer(&observer);
  thread = bh_thread_new("late", BH_RANK_SESSION_TABLE, start_late, bh_session_ref(world.session));
  bh_gate_pass(&late);
  close_world("");
  bh_gate_open(&go_on);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(thread)), ==, BH_E_NOT_VALID_STATE);
  bh_sync_remove_observer(&observer);
  bh_gate_clear(&late);
  bh_gate_clear(&go_on);
}

/* --- Row 48 ------------------------------------------------------------------------------------------------------ */

static gpointer start_debian(gpointer data) {
  (void)data;
  return GINT_TO_POINTER(start(&debian));
}

/* Every start is refused, and its VM dies meanwhile; others wait for the session: further starts, those who bury dead VMs,
 * and the guest's events. That this ends is the test: whoever destroys a VM waits for its events. */
static void refused_vm_while_others_wait(gconstpointer callbacks) {
  BhThread *threads[8];

  open_world(callbacks, BH_HOOK_VM_STARTED, 1);
  world.dies = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_nonnull(threads[i] = bh_thread_new("start", BH_RANK_SESSION_TABLE, start_debian, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(threads[i])), ==, BH_E_FAIL);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, G_N_ELEMENTS(threads));
  close_world("V+ V- V+ V- V+ V- V+ V- V+ V- V+ V- V+ V- V+ V-");
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    GTestDataFunc func;
  } tests[] = {
      {"idle-vm-stops", idle_vm_stops},
      {"refused-distribution-leaves-an-idle-vm", refused_distribution_leaves_an_idle_vm},
      {"busy-vm-does-not-stop", busy_vm_does_not_stop},
      {"stop-may-be-refused", stop_may_be_refused},
      {"export-needs-no-vm", export_needs_no_vm},
      {"import-of-a-known-name-starts-no-vm", import_of_a_known_name_starts_no_vm},
      {"operation-after-the-service", operation_after_the_service},
      {"refused-vm-while-others-wait", refused_vm_while_others_wait},
  };
  static const BhCallbacks *const designs[] = {&bh_callbacks_pumped, &bh_callbacks_shared};

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  for (guint i = 0; i < G_N_ELEMENTS(tests) * G_N_ELEMENTS(designs); i++) {
    const BhCallbacks *design = designs[i % G_N_ELEMENTS(designs)];
    g_autofree char *path =
        g_strdup_printf("/session-idle/%s/%s", tests[i / G_N_ELEMENTS(designs)].name, design->name);
    g_test_add_data_func(path, design, tests[i / G_N_ELEMENTS(designs)].func);
  }
  return g_test_run();
}
