#include "backend-win32/service/link.h"

#include "backend-win32/service/callback.h"
#include "backend-win32/service/handover.h"
#include "backend-win32/service/job.h"
#include "backend-win32/service/signature.h"

/* How long a host that was let go may take to end by itself: its plugin's DllMain runs in there. */
#define RELEASE_TIMEOUT_MS 5000

/* How long a host whose handle is not signalled yet may be about to end. */
#define DYING_GRACE_MS 250

/* What the transport says when COM has swallowed a fault in the host. Windows has RPC_E_SERVERFAULT for it;
 * Wine passes the exception on, ERROR_NOACCESS. */
#define WINE_SERVERFAULT ((HRESULT)0x800703E6)

static const BhLockClass link_class = {"win32 link", BH_RANK_LEAF, FALSE};

static BhWin32Link *from_base(BhLink *link) {
  return (BhWin32Link *)link;
}

BhWin32Link *bh_win32_link_new(BhWin32Backend *backend, const BhPluginSpec *spec, const BhLinkEvents *events,
                               gpointer data) {
  BhWin32Link *self = g_new0(BhWin32Link, 1);

  self->base.class = &bh_backend_win32_class;
  self->backend = backend;
  self->events = events;
  self->data = data;
  self->name = g_strdup(spec->name);
  self->path = bh_wire_full_path(spec->path);
  bh_mutex_init(&self->lock, &link_class);
  self->job = bh_host_process_job(); /* none: no host is let in (Hello) */
  self->callback = bh_callback_new(self);
  self->activity = bh_activity_new(backend->activity, self->job, events, data);
  return self;
}

guint32 bh_win32_link_pid(BhLink *link) {
  return from_base(link)->process.pid;
}

BhResult bh_win32_link_watch_activity(BhLink *link, BhWatch what) {
  return bh_activity_watch(from_base(link)->activity, what);
}

/* --- Death ---------------------------------------------------------------------------------------------- */

/* On a thread of the thread pool: the process has ended. */
static void CALLBACK process_ended(void *data, G_GNUC_UNUSED BOOLEAN timed_out) {
  BhWin32Link *self = data;
  gboolean is_news, killed;
  g_autofree char *how = bh_host_process_how(&self->process, &killed);

  bh_job_end(self->job, BH_EXIT_KILLED); /* what it has started is nobody's now */

  bh_mutex_lock(&self->lock);
  is_news = self->state == BH_LINK_RUNNING;
  if (is_news) self->state = BH_LINK_DEAD;
  if (killed && self->kill_reason != NULL) { /* a kill may come to a process that is just ending by itself */
    g_free(how);
    how = g_strdup_printf("stopped by the service: %s", self->kill_reason);
  }
  bh_mutex_unlock(&self->lock);
  if (is_news) self->events->died(self->data, how);
}

gboolean bh_win32_link_watch(BhWin32Link *self) {
  return RegisterWaitForSingleObject(&self->death_wait, self->process.handle, process_ended, self, INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTELONGFUNCTION);
}

void bh_win32_link_kill(BhLink *link, const char *reason) {
  BhWin32Link *self = from_base(link);

  bh_mutex_lock(&self->lock);
  if (self->state == BH_LINK_RUNNING && self->kill_reason == NULL && !bh_host_process_wait(&self->process, 0))
    self->kill_reason = g_strdup(reason);
  bh_mutex_unlock(&self->lock);
  bh_host_process_end(&self->process, BH_EXIT_KILLED);
  if (self->job != NULL) bh_job_end(self->job, BH_EXIT_KILLED);
}

/* Whether a host of which the transport says this may be on its way out. A process is taken apart before its
 * handle is signalled, and meanwhile nothing can be duplicated into it (E_ACCESSDENIED), or its connections
 * break. These three are said of hosts that live. */
static gboolean may_be_dying(HRESULT status) {
  return status != RPC_E_CALL_REJECTED && status != E_INVALIDARG && status != E_OUTOFMEMORY;
}

/* A transport's status as host-crash knows them. A host that is in no state to go on is ended here. */
static BhResult judge(BhWin32Link *self, HRESULT status) {
  if (SUCCEEDED(status)) return BH_OK;
  if (status == WINE_SERVERFAULT || status == RPC_E_SERVERFAULT) {
    bh_win32_link_kill(&self->base, "COM has caught a fault in it");
    return BH_RPC_E_SERVERFAULT;
  }
  /* Whatever the transport makes of a host that is no more. */
  if (bh_host_process_wait(&self->process, may_be_dying(status) ? DYING_GRACE_MS : 0)) return BH_RPC_E_SERVER_DIED;
  return (BhResult)status;
}

/* The reply of a call that has succeeded. A host whose words make no sense is not to be trusted with more. */
static BhResult take(BhWin32Link *self, const BhFields *fields, UINT32 size, BYTE *array, gpointer reply) {
  if (SUCCEEDED(bh_wire_take(fields, size, array, reply))) return BH_OK;
  bh_win32_link_kill(&self->base, "its answer was no record");
  return BH_RPC_E_SERVERFAULT;
}

/* --- Calls into the host -------------------------------------------------------------------------------- */

