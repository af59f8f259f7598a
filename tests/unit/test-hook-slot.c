/* The rules of a running hook: who may say PluginError, how often, and what becomes of it. */
#include "core/hook-slot.h"
#include "core/sync.h"

/* A hook that carries a message, and one that does not. */
#define CARRIES BH_HOOK_VM_STARTED
#define MUTE    BH_HOOK_VM_STOPPING

/* Runs a hook that says what it is given, NULL-terminated, and returns result. */
static BhNotifyReply run_hook(BhHook hook, const char *const *messages, BhResult result) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, hook, 17);
  for (; *messages != NULL; messages++) bh_hook_slot_plugin_error(*messages);
  bh_hook_slot_end(&slot, result, &reply);
  return reply;
}

#define SAYS(...)    ((const char *const[]){__VA_ARGS__, NULL})
#define SAYS_NOTHING ((const char *const[]){NULL})

/* --- Without a message ---------------------------------------------------------------------------------- */

static void what_the_hook_returned_is_passed_on(void) {
  static const BhResult results[] = {BH_OK, 1, BH_E_FAIL, BH_RPC_E_DISCONNECTED};

  for (guint i = 0; i < G_N_ELEMENTS(results); i++) {
    g_auto(BhNotifyReply) reply = run_hook(CARRIES, SAYS_NOTHING, results[i]);
    g_assert_cmpint(reply.result, ==, results[i]);
    g_assert_null(reply.message);
  }
}

static void the_reply_says_which_thread_and_how_long(void) {
  BhNotifyReply reply = {0};
  gint64 before = bh_clock_now();
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, CARRIES, 1);
  bh_hook_slot_end(&slot, BH_OK, &reply);
  g_assert_cmpuint(reply.thread, ==, bh_thread_number());
  g_assert_cmpuint(reply.duration, <=, (guint64)(bh_clock_now() - before));
}

static void inside_a_hook_its_number_is_known_and_outside_none(void) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;

  g_assert_cmpuint(bh_hook_slot_current(), ==, 0);
  bh_hook_slot_begin(&slot, CARRIES, G_GUINT64_CONSTANT(0x100000002));
  g_assert_cmpuint(bh_hook_slot_current(), ==, G_GUINT64_CONSTANT(0x100000002));
  bh_hook_slot_end(&slot, BH_OK, &reply);
  g_assert_cmpuint(bh_hook_slot_current(), ==, 0);
}

/* --- PluginError ---------------------------------------------------------------------------------------- */

static void a_failure_carries_its_message(void) {
  g_auto(BhNotifyReply) reply = run_hook(CARRIES, SAYS("No licence"), BH_E_ACCESSDENIED);

  g_assert_cmpint(reply.result, ==, BH_E_ACCESSDENIED);
  g_assert_cmpstr(reply.message, ==, "No licence");
}

static void success_with_a_message_is_an_illegal_state_change(void) {
  g_auto(BhNotifyReply) reply = run_hook(CARRIES, SAYS("But"), BH_OK);
  g_auto(BhNotifyReply) odd = run_hook(CARRIES, SAYS("But"), 1);
  g_auto(BhNotifyReply) empty = run_hook(CARRIES, SAYS(""), BH_OK);

  g_assert_cmpint(reply.result, ==, BH_E_ILLEGAL_STATE_CHANGE);
  g_assert_cmpstr(reply.message, ==, "But");
  g_assert_cmpint(odd.result, ==, BH_E_ILLEGAL_STATE_CHANGE);
  g_assert_cmpint(empty.result, ==, BH_E_ILLEGAL_STATE_CHANGE);
}

static void a_second_message_is_refused_and_the_first_is_kept(void) {
  g_auto(BhNotifyReply) reply = {0};
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, CARRIES, 1);
  g_assert_cmpint(bh_hook_slot_plugin_error("first"), ==, BH_OK);
  g_assert_cmpint(bh_hook_slot_plugin_error("second"), ==, BH_E_ILLEGAL_STATE_CHANGE);
  g_assert_cmpint(bh_hook_slot_plugin_error("third"), ==, BH_E_ILLEGAL_STATE_CHANGE);
  bh_hook_slot_end(&slot, BH_E_FAIL, &reply);
  g_assert_cmpstr(reply.message, ==, "first");
}

