/* service-proxy.h: the service, as the host knows it: the callback object that Attach brought.
 *
 *   bh_service_attach(callback, &report);              Attach: says hello
 *   status = bh_service_call(&call, &reply);           any thread, any apartment, at any time
 *   bh_service_close();                                released: from now on E_UNEXPECTED
 *   bh_service_goodbye();                              then exit
 *
 * There is one service per host process, and a plugin's calls bring no context along, so this is
 * process-wide state. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* Takes the callback and says hello on it. When it returns, this process is contained; *report is the caller's, for
 * bh_dump_start, or NULL. Once. */
HRESULT bh_service_attach(IWslPluginHostCallback *callback, HANDLE *report);

/* The handles of this process's thread ring (threads.h), the caller's. FALSE: the service gives none. Inside Attach. */
gboolean bh_service_threads(HANDLE *ring, HANDLE *filled);

/* Lets the service serve a call. Returns what the plugin is to get: the service's answer, E_INVALIDARG when
 * the call makes too long a record, or E_UNEXPECTED when the service is not to be reached. A resource in
 * reply is the caller's own process's, in reply->resource. reply is cleared by the caller in every case. */
BhResult bh_service_call(const BhCall *call, BhCallReply *reply);

/* Nothing goes out any more. Does not wait for calls that are on their way. */
void bh_service_close(void);

/* Returns when the service does not mind our end any more, or is gone itself. */
void bh_service_goodbye(void);

G_END_DECLS
