/* session.h: a VM session: one user's VM and the distributions in it.
 *
 *   g_autoptr(BhSession) session = bh_service_open_session(service, &user);
 *   bh_session_register(session, &debian, &error);
 *   bh_session_start(session, &debian.id, &settings, &error);      plugins, VM, distribution, in this order
 *   bh_session_stop_vm(session);
 *   bh_service_close_session(service, session);
 *
 * Every operation takes the session's lock (instance-lock.h) and holds it while it notifies the plugins, so that one
 * session's hooks never overlap. Plugins' calls come in through bh_session_call.
 *
 * Order of events around the hooks: contract, section 5.
 *
 * Threading: any function from any thread that does not hold the session's lock, and is not one of a plugin's calls. */
#pragma once

#include "plugin-manager.h"
#include "process-notify.h"
#include "timers.h"

G_BEGIN_DECLS

/* Who a session belongs to: what its plugins are told. */
typedef struct {
  guint64 token; /* the service's handle of the user's token, valid as long as the session; 0: none */
  GBytes *sid;   /* the user's SID; NULL: none */
} BhUser;

/* What sessions share; owned by the service, outlives them. */
typedef struct {
  BhPluginManager *manager;
  BhGuest *guest;
  BhTrace *trace;
  BhWorkers *workers;
  BhTimers *timers;
  BhProcessNotify *notify;
  guint32 forbidden_flags; /* of BhVmSettings: policy overrides the user's configuration */
  gint64 vm_idle_timeout;  /* µs after which a session's VM in which no distribution runs is stopped; 0: never */
} BhSessionShared;

typedef struct BhSession BhSession;

/* id: what plugins know it by. user is copied, its sid referenced. */
BhSession *bh_session_new(const BhSessionShared *shared, guint32 id, const BhUser *user);
BhSession *bh_session_ref(BhSession *session);
/* The last one must be dropped only after bh_session_close, and by no thread that holds a lock. It may be dropped after the
 * service was freed. */
void bh_session_unref(BhSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhSession, bh_session_unref)

guint32 bh_session_id(const BhSession *session);

/* Makes a distribution known; distribution is copied. Plugins are told after the fact, if they are loaded. Known
 * already: 0x800700B7. */
BhResult bh_session_register(BhSession *session, const BhDistribution *distribution, BhError **error);

/* Makes a distribution known that is new to the machine, which takes a running VM (but for WSL1): starts one if none runs.
 * Then as bh_session_register. */
BhResult bh_session_import(BhSession *session, const BhDistribution *distribution, const BhVmSettings *settings,
                           BhError **error);

/* Forgets a distribution; stops it first if it runs. Unknown: 0x80070490. */
BhResult bh_session_unregister(BhSession *session, const BhGuid *id, BhError **error);

/* Starts a distribution, and the VM when none runs. It runs already: nothing is done. settings: what the user wants of the
 * VM, as far as the service's policy allows it. */
BhResult bh_session_start(BhSession *session, const BhGuid *id, const BhVmSettings *settings, BhError **error);

/* Stops one distribution; the VM stays. Does not run: 0x80040313. The guest could not stop it: that failure; it runs on. */
BhResult bh_session_terminate(BhSession *session, const BhGuid *id, BhError **error);

/* Likewise, but only if nothing that was executed in it still runs: else 0x800700AA, and no plugin hears of it. */
BhResult bh_session_stop_if_idle(BhSession *session, const BhGuid *id, BhError **error);

/* Writes a distribution's files into an archive at host_path; stops it first if it runs. Needs no VM, and no plugin is
 * told. */
BhResult bh_session_export(BhSession *session, const BhGuid *id, const char *host_path, BhError **error);

/* Stops all distributions and the VM, if there is one. */
void bh_session_stop_vm(BhSession *session);

/* Stops them, and no operation begins any more: it fails with E_NOT_VALID_STATE. Whoever may be inside one meanwhile holds a
 * reference of its own. Called by the service. */
void bh_session_close(BhSession *session);

/* Serves a plugin's call, on whatever thread the callback design chooses; returns when it is done. */
void bh_session_call(BhSession *session, const BhCall *call, BhCallReply *reply);

G_END_DECLS
