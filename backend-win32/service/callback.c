#include "backend-win32/service/callback.h"

#include "backend-win32/service/handover.h"
#include "backend-win32/service/job.h"

/* How many calls of one host run at once. Each has a thread of COM's; a plugin's own are not that many. */
#define CALLS_MAX 256

struct BhCallback {
  IWslPluginHostCallback com;
  gint references; /* atomic */
  BhMutex lock;    /* guards what follows; a leaf, held across nothing */
  BhCond changed;
  guint inside;      /* methods that run */
  guint calls;       /* of those, how many are a Call that was let in */
  gboolean draining; /* no Call is let in any more */
  gboolean goodbye;  /* Goodbye was let in */
  gboolean farewell; /* it may return */
  BhWin32Link *link; /* NULL: closed */
};

static const BhLockClass callback_class = {"host callback", BH_RANK_LEAF, FALSE};

/* --- The gate ------------------------------------------------------------------------------------------- */

/* The link, which stays until bh_callback_leave. NULL: closed. */
static BhWin32Link *enter(BhCallback *self) {
  BhWin32Link *link;

  bh_mutex_lock(&self->lock);
  link = self->link;
  if (link != NULL) self->inside++;
  bh_mutex_unlock(&self->lock);
  return link;
}

static void leave(BhCallback *self) {
  bh_mutex_lock(&self->lock);
  self->inside--;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

/* The process that the running COM call comes from, as the transport knows it: the message cannot lie about
 * it. 0: it does not say. */
static DWORD caller_pid(void) {
  unsigned long pid = 0;
  return I_RpcBindingInqLocalClientPID(NULL, &pid) == RPC_S_OK ? pid : 0;
}

/* Whether the caller is the link's host. */
static gboolean is_host(BhWin32Link *link) {
  const DWORD pid = caller_pid();
  gboolean is_known;

  bh_mutex_lock(&link->lock);
  is_known = link->process.pid != 0 && link->process.pid == pid;
  bh_mutex_unlock(&link->lock);
  return is_known;
}

static gboolean is_running(BhWin32Link *link) {
  gboolean is_running;

  bh_mutex_lock(&link->lock);
  is_running = link->state == BH_LINK_RUNNING;
  bh_mutex_unlock(&link->lock);
  return is_running;
}

/* S_OK: the link takes a call now, until end_call. Those that are turned away are not counted: a host that
 * never stops asking must not keep drain waiting. */
static HRESULT begin_call(BhCallback *self, BhWin32Link *link) {
  HRESULT status;

  if (!is_running(link)) return E_UNEXPECTED;
  bh_mutex_lock(&self->lock);
  if (self->draining)
    status = E_UNEXPECTED;
  else
    status = self->calls < CALLS_MAX ? S_OK : E_OUTOFMEMORY;
  if (SUCCEEDED(status)) self->calls++;
  bh_mutex_unlock(&self->lock);
  return status;
}

static void end_call(BhCallback *self) {
  bh_mutex_lock(&self->lock);
  self->calls--;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

/* --- IWslPluginHostCallback ----------------------------------------------------------------------------- */

static BhCallback *from_interface(IWslPluginHostCallback *com) {
  return CONTAINING_RECORD(com, BhCallback, com);
}

static HRESULT STDMETHODCALLTYPE callback_query(IWslPluginHostCallback *com, REFIID iid, void **object) {
  *object = NULL;
  if (!IsEqualIID(iid, &IID_IUnknown) && !IsEqualIID(iid, &IID_IWslPluginHostCallback)) return E_NOINTERFACE;
  *object = com;
  IWslPluginHostCallback_AddRef(com);
  return S_OK;
}

static ULONG STDMETHODCALLTYPE callback_add_ref(IWslPluginHostCallback *com) {
  return (ULONG)g_atomic_int_add(&from_interface(com)->references, 1) + 1;
}

static ULONG STDMETHODCALLTYPE callback_release(IWslPluginHostCallback *com) {
  BhCallback *self = from_interface(com);
  ULONG left = (ULONG)g_atomic_int_add(&self->references, -1) - 1;

  if (left == 0) {
    bh_cond_clear(&self->changed);
    bh_mutex_clear(&self->lock);
    g_free(self);
  }
  return left;
}

/* Whether Hello is still to come. With the link's lock held. */
static gboolean awaits_hello(const BhWin32Link *link) {
  return link->process.pid == 0 && link->state == BH_LINK_RUNNING;
}

static HRESULT hello(BhWin32Link *link, UINT64 *report) {
  BhHostProcess process = {0};
  gboolean is_awaited, is_own;
  HRESULT status;

  /* Looked at before the caller is contained, for that cannot be taken back; and again afterwards, as
   * containing is done without the lock. */
  bh_mutex_lock(&link->lock);
  is_awaited = awaits_hello(link);
  bh_mutex_unlock(&link->lock);
  if (!is_awaited) return E_ACCESSDENIED;
  /* Another link's host, which runs the right image too; or what a plugin has started. A host whose Hello is awaited is
   * in no job of ours yet. */
  if (bh_job_has(link->backend->job, caller_pid())) return E_ACCESSDENIED;
  status = bh_host_process_contain(&process, caller_pid(), link->backend->host_path, link->backend->job);
  if (FAILED(status)) return status;
  status = link->job != NULL ? bh_job_hold(link->job, process.handle) : E_OUTOFMEMORY;
  if (FAILED(status)) {
    bh_host_process_end(&process, BH_EXIT_KILLED); /* it has loaded nothing, and could not be ended as a whole */
    bh_host_process_clear(&process);
    return status;
  }

  bh_mutex_lock(&link->lock);
  is_awaited = awaits_hello(link);
  is_own = link->process.pid == process.pid; /* said twice at once */
  if (is_awaited) link->process = process;
  bh_mutex_unlock(&link->lock);
  if (is_awaited) {
    bh_activity_set_host(link->activity, process.pid);
    *report = bh_handover_report(&process);
    return S_OK;
  }
  if (!is_own) bh_host_process_end(&process, BH_EXIT_KILLED); /* a host in our job that nobody would ever end */
  bh_host_process_clear(&process);
  return E_ACCESSDENIED;
}

static HRESULT STDMETHODCALLTYPE callback_hello(IWslPluginHostCallback *com, UINT64 *report) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  HRESULT status;

  *report = 0;
  if (link == NULL) return E_UNEXPECTED;
  status = hello(link, report);
  leave(self);
  return status;
}

/* A call that was let in. */
static HRESULT serve(BhWin32Link *link, const BhCall *call, UINT32 *reply_size, BYTE **reply_bytes) {
  g_auto(BhCallReply) reply = {0}; /* closes the service's side of a resource, whatever became of it */

  link->events->call(link->data, call, &reply);
  if (BH_SUCCEEDED(reply.result)) {
    BhResult result = bh_handover_resource(&link->process, bh_wire_resource(call->api), &reply);
    if (BH_FAILED(result)) reply.result = result;
  }
  return bh_wire_give(bh_record_encode(&bh_call_reply_fields, &reply, NULL), reply_size, reply_bytes);
}

static HRESULT STDMETHODCALLTYPE callback_call(IWslPluginHostCallback *com, UINT32 api, UINT32 size,
                                               const BYTE *record, UINT32 *reply_size, BYTE **reply_bytes) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  BhCall call = {0};
  HRESULT status = E_ACCESSDENIED;

  *reply_size = 0;
  *reply_bytes = NULL;
  if (link == NULL) return E_UNEXPECTED;
  if (is_host(link)) status = begin_call(self, link);
  if (SUCCEEDED(status)) {
    if (bh_record_decode_call((BhApi)api, record, size, &call, NULL)) {
      status = serve(link, &call, reply_size, reply_bytes);
      bh_record_clear_call(&call);
    } else {
      status = E_INVALIDARG;
    }
    end_call(self);
  }
  leave(self);
  return status;
}

