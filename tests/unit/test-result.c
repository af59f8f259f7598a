/* Results and the errors made of them: names, numbers, and the two lines that a user reads. */
#include "core/result.h"

/* Every code of the header, the number that Windows gives it, and the name users see. */
static const struct {
  BhResult code;
  guint32 number;
  const char *name;
} codes[] = {
    {BH_OK, 0, "S_OK"},
    {BH_E_NOTIMPL, 0x80004001u, "E_NOTIMPL"},
    {BH_E_POINTER, 0x80004003u, "E_POINTER"},
    {BH_E_ABORT, 0x80004004u, "E_ABORT"},
    {BH_E_FAIL, 0x80004005u, "E_FAIL"},
    {BH_E_UNEXPECTED, 0x8000FFFFu, "E_UNEXPECTED"},
    {BH_E_ILLEGAL_STATE_CHANGE, 0x8000000Du, "E_ILLEGAL_STATE_CHANGE"},
    {BH_E_ILLEGAL_METHOD_CALL, 0x8000000Eu, "E_ILLEGAL_METHOD_CALL"},
    {BH_E_ACCESSDENIED, 0x80070005u, "E_ACCESSDENIED"},
    {BH_E_OUTOFMEMORY, 0x8007000Eu, "E_OUTOFMEMORY"},
    {BH_E_INVALIDARG, 0x80070057u, "E_INVALIDARG"},
    {BH_E_FILE_NOT_FOUND, 0x80070002u, "ERROR_FILE_NOT_FOUND"},
    {BH_E_PATH_NOT_FOUND, 0x80070003u, "ERROR_PATH_NOT_FOUND"},
    {BH_E_MOD_NOT_FOUND, 0x8007007Eu, "ERROR_MOD_NOT_FOUND"},
    {BH_E_PROC_NOT_FOUND, 0x8007007Fu, "ERROR_PROC_NOT_FOUND"},
    {BH_E_BUSY, 0x800700AAu, "ERROR_BUSY"},
    {BH_E_ALREADY_EXISTS, 0x800700B7u, "ERROR_ALREADY_EXISTS"},
    {BH_E_BAD_EXE_FORMAT, 0x800700C1u, "ERROR_BAD_EXE_FORMAT"},
    {BH_E_NOT_FOUND, 0x80070490u, "ERROR_NOT_FOUND"},
    {BH_E_TIMEOUT, 0x800705B4u, "ERROR_TIMEOUT"},
    {BH_E_NOT_VALID_STATE, 0x8007139Fu, "E_NOT_VALID_STATE"},
    {BH_E_DISTRO_NOT_RUNNING, 0x80040313u, "WSL_E_DISTRO_NOT_RUNNING"},
    {BH_E_WSL2_NEEDED, 0x8004031Cu, "WSL_E_WSL2_NEEDED"},
    {BH_E_REQUIRES_UPDATE, 0x8004032Au, "WSL_E_PLUGIN_REQUIRES_UPDATE"},
    {BH_E_WSLC_VM_NOT_RUNNING, 0x80040610u, "WSLC_E_VM_NOT_RUNNING"},
    {BH_RPC_E_CALL_REJECTED, 0x80010001u, "RPC_E_CALL_REJECTED"},
    {BH_RPC_E_SERVER_DIED, 0x80010007u, "RPC_E_SERVER_DIED"},
    {BH_RPC_E_SERVER_DIED_DNE, 0x80010012u, "RPC_E_SERVER_DIED_DNE"},
    {BH_RPC_E_SERVERFAULT, 0x80010105u, "RPC_E_SERVERFAULT"},
    {BH_RPC_E_DISCONNECTED, 0x80010108u, "RPC_E_DISCONNECTED"},
    {BH_CO_E_OBJNOTCONNECTED, 0x800401FDu, "CO_E_OBJNOTCONNECTED"},
    {BH_RPC_S_SERVER_UNAVAILABLE, 0x800706BAu, "RPC_S_SERVER_UNAVAILABLE"},
    {BH_RPC_S_CALL_FAILED, 0x800706BEu, "RPC_S_CALL_FAILED"},
    {BH_RPC_S_CALL_FAILED_DNE, 0x800706BFu, "RPC_S_CALL_FAILED_DNE"},
    {BH_TRUST_E_SUBJECT_FORM_UNKNOWN, 0x800B0003u, "TRUST_E_SUBJECT_FORM_UNKNOWN"},
    {BH_TRUST_E_BAD_DIGEST, 0x80096010u, "TRUST_E_BAD_DIGEST"},
    {BH_TRUST_E_NOSIGNATURE, 0x800B0100u, "TRUST_E_NOSIGNATURE"},
    {BH_CERT_E_EXPIRED, 0x800B0101u, "CERT_E_EXPIRED"},
    {BH_CERT_E_UNTRUSTEDROOT, 0x800B0109u, "CERT_E_UNTRUSTEDROOT"},
};

static void every_code_is_shown_by_its_name(void) {
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
    g_autofree char *shown = bh_result_to_string(codes[i].code);

    g_assert_cmphex((guint32)codes[i].code, ==, codes[i].number);
    g_assert_cmpstr(bh_result_name(codes[i].code), ==, codes[i].name);
    g_assert_cmpstr(shown, ==, codes[i].name);
  }
}

