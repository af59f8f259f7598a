#include "lock-order.h"

typedef struct {
  const BhLockClass *class;
  gconstpointer lock;
  const char *site;
} Held;

/* The locks that a thread holds, oldest first: GArray of Held; NULL when it holds none. Not left to a destructor at the
 * thread's end: statically linked on Windows, GLib runs those only on threads of its own, and COM's are not. */
static BhLocal held_locks = BH_LOCAL_INIT(NULL);

/* The lowest rank that a thread promised to take when it was begun; 0: it promised nothing. */
static BhLocal lowest_here = BH_LOCAL_INIT(NULL);

static BhLockOrderReport report_func; /* set before any lock is taken */
static gpointer report_data;

static const Held *held_at(const GArray *held, guint i) {
  return &g_array_index(held, Held, i);
}

/* A lock made of a mutex may have that mutex's address: only with its class it is named. */
static gboolean is(const Held *held, const BhLockClass *class, gconstpointer lock) {
  return held->lock == lock && held->class == class;
}

G_GNUC_PRINTF(1, 2) static void violation(const char *format, ...) {
  g_autofree char *report = NULL;
  va_list arguments;

  va_start(arguments, format);
  report = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  report_func(report, report_data);
}

static void on_acquire(const BhLockClass *class, gconstpointer lock, const char *site) {
  GArray *held = bh_local_get(&held_locks);
  Held taken = {class, lock, site};

  if (class->rank < GPOINTER_TO_UINT(bh_local_get(&lowest_here)))
    violation("thread %" G_GUINT64_FORMAT " takes %s (rank %u) at %s, but promised to take none below rank %u",
              bh_thread_number(), class->name, class->rank, site, GPOINTER_TO_UINT(bh_local_get(&lowest_here)));
  if (held == NULL) bh_local_set(&held_locks, held = g_array_new(FALSE, FALSE, sizeof(Held)));

  for (guint i = 0; i < held->len; i++) {
    const Held *older = held_at(held, i);
    if (is(older, class, lock)) {
      if (class->recursive) break; /* its order was checked when it was first taken */
      violation("thread %" G_GUINT64_FORMAT " takes %s (rank %u) at %s, which it took at %s already",
                bh_thread_number(), class->name, class->rank, site, older->site);
    } else if (older->class->rank >= class->rank) {
      violation("thread %" G_GUINT64_FORMAT " takes %s (rank %u) at %s while it holds %s (rank %u) from %s",
                bh_thread_number(), class->name, class->rank, site, older->class->name, older->class->rank,
                older->site);
    }
  }
  g_array_append_val(held, taken);
}

static void on_release(const BhLockClass *class, gconstpointer lock) {
  GArray *held = bh_local_get(&held_locks);

  for (guint i = held != NULL ? held->len : 0; i > 0; i--) {
    if (!is(held_at(held, i - 1), class, lock)) continue;
    g_array_remove_index(held, i - 1);
    if (held->len == 0) {
      bh_local_set(&held_locks, NULL);
      g_array_unref(held);
    }
    return;
  }
  violation("thread %" G_GUINT64_FORMAT " releases %s, which it does not hold", bh_thread_number(), class->name);
}

static void on_start(BhLockRank lowest) {
  bh_local_set(&lowest_here, GUINT_TO_POINTER(lowest));
}

/* Waiting for a thread's end is waiting for every lock that it may take. */
static void on_join(const char *thread_name, BhLockRank lowest) {
  const GArray *held = bh_local_get(&held_locks);

  for (guint i = 0; held != NULL && i < held->len; i++)
    if (held_at(held, i)->class->rank >= lowest)
      violation("thread %" G_GUINT64_FORMAT
                " waits for the end of thread '%s', which may take locks from rank %u on, "
                "while it holds %s (rank %u) from %s",
                bh_thread_number(), thread_name, lowest, held_at(held, i)->class->name,
                held_at(held, i)->class->rank, held_at(held, i)->site);
}

static const BhSyncObserver observer = {
    .acquire = on_acquire, .release = on_release, .start = on_start, .join = on_join};

static void report_fatal(const char *report, gpointer data) {
  (void)data;
  g_error("lock order: %s", report);
}

static void report_first(const char *report, gpointer data) {
  static int said;

  (void)data;
  if (g_atomic_int_compare_and_exchange(&said, 0, 1))
    g_critical("lock order: %s (later ones are not reported)", report);
}

void bh_lock_order_start(BhLockOrderMode mode) {
  bh_lock_order_start_with(mode == BH_LOCK_ORDER_FATAL ? report_fatal : report_first, NULL);
}

void bh_lock_order_start_with(BhLockOrderReport func, gpointer data) {
  report_func = func;
  report_data = data;
  bh_sync_remove_observer(&observer); /* it may have been started otherwise */
  bh_sync_add_observer(&observer);
}

void bh_lock_order_stop(void) {
  bh_sync_remove_observer(&observer);
}

void bh_lock_order_assert_only(const BhLockClass *lock_class, gconstpointer lock, const char *doing) {
  const GArray *held = bh_local_get(&held_locks);

  for (guint i = 0; held != NULL && i < held->len; i++)
    if (!is(held_at(held, i), lock_class, lock))
      violation("thread %" G_GUINT64_FORMAT " holds %s from %s at: %s", bh_thread_number(),
                held_at(held, i)->class->name, held_at(held, i)->site, doing);
}
