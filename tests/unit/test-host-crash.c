/* Which statuses mean a dead host, what the latch remembers, and the words that a user reads. */
#include "core/host-crash.h"
#include "core/lock-order.h"

/* --- Classification ------------------------------------------------------------------------------------- */

static void each_code_of_a_dead_host_is_one(void) {
  static const guint32 dead[] = {
      0x80010108u, /* RPC_E_DISCONNECTED */
      0x80010007u, /* RPC_E_SERVER_DIED */
      0x80010012u, /* RPC_E_SERVER_DIED_DNE */
      0x800401FDu, /* CO_E_OBJNOTCONNECTED */
      0x800706BAu, /* RPC_S_SERVER_UNAVAILABLE */
      0x800706BEu, /* RPC_S_CALL_FAILED */
      0x800706BFu, /* RPC_S_CALL_FAILED_DNE */
      0x80010105u, /* RPC_E_SERVERFAULT: COM swallowed a fault */
  };

  for (guint i = 0; i < G_N_ELEMENTS(dead); i++)
    g_assert_cmpint(bh_host_crash_classify((BhResult)dead[i]), ==, BH_TRANSPORT_DEAD);
}

static void other_failures_leave_the_host_alive(void) {
  static const guint32 failed[] = {
      0x80010001u, /* RPC_E_CALL_REJECTED: a busy server */
      0x80004005u, /* E_FAIL */
      0x8000FFFFu, /* E_UNEXPECTED */
      0x8007000Eu, /* E_OUTOFMEMORY */
      0x80070005u, /* E_ACCESSDENIED */
      0x800706BBu, /* RPC_S_SERVER_TOO_BUSY, between two dead ones */
      0x80010106u, /* RPC_E_CHANGED_MODE, beside a dead one */
  };

  for (guint i = 0; i < G_N_ELEMENTS(failed); i++)
    g_assert_cmpint(bh_host_crash_classify((BhResult)failed[i]), ==, BH_TRANSPORT_FAILED);
}

static void every_success_is_one(void) {
  g_assert_cmpint(bh_host_crash_classify(BH_OK), ==, BH_TRANSPORT_OK);
  g_assert_cmpint(bh_host_crash_classify(1), ==, BH_TRANSPORT_OK); /* S_FALSE */
  g_assert_cmpint(bh_host_crash_classify(G_MAXINT32), ==, BH_TRANSPORT_OK);
  g_assert_cmpint(bh_host_crash_classify(0x00010108), ==, BH_TRANSPORT_OK); /* a dead one without its sign */
}

static void a_crash_is_reported_under_one_code_whatever_told_of_it(void) {
  g_assert_cmphex((guint32)BH_CRASH_CODE, ==, 0x80010007u);
  g_assert_cmpint(bh_host_crash_classify(BH_CRASH_CODE), ==, BH_TRANSPORT_DEAD);
}

/* --- What a user reads ---------------------------------------------------------------------------------- */

static const BhContext wsl = {NULL, "Wsl"};
static const BhContext service = {&wsl, "Service"};
static const BhContext create_instance = {&service, "CreateInstance"};
static const BhContext create_vm = {&create_instance, "CreateVm"};

static void check_text(BhResult code, const BhContext *context, const char *plugin, const char *message,
                       const char *expected) {
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_cmpint(bh_plugin_failure(&error, code, context, plugin, message), ==, code);
  g_assert_cmpint(error->code, ==, code);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==, expected);
}

static void a_plugin_that_failed_is_named(void) {
  check_text(BH_E_UNEXPECTED, &create_vm, "Shield", NULL,
             "A fatal error was returned by plugin 'Shield'\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_UNEXPECTED");
  check_text(BH_E_FAIL, &create_instance, "Shield", NULL,
             "A fatal error was returned by plugin 'Shield'\n"
             "Error code: Wsl/Service/CreateInstance/Plugin/E_FAIL");
}

static void what_the_plugin_said_is_added(void) {
  check_text(BH_E_FAIL, &create_vm, "Shield", "No licence: 100% sure",
             "A fatal error was returned by plugin 'Shield'. Error message: 'No licence: 100% sure'\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_FAIL");
  check_text(BH_E_FAIL, &create_vm, "Shield", "",
             "A fatal error was returned by plugin 'Shield'. Error message: ''\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_FAIL");
}

static void a_plugin_that_requires_an_update_says_so(void) {
  check_text((BhResult)0x8004032Au, &create_vm, "Shield", NULL,
             "The plugin 'Shield' requires a newer version of WSL. Please run: wsl.exe --update\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/WSL_E_PLUGIN_REQUIRES_UPDATE");
}

static void known_codes_are_named_and_others_are_hex(void) {
  check_text((BhResult)0x800B0100u, &create_vm, "Shield", NULL,
             "A fatal error was returned by plugin 'Shield'\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/TRUST_E_NOSIGNATURE");
  check_text((BhResult)0x8004beefu, &create_vm, "Shield", NULL,
             "A fatal error was returned by plugin 'Shield'\n"
             "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/0x8004BEEF");
}

