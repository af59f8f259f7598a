/* scripted.dll, loaded into this process with an API table of the test's: entry point, hooks, calls, log.
 * What kills its process is run in a copy of this program. */
#include "backend-win32/WslPluginApi.h"

#include "core/sync.h"
#include "guest/socket.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *dll;     /* as it was built */
static const char *program; /* this one */

/* ---- A service ----------------------------------------------------------------------------------------- */

static HRESULT mount_folder(WSLSessionId session, LPCWSTR windows_path, LPCWSTR linux_path, BOOL read_only,
                            LPCWSTR name) {
  if (windows_path == NULL || linux_path == NULL || name == NULL) return E_INVALIDARG;
  if (session != 7) return BH_E_NOT_FOUND;
  return read_only && wcscmp(linux_path, L"/mnt/\u00e4") == 0 && wcscmp(name, L"script") == 0 ? S_OK : E_FAIL;
}

/* A process that prints its arguments. */
static HRESULT run_process(LPCSTR path, LPCSTR *arguments, SOCKET *socket) {
  BhResource ours = {0}, theirs = {0};

  *socket = INVALID_SOCKET;
  if (path == NULL) return E_INVALIDARG;
  if (strcmp(path, "missing") == 0) return E_FAIL;
  if (BH_FAILED(bh_socket_pair(&ours, &theirs))) return E_UNEXPECTED;
  for (guint i = 0; arguments != NULL && arguments[i] != NULL; i++) {
    bh_socket_write_all(ours.value, arguments[i], strlen(arguments[i]));
    bh_socket_write_all(ours.value, "\n", 1);
  }
  bh_resource_clear(&ours);
  *socket = (SOCKET)theirs.value; /* the plugin's */
  return S_OK;
}

static HRESULT execute(WSLSessionId session, LPCSTR path, LPCSTR *arguments, SOCKET *socket) {
  *socket = INVALID_SOCKET;
  return session == 7 ? run_process(path, arguments, socket) : BH_E_NOT_FOUND;
}

static HRESULT execute_in(WSLSessionId session, const GUID *distribution, LPCSTR path, LPCSTR *arguments,
                          SOCKET *socket) {
  *socket = INVALID_SOCKET;
  if (distribution->Data1 != 0x11111111) return BH_E_DISTRO_NOT_RUNNING;
  return execute(session, path, arguments, socket);
}

static HRESULT plugin_error(LPCWSTR message) {
  return message == NULL ? E_INVALIDARG : wcscmp(message, L"No \u00e4") == 0 ? S_OK : E_FAIL;
}

/* ---- Its WSLC side: one process at a time, which adds what it is given to what it was started with ------- */

static struct {
  BhResource streams[3]; /* the process's ends */
  BhResource ends[3];    /* the plugin's, until they are handed out */
  HANDLE ended;
  guint releases;
} process;

#define HANDLE_OF_PROCESS ((WSLCProcessHandle)0x123456789abcdef0ull)

static HRESULT container_mount_folder(WSLCSessionId session, LPCWSTR windows_path, LPCSTR mountpoint,
                                      BOOL read_only) {
  if (windows_path == NULL || mountpoint == NULL) return E_POINTER;
  if (session != 3) return BH_E_NOT_FOUND;
  return !read_only && wcscmp(windows_path, L"C:\\\u00e4") == 0 && strcmp(mountpoint, "/mnt/\xc3\xa4") == 0
             ? S_OK
             : E_FAIL;
}

static HRESULT container_unmount_folder(WSLCSessionId session, LPCSTR mountpoint) {
  if (mountpoint == NULL) return E_POINTER;
  return session == 3 && strcmp(mountpoint, "/mnt") == 0 ? S_OK : E_FAIL;
}

static void say(guint stream, LPCSTR *strings) {
  for (guint i = 0; strings != NULL && strings[i] != NULL; i++) {
    bh_socket_write_all(process.streams[stream].value, strings[i], strlen(strings[i]));
    bh_socket_write_all(process.streams[stream].value, "\n", 1);
  }
}

