#include "backend-win32/host/guard.h"

#include <stdlib.h>

/* .seh_handler says, in the function's unwind data, who is asked about an exception that passes its frame. */
__asm__(".text\n"
        ".globl bh_guard_call\n"
        ".def bh_guard_call; .scl 2; .type 32; .endef\n"
        ".seh_proc bh_guard_call\n"
        "bh_guard_call:\n"
        "  subq $40, %rsp\n" /* the callee's 32 bytes of home space, and alignment */
        "  .seh_stackalloc 40\n"
        "  .seh_endprologue\n"
        "  .seh_handler bh_guard_handler, @except\n"
        "  movq %rcx, %rax\n"
        "  movq %rdx, %rcx\n"
        "  movq %r8, %rdx\n"
        "  call *%rax\n"
        "  nop\n" /* a return address must lie inside this frame, not at the epilogue */
        "  addq $40, %rsp\n"
        "  ret\n"
        ".seh_endproc\n");

/* Runs on the faulting stack, of which little may be left: do nothing but end. TerminateProcess, and not
 * ExitProcess: that would run the plugin's DllMain, and wait for the loader's lock. */
G_GNUC_NORETURN static void end(const EXCEPTION_RECORD *record) {
  TerminateProcess(GetCurrentProcess(), record->ExceptionCode);
  __builtin_unreachable();
}

/* Named by the assembly above only. */
EXCEPTION_DISPOSITION bh_guard_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, void *dispatcher);

EXCEPTION_DISPOSITION __attribute__((used))
bh_guard_handler(EXCEPTION_RECORD *record, G_GNUC_UNUSED void *frame, G_GNUC_UNUSED CONTEXT *context,
                 G_GNUC_UNUSED void *dispatcher) {
  end(record);
}

static LONG WINAPI end_unhandled(EXCEPTION_POINTERS *pointers) {
  end(pointers->ExceptionRecord);
}

void bh_guard_install(void) {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
  /* abort() in a program without a console shows a box and waits; a plugin made by the same compiler shares
   * this C runtime, and with it the setting. */
  _set_error_mode(_OUT_TO_STDERR);
  SetUnhandledExceptionFilter(end_unhandled);
}
