#include "platform.h"

#include "commands.h"

#include "guest/client.h"
#include "guest/memory.h"

void bh_platform_open_guest(BhPlatform *platform, BhGuestKind kind, const char *agent) {
  if (kind == BH_GUEST_AGENT) {
    platform->guest = bh_guest_agent_new(agent);
    platform->free_guest = bh_guest_agent_free;
  } else {
    platform->guest = bh_guest_memory_new();
    platform->free_guest = bh_guest_memory_free;
  }
}

char *bh_platform_beside(const char *name) {
  g_autofree char *program = bh_platform_program(), *folder = g_path_get_dirname(program);
  return g_build_filename(folder, name, NULL);
}

char *bh_platform_file(const char *option, const char *name) {
  return option != NULL ? g_strdup(option) : bh_platform_beside(name);
}

gboolean bh_guest_kind_parse(const char *name, BhGuestKind *kind) {
  *kind = g_str_equal(name, "agent")    ? BH_GUEST_AGENT
          : g_str_equal(name, "memory") ? BH_GUEST_MEMORY
                                        : BH_GUEST_DEFAULT;
  if (*kind == BH_GUEST_DEFAULT) bh_usage_error("--guest is 'agent' or 'memory', not '%s'", name);
  return *kind != BH_GUEST_DEFAULT;
}
