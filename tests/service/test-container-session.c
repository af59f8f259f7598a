/* WSLC sessions: what plugins are told, in which order, and what may happen at the same time. */
#include "backend-mock/mock.h"
#include "core/lock-order.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"
#include "tests/common/gate.h"

#include <string.h>

#define HOOKS 0x3fc0u /* 6 to 13 */

static const char *const short_names[BH_HOOK_COUNT] = {
    [BH_HOOK_SESSION_CREATED] = "W+",       [BH_HOOK_SESSION_STOPPING] = "W-",
    [BH_HOOK_CONTAINER_STARTED] = "C+",     [BH_HOOK_CONTAINER_STOPPING] = "C-",
    [BH_HOOK_IMAGE_CREATED] = "I+",         [BH_HOOK_IMAGE_DELETED] = "I-",
    [BH_HOOK_CONTAINER_VM_STARTED] = "VM+", [BH_HOOK_CONTAINER_VM_STOPPING] = "VM-",
};

/* A service with one plugin, which logs its hooks; what it does besides is the test's. */
typedef struct {
  BhFakeGuest guest;
  BhBackend *backend;
  BhService *service;
  BhMutex lock; /* guards log */
  GString *log;
  BhResult (*hook)(BhMockHost *host, const BhNotification *notification, gpointer data);
  gpointer data; /* of hook */
} World;

static const BhLockClass world_class = {"test", BH_RANK_LEAF, FALSE};
static World world;
static const BhUser user = {.token = 1};

G_GNUC_PRINTF(1, 2) static void say(const char *format, ...) {
  va_list arguments;

  bh_mutex_lock(&world.lock);
  va_start(arguments, format);
  g_string_append_vprintf(world.log, format, arguments);
  va_end(arguments);
  g_string_append_c(world.log, ' ');
  bh_mutex_unlock(&world.lock);
}

static void say_result(BhResult result) {
  g_autofree char *text = bh_result_to_string(result);
  say("(%s)", text);
}

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  say("%s", short_names[notification->hook]);
  return world.hook != NULL ? world.hook(host, notification, world.data) : BH_OK;
}

static void open_world(gpointer hook, gpointer data) {
  const BhMockPlugin plugin = {.name = "Log", .hooks = HOOKS, .hook = on_hook};

  world = (World){.log = g_string_new(NULL), .hook = hook, .data = data};
  bh_mutex_init(&world.lock, &world_class);
  bh_fake_guest_init(&world.guest);
  world.backend = bh_backend_mock_new(&plugin, 1);
  world.service = bh_service_new(&(BhServiceSettings){.backend = world.backend, .guest = &world.guest.parent});
  g_assert_true(bh_service_add_plugin(world.service, "Log", "Log"));
}

static void close_world(const char *expected) {
  bh_service_free(world.service);
  bh_backend_mock_free(world.backend);
  bh_fake_guest_clear(&world.guest);
  bh_mutex_clear(&world.lock);
  g_assert_cmpstr(g_strchomp(world.log->str), ==, expected);
  g_string_free(world.log, TRUE);
}

static BhResult create(const char *name, gboolean on_demand, BhContainerSession **session, BhError **error) {
  BhContainerSettings settings = {.name = name, .user = &user, .on_demand = on_demand};
  return bh_service_create_container_session(world.service, &settings, session, error);
}

static BhContainerSession *created(const char *name, gboolean on_demand) {
  BhContainerSession *session;

  g_assert_cmpint(create(name, on_demand, &session, NULL), ==, BH_OK);
  return session;
}

static BhResult look_up(const char *name) {
  BhContainerSession *session;
  BhResult result = bh_service_open_container_session(world.service, name, &session, NULL);

  if (BH_SUCCEEDED(result)) bh_service_release_container_session(world.service, session);
  return result;
}

static void add_image(BhContainerSession *session) {
  g_assert_cmpint(bh_container_session_create_image(session, "alpine", NULL, BH_IMAGE_BUILT, NULL), ==, BH_OK);
}

static BhResult start_container(BhContainerSession *session, const char *name, BhError **error) {
  BhContainerSpec spec = {.name = name, .image = "alpine", .root = "/", .program = {.path = "/bin/sleep"}};
  return bh_container_session_start_container(session, &spec, error);
}