/* Prints its arguments, and its environment to stderr. */
static HRESULT container_create_process(WSLCSessionId session, LPCSTR executable, LPCSTR *arguments, LPCSTR *env,
                                        WSLCProcessHandle *handle, int *error) {
  *handle = NULL;
  *error = 0;
  if (executable == NULL) return E_POINTER;
  if (session != 3) return BH_E_NOT_FOUND;
  if (strcmp(executable, "missing") == 0) {
    *error = 2;
    return E_FAIL;
  }
  for (guint i = 0; i < 3; i++) g_assert_cmpint(bh_socket_pair(&process.streams[i], &process.ends[i]), ==, BH_OK);
  say(1, arguments);
  say(2, env);
  bh_resource_clear(&process.streams[2]);
  process.ended = CreateEventW(NULL, TRUE, FALSE, NULL);
  *handle = HANDLE_OF_PROCESS;
  return S_OK;
}

static HRESULT process_get_fd(WSLCProcessHandle handle, enum WSLCProcessFd fd, HANDLE *end) {
  *end = NULL;
  if (handle != HANDLE_OF_PROCESS || (guint)fd > 2) return E_INVALIDARG;
  if (process.ends[fd].close == NULL) return BH_E_NOT_VALID_STATE;
  *end = (HANDLE)process.ends[fd].value; /* the plugin's, for CloseHandle */
  process.ends[fd].close = NULL;
  return S_OK;
}

/* To the end of its input, which it prints; then it ends. */
static gpointer finish(gpointer data) {
  char *input;
  gsize length;

  (void)data;
  bh_socket_read_to_end(process.streams[0].value, 1024 * 1024, &input, &length);
  bh_socket_write_all(process.streams[1].value, input, length);
  g_free(input);
  bh_resource_clear(&process.streams[0]);
  bh_resource_clear(&process.streams[1]);
  SetEvent(process.ended);
  return NULL;
}

static HRESULT process_get_exit_event(WSLCProcessHandle handle, HANDLE *event) {
  *event = NULL;
  if (handle != HANDLE_OF_PROCESS) return E_INVALIDARG;
  g_assert_true(
      DuplicateHandle(GetCurrentProcess(), process.ended, GetCurrentProcess(), event, SYNCHRONIZE, FALSE, 0));
  return S_OK;
}

static HRESULT process_get_exit_code(WSLCProcessHandle handle, int *code) {
  *code = -1;
  if (handle != HANDLE_OF_PROCESS) return E_INVALIDARG;
  if (WaitForSingleObject(process.ended, 0) != WAIT_OBJECT_0) return BH_E_NOT_VALID_STATE;
  *code = -12;
  return S_OK;
}

static void release_process(WSLCProcessHandle handle) {
  if (handle == HANDLE_OF_PROCESS) process.releases++;
}

static const struct WSLPluginAPIV1 api = {
    .Version = {2, 9, 5},
    .MountFolder = mount_folder,
    .ExecuteBinary = execute,
    .PluginError = plugin_error,
    .ExecuteBinaryInDistribution = execute_in,
    .WSLCMountFolder = container_mount_folder,
    .WSLCUnmountFolder = container_unmount_folder,
    .WSLCCreateProcess = container_create_process,
    .WSLCProcessGetFd = process_get_fd,
    .WSLCProcessGetExitEvent = process_get_exit_event,
    .WSLCProcessGetExitCode = process_get_exit_code,
    .WSLCReleaseProcess = release_process,
};

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- A plugin ------------------------------------------------------------------------------------------ */

typedef struct {
  char *folder, *copy, *script, *log;
  HMODULE module;
  struct WSLPluginHooksV1 hooks;
} Plugin;

/* A copy of the DLL, with its script, in a folder of its own. */
static void plugin_place(Plugin *plugin, const char *script) {
  g_autofree char *bytes = NULL;
  gsize size;

  *plugin = (Plugin){.folder = g_dir_make_tmp("bulkhead-XXXXXX", NULL)};
  plugin->copy = g_build_filename(plugin->folder, "Shield.dll", NULL);
  plugin->script = g_build_filename(plugin->folder, "Shield.script", NULL);
  plugin->log = g_build_filename(plugin->folder, "Shield.log", NULL);
  g_assert_true(g_file_get_contents(dll, &bytes, &size, NULL));
  g_assert_true(g_file_set_contents(plugin->copy, bytes, (gssize)size, NULL));
  if (script != NULL) g_assert_true(g_file_set_contents(plugin->script, script, -1, NULL));
}

