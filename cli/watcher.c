#include "watcher.h"

#include "watch-view.h"

static BhResult on_notice(gpointer data, const BhProcessNotice *notice) {
  const BhWatcher *watcher = data;
  g_autofree char *line = watcher->json ? bh_watch_json(notice, g_get_real_time())
                                        : bh_watch_row(notice, bh_clock_now() - watcher->began);

  watcher->print(watcher->data, line);
  return BH_OK;
}

BhResult bh_watcher_begin(BhWatcher *watcher, BhProcessNotify *notify) {
  const BhNotifyType type = watcher->plain ? BH_NOTIFY_PLAIN : BH_NOTIFY_SUBSYSTEMS;
  g_autofree char *heading = watcher->json ? NULL : bh_watch_heading();
  BhResult result;

  watcher->notify = notify;
  watcher->began = bh_clock_now();
  if (heading != NULL) watcher->print(watcher->data, heading);
  result = bh_process_notify_add(notify, BH_NOTIFY_PROCESSES, type, on_notice, watcher, &watcher->processes);
  if (BH_FAILED(result)) return result;
  result = bh_process_notify_add(notify, BH_NOTIFY_THREADS, type, on_notice, watcher, &watcher->threads);
  if (BH_FAILED(result)) bh_process_notify_remove(notify, watcher->processes);
  return result;
}

void bh_watcher_end(BhWatcher *watcher) {
  bh_process_notify_remove(watcher->notify, watcher->threads);
  bh_process_notify_remove(watcher->notify, watcher->processes);
}
