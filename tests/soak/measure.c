#include "measure.h"

#include "core/sync.h"

#include <windows.h>

#include <malloc.h>
#include <tlhelp32.h>

#define MANY (32 * 1024)

/* SYSTEM_HANDLE_INFORMATION, which winternl.h does not declare. */
typedef struct {
  ULONG count;
  struct {
    USHORT process, trace;
    UCHAR type, flags;
    USHORT handle;
    void *object;
    ULONG access;
  } handles[MANY];
} SystemHandles;

typedef LONG(WINAPI *QuerySystem)(ULONG information, void *buffer, ULONG size, ULONG *needed);

#define SYSTEM_HANDLE_INFORMATION 16

static SystemHandles *all_handles;
static QuerySystem query_system;
static UCHAR kinds_of_rpc[3];
static GHashTable *residents; /* the threads, and the hosts, that were there already */

/* Before GLib's own constructors, which are the first to use slices. */
__attribute__((constructor(101))) static void switch_slices_off(void) {
  SetEnvironmentVariableA("G_SLICE", "always-malloc");
}

gboolean soak_is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

/* --- Memory ------------------------------------------------------------------------------------------------------ */

static double bytes_in_heap(HANDLE heap) {
  PROCESS_HEAP_ENTRY entry = {0};
  double bytes = 0;

  HeapLock(heap);
  while (HeapWalk(heap, &entry))
    if (entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) bytes += entry.cbData;
  HeapUnlock(heap);
  return bytes;
}

static void measure_heaps(SoakSample *sample) {
  HANDLE heaps[64], ours = (HANDLE)_get_heap_handle();
  DWORD count = GetProcessHeaps(G_N_ELEMENTS(heaps), heaps);

  sample->of[SOAK_C_HEAP] = sample->of[SOAK_OTHER_HEAPS] = 0;
  for (DWORD i = 0; i < MIN(count, G_N_ELEMENTS(heaps)); i++)
    sample->of[heaps[i] == ours ? SOAK_C_HEAP : SOAK_OTHER_HEAPS] += bytes_in_heap(heaps[i]);
}

static double private_pages(void) {
  MEMORY_BASIC_INFORMATION region;
  double bytes = 0;

  for (const char *at = NULL; VirtualQuery(at, &region, sizeof region) != 0;
       at = (const char *)region.BaseAddress + region.RegionSize)
    if (region.State == MEM_COMMIT && region.Type == MEM_PRIVATE) bytes += (double)region.RegionSize;
  return bytes;
}

/* --- Handles, threads -------------------------------------------------------------------------------------------- */

static void list_handles(void) {
  ULONG needed;

  if (query_system(SYSTEM_HANDLE_INFORMATION, all_handles, sizeof *all_handles, &needed) != 0)
    g_error("the handles cannot be listed");
}

/* The number by which the system knows the kind of an object. Closes the handle. */
static UCHAR kind_of(HANDLE handle) {
  UCHAR kind = 0;

  list_handles();
  for (ULONG i = 0; i < all_handles->count; i++)
    if (all_handles->handles[i].process == (USHORT)GetCurrentProcessId() &&
        all_handles->handles[i].handle == (USHORT)(guintptr)handle)
      kind = all_handles->handles[i].type;
  CloseHandle(handle);
  if (kind == 0) g_error("a handle of this process is not listed");
  return kind;
}

static gboolean is_of_rpc(UCHAR kind) {
  for (guint i = 0; i < G_N_ELEMENTS(kinds_of_rpc); i++)
    if (kinds_of_rpc[i] == kind) return TRUE;
  return FALSE;
}

static void measure_handles(SoakSample *sample) {
  DWORD count = 0, ours = 0;

  if (soak_is_wine()) {
    list_handles();
    for (ULONG i = 0; i < all_handles->count; i++) {
      if (all_handles->handles[i].process != (USHORT)GetCurrentProcessId()) continue;
      count++;
      ours += !is_of_rpc(all_handles->handles[i].type);
    }
  } else {
    GetProcessHandleCount(GetCurrentProcess(), &count);
  }
  sample->of[SOAK_HANDLES] = count;
  sample->of[SOAK_OUR_KINDS] = ours;
}

