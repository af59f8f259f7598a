/* VMs of WSLC sessions that end by themselves: an eager session ends with its VM, one on demand gets another. */
#include "container-fixture.h"

static BhResult open_at_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)data;
  if (notification->hook == BH_HOOK_SESSION_STOPPING) bh_gate_open(&world.reached);
  return call_in_hook(host, notification, NULL);
}

static void eager_vm_dies(void) {
  BhContainerSession *session;

  open_world(open_at_stop, NULL);
  session = created("one", FALSE);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_gate_pass(&world.reached); /* nobody asked for it */
  g_assert_cmpint(run(session), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  release(session);
  release(created("one", FALSE)); /* its name is free */
  close_world("W+ (S_OK) VM+ (S_OK) W- (E_NOT_VALID_STATE) VM- (E_NOT_VALID_STATE) "
              "W+ (S_OK) VM+ (S_OK) W- (S_OK) VM- (S_OK)");
}

static void vm_on_demand_dies(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  session = created("one", TRUE);
  g_assert_cmpint(run(session), ==, BH_OK);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  g_assert_cmpint(run(session), ==, BH_OK);
  release(session);
  close_world("W+ VM+ VM- VM+ VM- W-");
}

/* --- Where nobody can be told ------------------------------------------------------------------------------------ */

/* Keeps the service's worker, which ends session 2, in its hook. */
static BhResult hold_second_stop(BhMockHost *host, const BhNotification *notification, gpointer data) {
  (void)host, (void)data;
  if (notification->hook != BH_HOOK_SESSION_STOPPING || notification->session != 2) return BH_OK;
  bh_gate_open(&world.reached);
  bh_gate_pass(&world.go_on);
  return BH_OK;
}

/* Nobody could be told of its death, as there was no worker: the next look-up finds out. */
static void found_dead(void) {
  BhContainerSession *first, *second;

  open_world(hold_second_stop, NULL);
  watch_one_worker();
  first = created("one", FALSE);
  wait_for_idle_worker();
  second = created("two", FALSE);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_gate_pass(&world.reached);
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  assert_log("W+ VM+ W+ VM+ W-");
  g_assert_cmpint(look_up("one"), ==, BH_E_NOT_FOUND);
  assert_log("W+ VM+ W+ VM+ W- W- VM-");
  bh_gate_open(&world.go_on);
  release(first);
  release(second);
  close_world("W+ VM+ W+ VM+ W- W- VM- VM-");
}

/* --- In the middle of something ---------------------------------------------------------------------------------- */

typedef struct {
  const char *path;
  gboolean on_demand;
  BhHook when;
  const char *log; /* with the VM that came after it */
} Death;

static gint killed; /* atomic */

static BhResult kill_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  const Death *death = data;

  if (notification->hook == death->when && g_atomic_int_compare_and_exchange(&killed, FALSE, TRUE))
    g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  return call_in_hook(host, notification, NULL);
}

/* The session's plugins are told once of each end, and their calls are answered all the time. What the operations answer
 * depends on who is the first to notice; what comes after it does not. */
static void vm_dies_in_a_hook(gconstpointer data) {
  const Death *death = data;
  BhContainerSession *session;

  killed = FALSE;
  open_world(kill_in_hook, (gpointer)data);
  session = created("one", death->on_demand);
  start_container(session, "web", NULL);
  bh_container_session_stop_container(session, "web", NULL);
  if (death->on_demand) bh_container_session_stop_idle_vm(session, NULL);
  if (death->on_demand) g_assert_cmpint(run(session), ==, BH_OK);
  release(session);
  g_assert_true(killed);
  if (!death->on_demand) release(created("one", FALSE));
  close_world(death->log);
}

#define DEAD   "(E_NOT_VALID_STATE) "
#define SERVED "(S_OK) "
#define NO_VM  "(WSLC_E_VM_NOT_RUNNING) "
#define AFTER  "W+ " SERVED "VM+ " SERVED "W- " SERVED "VM- (S_OK)"
#define AGAIN  "VM+ " SERVED "VM- " DEAD "W- (WSLC_E_VM_NOT_RUNNING)"

