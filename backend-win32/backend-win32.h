/* backend-win32.h: plugins in processes of their own, on Windows. Production's implementation of
 * core/backend.h.
 *
 *   g_autofree char *cause = NULL;
 *   BhWin32Settings settings = { .host_path = "C:\\Program Files\\Bulkhead\\wslpluginhost.exe" };
 *   BhBackend *backend = bh_backend_win32_new(&settings, &cause);
 *   …                                                     as core/backend.h says
 *   bh_backend_win32_free(backend);                       when every link was released
 *
 * A host is a COM local server, activated by CLSID (so it must be registered: bh_win32_register, or the
 * installer), one process per plugin. Before it loads anything it is known by its process id and image, and
 * is in a job that ends it with us, and in one of its own that ends all it has started with it. Who talks to whom,
 * and on which thread:
 *
 *   service thread          COM thread of the service       COM thread of the host       plugin's own thread
 *   ──────────────          ─────────────────────────       ──────────────────────       ───────────────────
 *   start: activate ────────────────────────────────────────▶ Attach
 *                           Hello: contain it ◀──────────────┘
 *   notify ─────────────────────────────────────────────────▶ hook
 *                           events.call ◀──────────────────── Api->MountFolder
 *                           events.call ◀───────────────────────────────────────────── Api->ExecuteBinary
 *   thread pool: events.died ◀ · · · · · · · · · · · · · · · the process has ended
 *
 * What the backend's numbers mean here: a notification's token is a HANDLE of this process, good for
 * TOKEN_DUPLICATE and TOKEN_QUERY; a reply's resource is a SOCKET for calls that answer with a socket, else
 * the HANDLE of an event.
 *
 * Threading: functions of BhBackendClass as in core/backend.h, from threads in any COM apartment or none.
 * The rest of this file: any thread. COM must not have been given a process-wide security that keeps us from
 * using it. */
#pragma once

#include "core/backend.h"

G_BEGIN_DECLS

/* Whether a plugin must be signed, by somebody whom this machine trusts, to be loaded (service/signature.h). Of build and
 * settings the stricter wins: no setting loads an unsigned plugin in a build that was made to require signatures. */
typedef enum {
  BH_WIN32_SIGNING_AS_BUILT, /* if BH_SIGNING_REQUIRED was 1 when this was compiled */
  BH_WIN32_SIGNING_REQUIRED,
} BhWin32Signing;

typedef struct {
  const char *host_path; /* wslpluginhost.exe, absolute: what the activated process must be the image of */
  BhWin32Signing signing;
} BhWin32Settings;

/* Sets COM up, and the job that every host will be in. NULL: *cause (the caller's) says why. settings is
 * copied. */
BhBackend *bh_backend_win32_new(const BhWin32Settings *settings, char **cause);

/* Ends hosts that are left, by closing their job. Every link must have been released. */
void bh_backend_win32_free(BhBackend *backend);

/* What a process's exit code says, in words: "access violation (0xC0000005)", "exit code 3". The caller's. */
char *bh_win32_exit_code_words(guint32 code);

/* Tells COM where host and proxy/stub DLL are (absolute paths), and who may start and call a host. per_user: for the
 * calling user only, which needs no rights; in an elevated process, whose COM does not look there, it is written
 * for the machine, but still lets in this user (and SYSTEM) only. Else for the machine, and SYSTEM only. FALSE:
 * *cause (the caller's) says why. Again is allowed. */
gboolean bh_win32_register(gboolean per_user, const char *host_path, const char *proxystub_path, char **cause);

/* Takes back what bh_win32_register did (elevated or not, as then); what is not there is no failure. */
gboolean bh_win32_unregister(gboolean per_user, char **cause);

/* The user that this process runs as, for a session: a token (close it with bh_win32_token_close) and its
 * SID. FALSE: they cannot be had, and nothing was made. */
gboolean bh_win32_current_user(guint64 *token, GBytes **sid);
void bh_win32_token_close(guint64 token);

typedef struct {
  /* A plugin is registered. Strings are valid during the call. */
  void (*found)(gpointer data, const char *name, const char *path);
  /* A value was skipped, or the key cannot be read: one line that says which and why. */
  void (*warning)(gpointer data, const char *text);
} BhWin32Discovery;

/* The plugins registered under HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Lxss\Plugins, in the
 * registry's order. Values may be anything; those that cannot be a plugin's are skipped with a warning.
 * Names and paths are UTF-8. A path that is listed twice is reported twice. */
void bh_win32_discover(const BhWin32Discovery *discovery, gpointer data);

G_END_DECLS
