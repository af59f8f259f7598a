/* watch-view.h: what `bulkhead watch` prints of each process and thread that begins or ends: a table for people, or JSON,
 * an object a line, for a SIEM.
 *
 *         when  subsystem  event               pid   thread   parent  whose             what
 *       0.105s  WSL        created            4711              4700  session 1         /bin/cat: /bin/cat 'a file'
 *       0.108s  WSL        exited             4711                    session 1         status 0
 *
 *     {"time":"2026-11-24T02:30:00.123456Z","subsystem":"WSL","event":"process created","pid":4711,…}
 *
 * Functions of this header are pure: notice to text. */
#pragma once

#include "core/process-notify.h"

G_BEGIN_DECLS

/* The table's first line. The caller's. */
char *bh_watch_heading(void);

/* A line of the table, without its end: always one line, whatever an image's name has in it. when: µs since the watch began.
 * The caller's. */
char *bh_watch_row(const BhProcessNotice *notice, gint64 when);

/* An object, in one line without its end. Members that are not known are left out. now: the wall clock, as g_get_real_time has
 * it. The caller's. */
char *bh_watch_json(const BhProcessNotice *notice, gint64 now);

G_END_DECLS
