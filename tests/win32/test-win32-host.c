/* Who may talk to whom, and who ends with whom. Some tests start this program again, as another process:
 *
 *   test-win32-host --stranger OBJREF    calls the callback object of a link it has nothing to do with
 *   test-win32-host --service PLUGIN     a service that starts a host, says its process id, and waits */
#include "fixture.h"

#include "backend-win32/service/callback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Another process ------------------------------------------------------------------------------------ */

/* Starts this program with an argument; its standard output comes from *output. */
static HANDLE start_self(const char *option, const char *argument, HANDLE *output) {
  g_autofree wchar_t *self = g_new0(wchar_t, 32768);
  g_autofree char *self_utf8 = NULL, *line = NULL;
  g_autofree wchar_t *wide_line = NULL;
  SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
  STARTUPINFOW startup = {.cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES};
  PROCESS_INFORMATION process;

  GetModuleFileNameW(NULL, self, 32768);
  self_utf8 = bh_wire_utf8(self);
  line = g_strdup_printf("\"%s\" %s %s", self_utf8, option, argument);
  wide_line = bh_wire_wide(line);
  g_assert_true(CreatePipe(output, &startup.hStdOutput, &inherited, 0));
  SetHandleInformation(*output, HANDLE_FLAG_INHERIT, 0);
  startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
  g_assert_true(CreateProcessW(self, wide_line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process));
  CloseHandle(startup.hStdOutput);
  CloseHandle(process.hThread);
  return process.hProcess;
}

/* One line from a pipe, without its end. The caller's. */
static char *read_line(HANDLE pipe) {
  GString *line = g_string_new(NULL);
  DWORD size;
  char byte;

  while (ReadFile(pipe, &byte, 1, &size, NULL) && size == 1 && byte != '\n')
    if (byte != '\r') g_string_append_c(line, byte);
  return g_string_free(line, FALSE);
}

static DWORD exit_code(HANDLE process) {
  DWORD code = STILL_ACTIVE;
  g_assert_cmpuint(WaitForSingleObject(process, 20000), ==, WAIT_OBJECT_0);
  GetExitCodeProcess(process, &code);
  CloseHandle(process);
  return code;
}

/* --- Identity ------------------------------------------------------------------------------------------- */

/* An object's reference, as text for another process. */
static char *marshal(IUnknown *object, REFIID iid) {
  GString *text = g_string_new(NULL);
  HGLOBAL memory;
  IStream *stream;
  const guint8 *bytes;

  g_assert_cmphex((guint)CreateStreamOnHGlobal(NULL, TRUE, &stream), ==, 0);
  g_assert_cmphex((guint)CoMarshalInterface(stream, iid, object, MSHCTX_LOCAL, NULL, MSHLFLAGS_NORMAL), ==, 0);
  g_assert_cmphex((guint)GetHGlobalFromStream(stream, &memory), ==, 0);
  bytes = GlobalLock(memory);
  for (gsize i = 0; i < GlobalSize(memory); i++) g_string_append_printf(text, "%02x", bytes[i]);
  GlobalUnlock(memory);
  IStream_Release(stream);
  return g_string_free(text, FALSE);
}

static void *unmarshal(const char *text, REFIID iid) {
  const LARGE_INTEGER begin = {.QuadPart = 0};
  IStream *stream;
  void *object = NULL;

  CreateStreamOnHGlobal(NULL, TRUE, &stream);
  for (; text[0] != '\0' && text[1] != '\0'; text += 2) {
    const char digits[] = {text[0], text[1], '\0'};
    guint8 byte = (guint8)strtoul(digits, NULL, 16);
    IStream_Write(stream, &byte, 1, NULL);
  }
  IStream_Seek(stream, begin, STREAM_SEEK_SET, NULL);
  if (FAILED(CoUnmarshalInterface(stream, iid, &object))) object = NULL;
  IStream_Release(stream);
  return object;
}

