/* protocol.h: what is said on an agent's control channel, as bytes and back.
 *
 * One agent serves one VM, over one stream (the control channel). Both sides send *frames*:
 *
 *     0          4          8          12                      12 + length
 *     ├──────────┼──────────┼──────────┼───────────────────────┤
 *     │  length  │   type   │    id    │ a GVariant tuple      │   integers: u32, the machine's own byte order,
 *     └──────────┴──────────┴──────────┴───────────────────────┘   for both ends are on one machine
 *
 * A request's id is its client's choice and is not 0; every answer carries it, so that many requests may be
 * outstanding and be answered in any order. What an agent says unasked has the id 0, or that of the execution it
 * is about. The conversation:
 *
 *     client                                    agent
 *        │ ◀────────────────────── HELLO ───────── │   or FAILED with id 0: there will be no VM, and why
 *        │ ── MOUNT, INSTANCE_START, FOLDER … ───▶ │
 *        │ ◀───────────── DONE, INSTANCE, FAILED ─ │
 *        │ ── EXECUTE ───────────────────────────▶ │   starts a sandbox meanwhile
 *        │ ◀────────────────────── CONNECT ─────── │   a token, for one data connection to HELLO's port
 *        │ ══ data connection: the 16 bytes ═════▶ │   from here on it is the process's stdin and stdout
 *        │ ◀────────────────────── DONE, FAILED ── │   the program runs, or why it cannot
 *        │ ◀────────────────────── EXITED ──────── │   any time later, once, and only after a DONE
 *        │ ── PROCESS ───────────────────────────▶ │
 *        │ ◀─────────── CONNECT, CONNECT, CONNECT ─ │   the tokens of its stdin, stdout and stderr, in this order
 *        │ ══ three data connections ════════════▶ │   in any order
 *        │ ◀────────────────────── DONE, FAILED ── │   and later EXITED
 *        │ ── CONTAINER_START ───────────────────▶ │
 *        │ ◀────────────────── INSTANCE, FAILED ── │   its first process runs, or why it cannot
 *        │ ◀────────────────────── EXITED ──────── │   that has ended, and so has everything else in the container
 *        │ ── WATCH ─────────────────────────────▶ │
 *        │ ◀────────────────────── CONNECT ─────── │   unless there is a watch channel already
 *        │ ══ data connection: the 16 bytes ═════▶ │   from here on it is the watch channel: frames too
 *        │ ◀────────────────────── DONE, FAILED ── │   all that runs is watched
 *        ┊ end of stream, from either side: everything the agent started is ended
 *
 * On the watch channel the agent tells (TELL_…) of processes and threads. What is told with an id other than 0 waits until the
 * client answers with a VERDICT of that id. The channel ends with WATCH 0, which lets go of all that waits; one that ends
 * otherwise has what waits refused.
 *
 * A container's number is like an instance's, and no instance's too: programs can be executed in it, and it is stopped in
 * the same way.
 *
 * Everything here is bytes to structs and back: no I/O, no threads, no state, and bad input of any kind is an
 * answer and not a crash. Sizes are bounded before anything is allocated, and only GVariant's normal form is
 * accepted. Paths and arguments are bytes without a NUL, not text.
 *
 *   BhGuestMessage ask = { .type = BH_GUEST_INSTANCE_STOP, .id = 7, .instance = 1 };
 *   g_autoptr(GBytes) frame = bh_guest_message_encode(&ask);
 *   g_auto(BhGuestMessage) heard = { 0 };
 *   if (bh_guest_message_decode(data, length, BH_GUEST_TO_AGENT, &used, &heard) == BH_GUEST_FRAME_COMPLETE) …
 *
 * To add a message: a type here, a row in protocol.c's table, and a member of BhGuestMessage for what is new. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BH_GUEST_PROTOCOL    3u              /* HELLO's version; either side gives up on another one */
#define BH_GUEST_FRAME_LIMIT (1024u * 1024u) /* bytes of a frame, its header included */
#define BH_GUEST_TOKEN_SIZE  16u

