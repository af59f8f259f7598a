/* work.h: what users do to a service, at random, from several threads at once.
 *
 * They share two VM sessions and three names of WSLC sessions. An operation may fail, for another has been there first, or a
 * plugin says no; then it says so with a code and a text, which is checked. */
#pragma once

#include "core/service.h"

#define SOAK_THREADS_AT_WORK 4
#define SOAK_VM_SESSIONS     2

typedef struct {
  BhService *service;
  const BhUser *user;
  const char *folder;               /* for archives */
  BhSession *vms[SOAK_VM_SESSIONS]; /* shared by the threads */
  gboolean nothing_stops;           /* only what begins something: a stop would never end */
  guint operations, failures;       /* out: done, and of those failed */
} SoakWork;

/* Does `operations` of them on each thread, and returns when all is done. */
void soak_work(SoakWork *work, guint operations, GRand *random);
