/* link.h: a BhLink of this backend, as its own files see it.
 *
 *   start ──▶ RUNNING ──▶ DEAD        the process ended, nobody released it: died
 *                │          │
 *                └──▶ RELEASED ◀┘     release began: no event begins from here on
 *
 * A link has one callback object (callback.h), one process (host-process.h) and one proxy. The callback
 * object outlives it when COM says so, and then knows it no more. */
#pragma once

#include "backend-win32/wire.h"

#include "backend-win32/apartment.h"
#include "backend-win32/backend-win32.h"
#include "backend-win32/service/activity.h"
#include "backend-win32/service/host-process.h"
#include "core/sync.h"

G_BEGIN_DECLS

typedef struct {
  BhBackend base;
  char *host_path;
  HANDLE job; /* ends its processes when it is closed, that is, with us */
  gboolean signed_only;
  CO_MTA_USAGE_COOKIE apartment;
  BhActivityPort *activity;
} BhWin32Backend;

typedef enum { BH_LINK_RUNNING, BH_LINK_DEAD, BH_LINK_RELEASED } BhLinkState;

typedef struct BhCallback BhCallback;

typedef struct {
  BhLink base;
  BhWin32Backend *backend;
  const BhLinkEvents *events;
  gpointer data;
  char *name, *path;
  BhCallback *callback;
  HANDLE job;           /* inside the backend's: this plugin's processes. NULL: it could not be made */
  IWslPluginHost *host; /* the MTA's: used inside bh_apartment_run only */
  HANDLE death_wait;    /* of the thread pool, on the process */
  BhActivityLink *activity;

  BhMutex lock;          /* guards what follows; a leaf, held across nothing */
  BhHostProcess process; /* set by Hello, once; constant then until the link is freed */
  BhLinkState state;
  char *kill_reason; /* the first one */
} BhWin32Link;

/* backend.c */
extern const BhBackendClass bh_backend_win32_class;

/* The functions of BhBackendClass, and start's second half: they are in link.c, start is in backend.c. */
BhResult bh_win32_link_load(BhLink *link, BhLoadReply *reply);
BhResult bh_win32_link_notify(BhLink *link, const BhNotification *notification, BhNotifyReply *reply);
void bh_win32_link_kill(BhLink *link, const char *reason);
void bh_win32_link_release(BhLink *link);
guint32 bh_win32_link_pid(BhLink *link);
BhResult bh_win32_link_watch_activity(BhLink *link, BhWatch what);

BhWin32Link *bh_win32_link_new(BhWin32Backend *backend, const BhPluginSpec *spec, const BhLinkEvents *events,
                               gpointer data);

/* From now on the process's end is `died`. Fails when the thread pool will not. */
gboolean bh_win32_link_watch(BhWin32Link *self);

G_END_DECLS
