/* Windows and Wine: the mock backend with a guest in memory, or real hosts with a real Linux where there is one. What was
 * built is found from the environment: BULKHEAD_HOST, BULKHEAD_PROXYSTUB, BULKHEAD_PLUGIN, BULKHEAD_AGENT. */
#include "environment.h"

#include "backend-mock/mock.h"
#include "backend-win32/backend-win32.h"
#include "guest/client.h"
#include "guest/memory.h"
#include "tests/common/spare-hosts.h"

#include <windows.h>

#include <tlhelp32.h>

static gboolean is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

const char *platform_name(void) {
  return is_wine() ? "wine" : "windows";
}

static gboolean is_mock(const Environment *environment) {
  return g_str_equal(environment->backend_name, "mock");
}

/* A built file, absolute. */
static char *built(const char *variable) {
  const char *path = g_getenv(variable);

  if (path == NULL) g_error("%s is not set; meson test sets it", variable);
  return g_canonicalize_filename(path, NULL);
}

static void register_host(const char *host) {
  static gboolean done;
  g_autofree char *proxystub = built("BULKHEAD_PROXYSTUB"), *cause = NULL;

  g_setenv("BULKHEAD_DUMPS", "", TRUE); /* they take seconds under Wine, and are win32/dump's */
  if (!done && !bh_win32_register(TRUE, host, proxystub, &cause)) g_error("%s", cause);
  done = TRUE;
}

static BhBackend *open_backend(const char *host, BhWin32Signing signing) {
  g_autofree char *cause = NULL;
  BhBackend *backend = bh_backend_win32_new(&(BhWin32Settings){.host_path = host, .signing = signing}, &cause);

  if (backend == NULL) g_error("%s", cause);
  return backend;
}

void platform_open(Environment *environment) {
  g_autofree char *host = NULL;

  if (is_mock(environment)) {
    environment->backend = bh_backend_mock_new(NULL, 0);
    environment->inner_guest = bh_guest_memory_new();
    environment->user.token = 1;
    return;
  }
  host = built("BULKHEAD_HOST");
  register_host(host);
  spare_hosts_fill(host);
  environment->backend = open_backend(host, BH_WIN32_SIGNING_AS_BUILT);
  g_assert_true(bh_win32_current_user(&environment->user.token, &environment->user.sid));
  environment->inner_guest = is_wine() ? bh_guest_agent_new(g_getenv("BULKHEAD_AGENT")) : bh_guest_memory_new();
}

void platform_require_signatures(Environment *environment) {
  g_autofree char *host = built("BULKHEAD_HOST");

  bh_backend_win32_free(environment->backend);
  environment->backend = open_backend(host, BH_WIN32_SIGNING_REQUIRED);
}

gboolean platform_host_runs(guint32 pid) {
  HANDLE processes = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  PROCESSENTRY32W entry = {.dwSize = sizeof entry};
  gboolean found = FALSE;

  for (BOOL more = Process32FirstW(processes, &entry); more && !found; more = Process32NextW(processes, &entry))
    found = entry.th32ProcessID == pid && _wcsicmp(entry.szExeFile, L"wslpluginhost.exe") == 0;
  CloseHandle(processes);
  return found;
}

void platform_kill_host(guint32 pid) {
  HANDLE process = OpenProcess(PROCESS_TERMINATE, FALSE, pid);

  g_assert_true(TerminateProcess(process, 9));
  CloseHandle(process);
}

void platform_close(Environment *environment) {
  if (is_mock(environment)) {
    bh_backend_mock_free(environment->backend);
    bh_guest_memory_free(environment->inner_guest);
    return;
  }
  bh_backend_win32_free(environment->backend);
  if (is_wine())
    bh_guest_agent_free(environment->inner_guest);
  else
    bh_guest_memory_free(environment->inner_guest);
  bh_win32_token_close(environment->user.token);
  g_bytes_unref(environment->user.sid);
}

const char *platform_plugin(const Environment *environment) {
  static char *plugin;

  if (is_mock(environment)) return NULL;
  if (plugin == NULL) plugin = built("BULKHEAD_PLUGIN");
  return plugin;
}
