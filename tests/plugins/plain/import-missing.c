/* import-missing.c: a plugin that needs a DLL which nobody has: its import library is built from absent.c,
 * and the DLL is not where it could be found. */
#include "WslPluginApi.h"

__declspec(dllimport) HRESULT absent_function(void);

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  (void)Api;
  (void)Hooks;
  return absent_function();
}