static void a_code_without_a_name_is_shown_as_hex(void) {
  g_autofree char *failure = bh_result_to_string((BhResult)0x8004abcdu);
  g_autofree char *success = bh_result_to_string(1);

  g_assert_null(bh_result_name((BhResult)0x8004abcdu));
  g_assert_cmpstr(failure, ==, "0x8004ABCD");
  g_assert_cmpstr(success, ==, "0x00000001");
}

static void what_is_shown_is_understood(void) {
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
    g_autofree char *hex = g_strdup_printf("0x%08x", codes[i].number);
    g_autofree char *decimal = g_strdup_printf("%d", codes[i].code);
    const char *spellings[] = {codes[i].name, hex, decimal};

    for (guint j = 0; j < G_N_ELEMENTS(spellings); j++) {
      BhResult parsed = 12345;
      g_assert_true(bh_result_parse(spellings[j], &parsed));
      g_assert_cmphex((guint32)parsed, ==, codes[i].number);
    }
  }
}

static void a_second_name_is_understood_and_not_shown(void) {
  BhResult parsed = BH_OK;

  g_assert_true(bh_result_parse("ERROR_ACCESS_DENIED", &parsed));
  g_assert_cmpstr(bh_result_name(parsed), ==, "E_ACCESSDENIED");
}

static void what_is_no_code_is_refused(void) {
  static const char *const wrong[] = {
      "",     "E_", "e_fail",     "E_FAIL ",     " E_FAIL", "0x",   "0x1ffffffff", "0x80004005h",
      "0x-1", "-",  "2147483648", "-2147483649", "12 ",     "0x 1",
  };

  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
    BhResult parsed = 12345;
    if (bh_result_parse(wrong[i], &parsed)) g_error("'%s' was taken for 0x%08X", wrong[i], (guint)parsed);
    g_assert_cmpint(parsed, ==, 12345);
  }
}

static void failures_are_the_negative_ones(void) {
  g_assert_false(BH_FAILED(BH_OK));
  g_assert_false(BH_FAILED(1));
  g_assert_true(BH_SUCCEEDED(0x7fffffff));
  g_assert_true(BH_FAILED(BH_E_FAIL));
  g_assert_true(BH_FAILED(0x80000000u)); /* as an unsigned number too */
  g_assert_false(BH_SUCCEEDED(0xffffffffu));
}

static void an_error_tells_the_path_outermost_first(void) {
  BhContext outer = {NULL, "Wsl"};
  BhContext middle = {&outer, "Service"};
  BhContext inner = {&middle, "CreateVm"};
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_cmphex((guint32)bh_error_set(&error, BH_E_FAIL, &inner, "No %s, %d times", "luck", 3), ==, 0x80004005u);
  g_assert_cmpint(error->code, ==, BH_E_FAIL);
  g_assert_cmpstr(error->message, ==, "No luck, 3 times");
  g_assert_cmpstr(error->path, ==, "Wsl/Service/CreateVm");
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==, "No luck, 3 times\nError code: Wsl/Service/CreateVm/E_FAIL");
}

static void an_unknown_code_ends_the_path_as_hex(void) {
  BhContext context = {NULL, "Wsl"};
  g_autoptr(BhError) error = NULL;
  g_autofree char *text = NULL;

  bh_error_set(&error, (BhResult)0x80041234u, &context, "Odd");
  text = bh_error_text(error);
  g_assert_cmpstr(text, ==, "Odd\nError code: Wsl/0x80041234");
}

static void who_wants_no_error_gets_the_code(void) {
  BhContext context = {NULL, "Wsl"};
  g_assert_cmpint(bh_error_set(NULL, BH_E_ABORT, &context, "%s", "unheard"), ==, BH_E_ABORT);
}

static guint closed;
static gintptr closed_value;

static void note_close(gintptr value) {
  closed++;
  closed_value = value;
}

static void a_resource_is_closed_once(void) {
  BhResource resource = {42, note_close};

  closed = 0;
  bh_resource_clear(&resource);
  g_assert_cmpuint(closed, ==, 1);
  g_assert_cmpint(closed_value, ==, 42);
  g_assert_null(resource.close);
  bh_resource_clear(&resource);
  g_assert_cmpuint(closed, ==, 1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/result/every-code-is-shown-by-its-name", every_code_is_shown_by_its_name);
  g_test_add_func("/result/a-code-without-a-name-is-shown-as-hex", a_code_without_a_name_is_shown_as_hex);
  g_test_add_func("/result/what-is-shown-is-understood", what_is_shown_is_understood);
  g_test_add_func("/result/a-second-name-is-understood-and-not-shown", a_second_name_is_understood_and_not_shown);
  g_test_add_func("/result/what-is-no-code-is-refused", what_is_no_code_is_refused);
  g_test_add_func("/result/failures-are-the-negative-ones", failures_are_the_negative_ones);
  g_test_add_func("/error/tells-the-path-outermost-first", an_error_tells_the_path_outermost_first);
  g_test_add_func("/error/an-unknown-code-ends-the-path-as-hex", an_unknown_code_ends_the_path_as_hex);
  g_test_add_func("/error/who-wants-none-gets-the-code", who_wants_no_error_gets_the_code);
  g_test_add_func("/resource/is-closed-once", a_resource_is_closed_once);
  return g_test_run();
}
