/* WslPluginApi.h: what a WSL plugin is made of. For plugin authors, C and C++, x64 Windows.
 *
 * A plugin is a DLL that exports one function. It is given a table of calls (the API), and fills a table of
 * hooks:
 *
 *   #include "WslPluginApi.h"
 *
 *   static const struct WSLPluginAPIV1 *api;
 *
 *   static HRESULT on_vm_started(const struct WSLSessionInformation *session,
 *                                const struct WSLVmCreationSettings *settings) {
 *     return api->MountFolder(session->SessionId, L"C:\\tools", L"/tools", TRUE, L"tools");
 *   }
 *
 *   __declspec(dllexport) HRESULT WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api,
 *                                                           struct WSLPluginHooksV1 *Hooks) {
 *     WSL_PLUGIN_REQUIRE_VERSION(2, 1, 2, Api);
 *     api = Api;
 *     Hooks->OnVMStarted = on_vm_started;
 *     return S_OK;
 *   }
 *
 * (In C++ the entry point is extern "C"; it is declared so at the end of this file.)
 *
 * Hooks: leave NULL what you do not need. What a hook is given is valid only until it returns: copy what you
 * keep. Within one plugin the hooks of one session do not overlap (ContainerStarted to ImageDeleted may);
 * those of different sessions do, on different threads. A hook that "may refuse" ends the operation by
 * failing, and may tell the user why with PluginError.
 *
 * Calls: any thread may make them, inside or outside a hook, in any COM apartment or none. Before the entry
 * point has returned there is no session to call about: 0x80070490. Results named in this file are HRESULTs.
 *
 * Names, order, types and calling convention are the ABI: a DLL built with the public WSL plugin header of
 * API 2.9.5, or an older one, runs here as it is, and the other way round. New members are only ever added
 * at the end. */
#pragma once

/* winsock2.h must come before windows.h, which else brings its predecessor. */
#include <winsock2.h>
#include <windows.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The name under which the entry point is exported. */
#define WSLPLUGINAPI_ENTRYPOINTV1 WSLPluginAPIV1_EntryPoint

/* "The service is too old for this plugin"; the user is told how to update. FACILITY_ITF, 0x032A. */
#define WSL_E_PLUGIN_REQUIRES_UPDATE MAKE_HRESULT(SEVERITY_ERROR, FACILITY_ITF, 0x032A)

/* Returns WSL_E_PLUGIN_REQUIRES_UPDATE from the calling function if the service's API is older than this.
 * Usually the entry point's first line. */
#define WSL_PLUGIN_REQUIRE_VERSION(RequiredMajor, RequiredMinor, RequiredRevision, Api) \
  do { \
    const struct WSLVersion *wslActualVersion = &(Api)->Version; \
    const uint32_t wslActual[3] = {wslActualVersion->Major, wslActualVersion->Minor, wslActualVersion->Revision}; \
    const uint32_t wslRequired[3] = {(RequiredMajor), (RequiredMinor), (RequiredRevision)}; \
    int wslPart = 0; \
    while (wslPart < 2 && wslActual[wslPart] == wslRequired[wslPart]) wslPart++; \
    if (wslActual[wslPart] < wslRequired[wslPart]) return WSL_E_PLUGIN_REQUIRES_UPDATE; \
  } while (0)

/* ---- Records ------------------------------------------------------------------------------------------- */

struct WSLVersion {
  uint32_t Major, Minor, Revision;
};

/* Names a session in calls: an opaque number to be handed back. The two spaces of numbers have nothing in
 * common. */
typedef DWORD WSLSessionId;  /* a VM with distributions */
typedef DWORD WSLCSessionId; /* containers */

struct WSLSessionInformation {
  WSLSessionId SessionId;
  /* The session's user: good for TOKEN_QUERY and TOKEN_DUPLICATE, so impersonate with what DuplicateToken makes of
   * it. The service closes it. NULL when no VM runs. */
  HANDLE UserToken;
  PSID UserSid;
};

