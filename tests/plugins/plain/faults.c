/* faults.c: a plugin that does what it is told, mostly wrong, for the tests of backend-win32.
 *
 * What its entry point and DllMain do is said by its own file name, since that is there before anybody can
 * talk to it: copy it as "entry-hangs.dll". What OnDistributionStarted does is said by the distribution's
 * name: "access-violation". All other hooks succeed, after telling the debugger. Where a hook has something
 * to tell, it says it by PluginError (and so ends in E_ILLEGAL_STATE_CHANGE). */
#include "WslPluginApi.h"

#include <objbase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MIB          (1024u * 1024u)

/* Of this session the embedder knows nothing but the number. */
#define SESSION 7

static const struct WSLPluginAPIV1 *api;
static wchar_t own_name[MAX_PATH]; /* without folder and ".dll" */

static HRESULT mount(void) {
  return api->MountFolder(SESSION, L"C:\\windows", L"/mnt/windows", TRUE, L"windows");
}

/* ---- Ends of the process ------------------------------------------------------------------------------- */

static DWORD WINAPI fault(void *unused) {
  volatile int *volatile nothing = NULL; /* both volatile, or the compiler sees what comes and leaves it out */

  (void)unused;
  *nothing = 1;
  return 0;
}

static int recurse(volatile char *outer) {
  volatile char inner[4096];
  inner[0] = outer[0];
  return inner[0] == 0 ? recurse(inner) + inner[1] : 0;
}

static HRESULT access_violation(void) {
  fault(NULL);
  return S_OK;
}

static HRESULT stack_overflow(void) {
  volatile char first[1] = {0};
  return recurse(first);
}

static HRESULT division(void) {
  volatile int zero = 0;
  return 7 / zero; /* 1 / zero becomes a comparison */
}

static HRESULT illegal_instruction(void) {
  __asm__ volatile("ud2");
  return S_OK;
}

static HRESULT call_nowhere(void) {
  return ((HRESULT(*)(void))(UINT_PTR)0x10)();
}

static HRESULT run_abort(void) {
  abort();
}

static HRESULT exit_0(void) {
  exit(0);
}

static HRESULT exit_process_7(void) {
  ExitProcess(7);
}

static HRESULT terminate_0(void) {
  TerminateProcess(GetCurrentProcess(), 0);
  return S_OK;
}

/* Never returns; and says that it has come here, by an event that bears this process's number. */
static void hang(void) {
  wchar_t name[64];
  HANDLE here;

  swprintf(name, COUNT(name), L"bulkhead-faults-hangs-%lu", GetCurrentProcessId());
  here = CreateEventW(NULL, TRUE, FALSE, name);
  SetEvent(here); /* left open: who waits may come later */
  Sleep(INFINITE);
}

static DWORD WINAPI fault_later(void *go) {
  WaitForSingleObject(go, INFINITE);
  return fault(NULL);
}

static HANDLE own_thread_go;

static HRESULT own_thread_prepare(void) {
  own_thread_go = CreateEventW(NULL, TRUE, FALSE, NULL);
  CloseHandle(CreateThread(NULL, 0, fault_later, own_thread_go, 0, NULL));
  return S_OK;
}

