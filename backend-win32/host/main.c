/* wslpluginhost.exe: runs one plugin for the service.
 *
 * A COM local server: Windows starts it when the service activates CLSID_WslPluginHost, once per activation.
 * It registers its class, is made, attached and asked to load, runs hooks, and ends:
 *
 *   with 0                     the service has released it
 *   BH_EXIT_NEVER_ASKED        it was not asked to load: whoever wanted it is no more
 *   an exception's code        the plugin faulted
 *   whatever the plugin says   the plugin called exit: the service takes that for a crash
 *
 * Started as "wslpluginhost.exe /dump=…", by such a host, it is that host's helper instead (dump/dump.h).
 *
 * A service that is gone takes its hosts along by the job that holds them; before they are in it, the timer
 * does. */
#include "backend-win32/dump/dump.h"
#include "backend-win32/host/guard.h"
#include "backend-win32/host/harden.h"
#include "backend-win32/host/host-object.h"
#include "backend-win32/host/service-proxy.h"
#include "backend-win32/security.h"

#include <stdlib.h>
#include <string.h>

/* How long a host waits to be asked to load. Between its start and that lie one activation and one
 * handshake, tens of milliseconds; a machine that has just booted may be slower, and nobody waits for this. */
#define STARTUP_TIMEOUT_MS 30000

/* Started by hand: how long instead. */
#define STARTUP_TIMEOUT_OPTION "/startup-timeout="

static BhHostObject host;
static DWORD registration; /* of its class */

/* From now on COM can find us. */
static HRESULT serve(void) {
  IGlobalOptions *options = NULL;
  HRESULT status = CoInitializeEx(NULL, COINIT_MULTITHREADED | COINIT_DISABLE_OLE1DDE);

  if (FAILED(status)) return status;
  /* Hosts run as the service's user, so nobody else has business here. Of that user's processes it is who comes first: an
   * object serves one activation, one Attach and one Load. */
  status = bh_security_set_up();
  if (FAILED(status)) return status;
  /* The guard does not need it; it is for faults between COM and the guard. Wine takes it and ignores it. */
  status =
      CoCreateInstance(&CLSID_GlobalOptions, NULL, CLSCTX_INPROC_SERVER, &IID_IGlobalOptions, (void **)&options);
  if (FAILED(status)) return status;
  status = IGlobalOptions_Set(options, COMGLB_EXCEPTION_HANDLING, COMGLB_EXCEPTION_DONOT_HANDLE_ANY);
  IGlobalOptions_Release(options);
  if (FAILED(status)) return status;
  return CoRegisterClassObject(&CLSID_WslPluginHost, bh_host_object_factory(&host), CLSCTX_LOCAL_SERVER,
                               REGCLS_SINGLEUSE, &registration);
}

static DWORD startup_timeout(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (g_str_has_prefix(argv[i], STARTUP_TIMEOUT_OPTION))
      return (DWORD)strtoul(argv[i] + strlen(STARTUP_TIMEOUT_OPTION), NULL, 10);
  return STARTUP_TIMEOUT_MS;
}

/* Wine 8 starts a local server with handles to whoever activated it in the place of its standard ones; a host is to have
 * none. Windows gives it none, and a console's or a file's handle is no process. */
static void drop_process_handles(void) {
  static const DWORD standard[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};

  for (guint i = 0; i < G_N_ELEMENTS(standard); i++) {
    HANDLE handle = GetStdHandle(standard[i]);

    if (handle == NULL || handle == INVALID_HANDLE_VALUE || GetProcessId(handle) == 0) continue;
    CloseHandle(handle);
    SetStdHandle(standard[i], NULL);
  }
}

int main(int argc, char **argv) {
  const DWORD timeout = startup_timeout(argc, argv);
  HANDLE events[2];
  WSADATA winsock;

  bh_guard_install();
  bh_harden(&host.refusal);
  if (argc == 2 && g_str_has_prefix(argv[1], BH_DUMP_OPTION))
    return bh_dump_help(argv[1] + strlen(BH_DUMP_OPTION));
  drop_process_handles();
  if (!bh_host_object_init(&host) || WSAStartup(MAKEWORD(2, 2), &winsock) != 0 || FAILED(serve()))
    ExitProcess(BH_EXIT_NO_SERVER);

  events[0] = host.over;
  events[1] = host.asked;
  if (WaitForMultipleObjects(2, events, FALSE, timeout) == WAIT_TIMEOUT) {
    CoRevokeClassObject(registration); /* nobody is to be given a host that ends */
    ExitProcess(BH_EXIT_NEVER_ASKED);
  }
  WaitForSingleObject(host.over, INFINITE);

  /* The plugin's threads may still run, and its DLL stays: this process's end is theirs. */
  bh_host_object_disconnect(&host);
  bh_service_goodbye();
  ExitProcess(0);
}
