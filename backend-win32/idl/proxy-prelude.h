/* proxy-prelude.h: included ahead of the C that widl makes of WslPluginHost.idl (by -include), for the
 * proxy/stub DLL only.
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
