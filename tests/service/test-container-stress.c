/* 10,000 cycles of create, veto, race, use and stop of WSLC sessions, from 8 threads, in which VMs die and containers end by
 * themselves: every session that began has ended, none that was refused was handed out, every VM and every container
 * that plugins agreed to was announced to stop; and what must not overlap in a plugin did not. */
#include "backend-mock/mock.h"
#include "core/lock-order.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"

#define CYCLES  10000u
#define THREADS 8u
#define NAMES   5u /* fewer than threads, so that they are fought for */

/* What the plugin has seen of one session. */
typedef struct {
  guint created, stopping, vm_started, vm_stopping;
  guint containers_started, containers_agreed, containers_stopping;
  guint inside; /* hooks that are never two at once: of the session and of its VM */
  gboolean refused;
} Seen;

static struct {
  BhFakeGuest guest;
  BhService *service;
  BhMutex lock;     /* guards all below */
  GHashTable *seen; /* session id → Seen */
  guint next_cycle, handed_out, handed_out_on_demand, refused, taken;
} stress;

static const BhLockClass stress_class = {"stress", BH_RANK_LEAF, FALSE};
static const BhUser user = {.token = 1};

/* --- A restless guest -------------------------------------------------------------------------------------------- */

typedef struct {
  BhVm *vm;
  guint32 number;
} Container;

/* The fake guest, whose VMs die and whose containers end while others start and stop them. As the interface demands it, no
 * VM is gone before its last event has returned: hence the lock, which is held meanwhile. */
static struct {
  const BhGuestClass *fake;
  BhGuestClass class;
  BhMutex lock;
  GHashTable *sessions; /* VM → what its events are told with; guarded by lock, as all below */
  const BhVmEvents *events;
  GArray *running; /* Container */
  guint killed, ended, ended_early;
} restless;

static const BhLockClass restless_class = {"restless guest", BH_RANK_PUMP, FALSE};

static BhResult create_vm(BhGuest *guest, const BhVmSettings *settings, const BhVmEvents *events, gpointer data,
                          BhVm **vm) {
  BhResult result = restless.fake->vm_create(guest, settings, events, data, vm);

  bh_mutex_lock(&restless.lock);
  restless.events = events;
  if (BH_SUCCEEDED(result)) g_hash_table_insert(restless.sessions, *vm, data);
  bh_mutex_unlock(&restless.lock);
  return result;
}

/* With the lock. number: 0 for all of that VM. */
static void forget_containers(const BhVm *vm, guint32 number) {
  for (guint i = restless.running->len; i-- > 0;) {
    const Container *container = &g_array_index(restless.running, Container, i);
    if (container->vm == vm && (number == 0 || container->number == number))
      g_array_remove_index_fast(restless.running, i);
  }
}

static void destroy_vm(BhVm *vm) {
  bh_mutex_lock(&restless.lock);
  g_hash_table_remove(restless.sessions, vm);
  forget_containers(vm, 0);
  restless.fake->vm_destroy(vm);
  bh_mutex_unlock(&restless.lock);
}

/* One in eight has ended before its start is over. */
static BhResult run_container(BhVm *vm, const BhContainerSpec *spec, BhDescription *description) {
  BhResult result = restless.fake->container_start(vm, spec, description);
  Container container = {vm, description->number};

  if (BH_FAILED(result)) return result;
  bh_mutex_lock(&restless.lock);
  if (container.number % 8 == 0) {
    restless.ended_early++;
    restless.events->container_ended(g_hash_table_lookup(restless.sessions, vm), container.number);
  } else {
    g_array_append_val(restless.running, container);
  }
  bh_mutex_unlock(&restless.lock);
  return BH_OK;
}

static BhResult end_container(BhVm *vm, guint32 number) {
  bh_mutex_lock(&restless.lock);
  forget_containers(vm, number);
  bh_mutex_unlock(&restless.lock);
  return restless.fake->container_stop(vm, number);
}

static void kill_newest_vm(void) {
  bh_mutex_lock(&restless.lock);
  restless.killed += bh_fake_guest_kill_vm(&stress.guest) ? 1 : 0;
  bh_mutex_unlock(&restless.lock);
}

static void end_some_container(guint choice) {
  Container container;

  bh_mutex_lock(&restless.lock);
  if (restless.running->len > 0) {
    container = g_array_index(restless.running, Container, choice % restless.running->len);
    forget_containers(container.vm, container.number);
    restless.ended++;
    restless.events->container_ended(g_hash_table_lookup(restless.sessions, container.vm), container.number);
  }
  bh_mutex_unlock(&restless.lock);
}

