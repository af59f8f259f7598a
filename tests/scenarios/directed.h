/* directed.h: what the rows that lead threads to a certain moment have in common. */
#pragma once

#include "rows.h"

/* A service with one plugin, "TestPlugin", that behaves as script says. *file: the plugin's, the caller's. */
BhService *directed_service(Environment *environment, const char *script, char **file);

/* A session with the distribution directed_debian registered. */
extern const BhDistribution directed_debian;
BhSession *directed_session(BhService *service, const Environment *environment);
/* Starts it there. error may be NULL. */
BhResult directed_start(BhSession *session, BhError **error);
