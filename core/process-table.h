/* process-table.h: the WSLC processes that one link was handed, by the numbers its plugin knows them by.
 *
 * A plugin holds numbers, never references: they mean something on its own link only, a number that was never given is
 * E_INVALIDARG, and all of it is let go when the plugin releases it or the link ends, whichever comes first. Processes run
 * on: they end by themselves, or with their VM.
 *
 * Guarantees: a stream is handed out once (contract, section 4); a number is not used again; nothing is added once the
 * table has ended, so that a process that was on its way to a dead host is let go at once.
 *
 * Threading: any function from any thread but new and free. Its lock is a leaf, and is not held while the guest is
 * asked. */
#pragma once

#include "contract.h"

G_BEGIN_DECLS

#define BH_PROCESS_TABLE_MAX 1024u /* processes that a link may hold at one time */

typedef struct BhProcessTable BhProcessTable;

BhProcessTable *bh_process_table_new(void);
void bh_process_table_free(BhProcessTable *table);

/* Makes room for one more. E_UNEXPECTED: the link has ended; E_OUTOFMEMORY: it holds too many. */
BhResult bh_process_table_reserve(BhProcessTable *table);

/* Takes that room, process and streams, whatever comes of it. E_UNEXPECTED: the link has ended meanwhile. */
BhResult bh_process_table_add(BhProcessTable *table, BhProcess *process, BhResource streams[BH_STREAM_COUNT],
                              guint64 *number);

/* Gives the room back: there is no process. */
void bh_process_table_cancel(BhProcessTable *table);

/* Serves the calls that name a process: BH_API_PROCESS_*. */
void bh_process_table_call(BhProcessTable *table, const BhCall *call, BhCallReply *reply);

/* Lets all of them go, and takes no more. */
void bh_process_table_end(BhProcessTable *table);

G_END_DECLS
