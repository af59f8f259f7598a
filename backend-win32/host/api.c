#include "backend-win32/host/api.h"

#include "core/hook-slot.h"
#include "core/sync.h"
#include "backend-win32/host/service-proxy.h"

#include <string.h>

/* --- The strings of one call ---------------------------------------------------------------------------- */

/* A plugin's strings on their way into a BhCall. None is read beyond what is left of BH_WIRE_STRINGS_MAX;
 * what is too long, or not UTF-16, becomes NULL and a mark. */
typedef struct {
  gsize used;
  gboolean refused;
  char *converted[3]; /* owned; no call has more texts */
  guint count;
} Strings;

static gboolean strings_add(Strings *strings, gsize length) {
  gsize left = BH_WIRE_STRINGS_MAX - strings->used;
  if (strings->refused || length > left) {
    strings->refused = TRUE;
    return FALSE;
  }
  strings->used += length;
  return TRUE;
}

/* UTF-16 to UTF-8. */
static char *text(Strings *strings, LPCWSTR wide) {
  gsize left = BH_WIRE_STRINGS_MAX - strings->used, length;
  char *utf8;

  if (wide == NULL || strings->refused) return NULL;
  length = wcsnlen(wide, left + 1); /* its UTF-8 is no shorter */
  utf8 = length <= left ? g_utf16_to_utf8((const gunichar2 *)wide, (glong)length, NULL, NULL, NULL) : NULL;
  if (utf8 == NULL || !strings_add(strings, strlen(utf8))) {
    strings->refused = TRUE;
    g_free(utf8);
    return NULL;
  }
  g_assert(strings->count < G_N_ELEMENTS(strings->converted));
  return strings->converted[strings->count++] = utf8;
}

/* Stays where it is. */
static char *bytes(Strings *strings, LPCSTR string) {
  gsize left = BH_WIRE_STRINGS_MAX - strings->used;
  if (string == NULL || !strings_add(strings, strnlen(string, left + 1))) return NULL;
  return (char *)string;
}

/* Stays where it is. Counts a pointer and a NUL per string, so that the list itself is bounded too. */
static char **list(Strings *strings, LPCSTR *members) {
  if (members == NULL) return NULL;
  for (LPCSTR *member = members; *member != NULL; member++)
    if (!strings_add(strings, sizeof *member + 1) || bytes(strings, *member) == NULL) return NULL;
  return (char **)members;
}

/* Checks the call, lets the service serve it, and frees the strings. */
static HRESULT perform(BhCall *call, Strings *strings, BhCallReply *reply) {
  BhResult result = strings != NULL && strings->refused ? BH_E_INVALIDARG : bh_call_check(call);

  if (BH_SUCCEEDED(result)) {
    call->notification = bh_hook_slot_current();
    call->thread = bh_thread_number();
    result = bh_service_call(call, reply);
  }
  for (guint i = 0; strings != NULL && i < strings->count; i++) g_free(strings->converted[i]);
  return result;
}

/* A resource that is now the plugin's. */
static gintptr hand_over(BhCallReply *reply) {
  reply->resource.close = NULL;
  return reply->resource.value;
}

/* --- The calls ------------------------------------------------------------------------------------------ */

static HRESULT mount_folder(WSLSessionId session, LPCWSTR windows_path, LPCWSTR linux_path, BOOL read_only,
                            LPCWSTR name) {
  Strings strings = {0};
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_MOUNT_FOLDER,
      .session = session,
      .host_path = text(&strings, windows_path),
      .linux_path = text(&strings, linux_path),
      .read_only = read_only,
      .name = text(&strings, name),
  };
  return perform(&call, &strings, &reply);
}

/* Both of ExecuteBinary and ExecuteBinaryInDistribution. */
static HRESULT execute(BhCall *call, LPCSTR path, LPCSTR *arguments, SOCKET *sock) {
  Strings strings = {0};
  g_auto(BhCallReply) reply = {0};
  HRESULT result;

  call->path = bytes(&strings, path);
  call->arguments = list(&strings, arguments);
  result = perform(call, &strings, &reply);
  if (SUCCEEDED(result)) *sock = (SOCKET)hand_over(&reply);
  return result;
}

static HRESULT execute_binary(WSLSessionId session, LPCSTR path, LPCSTR *arguments, SOCKET *sock) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY, .session = session};

  if (sock == NULL) return E_POINTER;
  *sock = INVALID_SOCKET;
  return execute(&call, path, arguments, sock);
}

static HRESULT execute_binary_in_distribution(WSLSessionId session, const GUID *distribution, LPCSTR path,
                                              LPCSTR *arguments, SOCKET *sock) {
  BhCall call = {.api = BH_API_EXECUTE_BINARY_IN_DISTRIBUTION, .session = session};

  if (sock == NULL) return E_POINTER;
  *sock = INVALID_SOCKET;
  if (distribution == NULL) return E_INVALIDARG;
  memcpy(&call.distribution, distribution, sizeof call.distribution);
  return execute(&call, path, arguments, sock);
}