static void open_guest(void) {
  bh_fake_guest_init(&stress.guest);
  restless.fake = stress.guest.parent.class;
  restless.class = *restless.fake;
  restless.class.vm_create = create_vm;
  restless.class.vm_destroy = destroy_vm;
  restless.class.container_start = run_container;
  restless.class.container_stop = end_container;
  stress.guest.parent.class = &restless.class;
  restless.sessions = g_hash_table_new(NULL, NULL);
  restless.running = g_array_new(FALSE, FALSE, sizeof(Container));
  bh_mutex_init(&restless.lock, &restless_class);
}

static void close_guest(void) {
  g_assert_cmpuint(restless.running->len, ==, 0);
  g_assert_cmpuint(g_hash_table_size(restless.sessions), ==, 0);
  bh_fake_guest_clear(&stress.guest);
  g_hash_table_unref(restless.sessions);
  g_array_unref(restless.running);
  bh_mutex_clear(&restless.lock);
}

/* --- The plugin -------------------------------------------------------------------------------------------------- */

/* With the lock. */
static Seen *seen_of(guint32 id) {
  Seen *seen = g_hash_table_lookup(stress.seen, GUINT_TO_POINTER(id));

  if (seen == NULL) g_hash_table_insert(stress.seen, GUINT_TO_POINTER(id), seen = g_new0(Seen, 1));
  return seen;
}

/* With the lock. Refuses one session in four, and a session's eighth container. */
static BhResult count(Seen *seen, const BhNotification *notification) {
  switch (notification->hook) {
    case BH_HOOK_SESSION_CREATED:
      seen->created++;
      seen->refused = notification->session % 4 == 0;
      return seen->refused ? BH_E_ACCESSDENIED : BH_OK;
    case BH_HOOK_SESSION_STOPPING: seen->stopping++; return BH_OK;
    case BH_HOOK_CONTAINER_VM_STARTED: seen->vm_started++; return BH_OK;
    case BH_HOOK_CONTAINER_VM_STOPPING: seen->vm_stopping++; return BH_OK;
    case BH_HOOK_CONTAINER_STARTED:
      if (++seen->containers_started % 8 == 0) return BH_E_ACCESSDENIED;
      seen->containers_agreed++;
      return BH_OK;
    case BH_HOOK_CONTAINER_STOPPING: seen->containers_stopping++; return BH_OK;
    default: return BH_OK;
  }
}

/* Contract, section 3. */
static gboolean is_alone(BhHook hook) {
  return hook == BH_HOOK_SESSION_CREATED || hook == BH_HOOK_SESSION_STOPPING ||
         hook == BH_HOOK_CONTAINER_VM_STARTED || hook == BH_HOOK_CONTAINER_VM_STOPPING;
}

/* The session is known to the plugin, so the VM serves, or has died, or does not run. */
static void call_mount(BhMockHost *host, guint32 session) {
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_MOUNT_FOLDER, .session = session, .host_path = "C:\\", .linux_path = "/mnt"};
  BhResult result = bh_mock_host_call(host, &call, &reply);

  g_assert_true(result == BH_OK || result == BH_E_NOT_VALID_STATE || result == BH_E_WSLC_VM_NOT_RUNNING);
}

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  guint alone = is_alone(notification->hook) ? 1 : 0;
  BhResult result;
  Seen *seen;

  (void)data;
  bh_mutex_lock(&stress.lock);
  seen = seen_of(notification->session);
  g_assert_cmpuint(seen->inside, <=, 1 - alone);
  seen->inside += alone;
  result = count(seen, notification);
  bh_mutex_unlock(&stress.lock);

  call_mount(host, notification->session);

  bh_mutex_lock(&stress.lock);
  seen->inside -= alone;
  bh_mutex_unlock(&stress.lock);
  return result;
}

/* --- The users --------------------------------------------------------------------------------------------------- */

static void nothing(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data) {
  (void)process, (void)streams, (void)data;
}

static gboolean take_cycle(guint *cycle) {
  gboolean more;

  bh_mutex_lock(&stress.lock);
  more = stress.next_cycle < CYCLES;
  if (more) *cycle = stress.next_cycle++;
  bh_mutex_unlock(&stress.lock);
  return more;
}

static void note(BhResult result, BhContainerSession *session, gboolean on_demand) {
  bh_mutex_lock(&stress.lock);
  switch (result) {
    case BH_OK:
      stress.handed_out++;
      stress.handed_out_on_demand += on_demand ? 1 : 0;
      g_assert_false(seen_of(bh_container_session_id(session))->refused);
      break;
    case BH_E_ACCESSDENIED: stress.refused++; break;
    case BH_E_ALREADY_EXISTS: stress.taken++; break;
    default: g_assert_not_reached();
  }
  bh_mutex_unlock(&stress.lock);
}