/* --- The latch ------------------------------------------------------------------------------------------ */

static void nothing_is_latched_at_first(void) {
  BhLatch latch;

  bh_latch_init(&latch);
  g_assert_false(bh_latch_is_set(&latch));
  bh_latch_clear(&latch);
}

static void the_first_wins_and_is_told_each_time_in_the_same_words(void) {
  BhLatch latch;

  bh_latch_init(&latch);
  g_assert_true(bh_latch_set(&latch, "Shield", BH_CRASH_CODE));
  for (guint i = 0; i < 3; i++) {
    g_autoptr(BhError) error = NULL;
    g_autofree char *text = NULL;

    g_assert_true(bh_latch_is_set(&latch));
    g_assert_cmpint(bh_latch_error(&latch, &create_vm, &error), ==, BH_CRASH_CODE);
    text = bh_error_text(error);
    g_assert_cmpstr(text, ==,
                    "A fatal error was returned by plugin 'Shield'\n"
                    "Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/RPC_E_SERVER_DIED");
    g_assert_false(bh_latch_set(&latch, i == 0 ? "Shield" : "Other", BH_E_FAIL));
  }
  bh_latch_clear(&latch);
}

static void the_error_has_the_path_of_who_asks(void) {
  BhLatch latch;
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;

  bh_latch_init(&latch);
  bh_latch_set(&latch, "Old", BH_E_REQUIRES_UPDATE);
  bh_latch_error(&latch, &create_instance, &error);
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==,
                  "The plugin 'Old' requires a newer version of WSL. Please run: wsl.exe --update\n"
                  "Error code: Wsl/Service/CreateInstance/Plugin/WSL_E_PLUGIN_REQUIRES_UPDATE");
  bh_latch_clear(&latch);
}

static void the_name_is_the_latchs_own(void) {
  BhLatch latch;
  char name[] = "Shield";

  bh_latch_init(&latch);
  bh_latch_set(&latch, name, BH_E_FAIL);
  name[0] = 's';
  g_assert_cmpstr(latch.plugin, ==, "Shield");
  bh_latch_clear(&latch);
}

static void who_wants_no_error_gets_the_code(void) {
  BhLatch latch;

  bh_latch_init(&latch);
  bh_latch_set(&latch, "Shield", BH_E_FAIL);
  g_assert_cmpint(bh_latch_error(&latch, &create_vm, NULL), ==, BH_E_FAIL);
  bh_latch_clear(&latch);
}

#define THREADS 8

static gpointer set_latch(gpointer data) {
  return GINT_TO_POINTER(bh_latch_set(data, "Shield", BH_E_FAIL));
}

static void of_many_threads_one_is_the_first(void) {
  BhLatch latch;
  BhThread *threads[THREADS];
  guint first = 0;

  bh_latch_init(&latch);
  for (guint i = 0; i < THREADS; i++) threads[i] = bh_thread_new("setter", BH_RANK_LEAF, set_latch, &latch);
  for (guint i = 0; i < THREADS; i++) first += bh_thread_join(threads[i]) != NULL ? 1 : 0;
  g_assert_cmpuint(first, ==, 1);
  bh_latch_clear(&latch);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  bh_lock_order_start(BH_LOCK_ORDER_FATAL);
  g_test_add_func("/host-crash/each-code-of-a-dead-host-is-one", each_code_of_a_dead_host_is_one);
  g_test_add_func("/host-crash/other-failures-leave-the-host-alive", other_failures_leave_the_host_alive);
  g_test_add_func("/host-crash/every-success-is-one", every_success_is_one);
  g_test_add_func("/host-crash/is-reported-under-one-code-whatever-told-of-it",
                  a_crash_is_reported_under_one_code_whatever_told_of_it);
  g_test_add_func("/plugin-failure/the-plugin-is-named", a_plugin_that_failed_is_named);
  g_test_add_func("/plugin-failure/what-the-plugin-said-is-added", what_the_plugin_said_is_added);
  g_test_add_func("/plugin-failure/one-that-requires-an-update-says-so", a_plugin_that_requires_an_update_says_so);
  g_test_add_func("/plugin-failure/known-codes-are-named-and-others-are-hex",
                  known_codes_are_named_and_others_are_hex);
  g_test_add_func("/latch/nothing-is-latched-at-first", nothing_is_latched_at_first);
  g_test_add_func("/latch/the-first-wins-and-is-told-each-time-in-the-same-words",
                  the_first_wins_and_is_told_each_time_in_the_same_words);
  g_test_add_func("/latch/the-error-has-the-path-of-who-asks", the_error_has_the_path_of_who_asks);
  g_test_add_func("/latch/the-name-is-its-own", the_name_is_the_latchs_own);
  g_test_add_func("/latch/who-wants-no-error-gets-the-code", who_wants_no_error_gets_the_code);
  g_test_add_func("/latch/of-many-threads-one-is-the-first", of_many_threads_one_is_the_first);
  return g_test_run();
}
