/* script.h: a plugin's behaviour in one scenario, as a text file.
 *
 * One script gives a plugin its behaviour on every backend: the mock runs it on its threads (scripted.h),
 * a real DLL runs it in a real host process (tests/plugins/scripted). Both are the same interpreter over a
 * BhScriptPort.
 *
 *   # the plugin looks at its own folder from inside the VM
 *   on load
 *     require-version 2 1 2
 *   on OnVMStarted
 *     mount %FOLDER% /test-plugin/deep/folder ro
 *     write %FOLDER%/file.txt OK
 *     execute /bin/cat /test-plugin/deep/folder/file.txt
 *     thread worker sta
 *       await hook
 *       execute /bin/echo late
 *     end
 *   on OnVMStopping
 *     join worker
 *
 * gives this log, line by line as it happens:
 *
 *   load
 *   OnVMStarted flags=0
 *   mount S_OK
 *   write S_OK
 *   execute S_OK: OK
 *   execute S_OK: late
 *   OnVMStopping
 *   join worker S_OK
 *
 * Form. One action a line; indentation is for people; a line that begins with # is a comment. Words are
 * separated by blanks; a word in "double quotes" may hold them, and "" is then one quote. TEXT is the rest
 * of the line as it stands. The file is UTF-8, at most 64 KiB; blocks nest at most 8 deep.
 *
 * A handler begins with `on`:
 *   on attach          DllMain (log, hang and crash only: it runs under the loader's lock)
 *   on load            the entry point
 *   on HOOK            a hook, by its name in WSLPluginHooksV1. A hook without a handler is NULL to the service
 *
 * Actions. Behind the arrow is what they log; a failed result is a result: the script goes on.
 *   mount HOST LINUX ro|rw [NAME]          → mount RESULT
 *       MountFolder. An unquoted null as HOST, LINUX or NAME is NULL, as it is in the calls below.
 *   execute PATH [ARGUMENT…]               → execute RESULT[: OUTPUT]
 *       ExecuteBinary. Without an ARGUMENT, Arguments is NULL; else it is PATH and the rest.
 *   execute-in DISTRIBUTION PATH […]       → execute-in RESULT[: OUTPUT]
 *       ExecuteBinaryInDistribution. DISTRIBUTION is %DISTRIBUTION%, a GUID, or unknown: a random one.
 *   error TEXT                             → error RESULT
 *       PluginError.
 *   wslc-mount HOST LINUX ro|rw            → wslc-mount RESULT
 *   wslc-unmount LINUX                     → wslc-unmount RESULT
 *       WSLCMountFolder, WSLCUnmountFolder.
 *   process NAME PATH [ARGUMENT…]          → process NAME RESULT[ errno=N]
 *       WSLCCreateProcess. Arguments as in execute. NAME then stands for the handle, in the hooks of the same
 *       session; NULL if it failed. A name may be used again: that releases nothing.
 *   env NAME=VALUE
 *       The `process` lines below it, until the block ends, pass this in Env, which else is NULL.
 *   process-write NAME TEXT                → process-write NAME RESULT
 *       WSLCProcessGetFd of its stdin, into which goes TEXT; then it is closed. So: once a process.
 *   process-read NAME stdout|stderr        → process-read NAME stdout: OUTPUT
 *       WSLCProcessGetFd, and all that comes until the process closes it. Once, likewise. If that fails it logs
 *       process-read NAME stdout RESULT.
 *   process-fd NAME NUMBER                 → process-fd NAME RESULT
 *       WSLCProcessGetFd alone; what it gets is closed.
 *   process-wait NAME                      → process-wait NAME RESULT
 *       WSLCProcessGetExitEvent, and waits for that.
 *   process-code NAME                      → process-code NAME RESULT[ CODE]
 *       WSLCProcessGetExitCode.
 *   process-release NAME
 *       WSLCReleaseProcess. NAME keeps its handle.
 *       In all of these NAME may be null, or bogus: a handle that was never given.
 *   session NUMBER|hook
 *       The calls below, until the block ends, name this session, or the hook's own again.
 *   require-version MAJOR MINOR REVISION   → return WSL_E_PLUGIN_REQUIRES_UPDATE, if so
 *       In load: ends it with that when the service's version is lower.
 *   return RESULT                          → return RESULT, if a failure
 *       Ends the handler, with a name or number. At its end stands a return S_OK.
 *   user                                   → user NAME
 *       Whom the session's token stands for.
 *   write PATH TEXT                        → write RESULT
 *       A file on the plugin's side.
 *   spawn NAME PROGRAM [ARGUMENT…]         → spawn NAME RESULT
 *       Begins a child process of the plugin's host. The mock's is nothing but a number, which whoever watches is told of.
 *   kill NAME CODE                         → kill NAME RESULT
 *       Ends that child, with that exit code, and waits for its end. One that is not killed ends with the host.
 *   log TEXT                               → TEXT
 *   crash null|overflow|abort|exit|throw|illegal   → crash KIND
 *   hang                                   → hang
 *       Never returns.
 *
 * Threads. They belong to the plugin and outlive the hook that began them, whose variables they keep.
 *   thread NAME none|mta|sta … end         → thread NAME RESULT, if a failure
 *       Begins one, in that COM apartment or in none.
 *   join NAME                              → join NAME RESULT
 *       Waits for its end.
 *   parallel N … end                       → parallel success=4 failures=0 [first=RESULT]
 *       N threads at once (at most 64), and waits for all. One succeeds whose actions all do.
 *   loop-until NAME … end                  → loop-until NAME success=17 failures=0 [first=RESULT]
 *       Again and again, until NAME was signalled; counts rounds. In here and in a parallel only `log` logs:
 *       the order would be chance.
 *   signal NAME, reset NAME
 *       Gives and takes back a signal; it stays in between. Each plugin has its own.
 *   await NAME                             → await NAME S_OK
 *       Waits for a signal.
 *   await hook                             → await hook S_OK
 *       In a thread: waits until the handler that began it is about to return.
 *   meet NAME N                            → meet NAME S_OK
 *       Waits until N threads are at such a line.
 *
 * A handler logs, first of all, its name and what the scenarios need of its arguments, NULL as -:
 *   OnDistributionStarted name=Debian id={…} init=7 pidns=4026531836 family=- flavor=debian version=12
 *   OnSessionCreated name=dev pid=3412 token=set sid=set       OnSessionStopping, WslcVm…: only the name
 *   ContainerStarted container=web                             by the document's Name, without Docker's slash
 *   ContainerStopping container=web                            the same id came in web's document
 *   ImageCreated image=alpine, ImageDeleted image=alpine       likewise, by the first of RepoTags
 * An id that came in no document of the same session is id=set; one that is not as Docker makes them, or is missing,
 * id=-. So a script without `on ContainerStarted` has ContainerStopping id=set.
 *
 * Variables, in any word or TEXT: %FOLDER% the script's folder as the service spells it; %SESSION%, %DISTRIBUTION%,
 * %DOCUMENT% of the hook, and %NAME%, a distribution's or WSLC session's; %TOKEN% and %SID%: `set` or -; %VERSION% of
 * the service; %LONG%, once a line: a string longer than a record may be; %% is a percent sign.
 *
 * Threading: a script is immutable. A run is entered by as many threads as there are hooks and threads of
 * the plugin; its lock (a leaf) guards signals, meetings, threads and the names of processes, containers
 * and images, and is not held while a port function runs. */
