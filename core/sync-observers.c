#include "sync-observers.h"

const BhSyncObserver *bh_sync_observers[BH_SYNC_MAX_OBSERVERS];
guint bh_sync_observer_count;

void bh_sync_add_observer(const BhSyncObserver *observer) {
  g_assert(bh_sync_observer_count < BH_SYNC_MAX_OBSERVERS);
  bh_sync_observers[bh_sync_observer_count++] = observer;
}

void bh_sync_remove_observer(const BhSyncObserver *observer) {
  for (guint i = 0; i < bh_sync_observer_count; i++)
    if (bh_sync_observers[i] == observer) bh_sync_observers[i] = bh_sync_observers[--bh_sync_observer_count];
}

gboolean bh_sync_may_start_thread(const char *name) {
  for (guint i = 0; i < bh_sync_observer_count; i++)
    if (bh_sync_observers[i]->may_start_thread != NULL && !bh_sync_observers[i]->may_start_thread(name))
      return FALSE;
  return TRUE;
}

void bh_sync_note_acquire(const BhLockClass *lock_class, gconstpointer lock, const char *site) {
  BH_OBSERVE(acquire, lock_class, lock, site);
}

void bh_sync_note_acquired(const BhLockClass *lock_class, gconstpointer lock) {
  BH_OBSERVE(acquired, lock_class, lock);
}

void bh_sync_note_release(const BhLockClass *lock_class, gconstpointer lock) {
  BH_OBSERVE(release, lock_class, lock);
}
