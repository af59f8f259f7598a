/* commands-win32.h: the commands that only Windows has, and what they share. */
#pragma once

#include "cli/commands.h"

G_BEGIN_DECLS

extern const BhCommand bh_command_register;
extern const BhCommand bh_command_unregister;
extern const BhCommand bh_command_install;
extern const BhCommand bh_command_uninstall;
extern const BhCommand bh_command_service;

/* Takes the options out of a command line that has nothing but options. FALSE: it was told on stderr what is wrong. */
gboolean bh_parse_options(char ***arguments, const char *summary, const GOptionEntry *entries);

G_END_DECLS
