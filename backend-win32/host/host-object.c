#include "backend-win32/host/host-object.h"

#include "backend-win32/dump/dump.h"
#include "backend-win32/host/service-proxy.h"
#include "backend-win32/host/threads.h"

static BhHostObject *from_host(IWslPluginHost *host) {
  return CONTAINING_RECORD(host, BhHostObject, host);
}

static BhHostObject *from_factory(IClassFactory *factory) {
  return CONTAINING_RECORD(factory, BhHostObject, factory);
}

/* Whether the state was `from`, and now is `to`. Each step happens once, so does what belongs to it. */
static gboolean step(BhHostObject *self, BhHostState from, BhHostState to) {
  return g_atomic_int_compare_and_exchange(&self->state, from, to);
}

/* --- IWslPluginHost ------------------------------------------------------------------------------------- */

static HRESULT STDMETHODCALLTYPE host_query(IWslPluginHost *host, REFIID iid, void **object) {
  *object = NULL;
  if (!IsEqualIID(iid, &IID_IUnknown) && !IsEqualIID(iid, &IID_IWslPluginHost)) return E_NOINTERFACE;
  *object = host;
  IWslPluginHost_AddRef(host);
  return S_OK;
}

static ULONG STDMETHODCALLTYPE host_add_ref(IWslPluginHost *host) {
  return (ULONG)g_atomic_int_add(&from_host(host)->references, 1) + 1;
}

static ULONG STDMETHODCALLTYPE host_release(IWslPluginHost *host) {
  BhHostObject *self = from_host(host);
  ULONG left = (ULONG)g_atomic_int_add(&self->references, -1) - 1;

  if (left == 0) { /* the service has let go, or is gone */
    bh_service_close();
    SetEvent(self->over);
  }
  return left;
}

static HRESULT STDMETHODCALLTYPE host_attach(IWslPluginHost *host, IWslPluginHostCallback *callback) {
  BhHostObject *self = from_host(host);
  HANDLE report, ring, filled;
  HRESULT status;

  if (callback == NULL) return E_POINTER;
  if (!step(self, BH_HOST_MADE, BH_HOST_ATTACHING)) return E_UNEXPECTED;
  status = bh_service_attach(callback, &report);
  if (FAILED(status)) return status;
  if (bh_service_threads(&ring, &filled))
    bh_threads_open(ring, filled); /* a host without is watched less closely */
  bh_dump_start(report);           /* only now, so that it is in the job too; a host without is better than none */
  step(self, BH_HOST_ATTACHING, BH_HOST_ATTACHED);
  return S_OK;
}

static HRESULT STDMETHODCALLTYPE host_load(IWslPluginHost *host, UINT32 size, const BYTE *record,
                                           UINT32 *reply_size, BYTE **reply_bytes) {
  BhHostObject *self = from_host(host);
  g_auto(BhLoadReply) reply = {0};
  BhWireLoad load = {0};

  *reply_size = 0;
  *reply_bytes = NULL;
  if (!step(self, BH_HOST_ATTACHED, BH_HOST_LOADING)) return E_UNEXPECTED;
  SetEvent(self->asked);
  if (!bh_record_decode(&bh_wire_load_fields, record, size, &load, NULL)) return E_INVALIDARG;
  if (self->refusal == NULL)
    bh_plugin_load(&self->plugin, load.path, &reply);
  else
    reply = (BhLoadReply){.result = BH_E_ACCESSDENIED, .cause = g_strdup(self->refusal)};
  bh_record_clear(&bh_wire_load_fields, &load);
  if (BH_SUCCEEDED(reply.result)) step(self, BH_HOST_LOADING, BH_HOST_LOADED);
  return bh_wire_give(bh_record_encode(&bh_load_reply_fields, &reply, NULL), reply_size, reply_bytes);
}

static HRESULT STDMETHODCALLTYPE host_notify(IWslPluginHost *host, UINT32 hook, UINT32 size, const BYTE *record,
                                             UINT32 *reply_size, BYTE **reply_bytes) {
  BhHostObject *self = from_host(host);
  g_auto(BhNotifyReply) reply = {0};
  BhNotification notification = {0};

  *reply_size = 0;
  *reply_bytes = NULL;
  if (g_atomic_int_get(&self->state) != BH_HOST_LOADED) return E_UNEXPECTED;
  if (!bh_record_decode_notification((BhHook)hook, record, size, &notification, NULL)) return E_INVALIDARG;
  bh_plugin_notify(&self->plugin, &notification, &reply);
  bh_record_clear_notification(&notification);
  return bh_wire_give(bh_record_encode(&bh_notify_reply_fields, &reply, NULL), reply_size, reply_bytes);
}

static IWslPluginHostVtbl host_vtbl = {
    host_query, host_add_ref, host_release, host_attach, host_load, host_notify,
};

/* --- IClassFactory -------------------------------------------------------------------------------------- */

static HRESULT STDMETHODCALLTYPE factory_query(IClassFactory *factory, REFIID iid, void **object) {
  *object = NULL;
  if (!IsEqualIID(iid, &IID_IUnknown) && !IsEqualIID(iid, &IID_IClassFactory)) return E_NOINTERFACE;
  *object = factory;
  return S_OK;
}

/* Part of a static object. */
static ULONG STDMETHODCALLTYPE factory_reference(G_GNUC_UNUSED IClassFactory *factory) {
  return 1;
}

static HRESULT STDMETHODCALLTYPE factory_create(IClassFactory *factory, IUnknown *outer, REFIID iid,
                                                void **object) {
  BhHostObject *self = from_factory(factory);
  HRESULT status;

  *object = NULL;
  if (outer != NULL) return CLASS_E_NOAGGREGATION;
  if (!step(self, BH_HOST_NEW, BH_HOST_MADE)) return CLASS_E_CLASSNOTAVAILABLE; /* one per process */
  self->references = 1;
  status = IWslPluginHost_QueryInterface(&self->host, iid, object);
  IWslPluginHost_Release(&self->host);
  return status;
}

static HRESULT STDMETHODCALLTYPE factory_lock(G_GNUC_UNUSED IClassFactory *factory, G_GNUC_UNUSED BOOL lock) {
  return S_OK;
}

static IClassFactoryVtbl factory_vtbl = {
    factory_query, factory_reference, factory_reference, factory_create, factory_lock,
};

/* -------------------------------------------------------------------------------------------------------- */

gboolean bh_host_object_init(BhHostObject *self) {
  self->host.lpVtbl = &host_vtbl;
  self->factory.lpVtbl = &factory_vtbl;
  self->asked = CreateEventW(NULL, TRUE, FALSE, NULL);
  self->over = CreateEventW(NULL, TRUE, FALSE, NULL);
  return self->asked != NULL && self->over != NULL;
}

IUnknown *bh_host_object_factory(BhHostObject *self) {
  return (IUnknown *)&self->factory;
}

void bh_host_object_disconnect(BhHostObject *self) {
  CoDisconnectObject((IUnknown *)&self->host, 0);
}
