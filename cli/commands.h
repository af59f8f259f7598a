/* commands.h: what `bulkhead` can be asked to do. A command is a row; main.c finds it by its name. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Exit statuses, of every command. */
enum {
  BH_EXIT_OK = 0,     /* done; all expectations held */
  BH_EXIT_FAILED = 1, /* it could not be done; an expectation did not hold */
  BH_EXIT_USAGE = 2,  /* the command line or the scenario is wrong; nothing was done */
};

typedef struct {
  const char *name;
  int (*main)(
      char ***arguments); /* the command's own name first; parsed options are taken out. Returns a status */
  const char *meaning;
} BhCommand;

extern const BhCommand bh_command_run;
extern const BhCommand bh_command_watch;
extern const BhCommand bh_command_explore;

/* Those that only this platform has, up to a NULL. */
extern const BhCommand *const bh_platform_commands[];

/* Says on stderr what is wrong with the command line. Returns BH_EXIT_USAGE. */
int bh_usage_error(const char *format, ...) G_GNUC_PRINTF(1, 2);

G_END_DECLS
