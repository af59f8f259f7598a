/* Who may start and call whom, what a host is given, and messages that were not made by our proxies. This program is also
 * other processes:
 *
 *   … --stranger FILE     calls the callback object whose reference is in the file
 *   … --activate          activates a host; exit code 0: it was refused */
#include "fixture.h"

#include "backend-win32/service/callback.h"
#include "backend-win32/service/handover.h"
#include "backend-win32/security.h"

#include <stdlib.h>
#include <string.h>

static gboolean is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

/* --- Permissions ---------------------------------------------------------------------------------------- */

/* A value of the class's AppID. NULL: there is none. */
static GBytes *appid_value(const wchar_t *name) {
  wchar_t guid[39], path[64] = L"AppID\\";
  BYTE data[1024];
  DWORD size = sizeof data;

  StringFromGUID2(&CLSID_WslPluginHost, guid, G_N_ELEMENTS(guid));
  wcscat(path, guid);
  if (RegGetValueW(HKEY_CLASSES_ROOT, path, name, RRF_RT_ANY, NULL, data, &size)) return NULL;
  return g_bytes_new(data, size);
}

static PSID system_sid(void) {
  static BYTE sid[SECURITY_MAX_SID_SIZE];
  DWORD size = sizeof sid;
  g_assert_true(CreateWellKnownSid(WinLocalSystemSid, NULL, sid, &size));
  return sid;
}

/* The descriptor lets SYSTEM in with these rights, the user (NULL: nobody) too, and there it ends. */
static void assert_lets_in(PSECURITY_DESCRIPTOR descriptor, PSID user, guint32 rights) {
  BOOL is_there = FALSE, is_default = FALSE;
  gboolean has_system = FALSE, has_user = FALSE;
  PSID owner = NULL, group = NULL;
  PACL list = NULL;

  if (user != NULL && EqualSid(user, system_sid())) user = NULL;
  g_assert_true(IsValidSecurityDescriptor(descriptor));
  g_assert_true(GetSecurityDescriptorOwner(descriptor, &owner, &is_default) && owner != NULL);
  g_assert_true(GetSecurityDescriptorGroup(descriptor, &group, &is_default) && group != NULL);
  g_assert_true(GetSecurityDescriptorDacl(descriptor, &is_there, &list, &is_default));
  g_assert_true(is_there && list != NULL); /* none would be everybody */
  for (DWORD i = 0; i < list->AceCount; i++) {
    ACCESS_ALLOWED_ACE *ace;
    g_assert_true(GetAce(list, i, (void **)&ace));
    g_assert_cmpint(ace->Header.AceType, ==, ACCESS_ALLOWED_ACE_TYPE);
    g_assert_cmphex(ace->Mask, ==, rights);
    has_system |= EqualSid(&ace->SidStart, system_sid());
    has_user |= user != NULL && EqualSid(&ace->SidStart, user);
  }
  g_assert_true(has_system);
  g_assert_cmpint(has_user, ==, user != NULL);
  g_assert_cmpuint(list->AceCount, ==, user != NULL ? 2 : 1);
}

static void assert_registered(PSID user) {
  static const struct {
    const wchar_t *name;
    guint32 rights;
  } permissions[] = {
      {L"LaunchPermission", 1 | 2 | 8}, /* execute, start here, activate here; not 4, 16: from other machines */
      {L"AccessPermission", 1 | 2},
  };
  g_autoptr(GBytes) level = appid_value(L"AuthenticationLevel");

  for (gsize i = 0; i < G_N_ELEMENTS(permissions); i++) {
    g_autoptr(GBytes) value = appid_value(permissions[i].name);
    g_assert_nonnull(value);
    assert_lets_in((PSECURITY_DESCRIPTOR)g_bytes_get_data(value, NULL), user, permissions[i].rights);
  }
  g_assert_nonnull(level);
  g_assert_cmpint(*(const DWORD *)g_bytes_get_data(level, NULL), ==, RPC_C_AUTHN_LEVEL_PKT_PRIVACY);
}

static void test_registered_for_user(void) {
  g_autoptr(GBytes) sid = NULL;
  guint64 token;

  g_assert_true(bh_win32_current_user(&token, &sid));
  assert_registered((PSID)g_bytes_get_data(sid, NULL));
  bh_win32_token_close(token);
}

