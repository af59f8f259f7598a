/* absent.c: what import-missing.c needs. Built for its import library only. */
#include <windows.h>

__declspec(dllexport) HRESULT absent_function(void) {
  return S_OK;
}
