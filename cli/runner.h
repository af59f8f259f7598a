/* runner.h: puts a service through a scenario.
 *
 *   gboolean held = bh_run(service, &user, scenario, &(BhRunReport){on_begin, on_end, NULL});
 *
 * Every step's outcome is compared with what the scenario expects of it, and reported. A step that did not meet its
 * expectation does not end the run: the others are still tried. At the end every session is closed, and no WSLC session is
 * used any longer.
 *
 *     the caller's thread       one for each operation of `at once`
 *     ───────────────────       ───────────────────────────────────
 *     begin, begin, begin
 *       ├──────────────────────▶ the service's function
 *       │ waits for all           (looks at what the scenario has open, and changes nothing of it)
 *       │ ◀───────────────────── outcome
 *     in the text's order: goes on in what was opened, compares, end
 *
 * Threading: the caller's, which must hold no lock. */
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

/* Runs all steps. What a program of `wslc run` prints is told to the service's trace, line by line, by its path. TRUE: every expectation held. user is whom the sessions belong to. */
gboolean bh_run(BhService *service, const BhUser *user, const BhScenario *scenario, const BhRunReport *report);

/* Asks a run to end early. BhRunStop is the caller's, outlives the run, and serves one run. */
typedef struct {
  BhMutex lock;
  BhCond changed;
  gboolean wanted;
} BhRunStop;

void bh_run_stop_init(BhRunStop *stop);
void bh_run_stop_clear(BhRunStop *stop);

/* Any thread. The run ends after the operation that is under way; a `wait` is over at once. */
void bh_run_stop(BhRunStop *stop);

/* Waits until it is asked, or until the deadline (bh_clock_now; G_MAXINT64: none). */
void bh_run_stop_await(BhRunStop *stop, gint64 deadline);

/* bh_run, which can be stopped: FALSE then. */
gboolean bh_run_until(BhService *service, const BhUser *user, const BhScenario *scenario,
                      const BhRunReport *report, BhRunStop *stop);

G_END_DECLS
