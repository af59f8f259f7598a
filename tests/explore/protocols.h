/* protocols.h: what `bulkhead explore` explores, by the room of core that it is about.
 *
 * To add one: write a function that runs core's objects, expects what must hold, and joins its threads (explorer.h); add it to
 * its room's table. Each is explored under every schedule with up to three preemptions, unless its row says otherwise. */
#pragma once

#include "backend-mock/explorer.h"

typedef struct {
  const BhProtocol *protocols;
  guint count;
} BhProtocolTable;

extern const BhProtocolTable bh_protocols_instance_lock;
extern const BhProtocolTable bh_protocols_callbacks;
extern const BhProtocolTable bh_protocols_rooms;
extern const BhProtocolTable bh_protocols_wslc;
extern const BhProtocolTable bh_protocols_service;
extern const BhProtocolTable bh_protocols_process_notify;