static HRESULT plugin_load(Plugin *plugin) {
  g_autofree gunichar2 *path = g_utf8_to_utf16(plugin->copy, -1, NULL, NULL, NULL);
  WSLPluginAPI_EntryPointV1 entry;

  plugin->module = LoadLibraryW((LPCWSTR)path);
  g_assert_nonnull(plugin->module);
  entry = (WSLPluginAPI_EntryPointV1)(gpointer)GetProcAddress(plugin->module, "WSLPluginAPIV1_EntryPoint");
  g_assert_nonnull(entry);
  return entry(&api, &plugin->hooks);
}

/* The DLL stays loaded, as in a host; so its files cannot all be removed. */
static void plugin_end(Plugin *plugin, const char *expected_log) {
  g_autofree char *log = NULL;

  if (expected_log != NULL) {
    g_assert_true(g_file_get_contents(plugin->log, &log, NULL, NULL));
    g_assert_cmpstr(log, ==, expected_log);
  }
  g_remove(plugin->script);
  g_remove(plugin->copy);
  g_remove(plugin->log);
  g_rmdir(plugin->folder);
  g_free(plugin->folder);
  g_free(plugin->copy);
  g_free(plugin->script);
  g_free(plugin->log);
}

static HANDLE own_token(void) {
  HANDLE token;

  g_assert_true(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token));
  return token;
}

static void given_a_script_when_the_dll_is_driven_then_its_log_says_so(void) {
  struct WSLSessionInformation session = {.SessionId = 7, .UserToken = own_token()};
  struct WSLVmCreationSettings settings = {WSLUserConfigurationCustomKernel};
  struct WSLDistributionInformation distribution = {
      .Id = {0x11111111, 0x2222, 0x3333, {0x44, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55, 0x55}},
      .Name = L"D\u00e9bian",
      .PidNamespace = G_GUINT64_CONSTANT(4026531836),
      .InitPid = 9,
      .Version = L"12",
  };
  struct WSLCSessionInformation container = {.SessionId = 3, .DisplayName = L"dev", .ApplicationPid = 8};
  g_autofree char *log = NULL;
  Plugin plugin;

  plugin_place(&plugin,
               "on attach\n  log in DllMain\n"
               "on load\n  require-version 2 9 5\n  log %VERSION%\n"
               "on OnVMStarted\n  mount %FOLDER% /mnt/ä ro\n  mount null / ro\n  session 8\n"
               "  execute /bin/true\n  session hook\n  execute /bin/echo a \"b c\"\n  execute missing\n"
               "  error No ä\n  error null\n  user\n  return 0x80010108\n"
               "on OnDistributionStarted\n  execute-in %DISTRIBUTION% /bin/true\n  execute-in unknown /bin/true\n"
               "  thread t sta\n    await go\n    execute /bin/echo late\n  end\n"
               "on OnVMStopping\n  signal go\n  join t\n  log %TOKEN% %SID%\n"
               "on ContainerStarted\n");
  g_assert_cmphex((guint)plugin_load(&plugin), ==, S_OK);
  g_assert_null(plugin.hooks.OnDistributionStopping);
  g_assert_null(plugin.hooks.WslcVmStopping);
  g_assert_cmphex((guint)plugin.hooks.OnVMStarted(&session, &settings), ==, 0x80010108u);
  g_assert_cmphex((guint)plugin.hooks.OnDistributionStarted(&session, &distribution), ==, S_OK);
  g_assert_cmphex((guint)plugin.hooks.OnVMStopping(&session), ==, S_OK);
  g_assert_cmphex((guint)plugin.hooks.ContainerStarted(&container, "{\"Name\":\"web\",\"Id\":\"" ID "\"}"), ==,
                  S_OK);
  CloseHandle(session.UserToken);
  log = g_strdup_printf(
      "attach\nin DllMain\nload\n2.9.5\n"
      "OnVMStarted flags=1\nmount S_OK\nmount E_INVALIDARG\nexecute ERROR_NOT_FOUND\n"
      "execute S_OK: /bin/echo\\na\\nb c\nexecute E_FAIL\nerror S_OK\nerror E_INVALIDARG\nuser %s\n"
      "return RPC_E_DISCONNECTED\n"
      "OnDistributionStarted name=Débian id={11111111-2222-3333-4444-555555555555} init=9 "
      "pidns=4026531836 family=- flavor=- version=12\n"
      "execute-in S_OK\nexecute-in WSL_E_DISTRO_NOT_RUNNING\n"
      "OnVMStopping\nawait go S_OK\nexecute S_OK: /bin/echo\\nlate\njoin t S_OK\nset -\n"
      "ContainerStarted container=web\n",
      g_get_user_name());
  plugin_end(&plugin, log);
}

