/* fixture.h: a mock backend with one plugin in C, and a service that writes down what it is told.
 *
 *   Fixture fixture;
 *   fixture_start(&fixture, &(BhMockPlugin){.name = "plugin", .hook = crash_in_hook, .hooks = ALL_HOOKS});
 *   g_assert_cmpint(fixture_load(&fixture), ==, BH_OK);
 *   g_assert_cmpint(fixture_notify(&fixture, BH_HOOK_VM_STARTED, &reply), ==, BH_RPC_S_CALL_FAILED);
 *   fixture_assert_died(&fixture, "access violation");
 *   fixture_end(&fixture);
 *
 * A plugin's data is the fixture. lock-order watches, unless a test has an observer of its own. */
#pragma once

#include "backend-mock/mock.h"

#define ALL_HOOKS ((1u << BH_HOOK_COUNT) - 1)

typedef struct Fixture Fixture;
struct Fixture {
  BhBackend *backend;
  BhLink *link;
  guint64 next_number;

  /* The service's side of a call, set by a test before anything runs. NULL: S_OK. */
  void (*on_call)(Fixture *fixture, const BhCall *call, BhCallReply *reply);

  BhMutex lock; /* guards what follows */
  BhCond changed;
  guint died;
  char *how;
  guint calls;
  guint step; /* of a test whose threads take turns */

  gpointer extra; /* the test's own */
};

/* A backend with this plugin, and a host started for it. plugin->data becomes the fixture. */
void fixture_start(Fixture *fixture, const BhMockPlugin *plugin);

/* Loads; asserts that what the entry point said is S_OK when the transport's status is. */
BhResult fixture_load(Fixture *fixture);

/* Notifies of a hook with arguments that every hook can have; session 7. reply: to be cleared. */
BhResult fixture_notify(Fixture *fixture, BhHook hook, BhNotifyReply *reply);

/* Waits for `died`, then asserts what it said. That it came once is asserted at the end. */
void fixture_assert_died(Fixture *fixture, const char *how);

/* Releases the link, if release has not happened, and everything else. Asserts that `died` came died
 * times. */
void fixture_release(Fixture *fixture);
void fixture_end(Fixture *fixture, guint died);

/* Threads taking turns: says that step was reached; waits until it is. */
void fixture_reach(Fixture *fixture, guint step);
void fixture_await(Fixture *fixture, guint step);
