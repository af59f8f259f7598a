/* process-notify.h: who is told of processes and threads, by subsystem.
 *
 *   static BhResult only_cats(gpointer data, const BhProcessNotice *notice) {
 *     if (!notice->may_refuse || g_str_equal(notice->image, "/bin/cat")) return BH_OK;
 *     return BH_E_ACCESSDENIED;                                  its creator gets it
 *   }
 *   guint64 id;
 *   result = bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, BH_NOTIFY_SUBSYSTEMS, only_cats, data, &id);
 *   …
 *   bh_process_notify_remove(notify, id);                         no call of it begins any more, and none runs
 *
 * Modelled on PsSetCreateProcessNotifyRoutineEx(2) and PsSetCreateThreadNotifyRoutine(Ex). A *plain* routine is told of
 * Win32's processes (threads) only, just as before there were others; one registered for *subsystems* is told of all, with
 * is_subsystem_process set for WSL's.
 *
 * Sources (a session's VM, a plugin's link) tell what they see through bh_activity_source_tell, on a thread of theirs, one
 * after another for one source. They are asked to watch when the first routine is added, and left alone when the last was
 * removed. What a source tells is checked: a process is created once, exits once, and what has no beginning has no end; when a
 * source goes, what it had running has ended. */
#pragma once

#include "activity.h"
#include "sync.h"

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
 * routines were registered, is what the creator gets; the others are told all the same. notice is valid during the call. Holds no lock of ours, may take
 * its time (whoever waits to begin waits with it), may remove itself or others, and may add. */
typedef BhResult (*BhNotifyRoutine)(gpointer data, const BhProcessNotice *notice);

#define BH_NOTIFY_ROUTINES_MAX 64u /* of each kind, as PspCreateProcessNotifyRoutine has it */

BhProcessNotify *bh_process_notify_new(void);

/* No routine and no source is left (asserted). */
void bh_process_notify_free(BhProcessNotify *notify);

/* --- Whoever wants to be told ------------------------------------------------------------------------------------ */

/* Registers a routine; *id names it. On return every source watches what it needs, and what begins from then on is told. The
 * same routine with the same data, of that kind, is there already: 0x800700B7. BH_NOTIFY_ROUTINES_MAX are:
 * BH_E_... (chosen and said here). The caller holds no lock of a rank from session table on. */
BhResult bh_process_notify_add(BhProcessNotify *notify, BhNotifyKind kind, BhNotifyType type,
                               BhNotifyRoutine routine, gpointer data, guint64 *id);

/* Removes it: once this has returned, it is not called any more. Waits for calls in flight, but not for those that could only
 * return after this does: a routine that removes itself, or routines that remove each other. None of that id: 0x80070490. */
BhResult bh_process_notify_remove(BhProcessNotify *notify, guint64 id);

/* --- Whoever sees it --------------------------------------------------------------------------------------------- */

/* Asks a source to watch; called under the notify's lock of sources, one call at a time. Not again after
 * bh_activity_source_free has returned. */
typedef BhResult (*BhWatchFunc)(gpointer data, BhWatch what);

/* A source, which is asked to watch at once if there are routines. origin is copied. */
BhActivitySource *bh_activity_source_new(BhProcessNotify *notify, const BhActivityOrigin *origin,
                                         BhWatchFunc watch, gpointer data);

/* Runs the routines on this thread. BH_OK, or what refused it. What makes no sense (created twice, an exit of nobody) is
 * traced and not told. */
BhResult bh_activity_source_tell(BhActivitySource *source, const BhActivity *activity);

/* The source is gone, and tells no more: what it had running is told as exited, on this thread. */
void bh_activity_source_free(BhActivitySource *source);

G_END_DECLS