static void given_a_wslc_session_when_the_dll_is_driven_then_its_log_says_so(void) {
  struct WSLCSessionInformation session = {
      .SessionId = 3, .DisplayName = L"d\u00e9v", .ApplicationPid = 8, .UserToken = own_token()};
  BhThread *finishing;
  Plugin plugin;

  plugin_place(
      &plugin,
      "on OnSessionCreated\n  wslc-mount C:\\ä /mnt/ä rw\n  wslc-mount null /mnt rw\n  wslc-mount C:\\ä null rw\n"
      "  wslc-unmount /mnt\n  wslc-unmount null\n  process q missing\n  process-code q\n"
      "  env A=1\n  env \"B=two words\"\n  process p /bin/cat a \"b c\"\n  process-code p\n"
      "on WslcVmStarted\n  process-fd p 999\n  process-read p stderr\n  process-fd p 2\n"
      "  process-write p to the end\n  process-wait p\n  process-read p stdout\n  process-code p\n"
      "  process-write p again\n  process-wait bogus\n  process-code null\n"
      "on WslcVmStopping\n  process-release null\n  process-release bogus\n  process-release p\n"
      "on ContainerStarted\non ContainerStopping\non OnSessionStopping\n");
  g_assert_cmphex((guint)plugin_load(&plugin), ==, S_OK);
  g_assert_cmphex((guint)plugin.hooks.OnSessionCreated(&session), ==, S_OK);
  finishing = bh_thread_new("process", BH_RANK_LEAF, finish, NULL);
  g_assert_cmphex((guint)plugin.hooks.WslcVmStarted(&session), ==, S_OK);
  bh_thread_join(finishing);
  g_assert_cmphex((guint)plugin.hooks.ContainerStarted(&session, "{\"Id\":\"" ID "\",\"Name\":\"/web\"}"), ==,
                  S_OK);
  g_assert_cmphex((guint)plugin.hooks.ContainerStopping(&session, ID), ==, S_OK);
  g_assert_cmphex((guint)plugin.hooks.WslcVmStopping(&session), ==, S_OK);
  CloseHandle(session.UserToken);
  session.UserToken = NULL;
  g_assert_cmphex((guint)plugin.hooks.OnSessionStopping(&session), ==, S_OK);
  g_assert_cmpuint(process.releases, ==, 1);
  CloseHandle(process.ended);
  plugin_end(&plugin,
             "OnSessionCreated name=dév pid=8 token=set sid=-\nwslc-mount S_OK\nwslc-mount E_POINTER\nwslc-mount "
             "E_POINTER\n"
             "wslc-unmount S_OK\nwslc-unmount E_POINTER\nprocess q E_FAIL errno=2\nprocess-code q E_INVALIDARG\n"
             "process p S_OK\nprocess-code p E_NOT_VALID_STATE\n"
             "WslcVmStarted name=dév\nprocess-fd p E_INVALIDARG\nprocess-read p stderr: A=1\\nB=two words\n"
             "process-fd p E_NOT_VALID_STATE\nprocess-write p S_OK\nprocess-wait p S_OK\n"
             "process-read p stdout: /bin/cat\\na\\nb c\\nto the end\nprocess-code p S_OK -12\n"
             "process-write p E_NOT_VALID_STATE\nprocess-wait bogus E_INVALIDARG\nprocess-code null E_INVALIDARG\n"
             "ContainerStarted container=web\nContainerStopping container=web\nWslcVmStopping name=dév\n"
             "OnSessionStopping name=dév\n");
}