static void nothing(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
}

static BhResult run(BhContainerSession *session) {
  gint32 linux_error;
  return bh_container_session_run(session, &(BhProgram){.path = "/bin/true"}, nothing, NULL, &linux_error, NULL);
}

/* A plugin's WSLCCreateProcess, in or outside a hook. *process: its number. */
static BhResult call_process(BhMockHost *host, guint32 session, guint64 *process) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = BH_API_CONTAINER_CREATE_PROCESS, .session = session, .path = "/bin/true"};
  BhResult result = bh_mock_host_call(host, &call, &reply);

  if (process != NULL) *process = reply.process;
  return result;
}

/* A hook that says what a call inside it is answered. */
static BhResult call_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  say_result(call_process(host, notification->session, NULL));
  return BH_OK;
}

/* --- Sessions ---------------------------------------------------------------------------------------------------- */

static void eager(void) {
  open_world(call_in_hook, NULL);
  bh_service_release_container_session(world.service, created("one", FALSE));
  close_world("W+ (S_OK) VM+ (S_OK) W- (S_OK) VM- (S_OK)");
}

/* Row 52. */
static void on_demand_without_need(void) {
  open_world(call_in_hook, NULL);
  bh_service_release_container_session(world.service, created("one", TRUE));
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 0);
  close_world("W+ (WSLC_E_VM_NOT_RUNNING) W- (WSLC_E_VM_NOT_RUNNING)");
}

/* Row 51. */
static void on_demand(void) {
  BhContainerSession *session;

  open_world(call_in_hook, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 2);
  bh_service_release_container_session(world.service, session);
  close_world("W+ (WSLC_E_VM_NOT_RUNNING) VM+ (S_OK) VM- (S_OK) VM+ (S_OK) VM- (E_NOT_VALID_STATE) "
              "W- (WSLC_E_VM_NOT_RUNNING)");
}

static BhResult fail(BhMockHost *host, const BhNotification *notification, gpointer data) {
  if (notification->hook != GPOINTER_TO_UINT(data)) return BH_OK;
  bh_mock_host_plugin_error(host, "Not today");
  return BH_E_ACCESSDENIED;
}

/* Row 27. */
static void veto(gconstpointer data) {
  gboolean on_demand_vm = GPOINTER_TO_INT(data);
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(fail, GUINT_TO_POINTER(BH_HOOK_SESSION_CREATED));
  g_assert_cmpint(create("one", on_demand_vm, &session, &error), ==, BH_E_ACCESSDENIED);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'Log'. Error message: 'Not today'\n"
                  "Error code: Wsl/Service/CreateSession/Plugin/E_ACCESSDENIED");
  g_assert_null(session);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  g_assert_null(world.guest.vms);
  close_world("W+ W-");
}

static BhResult no_vm(BhFakeStep step, gpointer data) {
  (void)data;
  return step == BH_FAKE_VM_CREATE ? BH_E_OUTOFMEMORY : BH_OK;
}

/* No plugin hears of a session whose VM cannot be had. */
static void vm_that_cannot_be_created(void) {
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(NULL, NULL);
  world.guest.before = no_vm;
  g_assert_cmpint(create("one", FALSE, &session, &error), ==, BH_E_OUTOFMEMORY);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "The virtual machine could not be created\n"
                  "Error code: Wsl/Service/CreateSession/CreateVm/E_OUTOFMEMORY");
  session = created("one", TRUE);
  g_assert_cmpint(run(session), ==, BH_E_OUTOFMEMORY);
  bh_service_release_container_session(world.service, session);
  close_world("W+ W-");
}

static void users(void) {
  BhContainerSession *first, *second;

  open_world(NULL, NULL);
  first = created("one", FALSE);
  g_assert_cmpint(bh_service_open_container_session(world.service, "one", &second, NULL), ==, BH_OK);
  g_assert_true(first == second);
  bh_service_release_container_session(world.service, first);
  say("still");
  bh_service_release_container_session(world.service, second);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  close_world("W+ VM+ still W- VM-");
}

