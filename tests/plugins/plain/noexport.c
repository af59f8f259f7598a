/* noexport.c: a DLL like any other, and therefore no plugin. */
#include <windows.h>

__declspec(dllexport) int answer(void) {
  return 42;
}
