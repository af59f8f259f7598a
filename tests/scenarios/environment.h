/* environment.h: where a row runs: a backend, a guest, a folder for its plugins.
 *
 * The build chooses environment-native.c or environment-windows.c for what is different. */
#pragma once

#include "core/service.h"
#include "tests/common/gate.h"
#include "tests/common/probe-guest.h"

typedef struct {
  const char *backend_name; /* "mock", "win32" */
  const BhCallbacks *callbacks;
  BhBackend *backend;
  BhGuest *inner_guest;
  BhProbeGuest guest;
  BhUser user;
  char *folder;         /* the row's own; gone afterwards */
  BhGate host_ended;    /* a host is no more, and was not released */
  BhGate vm_died;       /* the session knows that its VM is no more */
  BhGate crash_noticed; /* a crash was latched, and reported */
  GArray *hosts;        /* guint32: the processes of the hosts that were started; none may be left */
} Environment;

/* Opens it; name is "mock" or "win32". */
void environment_open(Environment *environment, const char *name, const BhCallbacks *callbacks);
void environment_close(Environment *environment);

/* Attach this to a service's trace: it notes the hosts, and prints what happens. */
void environment_trace(const BhTraceEvent *event, gpointer environment);

/* Makes the file of a plugin that behaves as script says, in a folder of its own. The caller's. */
char *environment_add_plugin(Environment *environment, const char *name, const char *script);

/* What the plugin of that file has logged so far, or NULL: nothing. The caller's. */
char *environment_read_log(const char *plugin);

/* ---- What the platforms do ---- */

/* "native", "wine" or "windows". */
const char *platform_name(void);
void platform_open(Environment *environment);
void platform_close(Environment *environment);
/* From now on plugins must be signed; before the first one is started. */
void platform_require_signatures(Environment *environment);
/* A host process of that number runs. */
gboolean platform_host_runs(guint32 pid);
/* Ends it from outside. */
void platform_kill_host(guint32 pid);
/* The file to copy as a plugin, or NULL: the script is the plugin. */
const char *platform_plugin(const Environment *environment);
