#include "backend-win32/service/activity-members.h"

/* How long free waits until the ends of a job's processes were told. They have ended when it is called; what it waits for is
 * the thread, which another link's event may hold up. */
#define ENDS_TOLD_TIMEOUT (1 * G_TIME_SPAN_SECOND)

static const BhLockClass port_class = {"win32 activity", BH_RANK_LEAF, FALSE};

/* --- On and off ----------------------------------------------------------------------------------------- */

static gpointer run(gpointer data);

/* With the lock. The new thread waits for the old one, which may be about to end still; nobody else need. */
static gboolean have_thread(BhActivityPort *port) {
  if (port->is_running) return TRUE;
  g_assert(port->former == NULL);
  port->former = port->thread;
  port->thread = bh_thread_new("activity", BH_RANK_SESSION_TABLE, run, port);
  port->is_running = port->thread != NULL;
  if (!port->is_running) port->thread = g_steal_pointer(&port->former);
  return port->is_running;
}

/* With the lock. Also of one that is. */
static BhResult connect_job(BhActivityLink *self) {
  BhActivityPort *port = self->port;
  JOBOBJECT_ASSOCIATE_COMPLETION_PORT to = {.CompletionKey = (void *)(gsize)self->key};

  if (self->is_connected) return BH_OK;
  if (port->port == NULL) port->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1);
  if (port->port == NULL) return bh_wire_error(GetLastError());
  if (!have_thread(port)) return BH_E_OUTOFMEMORY;
  to.CompletionPort = port->port;
  if (!SetInformationJobObject(self->job, JobObjectAssociateCompletionPortInformation, &to, sizeof to))
    return bh_wire_error(GetLastError());
  self->is_connected = TRUE;
  port->connected++;
  return BH_OK;
}

/* With the lock. Windows 8 and newer can undo it; Wine 8 cannot. */
static void disconnect_job(BhActivityLink *self, gboolean for_good) {
  JOBOBJECT_ASSOCIATE_COMPLETION_PORT to = {.CompletionKey = (void *)(gsize)self->key};

  if (!self->is_connected) return;
  if (!SetInformationJobObject(self->job, JobObjectAssociateCompletionPortInformation, &to, sizeof to) &&
      !for_good)
    return;
  self->is_connected = FALSE;
  self->port->connected--;
}

/* On a thread of the thread pool. However often the host sets its event, there is one packet at a time. */
static void CALLBACK ring_filled(void *data, G_GNUC_UNUSED BOOLEAN timed_out) {
  BhActivityLink *self = data;
  if (g_atomic_int_compare_and_exchange(&self->ring_pending, FALSE, TRUE))
    bh_activity_post(self, BH_PACKET_RING, 0);
}

/* With the lock. */
static gboolean wait_for_ring(BhActivityLink *self) {
  return self->ring_wait != NULL ||
         RegisterWaitForSingleObject(&self->ring_wait, bh_host_threads_event(self->threads), ring_filled, self,
                                     INFINITE, WT_EXECUTEINWAITTHREAD);
}

static void forget_ring(BhActivityLink *self) {
  if (self->ring_wait != NULL) UnregisterWaitEx(self->ring_wait, INVALID_HANDLE_VALUE);
  self->ring_wait = NULL;
}

/* With the lock. The mark goes ahead of the count. */
static BhResult turn(BhActivityLink *self, BhActivityKind kind, gboolean on) {
  BhActivityFeed *feed = &self->feeds[kind];

  if (feed->is_on == on) return BH_OK;
  if (kind == BH_ACTIVITY_THREADS && on && !wait_for_ring(self)) return bh_wire_error(GetLastError());
  if (kind == BH_ACTIVITY_THREADS) bh_host_threads_watch(self->threads, on);
  feed->is_on = on;
  feed->serial++;
  bh_activity_members_free(g_steal_pointer(&feed->fresh));
  if (!bh_activity_post(self, BH_PACKET_MARK + kind, feed->serial)) {
    feed->is_on = FALSE;
    return BH_E_OUTOFMEMORY;
  }
  if (on) feed->fresh = bh_activity_count(self, kind);
  return BH_OK;
}

/* With the lock. Threads are between the beginning and the end of their processes. */
static BhResult turn_on(BhActivityLink *self, gboolean threads) {
  BhResult result = connect_job(self);

  if (BH_SUCCEEDED(result)) result = turn(self, BH_ACTIVITY_PROCESSES, TRUE);
  if (BH_FAILED(result)) return result;
  if (threads && self->threads == NULL) return BH_E_NOTIMPL;
  return self->threads != NULL ? turn(self, BH_ACTIVITY_THREADS, threads) : BH_OK;
}

