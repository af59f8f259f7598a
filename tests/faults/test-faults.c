/* Whole scenarios with one step failing: each thread that is begun, each step of the backend's and of the guest's, in
 * turn, with each result that it may have; or with a VM that dies, or a container that ends, at each step of the guest's.
 * Whatever fails, the invariants hold:
 *
 *   an operation succeeds, or fails with a code and a text
 *   nothing hangs (or the test does), and nothing is left: VMs, processes, resources, hosts
 *   a plugin whose host lives is told of each end as often as of the beginning
 *   what a plugin asks for runs as often as it was told that it ran
 *   afterwards the service goes on: it works, or says from the latch why not
 *
 * Memory is not among the steps: GLib ends the process where there is none, and nothing here allocates what may fail. */
#include "backend-mock/mock.h"
#include "core/lock-order.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"

typedef enum {
  FAULT_NONE,
  FAULT_THREAD,
  FAULT_START,
  FAULT_LOAD,
  FAULT_NOTIFY,
  FAULT_GUEST,
  FAULT_VM_DIES,
  FAULT_CONTAINER_ENDS,
} FaultKind;

typedef struct {
  FaultKind kind;
  guint nth; /* from 1 */
  BhResult result;
} Fault;

/* What one plugin was told of one session. */
typedef struct {
  guint told[BH_HOOK_COUNT];
} Told;

static struct {
  const BhCallbacks *callbacks;
  BhFakeGuest guest;
  BhBackend *backend;
  BhService *service;
  Fault fault;
  gint armed;                       /* atomic: the fault may come */
  gint threads, guest_steps, hooks; /* atomic: steps so far */
  gint executions, answered;        /* atomic: of a VM session's, that ran, and of which the plugin was told so */
  gint container;                   /* atomic: the one that runs; 0: none */
  gint faults;                      /* atomic: that there were */
  gint begun, ended;                /* atomic: processes */
  BhMutex lock;                     /* guards told */
  GHashTable *told;                 /* "plugin, kind of session, its id" → Told */
} world;

static const BhLockClass world_class = {"test", BH_RANK_LEAF, FALSE};

static const BhUser user = {.token = 1};
static const BhVmSettings vm_settings;
static const BhDistribution debian = {.id = {{1}}, .name = (char *)"Debian"};

/* --- Where steps fail -------------------------------------------------------------------------------------------- */

/* One more of these steps; TRUE: the fault comes at this one, if it is of a kind that does. */
static gboolean is_due(gint *steps) {
  guint step = (guint)g_atomic_int_add(steps, 1) + 1;
  return g_atomic_int_get(&world.armed) && step == world.fault.nth;
}

static gboolean may_start_thread(const char *name) {
  gboolean fails;

  (void)name;
  fails = is_due(&world.threads) && world.fault.kind == FAULT_THREAD;
  if (fails) g_atomic_int_inc(&world.faults);
  return !fails;
}

/* A container ends only while it is there: from within its start, and until within its stop. */
static void end_container(BhFakeStep step) {
  guint32 number = (guint32)g_atomic_int_get(&world.container);

  if (step == BH_FAKE_CONTAINER_START) number = world.guest.last_number + 1;
  if (number == 0) return;
  g_atomic_int_inc(&world.faults);
  bh_fake_guest_end_container(&world.guest, number);
}

static BhResult before_guest(BhFakeStep step, gpointer data) {
  BhResult result = BH_OK;

  (void)data;
  if (step == BH_FAKE_VM_DESTROY) return BH_OK; /* has no result, and is too late for an event */
  if (is_due(&world.guest_steps)) {
    if (world.fault.kind == FAULT_GUEST) result = world.fault.result;
    if (world.fault.kind == FAULT_VM_DIES && bh_fake_guest_kill_vm(&world.guest)) g_atomic_int_inc(&world.faults);
    if (world.fault.kind == FAULT_CONTAINER_ENDS) end_container(step);
  }
  if (BH_FAILED(result)) g_atomic_int_inc(&world.faults);
  if (step == BH_FAKE_EXECUTE && BH_SUCCEEDED(result)) g_atomic_int_inc(&world.executions);
  if (step == BH_FAKE_CONTAINER_START && BH_SUCCEEDED(result))
    g_atomic_int_set(&world.container, (gint)world.guest.last_number + 1);
  if (step == BH_FAKE_CONTAINER_STOP && BH_SUCCEEDED(result)) g_atomic_int_set(&world.container, 0);
  return result;
}

