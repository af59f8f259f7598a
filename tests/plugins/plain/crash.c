/* crash.c: a plugin with the most ordinary bug there is. */
#include "WslPluginApi.h"

static HRESULT on_vm_started(const struct WSLSessionInformation *session,
                             const struct WSLVmCreationSettings *settings) {
  volatile int *volatile nothing = NULL; /* both volatile, or the compiler sees what comes and leaves it out */

  (void)session;
  (void)settings;
  *nothing = 1;
  return S_OK;
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  WSL_PLUGIN_REQUIRE_VERSION(1, 0, 0, Api);
  Hooks->OnVMStarted = on_vm_started;
  return S_OK;
}
