/* script-port.h: a host for scripts that has no backend: threads are threads, and a service that answers
 * by rule.
 *
 *   PortHost host;
 *   port_host_start(&host, "on load\n  log hello\n");
 *   port_host_load(&host);
 *   port_host_assert_log(&host, "load\nhello\n");
 *   port_host_end(&host);
 *
 * Rules: sessions 7 and 9 are known; a host path, program or message of "missing" fails; a program prints its
 * name and arguments, or, when it is /bin/noise, two lines and a control character; everything else succeeds.
 *
 * A WSLC process prints its arguments to its stdout and its environment to its stderr, and ends with 0. But
 * /bin/cat runs until its stdin was written to, and prints that; /bin/fail ends with -1. */
#pragma once

#include "backend-mock/script.h"
#include "core/sync.h"

typedef struct {
  BhScript *script;
  BhScriptRun *run;

  BhMutex lock; /* guards what follows */
  BhCond changed;
  GString *log;
  GPtrArray *calls;     /* each call, as people would write it */
  guint sockets;        /* handed out and not yet closed, events too */
  GPtrArray *processes; /* PortProcess, by their number less 1 */
  guint threads_left;
  GPtrArray *threads;    /* BhThread, not yet joined */
  BhApartment apartment; /* of the thread begun last */
  gint crash;            /* BhCrash, or -1 */
  guint waiting;         /* calls that wait; see hold */
  gboolean hold;         /* calls wait until it is FALSE */
} PortHost;

void port_host_start(PortHost *host, const char *text);
void port_host_end(PortHost *host);

/* Runs the entry point, for a service of version 2.9.5. */
BhResult port_host_load(PortHost *host);

/* Runs a hook of session 7, with arguments that every hook can have. */
BhResult port_host_hook(PortHost *host, BhHook hook);
BhResult port_host_hook_in(PortHost *host, BhHook hook, guint32 session);

/* Runs one that brings a document or an id. */
BhResult port_host_document(PortHost *host, BhHook hook, guint32 session, const char *document);

/* The whole log, where * stands for anything within a line; and forgets it. */
void port_host_assert_log(PortHost *host, const char *expected);

/* The calls so far, one a line. */
void port_host_assert_calls(PortHost *host, const char *expected);
