#include "backend-win32/service/callback.h"

#include "backend-win32/service/handover.h"

struct BhCallback {
  IWslPluginHostCallback com;
  gint references; /* atomic */
  BhMutex lock;    /* guards what follows; a leaf, held across nothing */
  BhCond changed;
  guint inside;      /* methods that run */
  guint calls;       /* of those, how many are Call */
  gboolean farewell; /* Goodbye may return */
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

/* S_OK: the link takes a call now; until end_call. */
static HRESULT begin_call(BhCallback *self, BhWin32Link *link, gboolean *loaded) {
  gboolean is_running;

  /* Counted first, looked second: release, which changes what is looked at and then waits for the count,
   * misses none. */
  bh_mutex_lock(&self->lock);
  self->calls++;
  bh_mutex_unlock(&self->lock);
  bh_mutex_lock(&link->lock);
  is_running = link->state == BH_LINK_RUNNING;
  *loaded = link->loaded;
  bh_mutex_unlock(&link->lock);
  return is_running ? S_OK : E_UNEXPECTED;
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

static HRESULT hello(BhWin32Link *link) {
  BhHostProcess process = {0};
  HRESULT status = bh_host_process_contain(&process, caller_pid(), link->backend->host_path, link->backend->job);

  if (FAILED(status)) return status;
  bh_mutex_lock(&link->lock);
  if (link->process.pid == 0) {
    link->process = process;
    process = (BhHostProcess){0};
  } else {
    status = E_ACCESSDENIED; /* said before */
  }
  bh_mutex_unlock(&link->lock);
  bh_host_process_clear(&process);
  return status;
}

static HRESULT STDMETHODCALLTYPE callback_hello(IWslPluginHostCallback *com) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  HRESULT status;

  if (link == NULL) return E_UNEXPECTED;
  status = hello(link);
  leave(self);
  return status;
}

/* A call that was let in. */
static HRESULT serve(BhWin32Link *link, const BhCall *call, gboolean loaded, UINT32 *reply_size,
                     BYTE **reply_bytes) {
  g_auto(BhCallReply) reply = {0}; /* closes the service's side of a resource, whatever became of it */

  if (loaded)
    link->events->call(link->data, call, &reply);
  else
    reply.result = BH_E_NOT_FOUND; /* the entry point runs: there is no session yet */
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
  gboolean loaded;

  *reply_size = 0;
  *reply_bytes = NULL;
  if (link == NULL) return E_UNEXPECTED;
  if (is_host(link)) {
    status = begin_call(self, link, &loaded);
    if (SUCCEEDED(status) && !bh_record_decode_call((BhApi)api, record, size, &call, NULL)) status = E_INVALIDARG;
    if (SUCCEEDED(status)) {
      status = serve(link, &call, loaded, reply_size, reply_bytes);
      bh_record_clear_call(&call);
    }
    end_call(self);
  }
  leave(self);
  return status;
}

static HRESULT STDMETHODCALLTYPE callback_goodbye(IWslPluginHostCallback *com) {
  BhCallback *self = from_interface(com);
  BhWin32Link *link = enter(self);
  gboolean is_known;

  if (link == NULL) return E_UNEXPECTED;
  is_known = is_host(link);
  bh_mutex_lock(&self->lock);
  while (is_known && !self->farewell) bh_cond_wait(&self->changed, &self->lock);
  bh_mutex_unlock(&self->lock);
  leave(self);
  return is_known ? S_OK : E_ACCESSDENIED;
}

static IWslPluginHostCallbackVtbl callback_vtbl = {
    callback_query, callback_add_ref, callback_release, callback_hello, callback_call, callback_goodbye,
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
  bh_mutex_lock(&self->lock);
  self->link = NULL;
  while (self->inside > 0) bh_cond_wait(&self->changed, &self->lock);
  bh_mutex_unlock(&self->lock);
  bh_apartment_run(disconnect, self);
}

void bh_callback_unref(BhCallback *self) {
  IWslPluginHostCallback_Release(&self->com);
}
