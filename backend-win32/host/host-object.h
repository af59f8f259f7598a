/* host-object.h: IWslPluginHost, and the class object through which COM makes the one there is.
 *
 *   bh_host_object_init(&host);
 *   CoRegisterClassObject(&CLSID_WslPluginHost, bh_host_object_factory(&host), …);
 *   wait for host.asked, and for host.over;
 *   bh_host_object_disconnect(&host);
 *
 * Its methods run on COM's threads, several at once; main waits on the two events. */
#pragma once

#include "backend-win32/wire.h"

#include "backend-win32/host/plugin.h"

G_BEGIN_DECLS

typedef struct {
  IWslPluginHost host;
  IClassFactory factory;
  HANDLE asked;    /* manual-reset: Load was called */
  HANDLE over;     /* manual-reset: the last reference went */
  gint references; /* to host; atomic. Only counted once it was made: COM holds and drops the factory freely */
  char *refusal;   /* why nothing may be loaded (harden.h); NULL: it may */
  gint state;      /* BhHostState, atomic, only ever grows */
  BhPlugin plugin; /* written by Load, before state says loaded; read after */
} BhHostObject;

typedef enum {
  BH_HOST_NEW,
  BH_HOST_MADE,      /* activated */
  BH_HOST_ATTACHING, /* says Hello; stays so when that fails, and then loads nothing */
  BH_HOST_ATTACHED,  /* contained */
  BH_HOST_LOADING,
  BH_HOST_LOADED,
} BhHostState;

/* Fails when the events cannot be had. The object is static: it is never freed. */
gboolean bh_host_object_init(BhHostObject *self);

IUnknown *bh_host_object_factory(BhHostObject *self);

/* Drops what other processes hold of it. */
void bh_host_object_disconnect(BhHostObject *self);

G_END_DECLS
