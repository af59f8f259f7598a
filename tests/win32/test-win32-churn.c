/* Must show 6: hosts come and go, 16 at a time, and nothing grows: no process, no handle, no memory, no key.
 *
 *   test-win32-churn [NUMBER]      how many in all; 48 without */
#include "fixture.h"

#include <stdlib.h>
#include <tlhelp32.h>

#define BATCH 16

static guint total = 48;

/* --- What must not grow --------------------------------------------------------------------------------- */

typedef struct {
  guint hosts;   /* processes */
  guint handles; /* of this process */
  guint keys;    /* where COM's registrations are, and ours */
  gsize memory;  /* of this process, committed */
} Weight;

static guint count_hosts(void) {
  HANDLE processes = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  PROCESSENTRY32W entry = {.dwSize = sizeof entry};
  guint count = 0;

  for (BOOL more = Process32FirstW(processes, &entry); more; more = Process32NextW(processes, &entry))
    count += _wcsicmp(entry.szExeFile, L"wslpluginhost.exe") == 0;
  CloseHandle(processes);
  return count;
}

static guint count_keys(void) {
  static const struct {
    HKEY root;
    const wchar_t *path;
  } places[] = {
      {HKEY_LOCAL_MACHINE, L"Software\\Classes\\AppID"},     {HKEY_LOCAL_MACHINE, L"Software\\Classes\\CLSID"},
      {HKEY_LOCAL_MACHINE, L"Software\\Classes\\Interface"}, {HKEY_CURRENT_USER, L"Software\\Classes\\AppID"},
      {HKEY_CURRENT_USER, L"Software\\Classes\\CLSID"},      {HKEY_CURRENT_USER, L"Software\\Classes\\Interface"},
      {HKEY_LOCAL_MACHINE, L"Software\\Microsoft"},          {HKEY_CURRENT_USER, L"Software\\Microsoft"},
  };
  guint count = 0;

  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    DWORD keys = 0, values = 0;
    HKEY key;
    if (RegOpenKeyExW(places[i].root, places[i].path, 0, KEY_QUERY_VALUE, &key) != ERROR_SUCCESS) continue;
    RegQueryInfoKeyW(key, NULL, NULL, NULL, &keys, NULL, NULL, &values, NULL, NULL, NULL, NULL);
    RegCloseKey(key);
    count += keys + values;
  }
  return count;
}

static Weight weigh(void) {
  const gsize memory = fixture_memory();
  return (Weight){count_hosts(), fixture_handles(GetCurrentProcessId()), count_keys(), memory};
}

/* --- Batches -------------------------------------------------------------------------------------------- */

static const BhLinkEvents events = {0}; /* nothing calls, and none is to die */

static gpointer live(gpointer data) {
  BhBackend *backend = data;
  const BhPluginSpec spec = {"TestPlugin", "C:\\plugin.dll"};
  g_autofree char *cause = NULL;
  BhLink *link = NULL;

  if (BH_FAILED(backend->class->start(backend, &spec, &events, NULL, &link, &cause))) g_error("%s", cause);
  backend->class->release(link);
  return NULL;
}

static void run_batch(BhBackend *backend) {
  BhThread *threads[BATCH];

  for (int i = 0; i < BATCH; i++) threads[i] = bh_thread_new("life", BH_RANK_LEAF, live, backend);
  for (int i = 0; i < BATCH; i++) bh_thread_join(threads[i]);
}

static void say(const char *when, const Weight *weight) {
  g_test_message("%s: %u hosts, %u handles, %u keys and values, %" G_GSIZE_FORMAT " KB", when, weight->hosts,
                 weight->handles, weight->keys, weight->memory / 1024);
}

/* Of memory, in bytes. Wine 8 keeps some of each activation: of one that is CoCreateInstance and Release, and nothing of
 * ours, some 25 KiB (4.4 MiB of 176), and of ours, which last longer, 5 to 14. */
static gsize allowed_growth(void) {
  const gsize once = 1024 * 1024;
  return fixture_is_wine() ? once + total * 16 * 1024 : once;
}

static void test_churn(void) {
  g_autofree char *host = fixture_built("backend-win32/wslpluginhost.exe");
  const BhWin32Settings settings = {.host_path = host};
  BhBackend *backend = bh_backend_win32_new(&settings, NULL);
  Weight before, after;
  gint64 began;

  run_batch(backend); /* until COM has all the threads it wants */
  before = weigh();
  began = bh_clock_now();
  for (guint done = BATCH; done < total; done += BATCH) run_batch(backend);
  after = weigh();
  say("before", &before);
  say("after", &after);
  g_test_message("%u in batches of %d, %.0f ms each batch", total, BATCH,
                 (double)(bh_clock_now() - began) / 1e3 / MAX(1, (total - 1) / BATCH));
  g_assert_cmpuint(after.hosts, <=, before.hosts); /* another program's may be just about to end */
  /* COM's threads come and go, a few handles each: of 1,000 between 8 and 14 were seen, from 49 and from 66. */
  g_assert_cmpuint(after.handles, <=, before.handles + MIN(2 * BATCH, total / 4));
  g_assert_cmpuint(after.keys, ==, before.keys);
  g_assert_cmpuint(after.memory, <=, before.memory + allowed_growth());
  bh_backend_win32_free(backend);
}

int main(int argc, char **argv) {
  fixture_init(&argc, &argv);
  if (argc == 2) total = (guint)strtoul(argv[1], NULL, 10);
  g_test_add_func("/win32/churn", test_churn);
  return g_test_run();
}
