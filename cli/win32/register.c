/* register.c: `bulkhead register|unregister`: COM's classes, for the calling user, as a plugin author needs them. */
#include "commands-win32.h"

#include "backend-win32/backend-win32.h"
#include "cli/platform.h"

static int outcome(gboolean done, const char *cause) {
  if (!done) g_printerr("bulkhead: %s\n", cause);
  return done ? BH_EXIT_OK : BH_EXIT_FAILED;
}

/* Absolute: COM has no working folder. The caller's. */
static char *file_of(const char *option, const char *name) {
  g_autofree char *file = bh_platform_file(option, name);
  return bh_platform_absolute(file);
}

static int do_register(char ***arguments) {
  g_autofree char *host = NULL, *proxystub = NULL, *cause = NULL;
  GOptionEntry entries[] = {
      {"host", 0, 0, G_OPTION_ARG_FILENAME, &host, "the host's program; else it is beside this one", "PATH"},
      {"proxystub", 0, 0, G_OPTION_ARG_FILENAME, &proxystub, "the proxy/stub DLL; else it is beside this program",
       "PATH"},
      G_OPTION_ENTRY_NULL,
  };

  if (!bh_parse_options(arguments, "Tells COM where the plugin host is, for the user who calls this.", entries))
    return BH_EXIT_USAGE;
  g_autofree char *host_path = file_of(host, "wslpluginhost.exe");
  g_autofree char *proxystub_path = file_of(proxystub, "wslpluginproxystub.dll");
  return outcome(bh_win32_register(TRUE, host_path, proxystub_path, &cause), cause);
}

static int do_unregister(char ***arguments) {
  g_autofree char *cause = NULL;
  GOptionEntry entries[] = {G_OPTION_ENTRY_NULL};

  if (!bh_parse_options(arguments, "Takes back what 'bulkhead register' did.", entries)) return BH_EXIT_USAGE;
  return outcome(bh_win32_unregister(TRUE, &cause), cause);
}

const BhCommand bh_command_register = {"register", do_register, "tells COM where the plugin host is"};
const BhCommand bh_command_unregister = {"unregister", do_unregister, "takes that back"};
