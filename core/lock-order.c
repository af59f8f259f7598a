#include "lock-order.h"

/* One lock that one thread has taken, or is about to have. */
typedef struct Taken Taken;
struct Taken {
  Taken *older; /* of the same thread */
  const BhLockClass *class;
  gconstpointer lock;
  const char *site;
  guint64 thread; /* its number */
  gboolean has;   /* it no longer waits: in `had` */
  GList link;     /* of `had`; data: this */
};

/* What a thread has taken, newest first; NULL: nothing. Not left to a destructor at the thread's end: statically linked on
 * Windows, GLib runs those only on threads of its own, and COM's are not. */
static BhLocal taken_here = BH_LOCAL_INIT(NULL);

/* The lowest rank that a thread promised to take when it was begun; 0: it promised nothing. */
static BhLocal lowest_here = BH_LOCAL_INIT(NULL);

static BhMutex had_lock; /* guards `had`; an observer's own */
static GQueue had = G_QUEUE_INIT;

static BhLockOrderReport report_func; /* set while no lock is taken */
static gpointer report_data;

/* A lock made of a mutex may have that mutex's address: only with its class it is named. */
static gboolean is(const Taken *taken, const BhLockClass *class, gconstpointer lock) {
  return taken->lock == lock && taken->class == class;
}

static void set_has(Taken *taken, gboolean has) {
  if (taken->has == has) return;
  taken->has = has;
  bh_mutex_lock(&had_lock);
  if (has)
    g_queue_push_tail_link(&had, &taken->link);
  else
    g_queue_unlink(&had, &taken->link);
  bh_mutex_unlock(&had_lock);
}

/* ---- Reports ------------------------------------------------------------------------------------------- */

/* Appends which other threads have the lock that this one wants, and from where. */
static void append_holders(GString *report, const Taken *wanted) {
  bh_mutex_lock(&had_lock);
  for (const GList *item = had.head; item != NULL; item = item->next) {
    const Taken *other = item->data;
    if (is(other, wanted->class, wanted->lock) && other->thread != wanted->thread)
      g_string_append_printf(report, "; thread %" G_GUINT64_FORMAT " has %s from %s", other->thread,
                             other->class->name, other->site);
  }
  bh_mutex_unlock(&had_lock);
}

/* wanted: the lock that the thread asks for; NULL: it asks for none. */
G_GNUC_PRINTF(2, 3) static void violation(const Taken *wanted, const char *format, ...) {
  g_autoptr(GString) report = g_string_new(NULL);
  va_list arguments;

  g_string_append_printf(report, "thread %" G_GUINT64_FORMAT " ",
                         wanted != NULL ? wanted->thread : bh_thread_number());
  va_start(arguments, format);
  g_string_append_vprintf(report, format, arguments);
  va_end(arguments);
  if (wanted != NULL) append_holders(report, wanted);
  report_func(report->str, report_data);
}

/* ---- What is seen -------------------------------------------------------------------------------------- */

static const Taken *find_own(const Taken *newest, const BhLockClass *class, gconstpointer lock) {
  for (; newest != NULL; newest = newest->older)
    if (is(newest, class, lock)) return newest;
  return NULL;
}

/* Oldest first, as the locks were taken. */
static void check_against(const Taken *wanted, const Taken *held) {
  if (held == NULL) return;
  check_against(wanted, held->older);
  if (held->class->rank >= wanted->class->rank)
    violation(wanted, "takes %s (rank %u) at %s while it holds %s (rank %u) from %s", wanted->class->name,
              wanted->class->rank, wanted->site, held->class->name, held->class->rank, held->site);
}

static void check(const Taken *wanted) {
  BhLockRank lowest = GPOINTER_TO_UINT(bh_local_get(&lowest_here));
  const Taken *own = find_own(wanted->older, wanted->class, wanted->lock);

  if (wanted->class->rank < lowest)
    violation(wanted, "takes %s (rank %u) at %s, but promised to take none below rank %u", wanted->class->name,
              wanted->class->rank, wanted->site, lowest);
  if (own == NULL)
    check_against(wanted, wanted->older);
  else if (!wanted->class->recursive) /* else its order was checked when it was first taken */
    violation(wanted, "takes %s (rank %u) at %s, which it took at %s already", wanted->class->name,
              wanted->class->rank, wanted->site, own->site);
}

