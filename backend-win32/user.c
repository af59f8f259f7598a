/* user.c: the user that this process runs as. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"

/* The token's TOKEN_USER; the caller's, g_free. NULL: it cannot be read. */
static TOKEN_USER *token_user(HANDLE token) {
  DWORD size = sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE;
  TOKEN_USER *user = g_malloc0(size);

  if (GetTokenInformation(token, TokenUser, user, size, &size)) return user;
  g_free(user);
  return NULL;
}

gboolean bh_win32_current_user(guint64 *token, GBytes **sid) {
  g_autofree TOKEN_USER *user = NULL;
  HANDLE handle;

  *token = 0;
  *sid = NULL;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &handle)) return FALSE;
  user = token_user(handle);
  if (user == NULL) {
    CloseHandle(handle);
    return FALSE;
  }
  *token = (guint64)(gintptr)handle;
  *sid = g_bytes_new(user->User.Sid, GetLengthSid(user->User.Sid));
  return TRUE;
}

void bh_win32_token_close(guint64 token) {
  if (token != 0) CloseHandle((HANDLE)(gintptr)token);
}
