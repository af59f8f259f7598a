/* explorer-jobs.h: all protocols, as far as time allows.
 *
 * Each protocol is explored under one bound after the other, each in a process of its own: as many at a time as there are
 * processors, and a crash or a sanitizer's report ends only one of them. The protocol that was cheapest so far goes next, and
 * gets its share of the time that is left; so all get as far as the time allows, and the most expensive ones come last. */
#pragma once

#include "explorer.h"

typedef struct {
  int bound;     /* -1: each protocol's own */
  int seconds;   /* for all of it; 0: as long as it takes */
  gint64 random; /* schedules, for all of it, besides */
  gint64 random_seed;
  int jobs; /* at a time */
  BhExploreOptions options;
  const BhProtocol *protocols;
  guint count;
} BhExploreCommand;

/* Prints a line for each protocol, and each finding that was not expected. 0: there was none; 1. */
int bh_explore_all(const BhExploreCommand *command);
