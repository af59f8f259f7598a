/* trend.h: what a round leaves behind, told apart from what else moves a figure.
 *
 * A least-squares fit of   value = a + b[0] · cause[0] + b[1] · cause[1] + …   over all samples. The causes are told apart
 * because they move differently: rounds without a bad end and rounds with many of them come in between each other, and the
 * pools' threads come and go. */
#pragma once

#include <glib.h>

typedef enum {
  SOAK_ROUNDS, /* so many were run */
  SOAK_ENDS,   /* so many hosts ended other than by being let go */
  SOAK_ALIVE, /* so many threads are there at the moment: each has its stack, its handles and thread-local blocks */
  SOAK_CAUSES
} SoakCause;

typedef struct {
  double cause[SOAK_CAUSES], value;
} SoakPoint;

typedef struct {
  double per[SOAK_CAUSES];
} SoakTrend;

/* A cause that did not move, or only as another did, counts for nothing. */
SoakTrend soak_trend(const SoakPoint *points, guint count);
