/* memory-watch.h: who is told of the memory guest's programs: each is a process with one thread of the same number.
 *
 *     whoever starts it       the program's thread          the VM's activity thread
 *     start: is watched       ask: PROCESS_CREATED ───────▶ events->activity
 *       │ waits                 │ waits                       │
 *       │ ◀──────────────────── │ ◀────────────────────────── answers; refused: the program does not run,
 *       returns the answer      runs                          and the start fails with the answer
 *                               is over ····················▶ THREAD_EXITED, PROCESS_EXITED
 *
 * A program that runs when watching begins is told of then. All with the VM's lock, but where said. */
#pragma once

#include "guest/memory-task.h"

G_BEGIN_DECLS

/* A task is about to begin. TRUE: it is watched, and memory_watch_begin will ask. */
gboolean memory_watch_claim(MemoryTask *task);

/* On the task's thread: asks, if it was claimed. BH_OK, or why it is not to run. The lock is released meanwhile. */
BhResult memory_watch_begin(MemoryTask *task);

/* Likewise: it has ended. */
void memory_watch_end(MemoryTask *task, gint32 status);

/* Members of the guest's class; without the lock. */
BhResult memory_vm_watch(BhVm *vm, BhWatch what);
gboolean memory_vm_has_process(BhVm *vm, guint32 process, guint32 thread);

G_END_DECLS
