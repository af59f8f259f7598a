/* dump.h: what a host leaves behind when it faults: where it was, in words, and a minidump.
 *
 * A process that has faulted is in no state to write about itself: its heap may be corrupt, its locks held,
 * its stack used up. So a second process does it, which was there before any plugin code ran:
 *
 *   service                      host                               wslpluginhost.exe /dump=…, the helper
 *   ───────                      ────                               ─────────────────────────────────────
 *   Hello: bh_dump_report_new ── its handle ─▶
 *                                Attach: bh_dump_start ─ handed on ▶ starts
 *                                   ◀───────────────────── answer ─┘ is there, waits at its end of a pipe
 *                                Load: plugin code from here on
 *                                a fault: bh_dump_ask ── request ─▶ details ──▶ report
 *                                   │  5 s at most                  minidump ─▶ folder; its path ─▶ report
 *                                   ◀───────────────────── answer ─┘
 *                                TerminateProcess                   the pipe is broken: ends
 *   died: bh_dump_report_take
 *
 * - The faulting thread needs nothing but a few hundred bytes of stack, two handles that nobody else uses and
 *   that CloseHandle does not close, and two calls of Windows'. It takes no lock and allocates nothing.
 * - The helper is in the host's job. A host that ends without asking ends it, as its pipe breaks.
 * - The report is a section without a name: nobody can take it in advance, or find it. The service has it, and the helper,
 *   who gets it from the service by way of the host; the host has closed it before the plugin comes. It tells the helper
 *   where dumps go, which the host's command line cannot, for that is COM's.
 * - What the report says is the host's word. The service takes it only for the exit code it is about, bounded
 *   and as one line of text, and opens nothing by it.
 *
 * Dumps are called host-DATE-TIME-PID.dmp. Each is at most BH_DUMP_SIZE_MAX, and the newest BH_DUMPS_MAX are
 * kept. Their folder is %BULKHEAD_DUMPS% of the service, absolute; empty means none. Without it, it is
 * Bulkhead\Dumps in the service's own %LOCALAPPDATA%, as for Windows' own crash dumps: for a service that runs
 * as SYSTEM no user can put anything there in advance.
 *
 * Threading: as said at each function. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

#define BH_DUMP_SIZE_MAX   (16u * 1024 * 1024)
#define BH_DUMPS_MAX       8
#define BH_DUMP_TIMEOUT_MS 5000

/* The option that makes wslpluginhost.exe the helper. After it, four handles that it inherits, in hexadecimal: of the
 * report's section, of the pipe to read, of the event `answer`, of the host. */
#define BH_DUMP_OPTION "/dump="

/* What the faulting thread asks. Both are the same program: any bytes that come are a request, or too few. */
typedef struct {
  guint64 pointers; /* EXCEPTION_POINTERS *, in the host */
  guint64 address;  /* of the instruction */
  guint64 parameters[2];
  guint32 thread, code;
} BhDumpRequest;

/* What the section holds. Strings are UTF-8 and end in NUL if who wrote them kept the rules. */
typedef struct {
  char folder[1024]; /* the service's word to the helper; "": no dumps */
  guint32 code;      /* the exception's. The rest is about it; 0: nothing was reported */
  char where[256];   /* "reading 0x0 at plugin.dll+0x1234" */
  char dump[1280];   /* the dump's path, or why there is none; "": it was not finished */
} BhDumpReport;

/* --- The service's side: dump-report.c; any thread ------------------------------------------------------- */

/* The section for a host. NULL: it cannot be had, and its end will be told without details. Close it when the
 * host has ended. */
HANDLE bh_dump_report_new(void);

/* What is in it; UnmapViewOfFile. NULL: it is no such section. Also the helper's. */
BhDumpReport *bh_dump_report_map(HANDLE section);

/* " reading 0x0 at plugin.dll+0x1234" and "; dump: C:\…" of a host that has ended with this code. Each is the
 * caller's, never NULL, and "" where nothing is known. */
void bh_dump_report_take(HANDLE section, guint32 exit_code, char **where, char **dump);

/* --- The host's side: dump-client.c ----------------------------------------------------------------------- */

/* Starts the helper, and returns when it is there. Once, before plugin code runs. report is the section's handle in this
 * process, and taken. FALSE: there is none, and faults go without a report. */
gboolean bh_dump_start(HANDLE report);

/* Has the helper report, and waits until it has, or for BH_DUMP_TIMEOUT_MS. By the thread that faulted, on
 * whatever is left of its stack; it then ends the process. Of several threads one is served, and the others
 * are held until the process ends by that one's doing. */
void bh_dump_ask(EXCEPTION_POINTERS *pointers);

/* --- The helper: dump-helper.c, dump-folder.c -------------------------------------------------------------- */

/* All that the helper does. handles: what follows BH_DUMP_OPTION. Returns its exit code. */
int bh_dump_help(const char *handles);

/* Opens a new dump's file in the folder, which is made if it is not there, under a name that no reader takes
 * for a dump. Until bh_dump_folder_close it goes with its handle, so that a helper that is ended leaves nothing. *path
 * is the caller's: what it will be called. INVALID_HANDLE_VALUE: GetLastError says why. */
HANDLE bh_dump_folder_create(const char *folder, DWORD pid, char **path);

/* Closes the file. keep: it gets its name, and the oldest dumps beyond BH_DUMPS_MAX are deleted; else it is
 * deleted itself. FALSE: it has not got its name. */
gboolean bh_dump_folder_close(HANDLE file, const char *path, gboolean keep);

G_END_DECLS
