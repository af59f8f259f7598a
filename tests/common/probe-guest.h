/* probe-guest.h: a guest in front of another one, which counts what passes, and lets a test interfere.
 *
 * Every call is passed on to the inner guest. `before` is told of those that have a point first, on the thread where they are
 * made: it may wait there, look at which thread it is, or answer in the inner guest's stead. A process is the inner guest's
 * own: what is asked of it does not pass here. */
#pragma once

#include "core/guest.h"
#include "core/sync.h"

typedef enum {
  BH_PROBE_VM_CREATE,
  BH_PROBE_VM_DESTROY,
  BH_PROBE_MOUNT,
  BH_PROBE_EXECUTE,
  BH_PROBE_INSTANCE_START,
  BH_PROBE_INSTANCE_STOP,
  BH_PROBE_UNMOUNT,
  BH_PROBE_PROCESS_START,
  BH_PROBE_CONTAINER_START,
  BH_PROBE_CONTAINER_STOP,
  BH_PROBE_WATCH,
  BH_PROBE_COUNT,
} BhProbePoint;

typedef struct {
  BhGuest parent;
  BhGuest *inner;
  /* A failure is answered instead of passing the call on. May be NULL. */
  BhResult (*before)(BhProbePoint point, gpointer data);
  gpointer data;
  int passed[BH_PROBE_COUNT]; /* atomic: calls so far */
  int inside;       /* atomic: calls that plugins make which run now: (un)mounts, executions, processes */
  int max_inside;   /* atomic: most of them at once */
  int open_sockets; /* atomic: of executions, that nobody has closed yet */
  BhVm *last_vm;    /* atomic: the inner guest's, of the last VM that was created */
} BhProbeGuest;

void bh_probe_guest_init(BhProbeGuest *probe, BhGuest *inner);
