/* install.c: `bulkhead install|uninstall`: all that the MSI does, where there is no MSI: a machine of a developer, a test. */
#include "commands-win32.h"

#include "machine.h"
#include "scm.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/wire.h"
#include "cli/platform.h"

#include <glib/gstdio.h>

#define DISPLAY_NAME L"Bulkhead plugin service"
#define DESCRIPTION  L"Runs plugins in processes of their own, so that none can harm the service or another plugin."

/* A status: complains of a step that failed. */
static int complain(const char *step, DWORD error) {
  g_autofree char *words = bh_wire_error_words(bh_wire_error(error));

  if (error == ERROR_ACCESS_DENIED)
    g_printerr("bulkhead: %s: this needs an administrator's elevated prompt\n", step);
  else
    g_printerr("bulkhead: %s: %s\n", step, words);
  return BH_EXIT_FAILED;
}

/* --- The service ------------------------------------------------------------------------------------------------- */

/* "C:\…\bulkhead.exe" service. The caller's. */
static wchar_t *command_line(const char *program) {
  g_autofree char *text = g_strdup_printf("\"%s\" service", program);
  return bh_wire_wide(text);
}

/* Made, or brought up to date. NULL: GetLastError says why. */
static SC_HANDLE make_service(SC_HANDLE manager, const char *program) {
  g_autofree wchar_t *command = command_line(program);
  const DWORD rights = SERVICE_CHANGE_CONFIG | SERVICE_START;
  SC_HANDLE service =
      CreateServiceW(manager, BH_SERVICE_NAME, DISPLAY_NAME, rights, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
                     SERVICE_ERROR_NORMAL, command, NULL, NULL, L"RpcSs\0", NULL, NULL);

  if (service != NULL || GetLastError() != ERROR_SERVICE_EXISTS) return service;
  service = OpenServiceW(manager, BH_SERVICE_NAME, rights);
  if (service != NULL &&
      !ChangeServiceConfigW(service, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, command,
                            NULL, NULL, L"RpcSs\0", NULL, NULL, DISPLAY_NAME)) {
    DWORD error = GetLastError();
    CloseServiceHandle(service);
    SetLastError(error);
    return NULL;
  }
  return service;
}

static DWORD install_service(SC_HANDLE manager, const char *program) {
  SERVICE_DESCRIPTIONW description = {DESCRIPTION};
  SC_HANDLE service = make_service(manager, program);
  DWORD error;

  if (service == NULL) return GetLastError();
  error = ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &description) ? bh_scm_configure(service)
                                                                                   : GetLastError();
  CloseServiceHandle(service);
  return error;
}

/* Opens the service. ERROR_SUCCESS with NULL: there is none. */
static DWORD open_service(SC_HANDLE manager, DWORD rights, SC_HANDLE *service) {
  *service = OpenServiceW(manager, BH_SERVICE_NAME, rights);
  return *service != NULL || GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST ? ERROR_SUCCESS : GetLastError();
}

static DWORD stop_service(SC_HANDLE manager) {
  SC_HANDLE service;
  DWORD error = open_service(manager, SERVICE_STOP | SERVICE_QUERY_STATUS, &service);

  if (service == NULL) return error;
  error = bh_scm_stop(service);
  CloseServiceHandle(service);
  return error;
}

static DWORD delete_service(SC_HANDLE manager) {
  SC_HANDLE service;
  DWORD error = open_service(manager, DELETE, &service);

  if (service == NULL) return error;
  if (!DeleteService(service) && GetLastError() != ERROR_SERVICE_MARKED_FOR_DELETE) error = GetLastError();
  CloseServiceHandle(service);
  return error;
}

/* --- The commands ------------------------------------------------------------------------------------------------ */

static int install(SC_HANDLE manager) {
  g_autofree char *program = bh_platform_program(), *host = bh_platform_beside("wslpluginhost.exe");
  g_autofree char *proxystub = bh_platform_beside("wslpluginproxystub.dll"), *dumps = bh_platform_beside("dumps");
  g_autofree char *cause = NULL;
  DWORD error;

  if (!bh_win32_register(FALSE, host, proxystub, &cause)) {
    g_printerr("bulkhead: %s\n", cause);
    return BH_EXIT_FAILED;
  }
  if ((error = bh_machine_register(program, dumps)) != ERROR_SUCCESS)
    return complain("the Event Log's source and error reporting could not be registered", error);
  if ((error = bh_machine_make_dumps(dumps)) != ERROR_SUCCESS)
    return complain("the folder for dumps could not be made", error);
  if ((error = install_service(manager, program)) != ERROR_SUCCESS)
    return complain("the service could not be installed", error);
  return BH_EXIT_OK;
}

