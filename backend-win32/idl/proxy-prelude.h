/* proxy-prelude.h: included ahead of the C that widl makes of WslPluginHost.idl (by -include), for the
 * proxy/stub DLL only: what that C needs and does not have, and a check that it does not make.
 *
 * The three functions are rpcrt4's; mingw-w64's headers name them in macros but declare them nowhere, so the
 * generated tables of functions would not compile. The CLSID is the DLL's own: without it rpcproxy.h takes
 * the first interface's IID, which says less in a registry. */
#pragma once

#include <objbase.h>

HRESULT STDMETHODCALLTYPE IUnknown_QueryInterface_Proxy(IUnknown *self, REFIID iid, void **object);
ULONG STDMETHODCALLTYPE IUnknown_AddRef_Proxy(IUnknown *self);
ULONG STDMETHODCALLTYPE IUnknown_Release_Proxy(IUnknown *self);

/* CLSID_WslPluginProxyStub of wire.h: {3796acd2-e8a5-487c-a927-c773d803f2ec} */
#define PROXY_CLSID_IS \
  { \
    0x3796acd2, 0xe8a5, 0x487c, { \
      0xa9, 0x27, 0xc7, 0x73, 0xd8, 0x03, 0xf2, 0xec \
    } \
  }

/* --- A record is as long as it says --------------------------------------------------------------------- */

/* A message carries a record's size twice: as the parameter, and as the array's own. The generated stub compares the
 * second with the message's end and never with the first, and the first is what the method goes by. So each message
 * is looked at before the stub takes it apart. In NDR, as both proxies are compiled to it (little-endian, 32-bit
 * counts), a method's message is
 *
 *   [number]   size   the array's own count   the array's bytes …
 *
 * with each of the first ones 4 bytes, from the message's begin. Methods with other parameters are passed on. */
#define USE_STUBLESS_PROXY /* as the generated C has it: it decides on the layout of its tables */
#include <rpcproxy.h>
#include <string.h>

static HRESULT bh_check_record(const RPCOLEMESSAGE *message, ULONG size_at) {
  const unsigned char *bytes = message->Buffer;
  UINT32 size, count;

  if ((message->dataRepresentation & 0xf0) != NDR_LITTLE_ENDIAN) return RPC_E_INVALID_DATA;
  if (bytes == NULL || message->cbBuffer < size_at + 8) return RPC_E_INVALID_DATA;
  memcpy(&size, bytes + size_at, sizeof size);
  memcpy(&count, bytes + size_at + 4, sizeof count);
  return size == count && size <= message->cbBuffer - size_at - 8 ? S_OK : RPC_E_INVALID_DATA;
}

/* In place of rpcrt4's, in both interfaces' stubs; what is in order goes on to it. */
static HRESULT WINAPI bh_stub_invoke(IRpcStubBuffer *self, RPCOLEMESSAGE *message, IRpcChannelBuffer *channel) {
  static const struct {
    IID interface_id;
    ULONG method;  /* its place in the interface: 0 to 2 are IUnknown's */
    ULONG size_at; /* where in the message its record's size is */
  } records[] = {
      {{0xe16e4e08, 0x26be, 0x4492, {0x9e, 0x17, 0x77, 0x69, 0x8a, 0x31, 0xbe, 0x51}}, 4, 4}, /* Callback's Call */
      {{0xa77bcc73, 0xaf1f, 0x4b75, {0x80, 0x08, 0x0d, 0x9d, 0x5c, 0x17, 0xdc, 0x3a}}, 4, 0}, /* Host's Load */
      {{0xa77bcc73, 0xaf1f, 0x4b75, {0x80, 0x08, 0x0d, 0x9d, 0x5c, 0x17, 0xdc, 0x3a}}, 5, 4}, /* Host's Notify */
  };
  const IID *own =
      ((const CInterfaceStubVtbl *)((const char *)self->lpVtbl - offsetof(CInterfaceStubVtbl, Vtbl)))->header.piid;
  unsigned i;

  for (i = 0; i < sizeof records / sizeof records[0]; i++)
    if (records[i].method == message->iMethod && memcmp(&records[i].interface_id, own, sizeof *own) == 0) {
      HRESULT status = bh_check_record(message, records[i].size_at);
      if (FAILED(status)) return status;
    }
  return CStdStubBuffer_Invoke(self, message, channel);
}
#define CStdStubBuffer_Invoke bh_stub_invoke
