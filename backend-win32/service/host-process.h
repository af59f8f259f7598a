/* host-process.h: a host's process: who it is, and that it cannot get away.
 *
 *   status = bh_host_process_contain(&process, pid_of_the_transport, host_path, job);
 *   …                                  the handle keeps the process id from being used again
 *   how = bh_host_process_how(&process, &killed);
 *   bh_host_process_clear(&process);
 *
 * Threading: any; a BhHostProcess is its owner's. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

typedef struct {
  HANDLE handle; /* to contain, to end, to wait for and to duplicate into; no more. NULL: none */
  HANDLE report; /* dump.h: of its fault. NULL: it could not be had */
  DWORD pid;     /* 0: none */
} BhHostProcess;

/* The job that ends its processes when its last handle is closed. Not inherited. NULL: GetLastError says
 * why. */
HANDLE bh_host_process_job(void);

/* Opens the process, and sees that it runs the image at host_path and is in the job. Anything else fails,
 * with nothing opened: E_ACCESSDENIED for another image. */
HRESULT bh_host_process_contain(BhHostProcess *process, DWORD pid, const char *host_path, HANDLE job);

/* Waits for its end, for this long (ms, INFINITE, or 0 to look). TRUE: it has ended. */
gboolean bh_host_process_wait(const BhHostProcess *process, DWORD timeout);

/* Ends it, if it has not ended. */
void bh_host_process_end(const BhHostProcess *process, guint32 exit_code);

/* How it ended: its exit code in words, and what its helper has reported: "access violation reading 0x0 at
 * plugin.dll+0x1234 (0xC0000005); dump: C:\…". *killed: it is BH_EXIT_KILLED. Only once it has ended. The
 * caller's. */
char *bh_host_process_how(const BhHostProcess *process, gboolean *killed);

void bh_host_process_clear(BhHostProcess *process);

/* Of an exit code, "access violation", without the number; NULL: it has no name. Static. (exit-code.c) */
const char *bh_exit_code_name(guint32 code);

G_END_DECLS
