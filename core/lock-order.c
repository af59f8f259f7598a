#include "lock-order.h"

typedef struct {
  const BhLockClass *class;
  gconstpointer lock;
  const char *site;
} Held;

/* The locks that a thread holds, oldest first: GArray of Held. */
static BhLocal held_locks = BH_LOCAL_INIT((GDestroyNotify)g_array_unref);

static BhLockOrderReport report_func; /* set before any lock is taken */
static gpointer report_data;

static GArray *held_here(void) {
  GArray *held = bh_local_get(&held_locks);
  if (held == NULL) {
    held = g_array_new(FALSE, FALSE, sizeof(Held));
    bh_local_set(&held_locks, held);
  }
  return held;
}

static const Held *held_at(const GArray *held, guint i) {
  return &g_array_index(held, Held, i);
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
  GArray *held = held_here();
  Held taken = {class, lock, site};

  for (guint i = 0; i < held->len; i++) {
    const Held *older = held_at(held, i);
    if (older->lock == lock) {
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
  GArray *held = held_here();

  for (guint i = held->len; i > 0; i--) {
    if (held_at(held, i - 1)->lock == lock) {
      g_array_remove_index(held, i - 1);
      return;
    }
  }
  violation("thread %" G_GUINT64_FORMAT " releases %s, which it does not hold", bh_thread_number(), class->name);
}

/* Waiting for a thread's end waits for every lock that it may want: none may be held. */
static void on_join(const char *thread_name) {
  GArray *held = held_here();

  if (held->len > 0)
    violation("thread %" G_GUINT64_FORMAT " waits for the end of thread '%s' while it holds %s from %s",
              bh_thread_number(), thread_name, held_at(held, 0)->class->name, held_at(held, 0)->site);
}

static const BhSyncObserver observer = {.acquire = on_acquire, .release = on_release, .join = on_join};

static void report_fatal(const char *report, gpointer data) {
  (void)data;
  g_error("lock order: %s", report);
}

static void report_first(const char *report, gpointer data) {
  static int said;

  (void)data;
  if (g_atomic_int_compare_and_exchange(&said, 0, 1)) g_critical("lock order: %s (later ones are not reported)", report);
}

void bh_lock_order_start(BhLockOrderMode mode) {
  bh_lock_order_start_with(mode == BH_LOCK_ORDER_FATAL ? report_fatal : report_first, NULL);
}

void bh_lock_order_start_with(BhLockOrderReport func, gpointer data) {
  report_func = func;
  report_data = data;
  bh_sync_set_observer(&observer);
}

void bh_lock_order_assert_at_most(BhLockRank rank, const char *doing) {
  GArray *held;

  if (report_func == NULL) return;
  held = held_here();
  for (guint i = 0; i < held->len; i++)
    if (held_at(held, i)->class->rank > rank)
      violation("thread %" G_GUINT64_FORMAT " holds %s from %s while %s", bh_thread_number(),
                held_at(held, i)->class->name, held_at(held, i)->site, doing);
}
