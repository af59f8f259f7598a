/* activity.h: that a process or a thread began or ended, as whoever sees it tells core.
 *
 * Two kinds of subsystem are told apart, as Windows does for its notify routines and in ProcessSubsystemInformation: what runs
 * in a session's guest is WSL's, what a plugin's host is and starts is Win32's.
 *
 * A *source* is a guest's VM or a backend's link. It tells nothing until it is asked to watch, and then, of each process that
 * begins from there on:
 *
 *   PROCESS_CREATED ─▶ (PROCESS_IMAGE │ THREAD_CREATED │ THREAD_EXITED)… ─▶ PROCESS_EXITED
 *
 * The first thread is the process's own, and is told of as a thread too (after PROCESS_CREATED, before PROCESS_EXITED), where
 * threads are watched. A process that ran before is told of from the moment it is watched: begun (which cannot be refused any
 * more), then whatever it does. One that was refused ends without having run, and PROCESS_EXITED follows as ever. */
#pragma once

#include "result.h"

G_BEGIN_DECLS

typedef enum {
  BH_SUBSYSTEM_WIN32, /* the numbers are SUBSYSTEM_INFORMATION_TYPE's */
  BH_SUBSYSTEM_WSL,
} BhSubsystem;

typedef enum {
  BH_PROCESS_CREATED, /* WSL: before its first instruction; a fork has its parent's image */
  BH_PROCESS_IMAGE, /* WSL only: it is about to run another image (execve); may be refused, and goes on as what it was */
  BH_PROCESS_EXITED,
  BH_THREAD_CREATED,
  BH_THREAD_EXITED,
} BhActivityType;

/* What a source is asked to tell. A set. */
typedef enum {
  BH_WATCH_NOTHING = 0,
  BH_WATCH_PROCESSES = 1 << 0,
  BH_WATCH_THREADS = 1 << 1, /* never without processes */
} BhWatch;

/* Numbers are the source's own: a WSL process's is that of the machine which runs its guest. 0: not known, or none. */
typedef struct {
  BhActivityType type;
  guint32 process;
  guint32 thread;         /* of THREAD_… only */
  guint32 parent;         /* of PROCESS_CREATED, as are the next two: the process that will be told of its end, */
  guint32 creator;        /* the process that made it: mostly the parent, */
  guint32 creator_thread; /* and the thread that did */
  gboolean may_refuse;    /* of PROCESS_CREATED, PROCESS_IMAGE: it has not happened yet, and the answer counts */
  const char *image;      /* its path: UTF-8, or bytes where the guest's is not; NULL: not known */
  const char *
      command_line; /* arguments as a shell would quote them, at most BH_COMMAND_LINE_MAX bytes; NULL: not known */
  gint32 exit_status; /* of PROCESS_EXITED: Win32's exit code; WSL's as a shell has it, 128 + n for signal n */
} BhActivity;

#define BH_COMMAND_LINE_MAX 32768u

G_END_DECLS
