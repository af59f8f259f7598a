#include "trend.h"

/* One column more: the right-hand side. */
typedef double Equations[SOAK_CAUSES][SOAK_CAUSES + 1];

static double column(const SoakPoint *point, guint i) {
  return i < SOAK_CAUSES ? point->cause[i] : point->value;
}

static double mean(const SoakPoint *points, guint count, guint i) {
  double sum = 0;

  for (guint n = 0; n < count; n++) sum += column(&points[n], i);
  return sum / count;
}

/* The normal equations, of deviations from the means. */
static void make_equations(const SoakPoint *points, guint count, Equations equations) {
  for (guint row = 0; row < SOAK_CAUSES; row++)
    for (guint i = 0; i <= SOAK_CAUSES; i++) {
      const double row_mean = mean(points, count, row), i_mean = mean(points, count, i);

      equations[row][i] = 0;
      for (guint n = 0; n < count; n++)
        equations[row][i] += (column(&points[n], row) - row_mean) * (column(&points[n], i) - i_mean);
    }
}

/* Gauss and Jordan; the matrix is symmetric and not negative, so the diagonal serves as pivots. */
SoakTrend soak_trend(const SoakPoint *points, guint count) {
  SoakTrend trend = {{0}};
  double least[SOAK_CAUSES];
  gboolean used[SOAK_CAUSES];
  Equations equations;

  make_equations(points, count, equations);
  for (guint i = 0; i < SOAK_CAUSES; i++) least[i] = 1e-6 * equations[i][i];
  for (guint pivot = 0; pivot < SOAK_CAUSES; pivot++) {
    used[pivot] = equations[pivot][pivot] > least[pivot];
    for (guint row = 0; row < SOAK_CAUSES && used[pivot]; row++) {
      const double factor = equations[row][pivot] / equations[pivot][pivot];

      for (guint i = 0; i <= SOAK_CAUSES && row != pivot; i++) equations[row][i] -= factor * equations[pivot][i];
    }
  }
  for (guint i = 0; i < SOAK_CAUSES; i++)
    if (used[i]) trend.per[i] = equations[i][SOAK_CAUSES] / equations[i][i];
  return trend;
}
