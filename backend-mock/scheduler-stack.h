/* scheduler-stack.h: stacks of one kernel thread, and the switch from one to another.
 *
 *   BhStack *stack = bh_stack_new();
 *   bh_stack_start(stack, run, data);      it will call run(data) when it is switched to
 *   bh_stack_switch(&here, stack);         returns when somebody switches back to `here`
 *
 * `here` is a zeroed BhStack that stands for the stack one is on. run must not return: it switches away for the last time
 * with bh_stack_leave. A stack may be started again, left or not: what stood on it is forgotten.
 *
 * A switch is a dozen instructions on x86-64, and swapcontext (a system call, ten times slower) anywhere else. A stack has
 * a guard page below it. AddressSanitizer is told of every switch. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BH_STACK_BYTES (256 * 1024)

typedef struct {
  gpointer top;        /* the stack's pointer, while it is not running */
  gpointer low;        /* of the stack's memory, above the guard page; NULL: the kernel thread's own */
  gpointer native;     /* ucontext_t, where there is no assembly */
  gpointer fake_stack; /* AddressSanitizer's, … */
  gconstpointer sanitizer_low;
  gsize sanitizer_size;
  gpointer left_at; /* below what was on it when it was left; NULL: it was not */
  void (*run)(gpointer data);
  gpointer data;
} BhStack;

BhStack *bh_stack_new(void); /* for as long as the program runs */

void bh_stack_start(BhStack *stack, void (*run)(gpointer data), gpointer data);
void bh_stack_switch(BhStack *from, BhStack *to);
/* As bh_stack_switch, never to return. */
void bh_stack_leave(BhStack *from, BhStack *to) G_GNUC_NORETURN;

G_END_DECLS
