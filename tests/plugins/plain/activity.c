/* activity.c: a plugin that has processes and threads begin and end. OnDistributionStarted takes the distribution's name as a
 * command:
 *
 *   run LINE          starts that command line
 *   run-wait LINE     likewise, and waits for its end
 *   threads N         N threads, all there at once, that end before it returns; their numbers are the error message
 *   one-by-one N      N threads, each ended before the next begins
 *   hold N            N threads that stay; their numbers likewise
 *   let-go            ends those
 *   terminate         a thread that is ended from outside; its number likewise
 *   hold-exit N       N threads that stay, and ExitProcess(5) */
#include "WslPluginApi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 256

static const struct WSLPluginAPIV1 *api;
static HANDLE threads[THREADS_MAX];
static DWORD numbers[THREADS_MAX];
static unsigned count;
static HANDLE go; /* manual-reset */

/* ---- Processes ----------------------------------------------------------------------------------------- */

static HRESULT run(const wchar_t *line, BOOL is_awaited) {
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  wchar_t copy[1024];

  wcsncpy(copy, line, 1023);
  copy[1023] = L'\0';
  if (!CreateProcessW(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process))
    return HRESULT_FROM_WIN32(GetLastError());
  if (is_awaited) WaitForSingleObject(process.hProcess, INFINITE);
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  return S_OK;
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

static DWORD WINAPI wait_for_go(void *unused) {
  (void)unused;
  WaitForSingleObject(go, INFINITE);
  return 0;
}

static void hold(unsigned how_many) {
  ResetEvent(go);
  for (count = 0; count < how_many && count < THREADS_MAX; count++)
    threads[count] =
        CreateThread(NULL, 65536, wait_for_go, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION, &numbers[count]);
}

static void let_go(void) {
  SetEvent(go);
  for (unsigned i = 0; i < count; i++) {
    WaitForSingleObject(threads[i], INFINITE);
    CloseHandle(threads[i]);
  }
}

static HRESULT tell_numbers(void) {
  wchar_t text[THREADS_MAX * 11 + 1] = L"";
  for (unsigned i = 0; i < count; i++) swprintf(text + wcslen(text), 12, L"%lu ", numbers[i]);
  return api->PluginError(text);
}

static void one_by_one(unsigned how_many) {
  SetEvent(go);
  for (unsigned i = 0; i < how_many; i++) {
    HANDLE thread = CreateThread(NULL, 65536, wait_for_go, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
  }
}

static DWORD WINAPI say_began(void *began) {
  SetEvent(began);
  return wait_for_go(NULL);
}

/* One that has begun: Windows tells nobody of a thread that has not come that far. */
static void terminate(void) {
  HANDLE began = CreateEventW(NULL, TRUE, FALSE, NULL);

  ResetEvent(go);
  count = 1;
  threads[0] = CreateThread(NULL, 65536, say_began, began, STACK_SIZE_PARAM_IS_A_RESERVATION, &numbers[0]);
  WaitForSingleObject(began, INFINITE);
  CloseHandle(began);
  TerminateThread(threads[0], 9);
  WaitForSingleObject(threads[0], INFINITE);
  CloseHandle(threads[0]);
}

/* -------------------------------------------------------------------------------------------------------- */

static HRESULT on_distribution_started(const struct WSLSessionInformation *session,
                                       const struct WSLDistributionInformation *distribution) {
  const wchar_t *command = distribution->Name;
  const wchar_t *space = wcschr(command, L' ');
  const unsigned number = space != NULL ? (unsigned)wcstoul(space, NULL, 10) : 0;
  const size_t length = space != NULL ? (size_t)(space - command) : wcslen(command);

  (void)session;
#define IS(name) (length == wcslen(name) && wcsncmp(command, name, length) == 0)
  if (IS(L"run")) return run(space + 1, FALSE);
  if (IS(L"run-wait")) return run(space + 1, TRUE);
  if (IS(L"threads")) {
    hold(number);
    let_go();
    return tell_numbers();
  }
  if (IS(L"one-by-one")) {
    one_by_one(number);
    return S_OK;
  }
  if (IS(L"hold")) {
    hold(number);
    return tell_numbers();
  }
  if (IS(L"let-go")) {
    let_go();
    return S_OK;
  }
  if (IS(L"terminate")) {
    terminate();
    return tell_numbers();
  }
  if (IS(L"hold-exit")) {
    hold(number);
    ExitProcess(5);
  }
  return E_INVALIDARG;
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  api = Api;
  go = CreateEventW(NULL, TRUE, FALSE, NULL);
  Hooks->OnDistributionStarted = on_distribution_started;
  return go != NULL ? S_OK : E_OUTOFMEMORY;
}