/* Never travels: the message goes back with the hook's result. */
static HRESULT plugin_error(LPCWSTR user_message) {
  Strings strings = {0};
  char *message = text(&strings, user_message);
  BhResult result = strings.refused ? BH_E_INVALIDARG : bh_hook_slot_plugin_error(message);

  g_free(message);
  return result;
}

static HRESULT container_mount_folder(WSLCSessionId session, LPCWSTR windows_path, LPCSTR mountpoint,
                                      BOOL read_only) {
  Strings strings = {0};
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_MOUNT_FOLDER,
      .session = session,
      .host_path = text(&strings, windows_path),
      .linux_path = bytes(&strings, mountpoint),
      .read_only = read_only,
  };
  return perform(&call, &strings, &reply);
}

static HRESULT container_unmount_folder(WSLCSessionId session, LPCSTR mountpoint) {
  Strings strings = {0};
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_UNMOUNT_FOLDER,
      .session = session,
      .linux_path = bytes(&strings, mountpoint),
  };
  return perform(&call, &strings, &reply);
}

static HRESULT container_create_process(WSLCSessionId session, LPCSTR executable, LPCSTR *arguments, LPCSTR *env,
                                        WSLCProcessHandle *process, int *errno_value) {
  Strings strings = {0};
  g_auto(BhCallReply) reply = {0};
  BhCall call = {
      .api = BH_API_CONTAINER_CREATE_PROCESS,
      .session = session,
      .path = bytes(&strings, executable),
      .arguments = list(&strings, arguments),
      .environment = list(&strings, env),
  };
  HRESULT result;

  if (errno_value != NULL) *errno_value = 0;
  if (process == NULL) return E_POINTER;
  *process = NULL;
  result = perform(&call, &strings, &reply);
  if (SUCCEEDED(result)) *process = (WSLCProcessHandle)(gintptr)reply.process;
  if (errno_value != NULL) *errno_value = (int)reply.number;
  return result;
}

/* What asks about a process: no strings, the process's number, and for some the kind of what comes back. */
static HRESULT ask_process(BhApi api, WSLCProcessHandle process, guint32 fd, BhCallReply *reply) {
  BhCall call = {.api = api, .process = (guint64)(gintptr)process, .fd = fd};
  return process != NULL ? perform(&call, NULL, reply) : E_INVALIDARG;
}

static HRESULT process_get_fd(WSLCProcessHandle process, enum WSLCProcessFd fd, HANDLE *handle) {
  g_auto(BhCallReply) reply = {0};
  HRESULT result;

  if (handle == NULL) return E_POINTER;
  *handle = NULL;
  result = ask_process(BH_API_PROCESS_GET_FD, process, (guint32)fd, &reply);
  if (SUCCEEDED(result)) *handle = (HANDLE)hand_over(&reply);
  return result;
}

static HRESULT process_get_exit_event(WSLCProcessHandle process, HANDLE *event) {
  g_auto(BhCallReply) reply = {0};
  HRESULT result;

  if (event == NULL) return E_POINTER;
  *event = NULL;
  result = ask_process(BH_API_PROCESS_GET_EXIT_EVENT, process, 0, &reply);
  if (SUCCEEDED(result)) *event = (HANDLE)hand_over(&reply);
  return result;
}

static HRESULT process_get_exit_code(WSLCProcessHandle process, int *code) {
  g_auto(BhCallReply) reply = {0};
  HRESULT result;

  if (code == NULL) return E_POINTER;
  *code = -1;
  result = ask_process(BH_API_PROCESS_GET_EXIT_CODE, process, 0, &reply);
  if (SUCCEEDED(result)) *code = (int)reply.number;
  return result;
}

static void release_process(WSLCProcessHandle process) {
  g_auto(BhCallReply) reply = {0};
  ask_process(BH_API_PROCESS_RELEASE, process, 0, &reply);
}

const struct WSLPluginAPIV1 *bh_host_api(void) {
  static struct WSLPluginAPIV1 api = {
      .MountFolder = mount_folder,
      .ExecuteBinary = execute_binary,
      .PluginError = plugin_error,
      .ExecuteBinaryInDistribution = execute_binary_in_distribution,
      .WSLCMountFolder = container_mount_folder,
      .WSLCUnmountFolder = container_unmount_folder,
      .WSLCCreateProcess = container_create_process,
      .WSLCProcessGetFd = process_get_fd,
      .WSLCProcessGetExitEvent = process_get_exit_event,
      .WSLCProcessGetExitCode = process_get_exit_code,
      .WSLCReleaseProcess = release_process,
  };
  api.Version =
      (struct WSLVersion){bh_contract_version.major, bh_contract_version.minor, bh_contract_version.revision};
  return &api;
}
