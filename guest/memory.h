/* memory.h: a guest without a Linux, for tests and for machines that have none.
 *
 *   BhGuest *guest = bh_guest_memory_new();
 *   guest->class->vm_create(guest, …);
 *   guest->class->mount(vm, folder, "/data", TRUE, NULL);
 *   guest->class->execute(vm, BH_ROOT_NAMESPACE, "/bin/cat", (const char *[]){ "cat", "/data/file", NULL }, &socket);
 *
 * There is a table of mounts, of which the longest that fits a path counts; the regular files in it are the host's, and
 * a read-only one refuses to be written. There are instances and containers, which are numbers: each has an init pid of
 * its own, and runs the same programs. As with the agent, the mounts are the root namespace's, and instances do not see
 * them: in an instance there are no files. Unlike the agent's, a mount point may lie anywhere, also below another mount,
 * for nothing is ever made there. An image's or a container's root must be a folder of the host's, and is not looked into.
 * An exported distribution is an archive with nothing in it, also if it has no root folder of its own.
 *
 * And there are these programs, each a thread with its ends of socket pairs:
 *
 *   /bin/cat [FILE…]    the files, or what comes on stdin     /bin/true
 *   /bin/echo [-n] WORD…   the words                          /bin/false
 *   /bin/sleep SECONDS  until the time is over                /bin/sh -c COMMANDS
 *
 * Commands are separated by `;` and are `exit [N]`, or cat, echo, sleep, true and false as above, each with `>&2` or
 * `>FILE` behind it if wanted. $NAME is the environment's; quotes hold words together, but hide neither `;` nor `$`.
 * Anything else cannot be executed (errno 2), or is not found (status 127). What a program without a stderr of its own
 * complains of goes to the log, domain "bulkhead-guest". Stopping an instance, or the VM, ends programs that wait: for
 * stdin, for somebody to read, or for a time to be over. To whoever watches, each is a process with one thread; nobody made it,
 * and its creation may be refused, whatever starts it (memory-watch.h). Threading and results as core/guest.h has them; one more thread
 * per VM waits to tell of its death. */
#pragma once

#include "core/guest.h"

G_BEGIN_DECLS

BhGuest *bh_guest_memory_new(void);

/* All its VMs must be destroyed. */
void bh_guest_memory_free(BhGuest *guest);

/* Makes a VM die: programs end, every function returns E_NOT_VALID_STATE, events->died is called, on another
 * thread. Any thread; a second time does nothing. */
void bh_guest_memory_kill_vm(BhVm *vm);

G_END_DECLS
