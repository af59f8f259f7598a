#include "scripted-wait.h"

#ifdef G_OS_WIN32
#include <windows.h>
#else
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#endif

#ifdef G_OS_WIN32

static void close_event(gintptr event) {
  CloseHandle((HANDLE)event);
}

BhResource bh_mock_event_new(void) {
  HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);

  return (BhResource){(gintptr)event, event != NULL ? close_event : NULL};
}

void bh_mock_event_set(gintptr event) {
  SetEvent((HANDLE)event);
}

gboolean bh_mock_event_wait(gintptr gone, gintptr event) {
  HANDLE either[] = {(HANDLE)gone, (HANDLE)event}; /* the first that is signalled counts */

  return WaitForMultipleObjects(G_N_ELEMENTS(either), either, FALSE, INFINITE) == WAIT_OBJECT_0 + 1;
}

#else

static void close_event(gintptr event) {
  close((int)event);
}

BhResource bh_mock_event_new(void) {
  int event = eventfd(0, EFD_CLOEXEC);

  return (BhResource){event, event >= 0 ? close_event : NULL};
}

void bh_mock_event_set(gintptr event) {
  eventfd_write((int)event, 1);
}

gboolean bh_mock_event_wait(gintptr gone, gintptr event) {
  struct pollfd either[] = {{(int)gone, POLLIN, 0}, {(int)event, POLLIN, 0}};
  int ready;

  do ready = poll(either, G_N_ELEMENTS(either), -1);
  while (ready < 0 && errno == EINTR);
  return ready > 0 && either[0].revents == 0 && either[1].revents == POLLIN;
}

#endif
