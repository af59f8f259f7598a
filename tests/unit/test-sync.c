/* The room that blocks: deadlines, threads, thread-local values, and what an observer is told. */
#include "core/sync.h"
#include "tests/common/gate.h"

#ifdef G_OS_WIN32
#include <windows.h>
#else
#include <pthread.h>
#endif

static const BhLockClass lock_class = {"test lock", BH_RANK_MANAGER, FALSE};

/* --- Waiting ------------------------------------------------------------------------------------------------------ */

static void a_deadline_ends_a_wait(void) {
  gint64 deadline = bh_clock_now() + 2000;
  BhMutex lock;
  BhCond never;

  bh_mutex_init(&lock, &lock_class);
  bh_cond_init(&never);
  bh_mutex_lock(&lock);
  while (bh_cond_wait_until(&never, &lock, deadline)) continue;
  g_assert_cmpint(bh_clock_now(), >=, deadline);
  g_assert_false(bh_cond_wait_until(&never, &lock, deadline)); /* one that has passed, at once */
  bh_mutex_unlock(&lock);
  bh_cond_clear(&never);
  bh_mutex_clear(&lock);
}

typedef struct {
  BhMutex lock;
  BhCond changed;
  gboolean set;
  guint woken;
} Shared;

static gpointer await(gpointer data) {
  Shared *shared = data;

  bh_mutex_lock(&shared->lock);
  while (!shared->set) bh_cond_wait(&shared->changed, &shared->lock);
  shared->woken++;
  bh_mutex_unlock(&shared->lock);
  return shared;
}

static void a_broadcast_wakes_all(void) {
  Shared shared = {.set = FALSE};
  BhThread *threads[4];

  bh_mutex_init(&shared.lock, &lock_class);
  bh_cond_init(&shared.changed);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_assert_nonnull(threads[i] = bh_thread_new("waiter", BH_RANK_MANAGER, await, &shared));
  bh_mutex_lock(&shared.lock);
  shared.set = TRUE;
  bh_cond_broadcast(&shared.changed);
  bh_mutex_unlock(&shared.lock);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) g_assert_true(bh_thread_join(threads[i]) == &shared);
  g_assert_cmpuint(shared.woken, ==, G_N_ELEMENTS(threads));
  bh_cond_clear(&shared.changed);
  bh_mutex_clear(&shared.lock);
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

typedef struct {
  gpointer self;
  guint64 number;
  gpointer local;
} Identity;

static int freed; /* atomic */

static void count_freed(gpointer value) {
  (void)value;
  g_atomic_int_inc(&freed);
}

static BhLocal local = BH_LOCAL_INIT(count_freed);

static gpointer identify(gpointer data) {
  Identity *identity = data;

  identity->self = bh_thread_self();
  identity->number = bh_thread_number();
  identity->local = bh_local_get(&local);
  bh_local_set(&local, identity);
  return NULL;
}

static void each_thread_is_itself(void) {
  Identity other = {0};
  BhThread *thread;

  bh_local_set(&local, &other);
  thread = bh_thread_new("other", BH_RANK_LEAF, identify, &other);
  bh_thread_join(thread);
  g_assert_true(bh_thread_self() == bh_thread_self());
  g_assert_true(other.self != NULL && other.self != bh_thread_self());
  g_assert_cmpuint(other.number, !=, bh_thread_number());
  g_assert_null(other.local);
  g_assert_true(bh_local_get(&local) == &other);
  g_assert_cmpint(g_atomic_int_get(&freed), ==, 1); /* the other thread's, at its end */
  bh_local_set(&local, NULL);
}

/* One that neither we nor GLib have made, as COM's and a pool's. */
#ifdef G_OS_WIN32
static DWORD WINAPI foreign(void *data) {
  identify(data);
  return 0;
}

static void run_foreign(Identity *identity) {
  HANDLE thread = CreateThread(NULL, 0, foreign, identity, 0, NULL);

  g_assert_nonnull(thread);
  g_assert_cmpuint(WaitForSingleObject(thread, INFINITE), ==, WAIT_OBJECT_0);
  CloseHandle(thread);
}
#else
static void run_foreign(Identity *identity) {
  pthread_t thread;

  g_assert_cmpint(pthread_create(&thread, NULL, identify, identity), ==, 0);
  g_assert_cmpint(pthread_join(thread, NULL), ==, 0);
}
#endif