typedef enum {
  BH_GUEST_MOUNT = 1,      /* host_path, guest_path, read_only → DONE */
  BH_GUEST_EXECUTE,        /* instance, guest_path, arguments → CONNECT, DONE, later EXITED */
  BH_GUEST_INSTANCE_START, /* instance, host_path (its root; empty: the machine's own) → INSTANCE */
  BH_GUEST_INSTANCE_STOP,  /* instance, or a container → DONE, after the EXITED of all that ran in it */
  BH_GUEST_UNMOUNT,        /* guest_path → DONE; of several mounts there the last */
  BH_GUEST_PROCESS,        /* guest_path, arguments, environment → CONNECT for each stream, DONE, later EXITED */
  BH_GUEST_CONTAINER_START, /* instance, host_path, guest_path, arguments, environment → INSTANCE, later EXITED */
  BH_GUEST_FOLDER,          /* host_path (a root) → DONE, if there is such a folder */
  BH_GUEST_EXPORT,          /* host_path (a root), archive (a file to be written) → DONE */
  BH_GUEST_WATCH,           /* watch (a set of BhWatch) → CONNECT if there is no channel, DONE */
  BH_GUEST_FIND,            /* pid, thread (0: any) → DONE, whose pid is 0 if the VM has none of that number */
  BH_GUEST_VERDICT,         /* watch channel: error, an HRESULT; its id is that of what was told */

  BH_GUEST_HELLO = 0x100, /* version, port */
  BH_GUEST_DONE,          /* pid (of a process that was executed, or found; else 0) */
  BH_GUEST_CONNECT,       /* token */
  BH_GUEST_INSTANCE,      /* pid, pid_namespace */
  BH_GUEST_EXITED,        /* status, as wait(2) has it */
  BH_GUEST_FAILED,        /* failure, error, text */
  BH_GUEST_TELL_PROCESS, /* watch channel, as are those below: pid, parent, creator, thread, guest_path (its image), text
                           * (its command line); thread is the creator's */
  BH_GUEST_TELL_IMAGE,       /* pid, guest_path, text: likewise */
  BH_GUEST_TELL_EXIT,        /* pid, status */
  BH_GUEST_TELL_THREAD,      /* pid, thread */
  BH_GUEST_TELL_THREAD_EXIT, /* pid, thread */
  BH_GUEST_TELL_WATCH,       /* watch: a later WATCH, and what is told from here on */
} BhGuestMessageType;

/* Why a request failed; FAILED's error is the errno that goes with it, and its text is for a log. */
typedef enum {
  BH_GUEST_UNABLE = 1,  /* the agent or the sandbox could not do it */
  BH_GUEST_NO_FOLDER,   /* the host folder is not there, or is none */
  BH_GUEST_NO_INSTANCE, /* no instance of that number runs */
  BH_GUEST_NO_EXEC,     /* the program cannot be executed */
  BH_GUEST_BAD_PATH,    /* no mount point can be there; the machine's own root is not exported */
  BH_GUEST_NO_MOUNT,    /* nothing is mounted there */
  BH_GUEST_REFUSED,     /* whoever watches does not want it; error is not errno, but the HRESULT that was given */
} BhGuestFailure;

/* One message of any type: which members it uses, the list above says. The others are 0 and ignored. */
typedef struct {
  guint32 type;
  guint32 id;
  guint32 instance;
  guint32 version;
  guint32 port;
  guint32 pid;
  guint32 thread;
  guint32 parent;
  guint32 creator;
  guint32 watch;
  guint32 failure;
  gint32 error;
  gint32 status;
  guint64 pid_namespace;
  gboolean read_only;
  char *host_path;
  char *guest_path;
  char *archive;
  char *text;
  char **arguments;   /* NULL-terminated; NULL is sent as none */
  char **environment; /* likewise; "NAME=value" */
  guint8 token[BH_GUEST_TOKEN_SIZE];
} BhGuestMessage;

typedef enum {
  BH_GUEST_TO_AGENT,
  BH_GUEST_TO_CLIENT,
} BhGuestDirection;

typedef enum {
  BH_GUEST_FRAME_COMPLETE,
  BH_GUEST_FRAME_INCOMPLETE, /* good so far, and goes on */
  BH_GUEST_FRAME_MALFORMED,  /* never to be understood: give the channel up */
} BhGuestFrame;

/* A message as one frame. NULL: it is larger than BH_GUEST_FRAME_LIMIT. A string that is NULL is sent as "".
 * The type must be one of the above (asserted). The caller's, g_bytes_unref. */
GBytes *bh_guest_message_encode(const BhGuestMessage *message);

/* Takes the first frame of what has arrived so far. COMPLETE: *used is its length, and *message, which must be all
 * zero before, is the caller's, bh_guest_message_clear. Otherwise neither is touched. direction says who is
 * listening: what only the other side may say is malformed. data needs no alignment. */
BhGuestFrame bh_guest_message_decode(const guint8 *data, gsize length, BhGuestDirection direction, gsize *used,
                                     BhGuestMessage *message);

/* Frees what a decoded message owns and makes it all zero. */
void bh_guest_message_clear(BhGuestMessage *message);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhGuestMessage, bh_guest_message_clear)

/* A type's name, for logs and tests ("execute"); NULL: there is no such type. Static. */
const char *bh_guest_message_name(guint32 type);

/* The types in the table's order: the number-th, or 0 after the last; and who is told it. For tests. */
guint32 bh_guest_message_type(guint number, BhGuestDirection *direction);

/* Whether two tokens are equal, in a time that does not depend on where they differ. */
gboolean bh_guest_token_equal(const guint8 *left, const guint8 *right);

G_END_DECLS