/* Flags: what the user has changed about the VM. */
enum WSLUserConfiguration {
  None = 0,
  WSLUserConfigurationCustomKernel = 1,
  WSLUserConfigurationCustomKernelCommandLine = 2,
};

struct WSLVmCreationSettings {
  enum WSLUserConfiguration CustomConfigurationFlags;
};

/* A distribution that runs. */
struct WSLDistributionInformation {
  GUID Id; /* the same whenever this distribution starts */
  LPCWSTR Name;
  uint64_t PidNamespace;     /* inode of the PID namespace that its processes are in */
  LPCWSTR PackageFamilyName; /* NULL: it was installed from no package */
  uint32_t InitPid;          /* its init process, as the VM's root namespace numbers it */
  LPCWSTR Flavor;            /* "ubuntu"; NULL: unknown */
  LPCWSTR Version;           /* "22.04"; NULL: unknown */
};

/* A distribution that need not run. Members as above. */
struct WslOfflineDistributionInformation {
  GUID Id;
  LPCWSTR Name;
  LPCWSTR PackageFamilyName;
  LPCWSTR Flavor;
  LPCWSTR Version;
};

struct WSLCSessionInformation {
  WSLCSessionId SessionId;
  LPCWSTR DisplayName;
  DWORD ApplicationPid; /* the Windows process that made the session */
  HANDLE UserToken;     /* as in WSLSessionInformation; may be NULL while the session stops */
  PSID UserSid;         /* likewise */
};

/* A process that WSLCCreateProcess made. Opaque; ends with WSLCReleaseProcess, which does not end the
 * process. */
typedef void *WSLCProcessHandle;

enum WSLCProcessFd {
  WSLCProcessFdStdin = 0,
  WSLCProcessFdStdout = 1,
  WSLCProcessFdStderr = 2,
};

/* ---- API: what a plugin may call ----------------------------------------------------------------------- */

/* Out-parameters are set in every case: to INVALID_SOCKET, NULL, errno 0 or exit code -1 on failure.
 *
 * Any call about a session may answer
 *   0x80070490   there is no such session
 *   0x8007139F   E_NOT_VALID_STATE: its VM is gone
 *   0x80040610   WSLC_E_VM_NOT_RUNNING: a WSLC session without a running VM
 *   E_UNEXPECTED the service no longer serves this plugin
 *   E_INVALIDARG strings of more than 1 MiB in all */

/* Makes a Windows folder visible in the VM's root namespace, creating the mount point and its parents. Name
 * is for people. A NULL string is E_INVALIDARG, a missing folder 0x80070002. */
typedef HRESULT (*WSLPluginAPI_MountFolder)(WSLSessionId Session, LPCWSTR WindowsPath, LPCWSTR LinuxPath,
                                            BOOL ReadOnly, LPCWSTR Name);

/* Runs a program in the VM's root namespace. Arguments is its whole argv, NULL-terminated, or NULL for just
 * Path. *Socket is the process's stdin and stdout, and the caller's to closesocket; stderr goes to the log.
 * E_INVALIDARG for a NULL Path, E_POINTER for a NULL Socket, E_FAIL for what cannot be executed. */
typedef HRESULT (*WSLPluginAPI_ExecuteBinary)(WSLSessionId Session, LPCSTR Path, LPCSTR *Arguments,
                                              SOCKET *Socket);

/* Tells the user why the running hook is about to fail. On that hook's own thread, else
 * E_ILLEGAL_METHOD_CALL; once in a hook, else E_ILLEGAL_STATE_CHANGE. A hook that then succeeds has made an
 * error: E_ILLEGAL_STATE_CHANGE. In hooks that cannot refuse, the message is dropped. */
typedef HRESULT (*WSLPluginAPI_PluginError)(LPCWSTR UserMessage);

/* ExecuteBinary, in a distribution. A NULL Distribution is E_INVALIDARG; one that does not run 0x80040313,
 * one that runs as WSL1 0x8004031C. */