static void persistent(void) {
  BhContainerSettings settings = {.name = "one", .user = &user, .persistent = TRUE};
  BhContainerSession *session;

  open_world(NULL, NULL);
  g_assert_cmpint(bh_service_create_container_session(world.service, &settings, &session, NULL), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  say("still");
  g_assert_cmpint(bh_service_open_container_session(world.service, "one", &session, NULL), ==, BH_OK);
  g_assert_cmpint(create("one", FALSE, &(BhContainerSession *){NULL}, NULL), ==, BH_E_ALREADY_EXISTS);
  bh_service_terminate_container_session(world.service, session);
  bh_service_terminate_container_session(world.service, session);
  g_assert_cmpint(run(session), ==, BH_E_NOT_VALID_STATE);
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ still W- VM-");
}

/* The service's stop is the last of the ways in which a session ends. */
static void service_stops(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", FALSE);
  bh_container_session_unref(session);
  close_world("W+ VM+ W- VM-");
}

/* --- A lost name ------------------------------------------------------------------------------------------------- */

typedef struct {
  BhGate asked, go_on;
} Race;

/* The first session's hook waits until the second has won. */
static BhResult wait_first(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Race *race = data;

  (void)host;
  if (notification->hook != BH_HOOK_SESSION_CREATED || notification->session != 1) return BH_OK;
  bh_gate_open(&race->asked);
  bh_gate_pass(&race->go_on);
  return BH_OK;
}

static gpointer create_one(gpointer data) {
  BhContainerSession *session;
  BhResult result = create("one", FALSE, &session, NULL);

  (void)data;
  g_assert_null(session);
  return GINT_TO_POINTER(result);
}

static void lost_name(void) {
  BhContainerSession *session;
  BhThread *loser;
  Race race;

  bh_gate_init(&race.asked);
  bh_gate_init(&race.go_on);
  open_world(wait_first, &race);
  loser = bh_thread_new("loser", BH_RANK_SESSION_TABLE, create_one, NULL);
  bh_gate_pass(&race.asked);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND); /* not published before the plugins have agreed */
  session = created("one", FALSE);
  bh_gate_open(&race.go_on);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(loser)), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(look_up("one"), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  bh_gate_clear(&race.asked);
  bh_gate_clear(&race.go_on);
  close_world("W+ W+ VM+ W- W- VM-");
}

/* --- VMs that die ------------------------------------------------------------------------------------------------ */

static BhResult open_at_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  if (notification->hook == BH_HOOK_SESSION_STOPPING) bh_gate_open(data);
  return call_in_hook(host, notification, NULL);
}

static void eager_vm_dies(void) {
  BhContainerSession *session;
  BhGate stopping;

  bh_gate_init(&stopping);
  open_world(open_at_stop, &stopping);
  session = created("one", FALSE);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_gate_pass(&stopping); /* nobody asked for it */
  g_assert_cmpint(run(session), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  bh_service_release_container_session(world.service, session);
  bh_service_release_container_session(world.service, created("one", FALSE)); /* its name is free */
  bh_gate_clear(&stopping);
  close_world("W+ (S_OK) VM+ (S_OK) W- (E_NOT_VALID_STATE) VM- (E_NOT_VALID_STATE) "
              "W+ (S_OK) VM+ (S_OK) W- (S_OK) VM- (S_OK)");
}

static gboolean may_start_thread(const char *name) {
  return !g_str_equal(name, "bh-worker");
}

static const BhSyncObserver no_worker_observer = {.may_start_thread = may_start_thread};

typedef struct {
  BhGate stopping, go_on;
} Hold;

/* Keeps the service's worker, which ends session 2, in its hook. */
static BhResult hold_second_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Hold *hold = data;

  (void)host;
  if (notification->hook != BH_HOOK_SESSION_STOPPING || notification->session != 2) return BH_OK;
  bh_gate_open(&hold->stopping);
  bh_gate_pass(&hold->go_on);
  return BH_OK;
}

