/* activity-members.h: who runs, and how it is told: the inside of activity.h.
 *
 * A link has two *feeds*, of its job's processes and of its host's threads. Who was told as begun and not yet as ended is a
 * *member* of its feed. activity.c has the port, its thread, and what turns feeds on and off; activity-members.c has what becomes
 * of members:
 *
 *   unknown ── began ──▶ member, with a handle ── ended: the handle says so ──────────────────────▶ told
 *                │            └── left: has_left; began again: it was another's handle ──────────▶ told, and begun anew
 *                └─────▶ member, without ────────── left, or empty ──────────────────────────────▶ told
 *
 * Threading: unless it says otherwise, on the port's thread. */
#pragma once

#include "backend-win32/service/activity.h"
#include "backend-win32/service/host-threads.h"

G_BEGIN_DECLS

/* What is told alike of two kinds of things. */
typedef enum { BH_ACTIVITY_PROCESSES, BH_ACTIVITY_THREADS, BH_ACTIVITY_KINDS } BhActivityKind;

/* Kinds of packets besides the job's messages, whose numbers are small. Per feed: plus its BhActivityKind. */
enum {
  BH_PACKET_MARK = 0x100,  /* the feed's serial */
  BH_PACKET_ENDED = 0x110, /* the member's number: its handle is signalled */
  BH_PACKET_RING = 0x120,
  BH_PACKET_SUSPECTS,
  BH_PACKET_WAKE,
};

typedef struct {
  BhActivityType began, ended;
  /* The port's lock: */
  gboolean is_on;   /* watched */
  guint32 serial;   /* of the last time that it was turned on or off; a mark in the port says when it is reached */
  GPtrArray *fresh; /* BhActivityMember: who was there when it was turned on; until the mark is reached */
  /* The thread's: */
  guint32 reached; /* serial */
  GHashTable
      *members; /* BhActivityMember by number: told as begun, not yet as ended. Their count: the port's lock */
} BhActivityFeed;

struct BhActivityLink {
  BhActivityPort *port;
  guint32 key; /* in the port; never used again, as packets may come late */
  HANDLE job;
  const BhLinkEvents *events;
  gpointer data;
  DWORD host;
  BhHostThreads *threads; /* NULL: there is no ring */
  BhActivityFeed feeds[BH_ACTIVITY_KINDS];
  gboolean is_connected, is_closed; /* the port's lock, as is the next */
  HANDLE ring_wait;                 /* of the thread pool, on the ring's event */
  gint ring_pending;                /* atomic: its packet is in the port */
  /* The thread's: */
  GArray *suspects;       /* DWORD: listed, and not known. NULL: no packet is on its way that asks about them */
  gboolean suspect_again; /* when it has come */
};

/* A process or thread that runs. */
typedef struct {
  BhActivityLink *link;
  BhActivityKind kind;
  DWORD number;
  HANDLE handle;     /* NULL: it could not be opened, and its end is only heard of */
  HANDLE wait;       /* of the thread pool, on the handle. NULL: likewise */
  gboolean has_left; /* its end was heard of; the handle will say so, too */
} BhActivityMember;

gboolean bh_activity_post(const BhActivityLink *self, DWORD kind, gsize value); /* any thread */

/* Whether the feed is watched, and its mark was reached: else nothing of it is told. */
gboolean bh_activity_is_current(BhActivityLink *self, BhActivityKind kind);

/* Whether the host was told as begun, and not as ended. */
gboolean bh_activity_knows_host(BhActivityLink *self);

/* The members (BhActivityMember, not told of) that there would be, by asking Windows. The caller's. With the port's lock, or on
 * its thread. */
GPtrArray *bh_activity_count(BhActivityLink *self, BhActivityKind kind);

/* Tells of those that are not known. Takes members. */
void bh_activity_adopt(BhActivityLink *self, GPtrArray *members);

void bh_activity_members_free(GPtrArray *members); /* may be NULL; any thread */

/* What comes through the port: a number has begun (again); its end is heard of (abnormal, as a job has it); a handle is
 * signalled; the job is empty. */
void bh_activity_began(BhActivityLink *self, BhActivityKind kind, DWORD number);
void bh_activity_left(BhActivityLink *self, BhActivityKind kind, DWORD number, gboolean abnormal);
void bh_activity_ended(BhActivityLink *self, BhActivityKind kind, DWORD number);
void bh_activity_empty(BhActivityLink *self);
void bh_activity_read_ring(BhActivityLink *self);
void bh_activity_look_at_suspects(BhActivityLink *self);

/* Forgets all members of a feed; nothing is told. Also of a closed link, on any thread. */
void bh_activity_clear(BhActivityLink *self, BhActivityFeed *feed);

G_END_DECLS
