#include "plugin.h"

#include "core/sync.h"
#include "guest/socket.h"

#include <objbase.h>
#include <stdlib.h>
#include <string.h>

static wchar_t *wide(const char *text) {
  return text != NULL ? (wchar_t *)g_utf8_to_utf16(text, -1, NULL, NULL, NULL) : NULL;
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

/* A socket as the reply's resource. The calls leave INVALID_SOCKET where they fail. */
static void take_socket(BhCallReply *reply, SOCKET socket) {
  if (socket != INVALID_SOCKET) reply->resource = bh_socket_resource((gintptr)socket);
}

static void mount_folder(const BhCall *call, BhCallReply *reply) {
  g_autofree wchar_t *host_path = wide(call->host_path);
  g_autofree wchar_t *linux_path = wide(call->linux_path);
  g_autofree wchar_t *name = wide(call->name);

  reply->result = plugin_api->MountFolder(call->session, host_path, linux_path, call->read_only, name);
}

static void execute(const BhCall *call, BhCallReply *reply) {
  SOCKET socket = INVALID_SOCKET;

  reply->result = plugin_api->ExecuteBinary(call->session, call->path, (LPCSTR *)call->arguments, &socket);
  take_socket(reply, socket);
}

static void execute_in(const BhCall *call, BhCallReply *reply) {
  const GUID *distribution = (const GUID *)(gconstpointer)&call->distribution;
  SOCKET socket = INVALID_SOCKET;

  reply->result = plugin_api->ExecuteBinaryInDistribution(call->session, distribution, call->path,
                                                          (LPCSTR *)call->arguments, &socket);
  take_socket(reply, socket);
}

static void container_mount_folder(const BhCall *call, BhCallReply *reply) {
  g_autofree wchar_t *host_path = wide(call->host_path);

  reply->result = plugin_api->WSLCMountFolder(call->session, host_path, call->linux_path, call->read_only);
}

static void container_unmount_folder(const BhCall *call, BhCallReply *reply) {
  reply->result = plugin_api->WSLCUnmountFolder(call->session, call->linux_path);
}

static void create_process(const BhCall *call, BhCallReply *reply) {
  WSLCProcessHandle process = NULL;
  int error = 0;

  reply->result = plugin_api->WSLCCreateProcess(call->session, call->path, (LPCSTR *)call->arguments,
                                                (LPCSTR *)call->environment, &process, &error);
  reply->process = (guint64)(guintptr)process;
  reply->number = (guint32)error;
}

static void close_handle(gintptr handle) {
  CloseHandle((HANDLE)handle);
}

/* A handle as the reply's resource. The calls leave NULL where they fail. */
static void take_handle(BhCallReply *reply, HANDLE handle) {
  if (handle != NULL) reply->resource = (BhResource){(gintptr)handle, close_handle};
}

static WSLCProcessHandle process_of(const BhCall *call) {
  return (WSLCProcessHandle)(guintptr)call->process;
}

static void get_fd(const BhCall *call, BhCallReply *reply) {
  HANDLE handle = NULL;

  reply->result = plugin_api->WSLCProcessGetFd(process_of(call), (enum WSLCProcessFd)call->fd, &handle);
  take_handle(reply, handle);
}

static void get_exit_event(const BhCall *call, BhCallReply *reply) {
  HANDLE handle = NULL;

  reply->result = plugin_api->WSLCProcessGetExitEvent(process_of(call), &handle);
  take_handle(reply, handle);
}

static void get_exit_code(const BhCall *call, BhCallReply *reply) {
  int code = 0;

  reply->result = plugin_api->WSLCProcessGetExitCode(process_of(call), &code);
  reply->number = (guint32)code;
}

static void release_process(const BhCall *call, BhCallReply *reply) {
  plugin_api->WSLCReleaseProcess(process_of(call));
  reply->result = BH_OK;
}

static void (*const calls[BH_API_COUNT])(const BhCall *call, BhCallReply *reply) = {
    [BH_API_MOUNT_FOLDER] = mount_folder,
    [BH_API_EXECUTE_BINARY] = execute,
    [BH_API_EXECUTE_BINARY_IN_DISTRIBUTION] = execute_in,
    [BH_API_CONTAINER_MOUNT_FOLDER] = container_mount_folder,
    [BH_API_CONTAINER_UNMOUNT_FOLDER] = container_unmount_folder,
    [BH_API_CONTAINER_CREATE_PROCESS] = create_process,
    [BH_API_PROCESS_GET_FD] = get_fd,
    [BH_API_PROCESS_GET_EXIT_EVENT] = get_exit_event,
    [BH_API_PROCESS_GET_EXIT_CODE] = get_exit_code,
    [BH_API_PROCESS_RELEASE] = release_process,
};

static BhResult port_call(gpointer host, const BhCall *call, BhCallReply *reply) {
  (void)host;
  reply->result = BH_E_NOTIMPL;
  if (calls[call->api] != NULL) calls[call->api](call, reply);
  return reply->result;
}

static BhResult port_plugin_error(gpointer host, const char *message) {
  g_autofree wchar_t *text = wide(message);

  (void)host;
  return plugin_api->PluginError(text);
}

/* ---- The log, processes, the user ---------------------------------------------------------------------- */

static void port_log(gpointer host, const char *line) {
  (void)host;
  if (plugin_log != NULL) bh_script_log_append(plugin_log, line);
}

/* One overlapped ReadFile or WriteFile, waited for. What the API gives as a HANDLE must take them. FALSE: it failed,
 * or nothing is to come any more. */
static gboolean transfer(HANDLE handle, gboolean write, char *bytes, DWORD size, DWORD *done) {
  OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
  gboolean begun, ended;

  if (overlapped.hEvent == NULL) return FALSE;
  begun =
      write ? WriteFile(handle, bytes, size, NULL, &overlapped) : ReadFile(handle, bytes, size, NULL, &overlapped);
  ended = (begun || GetLastError() == ERROR_IO_PENDING) && GetOverlappedResult(handle, &overlapped, done, TRUE);
  CloseHandle(overlapped.hEvent);
  return ended && *done > 0;
}

/* As much as fits; the rest is read and forgotten, so that the process can write it. */
static char *read_handle(HANDLE handle, gsize limit) {
  g_autoptr(GString) all = g_string_new(NULL);
  char some[4096];
  DWORD got = 0;

  while (transfer(handle, FALSE, some, sizeof some, &got))
    g_string_append_len(all, some, (gssize)MIN((gsize)got, limit - all->len));
  return g_strdup(all->str);
}

static char *port_read_all(gpointer host, BhResource *socket, gsize limit) {
  char *text = NULL;
  gsize length;

  (void)host;
  if (socket->close == close_handle) return read_handle((HANDLE)socket->value, limit);
  bh_socket_end_writing(socket->value);
  bh_socket_read_to_end(socket->value, limit, &text, &length);
  return text;
}

static gboolean port_write_all(gpointer host, BhResource *socket, const char *text) {
  gsize left = strlen(text);
  DWORD done = 0;

  (void)host;
  for (; left > 0; text += done, left -= done)
    if (!transfer((HANDLE)socket->value, TRUE, (char *)text, (DWORD)MIN(left, 65536), &done)) return FALSE;
  return TRUE;
}

static gboolean port_wait(gpointer host, BhResource *event) {
  (void)host;
  return WaitForSingleObject((HANDLE)event->value, INFINITE) == WAIT_OBJECT_0;
}

static char *port_user_name(gpointer host, const BhNotification *notification) {
  union {
    TOKEN_USER user;
    char space[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
  } token;
  wchar_t name[257], domain[257];
  DWORD size, name_size = G_N_ELEMENTS(name), domain_size = G_N_ELEMENTS(domain);
  SID_NAME_USE use;

  (void)host;
  if (!GetTokenInformation((HANDLE)(guintptr)notification->token, TokenUser, &token, sizeof token, &size) ||
      !LookupAccountSidW(NULL, token.user.User.Sid, name, &name_size, domain, &domain_size, &use))
    return NULL;
  return g_utf16_to_utf8((const gunichar2 *)name, -1, NULL, NULL, NULL);
}

/* ---- Threads ------------------------------------------------------------------------------------------- */

typedef struct {
  BhApartment apartment;
  void (*func)(gpointer data);
  gpointer data;
} Start;

static gpointer run_thread(gpointer data) {
  g_autofree Start *start = data;
  gboolean in_apartment = FALSE;

  if (start->apartment != BH_APARTMENT_NONE)
    in_apartment = SUCCEEDED(CoInitializeEx(NULL, start->apartment == BH_APARTMENT_STA ? COINIT_APARTMENTTHREADED
                                                                                       : COINIT_MULTITHREADED));
  start->func(start->data);
  if (in_apartment) CoUninitialize();
  return NULL;
}

static gpointer port_spawn(gpointer host, BhApartment apartment, void (*func)(gpointer data), gpointer data) {
  Start *start = g_new(Start, 1);
  BhThread *thread;

  (void)host;
  *start = (Start){apartment, func, data};
  thread = bh_thread_new("script", BH_RANK_SESSION_TABLE, run_thread, start);
  if (thread == NULL) g_free(start);
  return thread;
}

static void port_join(gpointer host, gpointer thread) {
  (void)host;
  bh_thread_join(thread);
}

/* ---- Children ------------------------------------------------------------------------------------------ */

/* Each argument in quotes, as the C runtime takes them apart; a script's words have no quote and no backslash at their end. */
static gpointer port_start_child(gpointer host, const char *const *arguments) {
  g_autofree char *joined = g_strjoinv("\" \"", (char **)arguments), *line = g_strconcat("\"", joined, "\"", NULL);
  g_autofree wchar_t *command = wide(line);
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  (void)host;
  if (!CreateProcessW(NULL, command, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL, &startup, &process))
    return NULL;
  CloseHandle(process.hThread);
  return process.hProcess;
}

static gboolean port_end_child(gpointer host, gpointer child, guint32 code) {
  gboolean ended =
      TerminateProcess(child, code) || GetLastError() == ERROR_ACCESS_DENIED; /* it has ended by itself */

  (void)host;
  if (ended) WaitForSingleObject(child, INFINITE);
  CloseHandle(child);
  return ended;
}

/* ---- Death --------------------------------------------------------------------------------------------- */

static volatile gboolean for_ever = TRUE;

static int overflow(int depth) {
  volatile char space[4096];

  space[0] = (char)depth;
  return for_ever ? overflow(depth + 1) + space[0] : 0;
}

static void port_crash(gpointer host, BhCrash kind) {
  volatile int *volatile nowhere = NULL; /* both: gcc leaves the store out otherwise */

  (void)host;
  switch (kind) {
    case BH_CRASH_NULL: *nowhere = 1; break;
    case BH_CRASH_OVERFLOW: overflow(0); break;
    case BH_CRASH_ABORT: abort();
    case BH_CRASH_EXIT: exit(0);
    case BH_CRASH_THROW: RaiseException(0x20474343, EXCEPTION_NONCONTINUABLE, 0, NULL); break; /* as g++ throws */
    case BH_CRASH_ILLEGAL: __builtin_trap();
  }
}

const BhScriptPort plugin_port = {
    .call = port_call,
    .plugin_error = port_plugin_error,
    .log = port_log,
    .read_all = port_read_all,
    .write_all = port_write_all,
    .wait = port_wait,
    .user_name = port_user_name,
    .spawn = port_spawn,
    .join = port_join,
    .start_child = port_start_child,
    .end_child = port_end_child,
    .crash = port_crash,
};
