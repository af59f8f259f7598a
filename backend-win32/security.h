/* security.h: who may start a host, and who may call it or us, as COM wants it: as security descriptors.
 *
 *   in the registry (registration.c)       AppID's LaunchPermission, AccessPermission: self-relative bytes
 *   in CoInitializeSecurity                this process's, service or host: absolute
 *
 * They let in one user, and SYSTEM: COM's own service control manager calls servers as SYSTEM, to activate them, and
 * an access list without it has every activation fail. For a service that is SYSTEM, that leaves SYSTEM alone.
 * All of it is for callers on this machine; no remote right is given.
 *
 * Wine 8 stores these and looks at none. What stands when COM does not look is the callback object's own check
 * (callback.h).
 *
 * No state; any thread. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* COM_RIGHTS_* of iaccess.idl. */
#define BH_COM_EXECUTE        1u
#define BH_COM_EXECUTE_LOCAL  2u
#define BH_COM_ACTIVATE_LOCAL 8u

#define BH_COM_ACCESS (BH_COM_EXECUTE | BH_COM_EXECUTE_LOCAL)                         /* calls */
#define BH_COM_LAUNCH (BH_COM_EXECUTE | BH_COM_EXECUTE_LOCAL | BH_COM_ACTIVATE_LOCAL) /* starts, activates */

typedef enum {
  BH_SECURITY_SYSTEM,   /* SYSTEM alone */
  BH_SECURITY_OWN_USER, /* the user of this process, too */
} BhSecurityWho;

/* A self-relative descriptor that gives them these rights, and nobody anything else. NULL: GetLastError says why. */
GBytes *bh_security_descriptor(BhSecurityWho who, guint32 rights);

/* The same as an absolute one. The caller's, g_free as a whole. */
PSECURITY_DESCRIPTOR bh_security_absolute(GBytes *descriptor);

/* This process's own security towards COM, as whom it calls and as who is called. Only this user and SYSTEM may call;
 * calls are encrypted both ways; whom we call learns who we are, and may not act as us; nobody's data chooses a class to
 * be loaded. Once, when COM is there: RPC_E_TOO_LATE afterwards. */
HRESULT bh_security_set_up(void);

G_END_DECLS
