#include "backend-win32/host/service-proxy.h"

#include "backend-win32/apartment.h"

#include <string.h>

/* The MTA's. Written by attach, before any plugin code runs, and read from then on by any thread. Never
 * released: the process ends with it. */
static IWslPluginHostCallback *service;
static CO_MTA_USAGE_COOKIE apartment;
static gint closed; /* atomic */

HRESULT bh_service_attach(IWslPluginHostCallback *callback, HANDLE *report) {
  HRESULT status;
  UINT64 value = 0;

  *report = NULL;
  if (service != NULL) return E_UNEXPECTED;
  status = bh_apartment_keep(&apartment);
  if (FAILED(status)) return status;
  service = callback;
  IWslPluginHostCallback_AddRef(service);
  status = IWslPluginHostCallback_Hello(service, &value);
  if (SUCCEEDED(status)) *report = (HANDLE)(gintptr)value;
  return status;
}

gboolean bh_service_threads(HANDLE *ring, HANDLE *filled) {
  UINT64 values[2] = {0, 0};

  if (FAILED(IWslPluginHostCallback_Threads(service, &values[0], &values[1]))) return FALSE;
  *ring = (HANDLE)(gintptr)values[0];
  *filled = (HANDLE)(gintptr)values[1];
  return TRUE;
}

static void close_socket(gintptr value) {
  closesocket((SOCKET)value);
}

static void close_handle(gintptr value) {
  CloseHandle((HANDLE)value);
}

/* Makes the reply's resource of its blob. */
static BhResult receive_resource(BhApi api, BhCallReply *reply) {
  gsize size = 0;
  gconstpointer bytes = reply->blob != NULL ? g_bytes_get_data(reply->blob, &size) : NULL;
  WSAPROTOCOL_INFOW info;
  guint64 handle;
  SOCKET sock;

  switch (bh_wire_resource(api)) {
    case BH_WIRE_NOTHING: return BH_OK;
    case BH_WIRE_SOCKET:
      if (size != sizeof info) return BH_E_UNEXPECTED;
      memcpy(&info, bytes, sizeof info);
      sock = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                        WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
      if (sock == INVALID_SOCKET) return bh_wire_error((DWORD)WSAGetLastError());
      reply->resource = (BhResource){(gintptr)sock, close_socket};
      return BH_OK;
    case BH_WIRE_HANDLE:
      if (size != sizeof handle) return BH_E_UNEXPECTED;
      memcpy(&handle, bytes, sizeof handle);
      reply->resource = (BhResource){(gintptr)handle, close_handle};
      return BH_OK;
  }
  g_assert_not_reached();
}

/* A call on its way. */
typedef struct {
  const BhCall *call;
  GBytes *record;
  BhCallReply *reply;
  HRESULT status;
} Trip;

static void travel(gpointer data) {
  Trip *trip = data;
  UINT32 size = 0;
  BYTE *array = NULL;

  trip->status = IWslPluginHostCallback_Call(service, trip->call->api, (UINT32)g_bytes_get_size(trip->record),
                                             g_bytes_get_data(trip->record, NULL), &size, &array);
  if (SUCCEEDED(trip->status)) trip->status = bh_wire_take(&bh_call_reply_fields, size, array, trip->reply);
}

BhResult bh_service_call(const BhCall *call, BhCallReply *reply) {
  g_autoptr(GBytes) record = bh_record_encode_call(call, NULL);
  Trip trip = {call, record, reply, S_OK};
  BhResult result;

  if (record == NULL) return BH_E_INVALIDARG;
  if (g_atomic_int_get(&closed)) return BH_E_UNEXPECTED;

  if (FAILED(bh_apartment_run(travel, &trip))) return BH_E_OUTOFMEMORY;
  if (trip.status == E_OUTOFMEMORY) return BH_E_OUTOFMEMORY;
  if (FAILED(trip.status)) return BH_E_UNEXPECTED;
  if (BH_FAILED(reply->result)) return reply->result;
  result = receive_resource(call->api, reply);
  return BH_FAILED(result) ? result : reply->result;
}

void bh_service_close(void) {
  g_atomic_int_set(&closed, TRUE);
}

void bh_service_goodbye(void) {
  if (service != NULL) IWslPluginHostCallback_Goodbye(service);
}
