#include "sync-observers.h"

#ifdef G_OS_WIN32
#include <windows.h>
#else
#include <sys/syscall.h>
#include <unistd.h>
#endif

struct BhThread {
  GThread *native;
  char *name;
  BhLockRank lowest;
  BhThreadFunc func;
  gpointer data;
};

void bh_mutex_init(BhMutex *mutex, const BhLockClass *lock_class) {
  g_mutex_init(&mutex->native);
  mutex->class = lock_class;
  mutex->owner = NULL;
}

void bh_mutex_clear(BhMutex *mutex) {
  g_assert(mutex->owner == NULL);
  g_mutex_clear(&mutex->native);
}

void bh_mutex_lock_at(BhMutex *mutex, const char *site) {
  if (mutex->class != NULL) BH_OBSERVE(acquire, mutex->class, mutex, site);
  g_mutex_lock(&mutex->native);
  mutex->owner = bh_thread_self();
  if (mutex->class != NULL) BH_OBSERVE(acquired, mutex->class, mutex);
}

void bh_mutex_unlock(BhMutex *mutex) {
  g_assert(mutex->owner == bh_thread_self());
  mutex->owner = NULL;
  if (mutex->class != NULL) BH_OBSERVE(release, mutex->class, mutex);
  g_mutex_unlock(&mutex->native);
}

void bh_cond_init(BhCond *cond) {
  g_cond_init(&cond->native);
}

void bh_cond_clear(BhCond *cond) {
  g_cond_clear(&cond->native);
}

gboolean bh_cond_wait_until(BhCond *cond, BhMutex *mutex, gint64 deadline) {
  gboolean in_time = TRUE;

  g_assert(mutex->owner == bh_thread_self());
  BH_OBSERVE(wait, mutex->class, mutex);
  mutex->owner = NULL;
  if (deadline == BH_NO_DEADLINE)
    g_cond_wait(&cond->native, &mutex->native);
  else
    in_time = g_cond_wait_until(&cond->native, &mutex->native, deadline);
  mutex->owner = bh_thread_self();
  BH_OBSERVE(acquired, mutex->class, mutex);
  return in_time;
}

void bh_cond_wait(BhCond *cond, BhMutex *mutex) {
  bh_cond_wait_until(cond, mutex, BH_NO_DEADLINE);
}

void bh_cond_signal(BhCond *cond) {
  g_cond_signal(&cond->native);
}

void bh_cond_broadcast(BhCond *cond) {
  g_cond_broadcast(&cond->native);
}

static gpointer run_thread(gpointer data) {
  BhThread *thread = data;

  BH_OBSERVE(start, thread->lowest);
  return thread->func(thread->data);
}

BhThread *bh_thread_new(const char *name, BhLockRank lowest, BhThreadFunc func, gpointer data) {
  BhThread *thread;

  if (!bh_sync_may_start_thread(name)) return NULL;
  thread = g_new(BhThread, 1);
  *thread = (BhThread){NULL, g_strdup(name), lowest, func, data};
  thread->native = g_thread_try_new(name, run_thread, thread, NULL);
  if (thread->native != NULL) return thread;
  g_free(thread->name);
  g_free(thread);
  return NULL;
}

gpointer bh_thread_join(BhThread *thread) {
  gpointer result;

  BH_OBSERVE(join, thread->name, thread->lowest);
  result = g_thread_join(thread->native);
  g_free(thread->name);
  g_free(thread);
  return result;
}

gpointer bh_thread_self(void) {
  /* The address of a thread's own variable names the thread, for as long as it lives, without asking anybody. */
  static _Thread_local char here;
  return &here;
}

guint64 bh_thread_number(void) {
#ifdef G_OS_WIN32
  return GetCurrentThreadId();
#else
  return (guint64)syscall(SYS_gettid);
#endif
}

guint32 bh_process_number(void) {
#ifdef G_OS_WIN32
  return GetCurrentProcessId();
#else
  return (guint32)getpid();
#endif
}

#ifdef G_OS_WIN32
/* A thread's values are freed by GLib's DllMain. We link it statically, so there is none, and GLib frees only what its own
 * threads have: those of COM, RPC and the thread pools, which come and go, would leave theirs behind. */
void g_thread_win32_thread_detach(void); /* GLib's; it has no public header */

static void NTAPI on_thread_end(G_GNUC_UNUSED void *module, DWORD reason, G_GNUC_UNUSED void *reserved) {
  if (reason == DLL_THREAD_DETACH) g_thread_win32_thread_detach();
}

/* The loader calls what stands in these sections, in their order; A and Z are the C runtime's. */
__attribute__((section(".CRT$XLG"), used)) static const PIMAGE_TLS_CALLBACK thread_end = on_thread_end;
#endif

gpointer bh_local_get(BhLocal *local) {
  return g_private_get(&local->native);
}

void bh_local_set(BhLocal *local, gpointer value) {
  g_private_set(&local->native, value);
}

gint64 bh_clock_now(void) {
  return g_get_monotonic_time();
}

gint64 bh_clock_deadline(gint64 timeout) {
  gint64 now = bh_clock_now();
  return timeout < BH_NO_DEADLINE - now ? now + timeout : BH_NO_DEADLINE;
}
