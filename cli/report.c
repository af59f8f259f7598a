#include "report.h"

void bh_report_begin(const BhStep *step, gpointer data) {
  const BhReport *report = data;
  bh_timeline_note(report->timeline, "> %s", step->text);
}

void bh_report_end(const BhStep *step, const char *error, const char *complaint, gpointer data) {
  const BhReport *report = data;
  g_auto(GStrv) lines = error != NULL ? g_strsplit(error, "\n", -1) : NULL;

  for (char **line = lines; line != NULL && *line != NULL; line++)
    bh_timeline_note(report->timeline, "! %s", *line);
  if (complaint == NULL) return;
  bh_timeline_alarm(report->timeline, "%s:%u: %s: %s", report->file, step->line, step->text, complaint);
  if (error != NULL && !report->timeline->shown) bh_timeline_alarm(report->timeline, "%s", error);
}
