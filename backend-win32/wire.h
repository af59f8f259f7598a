/* wire.h: what service and host must agree on and WslPluginHost.idl does not say.
 *
 * Include it first: it brings winsock2.h, windows.h and the COM interfaces in the only order that compiles.
 *
 *   sender:    bytes = bh_record_encode_…(…);
 *              return bh_wire_give(bytes, replySize, reply);
 *   receiver:  status = IWslPluginHost_Load(host, …, &size, &reply);
 *              if (SUCCEEDED(status)) status = bh_wire_take(&bh_load_reply_fields, size, reply, &load_reply);
 *
 * No state, no threads. */
#pragma once

#define COBJMACROS
#include <winsock2.h>
#include <windows.h>

#include "WslPluginHost.h"
#include "core/record.h"

G_BEGIN_DECLS

G_STATIC_ASSERT(WSL_PLUGIN_RECORD_MAX == BH_RECORD_MAX);

/* The CLSID of wslpluginproxystub.dll. The host's own is WslPluginHost.idl's CLSID_WslPluginHost. */
extern const CLSID CLSID_WslPluginProxyStub;

/* What Load carries. */
typedef struct {
  char *name; /* the plugin's, for reports */
  char *path; /* of its DLL: absolute, UTF-8 */
} BhWireLoad;
extern const BhFields bh_wire_load_fields;

/* How the resource that a call's reply carries crosses to the host, in the reply's blob. */
typedef enum {
  BH_WIRE_NOTHING,
  BH_WIRE_SOCKET, /* a WSAPROTOCOL_INFOW, made for the host's process */
  BH_WIRE_HANDLE, /* a handle of the host's, as guint64 */
} BhWireResource;
BhWireResource bh_wire_resource(BhApi api);

/* The strings of one call, as UTF-8, may be this long in all; what a record adds fits between this and
 * BH_RECORD_MAX. So may PluginError's message. */
#define BH_WIRE_STRINGS_MAX (BH_RECORD_MAX - 1024u)

/* Exit codes of the host that are nobody's exception. Customer bit set, so that they equal no status of
 * Windows'. */
#define BH_EXIT_NEVER_ASKED 0xE0BD0001u /* activated, and not asked to load in time */
#define BH_EXIT_NO_SERVER   0xE0BD0002u /* COM could not be set up */
#define BH_EXIT_KILLED      0xE0BD0003u /* by the service: its BhLink kept the reason */

/* An [out] array for the other side, which frees it with CoTaskMemFree. bytes is taken; NULL gives
 * E_INVALIDARG. */
HRESULT bh_wire_give(GBytes *bytes, UINT32 *size, BYTE **array);

/* Reads an [out] array that has come, and frees it. E_INVALIDARG: not a record with these fields, or not
 * as many bytes as size says; data is then as bh_record_decode leaves it, or as it was. */
HRESULT bh_wire_take(const BhFields *fields, UINT32 size, BYTE *array, gpointer data);

/* A Win32 error as a result that is never success; GetLastError may be 0 where a function broke its word. */
BhResult bh_wire_error(DWORD error);

/* "No such file (0x80070002)": what Windows says of a code, and the code. The caller's, g_free. */
char *bh_wire_error_words(BhResult result);

/* UTF-8 to what Windows functions take. NULL for NULL, and for what is not UTF-8. The caller's, g_free. */
wchar_t *bh_wire_wide(const char *text);

/* And back. NULL for NULL, and for what is not UTF-16. */
char *bh_wire_utf8(const wchar_t *text);

/* A path as Windows completes it: absolute, with its drive, backslashes. What cannot be completed is copied.
 * The caller's, g_free. */
char *bh_wire_full_path(const char *path);

G_END_DECLS
