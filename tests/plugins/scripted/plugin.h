/* plugin.h: scripted.dll, a plugin for real hosts that does what the script beside it says.
 *
 * It is an ordinary plugin DLL over the public header, and the same interpreter as the mock's
 * (backend-mock/script.h): copy it to C:\x\Shield.dll, and it reads C:\x\Shield.script and appends what it
 * does to C:\x\Shield.log. DllMain reads the script; a mistake in it fails the entry point with
 * ERROR_BAD_EXE_FORMAT, and is the log's first line.
 *
 *     host ── WSLPluginAPIV1_EntryPoint ──▶ plugin.c ── bh_script_load ──▶ interpreter
 *     host ── OnVMStarted, … ──▶ hooks.c ── BhNotification, bh_script_hook ──▶ interpreter
 *     host ◀── MountFolder, … ── port.c ◀── BhCall, BhScriptPort ── interpreter
 *
 * Threading: as the interpreter's. What plugin.c sets is set in DllMain and the entry point, before any
 * hook. */
#pragma once

#include "backend-win32/WslPluginApi.h"

#include "backend-mock/script-file.h"

/* What the entry point was given. */
extern const struct WSLPluginAPIV1 *plugin_api;

/* The script as it runs; NULL: there is none to run. */
extern BhScriptRun *plugin_run;

extern BhScriptLog *plugin_log;

/* hooks.c: sets those hooks for which bit n of handled is set. */
void plugin_fill_hooks(struct WSLPluginHooksV1 *hooks, guint32 handled);

/* port.c: the script's way to the API table, to threads and to its death. */
extern const BhScriptPort plugin_port;
