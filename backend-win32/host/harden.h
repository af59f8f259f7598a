/* harden.h: what this process gives up before it runs anybody else's code.
 *
 *   bh_harden(&refusal);              first thing in main
 *   …
 *   if (refusal != NULL)              then no plugin is loaded
 *
 * - Privileges: all but those that a plugin can need are removed from the process's token, which nothing gives
 *   back; and that is verified. A host that cannot show it loads nothing.
 * - Mitigation policies: those that no legitimate plugin notices. Each is for good too. One that this Windows
 *   does not know is left out.
 * - DLLs are looked for in Windows' own folder and in those that were added by AddDllDirectory, which the
 *   plugin's is (plugin.c): not in the current folder, not in PATH, not beside wslpluginhost.exe.
 * - A heap that notices that it is corrupt ends the process.
 *
 * This is no sandbox. The host still runs as the service's user, and what that user's access rights reach, it
 * can reach: docs/windows.md says what stays open.
 *
 * Threading: once, by the only thread. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* *refusal, the caller's: why no plugin may be loaded; NULL: it may. */
void bh_harden(char **refusal);

G_END_DECLS