/* Nobody could be told of its death, as there was no worker: the next look-up finds out. */
static void found_dead(void) {
  BhContainerSession *first, *second;
  Hold hold;

  bh_gate_init(&hold.stopping);
  bh_gate_init(&hold.go_on);
  open_world(hold_second_stop, &hold);
  first = created("one", FALSE);
  second = created("two", FALSE);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_gate_pass(&hold.stopping);
  bh_sync_add_observer(&no_worker_observer);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_sync_remove_observer(&no_worker_observer);
  g_assert_cmpstr(world.log->str, ==, "W+ VM+ W+ VM+ W- ");
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  g_assert_cmpstr(world.log->str, ==, "W+ VM+ W+ VM+ W- W- VM- ");
  bh_gate_open(&hold.go_on);
  bh_service_release_container_session(world.service, first);
  bh_service_release_container_session(world.service, second);
  bh_gate_clear(&hold.stopping);
  bh_gate_clear(&hold.go_on);
  close_world("W+ VM+ W+ VM+ W- W- VM- VM-");
}

static void vm_on_demand_dies(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  g_assert_cmpint(run(session), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ VM- VM+ VM- W-");
}

/* --- Containers and images --------------------------------------------------------------------------------------- */

static void containers(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(
      bh_container_session_start_container(
          session, &(BhContainerSpec){.name = "web", .image = "none", .program = {.path = "/x"}}, NULL),
      ==, BH_E_NOT_FOUND);
  add_image(session);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_E_ALREADY_EXISTS);
  g_assert_cmpint(start_container(session, "db", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_container_session_delete_image(session, "alpine", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_delete_image(session, "alpine", NULL), ==, BH_E_NOT_FOUND);
  bh_service_release_container_session(world.service, session); /* stops db */
  close_world("W+ VM+ C+ C+ C- I- C- W- VM-");
}

static void images(void) {
  static const BhImageOrigin origins[] = {BH_IMAGE_PULLED, BH_IMAGE_IMPORTED, BH_IMAGE_LOADED, BH_IMAGE_BUILT};
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS(origins); i++) {
    g_autofree char *name = g_strdup_printf("image-%u", i);
    g_assert_cmpint(bh_container_session_create_image(session, name, NULL, origins[i], NULL), ==, BH_OK);
    g_assert_cmpint(bh_container_session_create_image(session, name, NULL, origins[i], NULL), ==,
                    BH_E_ALREADY_EXISTS);
    say(".");
  }
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ I+ . I+ . . . VM- W-");
}

/* Row 28. */
static void container_refused(void) {
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;
  BhContainerSession *session;

  open_world(fail, GUINT_TO_POINTER(BH_HOOK_CONTAINER_STARTED));
  session = created("one", FALSE);
  add_image(session);
  g_assert_cmpint(start_container(session, "web", &error), ==, BH_E_ACCESSDENIED);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "A fatal error was returned by plugin 'Log'. Error message: 'Not today'\n"
                  "Error code: Wsl/Service/CreateContainer/Plugin/E_ACCESSDENIED");
  g_assert_cmpuint(world.guest.passed[BH_FAKE_CONTAINER_STOP], ==, 1);
  g_assert_cmpint(run(session), ==, BH_OK); /* the session lives */
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ C+ W- VM-");
}

static BhResult open_at_container_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host;
  if (notification->hook == BH_HOOK_CONTAINER_STOPPING) bh_gate_open(data);
  return BH_OK;
}

static void container_ends_by_itself(void) {
  BhContainerSession *session;
  BhGate stopping;

  bh_gate_init(&stopping);
  open_world(open_at_container_stop, &stopping);
  session = created("one", FALSE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_true(bh_fake_guest_end_container(&world.guest, world.guest.last_number));
  bh_gate_pass(&stopping);
  bh_service_release_container_session(world.service, session);
  bh_gate_clear(&stopping);
  close_world("W+ VM+ C+ C- W- VM-");
}

/* The plugins have not agreed yet. */
static BhResult end_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host;
  (void)data;
  if (notification->hook == BH_HOOK_CONTAINER_STARTED)
    bh_fake_guest_end_container(&world.guest, world.guest.last_number);
  return BH_OK;
}

static void container_ends_in_its_hook(void) {
  BhContainerSession *session;

  open_world(end_in_hook, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ C+ C- VM- W-");
}

static void vm_with_a_container_is_not_idle(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(start_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_E_BUSY);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_OK);
  g_assert_cmpint(bh_container_session_stop_idle_vm(session, NULL), ==, BH_OK);
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ C+ C- VM- W-");
}

/* --- At the same time -------------------------------------------------------------------------------------------- */