static void test_registered_for_machine(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  g_autofree char *proxystub = fixture_built("backend-win32/wslpluginproxystub.dll");

  if (!bh_win32_register(FALSE, host, proxystub, NULL)) {
    g_test_skip("the registry cannot be written: not an administrator");
    return;
  }
  assert_registered(NULL);
  g_assert_true(bh_win32_unregister(FALSE, NULL));
  g_assert_null(appid_value(L"AccessPermission"));
  g_assert_true(bh_win32_register(TRUE, host, proxystub, NULL));
}

/* What CoInitializeSecurity gets. */
static void test_absolute(void) {
  g_autoptr(GBytes) descriptor = bh_security_descriptor(BH_SECURITY_SYSTEM, BH_COM_ACCESS);
  g_autofree SECURITY_DESCRIPTOR *absolute = bh_security_absolute(descriptor);
  SECURITY_DESCRIPTOR_CONTROL control;
  DWORD revision;

  g_assert_nonnull(absolute);
  g_assert_true(GetSecurityDescriptorControl(absolute, &control, &revision));
  g_assert_cmphex(control & SE_SELF_RELATIVE, ==, 0);
  g_clear_pointer(&descriptor, g_bytes_unref); /* it stands alone */
  assert_lets_in(absolute, NULL, 1 | 2);
}

/* --- Strangers ------------------------------------------------------------------------------------------ */

