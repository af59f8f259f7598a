#include "fixture.h"

#include "core/host-crash.h"
#include "tests/common/spare-hosts.h"

#define PSAPI_VERSION 2 /* kernel32 has its functions */
#include <psapi.h>
#include <string.h>

static const BhLockClass fixture_class = {"fixture", BH_RANK_LEAF, FALSE};

static char *folder; /* temporary, this program's */

/* --- Files ---------------------------------------------------------------------------------------------- */

char *fixture_built(const char *name) {
  return g_build_filename(g_getenv("BULKHEAD_BUILD"), name, NULL);
}

char *fixture_copy_plugin(const char *plugin, const char *name) {
  g_autofree char *file = g_strconcat("tests/plugins/plain/", plugin, ".dll", NULL);
  g_autofree char *from = fixture_built(file);
  g_autofree char *to_name = g_strconcat(name, ".dll", NULL);
  char *to = g_build_filename(folder, to_name, NULL);
  g_autofree wchar_t *wide_from = bh_wire_wide(from);
  g_autofree wchar_t *wide_to = bh_wire_wide(to);

  if (!CopyFileW(wide_from, wide_to, FALSE)) g_error("%s cannot be copied to %s: %lu", from, to, GetLastError());
  return to;
}

void fixture_init(int *argc, char ***argv) {
  g_autofree char *host = NULL;
  g_autofree char *proxystub = NULL;
  g_autofree char *cause = NULL;
  g_autofree char *pid = NULL;

  g_test_init(argc, argv, NULL);
  if (g_getenv("BULKHEAD_BUILD") == NULL) g_error("BULKHEAD_BUILD must name the build folder");
  host = fixture_built("backend-win32/wslpluginhost.exe");
  proxystub = fixture_built("backend-win32/wslpluginproxystub.dll");
  if (!bh_win32_register(TRUE, host, proxystub, &cause)) g_error("%s", cause);
  pid = g_strdup_printf("bulkhead-%lu", GetCurrentProcessId());
  folder = g_build_filename(g_get_tmp_dir(), pid, NULL);
  g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
}

/* --- Being called --------------------------------------------------------------------------------------- */

static void close_socket(gintptr value) {
  closesocket((SOCKET)value);
}

static void close_handle(gintptr value) {
  CloseHandle((HANDLE)value);
}

/* Two sockets that are each other's other end. */
static void socket_pair(SOCKET pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int size = sizeof address;
  SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);

  bind(listener, (struct sockaddr *)&address, size);
  listen(listener, 1);
  getsockname(listener, (struct sockaddr *)&address, &size);
  pair[0] = socket(AF_INET, SOCK_STREAM, 0);
  connect(pair[0], (struct sockaddr *)&address, size);
  pair[1] = accept(listener, NULL, NULL);
  closesocket(listener);
}

/* A socket from which comes text, then the end. */
static BhResource say(const char *text) {
  SOCKET pair[2];
  socket_pair(pair);
  send(pair[0], text, (int)strlen(text), 0);
  closesocket(pair[0]);
  return (BhResource){(gintptr)pair[1], close_socket};
}

static void answer(const BhCall *call, BhCallReply *reply) {
  g_autofree char *joined = NULL;

  switch (call->api) {
    case BH_API_MOUNT_FOLDER: break;
    case BH_API_EXECUTE_BINARY:
    case BH_API_EXECUTE_BINARY_IN_DISTRIBUTION:
      if (g_str_equal(call->path, "/bin/nothing")) {
        reply->result = BH_E_FAIL;
        break;
      }
      joined = call->arguments != NULL ? g_strjoinv("|", call->arguments) : g_strdup("");
      reply->resource = say(joined);
      break;
    case BH_API_CONTAINER_CREATE_PROCESS:
      reply->process = 99;
      if (g_str_equal(call->path, "/bin/nothing")) *reply = (BhCallReply){.result = BH_E_FAIL, .number = 2};
      break;
    case BH_API_PROCESS_GET_FD: reply->resource = say("out"); break;
    case BH_API_PROCESS_GET_EXIT_EVENT:
      reply->resource = (BhResource){(gintptr)CreateEventW(NULL, TRUE, TRUE, NULL), close_handle};
      break;
    case BH_API_PROCESS_GET_EXIT_CODE: reply->number = 12; break;
    case BH_API_PROCESS_RELEASE: break;
    default: reply->result = BH_E_NOTIMPL; break;
  }
}

static void on_call(gpointer data, const BhCall *call, BhCallReply *reply) {
  Fixture *fixture = data;
  gboolean is_loaded;

  bh_mutex_lock(&fixture->lock);
  fixture->calls++;
  fixture->last_notification = call->notification;
  fixture->last_thread = call->thread;
  is_loaded = fixture->loaded;
  fixture->waiting++;
  bh_cond_broadcast(&fixture->changed);
  while (fixture->gated) bh_cond_wait(&fixture->changed, &fixture->lock);
  fixture->waiting--;
  bh_mutex_unlock(&fixture->lock);
  if (is_loaded)
    answer(call, reply);
  else
    reply->result = BH_E_NOT_FOUND; /* as core says while a plugin loads */
}

