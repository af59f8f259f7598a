#include "backend-win32/host/threads.h"

#include "backend-win32/thread-ring.h"

/* Written once, the ring last; never unmapped. */
static HANDLE filled;
static BhThreadRing *volatile ring;

/* Under the loader lock, or whatever Windows has in its place: no more than this. */
static void NTAPI on_thread(G_GNUC_UNUSED void *module, DWORD reason, G_GNUC_UNUSED void *reserved) {
  BhThreadRing *const to = ring;
  guint64 position, taken, what = GetCurrentThreadId();

  if (to == NULL || !to->watched || (reason != DLL_THREAD_ATTACH && reason != DLL_THREAD_DETACH)) return;
  if (reason == DLL_THREAD_DETACH) what |= BH_THREAD_RING_END;
  for (position = (guint64)to->tail;; position = taken) {
    if (position - (guint64)to->head >= BH_THREAD_RING_SLOTS) {
      InterlockedExchange(&to->lost, TRUE);
      break;
    }
    taken = (guint64)InterlockedCompareExchange64(&to->tail, (LONG64)(position + 1), (LONG64)position);
    if (taken != position) continue;
    InterlockedExchange64(&to->slots[position % BH_THREAD_RING_SLOTS],
                          (LONG64)(bh_thread_ring_lap(position) | what));
    break;
  }
  SetEvent(filled);
}

/* Windows calls what stands in this section of the program file; the C runtime's own are in it, too. */
extern const PIMAGE_TLS_CALLBACK bh_threads_callback;
const PIMAGE_TLS_CALLBACK bh_threads_callback __attribute__((section(".CRT$XLG"), used)) = on_thread;

gboolean bh_threads_open(HANDLE section, HANDLE event) {
  BhThreadRing *view =
      section != NULL ? MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, sizeof *view) : NULL;

  if (section != NULL) CloseHandle(section);
  if (view == NULL || event == NULL) return FALSE;
  filled = event;
  /* A plugin that closes what it did not open does not get this by accident. */
  SetHandleInformation(filled, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE);
  ring = view;
  return TRUE;
}
