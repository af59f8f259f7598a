/* report.h: a run of a scenario, told on a timeline: each step as it begins, what a user is shown, what was expected in vain.
 *
 *   BhReport report = {"demo.scenario", &timeline};
 *   held = bh_run(service, &user, scenario, &(BhRunReport){bh_report_begin, bh_report_end, &report});
 */
#pragma once

#include "runner.h"
#include "timeline.h"

G_BEGIN_DECLS

typedef struct {
  const char *file; /* the scenario's, for complaints */
  const BhTimeline *timeline;
} BhReport;

/* Of a BhRunReport, whose data is the BhReport. */
void bh_report_begin(const BhStep *step, gpointer report);
void bh_report_end(const BhStep *step, const char *error, const char *complaint, gpointer report);

G_END_DECLS
