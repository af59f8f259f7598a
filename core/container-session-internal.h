/* container-session-internal.h: a WSLC session between its life (container-session.c) and what is in it (containers.c). */
#pragma once

#include "container-session.h"
#include "container-vm.h"

G_BEGIN_DECLS

struct BhContainerSession {
  const BhSessionShared *shared;
  guint32 id, application_pid;
  BhUser user;
  char *name, *label; /* label: "wslc build", for the trace and for errors */
  BhContainerVm vm;   /* has a lock of its own */
  void (*on_end)(BhContainerSession *session, gpointer data);
  gpointer data;

  BhMutex lock;           /* guards all below; a leaf, held across nothing */
  GHashTable *containers; /* name → Container */
  GHashTable *images;     /* name → Image */
  GHashTable *early_ends; /* numbers of containers that ended before the guest had said that they run */
};

/* Tells the plugins, with no lock held (the manager asserts it). document: of the hooks that have one. */
BhResult bh_container_session_notify(BhContainerSession *session, BhHook hook, const char *document,
                                     const BhContext *context, BhError **error);

/* Has func(session) run by a worker, which drops the reference that goes with it. Where no thread can be had, nothing
 * happens. */
void bh_container_session_post(BhContainerSession *session, BhWorkerFunc func);

/* Its tables of containers and images. */
void bh_containers_init(BhContainerSession *session);
void bh_containers_clear(BhContainerSession *session);

/* For the VM (container-vm.h) and the guest: data is the session. */
void bh_containers_stop_all(gpointer data, BhVm *vm);
void bh_containers_on_ended(gpointer data, guint32 number);

/* Stops those that have ended by themselves, in case nobody could be told to. With work going on. */
void bh_containers_stop_ended(BhContainerSession *session, BhVm *vm);

G_END_DECLS
