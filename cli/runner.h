/* runner.h: puts a service through a scenario.
 *
 *   gboolean held = bh_run(service, &user, scenario, print_line, NULL);
 *
 * Every step's outcome is compared with what the scenario expects of it, and reported. A step that did not meet its
 * expectation does not end the run: the others are still tried. At the end every session is closed.
 *
 * One thread; it takes part in no lock. */
#pragma once

#include "core/service.h"
#include "scenario.h"

G_BEGIN_DECLS

typedef struct {
  /* A step is about to run. */
  void (*begin)(const BhStep *step, gpointer data);
  /* It has run. error: what the user is shown, or NULL; complaint: what was expected and did not happen, or NULL. */
  void (*end)(const BhStep *step, const char *error, const char *complaint, gpointer data);
  gpointer data;
} BhRunReport;

/* Runs all steps. TRUE: every expectation held. user is whom the sessions belong to. */
gboolean bh_run(BhService *service, const BhUser *user, const BhScenario *scenario, const BhRunReport *report);

G_END_DECLS