static void on_died(gpointer data, const char *how) {
  Fixture *fixture = data;

  bh_mutex_lock(&fixture->lock);
  fixture->deaths++;
  if (fixture->how == NULL) fixture->how = g_strdup(how);
  bh_cond_broadcast(&fixture->changed);
  bh_mutex_unlock(&fixture->lock);
}

void (*fixture_activity)(gpointer data, const BhActivity *activity);

static void on_activity(gpointer data, const BhActivity *activity) {
  fixture_activity(data, activity);
}

static const BhLinkEvents events = {.call = on_call, .died = on_died, .activity = on_activity};

/* --- A host --------------------------------------------------------------------------------------------- */

void fixture_open(Fixture *fixture, const char *path) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  const BhWin32Settings settings = {.host_path = host};
  const BhPluginSpec spec = {"TestPlugin", path};
  char *cause = NULL;

  memset(fixture, 0, sizeof *fixture);
  bh_mutex_init(&fixture->lock, &fixture_class);
  bh_cond_init(&fixture->changed);
  spare_hosts_fill(host);
  fixture->backend = bh_backend_win32_new(&settings, &cause);
  g_assert_cmpstr(cause, ==, NULL);
  fixture->backend->class->start(fixture->backend, &spec, &events, fixture, &fixture->link, &cause);
  g_assert_cmpstr(cause, ==, NULL);
}

void fixture_load_path(Fixture *fixture, const char *path, BhResult *status) {
  fixture_open(fixture, path);
  *status = fixture->backend->class->load(fixture->link, &fixture->load);
  bh_mutex_lock(&fixture->lock);
  fixture->loaded = BH_SUCCEEDED(*status) && BH_SUCCEEDED(fixture->load.result);
  bh_mutex_unlock(&fixture->lock);
}

void fixture_load(Fixture *fixture, const char *name) {
  g_autofree char *path = fixture_copy_plugin("faults", name);
  BhResult status;
  fixture_load_path(fixture, path, &status);
  g_assert_cmphex((guint)status, ==, 0);
}

void fixture_start(Fixture *fixture, const char *plugin) {
  g_autofree char *path = fixture_copy_plugin(plugin, plugin);
  BhResult status;
  fixture_load_path(fixture, path, &status);
  g_assert_cmphex((guint)status, ==, 0);
  g_assert_cmpstr(fixture->load.cause, ==, NULL);
  g_assert_cmphex((guint)fixture->load.result, ==, 0);
}

BhNotifyReply fixture_command(Fixture *fixture, const char *command, BhResult *status) {
  static gint number;
  BhNotifyReply reply = {0};
  g_autoptr(GBytes) sid = NULL;
  BhNotification notification = {
      .hook = BH_HOOK_DISTRIBUTION_STARTED,
      .number = (guint64)g_atomic_int_add(&number, 1) + 1,
      .session = SESSION,
      .name = (char *)command,
      .flavor = (char *)"ubuntu",
      .init_pid = 42,
      .pid_namespace = 4026531836,
      .distribution = {{0x78, 0x56, 0x34, 0x12}},
  };

  bh_win32_current_user(&notification.token, &sid);
  notification.sid = sid;
  *status = fixture->backend->class->notify(fixture->link, &notification, &reply);
  bh_win32_token_close(notification.token);
  return reply;
}

void fixture_gate(Fixture *fixture) {
  bh_mutex_lock(&fixture->lock);
  fixture->gated = TRUE;
  bh_mutex_unlock(&fixture->lock);
}

void fixture_await_waiting(Fixture *fixture, guint count) {
  const gint64 deadline = bh_clock_now() + 10 * G_TIME_SPAN_SECOND;

  bh_mutex_lock(&fixture->lock);
  while (fixture->waiting < count)
    if (!bh_cond_wait_until(&fixture->changed, &fixture->lock, deadline)) g_error("no call came");
  bh_mutex_unlock(&fixture->lock);
}

void fixture_ungate(Fixture *fixture) {
  bh_mutex_lock(&fixture->lock);
  fixture->gated = FALSE;
  bh_cond_broadcast(&fixture->changed);
  bh_mutex_unlock(&fixture->lock);
}

void fixture_await_hang(Fixture *fixture) {
  g_autofree char *text = g_strdup_printf("bulkhead-faults-hangs-%u", fixture->link->class->pid(fixture->link));
  g_autofree wchar_t *name = bh_wire_wide(text);
  HANDLE there = CreateEventW(NULL, TRUE, FALSE, name); /* whoever comes first makes it */

  g_assert_nonnull(there);
  g_assert_cmpint(WaitForSingleObject(there, 10 * 1000), ==, WAIT_OBJECT_0);
  CloseHandle(there);
}

