/* plugins.h: what the plugins of a round do: scripts for the scripted DLL (backend-mock/script.h), drawn at random. */
#pragma once

#include <glib.h>

#define SOAK_PLUGINS 16

/* What a round is about; its other plugins behave. */
typedef enum {
  SOAK_CALM,          /* some refuse hooks; nobody dies */
  SOAK_CRASHES,       /* one to three end their hosts, in a hook or on a thread of their own */
  SOAK_HANGS_AT_STOP, /* one or two hang in a hook that the service's stop runs; nothing stops before that */
  SOAK_HANGS_AT_LOAD, /* one hangs in its entry point or in DllMain */
  SOAK_MOODS
} SoakMood;

const char *soak_mood_name(SoakMood mood);

/* One script for each plugin. The caller's: g_ptr_array_unref. */
GPtrArray *soak_scripts(SoakMood mood, GRand *random);
