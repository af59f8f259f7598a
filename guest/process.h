/* process.h: a BhProcess, as both guests hand it out: what is known of a process, for whoever started it and for the
 * guest that runs it.
 *
 *     guest                                              whoever started it
 *     process = bh_guest_process_new(class)
 *     bh_guest_process_ref(process)  ──────────────────▶ process_event(process, &event)
 *       …it runs…                                         waits for event
 *     bh_guest_process_ended(process, 12)  ─ ─ event ─ ─▶ process_exit_code(process, &code)     code is 12
 *     bh_guest_process_unref(process)                     process_free(process)
 *
 * It knows nothing of its VM, and so outlives it. Any thread, no lock: its exit code is one atomic number, written before
 * the event is signalled. */
#pragma once

#include "core/guest.h"

G_BEGIN_DECLS

#define BH_EXIT_KILLED 137 /* 128 + SIGKILL: what ended with its VM, or with its instance */

/* One that runs. The caller's reference. NULL: no event can be had. */
BhProcess *bh_guest_process_new(const BhGuestClass *class);
BhProcess *bh_guest_process_ref(BhProcess *process);
void bh_guest_process_unref(BhProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhProcess, bh_guest_process_unref)

/* It has ended. Only the first time counts. code: 0 to 255. */
void bh_guest_process_ended(BhProcess *process, gint32 code);

/* Members of a BhGuestClass; process_free is bh_guest_process_unref. */
BhResult bh_guest_process_event(BhProcess *process, BhResource *event);
BhResult bh_guest_process_exit_code(BhProcess *process, gint32 *code);

G_END_DECLS