BhResult bh_activity_watch(BhActivityLink *self, BhWatch what) {
  BhResult result = BH_OK;

  if (self->events->activity == NULL) return BH_OK;
  bh_mutex_lock(&self->port->lock);
  if (what != BH_WATCH_NOTHING) {
    result = turn_on(self, (what & BH_WATCH_THREADS) != 0);
  } else {
    turn(self, BH_ACTIVITY_THREADS, FALSE);
    turn(self, BH_ACTIVITY_PROCESSES, FALSE);
  }
  bh_mutex_unlock(&self->port->lock);
  return result;
}

static void reached_mark(BhActivityLink *self, BhActivityKind kind, guint32 serial) {
  BhActivityFeed *feed = &self->feeds[kind];
  GPtrArray *fresh;

  bh_mutex_lock(&self->port->lock);
  if (feed->serial != serial) { /* another is behind it */
    bh_mutex_unlock(&self->port->lock);
    return;
  }
  fresh = g_steal_pointer(&feed->fresh);
  if (!feed->is_on && kind == BH_ACTIVITY_PROCESSES) disconnect_job(self, FALSE);
  if (!feed->is_on && kind == BH_ACTIVITY_THREADS) forget_ring(self);
  bh_mutex_unlock(&self->port->lock);

  bh_activity_clear(self, feed);
  if (kind == BH_ACTIVITY_PROCESSES) g_clear_pointer(&self->suspects, g_array_unref);
  feed->reached = serial;
  if (fresh != NULL && kind == BH_ACTIVITY_THREADS && !bh_activity_knows_host(self))
    bh_activity_members_free(fresh); /* the host's end was told */
  else if (fresh != NULL)
    bh_activity_adopt(self, fresh);
  if (kind == BH_ACTIVITY_THREADS) bh_activity_read_ring(self);
}

/* --- The thread ----------------------------------------------------------------------------------------- */

static void look_at(BhActivityLink *self, DWORD kind, DWORD value) {
  switch (kind) {
    case BH_PACKET_MARK + BH_ACTIVITY_PROCESSES: reached_mark(self, BH_ACTIVITY_PROCESSES, value); return;
    case BH_PACKET_MARK + BH_ACTIVITY_THREADS: reached_mark(self, BH_ACTIVITY_THREADS, value); return;
    case BH_PACKET_ENDED + BH_ACTIVITY_THREADS: bh_activity_ended(self, BH_ACTIVITY_THREADS, value); return;
    case BH_PACKET_RING: bh_activity_read_ring(self); return;
    default: break;
  }
  if (!bh_activity_is_current(self, BH_ACTIVITY_PROCESSES)) return;
  switch (kind) {
    case BH_PACKET_ENDED + BH_ACTIVITY_PROCESSES: bh_activity_ended(self, BH_ACTIVITY_PROCESSES, value); break;
    case BH_PACKET_SUSPECTS: bh_activity_look_at_suspects(self); break;
    case JOB_OBJECT_MSG_NEW_PROCESS: bh_activity_began(self, BH_ACTIVITY_PROCESSES, value); break;
    case JOB_OBJECT_MSG_EXIT_PROCESS: bh_activity_left(self, BH_ACTIVITY_PROCESSES, value, FALSE); break;
    /* Instead of the one before, not besides it. */
    case JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS: bh_activity_left(self, BH_ACTIVITY_PROCESSES, value, TRUE); break;
    case JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO: bh_activity_empty(self); break;
    default: break; /* limits, of which the job has none */
  }
}

/* FALSE: nothing is connected to the port any more. */
static gboolean take_one(BhActivityPort *port) {
  OVERLAPPED *value = NULL;
  ULONG_PTR key = 0;
  DWORD kind = 0;
  BhActivityLink *link;
  gboolean goes_on;

  if (!GetQueuedCompletionStatus(port->port, &kind, &key, &value, INFINITE)) g_assert_not_reached();
  bh_mutex_lock(&port->lock);
  link = port->busy_with = g_hash_table_lookup(port->links, (gpointer)key);
  bh_mutex_unlock(&port->lock);
  if (link != NULL) look_at(link, kind, (DWORD)(gsize)value);
  bh_mutex_lock(&port->lock);
  port->busy_with = NULL;
  port->is_running = goes_on = port->connected > 0;
  bh_cond_broadcast(&port->changed);
  bh_mutex_unlock(&port->lock);
  return goes_on;
}