/* Faults on a thread of its own, and returns. */
static HRESULT own_thread_fault(void) {
  SetEvent(own_thread_go);
  return S_OK;
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

/* Runs "cat" with two arguments, says something to it, and tells what comes back. */
static HRESULT execute(void) {
  LPCSTR arguments[] = {"cat", "a b", NULL};
  wchar_t heard[256] = L"";
  int length = 0, part = 0;
  char buffer[64];
  SOCKET sock;
  HRESULT result = api->ExecuteBinary(SESSION, "/bin/cat", arguments, &sock);

  if (FAILED(result)) return result;
  send(sock, "ping", 4, 0);
  while ((part = recv(sock, buffer, sizeof buffer, 0)) > 0)
    for (int i = 0; i < part && length < 255; i++) heard[length++] = (wchar_t)buffer[i];
  closesocket(sock);
  return api->PluginError(heard);
}

static HRESULT execute_nothing(void) {
  SOCKET sock = 0;
  HRESULT result = api->ExecuteBinary(SESSION, "/bin/nothing", NULL, &sock);
  return sock == INVALID_SOCKET ? result : E_ABORT;
}

/* Every way to be too long, each of which must be E_INVALIDARG, and none of which may be read to its end:
 * the strings end at a page that is not there. */
static HRESULT oversize(void) {
  const SIZE_T size = 2 * MIB, page = 4096;
  char *narrow = VirtualAlloc(NULL, size + page, MEM_RESERVE, PAGE_NOACCESS);
  const wchar_t *wide = (const wchar_t *)narrow;
  LPCSTR *many = malloc(300000 * sizeof *many);
  LPCSTR one[] = {narrow, NULL};
  HRESULT results[7];
  SOCKET sock;

  VirtualAlloc(narrow, size, MEM_COMMIT, PAGE_READWRITE);
  memset(narrow, 'a', size);
  for (int i = 0; i < 299999; i++) many[i] = "";
  many[299999] = NULL;
  results[0] = api->MountFolder(SESSION, wide, L"/a", TRUE, L"a");
  results[1] = api->MountFolder(SESSION, L"C:\\", L"/a", TRUE, wide);
  results[2] = api->ExecuteBinary(SESSION, narrow, NULL, &sock);
  results[3] = api->ExecuteBinary(SESSION, "/bin/cat", one, &sock);
  results[4] = api->ExecuteBinary(SESSION, "/bin/cat", many, &sock);
  results[5] = api->PluginError(wide);
  results[6] = api->WSLCUnmountFolder(SESSION, narrow);
  free((void *)many);
  VirtualFree(narrow, 0, MEM_RELEASE);
  for (unsigned i = 0; i < COUNT(results); i++)
    if (results[i] != E_INVALIDARG) return (HRESULT)(0xA0000000u + i);
  return mount(); /* and the host lives */
}

static HRESULT null_arguments(void) {
  GUID id = {0};
  SOCKET sock;
  int code = 5;
  HANDLE handle = &id;
  const struct {
    HRESULT result, expected;
  } calls[] = {
      {api->MountFolder(SESSION, NULL, L"/a", TRUE, L"a"), E_INVALIDARG},
      {api->MountFolder(SESSION, L"C:\\", NULL, TRUE, L"a"), E_INVALIDARG},
      {api->MountFolder(SESSION, L"C:\\", L"/a", TRUE, NULL), E_INVALIDARG},
      {api->ExecuteBinary(SESSION, NULL, NULL, &sock), E_INVALIDARG},
      {api->ExecuteBinary(SESSION, "/bin/cat", NULL, NULL), E_POINTER},
      {api->PluginError(NULL), E_INVALIDARG},
      {api->ExecuteBinaryInDistribution(SESSION, NULL, "/bin/cat", NULL, &sock), E_INVALIDARG},
      {api->ExecuteBinaryInDistribution(SESSION, &id, "/bin/cat", NULL, NULL), E_POINTER},
      {api->WSLCMountFolder(SESSION, NULL, "/a", TRUE), E_POINTER},
      {api->WSLCUnmountFolder(SESSION, NULL), E_POINTER},
      {api->WSLCCreateProcess(SESSION, "/bin/cat", NULL, NULL, NULL, NULL), E_POINTER},
      {api->WSLCProcessGetFd(NULL, WSLCProcessFdStdin, &handle), E_INVALIDARG},
      {api->WSLCProcessGetExitEvent(&id, NULL), E_POINTER},
      {api->WSLCProcessGetExitCode(NULL, &code), E_INVALIDARG},
  };

  for (unsigned i = 0; i < COUNT(calls); i++)
    if (calls[i].result != calls[i].expected) return (HRESULT)(0xA0000000u + i);
  return sock == INVALID_SOCKET && handle == NULL && code == -1 ? S_OK : E_FAIL;
}

/* A thread that has a COM apartment of this kind, or none, calls while it lives and is joined. */
static DWORD WINAPI call_in_apartment(void *kind) {
  DWORD apartment = *(DWORD *)kind;
  HRESULT result;

  if (apartment != 0) CoInitializeEx(NULL, apartment == 1 ? COINIT_MULTITHREADED : COINIT_APARTMENTTHREADED);
  result = mount();
  if (apartment != 0) CoUninitialize();
  return (DWORD)result;
}

static HRESULT run_thread(DWORD apartment) {
  HANDLE thread = CreateThread(NULL, 0, call_in_apartment, &apartment, 0, NULL);
  DWORD result = (DWORD)E_FAIL;

  WaitForSingleObject(thread, INFINITE);
  GetExitCodeThread(thread, &result);
  CloseHandle(thread);
  return (HRESULT)result;
}

static HRESULT thread_none(void) {
  return run_thread(0);
}

static HRESULT thread_mta(void) {
  return run_thread(1);
}

static HRESULT thread_sta(void) {
  return run_thread(2);
}

static DWORD WINAPI call_for_ever(void *began) {
  while (mount() != E_UNEXPECTED) SetEvent(began);
  return 0;
}

/* Leaves a thread behind that calls without pause. */
static HRESULT keep_calling(void) {
  HANDLE began = CreateEventW(NULL, TRUE, FALSE, NULL);
  CloseHandle(CreateThread(NULL, 0, call_for_ever, began, 0, NULL));
  WaitForSingleObject(began, INFINITE);
  CloseHandle(began);
  return S_OK;
}

/* An event that bears this process's number, for who waits in another. */
static HANDLE shared_event(const wchar_t *what) {
  wchar_t name[64];
  swprintf(name, COUNT(name), L"bulkhead-faults-%ls-%lu", what, GetCurrentProcessId());
  return CreateEventW(NULL, TRUE, FALSE, name);
}

static DWORD WINAPI call_when_told(void *refused) {
  WaitForSingleObject(shared_event(L"call"), INFINITE);
  if (mount() == E_UNEXPECTED) SetEvent(refused);
  return 0;
}

/* Leaves a thread behind that calls when it is told to, and tells whether the service no longer serves it. */
static HRESULT call_later(void) {
  CloseHandle(CreateThread(NULL, 0, call_when_told, shared_event(L"refused"), 0, NULL));
  return S_OK;
}

static HRESULT a_process(void) {
  LPCSTR environment[] = {"A=1", NULL};
  WSLCProcessHandle process;
  HANDLE out, event;
  int code = 0, error = 9;
  DWORD size = 0;
  char buffer[8];
  OVERLAPPED overlapped = {0};
  HRESULT result = api->WSLCCreateProcess(SESSION, "/bin/true", NULL, environment, &process, &error);

  if (FAILED(result) || error != 0) return E_FAIL;
  if (FAILED(api->WSLCProcessGetFd(process, WSLCProcessFdStdout, &out))) return E_FAIL;
  if (!ReadFile(out, buffer, sizeof buffer, &size, &overlapped))
    GetOverlappedResult(out, &overlapped, &size, TRUE);
  CloseHandle(out);
  if (size != 3 || memcmp(buffer, "out", 3) != 0) return E_FAIL;
  if (FAILED(api->WSLCProcessGetExitEvent(process, &event))) return E_FAIL;
  WaitForSingleObject(event, INFINITE);
  CloseHandle(event);
  if (FAILED(api->WSLCProcessGetExitCode(process, &code)) || code != 12) return E_FAIL;
  api->WSLCReleaseProcess(process);
  if (api->WSLCCreateProcess(SESSION, "/bin/nothing", NULL, NULL, &process, &error) != E_FAIL || error != 2)
    return E_FAIL;
  return process == NULL ? S_OK : E_FAIL;
}

/* ---- What a hook is told ------------------------------------------------------------------------------- */

/* Whether the session's SID is the token's user. */
static HRESULT check_token(const struct WSLSessionInformation *session) {
  BYTE buffer[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  TOKEN_USER *user = (TOKEN_USER *)buffer;
  HANDLE impersonation;
  DWORD size;

  if (session->UserToken == NULL) return session->UserSid == NULL ? S_FALSE : E_FAIL;
  if (!GetTokenInformation(session->UserToken, TokenUser, buffer, sizeof buffer, &size)) return E_FAIL;
  if (!DuplicateToken(session->UserToken, SecurityImpersonation, &impersonation)) return E_FAIL;
  CloseHandle(impersonation);
  return IsValidSid(session->UserSid) && EqualSid(session->UserSid, user->User.Sid) ? S_OK : E_FAIL;
}

static HRESULT tell(const struct WSLDistributionInformation *distribution) {
  wchar_t text[256];

  _snwprintf(text, COUNT(text), L"%08lx %ls %lu %ls %u %ls %ls", distribution->Id.Data1, distribution->Name,
             (unsigned long)distribution->PidNamespace,
             distribution->PackageFamilyName != NULL ? distribution->PackageFamilyName : L"NULL",
             distribution->InitPid, distribution->Flavor != NULL ? distribution->Flavor : L"NULL",
             distribution->Version != NULL ? distribution->Version : L"NULL");
  return api->PluginError(text);
}

static HRESULT return_disconnected(void) {
  return (HRESULT)0x80010108;
}

static HRESULT succeed(void) {
  return S_OK;
}

static const struct {
  const wchar_t *name;
  HRESULT (*run)(void);
} commands[] = {
    {L"succeed", succeed},
    {L"return-disconnected", return_disconnected},
    {L"access-violation", access_violation},
    {L"stack-overflow", stack_overflow},
    {L"division", division},
    {L"illegal-instruction", illegal_instruction},
    {L"call-nowhere", call_nowhere},
    {L"abort", run_abort},
    {L"exit-0", exit_0},
    {L"exit-process-7", exit_process_7},
    {L"terminate-0", terminate_0},
    {L"own-thread-prepare", own_thread_prepare},
    {L"own-thread-fault", own_thread_fault},
    {L"mount", mount},
    {L"execute", execute},
    {L"execute-nothing", execute_nothing},
    {L"oversize", oversize},
    {L"null-arguments", null_arguments},
    {L"thread-none", thread_none},
    {L"thread-mta", thread_mta},
    {L"thread-sta", thread_sta},
    {L"keep-calling", keep_calling},
    {L"call-later", call_later},
    {L"a-process", a_process},
};

static HRESULT on_distribution_started(const struct WSLSessionInformation *session,
                                       const struct WSLDistributionInformation *distribution) {
  if (wcscmp(distribution->Name, L"check-token") == 0) return check_token(session);
  if (wcsncmp(distribution->Name, L"tell", 4) == 0) return tell(distribution);
  for (unsigned i = 0; i < COUNT(commands); i++)
    if (wcscmp(distribution->Name, commands[i].name) == 0) return commands[i].run();
  return E_NOTIMPL;
}

static HRESULT on_vm_stopping(const struct WSLSessionInformation *session) {
  return session->SessionId == SESSION ? S_OK : E_FAIL;
}

static HRESULT on_container_started(const struct WSLCSessionInformation *session, LPCSTR json) {
  wchar_t text[128];
  _snwprintf(text, COUNT(text), L"%ls %lu %hs", session->DisplayName, session->ApplicationPid, json);
  return api->PluginError(text);
}

/* ---- Beginning ----------------------------------------------------------------------------------------- */

static BOOL is_called(const wchar_t *name) {
  return _wcsicmp(own_name, name) == 0;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved) {
  wchar_t path[MAX_PATH];

  (void)reserved;
  if (reason == DLL_PROCESS_DETACH && is_called(L"detach-hangs")) Sleep(INFINITE);
  if (reason == DLL_PROCESS_DETACH && is_called(L"detach-calls"))
    TerminateProcess(GetCurrentProcess(), mount() == E_UNEXPECTED ? 77 : 78);
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  GetModuleFileNameW(instance, path, MAX_PATH);
  wcscpy(own_name, wcsrchr(path, L'\\') + 1);
  *wcsrchr(own_name, L'.') = L'\0';
  if (is_called(L"dllmain-hangs")) hang();
  return !is_called(L"dllmain-refuses");
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  WSL_PLUGIN_REQUIRE_VERSION(2, 9, 5, Api);
  if (is_called(L"requires-update")) WSL_PLUGIN_REQUIRE_VERSION(99, 0, 0, Api);
  api = Api;
  if (is_called(L"entry-hangs")) hang();
  if (is_called(L"entry-faults")) fault(NULL);
  if (is_called(L"entry-fails")) return E_UNEXPECTED;
  if (is_called(L"entry-calls") && mount() != (HRESULT)0x80070490) return E_FAIL;
  Hooks->OnDistributionStarted = on_distribution_started;
  Hooks->OnVMStopping = on_vm_stopping;
  Hooks->ContainerStarted = on_container_started;
  return S_OK;
}
