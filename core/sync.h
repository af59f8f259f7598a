/* sync.h: every lock, every wait, every thread, every clock.
 *
 * This is the only room that blocks, and the only one that names GMutex, GCond, GThread, thread-local storage or a
 * clock. Everything else, in core and around it, goes through here. Hence one observer sees all of it: `lock-order`
 * checks ranks with it, and a build can put a scheduler underneath that chooses every interleaving.
 *
 *   static const BhLockClass queue_class = { "queue", BH_RANK_LEAF };
 *   bh_mutex_init(&queue->lock, &queue_class);
 *   bh_mutex_lock(&queue->lock);
 *   while (queue->length == 0) bh_cond_wait(&queue->filled, &queue->lock);
 *   bh_mutex_unlock(&queue->lock);
 *
 * A mutex is made with a *class*: its name in reports and its rank. Ranks only ever grow on a thread's way down:
 *
 *   session table < instance < callback < manager < pump < leaf
 *
 * A mutex is not recursive. A lock that is (the instance lock) is a monitor made of a mutex and conditions; it
 * reports itself to the observer with bh_sync_note_*, and the observer allows its class to be taken again.
 *
 * Guarantees: a mutex is released by the thread that took it (asserted); a wait may wake for no reason, so look at
 * what you wait for; a thread made by bh_thread_new is joined exactly once.
 *
 * Besides sync.c, others implement this header; a program that is linked with one of them gets nothing of sync.c, and
 * otherwise the same objects of core. backend-mock/scheduler-sync.c runs threads as contexts of one, and chooses at every
 * call who goes on. */
#pragma once

#include "result.h"

G_BEGIN_DECLS

typedef enum {
  BH_RANK_SESSION_TABLE = 1,
  BH_RANK_INSTANCE,
  BH_RANK_CALLBACK,
  BH_RANK_MANAGER,
  BH_RANK_PUMP,
  BH_RANK_LEAF,
} BhLockRank;

typedef struct {
  const char *name;
  BhLockRank rank;
  gboolean recursive; /* may be taken again by the thread that holds it */
} BhLockClass;

typedef struct {
  GMutex native;
  const BhLockClass *class;
  gpointer owner; /* the thread that holds it, for assertions; written under native */
} BhMutex;        /* zeroed, static, and never initialised: an observer's own. No observer sees it */

typedef struct {
  GCond native;
} BhCond;

/* Where a lock is taken, for reports. */
#define bh_mutex_lock(mutex) bh_mutex_lock_at(mutex, G_STRLOC)

void bh_mutex_init(BhMutex *mutex, const BhLockClass *lock_class); /* lock_class: static */
void bh_mutex_clear(BhMutex *mutex);                               /* nobody may hold it */
void bh_mutex_lock_at(BhMutex *mutex, const char *site);
void bh_mutex_unlock(BhMutex *mutex);

void bh_cond_init(BhCond *cond);
void bh_cond_clear(BhCond *cond); /* nobody may wait for it */
void bh_cond_wait(BhCond *cond, BhMutex *mutex);
/* Waits until signalled or until bh_clock_now() reaches deadline (µs). FALSE: the deadline passed. */
gboolean bh_cond_wait_until(BhCond *cond, BhMutex *mutex, gint64 deadline);
void bh_cond_signal(BhCond *cond);
void bh_cond_broadcast(BhCond *cond);

#define BH_NO_DEADLINE G_MAXINT64

typedef struct BhThread BhThread;
typedef gpointer (*BhThreadFunc)(gpointer data);

/* Starts a thread. lowest: the thread takes no lock of a lower rank (lock-order holds it to that), so it may be waited for
 * by whoever holds none but lower ones. NULL: no thread can be had; nothing was started. name is copied. */
BhThread *bh_thread_new(const char *name, BhLockRank lowest, BhThreadFunc func, gpointer data);
/* Waits for the thread's end and frees thread. Returns what func returned. */
gpointer bh_thread_join(BhThread *thread);

/* The calling thread: equal for the same thread, different for two that live at the same time; never NULL. */
gpointer bh_thread_self(void);
/* The operating system's number of the calling thread, for people to read. */
guint64 bh_thread_number(void);
/* The operating system's number of this process. */
guint32 bh_process_number(void);

/* One value per thread, NULL at first. Static storage. free_func (may be NULL) gets the value at the thread's end. */
typedef struct {
  GPrivate native;
  GDestroyNotify free_func;
} BhLocal;
#define BH_LOCAL_INIT(free_func) \
  { G_PRIVATE_INIT(free_func), free_func }
gpointer bh_local_get(BhLocal *local);
void bh_local_set(BhLocal *local, gpointer value);

/* Monotonic, µs. */
gint64 bh_clock_now(void);
/* The time at which a timeout (µs) that begins now is over; BH_NO_DEADLINE for one that reaches as far. */
gint64 bh_clock_deadline(gint64 timeout);

/* Sees what threads do to locks. Every member may be NULL. Called on the thread that does it. */
typedef struct {
  /* is about to wait for the lock */
  void (*acquire)(const BhLockClass *lock_class, gconstpointer lock, const char *site);
  /* has got the lock it was about to wait for, or has it again after a wait for a condition */
  void (*acquired)(const BhLockClass *lock_class, gconstpointer lock);
  /* is about to let it go; also of one that it never got, when it no longer wants it */
  void (*release)(const BhLockClass *lock_class, gconstpointer lock);
  /* is about to wait for a condition with mutex, which is released meanwhile */
  void (*wait)(const BhLockClass *lock_class, gconstpointer lock);
  /* is a thread that begins, and will take no lock of a lower rank */
  void (*start)(BhLockRank lowest);
  /* is about to wait for the end of a thread that was begun with that rank */
  void (*join)(const char *thread_name, BhLockRank lowest);
  /* FALSE: make as if no thread could be had (fault injection) */
  gboolean (*may_start_thread)(const char *thread_name);
} BhSyncObserver;

/* Adds an observer (static; at most four), and takes it away. Without any, they cost nothing. While no other thread uses
 * this room. */
void bh_sync_add_observer(const BhSyncObserver *observer);
void bh_sync_remove_observer(const BhSyncObserver *observer);

/* For locks made of a mutex and conditions: tells the observers as if the lock were a mutex. */
void bh_sync_note_acquire(const BhLockClass *lock_class, gconstpointer lock, const char *site);
void bh_sync_note_acquired(const BhLockClass *lock_class, gconstpointer lock);
void bh_sync_note_release(const BhLockClass *lock_class, gconstpointer lock);

G_END_DECLS
