#include "backend-win32/host/guard.h"

#include "backend-win32/dump/dump.h"

#include <stdlib.h>

/* Of werapi.h, which mingw-w64 10 has, but so that it does not compile. */
#define WER_FAULT_REPORTING_NO_UI 0x20

/* What a thread keeps of its stack for the handling of an overflow: two calls of Windows' from end(). */
#define STACK_GUARANTEE (32u * 1024)

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

/* Runs on the faulting stack, of which little may be left: do nothing but have it reported, and end.
 * TerminateProcess, and not ExitProcess: that would run the plugin's DllMain, and wait for the loader's lock. */
G_GNUC_NORETURN static void end(EXCEPTION_POINTERS *pointers) {
  bh_dump_ask(pointers);
  TerminateProcess(GetCurrentProcess(), pointers->ExceptionRecord->ExceptionCode);
  __builtin_unreachable();
}

/* Named by the assembly above only. */
EXCEPTION_DISPOSITION bh_guard_handler(EXCEPTION_RECORD *record, void *frame, CONTEXT *context, void *dispatcher);

EXCEPTION_DISPOSITION __attribute__((used)) bh_guard_handler(EXCEPTION_RECORD *record, G_GNUC_UNUSED void *frame,
                                                             CONTEXT *context, G_GNUC_UNUSED void *dispatcher) {
  end(&(EXCEPTION_POINTERS){record, context});
}

static LONG WINAPI end_unhandled(EXCEPTION_POINTERS *pointers) {
  end(pointers);
}

/* Windows calls this on every thread that starts in this process, COM's and the plugin's, because of the section
 * it is listed in. (Wine 8 sets nothing aside, and has room enough.) */
static void NTAPI on_thread(G_GNUC_UNUSED void *module, DWORD reason, G_GNUC_UNUSED void *reserved) {
  ULONG size = STACK_GUARANTEE;
  if (reason == DLL_PROCESS_ATTACH || reason == DLL_THREAD_ATTACH) SetThreadStackGuarantee(&size);
}
static const PIMAGE_TLS_CALLBACK on_thread_entry __attribute__((section(".CRT$XLE"), used)) = on_thread;

/* Faults that no handler sees are Windows Error Reporting's, which may keep a dump (LocalDumps) but is not to show
 * a box. SEM_NOGPFAULTERRORBOX would turn it off altogether, so that is for who cannot be told better: Wine 8, which
 * would else start its debugger. */
static DWORD error_mode(void) {
  const DWORD mode = SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX;
  typedef HRESULT(WINAPI * SetFlags)(DWORD flags);
  const SetFlags set_flags =
      (SetFlags)(void (*)(void))GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "WerSetFlags");

  if (set_flags != NULL && SUCCEEDED(set_flags(WER_FAULT_REPORTING_NO_UI))) return mode;
  return mode | SEM_NOGPFAULTERRORBOX;
}

void bh_guard_install(void) {
  SetErrorMode(error_mode());
  /* abort() in a program without a console shows a box and waits; a plugin made by the same compiler shares
   * this C runtime, and with it the setting. */
  _set_error_mode(_OUT_TO_STDERR);
  SetUnhandledExceptionFilter(end_unhandled);
}
