#include "container-fixture.h"

#define HOOKS 0x3fc0u /* 6 to 13 */

static const char *const short_names[BH_HOOK_COUNT] = {
    [BH_HOOK_SESSION_CREATED] = "W+",       [BH_HOOK_SESSION_STOPPING] = "W-",
    [BH_HOOK_CONTAINER_STARTED] = "C+",     [BH_HOOK_CONTAINER_STOPPING] = "C-",
    [BH_HOOK_IMAGE_CREATED] = "I+",         [BH_HOOK_IMAGE_DELETED] = "I-",
    [BH_HOOK_CONTAINER_VM_STARTED] = "VM+", [BH_HOOK_CONTAINER_VM_STOPPING] = "VM-",
};

static const BhLockClass world_class = {"test", BH_RANK_LEAF, FALSE};

World world;
const BhUser user = {.token = 1};

/* --- The world --------------------------------------------------------------------------------------------------- */

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  say("%s", short_names[notification->hook]);
  return world.hook != NULL ? world.hook(host, notification, world.data) : BH_OK;
}

void open_world(HookFunc hook, gpointer data) {
  const BhMockPlugin plugin = {.name = "Log", .hooks = HOOKS, .hook = on_hook};

  world = (World){.log = g_string_new(NULL), .hook = hook, .data = data};
  bh_mutex_init(&world.lock, &world_class);
  bh_gate_init(&world.worker_idles);
  bh_gate_init(&world.reached);
  bh_gate_init(&world.go_on);
  bh_fake_guest_init(&world.guest);
  world.backend = bh_backend_mock_new(&plugin, 1);
  world.service = bh_service_new(&(BhServiceSettings){.backend = world.backend, .guest = &world.guest.parent});
  g_assert_true(bh_service_add_plugin(world.service, "Log", "Log"));
}

void stop_service(void) {
  bh_service_free(g_steal_pointer(&world.service));
}

void close_world(const char *expected) {
  if (world.service != NULL) stop_service();
  bh_backend_mock_free(world.backend);
  if (world.observer != NULL) bh_sync_remove_observer(world.observer);
  bh_fake_guest_clear(&world.guest);
  bh_gate_clear(&world.worker_idles);
  bh_gate_clear(&world.reached);
  bh_gate_clear(&world.go_on);
  bh_mutex_clear(&world.lock);
  g_assert_cmpstr(g_strchomp(world.log->str), ==, expected);
  g_string_free(world.log, TRUE);
}

void watch(const BhSyncObserver *observer) {
  world.observer = observer;
  bh_sync_add_observer(observer);
}

static gint workers;    /* atomic, as the next: that were wanted */
static gpointer worker; /* the first; NULL: it has not begun */

static gboolean may_start_one_worker(const char *name) {
  return !g_str_equal(name, "bh-worker") || g_atomic_int_add(&workers, 1) == 0;
}

/* It loads the plugins, so no other thread begins before it. */
static void note_worker(BhLockRank lowest) {
  (void)lowest;
  if (g_atomic_int_get(&workers) > 0) g_atomic_pointer_compare_and_exchange(&worker, NULL, bh_thread_self());
}

static void note_idle_worker(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (bh_thread_self() == g_atomic_pointer_get(&worker) && g_str_equal(lock_class->name, "workers"))
    bh_gate_open(&world.worker_idles);
}

void watch_one_worker(void) {
  static const BhSyncObserver observer = {
      .may_start_thread = may_start_one_worker, .start = note_worker, .wait = note_idle_worker};

  workers = 0;
  worker = NULL;
  watch(&observer);
}

void wait_for_idle_worker(void) {
  bh_gate_pass(&world.worker_idles);
}

void say(const char *format, ...) {
  va_list arguments;

  bh_mutex_lock(&world.lock);
  va_start(arguments, format);
  g_string_append_vprintf(world.log, format, arguments);
  va_end(arguments);
  g_string_append_c(world.log, ' ');
  bh_mutex_unlock(&world.lock);
}

void say_result(BhResult result) {
  g_autofree char *text = bh_result_to_string(result);
  say("(%s)", text);
}

void assert_log(const char *expected) {
  g_autofree char *log = NULL;

  bh_mutex_lock(&world.lock);
  log = g_strdup(world.log->str);
  bh_mutex_unlock(&world.lock);
  g_assert_cmpstr(g_strchomp(log), ==, expected);
}

BhThread *begin(BhThreadFunc func, gpointer data) {
  BhThread *thread = bh_thread_new("test", BH_RANK_SESSION_TABLE, func, data);

  g_assert_nonnull(thread);
  return thread;
}

BhResult result_of(BhThread *thread) {
  return GPOINTER_TO_INT(bh_thread_join(thread));
}

/* --- Sessions ---------------------------------------------------------------------------------------------------- */

BhResult create(const char *name, gboolean on_demand, BhContainerSession **session, BhError **error) {
  BhContainerSettings settings = {.name = name, .user = &user, .on_demand = on_demand};
  return bh_service_create_container_session(world.service, &settings, session, error);
}

BhContainerSession *created(const char *name, gboolean on_demand) {
  BhContainerSession *session;

  g_assert_cmpint(create(name, on_demand, &session, NULL), ==, BH_OK);
  return session;
}

BhContainerSession *created_idling(const char *name, gint64 idle_timeout) {
  BhContainerSettings settings = {.name = name, .user = &user, .on_demand = TRUE, .idle_timeout = idle_timeout};
  BhContainerSession *session;

  g_assert_cmpint(bh_service_create_container_session(world.service, &settings, &session, NULL), ==, BH_OK);
  return session;
}

BhResult look_up(const char *name) {
  BhContainerSession *session;
  BhResult result = bh_service_open_container_session(world.service, name, &session, NULL);

  if (BH_SUCCEEDED(result)) release(session);
  return result;
}

void release(BhContainerSession *session) {
  bh_service_release_container_session(world.service, session);
}

void add_image(BhContainerSession *session) {
  g_assert_cmpint(bh_container_session_create_image(session, "alpine", NULL, BH_IMAGE_BUILT, NULL), ==, BH_OK);
}

BhResult start_container(BhContainerSession *session, const char *name, BhError **error) {
  BhContainerSpec spec = {.name = name, .image = "alpine", .root = "/", .program = {.path = "/bin/sleep"}};
  return bh_container_session_start_container(session, &spec, error);
}

BhResult run_with(BhContainerSession *session, BhProcessFunc func) {
  gint32 linux_error;
  return bh_container_session_run(session, &(BhProgram){.path = "/bin/true"}, func, session, &linux_error, NULL);
}

static void nothing(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
}

BhResult run(BhContainerSession *session) {
  return run_with(session, nothing);
}

/* --- What a plugin does ------------------------------------------------------------------------------------------ */

BhResult call_process(BhMockHost *host, guint32 session, guint64 *process) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {.api = BH_API_CONTAINER_CREATE_PROCESS, .session = session, .path = "/bin/true"};
  BhResult result = bh_mock_host_call(host, &call, &reply);

  if (process != NULL) *process = reply.process;
  return result;
}

BhResult call_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  say_result(call_process(host, notification->session, NULL));
  return BH_OK;
}

BhResult refuse(BhMockHost *host, const BhNotification *notification, gpointer data) {
  if (notification->hook != GPOINTER_TO_UINT(data)) return BH_OK;
  bh_mock_host_plugin_error(host, "Not today");
  return BH_E_ACCESSDENIED;
}
