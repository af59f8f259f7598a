/* exit-code.c: bh_win32_exit_code_words. */
#include "backend-win32/wire.h"

#include "backend-win32/backend-win32.h"

static const struct {
  guint32 code;
  const char *words;
} known[] = {
    {EXCEPTION_ACCESS_VIOLATION, "access violation"},
    {EXCEPTION_STACK_OVERFLOW, "stack overflow"},
    {EXCEPTION_INT_DIVIDE_BY_ZERO, "division by zero"},
    {EXCEPTION_INT_OVERFLOW, "integer overflow"},
    {EXCEPTION_ILLEGAL_INSTRUCTION, "illegal instruction"},
    {EXCEPTION_PRIV_INSTRUCTION, "privileged instruction"},
    {EXCEPTION_DATATYPE_MISALIGNMENT, "misaligned access"},
    {EXCEPTION_IN_PAGE_ERROR, "page could not be read"},
    {EXCEPTION_BREAKPOINT, "breakpoint"},
    {0xC0000374, "heap corruption"},
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

char *bh_win32_exit_code_words(guint32 code) {
  for (guint i = 0; i < G_N_ELEMENTS(known); i++)
    if (known[i].code == code) return g_strdup_printf("%s (0x%08X)", known[i].words, code);
  if (code == 3) return g_strdup("exit code 3 (abort)"); /* what msvcrt's abort exits with */
  if (code < 0x10000) return g_strdup_printf("exit code %u", code);
  return g_strdup_printf("exit code 0x%08X", code);
}
