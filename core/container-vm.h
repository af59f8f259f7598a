/* container-vm.h: the VM of a WSLC session: who uses it, who may start and stop it.
 *
 * Three things are kept apart, and none of them holds a lock while it lasts:
 *
 *   work     an operation of the session that needs the VM. On demand, it has one started. Only the session's end stops a
 *            VM while work goes on, and it waits for the work
 *   a call   of a plugin's: uses a VM that is there (a *lease*), and never has one started. The VM's end waits for it
 *   a change starting the VM, stopping it, ending the session: one at a time, and the plugins are told in the course of
 *            it. Work that comes meanwhile waits, and then finds what has become of the VM
 *
 *     work          idle timeout          plugin's call
 *     ────          ────────────          ─────────────
 *     begin
 *     …
 *     end           claims the change
 *                   WslcVmStopping ─────▶ served: the VM is there until the hook has returned
 *     begin         ◀──────────────
 *       │ waits     waits for leases ···· ends
 *       │           destroys the VM       WSLC_E_VM_NOT_RUNNING
 *       │           ends the change
 *       starts another one: WslcVmStarted
 *
 * Once announced, a stop happens. Each WslcVmStopping pairs with one WslcVmStarted.
 *
 * Threading: any function from any thread that holds no lock; but died and is_dead under any. The lock inside is a leaf, and
 * held across nothing. */
#pragma once

#include "session.h"
#include "vm-source.h"

G_BEGIN_DECLS

/* What it asks of the session, whose it is. */
typedef struct {
  /* In the course of a change; on the thread that changes, which holds no lock. */
  void (*notify)(gpointer data, BhHook hook);       /* WslcVmStarted, WslcVmStopping */
  void (*stop_containers)(gpointer data, BhVm *vm); /* all that run */
  const BhVmEvents *guest;                          /* given to the guest; `died` calls bh_container_vm_died */
  BhWorkerFunc timeout;                             /* calls bh_container_vm_timeout */
  gpointer (*ref)(gpointer data);                   /* a timer keeps the session */
  GDestroyNotify unref;
} BhContainerVmOwner;

typedef struct {
  const BhSessionShared *shared;
  const BhContainerVmOwner *owner;
  gpointer data;       /* of owner; outlives it, as all here does */
  const char *name;    /* the session's, for the trace */
  const char *session; /* its name, for whoever is told of what runs in it */
  BhVmSettings settings;
  gboolean on_demand;
  gint64 idle_timeout; /* µs; 0: none */

  BhMutex
      lock; /* guards all below; but changes, one at a time, alone look at `announced` and write `vm` and `source` */
  BhCond changed;           /* any of it */
  BhVm *vm;                 /* NULL: none runs */
  BhActivitySource *source; /* its; set before there is one, and taken away after it, so that its events find it */
  gboolean changing;        /* a change goes on */
  gboolean ended;           /* no work begins any more: the session ends, or has ended */
  gboolean died;            /* the VM ended by itself */
  gboolean announced;       /* WslcVmStarted went out for it */
  BhResult refusal;         /* what calls get instead of the VM; BH_OK: the VM */
  guint work, calls;        /* that go on */
  guint holds;              /* containers and programs that run: the VM is not idle */
  guint arming;             /* threads that set the timer; the VM is idle, and may stop, meanwhile */
  guint64 timer;            /* of the idle timeout; 0: none */
  gint64 idle_from;         /* when it began */
} BhContainerVm;

/* All above `lock` is set by the caller. Before anything else. */
void bh_container_vm_init(BhContainerVm *self);
void bh_container_vm_clear(BhContainerVm *self); /* it ended, or never began */

/* --- Work and calls ---------------------------------------------------------------------------------------------- */

/* BH_OK: *vm is there until end_work. Else end_work is not due. start: on demand, starts one where none runs; else that is
 * WSLC_E_VM_NOT_RUNNING. E_NOT_VALID_STATE: the session has ended, or its eager VM has died. */
BhResult bh_container_vm_begin_work(BhContainerVm *self, gboolean start, BhVm **vm, const BhContext *context,
                                    BhError **error);
void bh_container_vm_end_work(BhContainerVm *self);

/* While work goes on: something runs in the VM from here on, which is not idle then, though it may be stopped. And any
 * time: it runs no more. */
void bh_container_vm_hold(BhContainerVm *self);
void bh_container_vm_release(BhContainerVm *self);

/* BH_OK: *vm is there until end_call. */
BhResult bh_container_vm_begin_call(BhContainerVm *self, BhVm **vm);
void bh_container_vm_end_call(BhContainerVm *self);

/* --- Changes ----------------------------------------------------------------------------------------------------- */

/* Waits until no other change goes on, and begins one. */
void bh_container_vm_begin_change(BhContainerVm *self);
void bh_container_vm_end_change(BhContainerVm *self);

/* In a change: no work begins any more. */
void bh_container_vm_refuse_work(BhContainerVm *self);

/* As begin_change, for good: no work begins any more, and what went on has ended when this returns. FALSE: another has done that,
 * and its change has ended. */
gboolean bh_container_vm_begin_end(BhContainerVm *self);

/* In a change: starts a VM; tells the plugins of it; and stops it, if one runs. final: calls made in WslcVmStopping are
 * not served any more. */
BhResult bh_container_vm_start(BhContainerVm *self, const BhContext *context, BhError **error);
void bh_container_vm_announce(BhContainerVm *self);
void bh_container_vm_stop(BhContainerVm *self, gboolean final, const char *why);

/* In a change: stops the containers of the VM, if one runs. */
void bh_container_vm_stop_containers(BhContainerVm *self);

/* A change of its own: stops a VM on demand that nothing uses. 0x800700AA: something does; E_NOT_VALID_STATE: none runs, or
 * it is eager. */
BhResult bh_container_vm_stop_idle(BhContainerVm *self, const char *why);

/* The idle timeout may be over: on a worker. */
void bh_container_vm_timeout(BhContainerVm *self);

/* On the guest's thread: the VM ended by itself. */
void bh_container_vm_died(BhContainerVm *self);

/* On another of the guest's threads: something began or ended in it. */
BhResult bh_container_vm_activity(BhContainerVm *self, const BhActivity *activity);

/* A change of its own: stops a VM on demand that has died. */
void bh_container_vm_bury(BhContainerVm *self);

/* It is eager and has died, or ended. */
gboolean bh_container_vm_is_dead(BhContainerVm *self);

G_END_DECLS
