/* hostile.c: a plugin that works against the process it is in, for the tests of backend-win32.
 *
 * Accidents are faults.c's. What this does is said by the distribution's name in OnDistributionStarted, and for
 * DllMain by its own file name: copy it as "dllmain-deadlocks.dll". */
#include "WslPluginApi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static HMODULE own_module;
static wchar_t own_path[MAX_PATH];

static HRESULT last_error(void) {
  return HRESULT_FROM_WIN32(GetLastError());
}

/* ---- Processes ----------------------------------------------------------------------------------------- */

/* Starts this DLL's `function` in a process of its own, with an argument. */
static BOOL start_function(const wchar_t *function, const wchar_t *argument, DWORD flags) {
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  wchar_t line[2 * MAX_PATH];

  swprintf(line, COUNT(line), L"rundll32.exe \"%ls\",%ls %ls", own_path, function, argument);
  if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, flags, NULL, NULL, &startup, &process)) return FALSE;
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  return TRUE;
}

/* A grandchild of the host: says that it is there, and stays. */
__declspec(dllexport) void CALLBACK stay(HWND window, HINSTANCE instance, char *event, int show) {
  HANDLE there = OpenEventA(EVENT_MODIFY_STATE, FALSE, event);

  (void)window, (void)instance, (void)show;
  SetEvent(there);
  Sleep(INFINITE);
}

/* A child of the host: has one itself. */
__declspec(dllexport) void CALLBACK breed(HWND window, HINSTANCE instance, char *event, int show) {
  wchar_t wide[64];

  (void)window, (void)instance, (void)show;
  swprintf(wide, COUNT(wide), L"%hs", event);
  start_function(L"stay", wide, 0);
  Sleep(INFINITE);
}

/* Returns when child and grandchild are there. */
static HRESULT spawn(void) {
  wchar_t name[64];
  HANDLE there;
  HRESULT result = S_OK;

  swprintf(name, COUNT(name), L"bulkhead-hostile-%lu", GetCurrentProcessId());
  there = CreateEventW(NULL, TRUE, FALSE, name);
  if (!start_function(L"breed", name, 0)) return last_error();
  if (WaitForSingleObject(there, 20000) != WAIT_OBJECT_0) result = E_FAIL;
  CloseHandle(there);
  return result;
}

/* How it was refused. */
static HRESULT break_away(void) {
  return start_function(L"stay", L"nothing", CREATE_BREAKAWAY_FROM_JOB) ? S_OK : last_error();
}

/* ---- The host's own ------------------------------------------------------------------------------------ */

static HRESULT close_handles(void) {
  for (UINT_PTR handle = 4; handle < 0x4000; handle += 4) CloseHandle((HANDLE)handle);
  return S_OK;
}

/* Overwrites whatever lies behind a block, then has the heap work with it. */
static HRESULT corrupt_heap(void) {
  char *volatile blocks[64];

  for (unsigned i = 0; i < COUNT(blocks); i++) blocks[i] = HeapAlloc(GetProcessHeap(), 0, 40);
  for (unsigned i = 0; i < COUNT(blocks); i++) memset(blocks[i] - 32, 0xA5, 512);
  for (unsigned i = 0; i < COUNT(blocks); i++) HeapFree(GetProcessHeap(), 0, blocks[i]);
  for (unsigned i = 0; i < 1000; i++) memset(HeapAlloc(GetProcessHeap(), 0, 16 * i), 0xA5, 16 * i);
  return S_OK;
}

static HRESULT fail_fast(void) {
  __asm__ volatile("int $0x29" : : "c"(7)); /* __fastfail, which mingw-w64 10 does not declare */
  return S_OK;
}

static HRESULT raise(void) {
  RaiseException(0xE0001234, 0, 0, NULL);
  return S_OK;
}

static HRESULT unload(void) {
  while (FreeLibrary(own_module)) continue; /* one of them does not return to here */
  return E_FAIL;
}

static LONG WINAPI swallow(EXCEPTION_POINTERS *pointers) {
  (void)pointers;
  Sleep(INFINITE);
  return EXCEPTION_CONTINUE_EXECUTION;
}

static DWORD WINAPI fault(void *unused) {
  volatile int *volatile nothing = NULL;

  (void)unused;
  *nothing = 1;
  return 0;
}

/* A handler of its own for what is unhandled: it does not stand between a hook and the guard. */
static HRESULT swallow_faults(void) {
  SetUnhandledExceptionFilter(swallow);
  return (HRESULT)fault(NULL);
}

static int recurse(volatile char *outer) {
  volatile char inner[4096];
  inner[0] = outer[0];
  return inner[0] == 0 ? recurse(inner) + inner[1] : 0;
}

