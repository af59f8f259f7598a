/* client.h: a guest that is real: each VM is a bulkhead-agent (guest/agent), a native Linux program.
 *
 *   BhGuest *guest = bh_guest_agent_new("/usr/libexec/bulkhead/bulkhead-agent");
 *   guest->class->vm_create(guest, …);
 *   bh_guest_agent_free(guest);
 *
 * For Linux, and for Windows programs under Wine, where the agent is started by CreateProcess and host paths are
 * translated. On Windows itself there is nothing to start it with: vm_create fails with E_NOTIMPL. What a BhResult
 * cannot say (why no VM can be, which errno an execution met) goes to the log, domain "bulkhead-guest".
 *
 * One thread per VM reads its control channel (guest/protocol.h); callers send by themselves and wait for that
 * thread to bring the answer:
 *
 *     caller                         reader                     agent
 *       │ EXECUTE ────────────────────────────────────────────▶ │
 *       │ waits                        │ ◀─────────── CONNECT ── │
 *       │ ◀─────────────────────────── │                         │
 *       │ connects, says the token ────────────────────────────▶ │
 *       │ waits                        │ ◀────────────── DONE ── │
 *       │ ◀─────────────────────────── │
 *     returns the connection           │ end of stream: all that wait get E_NOT_VALID_STATE; then events->died
 *
 * A process (process_start) is asked for likewise, with three tokens and three connections. What runs is told of its end by
 * the reader: exit code and event of a process, the event container_ended, whether an instance is idle.
 * distribution_export starts an agent of its own, which has the machine's tar write the archive.
 *
 * Once a VM is watched, a second thread, the watcher, reads its watch channel, which is a data connection. It alone is in
 * `activity`, and answers with what that returned; so an event may take as long as it likes, while the reader, and whoever
 * waits for it, go on. Only what would have to be told before it can start is refused to it (E_ILLEGAL_METHOD_CALL): programs.
 *
 *     watcher                        agent                      a program
 *       │ ◀────────── TELL_PROCESS ── │ ◀──────────── execve ── │ is held
 *     activity                        │
 *       │ ── VERDICT ───────────────▶ │ ──────────────────────▶ runs, or execve fails
 *
 * An agent that says what nobody understands, or lets go of the watch channel while it is wanted, is treated as dead from then
 * on, but is still waited for.
 * vm_destroy ends the sending direction, and waits for the reader to see the stream's end, which comes when the
 * agent has ended everything. An agent that does not come to an end gets BH_GUEST_END_SECONDS, and is then left to
 * itself. */
#pragma once

#include "core/guest.h"

G_BEGIN_DECLS

#define BH_GUEST_START_SECONDS 30 /* until the agent has said hello; then vm_create fails with ERROR_TIMEOUT */
#define BH_GUEST_END_SECONDS   30

/* agent_path: the program, as the platform spells paths; under Wine a Linux path (beginning with /) is understood,
 * too. bulkhead-init must lie beside it. Whether it is there shows at vm_create. */
BhGuest *bh_guest_agent_new(const char *agent_path);

/* All its VMs must be destroyed. */
void bh_guest_agent_free(BhGuest *guest);

G_END_DECLS