/* A call of IWslPluginHost, and what came of it. */
typedef struct {
  BhWin32Link *link;
  BhHook hook; /* BH_HOOK_NONE: Load */
  GBytes *record;
  const BhFields *fields; /* of the reply */
  gpointer reply;
  BhResult result;
} Trip;

/* In the MTA. */
static void travel(gpointer data) {
  Trip *trip = data;
  IWslPluginHost *host = trip->link->host;
  const BYTE *record = g_bytes_get_data(trip->record, NULL);
  const UINT32 record_size = (UINT32)g_bytes_get_size(trip->record);
  UINT32 size = 0;
  BYTE *array = NULL;
  HRESULT status;

  if (trip->hook == BH_HOOK_NONE)
    status = IWslPluginHost_Load(host, record_size, record, &size, &array);
  else
    status = IWslPluginHost_Notify(host, trip->hook, record_size, record, &size, &array);
  trip->result =
      FAILED(status) ? judge(trip->link, status) : take(trip->link, trip->fields, size, array, trip->reply);
}

static BhResult call_host(BhWin32Link *self, BhHook hook, GBytes *record, const BhFields *fields, gpointer reply) {
  Trip trip = {self, hook, record, fields, reply, BH_E_OUTOFMEMORY};

  if (record == NULL) return BH_E_INVALIDARG; /* more than a record may be */
  bh_apartment_run(travel, &trip);
  return trip.result;
}

static BhResult load(BhWin32Link *self, char *path, BhLoadReply *reply) {
  const BhWireLoad load = {self->name, path};
  g_autoptr(GBytes) record = bh_record_encode(&bh_wire_load_fields, &load, NULL);

  return call_host(self, BH_HOOK_NONE, record, &bh_load_reply_fields, reply);
}

/* Held from before it is verified until the host has it. What is refused is not the transport's failure, and the host is
 * not even asked. */
static BhResult load_signed(BhWin32Link *self, BhLoadReply *reply) {
  BhSignedFile file;
  BhResult result;

  reply->result = bh_signed_file_open(&file, self->path, &reply->cause);
  if (BH_FAILED(reply->result)) return BH_OK;
  result = load(self, file.path, reply);
  bh_signed_file_close(&file);
  return result;
}

BhResult bh_win32_link_load(BhLink *link, BhLoadReply *reply) {
  BhWin32Link *self = from_base(link);

  return self->backend->signed_only ? load_signed(self, reply) : load(self, self->path, reply);
}

BhResult bh_win32_link_notify(BhLink *link, const BhNotification *notification, BhNotifyReply *reply) {
  BhWin32Link *self = from_base(link);
  BhNotification sent = *notification;
  g_autoptr(GBytes) record = NULL;
  HRESULT status = bh_handover_token(&self->process, notification->token, &sent.token);

  if (FAILED(status)) return judge(self, status);
  record = bh_record_encode_notification(&sent, NULL);
  return call_host(self, notification->hook, record, &bh_notify_reply_fields, reply);
}

/* --- Release -------------------------------------------------------------------------------------------- */

/* Releasing the last reference ends the host. It says goodbye first, so that it does not end in the middle
 * of that: Wine 8 never closes its connections to a process that ended before its proxies were released. */
static void let_go(gpointer data) {
  BhWin32Link *self = data;
  if (self->host != NULL) IWslPluginHost_Release(self->host);
  bh_callback_farewell(self->callback);
}

/* On a thread of its own, as it is a call into the host, and one that hangs does not answer. */
static gpointer let_go_on_thread(gpointer data) {
  let_go(data);
  return NULL;
}

/* Lets the host end, or ends it. Afterwards its process is no more, and the proxy is released. */
static void end_host(BhWin32Link *self) {
  BhThread *thread = NULL;

  if (self->host != NULL && !bh_host_process_wait(&self->process, 0))
    thread = bh_thread_new("release", BH_RANK_LEAF, let_go_on_thread, self);
  if (!bh_host_process_wait(&self->process, thread != NULL ? RELEASE_TIMEOUT_MS : 0)) {
    bh_host_process_end(&self->process, BH_EXIT_KILLED);
    bh_host_process_wait(&self->process, INFINITE);
  }
  if (thread != NULL)
    bh_thread_join(thread);
  else
    bh_apartment_run(let_go, self);
}

void bh_win32_link_release(BhLink *link) {
  BhWin32Link *self = from_base(link);

  bh_mutex_lock(&self->lock);
  self->state = BH_LINK_RELEASED;
  bh_mutex_unlock(&self->lock);
  /* Waits for a `died` that runs. */
  if (self->death_wait != NULL) UnregisterWaitEx(self->death_wait, INVALID_HANDLE_VALUE);
  bh_callback_drain(self->callback);
  end_host(self);
  if (self->job != NULL) bh_job_end(self->job, BH_EXIT_KILLED); /* what the plugin has left running */
  bh_activity_free(self->activity);
  bh_callback_close(self->callback);
  bh_callback_unref(self->callback);
  if (self->job != NULL) CloseHandle(self->job);
  bh_host_process_clear(&self->process);
  bh_mutex_clear(&self->lock);
  g_free(self->kill_reason);
  g_free(self->name);
  g_free(self->path);
  g_free(self);
}
