/* activity.h: which processes of a plugin's begin and end, and which threads of its host's: the Win32 side of
 * core/activity.h.
 *
 *   port = bh_activity_port_new();                         the backend's, for all its links
 *   activity = bh_activity_new(port, job, &events, data);  a link's
 *   bh_activity_set_host(activity, pid);                   Hello
 *   bh_activity_share_ring(activity, …);                   the host asks for its thread ring
 *   bh_activity_watch(activity, BH_WATCH_PROCESSES);       from its return on
 *   bh_activity_free(activity);                            release: no event begins any more, and none runs
 *
 * All that is seen goes through one completion port, in the order it happened, to one thread, which tells it:
 *
 *   the job ─── began, left, empty ──────────────┐
 *   thread pool: a handle is signalled ── ended ─┼──▶ port ──▶ thread ──▶ events.activity
 *   thread pool: the ring's event ── read it ────┤
 *   watch ──────────── mark: from here on ───────┘
 *
 * Exactly once, although a job's messages are not promised to come, and numbers are used again:
 *
 * - What begins is opened at once and kept until its end was told. So its end is what its handle says, with the exit code;
 *   and its number cannot be another's meanwhile. The message that says so does not matter.
 * - What is gone before it can be opened, or cannot be opened, is told as well, without image and exit code (0, or
 *   STATUS_UNSUCCESSFUL if the job called its end abnormal). It ends when the job says so, or when that says that it is
 *   empty.
 * - watch puts its mark into the port first and then counts who is there. So what comes after the mark is either new, or is
 *   among those that were counted; and what comes before it had happened when watch was called.
 * - At each end the job's list is compared with what is known. Who is listed and not known is looked at again behind all
 *   messages that were sent before (a second mark): who is not known then, its message was lost. It is told now.
 * - The same for threads, whose messages come through the host's ring (host-threads.h): lost ones by its own word. What a host
 *   leaves behind ends with it: its threads first, then the process.
 *
 * The thread and the job's connection to the port are there while something is watched. Wine 8 cannot undo the connection:
 * there both stay until the link is freed, and what comes is thrown away. The port itself stays, once made.
 *
 * Not seen: who made a process on behalf of another (PROC_THREAD_ATTRIBUTE_PARENT_PROCESS: creator is always 0), and a
 * process that lived and died while its message was lost.
 *
 * Threading: new and free of a port and of a link's activity: nobody uses it meanwhile. watch: any thread, one call at a
 * time for a link, also from inside an event. free waits for an event of its own link that runs. No lock of ours is held
 * across an event. */
#pragma once

#include "backend-win32/wire.h"

#include "core/backend.h"
#include "core/sync.h"

G_BEGIN_DECLS

typedef struct BhActivityLink BhActivityLink;

typedef struct {
  BhMutex lock; /* guards what follows, and what activity.c says; a leaf, held across nothing that waits */
  BhCond changed;
  HANDLE port;               /* NULL: nothing was ever watched */
  GHashTable *links;         /* BhActivityLink by their keys */
  guint32 last_key;          /* given out */
  guint connected;           /* links whose jobs send to the port */
  gboolean is_running;       /* the thread takes what comes */
  BhThread *thread;          /* the newest; */
  BhThread *former;          /* the one before it, which has ended, or is about to */
  BhActivityLink *busy_with; /* what the thread looks at */
} BhActivityPort;

/* No handle and no thread until something is watched. */
BhActivityPort *bh_activity_port_new(void);
void bh_activity_port_free(BhActivityPort *self); /* its links are freed */

/* job: the link's, which outlives this. events and data as in core/backend.h. */
BhActivityLink *bh_activity_new(BhActivityPort *port, HANDLE job, const BhLinkEvents *events, gpointer data);

/* Which process of the job is the host. Once, before anything else. */
void bh_activity_set_host(BhActivityLink *self, DWORD pid);

/* Makes the host's thread ring; *ring and *filled are handles of its own process (which may be duplicated into). Before
 * anything is watched. Again, or if there can be none: E_UNEXPECTED. */
BhResult bh_activity_share_ring(BhActivityLink *self, HANDLE process, guint64 *ring, guint64 *filled);

/* BhBackendClass.watch. Threads, of a host without a ring: E_NOTIMPL, and its processes are watched all the same. */
BhResult bh_activity_watch(BhActivityLink *self, BhWatch what);

/* After the job's processes were ended: waits a little until that was told, and for an event that runs. */
void bh_activity_free(BhActivityLink *self);

G_END_DECLS