static void on_acquire(const BhLockClass *class, gconstpointer lock, const char *site) {
  Taken *older = bh_local_get(&taken_here);
  Taken *taken = g_new(Taken, 1);

  *taken = (Taken){.older = older,
                   .class = class,
                   .lock = lock,
                   .site = site,
                   .thread = older != NULL ? older->thread : bh_thread_number(),
                   .link = {.data = taken}};
  check(taken);
  bh_local_set(&taken_here, taken);
}

static Taken *newest_own(const BhLockClass *class, gconstpointer lock) {
  return (Taken *)find_own(bh_local_get(&taken_here), class, lock);
}

static void on_acquired(const BhLockClass *class, gconstpointer lock) {
  Taken *taken = newest_own(class, lock);
  if (taken != NULL) set_has(taken, TRUE);
}

/* The mutex is released meanwhile: another thread may have it. */
static void on_wait(const BhLockClass *class, gconstpointer lock) {
  Taken *taken = newest_own(class, lock);
  if (taken != NULL) set_has(taken, FALSE);
}

static void on_release(const BhLockClass *class, gconstpointer lock) {
  Taken *taken = newest_own(class, lock);
  Taken *newest = bh_local_get(&taken_here);

  if (taken == NULL) {
    violation(NULL, "releases %s, which it does not hold", class->name);
    return;
  }
  set_has(taken, FALSE);
  if (newest == taken) {
    bh_local_set(&taken_here, taken->older);
  } else {
    while (newest->older != taken) newest = newest->older;
    newest->older = taken->older;
  }
  g_free(taken);
}

static void on_start(BhLockRank lowest) {
  bh_local_set(&lowest_here, GUINT_TO_POINTER(lowest));
}

static void check_join(const char *thread_name, BhLockRank lowest, const Taken *held) {
  if (held == NULL) return;
  check_join(thread_name, lowest, held->older);
  if (held->class->rank >= lowest)
    violation(NULL,
              "waits for the end of thread '%s', which may take locks from rank %u on, "
              "while it holds %s (rank %u) from %s",
              thread_name, lowest, held->class->name, held->class->rank, held->site);
}

/* Waiting for a thread's end is waiting for every lock that it may take. */
static void on_join(const char *thread_name, BhLockRank lowest) {
  check_join(thread_name, lowest, bh_local_get(&taken_here));
}

static const BhSyncObserver observer = {.acquire = on_acquire,
                                        .acquired = on_acquired,
                                        .release = on_release,
                                        .wait = on_wait,
                                        .start = on_start,
                                        .join = on_join};

/* ---- The interface ------------------------------------------------------------------------------------- */

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

BhLockOrderMode bh_lock_order_mode_of_build(void) {
#if defined(NDEBUG) || defined(G_DISABLE_ASSERT)
  return BH_LOCK_ORDER_LOG;
#else
  return BH_LOCK_ORDER_FATAL;
#endif
}

void bh_lock_order_start(BhLockOrderMode mode) {
  bh_lock_order_start_with(mode == BH_LOCK_ORDER_FATAL ? report_fatal : report_first, NULL);
}

void bh_lock_order_start_with(BhLockOrderReport func, gpointer data) {
  report_func = func;
  report_data = data;
  g_queue_init(&had);                 /* nothing is held; what it holds all the same, nobody will release */
  bh_sync_remove_observer(&observer); /* it may have been started otherwise */
  bh_sync_add_observer(&observer);
}

void bh_lock_order_stop(void) {
  bh_sync_remove_observer(&observer);
}

static void check_only(const BhLockClass *lock_class, gconstpointer lock, const char *doing, const Taken *held) {
  if (held == NULL) return;
  check_only(lock_class, lock, doing, held->older);
  if (!is(held, lock_class, lock))
    violation(NULL, "holds %s from %s at: %s", held->class->name, held->site, doing);
}

void bh_lock_order_assert_only(const BhLockClass *lock_class, gconstpointer lock, const char *doing) {
  check_only(lock_class, lock, doing, bh_local_get(&taken_here));
}
