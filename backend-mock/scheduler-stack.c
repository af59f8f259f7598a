#include "scheduler-stack.h"

#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define LEAVING_BYTES 4096 /* more than bh_stack_leave has on its stack */

static BhStack *switched_from; /* for whoever is switched to */

/* ---- The sanitizer ------------------------------------------------------------------------------------- */

static void before_switch(BhStack *from, BhStack *to, gboolean for_good) {
  switched_from = from;
#ifdef WITH_ASAN
  __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake_stack, to->sanitizer_low, to->sanitizer_size);
#else
  (void)to;
  (void)for_good;
#endif
}

/* here: NULL on a stack that has just begun. The bounds of the kernel thread's own stack are learned here. */
static void after_switch(BhStack *here) {
#ifdef WITH_ASAN
  __sanitizer_finish_switch_fiber(here != NULL ? here->fake_stack : NULL, &switched_from->sanitizer_low,
                                  &switched_from->sanitizer_size);
#else
  (void)here;
#endif
}

/* Of frames that were never left the sanitizer still believes that they are there. */
static void forget_stack(BhStack *stack) {
#ifdef WITH_ASAN
  char *from = MAX((char *)stack->left_at, (char *)stack->low);
  __asan_unpoison_memory_region(from, (gsize)((char *)stack->low + BH_STACK_BYTES - from));
  stack->left_at = NULL;
  stack->sanitizer_low = stack->low;
  stack->sanitizer_size = BH_STACK_BYTES;
  stack->fake_stack = NULL;
#else
  (void)stack;
#endif
}

static BhStack *starting; /* for `enter` */

static void enter(void) {
  BhStack *stack = starting;

  after_switch(NULL);
  stack->run(stack->data);
  g_assert_not_reached();
}

/* ---- The switch ---------------------------------------------------------------------------------------- */

#if defined(__x86_64__) && !defined(BH_STACK_PORTABLE)

/* What a function keeps for its caller goes onto its stack; the rest the compiler has saved already. The floating point
 * control words are everybody's: nothing here changes them. */
void bh_stack_swap(gpointer *from_top, gpointer to_top);
__asm__(".text\n"
        ".globl bh_stack_swap\n"
        ".hidden bh_stack_swap\n"
        ".type bh_stack_swap, @function\n"
        "bh_stack_swap:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size bh_stack_swap, . - bh_stack_swap\n");

/* Six registers, then where `ret` goes, then a return address that nobody uses: at its first instruction a function expects
 * its stack to be 8 bytes below a multiple of 16, as after a call. */
static void prepare(BhStack *stack) {
  gpointer *top = (gpointer *)((char *)stack->low + BH_STACK_BYTES);

  *--top = NULL;
  *--top = (gpointer)(guintptr)enter;
  for (guint i = 0; i < 6; i++) *--top = NULL;
  stack->top = top;
}

static void swap(BhStack *from, BhStack *to) {
  starting = to;
  bh_stack_swap(&from->top, to->top);
}

#else

/* Once per stack: getcontext may return twice, and then locals mean nothing. */
static void make_native(BhStack *stack) {
  if (stack->native != NULL) return;
  stack->native = g_new0(ucontext_t, 1);
  g_assert_no_errno(getcontext(stack->native));
}

static void prepare(BhStack *stack) {
  ucontext_t *native;

  make_native(stack);
  native = stack->native;
  native->uc_stack.ss_sp = stack->low;
  native->uc_stack.ss_size = BH_STACK_BYTES;
  native->uc_link = NULL;
  makecontext(native, enter, 0);
}

static void swap(BhStack *from, BhStack *to) {
  if (from->native == NULL) from->native = g_new0(ucontext_t, 1); /* the kernel thread's own, kept for ever */
  starting = to;
  swapcontext(from->native, to->native);
}

#endif

/* ---- The interface ------------------------------------------------------------------------------------- */

BhStack *bh_stack_new(void) {
  BhStack *stack = g_new0(BhStack, 1);
  gsize page = (gsize)sysconf(_SC_PAGESIZE);
  char *memory = mmap(NULL, page + BH_STACK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

  g_assert(memory != MAP_FAILED);
  g_assert_no_errno(mprotect(memory, page, PROT_NONE));
  stack->low = memory + page;
  return stack;
}

void bh_stack_start(BhStack *stack, void (*run)(gpointer data), gpointer data) {
  forget_stack(stack);
  stack->run = run;
  stack->data = data;
  prepare(stack);
}

void bh_stack_switch(BhStack *from, BhStack *to) {
  before_switch(from, to, FALSE);
  swap(from, to);
  after_switch(from);
}

void bh_stack_leave(BhStack *from, BhStack *to) {
  from->left_at = (char *)__builtin_frame_address(0) - LEAVING_BYTES;
  before_switch(from, to, TRUE);
  swap(from, to);
  g_assert_not_reached();
}
