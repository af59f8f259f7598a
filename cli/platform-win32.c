/* Windows: hosts are processes, plugins are DLLs, found in the registry. */
#include "commands.h"
#include "platform.h"

#include "backend-win32/backend-win32.h"

#include <windows.h>

/* A path may be longer than MAX_PATH: this is what the system allows. */
#define MAX_PATH_CHARS 32768

gboolean bh_platform_open(BhPlatform *platform, const BhPlatformOptions *options, char **problem) {
  g_autofree char *host = bh_platform_absolute(options->host);

  *platform = (BhPlatform){0};
  platform->backend = bh_backend_win32_new(&(BhWin32Settings){.host_path = host}, problem);
  if (platform->backend == NULL) return FALSE;
  if (!bh_win32_current_user(&platform->user.token, &platform->user.sid)) {
    bh_backend_win32_free(platform->backend);
    *problem = g_strdup("the user's token cannot be had");
    return FALSE;
  }
  bh_platform_open_guest(platform, options->guest == BH_GUEST_DEFAULT ? BH_GUEST_AGENT : options->guest,
                         options->agent);
  return TRUE;
}

void bh_platform_close(BhPlatform *platform) {
  bh_backend_win32_free(platform->backend);
  platform->free_guest(platform->guest);
  bh_win32_token_close(platform->user.token);
  g_bytes_unref(platform->user.sid);
}

static void on_found(gpointer service, const char *name, const char *path) {
  bh_service_add_plugin(service, name, path);
}

static void on_warning(gpointer service, const char *text) {
  (void)service;
  g_printerr("bulkhead: %s\n", text);
}

void bh_platform_discover(BhService *service) {
  static const BhWin32Discovery discovery = {on_found, on_warning};
  bh_win32_discover(&discovery, service);
}

char *bh_platform_program(void) {
  static wchar_t path[MAX_PATH_CHARS];
  DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH_CHARS);
  char *program = length > 0 && length < MAX_PATH_CHARS
                      ? g_utf16_to_utf8((const gunichar2 *)path, (glong)length, NULL, NULL, NULL)
                      : NULL;

  return program != NULL ? program : g_strdup("bulkhead.exe");
}

/* Not g_canonicalize_filename: "/x" has no drive there, and would mean another file to a host on another drive. */
char *bh_platform_absolute(const char *path) {
  static wchar_t absolute[MAX_PATH_CHARS];
  g_autofree wchar_t *wide = (wchar_t *)g_utf8_to_utf16(path, -1, NULL, NULL, NULL);
  DWORD length = wide != NULL ? GetFullPathNameW(wide, MAX_PATH_CHARS, absolute, NULL) : 0;
  char *text = length > 0 && length < MAX_PATH_CHARS
                   ? g_utf16_to_utf8((const gunichar2 *)absolute, (glong)length, NULL, NULL, NULL)
                   : NULL;

  return text != NULL ? text : g_strdup(path);
}

/* --- bulkhead register, bulkhead unregister ---------------------------------------------------------------------- */

static gboolean parse(char ***arguments, const char *summary, const GOptionEntry *entries) {
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;

  g_option_context_set_summary(context, summary);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse_strv(context, arguments, &error)) {
    bh_usage_error("%s", error->message);
    return FALSE;
  }
  if ((*arguments)[1] != NULL) {
    bh_usage_error("'%s' is one argument too many", (*arguments)[1]);
    return FALSE;
  }
  return TRUE;
}

static int outcome(gboolean done, const char *cause) {
  if (!done) g_printerr("bulkhead: %s\n", cause);
  return done ? BH_EXIT_OK : BH_EXIT_FAILED;
}

/* An option's file, or the one of that name beside this program; absolute. The caller's. */
static char *file_of(const char *option, const char *name) {
  return option != NULL ? bh_platform_absolute(option) : bh_platform_beside(name);
}

static int do_register(char ***arguments) {
  g_autofree char *host = NULL, *proxystub = NULL, *cause = NULL;
  GOptionEntry entries[] = {
      {"host", 0, 0, G_OPTION_ARG_FILENAME, &host, "the host's program; else it is beside this one", "PATH"},
      {"proxystub", 0, 0, G_OPTION_ARG_FILENAME, &proxystub, "the proxy/stub DLL; else it is beside this program",
       "PATH"},
      G_OPTION_ENTRY_NULL,
  };

  if (!parse(arguments, "Tells COM where the plugin host is, for the user who calls this.", entries))
    return BH_EXIT_USAGE;
  g_autofree char *host_path = file_of(host, "wslpluginhost.exe");
  g_autofree char *proxystub_path = file_of(proxystub, "wslpluginproxystub.dll");
  return outcome(bh_win32_register(TRUE, host_path, proxystub_path, &cause), cause);
}

static int do_unregister(char ***arguments) {
  g_autofree char *cause = NULL;
  GOptionEntry entries[] = {G_OPTION_ENTRY_NULL};

  if (!parse(arguments, "Takes back what 'bulkhead register' did.", entries)) return BH_EXIT_USAGE;
  return outcome(bh_win32_unregister(TRUE, &cause), cause);
}

static const BhCommand register_command = {"register", do_register, "tells COM where the plugin host is"};
static const BhCommand unregister_command = {"unregister", do_unregister, "takes that back"};

const BhCommand *const bh_platform_commands[] = {&register_command, &unregister_command, NULL};