static HANDLE start_self(const char *arguments, HANDLE token) {
  g_autofree wchar_t *self = g_new0(wchar_t, 32768);
  g_autofree char *self_utf8 = NULL, *line = NULL;
  g_autofree wchar_t *wide_line = NULL;
  STARTUPINFOW startup = {.cb = sizeof startup};
  PROCESS_INFORMATION process;

  GetModuleFileNameW(NULL, self, 32768);
  self_utf8 = bh_wire_utf8(self);
  line = g_strdup_printf("\"%s\" %s", self_utf8, arguments);
  wide_line = bh_wire_wide(line);
  if (token == NULL)
    g_assert_true(CreateProcessW(self, wide_line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  else
    g_assert_true(
        CreateProcessAsUserW(token, self, wide_line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
  CloseHandle(process.hThread);
  return process.hProcess;
}

static DWORD exit_code(HANDLE process) {
  DWORD code = STILL_ACTIVE;
  g_assert_cmpuint(WaitForSingleObject(process, 20000), ==, WAIT_OBJECT_0);
  GetExitCodeProcess(process, &code);
  CloseHandle(process);
  return code;
}

/* A reference to the object, in a file, for one who fetches it from there. The caller's path. */
static char *marshal(IUnknown *object) {
  char *path = g_build_filename(g_get_tmp_dir(), "bulkhead-reference", NULL);
  HGLOBAL memory;
  IStream *stream;

  g_assert_cmphex((guint)CreateStreamOnHGlobal(NULL, TRUE, &stream), ==, 0);
  g_assert_cmphex(
      (guint)CoMarshalInterface(stream, &IID_IWslPluginHostCallback, object, MSHCTX_LOCAL, NULL, MSHLFLAGS_NORMAL),
      ==, 0);
  g_assert_cmphex((guint)GetHGlobalFromStream(stream, &memory), ==, 0);
  g_assert_true(g_file_set_contents(path, GlobalLock(memory), (gssize)GlobalSize(memory), NULL));
  GlobalUnlock(memory);
  IStream_Release(stream);
  return path;
}

static IWslPluginHostCallback *unmarshal(const char *path) {
  const LARGE_INTEGER begin = {.QuadPart = 0};
  g_autofree char *bytes = NULL;
  void *object = NULL;
  IStream *stream;
  gsize size;

  if (!g_file_get_contents(path, &bytes, &size, NULL)) return NULL;
  CreateStreamOnHGlobal(NULL, TRUE, &stream);
  IStream_Write(stream, bytes, (ULONG)size, NULL);
  IStream_Seek(stream, begin, STREAM_SEEK_SET, NULL);
  if (FAILED(CoUnmarshalInterface(stream, &IID_IWslPluginHostCallback, &object))) object = NULL;
  IStream_Release(stream);
  return object;
}

/* Exit code 0: each method refused. */
static int be_stranger(const char *path) {
  IWslPluginHostCallback *callback;
  UINT64 report = 0;
  UINT32 size = 1;
  BYTE *array = NULL;

  CoInitializeEx(NULL, COINIT_MULTITHREADED);
  callback = unmarshal(path);
  if (callback == NULL) return 1;
  if (IWslPluginHostCallback_Hello(callback, &report) != E_ACCESSDENIED) return 2;
  if (IWslPluginHostCallback_Call(callback, BH_API_MOUNT_FOLDER, 0, (const BYTE *)"", &size, &array) !=
      E_ACCESSDENIED)
    return 3;
  if (IWslPluginHostCallback_Goodbye(callback) != E_ACCESSDENIED) return 4;
  return 0;
}

static DWORD processes_ever_in(HANDLE job) {
  JOBOBJECT_BASIC_ACCOUNTING_INFORMATION counts = {0};
  g_assert_true(QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &counts, sizeof counts, NULL));
  return counts.TotalProcesses;
}

/* One that comes before the host does, while Hello is awaited: it is not let in, and not put into the job either. (One
 * that comes afterwards: win32/host.) */
static void test_stranger_says_hello_first(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  const BhWin32Settings settings = {.host_path = host};
  const BhPluginSpec spec = {"TestPlugin", "C:\\plugin.dll"};
  const BhLinkEvents events = {0};
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);
  BhWin32Link *link = bh_win32_link_new((BhWin32Backend *)backend, &spec, &events, NULL);
  g_autofree char *path = marshal((IUnknown *)bh_callback_interface(link->callback));
  g_autofree char *arguments = g_strdup_printf("--stranger \"%s\"", path);

  g_assert_cmpuint(exit_code(start_self(arguments, NULL)), ==, 0);
  g_assert_cmpuint(link->process.pid, ==, 0);
  g_assert_cmpuint(processes_ever_in(link->job), ==, 0);
  g_assert_cmpuint(processes_ever_in(((BhWin32Backend *)backend)->job), ==, 0);
  link->base.class->release(&link->base);
  bh_backend_win32_free(backend);
}

static int be_activator(void) {
  IUnknown *host = NULL;

  CoInitializeEx(NULL, COINIT_MULTITHREADED);
  return CoCreateInstance(&CLSID_WslPluginHost, NULL, CLSCTX_LOCAL_SERVER, &IID_IUnknown, (void **)&host) !=
         E_ACCESSDENIED;
}

/* Somebody who is not the user that the class is registered for: a token in which that user only counts for denials. */
static void test_other_user_may_not_activate(void) {
  g_autoptr(GBytes) sid = NULL;
  SID_AND_ATTRIBUTES user = {NULL, 0};
  HANDLE own, restricted;
  guint64 token;

  if (is_wine()) {
    g_test_skip("Wine 8 looks at no launch permission");
    return;
  }
  g_assert_true(bh_win32_current_user(&token, &sid));
  bh_win32_token_close(token);
  user.Sid = (PSID)g_bytes_get_data(sid, NULL);
  g_assert_true(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE | TOKEN_ASSIGN_PRIMARY, &own));
  g_assert_true(CreateRestrictedToken(own, 0, 1, &user, 0, NULL, 0, NULL, &restricted));
  g_assert_cmpuint(exit_code(start_self("--activate", restricted)), ==, 0);
  CloseHandle(restricted);
  CloseHandle(own);
}

/* --- Handles -------------------------------------------------------------------------------------------- */

static ULONG granted(HANDLE handle) {
  typedef LONG(WINAPI * Query)(HANDLE, int information, void *buffer, ULONG size, ULONG *needed);
  const Query query = (Query)(void (*)(void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQueryObject");
  struct {
    ULONG attributes, access, rest[12];
  } basic = {0}; /* PUBLIC_OBJECT_BASIC_INFORMATION */

  g_assert_cmphex((guint)query(handle, 0, &basic, sizeof basic, NULL), ==, 0);
  return basic.access;
}

static void test_host_is_opened_with_least_rights(void) {
  const ULONG used = PROCESS_SET_QUOTA | PROCESS_TERMINATE | PROCESS_DUP_HANDLE | PROCESS_QUERY_INFORMATION |
                     PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE; /* limited comes with the other */
  Fixture fixture;

  fixture_start(&fixture, "faults");
  g_assert_cmphex(granted(((BhWin32Link *)fixture.link)->process.handle) & ~used, ==, 0);
  fixture_stop(&fixture);
}

/* Into this process, as if it were a host. */
static void test_least_is_handed_over(void) {
  BhHostProcess self = {.handle = OpenProcess(PROCESS_DUP_HANDLE, FALSE, GetCurrentProcessId()),
                        .pid = GetCurrentProcessId()};
  g_auto(BhCallReply) reply = {0};
  HANDLE token, event;
  guint64 remote;

  g_assert_true(OpenProcessToken(GetCurrentProcess(), TOKEN_ALL_ACCESS, &token));
  g_assert_cmphex((guint)bh_handover_token(&self, (guint64)(gintptr)token, &remote), ==, 0);
  g_assert_cmphex(granted((HANDLE)(gintptr)remote), ==, TOKEN_QUERY | TOKEN_DUPLICATE);
  CloseHandle((HANDLE)(gintptr)remote);
  CloseHandle(token);

  event = CreateEventW(NULL, TRUE, FALSE, NULL);
  reply.resource = (BhResource){(gintptr)event, (void (*)(gintptr))(void (*)(void))CloseHandle};
  g_assert_cmphex((guint)bh_handover_resource(&self, BH_WIRE_HANDLE, &reply), ==, 0);
  memcpy(&remote, g_bytes_get_data(reply.blob, NULL), sizeof remote);
  g_assert_cmphex(granted((HANDLE)(gintptr)remote), ==, SYNCHRONIZE); /* the plugin cannot signal it */
  CloseHandle((HANDLE)(gintptr)remote);
  CloseHandle(self.handle);
}

/* Every handle value that a process may well have. */
#define HANDLE_VALUES_MAX 0x4000

/* A job answers for its limits, a process for its number. */
static void test_host_holds_neither_job_nor_service(void) {
  HANDLE process, copy;
  guint handles = 0, services = 0;
  BhResult status;
  Fixture fixture;

  fixture_start(&fixture, "faults");
  g_auto(BhNotifyReply) first = fixture_command(&fixture, "check-token", &status);
  g_auto(BhNotifyReply) second = fixture_command(&fixture, "execute", &status);
  process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, fixture.backend->class->pid(fixture.link));
  for (guintptr value = 4; value < HANDLE_VALUES_MAX; value += 4) {
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION counts;
    if (!DuplicateHandle(process, (HANDLE)value, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
      continue;
    handles++;
    g_assert_false(
        QueryInformationJobObject(copy, JobObjectBasicAccountingInformation, &counts, sizeof counts, NULL));
    if (GetProcessId(copy) == GetCurrentProcessId()) {
      g_test_message("handle 0x%zx of the host is the service, rights 0x%lx", (gsize)value, granted(copy));
      services++;
    }
    CloseHandle(copy);
  }
  g_test_message("%u handles of the host looked at", handles);
  g_assert_cmpuint(handles, >, 3);
  CloseHandle(process);
  fixture_stop(&fixture);
  if (is_wine() && services == 3)
    g_test_skip("Wine 8 starts a COM server with its activator's process as the three standard handles");
  else
    g_assert_cmpuint(services, ==, 0);
}

static void notify_times(Fixture *fixture, int count) {
  static const char *const commands[] = {"check-token", "mount", "execute", "succeed"};
  BhResult status;

  for (int i = 0; i < count; i++) {
    g_auto(BhNotifyReply) reply = fixture_command(fixture, commands[i % G_N_ELEMENTS(commands)], &status);
    g_assert_cmphex((guint)status, ==, 0);
  }
}

static void test_handles_stay_flat(void) {
  Fixture fixture;

  fixture_start(&fixture, "faults");
  fixture_assert_handles_flat(&fixture, notify_times, 40, 1000);
  fixture_stop(&fixture);
}

/* --- Messages made by hand ------------------------------------------------------------------------------ */

/* An object that both interfaces' stubs can call, and that counts how often they did. */
static guint calls;
static UINT32 last_size;

static HRESULT STDMETHODCALLTYPE any_query(G_GNUC_UNUSED IUnknown *self, G_GNUC_UNUSED REFIID iid, void **object) {
  *object = self;
  return S_OK;
}

static ULONG STDMETHODCALLTYPE any_reference(G_GNUC_UNUSED IUnknown *self) {
  return 1;
}

static HRESULT take_record(UINT32 size, UINT32 *reply_size, BYTE **reply) {
  calls++;
  last_size = size;
  *reply_size = 0;
  *reply = CoTaskMemAlloc(1);
  return S_OK;
}

static HRESULT STDMETHODCALLTYPE any_numbered(G_GNUC_UNUSED IUnknown *self, G_GNUC_UNUSED UINT32 number,
                                              UINT32 size, G_GNUC_UNUSED const BYTE *record, UINT32 *reply_size,
                                              BYTE **reply) {
  return take_record(size, reply_size, reply);
}

static HRESULT STDMETHODCALLTYPE any_load(G_GNUC_UNUSED IUnknown *self, UINT32 size,
                                          G_GNUC_UNUSED const BYTE *record, UINT32 *reply_size, BYTE **reply) {
  return take_record(size, reply_size, reply);
}

typedef void (*Method)(void);
static const Method callback_methods[] = {(Method)any_query,     (Method)any_reference, (Method)any_reference,
                                          (Method)any_reference, (Method)any_numbered,  (Method)any_reference};
static const Method host_methods[] = {(Method)any_query,     (Method)any_reference, (Method)any_reference,
                                      (Method)any_reference, (Method)any_load,      (Method)any_numbered};

/* A channel that a reply's buffer can be had from. */
static HRESULT STDMETHODCALLTYPE channel_query(G_GNUC_UNUSED IRpcChannelBuffer *self, G_GNUC_UNUSED REFIID iid,
                                               void **object) {
  *object = NULL;
  return E_NOINTERFACE;
}

static ULONG STDMETHODCALLTYPE channel_reference(G_GNUC_UNUSED IRpcChannelBuffer *self) {
  return 1;
}

static HRESULT STDMETHODCALLTYPE channel_get_buffer(G_GNUC_UNUSED IRpcChannelBuffer *self, RPCOLEMESSAGE *message,
                                                    G_GNUC_UNUSED REFIID iid) {
  message->Buffer = g_malloc0(message->cbBuffer);
  return S_OK;
}

static HRESULT STDMETHODCALLTYPE channel_send(G_GNUC_UNUSED IRpcChannelBuffer *self,
                                              G_GNUC_UNUSED RPCOLEMESSAGE *message, G_GNUC_UNUSED ULONG *status) {
  return E_UNEXPECTED;
}

static HRESULT STDMETHODCALLTYPE channel_free(G_GNUC_UNUSED IRpcChannelBuffer *self, RPCOLEMESSAGE *message) {
  g_free(message->Buffer);
  message->Buffer = NULL;
  return S_OK;
}

static HRESULT STDMETHODCALLTYPE channel_context(G_GNUC_UNUSED IRpcChannelBuffer *self, DWORD *context,
                                                 void **other) {
  *context = MSHCTX_LOCAL;
  if (other != NULL) *other = NULL;
  return S_OK;
}

static HRESULT STDMETHODCALLTYPE channel_connected(G_GNUC_UNUSED IRpcChannelBuffer *self) {
  return S_OK;
}

static IRpcChannelBufferVtbl channel_vtbl = {
    channel_query, channel_reference, channel_reference, channel_get_buffer,
    channel_send,  channel_free,      channel_context,   channel_connected,
};
static IRpcChannelBuffer channel = {&channel_vtbl};

typedef struct {
  const char *name;
  gboolean is_host; /* else the callback interface */
  ULONG method;
  guint32 words[4]; /* what the message begins with */
  guint count;
  guint bytes; /* of the array, that follow */
  gboolean is_taken;
} Message;

static const Message messages[] = {
    {"call", FALSE, 4, {1, 8, 8}, 3, 8, TRUE},
    {"call-empty", FALSE, 4, {1, 0, 0}, 3, 0, TRUE},
    {"call-says-more", FALSE, 4, {1, 4096, 8}, 3, 8, FALSE},
    {"call-says-less", FALSE, 4, {1, 4, 8}, 3, 8, FALSE},
    {"call-says-all-there-may-be", FALSE, 4, {1, 0x100000, 8}, 3, 8, FALSE},
    {"call-says-too-much", FALSE, 4, {1, 0xffffffff, 0xffffffff}, 3, 8, FALSE},
    {"call-cut-off-in-the-array", FALSE, 4, {1, 8, 8}, 3, 7, FALSE},
    {"call-cut-off-before-it", FALSE, 4, {1, 8}, 2, 0, FALSE},
    {"call-is-empty", FALSE, 4, {0}, 0, 0, FALSE},
    {"load", TRUE, 4, {8, 8}, 2, 8, TRUE},
    {"load-says-more", TRUE, 4, {4096, 8}, 2, 8, FALSE},
    {"load-cut-off", TRUE, 4, {8, 8}, 2, 1, FALSE},
    {"notify", TRUE, 5, {1, 8, 8}, 3, 8, TRUE},
    {"notify-says-more", TRUE, 5, {1, 4096, 8}, 3, 8, FALSE},
    {"notify-cut-off", TRUE, 5, {1, 8, 8}, 3, 0, FALSE},
};

/* The stub that the proxy/stub DLL makes for an interface. The caller's. */
static IRpcStubBuffer *make_stub(REFIID iid, const Method *const *object) {
  typedef HRESULT(WINAPI * GetClassObject)(REFCLSID, REFIID, void **);
  g_autofree char *path = fixture_built("backend-win32/wslpluginproxystub.dll");
  g_autofree wchar_t *wide = bh_wire_wide(path);
  HMODULE module = LoadLibraryW(wide); /* for good */
  GetClassObject get = (GetClassObject)(void (*)(void))GetProcAddress(module, "DllGetClassObject");
  IPSFactoryBuffer *factory = NULL;
  IRpcStubBuffer *stub = NULL;

  g_assert_nonnull(module);
  g_assert_cmphex((guint)get(&CLSID_WslPluginProxyStub, &IID_IPSFactoryBuffer, (void **)&factory), ==, 0);
  g_assert_cmphex((guint)IPSFactoryBuffer_CreateStub(factory, iid, (IUnknown *)object, &stub), ==, 0);
  IPSFactoryBuffer_Release(factory);
  return stub;
}

static void test_message(gconstpointer data) {
  const Message *message = data;
  const Method *object = message->is_host ? host_methods : callback_methods;
  IRpcStubBuffer *stub = make_stub(message->is_host ? &IID_IWslPluginHost : &IID_IWslPluginHostCallback, &object);
  const gsize head = message->count * sizeof message->words[0];
  guint8 *bytes = g_malloc0(head + message->bytes + 16); /* 16: what is read behind its end, is not another's */
  RPCOLEMESSAGE rpc = {.dataRepresentation = 0x10,       /* little-endian, ASCII, IEEE */
                       .Buffer = bytes,
                       .cbBuffer = (ULONG)(head + message->bytes),
                       .iMethod = message->method};
  HRESULT status;

  memcpy(bytes, message->words, head);
  calls = 0;
  status = IRpcStubBuffer_Invoke(stub, &rpc, &channel);
  g_assert_cmpint(SUCCEEDED(status), ==, message->is_taken);
  g_assert_cmpuint(calls, ==, message->is_taken);
  if (message->is_taken) g_assert_cmpuint(last_size, ==, message->bytes);
  if (rpc.Buffer != bytes) g_free(rpc.Buffer);
  g_free(bytes);
  IRpcStubBuffer_Release(stub);
}

int main(int argc, char **argv) {
  if (argc == 3 && g_str_equal(argv[1], "--stranger")) return be_stranger(argv[2]);
  if (argc == 2 && g_str_equal(argv[1], "--activate")) return be_activator();
  fixture_init(&argc, &argv);
  g_test_add_func("/win32/security/registered-for-user", test_registered_for_user);
  g_test_add_func("/win32/security/registered-for-machine", test_registered_for_machine);
  g_test_add_func("/win32/security/absolute", test_absolute);
  g_test_add_func("/win32/security/stranger-says-hello-first", test_stranger_says_hello_first);
  g_test_add_func("/win32/security/other-user-may-not-activate", test_other_user_may_not_activate);
  g_test_add_func("/win32/security/host-is-opened-with-least-rights", test_host_is_opened_with_least_rights);
  g_test_add_func("/win32/security/least-is-handed-over", test_least_is_handed_over);
  g_test_add_func("/win32/security/host-holds-neither-job-nor-service", test_host_holds_neither_job_nor_service);
  g_test_add_func("/win32/security/handles-stay-flat", test_handles_stay_flat);
  for (gsize i = 0; i < G_N_ELEMENTS(messages); i++) {
    g_autofree char *path = g_strconcat("/win32/security/message/", messages[i].name, NULL);
    g_test_add_data_func(path, &messages[i], test_message);
  }
  return g_test_run();
}
