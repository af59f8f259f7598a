#include "spare-hosts.h"

#include "backend-win32/wire.h"
#include "core/sync.h"

#include <stdlib.h>

/* Three plugins now, and three for what comes next. */
#define SPARES  6
#define ENDS_IN 500 /* ms: what was asked for is mostly the oldest, and ends at once */

static const BhLockClass spares_class = {"spare hosts", BH_RANK_LEAF, FALSE};
static BhMutex lock;
static HANDLE processes[SPARES]; /* of those that were started last; also of hosts that are in use */

static gboolean is_there(HANDLE process) {
  return process != NULL && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
}

/* Asks for one, and lets it go, of which it ends. */
static void end_one(void) {
  IUnknown *host = NULL;

  if (SUCCEEDED(CoCreateInstance(&CLSID_WslPluginHost, NULL, CLSCTX_LOCAL_SERVER | CLSCTX_ENABLE_AAA,
                                 &IID_IUnknown, (void **)&host)))
    IUnknown_Release(host);
}

/* One that was killed would still be given to somebody, by the next program that asks: so they are asked for. That may also
 * get another program's, or a new one while one of ours is still on its way: which has not come by then is killed. None may
 * stay: it would keep this program's stdout open. */
static void end_all(void) {
  CoInitializeEx(NULL, COINIT_MULTITHREADED);
  for (guint i = 0; i < SPARES; i++) {
    if (!is_there(processes[i])) continue;
    end_one();
    WaitForSingleObject(processes[i], ENDS_IN);
  }
  for (guint i = 0; i < SPARES; i++)
    if (is_there(processes[i])) TerminateProcess(processes[i], 0);
}

static gpointer begin(gpointer data) {
  bh_mutex_init(&lock, &spares_class);
  atexit(end_all);
  return data;
}

static HANDLE start_host(const char *path) {
  g_autofree char *line = g_strdup_printf("\"%s\" -Embedding", path);
  g_autofree wchar_t *wide = bh_wire_wide(line);
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  if (!CreateProcessW(NULL, wide, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process)) return NULL;
  CloseHandle(process.hThread);
  return process.hProcess;
}

void spare_hosts_fill(const char *host_path) {
  static GOnce once = G_ONCE_INIT;

  if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") == NULL) return;
  g_once(&once, begin, NULL);
  bh_mutex_lock(&lock);
  for (guint i = 0; i < SPARES; i++) {
    if (is_there(processes[i])) continue;
    if (processes[i] != NULL) CloseHandle(processes[i]);
    processes[i] = start_host(host_path);
  }
  bh_mutex_unlock(&lock);
}
