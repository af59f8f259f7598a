/* explorer-internal.h: what the kinds of search share. */
#pragma once

#include "explorer.h"

/* One execution under choose, whose choices are noted. TRUE: no finding. FALSE: the report has it. */
gboolean bh_explore_one(const BhProtocol *protocol, const BhExploreOptions *options, BhChooser choose,
                        gpointer data, BhExploreReport *report);

/* Of the execution that has just ended. */
void bh_explore_keep_finding(BhExploreReport *report, const BhFinding *finding);

/* Around the executions of a search. */
void bh_explore_begin(BhExploreReport *report);
void bh_explore_end(void);

/* Time is over. Looks at the clock now and then. */
gboolean bh_explore_is_over(const BhExploreOptions *options, const BhExploreReport *report);

/* The last execution's threads, a column each. */
char *bh_explore_format_trace(void);

/* "NAME:FLAGS:CHOICES". FLAGS: r (after_release), sN (spurious). CHOICES: "12.1,3.2" is the first option twelve times, then
 * option 1, then the first one three times, then option 2, and the first one from there on. */
char *bh_explore_format_seed(const BhProtocol *protocol, const BhExploreOptions *options,
                             const GByteArray *choices);
/* FALSE: not a seed of this protocol. */
gboolean bh_explore_parse_seed(const BhProtocol *protocol, const char *seed, BhExploreOptions *options,
                               GByteArray *choices);
