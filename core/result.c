#include "result.h"

typedef struct {
  BhResult code;
  const char *name;
} ResultName;

/* Codes which users see by name. The first name of a code is the one shown; the others are understood. */
static const ResultName names[] = {
    {BH_OK, "S_OK"},
    {BH_E_NOTIMPL, "E_NOTIMPL"},
    {BH_E_POINTER, "E_POINTER"},
    {BH_E_ABORT, "E_ABORT"},
    {BH_E_FAIL, "E_FAIL"},
    {BH_E_UNEXPECTED, "E_UNEXPECTED"},
    {BH_E_ILLEGAL_STATE_CHANGE, "E_ILLEGAL_STATE_CHANGE"},
    {BH_E_ILLEGAL_METHOD_CALL, "E_ILLEGAL_METHOD_CALL"},
    {BH_E_ACCESSDENIED, "E_ACCESSDENIED"},
    {BH_E_ACCESSDENIED, "ERROR_ACCESS_DENIED"},
    {BH_E_OUTOFMEMORY, "E_OUTOFMEMORY"},
    {BH_E_INVALIDARG, "E_INVALIDARG"},
    {BH_E_FILE_NOT_FOUND, "ERROR_FILE_NOT_FOUND"},
    {BH_E_PATH_NOT_FOUND, "ERROR_PATH_NOT_FOUND"},
    {BH_E_MOD_NOT_FOUND, "ERROR_MOD_NOT_FOUND"},
    {BH_E_PROC_NOT_FOUND, "ERROR_PROC_NOT_FOUND"},
    {BH_E_BUSY, "ERROR_BUSY"},
    {BH_E_ALREADY_EXISTS, "ERROR_ALREADY_EXISTS"},
    {BH_E_BAD_EXE_FORMAT, "ERROR_BAD_EXE_FORMAT"},
    {BH_E_NOT_FOUND, "ERROR_NOT_FOUND"},
    {BH_E_TIMEOUT, "ERROR_TIMEOUT"},
    {BH_E_NOT_VALID_STATE, "E_NOT_VALID_STATE"},
    {BH_E_DISTRO_NOT_RUNNING, "WSL_E_DISTRO_NOT_RUNNING"},
    {BH_E_WSL2_NEEDED, "WSL_E_WSL2_NEEDED"},
    {BH_E_REQUIRES_UPDATE, "WSL_E_PLUGIN_REQUIRES_UPDATE"},
    {BH_E_WSLC_VM_NOT_RUNNING, "WSLC_E_VM_NOT_RUNNING"},
    {BH_RPC_E_CALL_REJECTED, "RPC_E_CALL_REJECTED"},
    {BH_RPC_E_SERVER_DIED, "RPC_E_SERVER_DIED"},
    {BH_RPC_E_SERVER_DIED_DNE, "RPC_E_SERVER_DIED_DNE"},
    {BH_RPC_E_SERVERFAULT, "RPC_E_SERVERFAULT"},
    {BH_RPC_E_DISCONNECTED, "RPC_E_DISCONNECTED"},
    {BH_CO_E_OBJNOTCONNECTED, "CO_E_OBJNOTCONNECTED"},
    {BH_RPC_S_SERVER_UNAVAILABLE, "RPC_S_SERVER_UNAVAILABLE"},
    {BH_RPC_S_CALL_FAILED, "RPC_S_CALL_FAILED"},
    {BH_RPC_S_CALL_FAILED_DNE, "RPC_S_CALL_FAILED_DNE"},
    {BH_TRUST_E_SUBJECT_FORM_UNKNOWN, "TRUST_E_SUBJECT_FORM_UNKNOWN"},
    {BH_TRUST_E_BAD_DIGEST, "TRUST_E_BAD_DIGEST"},
    {BH_TRUST_E_NOSIGNATURE, "TRUST_E_NOSIGNATURE"},
    {BH_CERT_E_EXPIRED, "CERT_E_EXPIRED"},
    {BH_CERT_E_UNTRUSTEDROOT, "CERT_E_UNTRUSTEDROOT"},
    {(BhResult)0x80040154u, "REGDB_E_CLASSNOTREG"},
    {(BhResult)0x80080005u, "CO_E_SERVER_EXEC_FAILURE"},
};

const char *bh_result_name(BhResult result) {
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (names[i].code == result) return names[i].name;
  return NULL;
}

gboolean bh_result_parse(const char *text, BhResult *result) {
  gint64 number;
  guint64 hex;

  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if (g_str_equal(names[i].name, text)) {
      *result = names[i].code;
      return TRUE;
    }
  }
  if (g_str_has_prefix(text, "0x") && g_ascii_string_to_unsigned(text + 2, 16, 0, G_MAXUINT32, &hex, NULL)) {
    *result = (BhResult)hex;
    return TRUE;
  }
  if (g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXINT32, &number, NULL)) {
    *result = (BhResult)number;
    return TRUE;
  }
  return FALSE;
}

char *bh_result_to_string(BhResult result) {
  const char *name = bh_result_name(result);
  return name != NULL ? g_strdup(name) : g_strdup_printf("0x%08X", (guint)result);
}

static void append_path(GString *path, const BhContext *context) {
  if (context == NULL) return;
  append_path(path, context->parent);
  if (path->len > 0) g_string_append_c(path, '/');
  g_string_append(path, context->name);
}

static const BhContext wsl_context = {NULL, "Wsl"};
const BhContext bh_service_context = {&wsl_context, "Service"};

BhResult bh_error_set(BhError **error, BhResult code, const BhContext *context, const char *format, ...) {
  if (error == NULL) return code;
  g_assert(*error == NULL);

  GString *path = g_string_new(NULL);
  append_path(path, context);

  va_list arguments;
  va_start(arguments, format);
  *error = g_new0(BhError, 1);
  (*error)->code = code;
  (*error)->message = g_strdup_vprintf(format, arguments);
  (*error)->path = g_string_free(path, FALSE);
  va_end(arguments);
  return code;
}

char *bh_error_text(const BhError *error) {
  g_autofree char *code = bh_result_to_string(error->code);
  return g_strdup_printf("%s\nError code: %s/%s", error->message, error->path, code);
}

void bh_error_free(BhError *error) {
  g_free(error->message);
  g_free(error->path);
  g_free(error);
}

void bh_resource_clear(BhResource *resource) {
  if (resource->close != NULL) resource->close(resource->value);
  *resource = (BhResource){0};
}
