#include "backend-win32/service/signature.h"

#include <wincrypt.h>

#include <softpub.h>
#include <string.h>
#include <wintrust.h>

void (*bh_signed_file_moment)(BhSignedFileMoment moment, const char *path);

/* --- What WinVerifyTrust says --------------------------------------------------------------------------- */

/* After "… is refused: ". What is not here is said in Windows' own words. */
static const struct {
  HRESULT code;
  const char *words;
} refusals[] = {
    {TRUST_E_NOSIGNATURE, "it is not signed"},
    {TRUST_E_SUBJECT_FORM_UNKNOWN, "it is of no kind that can be signed"},
    {TRUST_E_BAD_DIGEST, "it was changed after it was signed"},
    {TRUST_E_CERT_SIGNATURE, "the signature on the signer's certificate is wrong"},
    {TRUST_E_EXPLICIT_DISTRUST, "its signer is distrusted on this machine"},
    {TRUST_E_SUBJECT_NOT_TRUSTED, "its signer is not trusted on this machine"},
    {CERT_E_EXPIRED, "the signer's certificate has expired"},
    {CERT_E_UNTRUSTEDROOT, "the signer's certificate leads to a root that this machine does not trust"},
    {CERT_E_CHAINING, "the signer's certificate leads to no root that this machine knows"},
    {CERT_E_REVOKED, "the signer's certificate was revoked"},
    {CERT_E_WRONG_USAGE, "the signer's certificate is not for signing programs"},
};

static char *refusal_words(BhResult result) {
  g_autofree char *code = bh_result_to_string(result);

  for (guint i = 0; i < G_N_ELEMENTS(refusals); i++)
    if (refusals[i].code == result) return g_strdup_printf("%s (%s)", refusals[i].words, code);
  return bh_wire_error_words(result);
}

/* WinVerifyTrust has answers that are no HRESULTs: Win32 errors, as positive numbers. Only 0 is a yes. */
static BhResult as_result(LONG status) {
  return status <= 0 ? (BhResult)status : bh_wire_error((DWORD)status);
}

/* The signer's chain once more, by the rules for any certificate. On Windows WinVerifyTrust has looked at it, and this
 * agrees; Wine 8 builds the chain and then does not look at what is wrong with it. */
static BhResult verify_chain(HANDLE state) {
  CRYPT_PROVIDER_DATA *provider = WTHelperProvDataFromStateData(state);
  CRYPT_PROVIDER_SGNR *signer = provider != NULL ? WTHelperGetProvSignerFromChain(provider, 0, FALSE, 0) : NULL;
  CERT_CHAIN_POLICY_PARA rules = {.cbSize = sizeof rules};
  CERT_CHAIN_POLICY_STATUS verdict = {.cbSize = sizeof verdict};

  if (signer == NULL || signer->pChainContext == NULL) return BH_TRUST_E_NOSIGNATURE;
  if (!CertVerifyCertificateChainPolicy(CERT_CHAIN_POLICY_BASE, signer->pChainContext, &rules, &verdict))
    return bh_wire_error(GetLastError());
  return as_result((LONG)verdict.dwError);
}

/* The path is for messages and for guessing the kind of file; what is read is the handle. */
static BhResult verify(HANDLE handle, const char *path) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  GUID action = WINTRUST_ACTION_GENERIC_VERIFY_V2;
  WINTRUST_FILE_INFO file = {.cbStruct = sizeof file, .pcwszFilePath = wide, .hFile = handle};
  WINTRUST_DATA trust = {
      .cbStruct = sizeof trust,
      .dwUIChoice = WTD_UI_NONE,
      .fdwRevocationChecks = WTD_REVOKE_NONE,
      .dwUnionChoice = WTD_CHOICE_FILE,
      .pFile = &file,
      .dwStateAction = WTD_STATEACTION_VERIFY,
      .dwProvFlags = WTD_CACHE_ONLY_URL_RETRIEVAL, /* nothing is fetched: a server may take its time */
  };
  HWND nobody = (HWND)INVALID_HANDLE_VALUE; /* there is no user to ask */
  BhResult result = as_result(WinVerifyTrust(nobody, &action, &trust));

  if (BH_SUCCEEDED(result)) result = verify_chain(trust.hWVTStateData);
  trust.dwStateAction = WTD_STATEACTION_CLOSE;
  WinVerifyTrust(nobody, &action, &trust);
  return result;
}

/* --- Holding it still ----------------------------------------------------------------------------------- */

/* Its path without links, by its handle. NULL: GetLastError says why. */
static char *resolve(HANDLE handle) {
  const DWORD size = 32768;
  g_autofree wchar_t *buffer = g_new0(wchar_t, size);
  const wchar_t *path = buffer;
  DWORD length = GetFinalPathNameByHandleW(handle, buffer, size, FILE_NAME_NORMALIZED | VOLUME_NAME_DOS);

  if (length == 0 || length >= size) return NULL;
  /* "\\?\C:\…" is C:\… spelled for functions that look at nothing; LoadLibrary and plugins like the plain one. */
  if (wcsncmp(path, L"\\\\?\\", 4) == 0 && path[4] != L'\0' && path[5] == L':' && length < MAX_PATH) path += 4;
  return bh_wire_utf8(path);
}

