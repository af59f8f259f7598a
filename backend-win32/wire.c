#include "backend-win32/wire.h"

#include <string.h>

const CLSID CLSID_WslPluginProxyStub = {
    0x3796acd2, 0xe8a5, 0x487c, {0xa9, 0x27, 0xc7, 0x73, 0xd8, 0x03, 0xf2, 0xec}};

static const BhField load_fields[] = {
    {"name", BH_FIELD_TEXT, G_STRUCT_OFFSET(BhWireLoad, name), BH_E_INVALIDARG},
    {"path", BH_FIELD_TEXT, G_STRUCT_OFFSET(BhWireLoad, path), BH_E_INVALIDARG},
};
const BhFields bh_wire_load_fields = {load_fields, G_N_ELEMENTS(load_fields)};

BhWireResource bh_wire_resource(BhApi api) {
  switch (api) {
    case BH_API_EXECUTE_BINARY:
    case BH_API_EXECUTE_BINARY_IN_DISTRIBUTION:
    case BH_API_PROCESS_GET_FD: return BH_WIRE_SOCKET;
    case BH_API_PROCESS_GET_EXIT_EVENT: return BH_WIRE_HANDLE;
    default: return BH_WIRE_NOTHING;
  }
}

HRESULT bh_wire_give(GBytes *bytes, UINT32 *size, BYTE **array) {
  g_autoptr(GBytes) taken = bytes;
  gconstpointer data;
  gsize length;

  *size = 0;
  *array = NULL;
  if (taken == NULL) return E_INVALIDARG;
  data = g_bytes_get_data(taken, &length);
  *array = CoTaskMemAlloc(length > 0 ? length : 1);
  if (*array == NULL) return E_OUTOFMEMORY;
  if (length > 0) memcpy(*array, data, length);
  *size = (UINT32)length;
  return S_OK;
}

/* Whether that many bytes are there. A reply says its size twice, as *replySize and as the array's own, and the
 * generated code does not compare the two: the array is as long as its own says. */
static gboolean holds(BYTE *array, UINT32 size) {
  IMalloc *allocator;
  SIZE_T there;

  if (array == NULL || FAILED(CoGetMalloc(1, &allocator))) return FALSE;
  there = IMalloc_GetSize(allocator, array);
  IMalloc_Release(allocator);
  return there != (SIZE_T)-1 && size <= there; /* -1: no memory of COM's */
}

HRESULT bh_wire_take(const BhFields *fields, UINT32 size, BYTE *array, gpointer data) {
  gboolean is_record = holds(array, size) && bh_record_decode(fields, array, size, data, NULL);
  CoTaskMemFree(array);
  return is_record ? S_OK : E_INVALIDARG;
}

BhResult bh_wire_error(DWORD error) {
  return error == ERROR_SUCCESS ? BH_E_FAIL : (BhResult)HRESULT_FROM_WIN32(error);
}

char *bh_wire_error_words(BhResult result) {
  g_autofree char *code = bh_result_to_string(result);
  g_autofree char *words = g_win32_error_message(result);

  g_strchomp(words);
  if (g_str_has_suffix(words, ".")) words[strlen(words) - 1] = '\0';
  if (words[0] == '\0') return g_steal_pointer(&code);
  return g_strdup_printf("%s (%s)", words, code);
}

wchar_t *bh_wire_wide(const char *text) {
  return text != NULL ? (wchar_t *)g_utf8_to_utf16(text, -1, NULL, NULL, NULL) : NULL;
}

char *bh_wire_utf8(const wchar_t *text) {
  return text != NULL ? g_utf16_to_utf8((const gunichar2 *)text, -1, NULL, NULL, NULL) : NULL;
}

char *bh_wire_full_path(const char *path) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  DWORD size = wide != NULL ? GetFullPathNameW(wide, 0, NULL, NULL) : 0;
  g_autofree wchar_t *full = size > 0 ? g_new0(wchar_t, size) : NULL;

  if (full == NULL || GetFullPathNameW(wide, size, full, NULL) >= size) return g_strdup(path);
  return bh_wire_utf8(full);
}