static BhResult open_at_vm_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host;
  if (notification->hook == BH_HOOK_CONTAINER_VM_STOPPING) bh_gate_open(data);
  return BH_OK;
}

static void idle_timeout(void) {
  BhContainerSettings settings = {.name = "one", .user = &user, .on_demand = TRUE, .idle_timeout = 1000};
  BhContainerSession *session;
  BhGate stopping;

  bh_gate_init(&stopping);
  open_world(open_at_vm_stop, &stopping);
  g_assert_cmpint(bh_service_create_container_session(world.service, &settings, &session, NULL), ==, BH_OK);
  g_assert_cmpint(run(session), ==, BH_OK);
  bh_gate_pass(&stopping); /* by itself */
  bh_service_release_container_session(world.service, session);
  bh_gate_clear(&stopping);
  close_world("W+ VM+ VM- W-");
}

typedef struct {
  BhGate announced, go_on;
  BhContainerSession *session;
} Idle;

/* Row 49: what comes while the stop is announced. */
static BhResult hold_vm_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Idle *idle = data;

  if (notification->hook != BH_HOOK_CONTAINER_VM_STOPPING || idle->session == NULL) return BH_OK;
  bh_gate_open(&idle->announced);
  bh_gate_pass(&idle->go_on);
  say_result(call_process(host, notification->session, NULL)); /* a process that dies with the VM */
  return BH_OK;
}

static gpointer run_again(gpointer data) {
  return GINT_TO_POINTER(run(data));
}

static gpointer stop_idle(gpointer data) {
  return GINT_TO_POINTER(bh_container_session_stop_idle_vm(data, NULL));
}

/* Opens a gate when a thread begins to wait for a change of the VM. */
static BhGate *opens_at_wait;

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (g_str_equal(lock_class->name, "WSLC VM")) bh_gate_open(opens_at_wait);
}

static const BhSyncObserver wait_observer = {.wait = on_wait};

static void work_while_a_stop_is_announced(void) {
  BhThread *stopper, *worker;
  BhGate waits;
  Idle idle = {.session = NULL};

  bh_gate_init(&idle.announced);
  bh_gate_init(&idle.go_on);
  bh_gate_init(&waits);
  open_world(hold_vm_stop, &idle);
  opens_at_wait = &waits;
  bh_sync_add_observer(&wait_observer);
  idle.session = created("one", TRUE);
  g_assert_cmpint(run(idle.session), ==, BH_OK);
  stopper = bh_thread_new("stopper", BH_RANK_SESSION_TABLE, stop_idle, idle.session);
  bh_gate_pass(&idle.announced);
  worker = bh_thread_new("worker", BH_RANK_SESSION_TABLE, run_again, idle.session);
  bh_gate_pass(&waits); /* the work has come */
  bh_gate_open(&idle.go_on);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(stopper)), ==, BH_OK);
  g_assert_cmpint(GPOINTER_TO_INT(bh_thread_join(worker)), ==, BH_OK);
  g_assert_cmpuint(world.guest.passed[BH_FAKE_VM_CREATE], ==, 2);
  bh_sync_remove_observer(&wait_observer);
  {
    BhContainerSession *session = g_steal_pointer(&idle.session);
    bh_service_release_container_session(world.service, session);
  }
  bh_gate_clear(&idle.announced);
  bh_gate_clear(&idle.go_on);
  bh_gate_clear(&waits);
  close_world("W+ VM+ VM- (S_OK) VM+ VM- W-");
}

typedef struct {
  BhGate inside, go_on;
} Lease;

static BhResult hold_mount(BhFakeStep step, gpointer data) {
  Lease *lease = data;

  if (step == BH_FAKE_VM_DESTROY) say("destroyed");
  if (step != BH_FAKE_MOUNT) return BH_OK;
  bh_gate_open(&lease->inside);
  bh_gate_pass(&lease->go_on);
  say("mounted");
  return BH_OK;
}

static void mount_on_own_thread(gpointer data) {
  BhCallReply reply = {0};
  BhCall call = {.api = BH_API_CONTAINER_MOUNT_FOLDER, .session = 1, .host_path = "C:\\", .linux_path = "/mnt"};

  bh_mock_host_call(data, &call, &reply);
}