static gboolean is_on_another_machine(HANDLE handle) {
  FILE_REMOTE_PROTOCOL_INFO info;
  return GetFileInformationByHandleEx(handle, FileRemoteProtocolInfo, &info, sizeof info);
}

/* Opens a folder so that nobody can rename it or take it away. NULL is a folder that we may not list: there Windows'
 * own rule has to do, by which a folder with an open file below it is not renamed. */
static BhResult hold_folder(const wchar_t *path, HANDLE *folder) {
  DWORD error;

  *folder = CreateFileW(path, FILE_LIST_DIRECTORY, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                        FILE_FLAG_BACKUP_SEMANTICS, NULL);
  if (*folder != INVALID_HANDLE_VALUE) return BH_OK;
  *folder = NULL;
  error = GetLastError();
  return error == ERROR_ACCESS_DENIED ? BH_OK : bh_wire_error(error);
}

/* All folders of the path, below the drive's root. */
static BhResult hold_folders(BhSignedFile *file) {
  g_autofree wchar_t *path = bh_wire_wide(file->path);
  wchar_t *colon = wcschr(path, L':');
  BhResult result = BH_OK;

  if (colon == NULL || colon[1] != L'\\') return BH_E_INVALIDARG;
  for (wchar_t *end = wcschr(colon + 2, L'\\'); end != NULL && BH_SUCCEEDED(result);
       end = wcschr(end + 1, L'\\')) {
    HANDLE folder;
    *end = L'\0';
    result = hold_folder(path, &folder);
    *end = L'\\';
    if (folder != NULL) g_array_append_val(file->folders, folder);
  }
  return result;
}

/* Whether the path, now that nobody can change where it leads, leads to the file that is open. */
static gboolean leads_to_it(const BhSignedFile *file) {
  g_autofree wchar_t *path = bh_wire_wide(file->path);
  HANDLE again = CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                             NULL, OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
  FILE_ID_INFO one = {0}, other = {0};
  gboolean is_same = again != INVALID_HANDLE_VALUE &&
                     GetFileInformationByHandleEx(file->handle, FileIdInfo, &one, sizeof one) &&
                     GetFileInformationByHandleEx(again, FileIdInfo, &other, sizeof other) &&
                     one.VolumeSerialNumber == other.VolumeSerialNumber &&
                     memcmp(&one.FileId, &other.FileId, sizeof one.FileId) == 0;

  if (again != INVALID_HANDLE_VALUE) CloseHandle(again);
  return is_same;
}

static BhResult hold(BhSignedFile *file, const char *path, char **cause) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  BhResult result = BH_E_INVALIDARG;

  if (wide != NULL) {
    file->handle = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    result = file->handle != INVALID_HANDLE_VALUE ? BH_OK : bh_wire_error(GetLastError());
    if (BH_FAILED(result)) file->handle = NULL;
  }
  if (BH_SUCCEEDED(result) && is_on_another_machine(file->handle)) {
    *cause = g_strdup_printf("%s is on another machine, which may show other bytes each time", path);
    return BH_E_ACCESSDENIED;
  }
  if (BH_SUCCEEDED(result) && (file->path = resolve(file->handle)) == NULL) result = bh_wire_error(GetLastError());
  if (BH_SUCCEEDED(result)) result = hold_folders(file);
  if (BH_SUCCEEDED(result) && !leads_to_it(file)) result = BH_E_ACCESSDENIED; /* somebody was quick */
  if (result == BH_E_FILE_NOT_FOUND || result == BH_E_PATH_NOT_FOUND) {
    *cause = g_strdup_printf("there is no file %s", path);
    return BH_E_MOD_NOT_FOUND; /* as for a file that need not be signed */
  }
  if (BH_FAILED(result)) {
    g_autofree char *words = bh_wire_error_words(result);
    *cause = g_strdup_printf("%s cannot be opened and held, for its signature: %s", path, words);
  }
  return result;
}

static void moment(BhSignedFileMoment which, const char *path) {
  if (bh_signed_file_moment != NULL) bh_signed_file_moment(which, path);
}

BhResult bh_signed_file_open(BhSignedFile *file, const char *path, char **cause) {
  BhResult result;

  *file = (BhSignedFile){.folders = g_array_new(FALSE, FALSE, sizeof(HANDLE))};
  *cause = NULL;
  result = hold(file, path, cause);
  if (BH_SUCCEEDED(result)) {
    moment(BH_SIGNED_FILE_OPENED, path);
    result = verify(file->handle, file->path);
    if (BH_FAILED(result)) {
      g_autofree char *words = refusal_words(result);
      *cause = g_strdup_printf("%s is refused: %s", path, words);
    }
  }
  if (BH_SUCCEEDED(result))
    moment(BH_SIGNED_FILE_VERIFIED, path);
  else
    bh_signed_file_close(file);
  return result;
}

void bh_signed_file_close(BhSignedFile *file) {
  if (file->handle != NULL) CloseHandle(file->handle);
  for (guint i = 0; file->folders != NULL && i < file->folders->len; i++)
    CloseHandle(g_array_index(file->folders, HANDLE, i));
  if (file->folders != NULL) g_array_unref(file->folders);
  g_free(file->path);
  *file = (BhSignedFile){0};
}
