#include "plugins.h"

#define VM_HOOKS \
  "on load\n" \
  "on OnVMStarted\n  mount %FOLDER% /mnt/soak ro soak\n  execute /bin/echo %SESSION%\n" \
  "on OnVMStopping\n  execute /bin/true\n" \
  "on OnDistributionStarted\n  execute-in %DISTRIBUTION% /bin/echo %NAME%\n" \
  "on OnDistributionStopping\n" \
  "on OnDistributionRegistered\n" \
  "on OnDistributionUnregistered\n"

/* A process with all there is to one. */
#define PROCESS(name) \
  "  process " name " /bin/sh -c \"echo %NAME%; echo problem >&2; exit 3\"\n" \
  "  process-read " name " stdout\n" \
  "  process-read " name " stderr\n" \
  "  process-wait " name "\n" \
  "  process-code " name "\n" \
  "  process-release " name "\n"

#define WSLC_HOOKS \
  "on load\n" \
  "on OnSessionCreated\n  user\n" PROCESS( \
      "created") "on OnSessionStopping\n" \
                 "on WslcVmStarted\n  wslc-mount %FOLDER% /mnt/soak rw\n" \
                 "on WslcVmStopping\n  wslc-unmount /mnt/soak\n" \
                 "on ContainerStarted\n" PROCESS( \
                     "container") "  process kept /bin/cat\n" \
                                  "on ContainerStopping\n  process-write kept input\n" \
                                  "on ImageCreated\n" \
                                  "on ImageDeleted\n"

/* Says much, and nothing to the service: PluginError belongs to a refusal. */
#define MESSENGER \
  "on load\n  log a line\n" \
  "on OnVMStarted\n  log The virtual machine of session %SESSION%\n  parallel 4\n    log a line\n  end\n" \
  "on OnDistributionStarted\n  log %NAME%\n  user\n" \
  "on OnSessionCreated\n  log %NAME%\n  parallel 4\n    log a line\n  end\n" \
  "on ContainerStarted\n  log %DOCUMENT%\n"

static const char *const behaving[] = {VM_HOOKS, WSLC_HOOKS, MESSENGER};

/* Hooks that a round comes to again and again; the first four may refuse. */
static const char *const hooks[] = {
    "OnVMStarted",   "OnDistributionStarted",   "OnSessionCreated",  "ContainerStarted",
    "OnVMStopping",  "OnDistributionStopping",  "OnSessionStopping", "ImageCreated",
    "WslcVmStarted", "OnDistributionRegistered"};
#define REFUSABLE 4

static const char *const last_hooks[] = {"OnVMStopping", "OnDistributionStopping", "OnSessionStopping"};
static const char *const crashes[] = {"null", "overflow", "abort", "exit", "throw", "illegal"};
static const char *const apartments[] = {"none", "mta", "sta"};

#define PICK(random, table) ((table)[g_rand_int_range(random, 0, G_N_ELEMENTS(table))])

const char *soak_mood_name(SoakMood mood) {
  static const char *const names[] = {"calm", "crashes", "hangs at stop", "hangs at load"};
  return names[mood];
}

/* Calls from 4 to 8 threads of its own, once a hook has returned: some are under way when all is over. */
static char *talker(GRand *random) {
  const gboolean is_wslc = g_rand_boolean(random);
  GString *script = g_string_new("on load\n");

  g_string_append_printf(script, "on %s\n", is_wslc ? "OnSessionCreated" : "OnDistributionStarted");
  for (gint i = g_rand_int_range(random, 4, 9); i > 0; i--)
    g_string_append_printf(script, "  thread talker-%d %s\n    await hook\n    parallel 2\n%s    end\n  end\n", i,
                           PICK(random, apartments),
                           is_wslc ? "      process p /bin/true\n      wslc-mount %FOLDER% /mnt/talk ro\n"
                                     "      wslc-unmount /mnt/talk\n"
                                   : "      execute /bin/echo talk\n      mount %FOLDER% /mnt/talk ro talk\n"
                                     "      execute-in %DISTRIBUTION% /bin/true\n      execute /no/such\n");
  if (is_wslc) g_string_append(script, "on OnSessionStopping\n  join talker-1\n  join talker-2\n");
  return g_string_free(script, FALSE);
}

static char *refuser(GRand *random) {
  return g_strdup_printf("on load\non %s\n%s  return %s\n", hooks[g_rand_int_range(random, 0, REFUSABLE)],
                         g_rand_boolean(random) ? "  error Not today\n" : "",
                         g_rand_boolean(random) ? "E_ACCESSDENIED" : "0x80041234");
}

static char *crasher(GRand *random) {
  const char *hook = PICK(random, hooks), *kind = PICK(random, crashes);

  if (g_rand_boolean(random)) return g_strdup_printf("on load\non %s\n  crash %s\n", hook, kind);
  return g_strdup_printf("on load\non %s\n  thread fatal %s\n    await hook\n    execute /bin/true\n"
                         "    crash %s\n  end\n",
                         hook, PICK(random, apartments), kind);
}

static char *behaving_one(SoakMood mood, GRand *random) {
  const gint draw = g_rand_int_range(random, 0, 16);

  if (draw == 0 && mood != SOAK_HANGS_AT_STOP) return refuser(random); /* a veto stops what had begun */
  if (draw < 4) return talker(random);
  return g_strdup(PICK(random, behaving));
}

static char *bad_one(SoakMood mood, GRand *random) {
  if (mood == SOAK_CRASHES) return crasher(random);
  if (mood == SOAK_HANGS_AT_LOAD)
    return g_strdup(g_rand_boolean(random) ? "on attach\n  hang\n" : "on load\n  hang\n");
  return g_strdup_printf("on load\non %s\n  hang\n", PICK(random, last_hooks));
}

GPtrArray *soak_scripts(SoakMood mood, GRand *random) {
  static const gint most[SOAK_MOODS] = {0, 3, 2, 1};
  GPtrArray *scripts = g_ptr_array_new_with_free_func(g_free);
  const gint bad = most[mood] > 0 ? g_rand_int_range(random, 1, most[mood] + 1) : 0;

  for (gint i = 0; i < SOAK_PLUGINS; i++) g_ptr_array_add(scripts, behaving_one(mood, random));
  for (gint i = 0; i < bad; i++) {
    const gint at = g_rand_int_range(random, 0, SOAK_PLUGINS);

    g_free(scripts->pdata[at]);
    scripts->pdata[at] = bad_one(mood, random);
  }
  return scripts;
}
