/* compare.h: a log against what was expected of it (rows.h has the patterns). */
#pragma once

#include <glib.h>

/* Ends the test where they differ. plugin: for people. */
void bh_compare_logs(const char *plugin, const char *expected, const char *log);
