/* watch.h: what does not return is found: if one step takes longer than it may, the program says which, and ends. */
#pragma once

#include <glib.h>

void soak_watch_begin(void);

/* A step begins, and the one before it has ended; what: static. seconds: how long it may take. */
void soak_watch(const char *what, guint seconds);

/* Names what a thread of the step is doing; slot below SOAK_WATCH_SLOTS. doing: static; NULL: it has ended. */
#define SOAK_WATCH_SLOTS 8
void soak_watch_doing(guint slot, const char *doing);

void soak_watch_end(void);
