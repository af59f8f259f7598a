/* sync-observers.h: who is told of what threads do to locks (see BhSyncObserver).
 *
 * For the implementations of sync.h alone:
 *
 *   BH_OBSERVE(acquire, mutex->class, mutex, site);
 *
 * One comparison when there are no observers. */
#pragma once

#include "sync.h"

G_BEGIN_DECLS

#define BH_SYNC_MAX_OBSERVERS 4

/* Change only while nobody else looks. */
extern const BhSyncObserver *bh_sync_observers[BH_SYNC_MAX_OBSERVERS];
extern guint bh_sync_observer_count;

#define BH_OBSERVE(member, ...) \
  G_STMT_START { \
    for (guint observer_ = 0; G_UNLIKELY(observer_ < bh_sync_observer_count); observer_++) \
      if (bh_sync_observers[observer_]->member != NULL) bh_sync_observers[observer_]->member(__VA_ARGS__); \
  } \
  G_STMT_END

/* FALSE: an observer says that no thread of that name is to be had. */
gboolean bh_sync_may_start_thread(const char *name);

G_END_DECLS
