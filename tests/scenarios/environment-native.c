/* Native Linux: the mock backend, a guest in memory. */
#include "environment.h"

#include "backend-mock/mock.h"
#include "guest/memory.h"

const char *platform_name(void) {
  return "native";
}

void platform_open(Environment *environment) {
  environment->backend = bh_backend_mock_new(NULL, 0);
  environment->inner_guest = bh_guest_memory_new();
  environment->user.token = 1;
}

void platform_close(Environment *environment) {
  bh_backend_mock_free(environment->backend);
  bh_guest_memory_free(environment->inner_guest);
}

const char *platform_plugin(const Environment *environment) {
  (void)environment;
  return NULL;
}

gboolean platform_host_runs(guint32 pid) {
  (void)pid; /* a mock host has no process */
  return FALSE;
}

void platform_kill_host(guint32 pid) {
  (void)pid;
  g_assert_not_reached();
}

void platform_require_signatures(Environment *environment) {
  (void)environment; /* no row that is for the mock backend asks for them */
  g_assert_not_reached();
}
