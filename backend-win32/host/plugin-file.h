/* plugin-file.h: why a file cannot be a plugin, in words.
 *
 * LoadLibrary has one code for many causes. This looks into the file, without running anything of it:
 *
 *   result = bh_plugin_file_inspect(path, &cause);        before loading: is it there, a DLL, for x64?
 *   …
 *   cause = bh_plugin_file_missing_dll(path);             after ERROR_MOD_NOT_FOUND: which one?
 *
 * The file is mapped and read as bytes; every offset in it is checked against its size, as it may be
 * anything.
 *
 * No state; any thread. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* BH_OK: a DLL for this machine. Else the code LoadLibrary would give, and *cause, the caller's. */
BhResult bh_plugin_file_inspect(const char *path, char **cause);

/* "library.dll" or "library.dll (imported by other.dll)": a DLL that this one imports, or that a DLL beside
 * it does, which is neither beside it nor Windows'. Delay-loaded ones do not count. NULL: all are there. The
 * caller's. */
char *bh_plugin_file_missing_dll(const char *path);

G_END_DECLS
