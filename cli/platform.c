#include "platform.h"

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
