/* The `bulkhead` command. */
#include "commands.h"

#include "core/lock-order.h"

#include <locale.h>

int bh_usage_error(const char *format, ...) {
  g_autofree char *message = NULL;
  va_list arguments;

  va_start(arguments, format);
  message = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_printerr("bulkhead: %s\n", message);
  return BH_EXIT_USAGE;
}

static const BhCommand *const commands[] = {&bh_command_run, &bh_command_watch};

/* The nth command, NULL after the last. */
static const BhCommand *command_at(guint n) {
  return n < G_N_ELEMENTS(commands) ? commands[n] : bh_platform_commands[n - G_N_ELEMENTS(commands)];
}

static void print_help(void) {
  g_print("Usage: bulkhead COMMAND ...\n\n"
          "Runs a service's third-party plugins in processes of their own.\n\n");
  for (guint i = 0; command_at(i) != NULL; i++)
    g_print("  %-11s %s\n", command_at(i)->name, command_at(i)->meaning);
  g_print("\n'bulkhead COMMAND --help' says more; 'bulkhead --version' its version.\n");
}

static int dispatch(char **arguments) {
  const char *name = arguments[0] != NULL ? arguments[1] : NULL;

  if (name == NULL) {
    print_help();
    return BH_EXIT_USAGE;
  }
  if (g_str_equal(name, "--help") || g_str_equal(name, "-h")) {
    print_help();
    return BH_EXIT_OK;
  }
  if (g_str_equal(name, "--version")) {
    g_print("bulkhead %s\n", BH_VERSION);
    return BH_EXIT_OK;
  }
  for (guint i = 0; command_at(i) != NULL; i++) {
    if (!g_str_equal(name, command_at(i)->name)) continue;
    g_autofree char *program = g_strdup_printf("bulkhead %s", name);
    g_auto(GStrv) own = g_strdupv(arguments + 1);
    g_set_prgname(program);
    return command_at(i)->main(&own);
  }
  return bh_usage_error("there is no command '%s'; see bulkhead --help", name);
}

int main(int argc, char **argv) {
  g_auto(GStrv) arguments = NULL;

  (void)argc;
  (void)argv;
  setlocale(LC_ALL, "");
#ifdef G_OS_WIN32
  arguments = g_win32_get_command_line(); /* argv is in the code page, and may have lost what does not fit */
#else
  arguments = g_strdupv(argv);
#endif
  bh_lock_order_start(bh_lock_order_mode_of_build());
  return dispatch(arguments);
}
