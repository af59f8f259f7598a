/* sync-pthread.c: core/sync.h on POSIX threads alone, for ThreadSanitizer (docs/testing.md).
 *
 * The sanitizer understands pthreads. GLib's own locks are futexes in a library that it has not instrumented: what they
 * order would look unordered. A program that is linked with this gets nothing of core/sync.c.
 *
 * The header's GMutex, GCond and GPrivate are not used as such: their first member holds what POSIX has instead, made
 * when it is first needed, since an observer's own mutex and every BhLocal are zeroed and never initialised. */
#include "sync-observers.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sanitizer/tsan_interface.h>
#include <sys/syscall.h>
#include <unistd.h>

struct BhThread {
  pthread_t native;
  char *name;
  BhLockRank lowest;
  BhThreadFunc func;
  gpointer data;
};

#define must(call) \
  G_STMT_START { \
    int error_ = (call); \
    if (error_ != 0) g_error("%s: %s", #call, g_strerror(error_)); \
  } \
  G_STMT_END

/* What *place holds, made by make and put there if it is empty; of several threads, one comes first. */
static gpointer get_or_make(gpointer *place, gpointer (*make)(gpointer user), void (*destroy)(gpointer made),
                            gpointer user) {
  gpointer there = __atomic_load_n(place, __ATOMIC_ACQUIRE), made;

  if (there != NULL) return there;
  made = make(user);
  if (__atomic_compare_exchange_n(place, &there, made, FALSE, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return made;
  destroy(made);
  return there;
}

/* ---- Locks --------------------------------------------------------------------------------------------- */

static gpointer make_mutex(gpointer user) {
  pthread_mutex_t *mutex = g_new(pthread_mutex_t, 1);

  (void)user;
  must(pthread_mutex_init(mutex, NULL));
  return mutex;
}

static void destroy_mutex(gpointer mutex) {
  must(pthread_mutex_destroy(mutex));
  g_free(mutex);
}

static pthread_mutex_t *mutex_of(BhMutex *mutex) {
  return get_or_make(&mutex->native.p, make_mutex, destroy_mutex, NULL);
}

void bh_mutex_init(BhMutex *mutex, const BhLockClass *lock_class) {
  *mutex = (BhMutex){.class = lock_class};
}

void bh_mutex_clear(BhMutex *mutex) {
  g_assert(mutex->owner == NULL);
  if (mutex->native.p != NULL) destroy_mutex(mutex->native.p);
  mutex->native.p = NULL;
}

void bh_mutex_lock_at(BhMutex *mutex, const char *site) {
  if (mutex->class != NULL) BH_OBSERVE(acquire, mutex->class, mutex, site);
  must(pthread_mutex_lock(mutex_of(mutex)));
  mutex->owner = bh_thread_self();
  if (mutex->class != NULL) BH_OBSERVE(acquired, mutex->class, mutex);
}

void bh_mutex_unlock(BhMutex *mutex) {
  g_assert(mutex->owner == bh_thread_self());
  mutex->owner = NULL;
  if (mutex->class != NULL) BH_OBSERVE(release, mutex->class, mutex);
  must(pthread_mutex_unlock(mutex_of(mutex)));
}

/* ---- Conditions ---------------------------------------------------------------------------------------- */

/* On the clock that deadlines are times of. */
static gpointer make_cond(gpointer user) {
  pthread_cond_t *cond = g_new(pthread_cond_t, 1);
  pthread_condattr_t attributes;

  (void)user;
  must(pthread_condattr_init(&attributes));
  must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
  must(pthread_cond_init(cond, &attributes));
  must(pthread_condattr_destroy(&attributes));
  return cond;
}

static void destroy_cond(gpointer cond) {
  must(pthread_cond_destroy(cond));
  g_free(cond);
}

static pthread_cond_t *cond_of(BhCond *cond) {
  return get_or_make(&cond->native.p, make_cond, destroy_cond, NULL);
}

void bh_cond_init(BhCond *cond) {
  *cond = (BhCond){0};
}

void bh_cond_clear(BhCond *cond) {
  if (cond->native.p != NULL) destroy_cond(cond->native.p);
  cond->native.p = NULL;
}

static int wait_natively(BhCond *cond, BhMutex *mutex, gint64 deadline) {
  struct timespec time = {(time_t)(deadline / G_USEC_PER_SEC), (long)(deadline % G_USEC_PER_SEC * 1000)};

  if (deadline == BH_NO_DEADLINE) return pthread_cond_wait(cond_of(cond), mutex_of(mutex));
  return deadline < 0 ? ETIMEDOUT : pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &time);
}

gboolean bh_cond_wait_until(BhCond *cond, BhMutex *mutex, gint64 deadline) {
  int error;

  g_assert(mutex->owner == bh_thread_self());
  if (mutex->class != NULL) BH_OBSERVE(wait, mutex->class, mutex);
  mutex->owner = NULL;
  error = wait_natively(cond, mutex, deadline);
  g_assert(error == 0 || error == ETIMEDOUT);
  mutex->owner = bh_thread_self();
  if (mutex->class != NULL) BH_OBSERVE(acquired, mutex->class, mutex);
  return error == 0;
}

void bh_cond_wait(BhCond *cond, BhMutex *mutex) {
  bh_cond_wait_until(cond, mutex, BH_NO_DEADLINE);
}

void bh_cond_signal(BhCond *cond) {
  must(pthread_cond_signal(cond_of(cond)));
}

void bh_cond_broadcast(BhCond *cond) {
  must(pthread_cond_broadcast(cond_of(cond)));
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

static void *run_thread(void *data) {
  BhThread *thread = data;

  BH_OBSERVE(start, thread->lowest);
  return thread->func(thread->data);
}

BhThread *bh_thread_new(const char *name, BhLockRank lowest, BhThreadFunc func, gpointer data) {
  BhThread *thread;

  if (!bh_sync_may_start_thread(name)) return NULL;
  thread = g_new(BhThread, 1);
  *thread = (BhThread){.name = g_strdup(name), .lowest = lowest, .func = func, .data = data};
  if (pthread_create(&thread->native, NULL, run_thread, thread) == 0) return thread;
  g_free(thread->name);
  g_free(thread);
  return NULL;
}

gpointer bh_thread_join(BhThread *thread) {
  gpointer result;

  BH_OBSERVE(join, thread->name, thread->lowest);
  must(pthread_join(thread->native, &result));
  g_free(thread->name);
  g_free(thread);
  return result;
}

gpointer bh_thread_self(void) {
  static _Thread_local char here;
  return &here;
}

guint64 bh_thread_number(void) {
  return (guint64)syscall(SYS_gettid);
}

guint32 bh_process_number(void) {
  return (guint32)getpid();
}

/* ---- A thread's own ------------------------------------------------------------------------------------ */

static gpointer make_key(gpointer user) {
  BhLocal *local = user;
  pthread_key_t *key = g_new(pthread_key_t, 1);

  must(pthread_key_create(key, local->free_func));
  return key;
}

static void destroy_key(gpointer key) {
  must(pthread_key_delete(*(pthread_key_t *)key));
  g_free(key);
}

static pthread_key_t key_of(BhLocal *local) {
  return *(pthread_key_t *)get_or_make(&local->native.p, make_key, destroy_key, local);
}

gpointer bh_local_get(BhLocal *local) {
  return pthread_getspecific(key_of(local));
}

void bh_local_set(BhLocal *local, gpointer value) {
  must(pthread_setspecific(key_of(local), value));
}

/* ---- The clock ----------------------------------------------------------------------------------------- */

gint64 bh_clock_now(void) {
  return g_get_monotonic_time();
}

gint64 bh_clock_deadline(gint64 timeout) {
  gint64 now = bh_clock_now();
  return timeout < BH_NO_DEADLINE - now ? now + timeout : BH_NO_DEADLINE;
}

/* ---- What GLib counts ---------------------------------------------------------------------------------- */

/* A reference that is given up orders what was done with it before what the last one's holder does: releasing. But GLib
 * counts where the sanitizer does not look. So these go in between, and tell it. */

static _Thread_local GDestroyNotify clear_func; /* of the box that this thread lets go of; NULL: none */

static void clear_box(gpointer box) {
  GDestroyNotify clear = clear_func;

  __tsan_acquire(box);
  if (clear != NULL) clear(box);
}

/* What GLib's header has besides is macros, which check types. */
#undef g_atomic_rc_box_release_full
#undef g_atomic_rc_box_release
#undef g_atomic_ref_count_dec

void g_atomic_rc_box_release_full(gpointer box, GDestroyNotify clear) {
  void (*release)(gpointer, GDestroyNotify) = NULL;
  GDestroyNotify outer = clear_func; /* this box's holder may be a box, which is being cleared */

  *(void **)&release = dlsym(RTLD_NEXT, "g_atomic_rc_box_release_full");
  __tsan_release(box);
  clear_func = clear;
  release(box, clear_box);
  clear_func = outer;
}

void g_atomic_rc_box_release(gpointer box) {
  g_atomic_rc_box_release_full(box, NULL);
}

gboolean g_atomic_ref_count_dec(gatomicrefcount *count) {
  gboolean (*decrement)(gatomicrefcount *) = NULL;
  gboolean was_last;

  *(void **)&decrement = dlsym(RTLD_NEXT, "g_atomic_ref_count_dec");
  __tsan_release(count);
  was_last = decrement(count);
  if (was_last) __tsan_acquire(count);
  return was_last;
}