static DWORD WINAPI overflow(void *unused) {
  volatile char first[1] = {0};
  (void)unused;
  return (DWORD)recurse(first);
}

static HRESULT overflow_in_thread(void) {
  WaitForSingleObject(CreateThread(NULL, 0, overflow, NULL, 0, NULL), INFINITE);
  return S_OK;
}

static HRESULT fault_everywhere(void) {
  for (int i = 0; i < 8; i++) CreateThread(NULL, 0, fault, NULL, 0, NULL);
  return (HRESULT)fault(NULL);
}

static DWORD WINAPI idle(void *unused) {
  (void)unused;
  Sleep(INFINITE);
  return 0;
}

/* A dump of all of these would be large. */
static HRESULT fault_among_threads(void) {
  for (int i = 0; i < 200; i++) CreateThread(NULL, 0, idle, NULL, 0, NULL);
  return (HRESULT)fault(NULL);
}

/* ---- What the host has given up ------------------------------------------------------------------------ */

/* How it fares that wants a privilege back. */
static HRESULT debug_others(void) {
  TOKEN_PRIVILEGES wanted = {.PrivilegeCount = 1, .Privileges[0].Attributes = SE_PRIVILEGE_ENABLED};
  HANDLE token;

  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token)) return last_error();
  LookupPrivilegeValueW(NULL, L"SeDebugPrivilege", &wanted.Privileges[0].Luid);
  AdjustTokenPrivileges(token, FALSE, &wanted, 0, NULL, NULL); /* succeeds; the last error says what it did */
  return last_error();
}

/* Loads a DLL by its bare name, when the folder "planted" beside this DLL is the current one and all there is to
 * PATH. */
static HRESULT load(const wchar_t *name) {
  wchar_t folder[MAX_PATH];
  HMODULE library;

  wcscpy(folder, own_path);
  wcscpy(wcsrchr(folder, L'\\') + 1, L"planted");
  if (!SetCurrentDirectoryW(folder) || !SetEnvironmentVariableW(L"PATH", folder)) return E_UNEXPECTED;
  library = LoadLibraryW(name);
  return library != NULL ? S_OK : last_error();
}

static HRESULT load_planted(void) {
  return load(L"absent.dll");
}

/* It imports the other. */
static HRESULT load_dependent(void) {
  return load(L"import-missing.dll");
}

/* ---- Beginning ----------------------------------------------------------------------------------------- */

static const struct {
  const wchar_t *name;
  HRESULT (*run)(void);
} commands[] = {
    {L"spawn", spawn},
    {L"break-away", break_away},
    {L"close-handles", close_handles},
    {L"corrupt-heap", corrupt_heap},
    {L"fail-fast", fail_fast},
    {L"raise", raise},
    {L"unload", unload},
    {L"swallow-faults", swallow_faults},
    {L"overflow-in-thread", overflow_in_thread},
    {L"fault-everywhere", fault_everywhere},
    {L"fault-among-threads", fault_among_threads},
    {L"debug-others", debug_others},
    {L"load-planted", load_planted},
    {L"load-dependent", load_dependent},
};

static HRESULT on_distribution_started(const struct WSLSessionInformation *session,
                                       const struct WSLDistributionInformation *distribution) {
  (void)session;
  for (unsigned i = 0; i < COUNT(commands); i++)
    if (wcscmp(commands[i].name, distribution->Name) == 0) return commands[i].run();
  return E_NOTIMPL;
}

/* A new thread needs the loader's lock, which this one has. */
static void deadlock(void) {
  wchar_t name[64];
  HANDLE thread = CreateThread(NULL, 0, idle, NULL, 0, NULL);

  swprintf(name, COUNT(name), L"bulkhead-faults-hangs-%lu", GetCurrentProcessId());
  SetEvent(CreateEventW(NULL, TRUE, FALSE, name)); /* fixture.h waits for it */
  WaitForSingleObject(thread, INFINITE);
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved) {
  (void)reserved;
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  own_module = instance;
  GetModuleFileNameW(instance, own_path, MAX_PATH);
  if (_wcsicmp(wcsrchr(own_path, L'\\') + 1, L"dllmain-deadlocks.dll") == 0) deadlock();
  if (_wcsicmp(wcsrchr(own_path, L'\\') + 1, L"dllmain-faults.dll") == 0) fault(NULL);
  return TRUE;
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  WSL_PLUGIN_REQUIRE_VERSION(1, 0, 0, Api);

  Hooks->OnDistributionStarted = on_distribution_started;
  return S_OK;
}
