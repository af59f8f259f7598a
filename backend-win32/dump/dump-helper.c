/* dump-helper.c: wslpluginhost.exe as the process that writes about another. */
#include "backend-win32/dump/dump.h"

#define PSAPI_VERSION 2 /* kernel32 has its functions */
#include <dbghelp.h>
#include <psapi.h>
#include <stdio.h>
#include <string.h>

/* Stacks are nearly all of a dump. What is left of BH_DUMP_SIZE_MAX is for lists of threads and modules. */
#define STACKS_MAX (BH_DUMP_SIZE_MAX / 2)

/* Threads beyond these are left out: at two kilobytes for the registers of each, they count too. */
#define THREADS_MAX 1024

typedef BOOL(WINAPI *WriteDump)(HANDLE, DWORD, HANDLE, MINIDUMP_TYPE, PMINIDUMP_EXCEPTION_INFORMATION,
                                PMINIDUMP_USER_STREAM_INFORMATION, PMINIDUMP_CALLBACK_INFORMATION);

typedef struct {
  HANDLE pipe, answer, host;
  BhDumpReport *report;
  char folder[sizeof((BhDumpReport *)NULL)->folder]; /* where dumps go; "": nowhere */
  WriteDump write;                                   /* NULL: this Windows has no dbghelp.dll, or none is wanted */
} Helper;

/* --- Where it was --------------------------------------------------------------------------------------- */

/* "faults.dll+0x1234", or "0x10" outside of all modules. Asks the kernel what is mapped there: the loader's own lists
 * are in the host's heap, and may be as corrupt as that. */
static void append_place(GString *text, HANDLE host, guint64 address) {
  MEMORY_BASIC_INFORMATION memory;
  wchar_t path[1024];
  g_autofree char *utf8 = NULL, *name = NULL;

  if (VirtualQueryEx(host, (gpointer)(gintptr)address, &memory, sizeof memory) == sizeof memory &&
      memory.Type == MEM_IMAGE && GetMappedFileNameW(host, memory.AllocationBase, path, G_N_ELEMENTS(path)) > 0)
    utf8 = bh_wire_utf8(path);
  if (utf8 != NULL) name = g_path_get_basename(utf8);
  if (name != NULL)
    g_string_append_printf(text, "%s+0x%" G_GINT64_MODIFIER "x", name,
                           address - (guint64)(gintptr)memory.AllocationBase);
  else
    g_string_append_printf(text, "0x%" G_GINT64_MODIFIER "x", address);
}

/* "reading 0x0 at faults.dll+0x1234". */
static void describe(const BhDumpRequest *request, HANDLE host, char *where, gsize size) {
  GString *text = g_string_new(NULL);
  const guint64 kind = request->parameters[0];

  if (request->code == EXCEPTION_ACCESS_VIOLATION || request->code == EXCEPTION_IN_PAGE_ERROR)
    g_string_append_printf(text, "%s 0x%" G_GINT64_MODIFIER "x ",
                           kind == 0   ? "reading"
                           : kind == 1 ? "writing"
                                       : "executing",
                           request->parameters[1]);
  g_string_append(text, "at ");
  append_place(text, host, request->address);
  g_strlcpy(where, text->str, size);
  g_string_free(text, TRUE);
}

/* --- The dump ------------------------------------------------------------------------------------------- */

/* What the dump has so far. */
typedef struct {
  DWORD faulting_thread;
  guint threads;
  guint64 stacks;
} Extent;

/* Bounds the dump while it is made: a plugin may have thousands of threads. */
static BOOL CALLBACK bound(void *data, MINIDUMP_CALLBACK_INPUT *input, MINIDUMP_CALLBACK_OUTPUT *output) {
  Extent *extent = data;
  guint64 stack;

  switch (input->CallbackType) {
    case IncludeThreadCallback:
      return input->IncludeThread.ThreadId == extent->faulting_thread || extent->threads++ < THREADS_MAX;
    case ThreadCallback:
    case ThreadExCallback:
      stack = input->Thread.StackBase - input->Thread.StackEnd;
      if (input->Thread.ThreadId == extent->faulting_thread) return TRUE;
      if (stack <= STACKS_MAX - extent->stacks)
        extent->stacks += stack;
      else
        output->ThreadWriteFlags &= ~(ULONG)ThreadWriteStack;
      return TRUE;
    default: return TRUE;
  }
}