static BhResult spawn_mount(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Lease *lease = data;

  if (notification->hook == BH_HOOK_CONTAINER_VM_STARTED) {
    bh_mock_host_spawn(host, mount_on_own_thread, host);
    bh_gate_pass(&lease->inside);
  }
  if (notification->hook == BH_HOOK_CONTAINER_VM_STOPPING) bh_gate_open(&lease->go_on);
  return BH_OK;
}

/* The VM's end waits for a plugin's call. */
static void lease(void) {
  Lease held;

  bh_gate_init(&held.inside);
  bh_gate_init(&held.go_on);
  open_world(spawn_mount, &held);
  world.guest.before = hold_mount;
  world.guest.data = &held;
  bh_service_release_container_session(world.service, created("one", FALSE));
  bh_gate_clear(&held.inside);
  bh_gate_clear(&held.go_on);
  close_world("W+ VM+ W- VM- mounted destroyed");
}

typedef struct {
  BhGate both;
  gint inside; /* atomic */
} Meeting;

/* Rows 33 and 50: two sessions' hooks are in one plugin at once. */
static BhResult meet(BhMockHost *host, const BhNotification *notification, gpointer data) {
  Meeting *meeting = data;
  g_autofree char *message = g_strdup_printf("session %u", notification->session);

  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  if (g_atomic_int_add(&meeting->inside, 1) == 1) bh_gate_open(&meeting->both);
  bh_gate_pass(&meeting->both);
  bh_mock_host_plugin_error(host, message);
  return BH_E_FAIL;
}

static gpointer create_refused(gpointer data) {
  g_autoptr(BhError) error = NULL;
  BhContainerSession *session;

  g_assert_cmpint(create(data, FALSE, &session, &error), ==, BH_E_FAIL);
  return bh_error_text(error);
}

static void hooks_of_two_sessions_overlap(void) {
  BhThread *threads[2];
  g_autofree char *first = NULL, *second = NULL;
  Meeting meeting = {.inside = 0};

  bh_gate_init(&meeting.both);
  open_world(meet, &meeting);
  threads[0] = bh_thread_new("a", BH_RANK_SESSION_TABLE, create_refused, (gpointer) "a");
  threads[1] = bh_thread_new("b", BH_RANK_SESSION_TABLE, create_refused, (gpointer) "b");
  first = bh_thread_join(threads[0]);
  second = bh_thread_join(threads[1]);
  g_assert_cmpstr(first, !=, second);
  g_assert_nonnull(strstr(first, "Error message: 'session "));
  g_assert_nonnull(strstr(second, "Error message: 'session "));
  bh_gate_clear(&meeting.both);
  close_world("W+ W+ W- W-");
}

/* --- Processes belong to their link ------------------------------------------------------------------------------ */

static BhResult ask(BhMockHost *host, BhApi api, guint64 process, guint32 fd) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = api, .process = process, .fd = fd};
  return bh_mock_host_call(host, &call, &reply);
}

static BhResult use_process(BhMockHost *host, const BhNotification *notification, gpointer data) {
  guint64 process = 0;

  (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  g_assert_cmpint(call_process(host, notification->session, &process), ==, BH_OK);
  g_assert_cmpuint(process, !=, 0);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 1), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 1), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_FD, process, 999), ==, BH_E_INVALIDARG);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_EVENT, process, 0), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process, 0), ==, BH_OK);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process + 1, 0), ==, BH_E_INVALIDARG);
  g_assert_cmpuint(world.guest.processes, ==, 1);
  ask(host, BH_API_PROCESS_RELEASE, process, 0);
  g_assert_cmpuint(world.guest.processes, ==, 0);
  g_assert_cmpuint(world.guest.resources, ==, 0);
  ask(host, BH_API_PROCESS_RELEASE, process, 0);
  ask(host, BH_API_PROCESS_RELEASE, 0, 0);
  g_assert_cmpint(ask(host, BH_API_PROCESS_GET_EXIT_CODE, process, 0), ==, BH_E_INVALIDARG);
  g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_OK); /* left to the link's end */
  return BH_OK;
}