#pragma once

#include "core/contract.h"

G_BEGIN_DECLS

typedef struct BhScript BhScript;
typedef struct BhScriptRun BhScriptRun;

typedef enum {
  BH_APARTMENT_NONE,
  BH_APARTMENT_MTA,
  BH_APARTMENT_STA,
} BhApartment;

typedef enum {
  BH_CRASH_NULL,
  BH_CRASH_OVERFLOW,
  BH_CRASH_ABORT,
  BH_CRASH_EXIT,
  BH_CRASH_THROW,
  BH_CRASH_ILLEGAL,
} BhCrash;

/* What a script needs of the host it runs in. Called on the plugin's threads, several at once. */
typedef struct {
  /* Makes the API call, as a plugin does. reply is zero; the script clears it. Returns reply->result. */
  BhResult (*call)(gpointer host, const BhCall *call, BhCallReply *reply);
  BhResult (*plugin_error)(gpointer host, const char *message);

  /* Appends line (UTF-8, no line end) to the log, whole. */
  void (*log)(gpointer host, const char *line);

  /* What comes out of a process's socket until its end, at most limit bytes; NULL: it could not be read. The
   * caller's, g_free; NUL-terminated. */
  char *(*read_all)(gpointer host, BhResource *socket, gsize limit);

  /* Puts text into a process's socket. FALSE: the process has closed it, or the host is gone. */
  gboolean (*write_all)(gpointer host, BhResource *socket, const char *text);

  /* Waits for a process's exit event. FALSE: it cannot be waited for, or the host is gone. */
  gboolean (*wait)(gpointer host, BhResource *event);

  /* The name of the user whose token it is; NULL: there is none. The caller's. */
  char *(*user_name)(gpointer host, const BhNotification *notification);

  /* Runs func(data) on a thread of its own, in that apartment. NULL: none can be had. */
  gpointer (*spawn)(gpointer host, BhApartment apartment, void (*func)(gpointer data), gpointer data);
  void (*join)(gpointer host, gpointer thread); /* waits for its end; frees thread */

  /* Begins a child process: a program and its arguments. NULL: it could not be begun. Ends it, and waits for that; frees child.
   * FALSE: it could not be ended. Both may be NULL, where a host cannot. */
  gpointer (*start_child)(gpointer host, const char *const *arguments);
  gboolean (*end_child)(gpointer host, gpointer child, guint32 code);

  /* Brings the host down. Where it returns, the calling thread does nothing more. */
  void (*crash)(gpointer host, BhCrash kind);
} BhScriptPort;

/* Reads a script. NULL: it is none, and *error (the caller's, g_free) says "line 3, column 5: …". */
BhScript *bh_script_parse(const char *text, gsize size, char **error);
void bh_script_free(BhScript *script);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhScript, bh_script_free)

/* Bit n: it has a handler for hook n. */
guint32 bh_script_hooks(const BhScript *script);

/* One plugin that behaves as script says. script, port and host must outlive it; folder, for %FOLDER%, is
 * copied. */
BhScriptRun *bh_script_run_new(const BhScript *script, const BhScriptPort *port, gpointer host,
                               const char *folder);

/* No thread may be inside, nor any that the script began. */
void bh_script_run_free(BhScriptRun *run);

/* DllMain, the entry point, a hook: run the handler, return what it returns; S_OK where there is none.
 * version: the service's. In the order of a plugin's life; only hooks may run at once. */
void bh_script_attach(BhScriptRun *run);
BhResult bh_script_load(BhScriptRun *run, BhVersion version);
BhResult bh_script_hook(BhScriptRun *run, const BhNotification *notification);

/* The host is gone, though its threads are not: those that wait in the script stop waiting, and each ends
 * before its next action. Any thread. */
void bh_script_end(BhScriptRun *run);

G_END_DECLS
