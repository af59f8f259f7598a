/* platform.h: what `bulkhead` finds on the machine it runs on: a backend, a guest, a user, the registered plugins.
 *
 * platform-win32.c has the real thing; platform-mock.c, for native Linux, has scripted plugins. The build chooses one.
 *
 *   BhPlatform platform;
 *   if (!bh_platform_open(&platform, &options, &problem)) …
 *   bh_platform_discover(service);
 *   bh_platform_close(&platform);
 *
 * One thread. */
#pragma once

#include "core/service.h"

G_BEGIN_DECLS

typedef enum {
  BH_GUEST_DEFAULT, /* the platform's: the agent on Windows, memory where plugins are scripts */
  BH_GUEST_AGENT,
  BH_GUEST_MEMORY,
} BhGuestKind;

typedef struct {
  BhGuestKind guest;
  const char *agent;    /* the agent's program */
  const char *host;     /* the host's program, where plugins run in one */
  gboolean signed_only; /* only signed plugins are loaded; a build may want that whatever this says */
} BhPlatformOptions;

typedef struct {
  BhBackend *backend;
  BhGuest *guest;
  void (*free_guest)(BhGuest *guest);
  BhUser user;
} BhPlatform;

/* FALSE: *problem (the caller's) says what is missing, and there is nothing to close. */
gboolean bh_platform_open(BhPlatform *platform, const BhPlatformOptions *options, char **problem);
void bh_platform_close(BhPlatform *platform);

/* Adds the plugins that are registered on this machine. */
void bh_platform_discover(BhService *service);

/* Has the service that runs on this machine run that scenario, and prints what it says. Returns a status (commands.h). */
int bh_platform_run_in_service(const char *text, gsize size, gboolean quiet);

/* Prints what the service that runs on this machine sees of processes and threads, until it stops; see watcher.h. Returns a
 * status. */
int bh_platform_watch_service(gboolean json, gboolean plain);

/* The file of the running program, and of one that is installed beside it. The caller's. */
char *bh_platform_program(void);
char *bh_platform_beside(const char *name);

/* An option's file as it was given, or (NULL) the one of that name beside the running program. The caller's. */
char *bh_platform_file(const char *option, const char *name);

/* A path as other processes understand it: absolute, on Windows with its drive. The caller's. */
char *bh_platform_absolute(const char *path);

/* "agent", "memory". FALSE: it is neither, which was said on stderr. */
gboolean bh_guest_kind_parse(const char *name, BhGuestKind *kind);

/* What platforms share: makes the guest of that kind. */
void bh_platform_open_guest(BhPlatform *platform, BhGuestKind kind, const char *agent);

G_END_DECLS