static void remove_own_dumps(void) {
  g_autofree char *dumps = bh_machine_own_dumps(), *parent = g_path_get_dirname(dumps);

  bh_machine_remove_dumps(dumps);
  g_rmdir(parent); /* if it is empty now */
}

/* What there is to take back. Windows Installer, which does the rest by itself, asks for the first three one by one. */
typedef struct {
  gboolean stop, dumps, own_dumps, all;
} Parts;

/* Whatever fails, the others are done. manager: NULL if only dumps are to go. */
static int uninstall(SC_HANDLE manager, const Parts *parts) {
  g_autofree char *dumps = bh_platform_beside("dumps"), *cause = NULL;
  int status = BH_EXIT_OK;
  DWORD error;

  if ((parts->all || parts->stop) && (error = stop_service(manager)) != ERROR_SUCCESS)
    status = complain("the service could not be stopped", error);
  if (parts->all || parts->dumps) bh_machine_remove_dumps(dumps);
  if (parts->all || parts->own_dumps) remove_own_dumps();
  if (!parts->all) return status;

  if ((error = delete_service(manager)) != ERROR_SUCCESS)
    status = complain("the service could not be removed", error);
  if ((error = bh_machine_unregister()) != ERROR_SUCCESS)
    status = complain("the Event Log's source and error reporting could not be unregistered", error);
  if (!bh_win32_unregister(FALSE, &cause)) {
    g_printerr("bulkhead: %s\n", cause);
    status = BH_EXIT_FAILED;
  }
  return status;
}

/* NULL, as a status: it was said why. */
static SC_HANDLE open_manager(DWORD rights, int *status) {
  SC_HANDLE manager = OpenSCManagerW(NULL, NULL, rights);

  if (manager == NULL) *status = complain("the Service Control Manager does not let us", GetLastError());
  return manager;
}

/* The first step of both needs an administrator, so that without one nothing is done. */
#define ADMINISTRATOR (SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE)

static int do_install(char ***arguments) {
  const GOptionEntry entries[] = {G_OPTION_ENTRY_NULL};
  SC_HANDLE manager;
  int status = BH_EXIT_USAGE;

  if (!bh_parse_options(arguments,
                        "Installs the service that is this program: its COM classes, its Event Log source, where\n"
                        "dumps of its hosts go. Start it with: net start Bulkhead",
                        entries))
    return status;
  manager = open_manager(ADMINISTRATOR, &status);
  if (manager == NULL) return status;
  status = install(manager);
  CloseServiceHandle(manager);
  return status;
}

static int do_uninstall(char ***arguments) {
  Parts parts = {0};
  const GOptionEntry entries[] = {
      {"stop", 0, 0, G_OPTION_ARG_NONE, &parts.stop, "only stop it, and wait until its process has ended", NULL},
      {"dumps", 0, 0, G_OPTION_ARG_NONE, &parts.dumps, "only delete the dumps of its hosts", NULL},
      {"own-dumps", 0, 0, G_OPTION_ARG_NONE, &parts.own_dumps,
       "only delete the dumps of hosts that this user has run himself", NULL},
      G_OPTION_ENTRY_NULL,
  };
  SC_HANDLE manager = NULL;
  int status = BH_EXIT_USAGE;

  if (!bh_parse_options(
          arguments,
          "Stops the service, takes back what 'bulkhead install' did, and deletes the service's dumps\n"
          "and this user's. With options, only what they say.",
          entries))
    return status;
  parts.all = !parts.stop && !parts.dumps && !parts.own_dumps;
  if (parts.all || parts.stop) {
    manager = open_manager(parts.all ? ADMINISTRATOR : SC_MANAGER_CONNECT, &status);
    if (manager == NULL) return status;
  }
  status = uninstall(manager, &parts);
  if (manager != NULL) CloseServiceHandle(manager);
  return status;
}

const BhCommand bh_command_install = {"install", do_install, "installs the service, for the machine"};
const BhCommand bh_command_uninstall = {"uninstall", do_uninstall, "takes that back"};