static const Death deaths[] = {
    {"eager/session-created", FALSE, BH_HOOK_SESSION_CREATED, "W+ " DEAD "VM+ " DEAD "W- " DEAD "VM- " DEAD AFTER},
    {"eager/vm-started", FALSE, BH_HOOK_CONTAINER_VM_STARTED,
     "W+ " SERVED "VM+ " DEAD "W- " DEAD "VM- " DEAD AFTER},
    {"eager/container-started", FALSE, BH_HOOK_CONTAINER_STARTED,
     "W+ " SERVED "VM+ " SERVED "C+ " DEAD "C- " DEAD "W- " DEAD "VM- " DEAD AFTER},
    {"eager/container-stopping", FALSE, BH_HOOK_CONTAINER_STOPPING,
     "W+ " SERVED "VM+ " SERVED "C+ " SERVED "C- " DEAD "W- " DEAD "VM- " DEAD AFTER},
    {"eager/session-stopping", FALSE, BH_HOOK_SESSION_STOPPING,
     "W+ " SERVED "VM+ " SERVED "C+ " SERVED "C- " SERVED "W- " DEAD "VM- " DEAD AFTER},
    {"eager/vm-stopping", FALSE, BH_HOOK_CONTAINER_VM_STOPPING,
     "W+ " SERVED "VM+ " SERVED "C+ " SERVED "C- " SERVED "W- " SERVED "VM- " DEAD AFTER},
    {"on-demand/vm-started", TRUE, BH_HOOK_CONTAINER_VM_STARTED, "W+ " NO_VM "VM+ " DEAD "VM- " DEAD AGAIN},
    {"on-demand/container-started", TRUE, BH_HOOK_CONTAINER_STARTED,
     "W+ " NO_VM "VM+ " SERVED "C+ " DEAD "C- " DEAD "VM- " DEAD AGAIN},
    {"on-demand/container-stopping", TRUE, BH_HOOK_CONTAINER_STOPPING,
     "W+ " NO_VM "VM+ " SERVED "C+ " SERVED "C- " DEAD "VM- " DEAD AGAIN},
    {"on-demand/vm-stopping", TRUE, BH_HOOK_CONTAINER_VM_STOPPING,
     "W+ " NO_VM "VM+ " SERVED "C+ " SERVED "C- " SERVED "VM- " DEAD AGAIN},
};

/* --- In the middle of a program ---------------------------------------------------------------------------------- */

static BhResult open_at_destroy(BhFakeStep step, gpointer data) {
  (void)data;
  if (step == BH_FAKE_VM_DESTROY) bh_gate_open(&world.reached);
  return BH_OK;
}

static void on_wait(const BhLockClass *lock_class, gconstpointer lock) {
  (void)lock;
  if (g_str_equal(lock_class->name, "WSLC VM")) bh_gate_open(&world.reached);
}

static const BhSyncObserver wait_observer = {.wait = on_wait};

/* Whoever buries the VM has done so, or waits for something. */
static void ask_of_a_dead_vm(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer session) {
  (void)process, (void)streams;
  g_assert_true(bh_fake_guest_kill_vm(&world.guest));
  bh_gate_pass(&world.reached);
  g_assert_cmpint(bh_container_session_stop_container(session, "web", NULL), ==, BH_E_NOT_FOUND);
}

/* A program's caller may use the session meanwhile, and nobody who waits for the program stands in its way. */
static void operation_inside_a_program_whose_vm_died(void) {
  BhContainerSession *session;

  open_world(NULL, NULL);
  world.guest.before = open_at_destroy;
  watch(&wait_observer);
  session = created("one", TRUE);
  g_assert_cmpint(run_with(session, ask_of_a_dead_vm), ==, BH_OK);
  release(session);
  close_world("W+ VM+ VM- W-");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
#define TEST(path, func) g_test_add_func("/container-session/" path, func)
  TEST("eager-vm-dies", eager_vm_dies);
  TEST("vm-on-demand-dies", vm_on_demand_dies);
  TEST("found-dead", found_dead);
  for (guint i = 0; i < G_N_ELEMENTS(deaths); i++) {
    g_autofree char *path = g_strdup_printf("/container-session/vm-dies-in-a-hook/%s", deaths[i].path);
    g_test_add_data_func(path, &deaths[i], vm_dies_in_a_hook);
  }
  TEST("operation-inside-a-program-whose-vm-died", operation_inside_a_program_whose_vm_died);
  return g_test_run();
}
