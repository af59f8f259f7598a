/* scripted.h: a plugin of the mock backend that is a script (script.h).
 *
 * The file at path is read when the plugin is loaded, not before; a script that cannot be read or has a
 * mistake is a load failure, with file, line and column as its cause. What the plugin does is appended to
 * <path without extension>.log; once its host is dead, nothing is.
 *
 * The mock's user tokens stand for the user that runs the service. Apartments are Windows' business and
 * make no difference here. */
#pragma once

#include "mock.h"

G_BEGIN_DECLS

/* The plugin for a host. path is copied; host must be this plugin's and outlive it, as any does. */
BhMockPlugin bh_mock_scripted_plugin(BhMockHost *host, const char *path);

G_END_DECLS
