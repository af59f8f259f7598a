/* container-session.h: a WSLC session: one VM, the containers and images in it.
 *
 *   BhContainerSettings settings = {.name = "build", .user = &user};
 *   bh_service_create_container_session(service, &settings, &session, &error);    plugins may refuse it
 *   bh_container_session_start_container(session, &spec, &error);                 and each container
 *   bh_container_session_stop_container(session, "web", &error);
 *   bh_service_release_container_session(service, session);
 *
 * Its VM (container-vm.h) is *eager*: it runs from before plugins hear of the session until after they heard of its end;
 * or *on demand*: an operation that needs one starts it, and it is stopped when nothing has used it for a while. An eager
 * session whose VM has died is dead itself: it is stopped as if it had been asked to, and its name is free.
 *
 * Unlike a VM session's, an operation holds no lock while plugins are notified, so that they overlap: two containers
 * start at once, and their hooks run at once. OnSessionCreated, OnSessionStopping, WslcVmStarted and WslcVmStopping do
 * not: whoever changes the VM or ends the session does so alone (contract, section 3).
 *
 * Order of events around the hooks: contract, section 5. OnSessionStopping comes exactly once after each
 * OnSessionCreated, whichever of these ends the session: a veto, a name that another has won, its last user, a
 * termination, its VM's death, the service's end.
 *
 * Threading: any function from any thread that holds no lock, but not from bh_container_session_call. */
#pragma once

#include "process-table.h"
#include "session.h"

G_BEGIN_DECLS

typedef struct {
  const char *name;        /* unique among the service's; plugins know it as DisplayName */
  guint32 application_pid; /* of the process that wants it */
  const BhUser *user;
  gboolean persistent; /* lives until it is terminated, not only while somebody uses it */
  gboolean on_demand;  /* its VM */
  gint64 idle_timeout; /* µs after which a VM on demand that nothing uses is stopped; 0: never by itself */
  BhVmSettings vm;     /* as the user wants it; policy is applied */
} BhContainerSettings;

/* How an image came into being. */
typedef enum {
  BH_IMAGE_PULLED,
  BH_IMAGE_IMPORTED,
  BH_IMAGE_LOADED, /* plugins are not told of this one, nor of the next (contract, section 3) */
  BH_IMAGE_BUILT,
} BhImageOrigin;

typedef struct BhContainerSession BhContainerSession;

BhContainerSession *bh_container_session_ref(BhContainerSession *session);
/* The last one must be dropped only after the session was stopped. It may be dropped after the service was freed. */
void bh_container_session_unref(BhContainerSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhContainerSession, bh_container_session_unref)

guint32 bh_container_session_id(const BhContainerSession *session);
const char *bh_container_session_name(const BhContainerSession *session);

/* What follows needs the VM: on demand it is started, but to stop something or to find that it is not there.
 * E_NOT_VALID_STATE: the session has ended, or its eager VM has died. What a spec or program points to is the caller's, for
 * the call. */

/* Starts a container from an image of the session's (NULL root: that image's folder; no such image: 0x80070490), and tells
 * the plugins; one of them may refuse it. Its name is taken: 0x800700B7. */
BhResult bh_container_session_start_container(BhContainerSession *session, const BhContainerSpec *spec,
                                              BhError **error);

/* Tells the plugins and stops it. No such container: 0x80070490. */
BhResult bh_container_session_stop_container(BhContainerSession *session, const char *name, BhError **error);

/* Makes the folder root an image of that name. Its name is taken: 0x800700B7. */
BhResult bh_container_session_create_image(BhContainerSession *session, const char *name, const char *root,
                                           BhImageOrigin origin, BhError **error);

/* Forgets an image, and tells the plugins. Containers that were made of it run on. No such image: 0x80070490. */
BhResult bh_container_session_delete_image(BhContainerSession *session, const char *name, BhError **error);

/* Runs a program in the VM's root namespace. func has process and streams: to read what comes, to wait for the process's
 * event, to take streams for itself. Until it returns, the VM is not idle; but whoever ends the session does not wait for it:
 * the program is ended, and its streams and its event say so. What func leaves is closed and freed. The program could not be executed: E_FAIL, and *linux_error is errno (else 0). */
typedef void (*BhProcessFunc)(BhProcess *process, BhResource streams[BH_STREAM_COUNT], gpointer data);
BhResult bh_container_session_run(BhContainerSession *session, const BhProgram *program, BhProcessFunc func,
                                  gpointer data, gint32 *linux_error, BhError **error);

/* Stops a VM on demand that nothing uses, as the idle timeout would. Something uses it: 0x800700AA; none runs, or it is
 * eager: E_NOT_VALID_STATE. */
BhResult bh_container_session_stop_idle_vm(BhContainerSession *session, BhError **error);

/* --- For the service --------------------------------------------------------------------------------------------- */

/* settings: name is copied, the user's sid is referenced. */
BhContainerSession *bh_container_session_new(const BhSessionShared *shared, guint32 id,
                                             const BhContainerSettings *settings);

/* on_end: its VM is eager, and has died. Called once at most, on a worker, with no lock held. Set before
 * bh_container_session_begin. */
void bh_container_session_on_end(BhContainerSession *session,
                                 void (*on_end)(BhContainerSession *session, gpointer data), gpointer data);

/* Loads the plugins, starts an eager VM, and asks the plugins. Success: nobody else can do anything with it until it is
 * announced or abandoned. A failure: it was stopped again, and nothing is left to do but to forget it. */
BhResult bh_container_session_begin(BhContainerSession *session, BhError **error);

/* It was published: tells the plugins of its VM, if one runs. */
void bh_container_session_announce(BhContainerSession *session);

/* It was not, because its name has gone to another: stops it, and returns the failure. */
BhResult bh_container_session_abandon(BhContainerSession *session, BhError **error);

/* Stops it; when this returns, that is done, even if another thread does it. */
void bh_container_session_stop(BhContainerSession *session, const char *why);

/* Its VM has died, and it is eager; or it was stopped. Under any lock. */
gboolean bh_container_session_is_dead(BhContainerSession *session);

/* Serves a plugin's call, on the calling thread. processes: the link's. */
void bh_container_session_call(BhContainerSession *session, const BhCall *call, BhProcessTable *processes,
                               BhCallReply *reply);

G_END_DECLS
