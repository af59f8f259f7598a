/* scenario.h: what a service is to go through, as a text.
 *
 *   distro register Debian
 *   distro start Debian
 *   expect failure E_UNEXPECTED
 *   expect text "A fatal error was returned by plugin 'Shield'*"
 *   vm stop
 *
 * One step a line; `#` begins a comment; words are separated by blanks, and "quoted" when they have blanks in them. An
 * `expect` belongs to the operation before it; an operation without one is expected to succeed. What stands between
 * `at once` and `end` is one step that holds operations, each with expectations of its own. docs/scenarios.md is the
 * reference, and the table in scenario.c its source.
 *
 * A parsed scenario is immutable. */
#pragma once

#include "core/result.h"

G_BEGIN_DECLS

typedef enum {
  BH_STEP_DISTRO_REGISTER,
  BH_STEP_DISTRO_IMPORT,
  BH_STEP_DISTRO_START,
  BH_STEP_DISTRO_STOP,
  BH_STEP_DISTRO_TERMINATE,
  BH_STEP_DISTRO_EXPORT,
  BH_STEP_DISTRO_UNREGISTER,
  BH_STEP_VM_STOP,
  BH_STEP_SESSION_OPEN,
  BH_STEP_SESSION_USE,
  BH_STEP_WSLC_CREATE,
  BH_STEP_WSLC_OPEN,
  BH_STEP_WSLC_USE,
  BH_STEP_WSLC_CLOSE,
  BH_STEP_WSLC_TERMINATE,
  BH_STEP_WSLC_RUN,
  BH_STEP_WSLC_IDLE,
  BH_STEP_CONTAINER_START,
  BH_STEP_CONTAINER_STOP,
  BH_STEP_IMAGE_PULL,
  BH_STEP_IMAGE_IMPORT,
  BH_STEP_IMAGE_LOAD,
  BH_STEP_IMAGE_BUILD,
  BH_STEP_IMAGE_DELETE,
  BH_STEP_WAIT,
  BH_STEP_AT_ONCE,
  BH_STEP_EXPECT_SUCCESS,
  BH_STEP_EXPECT_FAILURE,
  BH_STEP_EXPECT_TEXT,
  BH_STEP_END,
} BhStepKind;

typedef struct {
  BhStepKind kind;
  guint line;   /* from 1 */
  char *text;   /* the line, without comment and blanks around it */
  char **words; /* what comes after the step's own words */

  GPtrArray *together; /* of `at once`: BhStep, its operations; else NULL */

  /* Of an operation: what is expected of it. */
  gboolean has_outcome; /* success or failure was named */
  gboolean fails;
  gboolean has_code; /* … with this code and no other */
  BhResult code;
  GPtrArray *patterns; /* of the text that the user sees: *, ? as in a shell; each must match */
} BhStep;

typedef struct {
  GPtrArray *steps; /* BhStep: operations only, their expectations inside */
} BhScenario;

#define BH_SCENARIO_MAX_SIZE     (1024 * 1024)
#define BH_SCENARIO_MAX_TOGETHER 16
#define BH_SCENARIO_MAX_SECONDS  3600

/* Parses a text of that size. NULL: *problem (the caller's) is "LINE:COLUMN: what is wrong". */
BhScenario *bh_scenario_parse(const char *text, gsize size, char **problem);

void bh_scenario_free(BhScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhScenario, bh_scenario_free)

/* The steps and their arguments, one a line, for --help. The caller's. */
char *bh_scenario_usage(void);

/* The value of "key=value" among a step's words from the nth on, or NULL; and whether a bare word is among them. */
const char *bh_step_option(const BhStep *step, guint from, const char *key);
gboolean bh_step_has(const BhStep *step, guint from, const char *word);

G_END_DECLS