static void processes(void) {
  open_world(use_process, NULL);
  bh_service_release_container_session(world.service, created("one", FALSE));
  g_assert_cmpuint(world.guest.processes, ==, 1); /* outlives its VM */
  close_world("W+ VM+ W- VM-");
}

static BhResult too_many(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook != BH_HOOK_SESSION_CREATED) return BH_OK;
  for (guint i = 0; i < BH_PROCESS_TABLE_MAX; i++)
    g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_OK);
  g_assert_cmpint(call_process(host, notification->session, NULL), ==, BH_E_OUTOFMEMORY);
  return BH_OK;
}

static void too_many_processes(void) {
  open_world(too_many, NULL);
  bh_service_release_container_session(world.service, created("one", FALSE));
  g_assert_cmpuint(world.guest.processes, ==, BH_PROCESS_TABLE_MAX);
  close_world("W+ VM+ W- VM-");
}

static BhMockHost *crashing_host;

static BhResult crash_in_process_start(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_PROCESS_START) bh_mock_host_crash(crashing_host, "while a process was on its way");
  return BH_OK;
}

static BhResult create_and_crash(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  crashing_host = host;
  call_process(host, notification->session, NULL);
  return BH_OK;
}

/* Rows 29 and 59: the process goes at once, and everything is refused from the latch. */
static void host_dies_with_a_process_on_its_way(void) {
  BhContainerSession *session;

  open_world(create_and_crash, NULL);
  world.guest.before = crash_in_process_start;
  g_assert_cmpint(create("one", FALSE, &session, NULL), ==, BH_RPC_E_SERVER_DIED);
  g_assert_cmpint(create("two", FALSE, &session, NULL), ==, BH_RPC_E_SERVER_DIED);
  close_world("W+");
}

static BhResult crash_at_image(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_IMAGE_CREATED) bh_mock_host_crash(host, "in a hook that aborts nothing");
  return BH_OK;
}

static void container_after_a_crash(void) {
  g_autoptr(BhError) error = NULL;
  BhContainerSession *session;

  open_world(crash_at_image, NULL);
  session = created("one", FALSE);
  g_assert_cmpint(bh_container_session_create_image(session, "alpine", NULL, BH_IMAGE_PULLED, NULL), ==, BH_OK);
  g_assert_cmpint(start_container(session, "web", &error), ==, BH_RPC_E_SERVER_DIED);
  g_assert_cmpstr(error->message, ==, "A fatal error was returned by plugin 'Log'");
  g_assert_cmpuint(world.guest.passed[BH_FAKE_CONTAINER_STOP], ==, 1);
  bh_service_release_container_session(world.service, session);
  close_world("W+ VM+ I+");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func) g_test_add_func("/container-session/" path, func)
  TEST("eager", eager);
  TEST("on-demand", on_demand);
  TEST("on-demand-without-need", on_demand_without_need);
  g_test_add_data_func("/container-session/veto/eager", GINT_TO_POINTER(FALSE), veto);
  g_test_add_data_func("/container-session/veto/on-demand", GINT_TO_POINTER(TRUE), veto);
  TEST("vm-that-cannot-be-created", vm_that_cannot_be_created);
  TEST("users", users);
  TEST("persistent", persistent);
  TEST("service-stops", service_stops);
  TEST("lost-name", lost_name);
  TEST("eager-vm-dies", eager_vm_dies);
  TEST("found-dead", found_dead);
  TEST("vm-on-demand-dies", vm_on_demand_dies);
  TEST("containers", containers);
  TEST("images", images);
  TEST("container-refused", container_refused);
  TEST("container-ends-by-itself", container_ends_by_itself);
  TEST("container-ends-in-its-hook", container_ends_in_its_hook);
  TEST("vm-with-a-container-is-not-idle", vm_with_a_container_is_not_idle);
  TEST("idle-timeout", idle_timeout);
  TEST("work-while-a-stop-is-announced", work_while_a_stop_is_announced);
  TEST("lease", lease);
  TEST("hooks-of-two-sessions-overlap", hooks_of_two_sessions_overlap);
  TEST("processes", processes);
  TEST("too-many-processes", too_many_processes);
  TEST("host-dies-with-a-process-on-its-way", host_dies_with_a_process_on_its_way);
  TEST("container-after-a-crash", container_after_a_crash);
  return g_test_run();
}