static void note_hook(const char *plugin, const BhNotification *notification) {
  g_autofree char *key = NULL;
  Told *told;

  key = g_strdup_printf("%s, %d, %u", plugin, bh_hooks[notification->hook].kind, notification->session);
  bh_mutex_lock(&world.lock);
  told = g_hash_table_lookup(world.told, key);
  if (told == NULL) g_hash_table_insert(world.told, g_steal_pointer(&key), told = g_new0(Told, 1));
  told->told[notification->hook]++;
  bh_mutex_unlock(&world.lock);
}

/* Every hook asks for something, on its own thread. */
static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  gboolean containers = bh_hooks[notification->hook].kind == BH_SESSION_CONTAINER;
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = containers ? BH_API_CONTAINER_CREATE_PROCESS : BH_API_EXECUTE_BINARY,
                 .session = notification->session,
                 .path = (char *)"/bin/true"};

  g_atomic_int_inc(&world.hooks);
  note_hook(data, notification);
  if (BH_SUCCEEDED(bh_mock_host_call(host, &call, &reply)) && !containers) g_atomic_int_inc(&world.answered);
  return BH_OK;
}

/* --- Scenarios --------------------------------------------------------------------------------------------------- */

/* An operation that may fail: then it says so. */
#define TRY(operation) \
  G_STMT_START { \
    g_autoptr(BhError) error = NULL; \
    BhResult result = (operation); \
    g_assert_cmpint(BH_FAILED(result), ==, error != NULL); \
    if (error != NULL) { \
      g_autofree char *text = bh_error_text(error); \
      g_assert_cmpint(error->code, ==, result); \
      g_assert_true(g_pattern_match_simple("?*\nError code: Wsl/Service/*", text)); \
    } \
  } \
  G_STMT_END

static void vm_scenario(void) {
  BhSession *session = bh_service_open_session(world.service, &user);
  BhDistribution other = {.id = {{2}}, .name = (char *)"Other"};

  TRY(bh_session_register(session, &debian, &error));
  TRY(bh_session_start(session, &debian.id, &vm_settings, &error));
  TRY(bh_session_import(session, &other, &vm_settings, &error));
  TRY(bh_session_start(session, &other.id, &vm_settings, &error));
  TRY(bh_session_terminate(session, &debian.id, &error));
  bh_session_stop_vm(session);
  TRY(bh_session_start(session, &debian.id, &vm_settings, &error));
  TRY(bh_session_export(session, &debian.id, "x.tar", &error));
  TRY(bh_session_unregister(session, &other.id, &error));
  bh_service_close_session(world.service, session);
  bh_session_unref(session);
}

static void nothing(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
}

static void container_scenario(gboolean on_demand) {
  /* µs: the VM on demand may be stopped between any two operations */
  BhContainerSettings settings = {.name = "one", .user = &user, .on_demand = on_demand, .idle_timeout = 1};
  BhContainerSpec spec = {.name = "web", .image = "alpine", .program = {.path = "/bin/sleep"}};
  BhProgram program = {.path = "/bin/true"};
  BhContainerSession *session;
  gint32 linux_error;

  TRY(bh_service_create_container_session(world.service, &settings, &session, &error));
  if (session == NULL) return;
  TRY(bh_container_session_create_image(session, "alpine", NULL, BH_IMAGE_PULLED, &error));
  TRY(bh_container_session_start_container(session, &spec, &error));
  TRY(bh_container_session_run(session, &program, nothing, NULL, &linux_error, &error));
  TRY(bh_container_session_stop_container(session, "web", &error));
  TRY(bh_container_session_delete_image(session, "alpine", &error));
  if (on_demand) TRY(bh_container_session_stop_idle_vm(session, &error));
  TRY(bh_container_session_run(session, &program, nothing, NULL, &linux_error, &error));
  bh_service_release_container_session(world.service, session);
}

static void eager_scenario(void) {
  container_scenario(FALSE);
}

static void on_demand_scenario(void) {
  container_scenario(TRUE);
}

typedef struct {
  const char *name;
  void (*func)(void);
  gboolean has_containers;
} Scenario;

/* --- Running them ------------------------------------------------------------------------------------------------ */

/* The service goes on: a session of each kind begins, or both fail alike, from the latch. */
static void check_service(void) {
  BhContainerSettings settings = {.name = "after", .user = &user};
  BhSession *session = bh_service_open_session(world.service, &user);
  g_autoptr(BhError) vm_error = NULL, container_error = NULL;
  BhContainerSession *containers;
  BhResult started, created;

  g_assert_cmpint(bh_session_register(session, &debian, NULL), ==, BH_OK);
  started = bh_session_start(session, &debian.id, &vm_settings, &vm_error);
  created = bh_service_create_container_session(world.service, &settings, &containers, &container_error);
  g_assert_cmpint(started, ==, created);
  if (BH_FAILED(started)) {
    g_assert_true(g_pattern_match_simple("A fatal error was returned by plugin *", vm_error->message));
    g_assert_cmpstr(vm_error->message, ==, container_error->message);
  } else {
    bh_service_release_container_session(world.service, containers);
  }
  bh_service_close_session(world.service, session);
  bh_session_unref(session);
}

