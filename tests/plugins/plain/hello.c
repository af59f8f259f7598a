/* hello.c: a plugin that shows a Windows file to a Linux program.
 *
 * When a VM has started, it writes greeting.txt into its own folder, makes the folder visible in the VM at
 * /hello/from/windows, runs /bin/cat on the file there, reads what that says from the socket until its end,
 * and tells the debugger, and hello.log beside the DLL. It knows of nothing but the plugin API. */
#include "WslPluginApi.h"

#include <stdio.h>
#include <string.h>

#define GREETING "Hello from Windows, by way of Linux.\n"

static const struct WSLPluginAPIV1 *api;
static wchar_t folder[MAX_PATH];

/* A file in the DLL's folder, written anew. NULL: it cannot be. */
static FILE *create_file(const wchar_t *name) {
  wchar_t path[MAX_PATH + 32];
  swprintf(path, sizeof path / sizeof path[0], L"%ls\\%ls", folder, name);
  return _wfopen(path, L"wb");
}

static void report(const char *text, size_t length) {
  FILE *log = create_file(L"hello.log");

  OutputDebugStringA(text);
  if (log == NULL) return;
  fwrite(text, 1, length, log);
  fclose(log);
}

/* Reads until the other side has ended, or until the buffer is full. Returns how much it was; the text ends
 * in NUL. */
static size_t read_all(SOCKET sock, char *buffer, size_t size) {
  size_t length = 0;

  while (length + 1 < size) {
    int part = recv(sock, buffer + length, (int)(size - 1 - length), 0);
    if (part <= 0) break;
    length += (size_t)part;
  }
  buffer[length] = '\0';
  return length;
}

static HRESULT on_vm_started(const struct WSLSessionInformation *session,
                             const struct WSLVmCreationSettings *settings) {
  LPCSTR arguments[] = {"/bin/cat", "/hello/from/windows/greeting.txt", NULL};
  FILE *greeting = create_file(L"greeting.txt");
  char heard[4096];
  size_t length;
  SOCKET sock;
  HRESULT result;

  (void)settings;
  if (greeting == NULL) return HRESULT_FROM_WIN32(ERROR_CANNOT_MAKE);
  fputs(GREETING, greeting);
  fclose(greeting);

  result = api->MountFolder(session->SessionId, folder, L"/hello/from/windows", TRUE, L"hello");
  if (FAILED(result)) return result;
  result = api->ExecuteBinary(session->SessionId, arguments[0], arguments, &sock);
  if (FAILED(result)) return result;
  length = read_all(sock, heard, sizeof heard);
  closesocket(sock);
  report(heard, length);
  if (strcmp(heard, GREETING) == 0) return S_OK;
  api->PluginError(L"Linux did not say what Windows had written");
  return E_FAIL;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved) {
  wchar_t *end;

  (void)reserved;
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  GetModuleFileNameW(instance, folder, MAX_PATH);
  end = wcsrchr(folder, L'\\');
  if (end != NULL) *end = L'\0';
  return TRUE;
}

__declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks) {
  WSL_PLUGIN_REQUIRE_VERSION(1, 0, 0, Api);
  api = Api;
  Hooks->OnVMStarted = on_vm_started;
  return S_OK;
}