static gpointer run(gpointer data) {
  BhActivityPort *port = data;
  BhThread *former;

  bh_mutex_lock(&port->lock);
  former = g_steal_pointer(&port->former);
  bh_mutex_unlock(&port->lock);
  if (former != NULL) bh_thread_join(former);
  while (take_one(port)) continue;
  return NULL;
}

/* --- Their lives ---------------------------------------------------------------------------------------- */

BhActivityPort *bh_activity_port_new(void) {
  BhActivityPort *self = g_new0(BhActivityPort, 1);

  bh_mutex_init(&self->lock, &port_class);
  bh_cond_init(&self->changed);
  self->links = g_hash_table_new(NULL, NULL);
  return self;
}

void bh_activity_port_free(BhActivityPort *self) {
  g_assert(g_hash_table_size(self->links) == 0);
  if (self->thread != NULL) bh_thread_join(self->thread);
  if (self->port != NULL) CloseHandle(self->port);
  g_hash_table_unref(self->links);
  bh_cond_clear(&self->changed);
  bh_mutex_clear(&self->lock);
  g_free(self);
}

BhActivityLink *bh_activity_new(BhActivityPort *port, HANDLE job, const BhLinkEvents *events, gpointer data) {
  BhActivityLink *self = g_new0(BhActivityLink, 1);

  *self = (BhActivityLink){.port = port, .job = job, .events = events, .data = data};
  self->feeds[BH_ACTIVITY_PROCESSES] = (BhActivityFeed){.began = BH_PROCESS_CREATED, .ended = BH_PROCESS_EXITED};
  self->feeds[BH_ACTIVITY_THREADS] = (BhActivityFeed){.began = BH_THREAD_CREATED, .ended = BH_THREAD_EXITED};
  for (guint i = 0; i < BH_ACTIVITY_KINDS; i++) self->feeds[i].members = g_hash_table_new(NULL, NULL);
  bh_mutex_lock(&port->lock);
  self->key = ++port->last_key;
  g_hash_table_insert(port->links, GUINT_TO_POINTER(self->key), self);
  bh_mutex_unlock(&port->lock);
  return self;
}

void bh_activity_set_host(BhActivityLink *self, DWORD pid) {
  self->host = pid;
}

BhResult bh_activity_share_ring(BhActivityLink *self, HANDLE process, guint64 *ring, guint64 *filled) {
  BhHostThreads *threads = bh_host_threads_new(process, ring, filled);
  gboolean is_taken;

  bh_mutex_lock(&self->port->lock);
  is_taken = threads != NULL && self->threads == NULL;
  if (is_taken) self->threads = threads;
  bh_mutex_unlock(&self->port->lock);
  if (is_taken) return BH_OK;
  *ring = *filled = 0; /* in the host they stay, who should not have asked again */
  bh_host_threads_free(threads);
  return BH_E_UNEXPECTED;
}

/* With the lock: whether there is something to tell. */
static gboolean has_news(const BhActivityLink *self) {
  const BhActivityFeed *feed = &self->feeds[BH_ACTIVITY_PROCESSES];

  return feed->is_on &&
         (feed->fresh != NULL || self->port->busy_with == self || g_hash_table_size(feed->members) > 0);
}

/* With the lock. */
static void close_link(BhActivityLink *self) {
  BhActivityPort *port = self->port;
  const gint64 deadline = bh_clock_deadline(ENDS_TOLD_TIMEOUT);

  while (has_news(self) && bh_cond_wait_until(&port->changed, &port->lock, deadline)) continue;
  self->is_closed = TRUE;
  while (port->busy_with == self) bh_cond_wait(&port->changed, &port->lock);
  g_hash_table_remove(port->links, GUINT_TO_POINTER(self->key));
  disconnect_job(self, TRUE);
  if (port->is_running && port->connected == 0) bh_activity_post(self, BH_PACKET_WAKE, 0);
}

void bh_activity_free(BhActivityLink *self) {
  bh_mutex_lock(&self->port->lock);
  close_link(self);
  bh_mutex_unlock(&self->port->lock);
  forget_ring(self);
  for (guint i = 0; i < BH_ACTIVITY_KINDS; i++) {
    bh_activity_clear(self, &self->feeds[i]);
    g_hash_table_unref(self->feeds[i].members);
    bh_activity_members_free(self->feeds[i].fresh);
  }
  g_clear_pointer(&self->suspects, g_array_unref);
  bh_host_threads_free(self->threads);
  g_free(self);
}
