/* Windows: hosts are processes, plugins are DLLs, found in the registry. */
#include "platform.h"

#include "win32/channel.h"
#include "win32/commands-win32.h"

#include <string.h>

#include "backend-win32/backend-win32.h"

#include <windows.h>

/* A path may be longer than MAX_PATH: this is what the system allows. */
#define MAX_PATH_CHARS 32768

gboolean bh_platform_open(BhPlatform *platform, const BhPlatformOptions *options, char **problem) {
  g_autofree char *host = bh_platform_absolute(options->host);

  *platform = (BhPlatform){0};
  platform->backend = bh_backend_win32_new(
      &(BhWin32Settings){.host_path = host,
                         .signing = options->signed_only ? BH_WIN32_SIGNING_REQUIRED : BH_WIN32_SIGNING_AS_BUILT},
      problem);
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

int bh_platform_watch_service(gboolean json, gboolean plain) {
  g_autofree char *words = g_strconcat(json ? "json " : "", plain ? "plain " : "", NULL);
  return bh_channel_ask(BH_CHANNEL_WATCH, words, strlen(words), FALSE);
}

int bh_platform_run_in_service(const char *text, gsize size, gboolean quiet) {
  return bh_channel_ask(BH_CHANNEL_RUN, text, size, quiet);
}

const BhCommand *const bh_platform_commands[] = {
    &bh_command_register,  &bh_command_unregister, &bh_command_install,
    &bh_command_uninstall, &bh_command_service,    NULL,
};