static HRESULT STDMETHODCALLTYPE callback_goodbye(IWslPluginHostCallback *com) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  HRESULT status;

  if (link == NULL) return E_UNEXPECTED;
  status = is_host(link) ? S_OK : E_ACCESSDENIED;
  bh_mutex_lock(&self->lock);
  if (SUCCEEDED(status) && self->goodbye) status = E_UNEXPECTED; /* one waits, more would only take threads */
  if (SUCCEEDED(status)) {
    self->goodbye = TRUE;
    while (!self->farewell) bh_cond_wait(&self->changed, &self->lock);
  }
  bh_mutex_unlock(&self->lock);
  leave(self);
  return status;
}

static HRESULT STDMETHODCALLTYPE callback_threads(IWslPluginHostCallback *com, UINT64 *ring, UINT64 *filled) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  HRESULT status;

  *ring = *filled = 0;
  if (link == NULL) return E_UNEXPECTED;
  status = is_host(link) ? S_OK : E_ACCESSDENIED;
  if (SUCCEEDED(status)) status = bh_activity_share_ring(link->activity, link->process.handle, ring, filled);
  leave(self);
  return status;
}

static IWslPluginHostCallbackVtbl callback_vtbl = {
    callback_query, callback_add_ref, callback_release, callback_hello,
    callback_call,  callback_goodbye, callback_threads,
};

/* --- Its life ------------------------------------------------------------------------------------------- */

BhCallback *bh_callback_new(BhWin32Link *link) {
  BhCallback *self = g_new0(BhCallback, 1);

  self->com.lpVtbl = &callback_vtbl;
  self->references = 1;
  self->link = link;
  bh_mutex_init(&self->lock, &callback_class);
  bh_cond_init(&self->changed);
  return self;
}

IWslPluginHostCallback *bh_callback_interface(BhCallback *self) {
  return &self->com;
}

void bh_callback_drain(BhCallback *self) {
  bh_mutex_lock(&self->lock);
  self->draining = TRUE;
  while (self->calls > 0) bh_cond_wait(&self->changed, &self->lock);
  bh_mutex_unlock(&self->lock);
}

void bh_callback_farewell(BhCallback *self) {
  bh_mutex_lock(&self->lock);
  self->farewell = TRUE;
  bh_cond_broadcast(&self->changed);
  bh_mutex_unlock(&self->lock);
}

/* In the apartment that the object was marshalled in. */
static void disconnect(gpointer data) {
  BhCallback *self = data;
  CoDisconnectObject((IUnknown *)&self->com, 0);
}

void bh_callback_close(BhCallback *self) {
  HRESULT status;

  bh_mutex_lock(&self->lock);
  self->link = NULL;
  /* Where no thread could be had to release the host, nobody has said farewell; a Goodbye may wait for it. */
  self->farewell = TRUE;
  bh_cond_broadcast(&self->changed);
  while (self->inside > 0) bh_cond_wait(&self->changed, &self->lock);
  bh_mutex_unlock(&self->lock);
  status = bh_apartment_run(disconnect, self);
  /* It refers to nothing any more: what stays is an object that turns everybody away. */
  if (FAILED(status)) g_warning("a host's callback could not be disconnected: 0x%08lx", (unsigned long)status);
}

void bh_callback_unref(BhCallback *self) {
  IWslPluginHostCallback_Release(&self->com);
}