const char *fixture_await_death(Fixture *fixture) {
  const gint64 deadline = bh_clock_now() + 10 * G_TIME_SPAN_SECOND;

  bh_mutex_lock(&fixture->lock);
  while (fixture->deaths == 0)
    if (!bh_cond_wait_until(&fixture->changed, &fixture->lock, deadline)) g_error("the host did not die");
  bh_mutex_unlock(&fixture->lock);
  return fixture->how;
}

void fixture_stop(Fixture *fixture) {
  const DWORD pid = fixture->backend->class->pid(fixture->link);
  HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, pid);
  guint deaths = fixture->deaths;

  fixture->backend->class->release(fixture->link);
  if (process != NULL) {
    g_assert_cmpuint(WaitForSingleObject(process, 0), ==, WAIT_OBJECT_0);
    CloseHandle(process);
  }
  g_assert_cmpuint(fixture->deaths, ==, deaths); /* release is no death */
  g_assert_cmpuint(deaths, <=, 1);
  bh_backend_win32_free(fixture->backend);
  bh_load_reply_clear(&fixture->load);
  bh_cond_clear(&fixture->changed);
  bh_mutex_clear(&fixture->lock);
  g_free(fixture->how);
}

/* SYSTEM_HANDLE_INFORMATION, which winternl.h does not declare. */
typedef struct {
  ULONG count;
  struct {
    USHORT process, trace;
    UCHAR type, flags;
    USHORT handle;
    void *object;
    ULONG access;
  } handles[];
} SystemHandles;

guint fixture_handles(DWORD pid) {
  typedef LONG(WINAPI * Query)(ULONG information, void *buffer, ULONG size, ULONG *needed);
  const ULONG system_handle_information = 16;
  const LONG too_small = (LONG)0xC0000004; /* STATUS_INFO_LENGTH_MISMATCH */
  const Query query =
      (Query)(void (*)(void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQuerySystemInformation");
  g_autofree SystemHandles *all = NULL;
  ULONG size = 128 * 1024, needed;
  LONG status = too_small;
  guint count = 0;

  while (status == too_small) {
    size *= 2;
    all = g_realloc(all, size);
    status = query(system_handle_information, all, size, &needed);
  }
  g_assert_cmphex((guint)status, ==, 0);
  for (ULONG i = 0; i < all->count; i++) count += all->handles[i].process == (USHORT)pid;
  g_assert_cmpuint(count, >, 0);
  return count;
}

gsize fixture_memory(void) {
  PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof counters};
  g_assert_true(GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters));
  return counters.PagefileUsage;
}

gboolean fixture_is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

void fixture_assert_dead(BhResult status) {
  if (bh_host_crash_classify(status) != BH_TRANSPORT_DEAD) g_error("0x%08x is no dead host", (guint)status);
}

void fixture_assert_how(Fixture *fixture, const char *expected) {
  const char *how = fixture_await_death(fixture);
  if (strstr(how, expected) == NULL) g_error("'%s' does not say '%s'", how, expected);
}

/* --- Loads that hang ------------------------------------------------------------------------------------ */

static gpointer load_in_thread(gpointer data) {
  Fixture *fixture = data;
  fixture->load_status = fixture->backend->class->load(fixture->link, &fixture->load);
  return NULL;
}

void fixture_begin_load(Fixture *fixture) {
  fixture->loader = bh_thread_new("load", BH_RANK_LEAF, load_in_thread, fixture);
}

void fixture_kill_load(Fixture *fixture) {
  fixture->backend->class->kill(fixture->link, "loading took too long");
  bh_thread_join(fixture->loader);
  fixture_assert_dead(fixture->load_status);
  g_assert_cmpstr(fixture_await_death(fixture), ==, "stopped by the service: loading took too long");
}

void fixture_assert_handles_flat(Fixture *fixture, void (*exchange)(Fixture *fixture, int times), int few,
                                 int times) {
  const DWORD pid = fixture->backend->class->pid(fixture->link);
  guint ours, hosts;

  exchange(fixture, few); /* until all threads of COM's and Winsock's are there */
  ours = fixture_handles(GetCurrentProcessId());
  hosts = fixture_handles(pid);
  exchange(fixture, times);
  g_test_message("handles after %d: service %u, then %u; host %u, then %u", times, ours,
                 fixture_handles(GetCurrentProcessId()), hosts, fixture_handles(pid));
  g_assert_cmpuint(fixture_handles(GetCurrentProcessId()), <=, ours + 5);
  g_assert_cmpuint(fixture_handles(pid), <=, hosts + 5);
}
