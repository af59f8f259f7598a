/* host-threads.h: the service's end of a host's thread ring (thread-ring.h), and what threads there are.
 *
 *   threads = bh_host_threads_new(process, &ring, &filled);    Attach: the host asks for it
 *   bh_host_threads_watch(threads, TRUE);
 *   ids = bh_host_threads_list(pid);                those that began before
 *   bh_host_threads_event(threads) is set: bh_host_threads_read(threads, told, data);
 *
 * What is read is the host's word: bounded (a ring at most for each read), and to be looked at by
 * bh_host_threads_open before it is believed. A host can hide its threads or invent ones that have ended; it cannot pass
 * another process's off as its own.
 *
 * Threading: watch under a lock of the caller's; read by one thread at a time. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

typedef struct BhHostThreads BhHostThreads;

/* *ring and *filled are handles of that process's, and its own. NULL: it cannot be had, and this host's threads will not be
 * known. */
BhHostThreads *bh_host_threads_new(HANDLE process, guint64 *ring, guint64 *filled);
void bh_host_threads_free(BhHostThreads *self); /* may be NULL */

/* Auto-reset: there is something to read. The caller must not close it. */
HANDLE bh_host_threads_event(const BhHostThreads *self);

/* Has the host write down what begins and ends from now on (what it wrote before is forgotten), or not. */
void bh_host_threads_watch(BhHostThreads *self, gboolean is_watched);

/* Calls told for each beginning and end that is there, in their order. FALSE: some were lost before this. */
gboolean bh_host_threads_read(BhHostThreads *self, void (*told)(gpointer data, DWORD thread, gboolean is_end),
                              gpointer data);

/* The numbers (DWORD) of all threads that a process has. The caller's. */
GArray *bh_host_threads_list(DWORD pid);

/* A handle to wait for its end by, of a thread of that process. NULL: there is none of that number (any more), and *foreign
 * says that there is one, but another process's. */
HANDLE bh_host_threads_open(DWORD pid, DWORD thread, gboolean *foreign);

G_END_DECLS
