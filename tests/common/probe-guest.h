/* probe-guest.h: a guest in front of another one, which counts what passes, and lets a test interfere.
 *
 * Every call is passed on to the inner guest. `before` is told of each one first, on the thread where it is made: it may
 * wait there, look at which thread it is, or answer in the inner guest's stead. */
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
  BH_PROBE_COUNT,
} BhProbePoint;

typedef struct {
  BhGuest parent;
  BhGuest *inner;
  /* A failure is answered instead of passing the call on. May be NULL. */
  BhResult (*before)(BhProbePoint point, gpointer data);
  gpointer data;
  int passed[BH_PROBE_COUNT]; /* atomic: calls so far */
  int inside;                 /* atomic: mounts and executions that run now */
  int max_inside;             /* atomic: most of them at once */
  BhVm *last_vm;              /* atomic: the inner guest's, of the last VM that was created */
} BhProbeGuest;

void bh_probe_guest_init(BhProbeGuest *probe, BhGuest *inner);
