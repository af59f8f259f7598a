#include "backend-win32/service/host-threads.h"

#include "backend-win32/thread-ring.h"

#include <tlhelp32.h>

struct BhHostThreads {
  HANDLE section, event;
  BhThreadRing *ring;
  guint64 head; /* ours; the ring's is for the host to know how much room there is */
};

/* In the host, with no more than what it does with it. */
static gboolean share(HANDLE process, HANDLE handle, DWORD rights, guint64 *remote) {
  HANDLE copy = NULL;
  gboolean is_shared =
      handle != NULL && DuplicateHandle(GetCurrentProcess(), handle, process, &copy, rights, FALSE, 0);

  *remote = (guint64)(gintptr)copy;
  return is_shared;
}

BhHostThreads *bh_host_threads_new(HANDLE process, guint64 *ring, guint64 *filled) {
  BhHostThreads *self = g_new0(BhHostThreads, 1);

  self->event = CreateEventW(NULL, FALSE, FALSE, NULL);
  self->section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof *self->ring, NULL);
  if (self->section != NULL)
    self->ring = MapViewOfFile(self->section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, sizeof *self->ring);
  *filled = 0;
  if (self->ring != NULL && share(process, self->section, FILE_MAP_READ | FILE_MAP_WRITE, ring) &&
      share(process, self->event, EVENT_MODIFY_STATE, filled))
    return self;
  bh_host_threads_free(self);
  return NULL;
}

void bh_host_threads_free(BhHostThreads *self) {
  if (self == NULL) return;
  if (self->ring != NULL) UnmapViewOfFile(self->ring);
  if (self->section != NULL) CloseHandle(self->section);
  if (self->event != NULL) CloseHandle(self->event);
  g_free(self);
}

HANDLE bh_host_threads_event(const BhHostThreads *self) {
  return self->event;
}

void bh_host_threads_watch(BhHostThreads *self, gboolean is_watched) {
  if (is_watched) {
    self->head = (guint64)self->ring->tail;
    InterlockedExchange64(&self->ring->head, (LONG64)self->head);
    InterlockedExchange(&self->ring->lost, FALSE);
  }
  InterlockedExchange(&self->ring->watched, is_watched);
}

gboolean bh_host_threads_read(BhHostThreads *self, void (*told)(gpointer data, DWORD thread, gboolean is_end),
                              gpointer data) {
  const gboolean lost = InterlockedExchange(&self->ring->lost, FALSE);

  for (guint i = 0; i < BH_THREAD_RING_SLOTS; i++) {
    /* Once: what is checked is then what is used. */
    const guint64 slot = (guint64)self->ring->slots[self->head % BH_THREAD_RING_SLOTS];

    /* Taken, and not written yet: whoever writes it sets the event afterwards. */
    if (slot >> 33 != bh_thread_ring_lap(self->head) >> 33) break;
    self->head++;
    InterlockedExchange64(&self->ring->head, (LONG64)self->head);
    told(data, (DWORD)slot, (slot & BH_THREAD_RING_END) != 0);
  }
  return !lost;
}

GArray *bh_host_threads_list(DWORD pid) {
  HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(DWORD));
  THREADENTRY32 entry = {.dwSize = sizeof entry};

  if (snapshot == INVALID_HANDLE_VALUE) return ids;
  for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
    if (entry.th32OwnerProcessID == pid) g_array_append_val(ids, entry.th32ThreadID);
  CloseHandle(snapshot);
  return ids;
}

HANDLE bh_host_threads_open(DWORD pid, DWORD thread, gboolean *foreign) {
  HANDLE handle = OpenThread(THREAD_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, thread);

  /* Windows takes a number that is off by less than four for the thread's, too. */
  *foreign = handle != NULL && (GetProcessIdOfThread(handle) != pid || GetThreadId(handle) != thread);
  if (!*foreign) return handle;
  CloseHandle(handle);
  return NULL;
}
