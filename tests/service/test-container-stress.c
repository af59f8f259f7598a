/* 10,000 cycles of create, veto, race and stop of WSLC sessions, from 8 threads: every session that began has ended, none
 * that was refused was handed out, every VM that was announced was announced to stop. */
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
  gboolean refused;
} Seen;

static struct {
  BhFakeGuest guest;
  BhService *service;
  BhMutex lock;     /* guards all below */
  GHashTable *seen; /* session id → Seen */
  guint next_cycle, handed_out, refused, taken;
} stress;

static const BhLockClass stress_class = {"stress", BH_RANK_LEAF, FALSE};
static const BhUser user = {.token = 1};

/* With the lock. */
static Seen *seen_of(guint32 id) {
  Seen *seen = g_hash_table_lookup(stress.seen, GUINT_TO_POINTER(id));

  if (seen == NULL) g_hash_table_insert(stress.seen, GUINT_TO_POINTER(id), seen = g_new0(Seen, 1));
  return seen;
}

static BhResult on_hook(BhMockHost *host, const BhNotification *notification, gpointer data) {
  BhResult result = BH_OK;
  Seen *seen;

  (void)host, (void)data;
  bh_mutex_lock(&stress.lock);
  seen = seen_of(notification->session);
  switch (notification->hook) {
    case BH_HOOK_SESSION_CREATED:
      seen->created++;
      seen->refused = notification->session % 4 == 0;
      if (seen->refused) result = BH_E_ACCESSDENIED;
      break;
    case BH_HOOK_SESSION_STOPPING: seen->stopping++; break;
    case BH_HOOK_CONTAINER_VM_STARTED: seen->vm_started++; break;
    case BH_HOOK_CONTAINER_VM_STOPPING: seen->vm_stopping++; break;
    default: break;
  }
  bh_mutex_unlock(&stress.lock);
  return result;
}

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

static void note(BhResult result, BhContainerSession *session) {
  bh_mutex_lock(&stress.lock);
  switch (result) {
    case BH_OK:
      stress.handed_out++;
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

  switch (g_rand_int_range(random, 0, 6)) {
    case 0:
      bh_container_session_run(session, &(BhProgram){.path = "/bin/true"}, nothing, NULL, &linux_error, NULL);
      break;
    case 1: bh_container_session_start_container(session, &spec, NULL); break;
    case 2: bh_container_session_stop_container(session, "web", NULL); break;
    case 3: bh_container_session_stop_idle_vm(session, NULL); break;
    case 4: bh_service_terminate_container_session(stress.service, session); break;
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

    note(result, session);
    if (session == NULL) bh_service_open_container_session(stress.service, name, &session, NULL);
    if (session == NULL) continue;
    use(random, session);
    use(random, session);
    bh_service_release_container_session(stress.service, session);
  }
  g_rand_free(random);
  return NULL;
}

static void stress_test(void) {
  const BhMockPlugin plugin = {.name = "Count", .hooks = 0x3fc0u, .hook = on_hook};
  BhBackend *backend = bh_backend_mock_new(&plugin, 1);
  BhThread *threads[THREADS];
  GHashTableIter iter;
  gpointer value;
  guint sessions = 0;

  stress.seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  bh_mutex_init(&stress.lock, &stress_class);
  bh_fake_guest_init(&stress.guest);
  stress.service = bh_service_new(&(BhServiceSettings){.backend = backend, .guest = &stress.guest.parent});
  g_assert_true(bh_service_add_plugin(stress.service, "Count", "Count"));
  for (guint i = 0; i < THREADS; i++)
    g_assert_nonnull(threads[i] = bh_thread_new("stress", BH_RANK_SESSION_TABLE, work, GUINT_TO_POINTER(i + 1)));
  for (guint i = 0; i < THREADS; i++) bh_thread_join(threads[i]);
  bh_service_free(stress.service);
  bh_backend_mock_free(backend);
  bh_fake_guest_clear(&stress.guest);

  g_hash_table_iter_init(&iter, stress.seen);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Seen *seen = value;
    g_assert_cmpuint(seen->created, ==, 1);
    g_assert_cmpuint(seen->stopping, ==, 1);
    g_assert_cmpuint(seen->vm_started, ==, seen->vm_stopping);
    if (seen->refused) g_assert_cmpuint(seen->vm_started, ==, 0);
    sessions++;
  }
  g_test_message("%u cycles: %u sessions, %u handed out, %u refused, %u names taken", CYCLES, sessions,
                 stress.handed_out, stress.refused, stress.taken);
  g_assert_cmpuint(stress.handed_out + stress.refused + stress.taken, ==, CYCLES);
  g_assert_cmpuint(stress.refused, >, 0);
  g_assert_cmpuint(sessions, >=, stress.handed_out + stress.refused); /* the rest lost their names */
  g_hash_table_unref(stress.seen);
  bh_mutex_clear(&stress.lock);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/container-stress/ten-thousand-cycles", stress_test);
  return g_test_run();
}