static void a_foreign_thread_leaves_nothing(void) {
  const int before = g_atomic_int_get(&freed);
  Identity other = {0};

  run_foreign(&other);
  g_assert_null(other.local);
  g_assert_cmpint(g_atomic_int_get(&freed), ==, before + 1);
}

/* --- The observer ------------------------------------------------------------------------------------------------- */

static GString *seen; /* by the observing thread only */
static gpointer observed;

static void note(const char *what, const char *name) {
  if (bh_thread_self() == observed) g_string_append_printf(seen, "%s %s; ", what, name);
}

static void on_acquire(const BhLockClass *class, gconstpointer lock, const char *site) {
  g_assert_nonnull(lock);
  g_assert_nonnull(site);
  note("acquire", class->name);
}

static void on_acquired(const BhLockClass *class, gconstpointer lock) {
  g_assert_nonnull(lock);
  note("acquired", class->name);
}

static void on_release(const BhLockClass *class, gconstpointer lock) {
  g_assert_nonnull(lock);
  note("release", class->name);
}

static void on_wait(const BhLockClass *class, gconstpointer lock) {
  g_assert_nonnull(lock);
  note("wait", class->name);
}

static void on_join(const char *name, BhLockRank lowest) {
  g_assert_cmpint(lowest, ==, BH_RANK_LEAF);
  note("join", name);
}

static gboolean not_that_one(const char *name) {
  return !g_str_equal(name, "refused");
}

static const BhSyncObserver everything = {.acquire = on_acquire,
                                          .acquired = on_acquired,
                                          .release = on_release,
                                          .wait = on_wait,
                                          .join = on_join,
                                          .may_start_thread = not_that_one};

static gpointer nothing(gpointer data) {
  return data;
}

static void an_observer_sees_it_all(void) {
  static BhMutex unseen; /* an observer's own */
  BhMutex lock;
  BhCond never;
  int here;

  seen = g_string_new(NULL);
  observed = bh_thread_self();
  bh_mutex_init(&lock, &lock_class);
  bh_cond_init(&never);
  bh_sync_add_observer(&everything);
  bh_mutex_lock(&lock);
  bh_cond_wait_until(&never, &lock, 0);
  bh_mutex_unlock(&lock);
  bh_mutex_lock(&unseen);
  bh_mutex_unlock(&unseen);
  bh_thread_join(bh_thread_new("joined", BH_RANK_LEAF, nothing, NULL));
  bh_sync_note_acquire(&lock_class, &here, "here");
  bh_sync_note_acquired(&lock_class, &here);
  bh_sync_note_release(&lock_class, &here);
  g_assert_null(bh_thread_new("refused", BH_RANK_LEAF, nothing, NULL));
  bh_sync_remove_observer(&everything);
  bh_mutex_lock(&lock); /* seen by nobody */
  bh_mutex_unlock(&lock);
  g_assert_cmpstr(seen->str, ==,
                  "acquire test lock; acquired test lock; wait test lock; acquired test lock; release test lock; "
                  "join joined; acquire test lock; acquired test lock; release test lock; ");
  bh_cond_clear(&never);
  bh_mutex_clear(&lock);
  g_string_free(seen, TRUE);
}

/* Each is told, whoever came first, and any of them may say no. */
static void observers_stand_side_by_side(void) {
  static const BhSyncObserver quiet = {0};

  seen = g_string_new(NULL);
  observed = bh_thread_self();
  bh_sync_add_observer(&quiet);
  bh_sync_add_observer(&everything);
  g_assert_null(bh_thread_new("refused", BH_RANK_LEAF, nothing, NULL));
  bh_sync_remove_observer(&quiet);
  bh_thread_join(bh_thread_new("joined", BH_RANK_LEAF, nothing, NULL));
  bh_sync_remove_observer(&everything);
  g_assert_cmpstr(seen->str, ==, "join joined; ");
  g_string_free(seen, TRUE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sync/wait/a-deadline-ends-it", a_deadline_ends_a_wait);
  g_test_add_func("/sync/wait/a-broadcast-wakes-all", a_broadcast_wakes_all);
  g_test_add_func("/sync/thread/each-is-itself", each_thread_is_itself);
  g_test_add_func("/sync/thread/a-foreign-one-leaves-nothing", a_foreign_thread_leaves_nothing);
  g_test_add_func("/sync/observer/sees-it-all", an_observer_sees_it_all);
  g_test_add_func("/sync/observer/side-by-side", observers_stand_side_by_side);
  return g_test_run();
}