static void null_is_looked_at_first(void) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;

  g_assert_cmpint(bh_hook_slot_plugin_error(NULL), ==, BH_E_INVALIDARG); /* outside a hook too */
  bh_hook_slot_begin(&slot, MUTE, 1);
  g_assert_cmpint(bh_hook_slot_plugin_error(NULL), ==, BH_E_INVALIDARG);
  g_assert_cmpint(bh_hook_slot_plugin_error("heard"), ==, BH_OK); /* NULL was no message */
  g_assert_cmpint(bh_hook_slot_plugin_error(NULL), ==, BH_E_INVALIDARG);
  bh_hook_slot_end(&slot, BH_OK, &reply);
}

static void outside_a_hook_it_is_an_illegal_method_call(void) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;

  g_assert_cmpint(bh_hook_slot_plugin_error("early"), ==, BH_E_ILLEGAL_METHOD_CALL);
  bh_hook_slot_begin(&slot, CARRIES, 1);
  bh_hook_slot_end(&slot, BH_OK, &reply);
  g_assert_cmpint(bh_hook_slot_plugin_error("late"), ==, BH_E_ILLEGAL_METHOD_CALL);
}

static void the_message_is_copied(void) {
  char text[] = "No licence";
  g_auto(BhNotifyReply) reply = {0};
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, CARRIES, 1);
  bh_hook_slot_plugin_error(text);
  text[0] = 'n';
  bh_hook_slot_end(&slot, BH_E_FAIL, &reply);
  g_assert_cmpstr(reply.message, ==, "No licence");
}

/* --- Hooks that carry none ------------------------------------------------------------------------------ */

static void each_hook_keeps_or_drops_it_as_the_contract_says(void) {
  for (guint hook = 0; hook < BH_HOOK_COUNT; hook++) {
    g_auto(BhNotifyReply) failure = run_hook((BhHook)hook, SAYS("why"), BH_E_FAIL);
    g_auto(BhNotifyReply) success = run_hook((BhHook)hook, SAYS("why"), BH_OK);

    g_assert_cmpint(failure.result, ==, BH_E_FAIL);
    g_assert_cmpstr(failure.message, ==, bh_hooks[hook].carries_message ? "why" : NULL);
    g_assert_cmpint(success.result, ==, bh_hooks[hook].carries_message ? BH_E_ILLEGAL_STATE_CHANGE : BH_OK);
  }
}

static void a_dropped_message_counts_as_the_first(void) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, MUTE, 1);
  g_assert_cmpint(bh_hook_slot_plugin_error("first"), ==, BH_OK);
  g_assert_cmpint(bh_hook_slot_plugin_error("second"), ==, BH_E_ILLEGAL_STATE_CHANGE);
  bh_hook_slot_end(&slot, BH_OK, &reply);
  g_assert_null(reply.message);
}

static void no_message_leaks_into_a_later_hook(void) {
  g_auto(BhNotifyReply) mute = run_hook(MUTE, SAYS("dropped"), BH_OK);
  g_auto(BhNotifyReply) after_mute = run_hook(CARRIES, SAYS_NOTHING, BH_OK);
  g_auto(BhNotifyReply) failed = run_hook(CARRIES, SAYS("said"), BH_E_FAIL);
  g_auto(BhNotifyReply) after_failed = run_hook(CARRIES, SAYS_NOTHING, BH_OK);

  g_assert_null(mute.message);
  g_assert_cmpint(after_mute.result, ==, BH_OK);
  g_assert_null(after_mute.message);
  g_assert_cmpstr(failed.message, ==, "said");
  g_assert_cmpint(after_failed.result, ==, BH_OK);
  g_assert_null(after_failed.message);
}

/* --- Hooks inside hooks, and beside each other ---------------------------------------------------------- */

static void a_hook_inside_a_hook_has_a_message_of_its_own(void) {
  g_auto(BhNotifyReply) outer_reply = {0};
  g_auto(BhNotifyReply) inner_reply = {0};
  BhHookSlot outer, inner;

  bh_hook_slot_begin(&outer, CARRIES, 1);
  g_assert_cmpint(bh_hook_slot_plugin_error("outer"), ==, BH_OK);
  bh_hook_slot_begin(&inner, CARRIES, 2);
  g_assert_cmpuint(bh_hook_slot_current(), ==, 2);
  g_assert_cmpint(bh_hook_slot_plugin_error("inner"), ==, BH_OK);
  bh_hook_slot_end(&inner, BH_E_ABORT, &inner_reply);
  g_assert_cmpuint(bh_hook_slot_current(), ==, 1);
  g_assert_cmpint(bh_hook_slot_plugin_error("outer again"), ==, BH_E_ILLEGAL_STATE_CHANGE);
  bh_hook_slot_end(&outer, BH_E_FAIL, &outer_reply);

  g_assert_cmpstr(inner_reply.message, ==, "inner");
  g_assert_cmpint(inner_reply.result, ==, BH_E_ABORT);
  g_assert_cmpstr(outer_reply.message, ==, "outer");
  g_assert_cmpint(outer_reply.result, ==, BH_E_FAIL);
  g_assert_cmpuint(bh_hook_slot_current(), ==, 0);
}

