/* service.h: the one object an embedder holds.
 *
 *   BhServiceSettings settings = { .backend = backend, .guest = guest };
 *   BhService *service = bh_service_new(&settings);
 *   bh_service_add_plugin(service, "Shield", "C:\\Program Files\\Shield\\shield.dll");
 *   g_autoptr(BhSession) session = bh_service_open_session(service, &user);
 *   …                                                            session.h
 *   bh_service_free(service);
 *
 * It owns the plugin manager and the registry of sessions by id, and hands a plugin's call to the session it names.
 *
 * Threading: any function from any thread, but new, add_plugin and free. The registry's lock is of rank session table,
 * and is held for look-ups only.
 *
 * To have the order of locks checked while you develop, call bh_lock_order_start (lock-order.h) before anything else. */
#pragma once

#include "container-session.h"

G_BEGIN_DECLS

typedef struct {
  BhBackend *backend;           /* where plugins run; outlives the service */
  BhGuest *guest;               /* where distributions run; outlives the service */
  const BhCallbacks *callbacks; /* NULL: pumped */
  guint32 forbidden_flags;      /* of BhVmSettings.flags: policy overrides what the user configured */
  gint64 load_timeout;          /* µs, for all plugins together; 0: BH_LOAD_TIMEOUT */
  gint64 vm_idle_timeout; /* µs after which a session's VM in which no distribution runs is stopped; 0: never */
  gint64 stop_timeout;    /* µs, for the hooks that run when the service stops; 0: BH_STOP_TIMEOUT */
} BhServiceSettings;

/* A plugin has this long to load: its DLL, DllMain and entry point. */
#define BH_LOAD_TIMEOUT (30 * G_USEC_PER_SEC)

/* When the service stops, plugins have this long for their last hooks; then their hosts are ended. */
#define BH_STOP_TIMEOUT (60 * G_USEC_PER_SEC)

typedef struct BhService BhService;

BhService *bh_service_new(const BhServiceSettings *settings);

/* Where sinks are attached, before the service is used. Lives as long as the service. */
BhTrace *bh_service_trace(BhService *service);

/* Where routines are registered that are told of processes and threads: WSL's of every session's VM, Win32's of every
 * plugin's host. Lives as long as the service: a routine that is not removed before is told of the last ends by
 * bh_service_free, and then no more. */
BhProcessNotify *bh_service_process_notify(BhService *service);

/* What a process or a thread is. */
typedef struct {
  BhSubsystem subsystem;
  gboolean assumed; /* the platform cannot say: it is what it must be */
} BhSubsystemAnswer;

/* Asks for the subsystem of a process, or (thread not 0) of that thread of it. origin: where its number counts, as a notice had it,
 * or with the session's id, or the WSLC session's name, alone; NULL, and that of a plugin's host: this machine. None of that number:
 * 0x80070490; E_NOTIMPL: this machine's cannot be asked for. Any thread, a routine's too. */
BhResult bh_service_query_subsystem(BhService *service, const BhActivityOrigin *origin, guint32 process,
                                    guint32 thread, BhSubsystemAnswer *answer);

/* Adds a discovered plugin; see bh_plugin_manager_add. */
gboolean bh_service_add_plugin(BhService *service, const char *name, const char *path);

/* Opens a session; user: see session.h. The caller's reference; the registry has one of its own until
 * bh_service_close_session. NULL: no id is left. */
BhSession *bh_service_open_session(BhService *service, const BhUser *user);

/* Stops the session's VM and forgets the session. Its id is not used again. */
void bh_service_close_session(BhService *service, BhSession *session);

/* --- WSLC sessions ----------------------------------------------------------------------------------------------- */

/* Creates one, asks the plugins, and makes it known by its name. *session is the caller's reference, and the caller is a
 * user of it. The name is taken, or was won by another meanwhile: 0x800700B7. A plugin refused it: it was stopped again,
 * and nobody has seen it. */
BhResult bh_service_create_container_session(BhService *service, const BhContainerSettings *settings,
                                             BhContainerSession **session, BhError **error);

/* Becomes a user of the one of that name. None: 0x80070490; one that is found dead is stopped, and is none. */
BhResult bh_service_open_container_session(BhService *service, const char *name, BhContainerSession **session,
                                           BhError **error);

/* Drops the caller's reference, and its use: when that was the last and the session is not persistent, it is stopped, which
 * waits for its last hooks, for operations in it and for plugins' calls. */
void bh_service_release_container_session(BhService *service, BhContainerSession *session);

/* Stops it, whoever uses it; waits for the same. */
void bh_service_terminate_container_session(BhService *service, BhContainerSession *session);

/* Closes every session, releases the hosts, frees service. At the stop timeout every host is
 * ended, so that a hook which does not return holds up nothing. Operations that are inside a session fail or end first; no
 * further function of the service is called. The caller holds no lock. */
void bh_service_free(BhService *service);

G_END_DECLS
