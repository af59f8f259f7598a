/* rows.h: shared/SCENARIOS.md as a table, for every backend.
 *
 * A row is a plugin's script (backend-mock/script.h), a scenario (cli/scenario.h) and the log that the plugin must have
 * written. A row that must lead threads to a certain moment has a function instead (directed.c).
 *
 * In an expected log `*` and `?` stand for anything within a line, and a line that begins with `~` may stand anywhere:
 * it is written by a thread of the plugin's own, whose order against the hooks is chance. %USER% is the user's name. */
#pragma once

#include "environment.h"

#define MAX_PLUGINS 3

enum {
  ON_MOCK = 1,  /* hosts as threads */
  ON_WIN32 = 2, /* real hosts */
  ON_BOTH = ON_MOCK | ON_WIN32,
};

typedef struct {
  const char *name; /* "01-success": the row's number first */
  guint backends;
  struct {
    const char *script; /* NULL: no such plugin; SAME_FILE: the file of the one before, registered again */
    const char *log;    /* what it must have logged; NULL: it was not loaded */
  } plugins[MAX_PLUGINS];
  const char *steps;
  gboolean host_dies; /* the first plugin's host ends by itself, before the service lets go of it */
  int at_once; /* calls that run in the service at once, of a VM session under the shared design only; 0: as it comes */
  guint32 forbidden;         /* VM flags that policy forbids */
  gboolean signing_required; /* ON_WIN32 only */
  guint
      load_timeout; /* ms; 0: the default. Ten times that for real hosts, whose start alone may take seconds. The run
                         must not take longer than twice this, and 10 s */
  void (*directed)(Environment *environment);
  const char *elsewhere; /* the test that shows it, because it is about processes and no session */
} Row;

#define SAME_FILE "same file"

extern const Row rows[];
extern const guint row_count;
extern const Row wslc_rows[];
extern const guint wslc_row_count;

/* The directed ones, and what of the sync observer they need. */
void directed_on_wait(const BhLockClass *lock_class, gconstpointer lock);
void directed_wslc_on_wait(const BhLockClass *lock_class, gconstpointer lock);
gboolean directed_may_start_thread(const char *name);
void row_07_init_pid(Environment *environment);
void row_37_own_thread(Environment *environment);
void row_38_pre_notification(Environment *environment);
void row_39_hook_returns(Environment *environment);
void row_41_no_thread(Environment *environment);
void row_43_disconnected_result(Environment *environment);
void row_49_announced_stop(Environment *environment);
void row_50_two_sessions(Environment *environment);
void row_55_dies_idle(Environment *environment);
void row_55_dies_at_vm_start(Environment *environment);
void row_55_dies_at_distro_start(Environment *environment);
void row_59_result_on_its_way(Environment *environment);
