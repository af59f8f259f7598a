/* A host that dies, or does not come, at the worst moment. The backend is a fake whose every step a test scripts: what
 * happens on which thread is then no chance. */
#include "core/lock-order.h"
#include "core/plugin-manager.h"
#include "tests/common/gate.h"

#include <string.h>

typedef struct Fake Fake;
struct Fake {
  BhBackend backend;
  BhLink link;
  const BhLinkEvents *events;
  gpointer events_data;
  /* What a step does, besides being counted; may be NULL. */
  BhResult (*on_start)(Fake *fake);
  BhResult (*on_load)(Fake *fake);
  BhResult (*on_notify)(Fake *fake);
  int starts, notified, kills; /* atomic */

  BhTrace *trace;
  BhWorkers *workers;
  BhPluginManager *manager;
  BhCallbackGate gate;
};

static Fake *of_link(BhLink *link) {
  return (Fake *)((char *)link - G_STRUCT_OFFSET(Fake, link));
}

static BhResult fake_start(BhBackend *backend, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                           BhLink **link, char **cause) {
  Fake *fake = (Fake *)backend;

  (void)spec;
  (void)cause;
  g_atomic_int_inc(&fake->starts);
  fake->events = events;
  fake->events_data = data;
  *link = &fake->link;
  return fake->on_start != NULL ? fake->on_start(fake) : BH_OK;
}

static BhResult fake_load(BhLink *link, BhLoadReply *reply) {
  Fake *fake = of_link(link);

  reply->hooks = 1u << BH_HOOK_VM_STARTED | 1u << BH_HOOK_DISTRIBUTION_STARTED;
  return fake->on_load != NULL ? fake->on_load(fake) : BH_OK;
}

static BhResult fake_notify(BhLink *link, const BhNotification *notification, BhNotifyReply *reply) {
  Fake *fake = of_link(link);

  (void)notification;
  (void)reply;
  g_atomic_int_inc(&fake->notified);
  return fake->on_notify != NULL ? fake->on_notify(fake) : BH_OK;
}

static void fake_kill(BhLink *link, const char *reason) {
  (void)reason;
  g_atomic_int_inc(&of_link(link)->kills);
}

static void fake_release(BhLink *link) {
  (void)link;
}

static guint32 fake_pid(BhLink *link) {
  (void)link;
  return 42;
}

static const BhBackendClass fake_class = {.name = "fake",
                                          .start = fake_start,
                                          .load = fake_load,
                                          .notify = fake_notify,
                                          .kill = fake_kill,
                                          .release = fake_release,
                                          .pid = fake_pid};

static void unexpected_call(gpointer data, const BhCall *call, BhProcessTable *processes, BhCallReply *reply) {
  (void)data;
  (void)call;
  (void)processes;
  reply->result = BH_E_FAIL;
}

static void open_fake(Fake *fake, gint64 load_timeout) {
  fake->backend.class = fake->link.class = &fake_class;
  fake->trace = bh_trace_new();
  fake->workers = bh_workers_new("worker");
  bh_callback_gate_init(&fake->gate);
  fake->manager = bh_plugin_manager_new(&(BhPluginManagerSettings){.backend = &fake->backend,
                                                                   .trace = fake->trace,
                                                                   .workers = fake->workers,
                                                                   .callbacks = &bh_callbacks_pumped,
                                                                   .load_timeout = load_timeout,
                                                                   .call = unexpected_call});
  g_assert_true(bh_plugin_manager_add(fake->manager, "One", "one.dll"));
}

static void close_fake(Fake *fake) {
  bh_workers_free(fake->workers);
  bh_plugin_manager_free(fake->manager);
  bh_callback_gate_clear(&fake->gate);
  bh_trace_free(fake->trace);
}

static BhResult load(Fake *fake) {
  return bh_plugin_manager_load(fake->manager, NULL, NULL);
}

static BhResult start_vm(Fake *fake) {
  BhNotification notification = {.hook = BH_HOOK_VM_STARTED, .session = 1};
  BhResult result;

  bh_instance_lock_acquire(&fake->gate.instance);
  result = bh_plugin_manager_notify(fake->manager, &fake->gate, &notification, NULL, NULL);
  bh_instance_lock_release(&fake->gate.instance);
  return result;
}

static BhResult die(Fake *fake) {
  fake->events->died(fake->events_data, "access violation");
  return BH_OK;
}

/* --- While loading ----------------------------------------------------------------------------------------------- */