/* Exit code 0: each method refused. */
static int be_stranger(const char *reference) {
  IWslPluginHostCallback *callback;
  BhCall call = {.api = BH_API_MOUNT_FOLDER,
                 .session = SESSION,
                 .host_path = (char *)"C:\\",
                 .linux_path = (char *)"/",
                 .name = (char *)"stranger"};
  g_autoptr(GBytes) record = bh_record_encode_call(&call, NULL);
  UINT64 report = 0;
  UINT32 size = 0;
  BYTE *array = NULL;

  CoInitializeEx(NULL, COINIT_MULTITHREADED);
  callback = unmarshal(reference, &IID_IWslPluginHostCallback);
  if (callback == NULL) return 1;
  if (IWslPluginHostCallback_Hello(callback, &report) != E_ACCESSDENIED) return 2;
  if (IWslPluginHostCallback_Call(callback, call.api, (UINT32)g_bytes_get_size(record),
                                  g_bytes_get_data(record, NULL), &size, &array) != E_ACCESSDENIED)
    return 3;
  if (size != 0 || array != NULL || report != 0) return 4;
  if (IWslPluginHostCallback_Goodbye(callback) != E_ACCESSDENIED) return 5;
  IWslPluginHostCallback_Release(callback);
  return 0;
}

static void test_stranger_is_refused(void) {
  g_autofree char *reference = NULL;
  Fixture fixture;
  BhResult status;
  HANDLE output, process;
  IUnknown *object;

  fixture_start(&fixture, "faults");
  object = (IUnknown *)bh_callback_interface(((BhWin32Link *)fixture.link)->callback);
  reference = marshal(object, &IID_IWslPluginHostCallback);
  process = start_self("--stranger", reference, &output);
  CloseHandle(output);
  g_assert_cmpuint(exit_code(process), ==, 0);
  g_assert_cmpuint(fixture.calls, ==, 0);
  /* And the host itself still may. */
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "mount", &status);
  g_assert_cmphex((guint)reply.result, ==, 0);
  fixture_stop(&fixture);
}

/* What the CLSID activates is not what we believe to be the host. */
static void test_other_image_is_refused(void) {
  g_autofree char *other = fixture_built("backend-win32/wslpluginproxystub.dll");
  const BhWin32Settings settings = {.host_path = other};
  const BhPluginSpec spec = {"TestPlugin", "C:\\plugin.dll"};
  const BhLinkEvents events = {0};
  g_autofree char *cause = NULL;
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);
  BhLink *link = NULL;

  g_assert_cmphex((guint)backend->class->start(backend, &spec, &events, NULL, &link, &cause), ==,
                  (guint)BH_E_ACCESSDENIED);
  g_assert_null(link);
  g_assert_nonnull(strstr(cause, "what COM has started is not "));
  g_assert_nonnull(strstr(cause, "wslpluginproxystub.dll"));
  bh_backend_win32_free(backend);
}

/* --- Life and death ------------------------------------------------------------------------------------- */

static void test_is_in_the_job(void) {
  Fixture fixture;
  BOOL in_job = FALSE;
  BhHostProcess *process;

  fixture_start(&fixture, "faults");
  process = &((BhWin32Link *)fixture.link)->process;
  g_assert_true(IsProcessInJob(process->handle, ((BhWin32Backend *)fixture.backend)->job, &in_job));
  g_assert_true(in_job);
  fixture_stop(&fixture);
}

static int be_service(const char *plugin) {
  Fixture fixture;
  BhResult status;

  fixture_load_path(&fixture, plugin, &status);
  printf("%lu\n", (unsigned long)fixture.backend->class->pid(fixture.link));
  fflush(stdout);
  Sleep(INFINITE);
  return 0;
}

