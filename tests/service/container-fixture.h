/* container-fixture.h: a service with a fake guest and one plugin, which logs what it is told of WSLC sessions.
 *
 *   open_world(call_in_hook, NULL);          what the plugin does besides; or NULL
 *   release(created("one", FALSE));
 *   close_world("W+ (S_OK) VM+ (S_OK) W- (S_OK) VM- (S_OK)");
 *
 * A hook is logged as it begins: W for the session, C for a container, I for an image, VM; + and - as in the contract. What a
 * test says itself goes into the same log.
 *
 * Threading: any function from any thread but open_world, watch, stop_service and close_world. */
#pragma once

#include "backend-mock/mock.h"
#include "core/lock-order.h"
#include "core/service.h"
#include "tests/common/fake-guest.h"
#include "tests/common/gate.h"

typedef BhResult (*HookFunc)(BhMockHost *host, const BhNotification *notification, gpointer data);

typedef struct {
  BhFakeGuest guest;
  BhBackend *backend;
  BhService *service; /* NULL: it has stopped */
  BhMutex lock;       /* guards log */
  GString *log;
  HookFunc hook;
  gpointer data; /* of hook */
  const BhSyncObserver *observer;
  BhGate worker_idles;
  BhGate reached, go_on; /* for whom a test has wait: he says so with the first, and passes the second */
} World;

extern World world;
extern const BhUser user;

void open_world(HookFunc hook, gpointer data);
/* Stops the service, if the test has not done so; nothing may be left of it, and expected is the log. */
void close_world(const char *expected);
void stop_service(void);

/* Until close_world. Before the test has begun a thread, or the service one. */
void watch(const BhSyncObserver *observer);

/* Likewise: the service gets one worker, and then as if no thread could be had; so while that one is held in a hook, nobody
 * can be told of what happens. The plugins must be loaded for it to be idle. */
void watch_one_worker(void);
void wait_for_idle_worker(void);

void say(const char *format, ...) G_GNUC_PRINTF(1, 2);
void say_result(BhResult result);
void assert_log(const char *expected); /* so far */

/* A thread of the test's, and what it returned with GINT_TO_POINTER. */
BhThread *begin(BhThreadFunc func, gpointer data);
BhResult result_of(BhThread *thread);

/* --- Sessions ---------------------------------------------------------------------------------------------------- */

BhResult create(const char *name, gboolean on_demand, BhContainerSession **session, BhError **error);
BhContainerSession *created(const char *name, gboolean on_demand);
BhContainerSession *created_idling(const char *name, gint64 idle_timeout); /* on demand; µs */
BhResult look_up(const char *name);
void release(BhContainerSession *session);

void add_image(BhContainerSession *session); /* "alpine" */
BhResult start_container(BhContainerSession *session, const char *name, BhError **error);
BhResult run_with(BhContainerSession *session, BhProcessFunc func);
BhResult run(BhContainerSession *session); /* a program that ends at once */

/* --- What a plugin does ------------------------------------------------------------------------------------------ */

/* WSLCCreateProcess, in or outside a hook. *process: its number; may be NULL. */
BhResult call_process(BhMockHost *host, guint32 session, guint64 *process);

/* Hooks: says what a call inside it is answered; and refuses the hook GPOINTER_TO_UINT(data), "Not today". */
BhResult call_in_hook(BhMockHost *host, const BhNotification *notification, gpointer data);
BhResult refuse(BhMockHost *host, const BhNotification *notification, gpointer data);