static void dies_before_start_returns(void) {
  Fake fake = {.on_start = die};

  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_cmpint(load(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(start_vm(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(fake.notified, ==, 0);
  close_fake(&fake);
}

/* The entry point has returned success, and the process is gone before anybody has looked. */
static void dies_when_it_has_loaded(void) {
  Fake fake = {.on_load = die};

  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_cmpint(load(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(start_vm(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(fake.notified, ==, 0);
  close_fake(&fake);
}

static BhResult fault_swallowed(Fake *fake) {
  (void)fake;
  return BH_RPC_E_SERVERFAULT;
}

static void fault_while_loading_ends_the_host(void) {
  Fake fake = {.on_load = fault_swallowed};

  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_cmpint(load(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(fake.kills, ==, 1);
  close_fake(&fake);
}

/* A host that takes for ever to start cannot be ended: the load fails in time all the same, and the host is ended when
 * it comes. */
static BhGate start_may_return;

static BhResult start_late(Fake *fake) {
  (void)fake;
  bh_gate_pass(&start_may_return);
  return BH_OK;
}

static void host_that_starts_too_late(void) {
  Fake fake = {.on_start = start_late};

  bh_gate_init(&start_may_return);
  open_fake(&fake, 1000);
  g_assert_cmpint(load(&fake), ==, BH_E_TIMEOUT);
  g_assert_cmpint(start_vm(&fake), ==, BH_E_TIMEOUT);
  bh_gate_open(&start_may_return);
  close_fake(&fake); /* waits for the worker; which may have been late itself, and then started none */
  g_assert_cmpint(fake.kills, ==, fake.starts);
  g_assert_cmpint(fake.notified, ==, 0);
  bh_gate_clear(&start_may_return);
}

static void a_timeout_without_end(void) {
  Fake fake = {0};

  open_fake(&fake, G_MAXINT64);
  g_assert_cmpint(load(&fake), ==, BH_OK);
  close_fake(&fake);
}

/* --- Between latch and state -------------------------------------------------------------------------------------- */

/* The thread that brings the news of the death is held where it is about to latch it. Whoever starts a VM meanwhile must not
 * find the plugin passed over and nothing latched. */
static BhGate about_to_latch, may_latch;
static gpointer messenger; /* atomic: the thread to hold */

static void hold_messenger(const BhLockClass *lock_class, gconstpointer lock, const char *site) {
  (void)lock;
  (void)site;
  if (bh_thread_self() != g_atomic_pointer_get(&messenger) || !g_str_equal(lock_class->name, "crash latch"))
    return;
  bh_gate_open(&about_to_latch);
  bh_gate_pass(&may_latch);
}

static gpointer bring_news(gpointer data) {
  g_atomic_pointer_set(&messenger, bh_thread_self());
  die(data);
  return NULL;
}

static BhResult host_is_gone(Fake *fake) {
  (void)fake;
  return BH_RPC_S_SERVER_UNAVAILABLE;
}

static void start_while_the_news_arrives(void) {
  Fake fake = {.on_notify = host_is_gone};
  BhThread *thread;

  bh_gate_init(&about_to_latch);
  bh_gate_init(&may_latch);
  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_cmpint(load(&fake), ==, BH_OK);
  thread = bh_thread_new("messenger", BH_RANK_LEAF, bring_news, &fake);
  bh_gate_pass(&about_to_latch);
  g_assert_cmpint(start_vm(&fake), ==, BH_CRASH_CODE);
  bh_gate_open(&may_latch);
  bh_thread_join(thread);
  g_atomic_pointer_set(&messenger, NULL);
  g_assert_cmpint(start_vm(&fake), ==, BH_CRASH_CODE);
  g_assert_cmpint(fake.notified, ==, 1);
  close_fake(&fake);
  bh_gate_clear(&about_to_latch);
  bh_gate_clear(&may_latch);
}

/* --- Calls ------------------------------------------------------------------------------------------------------- */

static void hostile_call(void) {
  Fake fake = {0};
  BhCall call = {.api = (BhApi)4711};
  g_auto(BhCallReply) reply = {0};

  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_cmpint(load(&fake), ==, BH_OK);
  fake.events->call(fake.events_data, &call, &reply);
  g_assert_cmpint(reply.result, ==, BH_E_INVALIDARG);
  close_fake(&fake);
}

/* --- Discovery --------------------------------------------------------------------------------------------------- */

static void left_out(void) {
  Fake fake = {0};

  open_fake(&fake, G_USEC_PER_SEC);
  g_assert_false(bh_plugin_manager_add(fake.manager, "Two", "ONE.dll"));
  g_assert_false(bh_plugin_manager_add(fake.manager, "one", "two.dll"));
  g_assert_false(bh_plugin_manager_add(fake.manager, "", "three.dll"));
  g_assert_false(bh_plugin_manager_add(fake.manager, "Three", ""));
  g_assert_true(bh_plugin_manager_add(fake.manager, "Four", "four.dll"));
  close_fake(&fake);
}

int main(int argc, char **argv) {
  static const BhSyncObserver observer = {.acquire = hold_messenger};

  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  bh_sync_add_observer(&observer);
  g_test_add_func("/plugin-host/load/dies-before-start-returns", dies_before_start_returns);
  g_test_add_func("/plugin-host/load/dies-when-it-has-loaded", dies_when_it_has_loaded);
  g_test_add_func("/plugin-host/load/fault-ends-the-host", fault_while_loading_ends_the_host);
  g_test_add_func("/plugin-host/load/host-that-starts-too-late", host_that_starts_too_late);
  g_test_add_func("/plugin-host/load/a-timeout-without-end", a_timeout_without_end);
  g_test_add_func("/plugin-host/crash/start-while-the-news-arrives", start_while_the_news_arrives);
  g_test_add_func("/plugin-host/call/hostile", hostile_call);
  g_test_add_func("/plugin-host/discovery/left-out", left_out);
  return g_test_run();
}