typedef HRESULT (*WSLPluginAPI_ExecuteBinaryInDistribution)(WSLSessionId Session, const GUID *Distribution,
                                                            LPCSTR Path, LPCSTR *Arguments, SOCKET *Socket);

/* MountFolder for a WSLC session. NULL strings are E_POINTER, a missing folder 0x80070003, a relative
 * Mountpoint E_INVALIDARG. */
typedef HRESULT (*WSLPluginAPI_WSLCMountFolder)(WSLCSessionId Session, LPCWSTR WindowsPath, LPCSTR Mountpoint,
                                                BOOL ReadOnly);
typedef HRESULT (*WSLPluginAPI_WSLCUnmountFolder)(WSLCSessionId Session, LPCSTR Mountpoint);

/* Runs a program in a WSLC session's VM. Arguments and Env are NULL-terminated or NULL. Errno (may be NULL)
 * is why a program could not be executed, with E_FAIL: 2 when it was not found. */
typedef HRESULT (*WSLPluginAPI_WSLCCreateProcess)(WSLCSessionId Session, LPCSTR Executable, LPCSTR *Arguments,
                                                  LPCSTR *Env, WSLCProcessHandle *Process, int *Errno);

/* One end of the process's stdin, stdout or stderr: a socket, as a HANDLE for CloseHandle and overlapped
 * ReadFile and WriteFile; the caller's. Each once, then 0x8007139F. */
typedef HRESULT (*WSLPluginAPI_WSLCProcessGetFd)(WSLCProcessHandle Process, enum WSLCProcessFd Fd, HANDLE *Handle);

/* An event that is signalled when the process exits; the caller's. */
typedef HRESULT (*WSLPluginAPI_WSLCProcessGetExitEvent)(WSLCProcessHandle Process, HANDLE *ExitEvent);

/* 0x8007139F while it runs. */
typedef HRESULT (*WSLPluginAPI_WSLCProcessGetExitCode)(WSLCProcessHandle Process, int *ExitCode);

/* Lets go of the handle, NULL allowed. The process goes on. */
typedef void (*WSLPluginAPI_WSLCReleaseProcess)(WSLCProcessHandle Process);

/* Version says how many of the members there are. */
struct WSLPluginAPIV1 {
  struct WSLVersion Version;
  WSLPluginAPI_MountFolder MountFolder;
  WSLPluginAPI_ExecuteBinary ExecuteBinary;
  WSLPluginAPI_PluginError PluginError;
  WSLPluginAPI_ExecuteBinaryInDistribution ExecuteBinaryInDistribution; /* since 2.1.2 */
  WSLPluginAPI_WSLCMountFolder WSLCMountFolder;                         /* this and what follows: since 2.9.0 */
  WSLPluginAPI_WSLCUnmountFolder WSLCUnmountFolder;
  WSLPluginAPI_WSLCCreateProcess WSLCCreateProcess;
  WSLPluginAPI_WSLCProcessGetFd WSLCProcessGetFd;
  WSLPluginAPI_WSLCProcessGetExitEvent WSLCProcessGetExitEvent;
  WSLPluginAPI_WSLCProcessGetExitCode WSLCProcessGetExitCode;
  WSLPluginAPI_WSLCReleaseProcess WSLCReleaseProcess;
};

/* ---- Hooks: what a plugin is told ---------------------------------------------------------------------- */

/* A VM has started; may refuse it, and the VM is ended. */
typedef HRESULT (*WSLPluginAPI_OnVMStarted)(const struct WSLSessionInformation *Session,
                                            const struct WSLVmCreationSettings *Settings);
/* A VM is about to end; it still takes calls. Also comes after a refusal, whoever refused. */
typedef HRESULT (*WSLPluginAPI_OnVMStopping)(const struct WSLSessionInformation *Session);

