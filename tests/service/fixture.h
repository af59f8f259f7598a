/* fixture.h: a service on the mock backend, with plugins written in C and a guest in memory behind a probe.
 *
 *   Fixture fixture;
 *   fixture_open(&fixture, plugins, G_N_ELEMENTS(plugins));    one plugin for each
 *   g_assert_cmpint(fixture_start(&fixture), ==, BH_OK);       the session's distribution, and the VM
 *   fixture_close(&fixture); */
#pragma once

#include "backend-mock/mock.h"
#include "core/service.h"
#include "guest/memory.h"
#include "tests/common/gate.h"
#include "tests/common/probe-guest.h"

#define ALL_VM_HOOKS 0x3fu

/* µs; the service's. Only hooks that hang at its stop last so long. */
#define FIXTURE_STOP_TIMEOUT (G_USEC_PER_SEC / 2)

typedef struct {
  BhBackend *backend;
  BhGuest *inner;
  BhProbeGuest guest;
  BhService *service;
  BhSession *session;
  BhDistribution distribution;
  GString *trace; /* "who what RESULT\n"; guarded by the trace's own lock */
} Fixture;

/* The callback design of the services that fixture_open makes; pumped at first. */
extern const BhCallbacks *fixture_callbacks;

void fixture_open(Fixture *fixture, const BhMockPlugin *plugins, guint count);
void fixture_close(Fixture *fixture);

/* Starts the distribution, and the VM with it. */
BhResult fixture_start(Fixture *fixture);
/* Another session, with the distribution registered. */
BhSession *fixture_open_session(Fixture *fixture);

/* Starts it, expecting failure: the whole text that the user is shown. The caller's. */
char *fixture_refused(Fixture *fixture);