static void use(GRand *random, BhContainerSession *session) {
  BhContainerSpec spec = {.name = "web", .image = "none", .root = "/", .program = {.path = "/bin/sleep"}};
  gint32 linux_error;

  switch (g_rand_int_range(random, 0, 12)) {
    case 0:
    case 1:
      bh_container_session_run(session, &(BhProgram){.path = "/bin/true"}, nothing, NULL, &linux_error, NULL);
      break;
    case 2:
    case 3:
    case 4: bh_container_session_start_container(session, &spec, NULL); break;
    case 5: bh_container_session_stop_container(session, "web", NULL); break;
    case 6:
    case 7: bh_container_session_stop_idle_vm(session, NULL); break;
    case 8: bh_service_terminate_container_session(stress.service, session); break;
    case 9: kill_newest_vm(); break;
    case 10: end_some_container(g_rand_int(random)); break;
    default: break;
  }
}

static gpointer work(gpointer data) {
  GRand *random = g_rand_new_with_seed(GPOINTER_TO_UINT(data));
  guint cycle;

  while (take_cycle(&cycle)) {
    g_autofree char *name = g_strdup_printf("session %d", g_rand_int_range(random, 0, NAMES));
    BhContainerSettings settings = {.name = name,
                                    .user = &user,
                                    .on_demand = g_rand_boolean(random),
                                    .idle_timeout = g_rand_boolean(random) ? 1 : 0};
    BhContainerSession *session = NULL;
    BhResult result = bh_service_create_container_session(stress.service, &settings, &session, NULL);

    note(result, session, settings.on_demand);
    if (session == NULL) bh_service_open_container_session(stress.service, name, &session, NULL);
    if (session == NULL) continue;
    for (guint i = 0; i < 4; i++) use(random, session);
    bh_service_release_container_session(stress.service, session);
  }
  g_rand_free(random);
  return NULL;
}

/* --- What has come of it ----------------------------------------------------------------------------------------- */

static void check_session(const Seen *seen) {
  g_assert_cmpuint(seen->created, ==, 1);
  g_assert_cmpuint(seen->stopping, ==, 1);
  g_assert_cmpuint(seen->vm_started, ==, seen->vm_stopping);
  g_assert_cmpuint(seen->containers_agreed, ==, seen->containers_stopping);
  if (seen->refused) g_assert_cmpuint(seen->vm_started, ==, 0);
}

/* What the stress is about did happen. */
static void check_all(void) {
  guint sessions = 0, vms = 0, restarted = 0, containers = 0, lost;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init(&iter, stress.seen);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Seen *seen = value;
    check_session(seen);
    sessions++;
    vms += seen->vm_started;
    restarted += seen->vm_started > 1 ? 1 : 0;
    containers += seen->containers_agreed;
  }
  g_assert_cmpuint(stress.handed_out + stress.refused + stress.taken, ==, CYCLES);
  g_assert_cmpuint(sessions, >, stress.handed_out + stress.refused);
  lost = sessions - stress.handed_out - stress.refused;
  g_test_message(
      "%u cycles: %u sessions, %u handed out (%u on demand), %u refused, %u lost their names; %u VMs, %u "
      "killed, %u sessions with several; %u containers, %u ended by themselves, %u early",
      CYCLES, sessions, stress.handed_out, stress.handed_out_on_demand, stress.refused, lost, vms, restless.killed,
      restarted, containers, restless.ended, restless.ended_early);
  g_assert_cmpuint(lost, <=, stress.taken);
  g_assert_cmpuint(stress.refused, >, 0);
  g_assert_cmpuint(stress.handed_out_on_demand, >, 0);
  g_assert_cmpuint(stress.handed_out, >, stress.handed_out_on_demand);
  g_assert_cmpuint(vms, >, 0);
  g_assert_cmpuint(restarted, >, 0); /* of sessions on demand */
  g_assert_cmpuint(containers, >, 0);
  g_assert_cmpuint(restless.killed, >, 0);
  g_assert_cmpuint(restless.ended, >, 0);
  g_assert_cmpuint(restless.ended_early, >, 0);
}

static void stress_test(void) {
  const BhMockPlugin plugin = {.name = "Count", .hooks = 0x3fc0u, .hook = on_hook};
  BhBackend *backend = bh_backend_mock_new(&plugin, 1);
  BhThread *threads[THREADS];

  stress.seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  bh_mutex_init(&stress.lock, &stress_class);
  open_guest();
  stress.service = bh_service_new(&(BhServiceSettings){.backend = backend, .guest = &stress.guest.parent});
  g_assert_true(bh_service_add_plugin(stress.service, "Count", "Count"));
  for (guint i = 0; i < THREADS; i++)
    g_assert_nonnull(threads[i] = bh_thread_new("stress", BH_RANK_SESSION_TABLE, work, GUINT_TO_POINTER(i + 1)));
  for (guint i = 0; i < THREADS; i++) bh_thread_join(threads[i]);
  bh_service_free(stress.service);
  bh_backend_mock_free(backend);
  close_guest();
  check_all();
  g_hash_table_unref(stress.seen);
  bh_mutex_clear(&stress.lock);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/container-stress/ten-thousand-cycles", stress_test);
  return g_test_run();
}
