/* Native Linux: hosts are threads of this process, plugins are scripts (docs/scripts.md), and none is registered. */
#include "commands.h"
#include "platform.h"

#include "backend-mock/mock.h"

/* A scripted plugin asks whether there is a token at all; there is one user here, the one who runs this. */
#define TOKEN 1

gboolean bh_platform_open(BhPlatform *platform, const BhPlatformOptions *options, char **problem) {
  (void)problem;
  *platform = (BhPlatform){.user = {.token = TOKEN}};
  bh_platform_open_guest(platform, options->guest == BH_GUEST_DEFAULT ? BH_GUEST_MEMORY : options->guest,
                         options->agent);
  platform->backend = bh_backend_mock_new(NULL, 0);
  return TRUE;
}

void bh_platform_close(BhPlatform *platform) {
  bh_backend_mock_free(platform->backend);
  platform->free_guest(platform->guest);
}

void bh_platform_discover(BhService *service) {
  (void)service; /* Linux has no registry */
}

int bh_platform_run_in_service(const char *text, gsize size, gboolean quiet) {
  (void)text;
  (void)size;
  (void)quiet;
  return bh_usage_error("--service is for Windows: there is no service here");
}

int bh_platform_watch_service(gboolean json, gboolean plain) {
  (void)json;
  (void)plain;
  return bh_usage_error("watch needs a scenario: there is no service here that it could look at");
}

char *bh_platform_program(void) {
  char *program = g_file_read_link("/proc/self/exe", NULL);
  return program != NULL ? program : g_strdup("bulkhead");
}

char *bh_platform_absolute(const char *path) {
  return g_canonicalize_filename(path, NULL);
}

const BhCommand *const bh_platform_commands[] = {&bh_command_explore, NULL};
