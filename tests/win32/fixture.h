/* fixture.h: a small embedder, for tests of backend-win32 with no service around it.
 *
 *   Fixture fixture;
 *   fixture_start(&fixture, "faults");                     a copy of faults.dll in a host of its own, loaded
 *   reply = fixture_command(&fixture, "access-violation", &status);
 *   fixture_await_death(&fixture);
 *   fixture_stop(&fixture);                                release; everything given back
 *
 * Calls from the plugin get a fixed answer: mounting works, "/bin/cat" is an echo that also says its
 * arguments, "/bin/true" is a WSLC process with all there is to one. */
#pragma once

#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"
#include "core/sync.h"

/* The session that the plugin is told of. */
#define SESSION 7

typedef struct {
  BhBackend *backend;
  BhLink *link;
  BhLoadReply load;
  BhThread *loader; /* of fixture_begin_load; what follows is its until it was joined */
  BhResult load_status;
  BhMutex lock; /* guards what follows */
  BhCond changed;
  guint calls; /* that came */
  guint deaths;
  char *how;
  guint64 last_notification, last_thread; /* of the last call */
  gboolean loaded;                        /* until then no call finds its session */
  gboolean gated;                         /* a call waits until this is FALSE */
  guint waiting;                          /* calls that wait for it */
} Fixture;

/* Gets BhLinkEvents.activity, with the Fixture as data. Set by whoever has a link watch. */
extern void (*fixture_activity)(gpointer data, const BhActivity *activity);

/* Registers host and proxies for this user, once per test program; sets up GLib's tests. */
void fixture_init(int *argc, char ***argv);

/* What was built: "backend-win32/wslpluginhost.exe". The caller's. */
char *fixture_built(const char *name);

/* A copy of a built plugin under a name of its own (without ".dll"), in this program's temporary folder. The
 * caller's path. */
char *fixture_copy_plugin(const char *plugin, const char *name);

/* A host for that file, not yet asked to load. */
void fixture_open(Fixture *fixture, const char *path);

/* A host that was asked to load that file; what load returned is in *status. */
void fixture_load_path(Fixture *fixture, const char *path, BhResult *status);

/* A host with a copy of faults.dll that is called `name`; whether it loaded is in fixture->load. */
void fixture_load(Fixture *fixture, const char *name);

/* A host with a plugin that loads well. */
void fixture_start(Fixture *fixture, const char *plugin);

/* Tells faults.dll to do something, in OnDistributionStarted. */
BhNotifyReply fixture_command(Fixture *fixture, const char *command, BhResult *status);

/* Has calls wait from now on; waits until this many do; and lets them go on. */
void fixture_gate(Fixture *fixture);
void fixture_await_waiting(Fixture *fixture, guint count);
void fixture_ungate(Fixture *fixture);

/* Waits until the plugin, a faults.dll whose name has it hang while it is loaded, is there. */
void fixture_await_hang(Fixture *fixture);

/* Loads the plugin of an open fixture on a thread of its own, as it will not come back by itself. Once. */
void fixture_begin_load(Fixture *fixture);

/* Kills the host meanwhile, and asserts that the load ended, and what is said of the host's end. */
void fixture_kill_load(Fixture *fixture);

/* Waits until `died` came, and returns what it said. */
const char *fixture_await_death(Fixture *fixture);

/* Releases the link, and frees all. The host's process must be gone then. */
void fixture_stop(Fixture *fixture);

/* How many handles a process has. (GetProcessHandleCount is always 0 under Wine.) */
guint fixture_handles(DWORD pid);

/* Asserts that neither this process nor the host has more handles after so many exchanges than after a few. */
void fixture_assert_handles_flat(Fixture *fixture, void (*exchange)(Fixture *fixture, int times), int few,
                                 int times);

/* What this process has committed, in bytes. Ask before fixture_handles, whose list of all handles Wine may keep. */
gsize fixture_memory(void);

gboolean fixture_is_wine(void);

/* Asserts that the host is dead, by the transport's status; that how it died contains this text. */
void fixture_assert_dead(BhResult status);
void fixture_assert_how(Fixture *fixture, const char *expected);
