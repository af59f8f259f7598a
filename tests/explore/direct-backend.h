/* direct-backend.h: a backend without hosts: a hook runs on the thread that notifies, and a call on the plugin's.
 *
 * For protocols that are about the service: what a mock host does between its threads would be explored too, and there are
 * enough interleavings without. Its plugin is a table of three functions; a host dies when somebody says so. */
#pragma once

#include "core/backend.h"
#include "core/sync.h"

typedef struct DirectBackend DirectBackend;

typedef struct {
  BhLink parent;
  DirectBackend *backend;
  const BhLinkEvents *events;
  gpointer data;
  gboolean dead;    /* guarded by the backend's lock, as is the next */
  guint events_out; /* that have not returned; release waits for them */
} DirectLink;

struct DirectBackend {
  BhBackend parent;
  /* Runs hook, on the notifying thread, with no lock of this backend's held. NULL: every hook succeeds. */
  BhResult (*hook)(DirectLink *link, const BhNotification *notification, gpointer data);
  gpointer data;
  gint64 load_until; /* when a plugin has loaded, if it is not killed before */
  guint32 hooks;     /* that the plugins have */

  BhMutex lock; /* a leaf; guards all below */
  BhCond changed;
  guint links;       /* started and not released */
  guint started;     /* ever */
  DirectLink *first; /* the first one started */
};

void direct_backend_init(DirectBackend *backend);
void direct_backend_clear(DirectBackend *backend); /* no link is left: expected */

/* The first host dies, unless it has: calls in flight go on, further ones fail. */
void direct_die(DirectBackend *backend);

/* A call of the first host's. FALSE: the host is no more, and it was not made. */
gboolean direct_call(DirectBackend *backend, const BhCall *call, BhCallReply *reply);
