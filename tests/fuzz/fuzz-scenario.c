/* A scenario's text: it is one, or is refused with a place and a reason. */
#include "fuzz.h"

#include "cli/scenario.h"

static void look_at(const BhScenario *scenario) {
  for (guint i = 0; i < scenario->steps->len; i++) {
    const BhStep *step = g_ptr_array_index(scenario->steps, i);

    g_assert_cmpuint(step->line, >, 0);
    g_assert_nonnull(step->text);
    g_assert_nonnull(step->words);
    bh_step_option(step, 0, "key");
    g_assert_true((step->kind == BH_STEP_AT_ONCE) == (step->together != NULL));
    if (step->together != NULL) g_assert_cmpuint(step->together->len, <=, BH_SCENARIO_MAX_TOGETHER);
  }
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  g_autofree char *problem = NULL;
  g_autoptr(BhScenario) scenario = bh_scenario_parse((const char *)data, size, &problem);

  g_assert_true((scenario == NULL) == (problem != NULL));
  if (scenario != NULL) look_at(scenario);
  if (problem != NULL) g_assert_true(g_ascii_isdigit(problem[0]) && strchr(problem, ':') != NULL);
  return 0;
}
