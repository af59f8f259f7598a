/* machine.h: what Windows is told of Bulkhead besides its COM classes and its service, for the whole machine.
 *
 * An MSI says most of it by itself (backend-win32/package/bulkhead.wxs); `bulkhead install` says it where there is none. The
 * two must agree. Paths are absolute, UTF-8. Every function may be called again. Win32 errors. */
#pragma once

#include <glib.h>
#include <windows.h>

G_BEGIN_DECLS

/* The Event Log's source, and that Windows Error Reporting keeps dumps of hosts in that folder. */
DWORD bh_machine_register(const char *program, const char *dumps);
DWORD bh_machine_unregister(void);

/* Makes the folder for dumps, or takes it over: for SYSTEM and administrators only, as a dump holds what a plugin had in its
 * memory. */
DWORD bh_machine_make_dumps(const char *dumps);
/* The folder where hosts of this user's own `bulkhead run` put theirs. The caller's. */
char *bh_machine_own_dumps(void);
/* Deletes the dumps and their folder. A file that is not a dump is kept, and the folder with it; so is all that a link in
 * the folder's place leads to. */
void bh_machine_remove_dumps(const char *dumps);

/* Whether an administrator, or a group policy, has it that plugins of the service must be signed: RequireSignatures, not 0,
 * in HKLM\SOFTWARE\Policies\Bulkhead. What cannot be read, or is no number, counts as a yes. */
gboolean bh_machine_requires_signatures(void);

/* Has Winsock load no layered service provider into that program: a third party's DLL in every process that opens a socket
 * is what Bulkhead is there to avoid. Windows has no function that takes it back; it names the program's path, and does
 * nothing when that is gone. */
DWORD bh_machine_refuse_providers(const char *program);

G_END_DECLS
