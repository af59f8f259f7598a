/* same-states.h: the reduction reaches what the whole search reaches. */
#pragma once

#include "shared.h"

static inline void assert_subset(GHashTable *part, GHashTable *whole, const char *what) {
  GHashTableIter iter;
  gpointer outcome;

  g_hash_table_iter_init(&iter, part);
  while (g_hash_table_iter_next(&iter, &outcome, NULL))
    if (!g_hash_table_contains(whole, outcome)) g_error("%s: '%s' is missing", what, (char *)outcome);
}

/* data: a BhProtocol. Under each bound up to its own: the same states with and without the reduction, or a finding with both. As
 * far as the whole search takes seconds. */
static inline void assert_same_states(gconstpointer data) {
  static const guint bounds[] = {0, 1, 2, 3, 4, BH_EXPLORE_NO_BOUND};
  const BhProtocol *protocol = data;
  guint64 schedules = 0;

  for (guint i = 0; i < G_N_ELEMENTS(bounds); i++) {
    BhExploreOptions options = {
        .bound = bounds[i], .whole = TRUE, .until = g_get_monotonic_time() + 3 * G_USEC_PER_SEC};
    g_auto(BhExploreReport) whole = {0}, reduced = {0};
    if (bounds[i] > protocol->bound || schedules > 20000) break;
    bh_explore_bounded(protocol, &options, &whole);
    if (!whole.complete && whole.finding == NULL) break;
    schedules = whole.schedules;
    options.whole = FALSE;
    options.until = 0;
    bh_explore_bounded(protocol, &options, &reduced);
    g_test_message("%s, bound %d: %" G_GUINT64_FORMAT " schedules, reduced %" G_GUINT64_FORMAT ", %u states; %s",
                   protocol->name, (int)bounds[i], whole.schedules, reduced.schedules,
                   g_hash_table_size(whole.outcomes), whole.finding != NULL ? whole.finding : "no finding");
    if ((whole.finding != NULL) != (reduced.finding != NULL))
      g_error("whole: %s; reduced: %s", whole.finding, reduced.finding);
    if (whole.finding != NULL) break;
    assert_subset(whole.outcomes, reduced.outcomes, "reduced");
    assert_subset(reduced.outcomes, whole.outcomes, "whole");
  }
}
