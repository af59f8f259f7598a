#include "backend-win32/dump/dump.h"

/* Written before plugin code runs, and then only read. */
static HANDLE pipe_end; /* where requests go. NULL: there is no helper */
static HANDLE answer;   /* auto-reset: the helper is there; later, it has done what it was asked */

static LONG is_asked; /* atomic */

/* In static memory: the stack of who faults may be used up. */
static BhDumpRequest request;

/* --- Starting ------------------------------------------------------------------------------------------- */

typedef struct {
  HANDLE report, pipe, answer, host; /* in the order of the command line, all inheritable */
} Inherited;

/* What a dump needs of this process. Not the right to write into it, nor to end it. */
#define HOST_ACCESS (PROCESS_QUERY_INFORMATION | PROCESS_VM_READ | SYNCHRONIZE)

static gboolean make_handles(Inherited *inherited) {
  SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
  const HANDLE self = GetCurrentProcess();

  return SetHandleInformation(inherited->report, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) &&
         CreatePipe(&inherited->pipe, &pipe_end, &inheritable, 0) &&
         SetHandleInformation(pipe_end, HANDLE_FLAG_INHERIT, 0) &&
         (inherited->answer = CreateEventW(&inheritable, FALSE, FALSE, NULL)) != NULL &&
         DuplicateHandle(self, self, self, &inherited->host, HOST_ACCESS, TRUE, 0) &&
         DuplicateHandle(self, inherited->answer, self, &answer, SYNCHRONIZE, FALSE, 0);
}

/* The helper gets these four handles and no other that may be inheritable. NULL: it could not be started. */
static HANDLE create_process(Inherited *inherited, wchar_t *line) {
  STARTUPINFOEXW startup = {.StartupInfo.cb = sizeof startup};
  PROCESS_INFORMATION process;
  SIZE_T size = 0;
  gboolean is_started;

  InitializeProcThreadAttributeList(NULL, 1, 0, &size);
  startup.lpAttributeList = g_malloc0(size);
  is_started = InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size) &&
               UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, inherited,
                                         sizeof *inherited, NULL, NULL) &&
               CreateProcessW(NULL, line, NULL, NULL, TRUE, EXTENDED_STARTUPINFO_PRESENT, NULL, NULL,
                              &startup.StartupInfo, &process);
  g_free(startup.lpAttributeList);
  if (!is_started) return NULL;
  CloseHandle(process.hThread);
  return process.hProcess;
}

static HANDLE start_helper(Inherited *inherited) {
  g_autofree wchar_t *program = g_new0(wchar_t, 32768);
  g_autofree char *program_utf8 = NULL, *line = NULL;
  g_autofree wchar_t *wide_line = NULL;

  if (GetModuleFileNameW(NULL, program, 32768) == 0) return NULL;
  program_utf8 = bh_wire_utf8(program);
#define HANDLE_FORMAT "%" G_GINTPTR_MODIFIER "x"
  line =
      g_strdup_printf("\"%s\" " BH_DUMP_OPTION HANDLE_FORMAT "," HANDLE_FORMAT "," HANDLE_FORMAT "," HANDLE_FORMAT,
                      program_utf8, (guintptr)inherited->report, (guintptr)inherited->pipe,
                      (guintptr)inherited->answer, (guintptr)inherited->host);
  wide_line = bh_wire_wide(line);
  return wide_line != NULL ? create_process(inherited, wide_line) : NULL;
}

static void close_handle(HANDLE *handle) {
  if (*handle != NULL) CloseHandle(*handle);
  *handle = NULL;
}

/* Whether the helper has come as far as its pipe. One that does not ends with it. */
static gboolean is_there(HANDLE helper) {
  const HANDLE either[] = {answer, helper};
  return WaitForMultipleObjects(2, either, FALSE, BH_DUMP_TIMEOUT_MS) == WAIT_OBJECT_0;
}

gboolean bh_dump_start(HANDLE report) {
  Inherited inherited = {.report = report};
  HANDLE helper = report != NULL && make_handles(&inherited) ? start_helper(&inherited) : NULL;
  gboolean has_helper;

  close_handle(&inherited.report);
  close_handle(&inherited.pipe);
  close_handle(&inherited.answer);
  close_handle(&inherited.host);
  has_helper = helper != NULL && is_there(helper);
  close_handle(&helper);
  if (has_helper) {
    /* A plugin that closes what it did not open does not get these by accident. */
    SetHandleInformation(pipe_end, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE);
    SetHandleInformation(answer, HANDLE_FLAG_PROTECT_FROM_CLOSE, HANDLE_FLAG_PROTECT_FROM_CLOSE);
  } else {
    close_handle(&pipe_end);
    close_handle(&answer);
  }
  return has_helper;
}

/* --- A fault -------------------------------------------------------------------------------------------- */

void bh_dump_ask(EXCEPTION_POINTERS *pointers) {
  const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
  DWORD written = 0;

  if (pipe_end == NULL) return;
  if (InterlockedExchange(&is_asked, TRUE)) { /* this process is as good as ended */
    WaitForSingleObject(GetCurrentProcess(), BH_DUMP_TIMEOUT_MS + 1000);
    return;
  }
  request.pointers = (guint64)(gintptr)pointers;
  request.address = (guint64)(gintptr)record->ExceptionAddress;
  for (DWORD i = 0; i < record->NumberParameters && i < G_N_ELEMENTS(request.parameters); i++)
    request.parameters[i] = record->ExceptionInformation[i];
  request.thread = GetCurrentThreadId();
  request.code = record->ExceptionCode;
  /* An empty pipe has room for it: this does not wait for the helper. */
  if (WriteFile(pipe_end, &request, sizeof request, &written, NULL) && written == sizeof request)
    WaitForSingleObject(answer, BH_DUMP_TIMEOUT_MS);
}
