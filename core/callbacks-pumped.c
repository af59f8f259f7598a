#include "callbacks.h"

/* The session's lock is its pump's monitor: see instance-lock.h. */
const BhCallbacks bh_callbacks_pumped = {
    .name = "pumped",
    .notify = bh_instance_lock_notify,
    .call = bh_instance_lock_call,
};
