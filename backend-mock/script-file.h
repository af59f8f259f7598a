/* script-file.h: a script's two files.
 *
 *   BhResult result = bh_script_read("/tmp/shield.script", &script, &cause);
 *   BhScriptLog *log = bh_script_log_open("/tmp/shield.script");        appends to /tmp/shield.log
 *   bh_script_log_append(log, "load");
 *
 * Threading: a log may be appended to from any thread; a line is one write to a file opened for appending. */
#pragma once

#include "script.h"

G_BEGIN_DECLS

typedef struct BhScriptLog BhScriptLog;

/* Reads and parses. Without a file ERROR_MOD_NOT_FOUND, with one that is no script ERROR_BAD_EXE_FORMAT;
 * *cause (the caller's) then names the file and says what is wrong. */
BhResult bh_script_read(const char *path, BhScript **script, char **cause);

/* path with another extension. The caller's. */
char *bh_script_sibling(const char *path, const char *extension);

/* The log beside a script or plugin: path with .log for its extension. NULL: it cannot be written. */
BhScriptLog *bh_script_log_open(const char *path);

/* Appends line (without its end), whole. Any thread. */
void bh_script_log_append(BhScriptLog *log, const char *line);

/* Closes the file and frees log; nobody may append any more. */
void bh_script_log_close(BhScriptLog *log);

G_END_DECLS
