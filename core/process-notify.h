/* process-notify.h: who is told of processes and threads, by subsystem.
 *
 *   static BhResult only_cats(gpointer data, const BhProcessNotice *notice) {
 *     if (!notice->activity.may_refuse || g_strcmp0(notice->activity.image, "/bin/cat") == 0) return BH_OK;
 *     return BH_E_ACCESSDENIED;                                  its creator gets it
 *   }
 *   guint64 id;
 *   result = bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, only_cats, data, &id);
 *   …
 *   bh_process_notify_remove(notify, id);                         no call of it begins any more, and none runs
 *
 * Modelled on PsSetCreateProcessNotifyRoutineEx(2) and PsSetCreateThreadNotifyRoutine(Ex). A *plain* routine is told of
 * Win32's processes (threads) only, just as before there were others; one registered for *subsystems* is told of all, with
 * is_subsystem_process set for WSL's. As there, an exit is told to every routine, one that was added after the beginning
 * included.
 *
 * Sources (a session's VM, a plugin's link) tell what they see through bh_activity_source_tell, on a thread of theirs, one
 * after another for one source. They are asked to watch when the first routine that wants theirs is added, and left alone when
 * the last was removed. What a source tells is checked: a process is created once, exits once, and what has no beginning has
 * no end; when a source goes, what it had running has ended.
 *
 *     source's thread           a thread that removes R          a routine Q, on another source's thread
 *     ───────────────           ───────────────────────          ───────────────────────────────────────
 *     tell: Q is not told…
 *       R begins ────────────▶  remove R: no call begins         Q begins
 *       │ remove Q ············▶  │ waits for R ················▶ │ remove R: not found, returns
 *       │   waits for Q         ··│                                ends
 *       │ ◀───────────────────────│───────────────────────────────
 *       ends ─────────────────────▶ returns
 *
 * Had Q begun to remove R first, and R then to remove Q, the second to wait would close a circle: it does not wait for that one
 * call, which can only return after it does. Circles over more routines are found likewise.
 *
 * A *routine* runs with no lock of ours held, may take its time (whoever waits to begin waits with it), and may add, remove,
 * itself or others, and ask for a subsystem. It must not use a session or the service otherwise: a session's operation waits
 * for its VM's end, which waits for the VM's routines.
 *
 * Threading: any function from any thread, but as said. There is one lock, a leaf, which guards all: routines, calls in flight,
 * who waits for them, and what is known of each source. It is held across nothing; what has to stay as it is across a call (a
 * source that is being asked to watch) is marked, and waited for. */
#pragma once

#include "activity.h"
#include "trace.h"
#include "workers.h"

G_BEGIN_DECLS

typedef struct BhProcessNotify BhProcessNotify;
typedef struct BhActivitySource BhActivitySource;

/* Whose activity. */
typedef struct {
  BhSubsystem subsystem;
  guint32 session;    /* 0: none; WSLC sessions have a name instead */
  const char *name;   /* of the WSLC session, or NULL */
  const char *plugin; /* whose host it is, or NULL */
} BhActivityOrigin;

typedef struct {
  BhActivity activity;
  BhActivityOrigin origin;
  gboolean is_subsystem_process; /* not Win32's */
} BhProcessNotice;

typedef enum {
  BH_NOTIFY_PROCESSES, /* PROCESS_CREATED, PROCESS_IMAGE (subsystems only), PROCESS_EXITED */
  BH_NOTIFY_THREADS,   /* THREAD_CREATED, THREAD_EXITED */
} BhNotifyKind;

typedef enum {
  BH_NOTIFY_PLAIN,
  BH_NOTIFY_SUBSYSTEMS,
} BhNotifyType;

/* What is returned counts where activity.may_refuse is set, and is ignored elsewhere: the first failure, in the order in which
 * routines were registered, is what the creator gets; the others are told all the same. notice is valid during the call. */
typedef BhResult (*BhNotifyRoutine)(gpointer data, const BhProcessNotice *notice);

#define BH_NOTIFY_ROUTINES_MAX 64u /* of each kind, as PspCreateProcessNotifyRoutine has it */

