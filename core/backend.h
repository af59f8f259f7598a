/* backend.h: what core needs of the world outside the service to run a plugin: a process to run it in, and a way to
 * talk to it.
 *
 * A BhLink is one host with one plugin. In the order of its life:
 *
 *   start ──▶ load ──▶ notify, notify, … ──▶ release
 *                            ▲ │ call, call, …            kill, at any time
 *                            │ ▼                          died, at any time, at most once
 *
 *   backend->class->start(backend, &spec, &events, host, &link, &cause);   no plugin code runs yet
 *   status = backend->class->load(link, &load_reply);                      plugin code from here on
 *   status = backend->class->notify(link, &notification, &reply);
 *   backend->class->release(link);
 *
 * Two values come back from load and notify and never mix: the returned *transport* status, which `host-crash`
 * classifies, and the reply's result, which is what the plugin said, whatever code that is.
 *
 * Threading: start, load and notify block and may be called from any thread, notify from several at once. kill may be
 * called from any thread while one of the others blocks: the blocked call then returns. release is called once, when
 * no load, notify or kill runs, and not from an event; it waits for the events in flight to return, so a caller must hold no lock that their
 * handlers take. No event comes after release has returned. The backend holds no lock of its own across an event. */
#pragma once

#include "activity.h"
#include "contract.h"

G_BEGIN_DECLS

typedef struct BhBackend BhBackend;
typedef struct BhLink BhLink;

typedef struct {
  const char *name; /* the plugin's, for reports */
  const char *path; /* what to load: UTF-8, as the service's platform spells paths */
} BhPluginSpec;

typedef struct {
  /* The plugin calls the service, on a thread of the transport's own (or the plugin's); the caller's identity has
   * been checked. call is valid until the handler returns; the handler fills reply, whose resource then belongs to the
   * backend: it goes to the plugin, or is closed when the plugin is no more. */
  void (*call)(gpointer data, const BhCall *call, BhCallReply *reply);

  /* The host is no more, though nobody released it. Once, even when nothing is in flight; it may come before start has
   * returned, but not on a thread that is inside kill. A call that was on its way then may still come. how is for
   * people: "access violation", "exit code 3". */
  void (*died)(gpointer data, const char *how);

  /* A process of the host's, it included, or a thread of the host itself began or ended; only while it is watched. On a thread
   * that serves nothing else. Nothing can be refused. May be NULL. */
  void (*activity)(gpointer data, const BhActivity *activity);
} BhLinkEvents;

typedef struct {
  const char *name; /* "win32", "mock" */

  /* Starts a host for the plugin: contained, its identity known. Failure: no link, *cause (the caller's) says in words
   * why. events and data are used until release has returned. */
  BhResult (*start)(BhBackend *backend, const BhPluginSpec *spec, const BhLinkEvents *events, gpointer data,
                    BhLink **link, char **cause);

  /* Loads the plugin and runs its entry point. Blocks until that has returned or the host is dead; a caller that
   * has a deadline kills the link when it passes. */
  BhResult (*load)(BhLink *link, BhLoadReply *reply);

  /* Runs a hook, and returns when it has returned or the host is dead. The notification's token is the service's. */
  BhResult (*notify)(BhLink *link, const BhNotification *notification, BhNotifyReply *reply);

  /* Ends the host at once, whatever it is doing. reason is for people, and ends up in `died`'s how. */
  void (*kill)(BhLink *link, const char *reason);

  /* Lets the host go: it exits by itself, and is ended if it does not. What the link handed out and still owns goes
   * with it. Also for a dead host. Frees link. */
  void (*release)(BhLink *link);

  /* The number of the host's process, for people to read. */
  guint32 (*pid)(BhLink *link);

  /* Tells BhLinkEvents.activity from its return on; see BhGuestClass.watch. Processes that run already are told of first. NULL:
   * this backend cannot. */
  BhResult (*watch)(BhLink *link, BhWatch what);

  /* Asks the platform for the subsystem of a process of this machine, or (thread not 0) of that thread of it. *assumed: the
   * platform cannot say, and it is what it must be. None of that number: 0x80070490. NULL: nothing can be asked. */
  BhResult (*subsystem)(BhBackend *backend, guint32 process, guint32 thread, BhSubsystem *subsystem,
                        gboolean *assumed);
} BhBackendClass;

/* A backend's own objects begin with these. */
struct BhBackend {
  const BhBackendClass *class;
};
struct BhLink {
  const BhBackendClass *class;
};

G_END_DECLS
