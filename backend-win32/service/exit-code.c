/* exit-code.c: what exit codes say. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"
#include "backend-win32/service/host-process.h"

static const struct {
  guint32 code;
  const char *words;
} known[] = {
    {EXCEPTION_ACCESS_VIOLATION, "access violation"},
    {EXCEPTION_STACK_OVERFLOW, "stack overflow"},
    {EXCEPTION_INT_DIVIDE_BY_ZERO, "division by zero"},
    {EXCEPTION_INT_OVERFLOW, "integer overflow"},
    {EXCEPTION_FLT_DIVIDE_BY_ZERO, "floating-point division by zero"},
    {EXCEPTION_FLT_INVALID_OPERATION, "invalid floating-point operation"},
    {EXCEPTION_ARRAY_BOUNDS_EXCEEDED, "array bounds exceeded"},
    {EXCEPTION_GUARD_PAGE, "guard page touched"},
    {EXCEPTION_INVALID_HANDLE, "invalid handle"},
    {EXCEPTION_NONCONTINUABLE_EXCEPTION, "went on after a fault that allows no going on"},
    {EXCEPTION_ILLEGAL_INSTRUCTION, "illegal instruction"},
    {EXCEPTION_PRIV_INSTRUCTION, "privileged instruction"},
    {EXCEPTION_DATATYPE_MISALIGNMENT, "misaligned access"},
    {EXCEPTION_IN_PAGE_ERROR, "page could not be read"},
    {EXCEPTION_BREAKPOINT, "breakpoint"},
    {0xC0000374, "heap corruption"},
    {0xC0000028, "bad stack"}, /* no frame to unwind to */
    {0xC0000142, "a DLL could not be initialised"},
    {0xC0000409, "fail fast"}, /* __fastfail: a stack cookie, or abort in newer C runtimes */
    {0xC0000417, "invalid argument to the C runtime"},
    {0x40000015, "fatal exit of the C runtime"},
    {0xE06D7363, "uncaught C++ exception"}, /* Microsoft's: "msc" */
    {0x20474343, "uncaught C++ exception"}, /* g++'s: "GCC" */
    {0x21474343, "uncaught C++ exception"}, /* likewise, while unwinding */
    {BH_EXIT_NEVER_ASKED, "never asked to load a plugin"},
    {BH_EXIT_NO_SERVER, "COM server could not be set up"},
    {BH_EXIT_KILLED, "stopped by the service"},
};

const char *bh_exit_code_name(guint32 code) {
  for (guint i = 0; i < G_N_ELEMENTS(known); i++)
    if (known[i].code == code) return known[i].words;
  return NULL;
}

char *bh_win32_exit_code_words(guint32 code) {
  const char *name = bh_exit_code_name(code);

  if (name != NULL) return g_strdup_printf("%s (0x%08X)", name, code);
  if (code == 3) return g_strdup("exit code 3 (abort)"); /* what msvcrt's abort exits with */
  if (code < 0x10000) return g_strdup_printf("exit code %u", code);
  return g_strdup_printf("exit code 0x%08X", code);
}
