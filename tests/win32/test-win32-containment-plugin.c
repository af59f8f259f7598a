/* A plugin that starts programs. OnDistributionStarted takes the distribution's name as a command:
 *
 *   run LINE          starts that command line
 *   break-away LINE   likewise, out of the job
 *   exit              ends the host
 *
 * and returns what CreateProcess said. */
#include <windows.h>

#include "WslPluginApi.h"

#include <wchar.h>

static HRESULT run(const wchar_t *line, DWORD flags) {
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  wchar_t copy[1024];

  wcsncpy(copy, line, 1023);
  copy[1023] = L'\0';
  if (!CreateProcessW(NULL, copy, NULL, NULL, FALSE, flags, NULL, NULL, &startup, &process))
    return HRESULT_FROM_WIN32(GetLastError());
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  return S_OK;
}

static HRESULT on_distribution_started(const struct WSLSessionInformation *session,
                                       const struct WSLDistributionInformation *distribution) {
  const wchar_t *command = distribution->Name;

  (void)session;
  if (wcsncmp(command, L"run ", 4) == 0) return run(command + 4, 0);
  if (wcsncmp(command, L"break-away ", 11) == 0) return run(command + 11, CREATE_BREAKAWAY_FROM_JOB);
  if (wcscmp(command, L"exit") == 0) ExitProcess(7);
  return E_INVALIDARG;
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  (void)Api;
  Hooks->OnDistributionStarted = on_distribution_started;
  return S_OK;
}
