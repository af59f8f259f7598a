/* vm-source.h: a session's VM as a source of process-notify.h.
 *
 *   source = bh_vm_source_new(notify, 1, NULL);                       before there is a VM
 *   guest->class->vm_create(guest, &settings, &events, …, &vm);       events.activity: bh_activity_source_tell(source, …)
 *   result = bh_vm_source_open(source, vm, context, error);           before anything runs in it
 *   …
 *   bh_activity_source_close(source);
 *   vm->class->vm_destroy(vm);                                        may go on telling, how what ran has ended
 *   bh_activity_source_free(source);                                  with no lock held: routines run */
#pragma once

#include "guest.h"
#include "process-notify.h"

G_BEGIN_DECLS

/* session: a VM session's id; or name: a WSLC session's. */
BhActivitySource *bh_vm_source_new(BhProcessNotify *notify, guint32 session, const char *name);

/* A failure: somebody wants to be told, and the VM cannot be watched. Then it is not to be used; close is due. */
BhResult bh_vm_source_open(BhActivitySource *source, BhVm *vm, const BhContext *context, BhError **error);

G_END_DECLS
