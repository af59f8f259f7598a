/* round.h: one service with its plugins, from its making to its end. */
#pragma once

#include "core/service.h"
#include "plugins.h"

/* What all rounds have in common. */
typedef struct {
  char *host; /* wslpluginhost.exe */
  BhBackend *backend;
  BhGuest *guest;
  BhUser user;
  char *folder;
  char *plugins[SOAK_PLUGINS]; /* the DLLs; what one does stands in the script beside it */
} SoakWorld;

/* build: the folder of what was built, with its backend-win32/ and tests/plugins/. */
void soak_world_open(SoakWorld *world, const char *build);
void soak_world_close(SoakWorld *world);

typedef struct {
  guint hosts;      /* that were started */
  guint ends;       /* of those, ended other than by being let go: crashed, or were ended for hanging */
  guint unstarted;  /* hosts that could not be started, or their plugin not loaded */
  guint late;       /* hosts that ended only after the service had been freed */
  guint operations; /* of users */
  guint failures;   /* of those */
} SoakCounts;

/* Runs a round, and adds to *counts. Whatever must not be ends the program: an operation, or the stop, that does not
 * return; a failure without code or text; a host that is left over; in a calm round, one that dies, or (not under Wine) does not
 * start. */
void soak_round(SoakWorld *world, SoakMood mood, GRand *random, SoakCounts *counts);