/* A distribution has started; may refuse it. It can be executed in. */
typedef HRESULT (*WSLPluginAPI_OnDistributionStarted)(const struct WSLSessionInformation *Session,
                                                      const struct WSLDistributionInformation *Distribution);
/* A distribution is about to stop. May come again, if it then would not. */
typedef HRESULT (*WSLPluginAPI_OnDistributionStopping)(const struct WSLSessionInformation *Session,
                                                       const struct WSLDistributionInformation *Distribution);

/* A distribution was registered, or unregistered: after the fact, possibly with no VM running. */
typedef HRESULT (*WSLPluginAPI_OnDistributionRegistered)(
    const struct WSLSessionInformation *Session, const struct WslOfflineDistributionInformation *Distribution);
typedef HRESULT (*WSLPluginAPI_OnDistributionUnregistered)(
    const struct WSLSessionInformation *Session, const struct WslOfflineDistributionInformation *Distribution);

/* A WSLC session was made, and nobody can use it yet; may refuse it. */
typedef HRESULT (*WSLPluginAPI_OnSessionCreated)(const struct WSLCSessionInformation *Session);
typedef HRESULT (*WSLPluginAPI_OnSessionStopping)(const struct WSLCSessionInformation *Session);

/* A container has started (JSON describes it as Docker's inspect does); may refuse it. */
typedef HRESULT (*WSLPluginAPI_ContainerStarted)(const struct WSLCSessionInformation *Session, LPCSTR InspectJson);
typedef HRESULT (*WSLPluginAPI_ContainerStopping)(const struct WSLCSessionInformation *Session,
                                                  LPCSTR ContainerId);

/* An image was pulled or imported (JSON), or deleted. */
typedef HRESULT (*WSLPluginAPI_ImageCreated)(const struct WSLCSessionInformation *Session, LPCSTR InspectJson);
typedef HRESULT (*WSLPluginAPI_ImageDeleted)(const struct WSLCSessionInformation *Session, LPCSTR ImageId);

/* A WSLC session's VM runs, or is about to end. */
typedef HRESULT (*WSLPluginAPI_WslcVmStarted)(const struct WSLCSessionInformation *Session);
typedef HRESULT (*WSLPluginAPI_WslcVmStopping)(const struct WSLCSessionInformation *Session);

/* All NULL when the entry point is called. */
struct WSLPluginHooksV1 {
  WSLPluginAPI_OnVMStarted OnVMStarted;
  WSLPluginAPI_OnVMStopping OnVMStopping;
  WSLPluginAPI_OnDistributionStarted OnDistributionStarted;
  WSLPluginAPI_OnDistributionStopping OnDistributionStopping;
  WSLPluginAPI_OnDistributionRegistered OnDistributionRegistered; /* this and the next: since 2.1.2 */
  WSLPluginAPI_OnDistributionUnregistered OnDistributionUnregistered;
  WSLPluginAPI_OnSessionCreated OnSessionCreated; /* this and what follows: since 2.9.0 */
  WSLPluginAPI_OnSessionStopping OnSessionStopping;
  WSLPluginAPI_ContainerStarted ContainerStarted;
  WSLPluginAPI_ContainerStopping ContainerStopping;
  WSLPluginAPI_ImageCreated ImageCreated;
  WSLPluginAPI_ImageDeleted ImageDeleted;
  WSLPluginAPI_WslcVmStarted WslcVmStarted; /* this and the next: since 2.9.5 */
  WSLPluginAPI_WslcVmStopping WslcVmStopping;
};

/* ---- The entry point ----------------------------------------------------------------------------------- */

/* Called once, before any hook. A failure makes the plugin unusable for as long as the service runs. */
typedef HRESULT (*WSLPluginAPI_EntryPointV1)(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks);

HRESULT WSLPLUGINAPI_ENTRYPOINTV1(const struct WSLPluginAPIV1 *Api, struct WSLPluginHooksV1 *Hooks);

#ifdef __cplusplus
}
#endif
