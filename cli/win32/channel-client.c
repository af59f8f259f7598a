/* channel-client.c: the client's end of the channel, for `bulkhead run --service` and `bulkhead watch`. */
#include "channel.h"

#include "protocol.h"
#include "scm.h"

#include "backend-win32/wire.h"
#include "cli/commands.h"

#include <aclapi.h>
#include <stdlib.h>

static HANDLE open_pipe(const wchar_t *name) {
  /* Whoever made the pipe may look at who we are, and not act as us. */
  return CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                     SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
}

/* Waits for its turn, and for a service that is just starting. */
static HANDLE reach_service(const wchar_t *name) {
  HANDLE pipe = open_pipe(name);

  while (pipe == INVALID_HANDLE_VALUE) {
    DWORD error = GetLastError();
    gboolean again = error == ERROR_PIPE_BUSY        ? WaitNamedPipeW(name, NMPWAIT_WAIT_FOREVER)
                     : error == ERROR_FILE_NOT_FOUND ? bh_scm_wait_for_start()
                                                     : FALSE;
    if (!again) {
      SetLastError(error);
      return INVALID_HANDLE_VALUE;
    }
    pipe = open_pipe(name);
  }
  return pipe;
}

/* The owner of what this process makes: the user, or for an elevated one the administrators. NULL: it cannot be had. The
 * caller's, g_free. */
static TOKEN_OWNER *own_owner(void) {
  DWORD size = sizeof(TOKEN_OWNER) + SECURITY_MAX_SID_SIZE;
  TOKEN_OWNER *owner = g_malloc0(size);
  gboolean known = FALSE;
  HANDLE token;

  if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
    known = GetTokenInformation(token, TokenOwner, owner, size, &size);
    CloseHandle(token);
  }
  if (!known) g_clear_pointer(&owner, g_free);
  return owner;
}

/* Nobody can make a pipe whose owner is another than himself, unless he may do anything here. */
static gboolean is_services(HANDLE pipe) {
  g_autofree TOKEN_OWNER *own = own_owner();
  PSECURITY_DESCRIPTOR security = NULL;
  PSID owner = NULL;
  gboolean trusted =
      GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL, &security) ==
          ERROR_SUCCESS &&
      owner != NULL &&
      (IsWellKnownSid(owner, WinLocalSystemSid) || IsWellKnownSid(owner, WinBuiltinAdministratorsSid) ||
       (own != NULL && EqualSid(owner, own->Owner)));

  LocalFree(security);
  return trusted;
}

static int unreachable(DWORD error) {
  g_autofree char *words = bh_wire_error_words(bh_wire_error(error));

  if (error == ERROR_FILE_NOT_FOUND)
    g_printerr("bulkhead: the service does not run; start it with: net start %ls\n", BH_SERVICE_NAME);
  else if (error == ERROR_ACCESS_DENIED)
    g_printerr("bulkhead: only an administrator may run a scenario in the service; use an elevated prompt\n");
  else
    g_printerr("bulkhead: the service cannot be reached: %s\n", words);
  return BH_EXIT_FAILED;
}

static gboolean send_all(HANDLE pipe, const void *bytes, gsize size) {
  DWORD sent;
  return WriteFile(pipe, bytes, (DWORD)size, &sent, NULL) && sent == size;
}

/* Prints a line, or takes the status from it. */
static void take_line(const char *line, gboolean quiet, int *status) {
  switch (line[0]) {
    case BH_CHANNEL_LINE:
      if (!quiet) g_print("%s\n", line + 1);
      break;
    case BH_CHANNEL_ALARM: g_printerr("%s\n", line + 1); break;
    case BH_CHANNEL_END: *status = atoi(line + 1); break;
    default: break;
  }
}

/* Takes the whole lines off the text's front. */
static void take_lines(GString *text, gboolean quiet, int *status) {
  const char *end;

  while ((end = memchr(text->str, '\n', text->len)) != NULL) {
    gsize length = (gsize)(end - text->str);
    text->str[length] = '\0';
    take_line(text->str, quiet, status);
    g_string_erase(text, 0, (gssize)length + 1);
  }
}

int bh_channel_ask(const wchar_t *name, const char *text, gsize size, gboolean quiet) {
  guint32 announced = GUINT32_TO_LE((guint32)size);
  GString *received = g_string_new(NULL);
  char some[4096];
  DWORD got = 0;
  int status = -1;
  HANDLE pipe = reach_service(name);

  if (pipe == INVALID_HANDLE_VALUE) {
    status = unreachable(GetLastError());
  } else if (!is_services(pipe)) {
    g_printerr("bulkhead: %ls is another user's, and no service of this machine's\n", name);
    CloseHandle(pipe);
    status = BH_EXIT_FAILED;
  } else {
    if (send_all(pipe, &announced, sizeof announced) && send_all(pipe, text, size))
      while (status < 0 && ReadFile(pipe, some, sizeof some, &got, NULL) && got > 0) {
        g_string_append_len(received, some, (gssize)got);
        take_lines(received, quiet, &status);
      }
    CloseHandle(pipe);
    if (status < 0) {
      g_printerr("bulkhead: the service has hung up before the end\n");
      status = BH_EXIT_FAILED;
    }
  }
  g_string_free(received, TRUE);
  return status;
}
