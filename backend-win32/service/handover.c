#include "backend-win32/service/handover.h"

static HRESULT duplicate(const BhHostProcess *process, gintptr handle, DWORD rights, guint64 *remote) {
  HANDLE copy = NULL;

  *remote = 0;
  if (!DuplicateHandle(GetCurrentProcess(), (HANDLE)handle, process->handle, &copy, rights, FALSE, 0))
    return bh_wire_error(GetLastError());
  *remote = (guint64)(gintptr)copy;
  return S_OK;
}

HRESULT bh_handover_token(const BhHostProcess *process, guint64 token, guint64 *remote) {
  *remote = 0;
  return token != 0 ? duplicate(process, (gintptr)token, TOKEN_QUERY | TOKEN_DUPLICATE, remote) : S_OK;
}

guint64 bh_handover_report(const BhHostProcess *process) {
  guint64 remote = 0;

  if (process->report != NULL)
    duplicate(process, (gintptr)process->report, FILE_MAP_READ | FILE_MAP_WRITE, &remote);
  return remote;
}

BhResult bh_handover_resource(const BhHostProcess *process, BhWireResource kind, BhCallReply *reply) {
  WSAPROTOCOL_INFOW info = {0}; /* it travels whole */
  guint64 remote;
  HRESULT status;

  if (kind == BH_WIRE_NOTHING) return BH_OK;
  if (reply->resource.close == NULL) return BH_E_UNEXPECTED; /* success, and nothing to show for it */
  g_clear_pointer(&reply->blob, g_bytes_unref);
  if (kind == BH_WIRE_SOCKET) {
    /* The host has its own descriptor from here on, whether it opens it or not. */
    if (WSADuplicateSocketW((SOCKET)reply->resource.value, process->pid, &info) != 0)
      return bh_wire_error((DWORD)WSAGetLastError());
    reply->blob = g_bytes_new(&info, sizeof info);
    return BH_OK;
  }
  status = duplicate(process, reply->resource.value, SYNCHRONIZE, &remote);
  if (SUCCEEDED(status)) reply->blob = g_bytes_new(&remote, sizeof remote);
  return (BhResult)status;
}
