#include "guest/event.h"

#include "core/sync.h"

#ifdef G_OS_WIN32
#include <winsock2.h>
#include <windows.h>
#else
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#endif

/* What is left until a deadline, in ms, rounded up, so that a wait is never too short. -1: no limit. */
static int rest_ms(gint64 deadline) {
  gint64 rest;

  if (deadline == BH_NO_DEADLINE) return -1;
  rest = deadline - bh_clock_now();
  return (int)CLAMP((rest + 999) / 1000, 0, G_MAXINT - 1);
}

#ifdef G_OS_WIN32

static void close_event(gintptr event) {
  CloseHandle((HANDLE)event);
}

static gintptr new_event(void) {
  return (gintptr)CreateEventW(NULL, TRUE, FALSE, NULL);
}

static gintptr duplicate_event(gintptr event) {
  HANDLE self = GetCurrentProcess(), copy = NULL;

  return DuplicateHandle(self, (HANDLE)event, self, &copy, SYNCHRONIZE, FALSE, 0) ? (gintptr)copy : 0;
}

static gboolean is_event(gintptr event) {
  return event != 0;
}

/* TRUE: it is over, because it happened or because the time did. */
static gboolean wait_once(gintptr event, int timeout_ms, gboolean *happened) {
  *happened = WaitForSingleObject((HANDLE)event, timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms) == WAIT_OBJECT_0;
  return *happened || timeout_ms == 0;
}

void bh_event_signal(gintptr event) {
  SetEvent((HANDLE)event);
}

#else

static void close_event(gintptr event) {
  close((int)event);
}

static gintptr new_event(void) {
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static gintptr duplicate_event(gintptr event) {
  return fcntl((int)event, F_DUPFD_CLOEXEC, 0);
}

static gboolean is_event(gintptr event) {
  return event >= 0;
}

static gboolean wait_once(gintptr event, int timeout_ms, gboolean *happened) {
  struct pollfd wait = {.fd = (int)event, .events = POLLIN};

  *happened = poll(&wait, 1, timeout_ms) > 0 && (wait.revents & POLLIN) != 0;
  return *happened || timeout_ms == 0;
}

void bh_event_signal(gintptr event) {
  eventfd_write((int)event, 1); /* fails only where it was signalled 2^64 - 2 times */
}

#endif

static BhResult as_resource(gintptr event, BhResource *resource) {
  if (!is_event(event)) return BH_E_OUTOFMEMORY;
  *resource = (BhResource){event, close_event};
  return BH_OK;
}

BhResult bh_event_new(BhResource *event) {
  return as_resource(new_event(), event);
}

BhResult bh_event_duplicate(gintptr event, BhResource *copy) {
  return as_resource(duplicate_event(event), copy);
}

gboolean bh_event_wait(gintptr event, gint64 timeout_us) {
  gint64 deadline = timeout_us < 0 ? BH_NO_DEADLINE : bh_clock_deadline(timeout_us);
  gboolean happened = FALSE;

  while (!wait_once(event, rest_ms(deadline), &happened))
    continue; /* a signal, or a clock that is a little early */
  return happened;
}