static void given_no_script_when_loaded_then_the_entry_point_says_so(void) {
  Plugin plugin;

  plugin_place(&plugin, NULL);
  g_assert_cmphex((guint)plugin_load(&plugin), ==, (guint)BH_E_MOD_NOT_FOUND);
  plugin_end(&plugin, NULL);
}

static void given_a_mistake_when_loaded_then_the_log_names_its_place(void) {
  g_autofree char *log = NULL;
  Plugin plugin;

  plugin_place(&plugin, "on load\n  retrun S_OK\n");
  g_assert_cmphex((guint)plugin_load(&plugin), ==, (guint)BH_E_BAD_EXE_FORMAT);
  log = g_strdup_printf("'%s', line 2, column 3: there is no action 'retrun'\n", plugin.script);
  plugin_end(&plugin, log);
}

/* Each in a copy of this program, which must end with that exit code. */
static void given_a_crash_then_the_process_ends_of_it(gconstpointer data) {
  static const struct {
    const char *kind;
    int exit_code;
  } crashes[] = {{"null", (int)EXCEPTION_ACCESS_VIOLATION},
                 {"overflow", (int)EXCEPTION_STACK_OVERFLOW},
                 {"abort", 3},
                 {"exit", 0},
                 {"throw", 0x20474343},
                 {"illegal", (int)EXCEPTION_ILLEGAL_INSTRUCTION}};
  guint i = GPOINTER_TO_UINT(data);
  g_autofree char *script = g_strdup_printf("on load\n  crash %s\n  log never\n", crashes[i].kind);
  g_autofree char *log = g_strdup_printf("load\ncrash %s\n", crashes[i].kind);
  g_autofree char *command = NULL;
  g_autofree gunichar2 *wide = NULL;
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;
  DWORD code = 0;
  Plugin plugin;

  plugin_place(&plugin, script);
  command = g_strdup_printf("\"%s\" --load \"%s\"", program, plugin.copy);
  wide = g_utf8_to_utf16(command, -1, NULL, NULL, NULL);
  g_assert_true(CreateProcessW(NULL, (LPWSTR)wide, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  WaitForSingleObject(process.hProcess, INFINITE);
  GetExitCodeProcess(process.hProcess, &code);
  CloseHandle(process.hThread);
  CloseHandle(process.hProcess);
  g_assert_cmphex(code, ==, (guint)crashes[i].exit_code);
  plugin_end(&plugin, log);
}

/* Ends the process with the fault's code, instead of a debugger. */
static LONG WINAPI end_with_code(EXCEPTION_POINTERS *exception) {
  TerminateProcess(GetCurrentProcess(), exception->ExceptionRecord->ExceptionCode);
  return EXCEPTION_EXECUTE_HANDLER;
}

static int load_and_die(char *path) {
  Plugin plugin = {.copy = path};

  SetUnhandledExceptionFilter(end_with_code);
  plugin_load(&plugin);
  return 99;
}

int main(int argc, char **argv) {
  static const char *const kinds[] = {"null", "overflow", "abort", "exit", "throw", "illegal"};

  if (argc == 3 && strcmp(argv[1], "--load") == 0) return load_and_die(argv[2]);
  g_test_init(&argc, &argv, NULL);
  g_assert_cmpint(argc, ==, 2);
  program = argv[0];
  dll = argv[1];
  g_test_add_func("/scripted-dll/log", given_a_script_when_the_dll_is_driven_then_its_log_says_so);
  g_test_add_func("/scripted-dll/wslc", given_a_wslc_session_when_the_dll_is_driven_then_its_log_says_so);
  g_test_add_func("/scripted-dll/no-script", given_no_script_when_loaded_then_the_entry_point_says_so);
  g_test_add_func("/scripted-dll/mistake", given_a_mistake_when_loaded_then_the_log_names_its_place);
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
    g_autofree char *path = g_strconcat("/scripted-dll/crash/", kinds[i], NULL);
    g_test_add_data_func(path, GUINT_TO_POINTER(i), given_a_crash_then_the_process_ends_of_it);
  }
  return g_test_run();
}