/* HRESULT_FROM_WIN32(ERROR_NO_SYSTEM_RESOURCES): what STATUS_INSUFFICIENT_RESOURCES, the kernel's word for one routine too
 * many, is to a program. */
#define BH_E_TOO_MANY_ROUTINES ((BhResult)0x800705AAu)

/* trace is told of what makes no sense, workers ask sources on behalf of routines; both outlive notify's last routine. */
BhProcessNotify *bh_process_notify_new(BhTrace *trace, BhWorkers *workers);

/* No open source is left (asserted), and the workers have ended. Routines that are left have seen everything end, and go. */
void bh_process_notify_free(BhProcessNotify *notify);

/* --- Whoever wants to be told ------------------------------------------------------------------------------------ */

/* Registers a routine; *id names it. On return every source watches what it needs, and what begins from then on is told (to
 * the first one, also what runs already); what is just beginning is told to those that were there before. In a routine: soon
 * after the return, for a source may be waiting for that very routine. The same routine with the same data, of that kind, is
 * there already: 0x800700B7. BH_NOTIFY_ROUTINES_MAX are: BH_E_TOO_MANY_ROUTINES. A source cannot watch: its failure. In none of
 * these it is registered. The caller holds no lock (asserted by lock-order). */
BhResult bh_process_notify_add(BhProcessNotify *notify, BhNotifyKind kind, BhNotifyType type,
                               BhNotifyRoutine routine, gpointer data, guint64 *id);

/* Removes it: once this has returned, it is not called any more. Waits for calls in flight, but not for those that could only
 * return after this does: a routine that removes itself, or routines that remove each other. None of that id: 0x80070490. The
 * caller holds no lock that the routine may take (asserted: none at all). */
BhResult bh_process_notify_remove(BhProcessNotify *notify, guint64 id);

/* Whether a session's VM has that process, and (thread not 0) that thread: BH_OK. There is no such session with a VM, or it has
 * none of that number: 0x80070490. origin: as a notice has it, or with session or name alone. Any thread, under any lock that
 * is none of a guest's. */
BhResult bh_process_notify_has_process(BhProcessNotify *notify, const BhActivityOrigin *origin, guint32 process,
                                       guint32 thread);

/* --- Whoever sees it --------------------------------------------------------------------------------------------- */

/* What is asked of a source; called with no lock of ours held, watch one call at a time. Not again after
 * bh_activity_source_close has returned. */
typedef struct {
  BhResult (*watch)(gpointer data,
                    BhWatch what); /* E_NOTIMPL: it cannot, and E_NOT_VALID_STATE: it is no more. So be it */
  gboolean (*has_process)(gpointer data, guint32 process,
                          guint32 thread); /* NULL: it has none that one could ask for */
} BhActivitySourceClass;

/* A source that does nothing yet, so that there is one before its first event. origin is copied. */
BhActivitySource *bh_activity_source_new(BhProcessNotify *notify, const BhActivityOrigin *origin);

/* It is there, and is asked to watch if there are routines. data is used until bh_activity_source_close has returned. A failure:
 * it was asked to, and cannot; close is due all the same. */
BhResult bh_activity_source_open(BhActivitySource *source, const BhActivitySourceClass *source_class,
                                 gpointer data);

/* It is asked nothing any more. It may go on telling: how its processes end. Nothing for one that is not open. */
void bh_activity_source_close(BhActivitySource *source);

/* It tells no more: what it had running is told as exited, on this thread (which holds no lock), as killed: 137, and 1 for
 * Win32's. Not open, or closed. */
void bh_activity_source_free(BhActivitySource *source);

/* Runs the routines on this thread, which holds no lock (asserted). BH_OK, or what refused it. What makes no sense (created
 * twice, an exit of nobody) is not told: E_INVALIDARG, and the first of a source is traced. Nor is a beginning of more than
 * BH_ACTIVITY_PROCESSES_MAX processes or BH_ACTIVITY_THREADS_MAX threads at one time: E_OUTOFMEMORY. */
BhResult bh_activity_source_tell(BhActivitySource *source, const BhActivity *activity);

#define BH_ACTIVITY_PROCESSES_MAX 65536u
#define BH_ACTIVITY_THREADS_MAX   262144u

G_END_DECLS