static void test_killed_service_takes_its_host_along(void) {
  g_autofree char *plugin = fixture_copy_plugin("faults", "orphan");
  g_autofree char *line = NULL;
  HANDLE output, service, host;
  gint64 began;

  service = start_self("--service", plugin, &output);
  line = read_line(output);
  host = OpenProcess(SYNCHRONIZE, FALSE, (DWORD)strtoul(line, NULL, 10));
  g_assert_nonnull(host);
  began = bh_clock_now();
  TerminateProcess(service, 9);
  g_assert_cmpuint(WaitForSingleObject(host, 10000), ==, WAIT_OBJECT_0);
  g_test_message("the host outlived its service by %.0f ms", (double)(bh_clock_now() - began) / 1e3);
  CloseHandle(host);
  CloseHandle(service);
  CloseHandle(output);
}

/* As COM does, or somebody by hand. */
static HANDLE start_host(const char *options) {
  g_autofree char *path = fixture_built("backend-win32/wslpluginhost.exe");
  g_autofree char *line = g_strdup_printf("\"%s\" -Embedding %s", path, options);
  g_autofree wchar_t *wide_line = bh_wire_wide(line);
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  g_assert_true(CreateProcessW(NULL, wide_line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  CloseHandle(process.hThread);
  return process.hProcess;
}

static void test_never_asked_to_load(void) {
  g_assert_cmphex(exit_code(start_host("/startup-timeout=200")), ==, BH_EXIT_NEVER_ASKED);
}

/* Hosts that are killed before anybody has asked for them: whoever asks gets one that lives. */
static void test_killed_before_they_are_asked(void) {
  HANDLE hosts[4];
  Fixture fixture;

  for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) hosts[i] = start_host("");
  fixture_start(&fixture, "faults"); /* by when they have registered, or nearly */
  fixture_stop(&fixture);
  for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
    TerminateProcess(hosts[i], 0);
    WaitForSingleObject(hosts[i], INFINITE);
    CloseHandle(hosts[i]);
  }
  for (guint i = 0; i < 2 * G_N_ELEMENTS(hosts); i++) { /* until none of them is found any more */
    fixture_start(&fixture, "faults");
    fixture_stop(&fixture);
  }
}

/* A host that was let go and does not end is ended. */
static void test_release_is_bounded(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "detach-hangs");
  Fixture fixture;
  BhResult status;
  gint64 began;

  fixture_load_path(&fixture, path, &status);
  g_assert_cmphex((guint)fixture.load.result, ==, 0);
  began = bh_clock_now();
  fixture_stop(&fixture);
  g_assert_cmpint(bh_clock_now() - began, <, 9 * G_TIME_SPAN_SECOND);
}

static void test_exit_code_words(void) {
  static const struct {
    guint32 code;
    const char *words;
  } cases[] = {
      {0, "exit code 0"},
      {3, "exit code 3 (abort)"},
      {0xC0000005, "access violation (0xC0000005)"},
      {0xC00000FD, "stack overflow (0xC00000FD)"},
      {0x20474343, "uncaught C++ exception (0x20474343)"},
      {0xC0001234, "exit code 0xC0001234"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autofree char *words = bh_win32_exit_code_words(cases[i].code);
    g_assert_cmpstr(words, ==, cases[i].words);
  }
}

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--stranger")) return be_stranger(argv[2]);
  if (argc == 3 && g_str_equal(argv[1], "--service")) return be_service(argv[2]);
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/host/stranger-is-refused", test_stranger_is_refused);
  g_test_add_func("/win32/host/other-image-is-refused", test_other_image_is_refused);
  g_test_add_func("/win32/host/is-in-the-job", test_is_in_the_job);
  g_test_add_func("/win32/host/44-killed-service-takes-its-host-along", test_killed_service_takes_its_host_along);
  g_test_add_func("/win32/host/45-never-asked-to-load", test_never_asked_to_load);
  g_test_add_func("/win32/host/killed-before-they-are-asked", test_killed_before_they_are_asked);
  g_test_add_func("/win32/host/release-is-bounded", test_release_is_bounded);
  g_test_add_func("/win32/host/exit-code-words", test_exit_code_words);
  return g_test_run();
}