/* What is only seen afterwards. */
static gboolean is_small_enough(HANDLE file) {
  LARGE_INTEGER size;
  return GetFileSizeEx(file, &size) && size.QuadPart <= BH_DUMP_SIZE_MAX;
}

static BOOL write_dump(const Helper *self, const BhDumpRequest *request, HANDLE file) {
  Extent extent = {.faulting_thread = request->thread};
  MINIDUMP_CALLBACK_INFORMATION callback = {bound, &extent};
  MINIDUMP_EXCEPTION_INFORMATION exception = {
      .ThreadId = request->thread,
      .ExceptionPointers = (EXCEPTION_POINTERS *)(gintptr)request->pointers,
      .ClientPointers = TRUE, /* they are the host's */
  };
  const MINIDUMP_TYPE type = MiniDumpNormal | MiniDumpWithUnloadedModules | MiniDumpWithThreadInfo;

  return self->write(self->host, GetProcessId(self->host), file, type, &exception, NULL, &callback);
}

/* The path of what was written, or why nothing was. The caller's. */
static char *dump(const Helper *self, const BhDumpRequest *request) {
  g_autofree char *path = NULL;
  g_autofree char *words = NULL;
  gboolean is_small = FALSE, is_written;
  HANDLE file;
  DWORD error;

  if (*self->folder == '\0') return g_strdup("none was asked for");
  if (self->write == NULL) return g_strdup("none, dbghelp.dll cannot be used");
  file = bh_dump_folder_create(self->folder, GetProcessId(self->host), &path);
  is_written = file != INVALID_HANDLE_VALUE && write_dump(self, request, file);
  error = GetLastError();
  if (file != INVALID_HANDLE_VALUE) {
    is_small = is_written && is_small_enough(file);
    if (bh_dump_folder_close(file, path, is_small)) return g_steal_pointer(&path);
    if (is_small) error = ERROR_CANNOT_MAKE;
  }
  if (is_written && !is_small) return g_strdup("none, it was too large");
  /* dbghelp's errors are HRESULTs already. */
  words = bh_wire_error_words((HRESULT)error < 0 ? (BhResult)error : bh_wire_error(error));
  return g_strdup_printf("none, %s could not be written: %s", path, words);
}

/* --- Its life ------------------------------------------------------------------------------------------- */

/* The code last of all that is about the place, and the place before the dump, which may take too long. */
static void serve(const Helper *self, const BhDumpRequest *request) {
  BhDumpReport *report = self->report;
  g_autofree char *result = NULL;

  describe(request, self->host, report->where, sizeof report->where);
  MemoryBarrier();
  report->code = request->code;
  result = dump(self, request);
  g_strlcpy(report->dump, result, sizeof report->dump);
}

/* dbghelp.dll is Windows' own, and nobody's but the helper's: it is looked for there, and only here. */
static WriteDump find_write_dump(void) {
  HMODULE library = LoadLibraryExW(L"dbghelp.dll", NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
  return library != NULL ? (WriteDump)(void (*)(void))GetProcAddress(library, "MiniDumpWriteDump") : NULL;
}

/* What it was given, and what the report says before there is one. */
static gboolean begin(Helper *self, const char *handles) {
  guint64 values[4];

  if (sscanf(handles,
             "%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER "x,%" G_GINT64_MODIFIER "x",
             &values[0], &values[1], &values[2], &values[3]) != 4)
    return FALSE;
  self->report = bh_dump_report_map((HANDLE)(gintptr)values[0]);
  self->pipe = (HANDLE)(gintptr)values[1];
  self->answer = (HANDLE)(gintptr)values[2];
  self->host = (HANDLE)(gintptr)values[3];
  if (self->report == NULL) return FALSE;
  g_strlcpy(self->folder, self->report->folder, sizeof self->folder);
  if (*self->folder != '\0') self->write = find_write_dump();
  return TRUE;
}

int bh_dump_help(const char *handles) {
  Helper self = {NULL};
  BhDumpRequest request;
  DWORD size = 0;

  if (!begin(&self, handles)) return 2;
  SetEvent(self.answer);
  /* Fails when the host has ended: it has the only other end. */
  if (ReadFile(self.pipe, &request, sizeof request, &size, NULL) && size == sizeof request) {
    serve(&self, &request);
    SetEvent(self.answer);
  }
  return 0;
}