/* Where every step of the transport succeeds. */
static gboolean hosts_live(FaultKind kind) {
  return kind != FAULT_START && kind != FAULT_LOAD && kind != FAULT_NOTIFY;
}

/* How many hooks of that plugin have no counterpart. */
static guint count_unpaired(const char *plugin) {
  static const BhHook pairs[][2] = {
      {BH_HOOK_VM_STARTED, BH_HOOK_VM_STOPPING},
      {BH_HOOK_SESSION_CREATED, BH_HOOK_SESSION_STOPPING},
      {BH_HOOK_CONTAINER_VM_STARTED, BH_HOOK_CONTAINER_VM_STOPPING},
      {BH_HOOK_CONTAINER_STARTED, BH_HOOK_CONTAINER_STOPPING}, /* again, where the guest could not stop it */
  };
  guint count = G_N_ELEMENTS(pairs) - (world.fault.kind == FAULT_GUEST ? 1 : 0), unpaired = 0;
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init(&iter, world.told);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const Told *told = value;
    for (guint i = 0; i < count && g_str_has_prefix(key, plugin); i++)
      unpaired += (guint)ABS((gint)told->told[pairs[i][0]] - (gint)told->told[pairs[i][1]]);
  }
  return unpaired;
}

/* The thread that cannot be had may be the one on which one plugin was to be told of something. */
static void check_pairs(void) {
  guint may_miss = world.fault.kind == FAULT_THREAD ? 1 : 0;

  g_assert_cmpuint(count_unpaired("First"), <=, may_miss);
  g_assert_cmpuint(count_unpaired("Second"), <=, may_miss);
}

/* How many steps the scenario had; and the faults that came of themselves, in all runs. */
typedef struct {
  guint threads, guest_steps, hooks, faults;
} Counts;

/* Somebody wants to be told of what runs, so that hosts and VMs are asked to watch; and is, of beginnings and ends in pairs. */
static BhResult on_notice(gpointer data, const BhProcessNotice *notice) {
  (void)data;
  if (notice->activity.type == BH_PROCESS_CREATED) g_atomic_int_inc(&world.begun);
  if (notice->activity.type == BH_PROCESS_EXITED) g_atomic_int_inc(&world.ended);
  return BH_OK;
}

static void run(void (*scenario)(void), const Fault *fault, Counts *counts) {
  const BhMockPlugin plugins[] = {
      {.name = "First", .hooks = 0x3fff, .hook = on_hook, .data = (gpointer) "First"},
      {.name = "Second", .hooks = 0x3fff, .hook = on_hook, .data = (gpointer) "Second"}};
  static const BhMockStep steps[] = {
      [FAULT_START] = BH_MOCK_START, [FAULT_LOAD] = BH_MOCK_LOAD, [FAULT_NOTIFY] = BH_MOCK_NOTIFY};

  BhProcessNotify *notify;
  guint64 id;

  world.fault = *fault;
  world.threads = world.guest_steps = world.hooks = world.executions = world.answered = 0;
  world.container = world.faults = world.begun = world.ended = 0;
  world.armed = TRUE;
  world.told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  bh_mutex_init(&world.lock, &world_class);
  bh_fake_guest_init(&world.guest);
  world.guest.before = before_guest;
  world.backend = bh_backend_mock_new(plugins, G_N_ELEMENTS(plugins));
  world.service = bh_service_new(
      &(BhServiceSettings){.backend = world.backend, .guest = &world.guest.parent, .callbacks = world.callbacks});
  for (guint i = 0; i < G_N_ELEMENTS(plugins); i++)
    g_assert_true(bh_service_add_plugin(world.service, plugins[i].name, plugins[i].name));
  if (fault->kind == FAULT_START || fault->kind == FAULT_LOAD || fault->kind == FAULT_NOTIFY)
    bh_backend_mock_fail(world.backend, steps[fault->kind], NULL, fault->nth, fault->result);

  notify = bh_service_process_notify(world.service);
  g_assert_cmpint(bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, on_notice, NULL, &id),
                  ==, BH_OK);
  scenario();
  counts->threads = (guint)g_atomic_int_get(&world.threads);
  counts->guest_steps = (guint)g_atomic_int_get(&world.guest_steps);
  counts->hooks = (guint)g_atomic_int_get(&world.hooks);
  counts->faults += (guint)g_atomic_int_get(&world.faults);
  g_atomic_int_set(&world.armed, FALSE);
  bh_backend_mock_forget_faults(
      world.backend); /* threads' turns differ: there may have been a step less than in the run that counted */
  check_service();
  g_assert_cmpint(bh_process_notify_remove(notify, id), ==, BH_OK);
  g_assert_cmpint(world.ended, <=, world.begun);
  bh_service_free(world.service);
  bh_backend_mock_free(world.backend);
  bh_fake_guest_clear(&world.guest);
  if (hosts_live(fault->kind)) {
    check_pairs();
    if (fault->kind == FAULT_VM_DIES) /* what was on its way in it may have run, or not */
      g_assert_cmpint(world.executions, >=, world.answered);
    else
      g_assert_cmpint(world.executions, ==, world.answered); /* each was told */
  }
  g_hash_table_unref(world.told);
  bh_mutex_clear(&world.lock);
}

