/* fake-guest.h: a guest that does nothing, and counts: no sockets, no threads, no waiting of its own.
 *
 * For tests of what core makes of a guest's answers and events, where what runs in a VM is of no matter: the stress, and
 * every interleaving. What it hands out is counted, so that a test can say that nothing was left behind. `before` is
 * told of each step on the thread that makes it, and may wait there, or fail it. */
#pragma once

#include "core/guest.h"
#include "core/sync.h"

typedef enum {
  BH_FAKE_VM_CREATE,
  BH_FAKE_VM_DESTROY,
  BH_FAKE_MOUNT,
  BH_FAKE_UNMOUNT,
  BH_FAKE_EXECUTE,
  BH_FAKE_INSTANCE_START,
  BH_FAKE_INSTANCE_STOP,
  BH_FAKE_PROCESS_START,
  BH_FAKE_CONTAINER_START,
  BH_FAKE_CONTAINER_STOP,
  BH_FAKE_IMAGE_CREATE,
  BH_FAKE_EXPORT,
  BH_FAKE_WATCH, /* nothing runs in it that could be told of */
  BH_FAKE_COUNT,
} BhFakeStep;

typedef struct {
  BhGuest parent;
  /* A failure is the answer. May be NULL. */
  BhResult (*before)(BhFakeStep step, gpointer data);
  gpointer data;
  gboolean busy; /* instance_is_idle says no; set while nobody asks */

  BhMutex lock; /* a leaf; guards all below */
  guint passed[BH_FAKE_COUNT];
  GList *vms;                 /* that are there now, the newest first */
  GList *graves;              /* destroyed ones: that none of them is used is asserted */
  guint processes, resources; /* likewise */
  guint inside, max_inside;   /* mounts and processes being started now, and most of them at once */
  guint32 last_number;        /* of an instance or container */
} BhFakeGuest;

void bh_fake_guest_init(BhFakeGuest *guest);
void bh_fake_guest_clear(BhFakeGuest *guest); /* nothing may be left: asserted */

/* The newest VM that lives ends by itself; or, in it, the container of that number. Its event comes on this thread. FALSE: there is
 * no VM. The VM must not be destroyed meanwhile. */
gboolean bh_fake_guest_kill_vm(BhFakeGuest *guest);
gboolean bh_fake_guest_end_container(BhFakeGuest *guest, guint32 number);