static void for_threads(void (*func)(DWORD thread, gpointer data), gpointer data) {
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  THREADENTRY32 entry = {.dwSize = sizeof entry};

  for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
    if (entry.th32OwnerProcessID == GetCurrentProcessId()) func(entry.th32ThreadID, data);
  CloseHandle(snapshot);
}

static void count_thread(G_GNUC_UNUSED DWORD thread, gpointer count) {
  ++*(double *)count;
}

SoakSample soak_measure(void) {
  SoakSample sample;

  measure_heaps(&sample);
  sample.of[SOAK_PAGES] = private_pages();
  measure_handles(&sample);
  sample.of[SOAK_THREADS] = 0;
  for_threads(count_thread, &sample.of[SOAK_THREADS]);
  return sample;
}

/* --- Waiting for what goes --------------------------------------------------------------------------------------- */

static DWORD left(gint64 deadline) {
  return (DWORD)MAX((deadline - bh_clock_now()) / 1000, 0);
}

typedef struct {
  gint64 deadline;
  guint left;
} ThreadWait;

static void await_thread(DWORD thread, gpointer data) {
  ThreadWait *wait = data;
  HANDLE handle;

  if (g_hash_table_contains(residents, GUINT_TO_POINTER(thread))) return;
  handle = OpenThread(SYNCHRONIZE, FALSE, thread);
  if (handle == NULL) return; /* it has ended meanwhile */
  if (WaitForSingleObject(handle, left(wait->deadline)) != WAIT_OBJECT_0) {
    g_hash_table_add(residents, GUINT_TO_POINTER(thread));
    wait->left++;
  }
  CloseHandle(handle);
}

guint soak_await_threads(gint64 timeout) {
  ThreadWait wait = {.deadline = bh_clock_deadline(timeout)};

  for_threads(await_thread, &wait);
  return wait.left;
}

/* One that is not a resident, or 0. */
static DWORD find_host(void) {
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  PROCESSENTRY32W entry = {.dwSize = sizeof entry};
  DWORD found = 0;

  for (BOOL more = Process32FirstW(snapshot, &entry); more && found == 0; more = Process32NextW(snapshot, &entry))
    if (_wcsicmp(entry.szExeFile, L"wslpluginhost.exe") == 0 &&
        !g_hash_table_contains(residents, GUINT_TO_POINTER(entry.th32ProcessID)))
      found = entry.th32ProcessID;
  CloseHandle(snapshot);
  return found;
}

guint32 soak_await_hosts(gint64 timeout, guint *late) {
  const gint64 deadline = bh_clock_deadline(timeout);
  DWORD host;

  *late = 0;
  while ((host = find_host()) != 0) {
    HANDLE process = OpenProcess(SYNCHRONIZE | PROCESS_TERMINATE | PROCESS_QUERY_INFORMATION, FALSE, host);
    BOOL needed = TRUE;
    gboolean gone;

    /* The backend puts each into a job before it is asked for anything. */
    if (process != NULL && IsProcessInJob(process, NULL, &needed) && !needed) TerminateProcess(process, 0);
    gone = process == NULL || WaitForSingleObject(process, left(deadline)) == WAIT_OBJECT_0;
    if (process != NULL) CloseHandle(process);
    if (!gone) break;
    *late += needed;
  }
  return host;
}

/* --- The beginning ----------------------------------------------------------------------------------------------- */

static void add_resident(DWORD id, G_GNUC_UNUSED gpointer data) {
  g_hash_table_add(residents, GUINT_TO_POINTER(id));
}

void soak_measure_begin(void) {
  all_handles = g_new(SystemHandles, 1);
  query_system =
      (QuerySystem)(void (*)(void))GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtQuerySystemInformation");
  if (soak_is_wine()) {
    kinds_of_rpc[0] = kind_of(CreateFileW(L"NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL));
    kinds_of_rpc[1] = kind_of(CreateEventW(NULL, TRUE, FALSE, NULL));
    kinds_of_rpc[2] = kind_of(CreateMutexW(NULL, FALSE, NULL));
  }
  residents = g_hash_table_new(NULL, NULL);
  for_threads(add_resident, NULL);
  for (DWORD host = find_host(); host != 0; host = find_host()) add_resident(host, NULL);
}
