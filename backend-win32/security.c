#include "backend-win32/security.h"

#include "backend-win32/backend-win32.h"

#include <sddl.h>
#include <string.h>

#define SYSTEM_SID "S-1-5-18"

/* "S-1-5-…" of this process's user; the caller's. NULL: it cannot be had. */
static char *own_sid(void) {
  g_autoptr(GBytes) sid = NULL;
  wchar_t *wide = NULL;
  guint64 token;
  char *text = NULL;

  if (!bh_win32_current_user(&token, &sid)) return NULL;
  if (ConvertSidToStringSidW((PSID)g_bytes_get_data(sid, NULL), &wide)) text = bh_wire_utf8(wide);
  LocalFree(wide);
  bh_win32_token_close(token);
  return text;
}

GBytes *bh_security_descriptor(BhSecurityWho who, guint32 rights) {
  g_autofree char *sid = who == BH_SECURITY_SYSTEM ? g_strdup(SYSTEM_SID) : own_sid();
  g_autofree char *text = NULL;
  g_autofree wchar_t *wide = NULL;
  PSECURITY_DESCRIPTOR descriptor = NULL;
  GBytes *bytes = NULL;
  ULONG size = 0;

  if (sid == NULL) return NULL;
  /* Owner and group have no meaning here, but COM refuses a descriptor without them. P: nothing is inherited. */
  text = g_strdup_printf("O:%sG:%sD:P(A;;0x%x;;;%s)", sid, sid, rights, SYSTEM_SID);
  if (!g_str_equal(sid, SYSTEM_SID)) {
    g_autofree char *more = g_strdup_printf("%s(A;;0x%x;;;%s)", text, rights, sid);
    g_free(text);
    text = g_steal_pointer(&more);
  }
  wide = bh_wire_wide(text);
  if (ConvertStringSecurityDescriptorToSecurityDescriptorW(wide, SDDL_REVISION_1, &descriptor, &size))
    bytes = g_bytes_new(descriptor, size);
  LocalFree(descriptor);
  return bytes;
}

/* One block: the descriptor, and behind it, where it points to, a copy of the self-relative one. */
PSECURITY_DESCRIPTOR bh_security_absolute(GBytes *descriptor) {
  gsize size;
  gconstpointer bytes = g_bytes_get_data(descriptor, &size);
  struct {
    SECURITY_DESCRIPTOR absolute;
    guint64 relative[]; /* aligned as ACLs are to be */
  } *block = g_malloc0(sizeof *block + size);
  BOOL is_there = FALSE, is_default = FALSE;
  PSID owner = NULL, group = NULL;
  PACL list = NULL;

  memcpy(block->relative, bytes, size);
  if (InitializeSecurityDescriptor(&block->absolute, SECURITY_DESCRIPTOR_REVISION) &&
      GetSecurityDescriptorOwner(block->relative, &owner, &is_default) &&
      GetSecurityDescriptorGroup(block->relative, &group, &is_default) &&
      GetSecurityDescriptorDacl(block->relative, &is_there, &list, &is_default) && is_there && list != NULL &&
      SetSecurityDescriptorOwner(&block->absolute, owner, FALSE) &&
      SetSecurityDescriptorGroup(&block->absolute, group, FALSE) &&
      SetSecurityDescriptorDacl(&block->absolute, TRUE, list, FALSE))
    return &block->absolute;
  g_free(block);
  return NULL;
}

/* For the process's life, as nothing says whether COM copies it. */
static gpointer make_access(G_GNUC_UNUSED gpointer data) {
  g_autoptr(GBytes) descriptor = bh_security_descriptor(BH_SECURITY_OWN_USER, BH_COM_ACCESS);
  return descriptor != NULL ? bh_security_absolute(descriptor) : NULL;
}

HRESULT bh_security_set_up(void) {
  static GOnce once = G_ONCE_INIT;
  PSECURITY_DESCRIPTOR access = g_once(&once, make_access, NULL);

  if (access == NULL) return E_ACCESSDENIED; /* no list would be everybody */
  return CoInitializeSecurity(access, -1, NULL, NULL, RPC_C_AUTHN_LEVEL_PKT_PRIVACY, RPC_C_IMP_LEVEL_IDENTIFY,
                              NULL, EOAC_NO_CUSTOM_MARSHAL | EOAC_DISABLE_AAA, NULL);
}