/* Everything that a transport may say (contract, section 7), and more. */
static const BhResult statuses[] = {
    BH_RPC_E_DISCONNECTED,
    BH_RPC_E_SERVER_DIED,
    BH_RPC_E_SERVER_DIED_DNE,
    BH_CO_E_OBJNOTCONNECTED,
    BH_RPC_S_SERVER_UNAVAILABLE,
    BH_RPC_S_CALL_FAILED,
    BH_RPC_S_CALL_FAILED_DNE,
    BH_RPC_E_SERVERFAULT,
    BH_RPC_E_CALL_REJECTED,
    BH_E_OUTOFMEMORY,
    BH_E_FAIL,
    BH_E_UNEXPECTED,
};
static const BhResult guest_results[] = {BH_E_FAIL, BH_E_OUTOFMEMORY, BH_E_NOT_VALID_STATE, BH_E_ACCESSDENIED};
static const BhResult no_thread[] = {BH_E_OUTOFMEMORY};
static const BhResult no_result[] = {BH_OK}; /* of an event */

/* The number of runs. Each kind of fault came at least once, where it is our own to make. */
static guint try_all(void (*scenario)(void), FaultKind kind, guint count, const BhResult *results,
                     guint result_count) {
  Counts counts = {.faults = 0};
  guint runs = 0;

  for (guint nth = 1; nth <= count; nth++)
    for (guint i = 0; i < result_count; i++, runs++) run(scenario, &(Fault){kind, nth, results[i]}, &counts);
  if (hosts_live(kind)) g_assert_cmpuint(counts.faults, >, 0);
  return runs;
}

static void test_scenario(gconstpointer data) {
  const Scenario *scenario = data;
  void (*func)(void) = scenario->func;
  Counts counts = {.faults = 0};
  guint runs = 0;

  run(func, &(Fault){FAULT_NONE, 0, BH_OK}, &counts);
  runs += try_all(func, FAULT_THREAD, counts.threads, no_thread, G_N_ELEMENTS(no_thread));
  runs += try_all(func, FAULT_GUEST, counts.guest_steps, guest_results, G_N_ELEMENTS(guest_results));
  runs += try_all(func, FAULT_VM_DIES, counts.guest_steps, no_result, G_N_ELEMENTS(no_result));
  if (scenario->has_containers)
    runs += try_all(func, FAULT_CONTAINER_ENDS, counts.guest_steps, no_result, G_N_ELEMENTS(no_result));
  runs += try_all(func, FAULT_START, 2, statuses, G_N_ELEMENTS(statuses));
  runs += try_all(func, FAULT_LOAD, 2, statuses, G_N_ELEMENTS(statuses));
  runs += try_all(func, FAULT_NOTIFY, counts.hooks, statuses, G_N_ELEMENTS(statuses));
  g_test_message("%u runs: %u threads, %u steps of the guest, %u hooks", runs, counts.threads, counts.guest_steps,
                 counts.hooks);
  g_assert_cmpuint(runs, >, 200);
}

int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.may_start_thread = may_start_thread};
  static const Scenario scenarios[] = {
      {"vm-session", vm_scenario, FALSE},
      {"eager-wslc-session", eager_scenario, TRUE},
      {"on-demand-wslc-session", on_demand_scenario, TRUE},
  };

  g_test_init(&argc, &argv, NULL);
  if (argc == 2) world.callbacks = bh_callbacks_by_name(argv[1]);
  if (world.callbacks == NULL) g_error("usage: test-faults pumped|shared");
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
  for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
    g_autofree char *path = g_strdup_printf("/faults/%s/%s", scenarios[i].name, world.callbacks->name);
    g_test_add_data_func(path, &scenarios[i], test_scenario);
  }
  return g_test_run();
}