typedef struct {
  BhResult answer;
  guint64 current;
} Seen;

static gpointer say_something(gpointer data) {
  Seen *seen = data;
  seen->current = bh_hook_slot_current();
  seen->answer = bh_hook_slot_plugin_error("from elsewhere");
  return NULL;
}

static void another_thread_is_outside_the_hook(void) {
  BhNotifyReply reply = {0};
  BhHookSlot slot;
  Seen seen = {0, 1};

  bh_hook_slot_begin(&slot, CARRIES, 5);
  bh_thread_join(bh_thread_new("elsewhere", BH_RANK_LEAF, say_something, &seen));
  bh_hook_slot_end(&slot, BH_OK, &reply);
  g_assert_cmpuint(seen.current, ==, 0);
  g_assert_cmpint(seen.answer, ==, BH_E_ILLEGAL_METHOD_CALL);
  g_assert_cmpint(reply.result, ==, BH_OK);
  g_assert_null(reply.message);
}

static gpointer run_another_hook(gpointer data) {
  *(BhNotifyReply *)data = run_hook(CARRIES, SAYS("theirs"), BH_E_ABORT);
  return NULL;
}

static void hooks_on_two_threads_have_messages_of_their_own(void) {
  g_auto(BhNotifyReply) mine = {0};
  g_auto(BhNotifyReply) theirs = {0};
  BhHookSlot slot;

  bh_hook_slot_begin(&slot, CARRIES, 1);
  bh_thread_join(bh_thread_new("other hook", BH_RANK_LEAF, run_another_hook, &theirs));
  g_assert_cmpint(bh_hook_slot_plugin_error("mine"), ==, BH_OK);
  bh_hook_slot_end(&slot, BH_E_FAIL, &mine);
  g_assert_cmpstr(mine.message, ==, "mine");
  g_assert_cmpstr(theirs.message, ==, "theirs");
  g_assert_cmpuint(mine.thread, !=, theirs.thread);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/hook-slot/what-the-hook-returned-is-passed-on", what_the_hook_returned_is_passed_on);
  g_test_add_func("/hook-slot/the-reply-says-which-thread-and-how-long", the_reply_says_which_thread_and_how_long);
  g_test_add_func("/hook-slot/inside-a-hook-its-number-is-known-and-outside-none",
                  inside_a_hook_its_number_is_known_and_outside_none);
  g_test_add_func("/plugin-error/a-failure-carries-its-message", a_failure_carries_its_message);
  g_test_add_func("/plugin-error/success-with-a-message-is-an-illegal-state-change",
                  success_with_a_message_is_an_illegal_state_change);
  g_test_add_func("/plugin-error/a-second-message-is-refused-and-the-first-is-kept",
                  a_second_message_is_refused_and_the_first_is_kept);
  g_test_add_func("/plugin-error/null-is-looked-at-first", null_is_looked_at_first);
  g_test_add_func("/plugin-error/outside-a-hook-it-is-an-illegal-method-call",
                  outside_a_hook_it_is_an_illegal_method_call);
  g_test_add_func("/plugin-error/the-message-is-copied", the_message_is_copied);
  g_test_add_func("/plugin-error/each-hook-keeps-or-drops-it-as-the-contract-says",
                  each_hook_keeps_or_drops_it_as_the_contract_says);
  g_test_add_func("/plugin-error/a-dropped-message-counts-as-the-first", a_dropped_message_counts_as_the_first);
  g_test_add_func("/plugin-error/no-message-leaks-into-a-later-hook", no_message_leaks_into_a_later_hook);
  g_test_add_func("/hook-slot/a-hook-inside-a-hook-has-a-message-of-its-own",
                  a_hook_inside_a_hook_has_a_message_of_its_own);
  g_test_add_func("/hook-slot/another-thread-is-outside-the-hook", another_thread_is_outside_the_hook);
  g_test_add_func("/hook-slot/hooks-on-two-threads-have-messages-of-their-own",
                  hooks_on_two_threads_have_messages_of_their_own);
  return g_test_run();
}
