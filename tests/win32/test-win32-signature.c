/* Where plugins must be signed: who is let in, what is said to the others, and that no file is swapped on the way.
 *
 * The signed ones are faults.dll, signed by test-win32-signature.sh. What is put in their place is cxx.dll, which is not
 * signed, and has a hook that faults.dll does not have: so what was loaded can be told from its hooks. */
#include "fixture.h"

#include "backend-win32/service/link.h"
#include "backend-win32/service/signature.h"

#include <wincrypt.h>

#include <glib/gstdio.h>
#include <string.h>

static char *folder; /* this program's */

/* --- Files ---------------------------------------------------------------------------------------------- */

static char *make_folder(const char *name) {
  char *path = g_build_filename(folder, name, NULL);
  g_assert_cmpint(g_mkdir_with_parents(path, 0700), ==, 0);
  return path;
}

static void copy_file(const char *from, const char *to) {
  g_autofree wchar_t *wide_from = bh_wire_wide(from);
  g_autofree wchar_t *wide_to = bh_wire_wide(to);
  if (!CopyFileW(wide_from, wide_to, FALSE)) g_error("%s cannot be copied to %s: %lu", from, to, GetLastError());
}

/* A copy of a built file ("tests/win32/signed.dll") as name in a folder. The caller's path. */
static char *copy_built(const char *built, const char *to_folder, const char *name) {
  g_autofree char *from = fixture_built(built);
  char *to = g_build_filename(to_folder, name, NULL);
  copy_file(from, to);
  return to;
}

static char *copy_signed(const char *to_folder, const char *name) {
  return copy_built("tests/win32/signed.dll", to_folder, name);
}

static char *copy_evil(const char *to_folder) {
  return copy_built("tests/plugins/plain/cxx.dll", to_folder, "evil.dll");
}

/* --- Trust ---------------------------------------------------------------------------------------------- */

static gboolean is_wine(void) {
  return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL;
}

/* Whether the root is among this machine's trusted ones. */
static gboolean trusted;

/* The store, and in it the root: added, or found and taken away. Nothing of it may be held when the store is closed:
 * only then Wine writes it. */
static gboolean change_trust(gboolean trust) {
  HCERTSTORE store = CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, CERT_SYSTEM_STORE_LOCAL_MACHINE, L"ROOT");
  g_autofree char *path = fixture_built("tests/win32/root.cer");
  g_autofree char *bytes = NULL;
  PCCERT_CONTEXT root, found;
  gboolean done = FALSE;
  gsize size;

  g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
  if (store == NULL) return FALSE;
  root = CertCreateCertificateContext(X509_ASN_ENCODING, (const BYTE *)bytes, (DWORD)size);
  g_assert_nonnull(root);
  if (trust) {
    done = CertAddCertificateContextToStore(store, root, CERT_STORE_ADD_REPLACE_EXISTING, NULL);
  } else {
    found = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_EXISTING, root, NULL);
    done = found != NULL && CertDeleteCertificateFromStore(found);
  }
  CertFreeCertificateContext(root);
  CertCloseStore(store, 0);
  return done;
}

static void trust_root(void) {
  g_autofree char *path = fixture_built("tests/win32/root.cer");

  if (!g_file_test(path, G_FILE_TEST_EXISTS)) return;
  /* A Wine prefix is ours; a machine's trust is not, unless we are told so. */
  if (is_wine() || g_getenv("BULKHEAD_TEST_TRUST") != NULL) trusted = change_trust(TRUE);
}

static void distrust_root(void) {
  if (trusted) g_assert_true(change_trust(FALSE));
  trusted = FALSE;
}

static gboolean has_signed_plugins(void) {
  g_autofree char *path = fixture_built("tests/win32/signed.dll");
  gboolean is_there = g_file_test(path, G_FILE_TEST_EXISTS);
  if (!is_there) g_test_skip("openssl and osslsigncode were not there when this was built");
  return is_there;
}

/* Skips the test when nothing that we could sign would be trusted. */
static gboolean has_trust(void) {
  if (!has_signed_plugins()) return FALSE;
  if (!trusted) g_test_skip("this machine's trusted roots may not be touched: set BULKHEAD_TEST_TRUST=1");
  return trusted;
}

/* --- Hosts ---------------------------------------------------------------------------------------------- */

static void open_host(Fixture *fixture, const char *path) {
  fixture_open(fixture, path);
  ((BhWin32Backend *)fixture->backend)->signed_only = TRUE;
}

static void load(Fixture *fixture) {
  g_assert_cmphex((guint)fixture->backend->class->load(fixture->link, &fixture->load), ==, 0);
}

static void assert_loaded_signed(Fixture *fixture) {
  g_assert_cmpstr(fixture->load.cause, ==, NULL);
  g_assert_cmphex((guint)fixture->load.result, ==, 0);
  g_assert_cmphex(fixture->load.hooks & (1u << BH_HOOK_VM_STARTED), ==, 0); /* it is not cxx.dll */
}

static void assert_refused(Fixture *fixture, BhResult result, const char *says) {
  g_assert_cmphex((guint)fixture->load.result, ==, (guint)result);
  g_assert_cmphex(fixture->load.hooks, ==, 0);
  g_assert_nonnull(fixture->load.cause);
  g_test_message("%s", fixture->load.cause);
  g_assert_nonnull(strstr(fixture->load.cause, says));
}

/* Loads the file, which must be refused. */
static void refuse(const char *path, BhResult result, const char *says) {
  Fixture fixture;

  open_host(&fixture, path);
  load(&fixture);
  assert_refused(&fixture, result, says);
  g_assert_cmpuint(fixture.calls, ==, 0);
  fixture_stop(&fixture);
}

/* --- Kinds of signatures -------------------------------------------------------------------------------- */

static void test_signed(void) {
  g_autofree char *own = make_folder("signed");
  g_autofree char *path = NULL;
  Fixture fixture;
  BhResult status;

  if (!has_trust()) return;
  path = copy_signed(own, "plugin.dll");
  open_host(&fixture, path);
  load(&fixture);
  assert_loaded_signed(&fixture);
  g_auto(BhNotifyReply) reply = fixture_command(&fixture, "succeed", &status);
  g_assert_cmphex((guint)status, ==, 0);
  fixture_stop(&fixture);
}

/* Unless told to, nobody asks. */
static void test_not_required(void) {
  Fixture fixture;

  fixture_start(&fixture, "faults");
  fixture_stop(&fixture);
}

static void test_35_unsigned(void) {
  g_autofree char *path = fixture_copy_plugin("faults", "unsigned");
  refuse(path, BH_TRUST_E_NOSIGNATURE, "it is not signed");
}

/* One byte, in what the signature is over. */
static void test_35_tampered(void) {
  g_autofree char *own = make_folder("tampered");
  g_autofree char *path = NULL, *bytes = NULL;
  gsize size;

  if (!has_signed_plugins()) return;
  path = copy_signed(own, "plugin.dll");
  g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
  bytes[0x800] ^= 1;
  g_assert_true(g_file_set_contents(path, bytes, (gssize)size, NULL));
  refuse(path, BH_TRUST_E_BAD_DIGEST, "it was changed after it was signed");
}

static void test_expired(void) {
  g_autofree char *own = make_folder("expired");
  g_autofree char *path = NULL;

  if (!has_trust()) return;
  path = copy_built("tests/win32/expired.dll", own, "plugin.dll");
  refuse(path, BH_CERT_E_EXPIRED, "the signer's certificate has expired");
}

static void test_untrusted(void) {
  g_autofree char *own = make_folder("untrusted");
  g_autofree char *path = NULL;

  if (!has_signed_plugins()) return;
  path = copy_built("tests/win32/stranger.dll", own, "plugin.dll");
  refuse(path, BH_CERT_E_UNTRUSTEDROOT, "a root that this machine does not trust");
}

static void test_absent(void) {
  refuse("C:\\nowhere\\absent.dll", BH_E_MOD_NOT_FOUND, "there is no file");
}

static void test_not_a_dll(void) {
  g_autofree char *path = fixture_copy_plugin("noexport", "text");

  g_assert_true(g_file_set_contents(path, "This is no DLL, but a line of text.\n", -1, NULL));
  refuse(path, (BhResult)0x800B0003u, "of no kind that can be signed");
}

/* --- Swapping it ---------------------------------------------------------------------------------------- */

/* What is swapped in one test. */
typedef struct {
  char *outer, *inner; /* folders: inner is in outer, the plugin in inner */
  char *path, *evil, *other_folder;
} Place;

static void place_make(Place *place, const char *name, const char *plugin) {
  g_autofree char *inner = g_build_filename(name, "inner", NULL);
  g_autofree char *other = g_strconcat(name, "-other", NULL);

  place->outer = make_folder(name);
  place->inner = make_folder(inner);
  place->other_folder = make_folder(other);
  place->path = copy_signed(place->inner, plugin);
  place->evil = copy_evil(place->other_folder);
}

static void place_clear(Place *place) {
  g_free(place->outer);
  g_free(place->inner);
  g_free(place->path);
  g_free(place->evil);
  g_free(place->other_folder);
}

static gboolean open_with(const char *path, DWORD access, DWORD disposition) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  HANDLE file = CreateFileW(wide, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                            disposition, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return FALSE;
  CloseHandle(file);
  return TRUE;
}

static gboolean move(const char *from, const char *to, DWORD flags) {
  g_autofree wchar_t *wide_from = bh_wire_wide(from);
  g_autofree wchar_t *wide_to = bh_wire_wide(to);
  return MoveFileExW(wide_from, wide_to, flags);
}

static gboolean write_to(const Place *place) {
  return open_with(place->path, GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING);
}

static gboolean append_to(const Place *place) {
  return open_with(place->path, FILE_APPEND_DATA, OPEN_EXISTING);
}

static gboolean truncate_it(const Place *place) {
  return open_with(place->path, GENERIC_WRITE, TRUNCATE_EXISTING);
}

static gboolean overwrite(const Place *place) {
  g_autofree wchar_t *from = bh_wire_wide(place->evil);
  g_autofree wchar_t *to = bh_wire_wide(place->path);
  return CopyFileW(from, to, FALSE);
}

static gboolean delete_it(const Place *place) {
  g_autofree wchar_t *wide = bh_wire_wide(place->path);
  return DeleteFileW(wide);
}

static gboolean rename_away(const Place *place) {
  g_autofree char *away = g_strconcat(place->path, ".away", NULL);
  return move(place->path, away, 0);
}

static gboolean replace(const Place *place) {
  g_autofree char *copy = g_build_filename(place->other_folder, "copy.dll", NULL);
  copy_file(place->evil, copy);
  return move(copy, place->path, MOVEFILE_REPLACE_EXISTING);
}

static gboolean replace_by_replace_file(const Place *place) {
  g_autofree char *copy = g_build_filename(place->other_folder, "copy.dll", NULL);
  g_autofree wchar_t *from = bh_wire_wide(copy);
  g_autofree wchar_t *to = bh_wire_wide(place->path);
  copy_file(place->evil, copy);
  return ReplaceFileW(to, from, NULL, 0, NULL, NULL);
}

static gboolean rename_folder(const Place *place) {
  g_autofree char *away = g_strconcat(place->inner, ".away", NULL);
  return move(place->inner, away, 0);
}

static gboolean rename_outer_folder(const Place *place) {
  g_autofree char *away = g_strconcat(place->outer, ".away", NULL);
  return move(place->outer, away, 0);
}

static const struct {
  const char *name;
  gboolean (*try)(const Place *place); /* TRUE: it worked */
} swaps[] = {
    {"write", write_to},
    {"append", append_to},
    {"truncate", truncate_it},
    {"overwrite", overwrite},
    {"delete", delete_it},
    {"rename", rename_away},
    {"replace", replace},
    {"ReplaceFile", replace_by_replace_file},
    {"rename the folder", rename_folder},
    {"rename the outer folder", rename_outer_folder},
};

static gpointer try_all(gpointer data) {
  for (gsize i = 0; i < G_N_ELEMENTS(swaps); i++)
    if (swaps[i].try(data)) g_error("%s worked", swaps[i].name);
  return NULL;
}

/* On another thread, as another program's would be, but now. */
static void attack(Place *place) {
  bh_thread_join(bh_thread_new("attacker", BH_RANK_LEAF, try_all, place));
}

static Place *attacked;
static guint moments; /* that were */

static void attack_at_moment(BhSignedFileMoment moment, const char *path) {
  g_assert_cmpint(moment, ==, moments);
  g_assert_cmpstr(path, ==, attacked->path);
  moments++;
  attack(attacked);
}

/* Between opening and verification, and between verification and load. */
static void test_swapped_before_load(void) {
  Fixture fixture;
  Place place;

  if (!has_trust()) return;
  place_make(&place, "before", "plugin.dll");
  attacked = &place;
  moments = 0;
  bh_signed_file_moment = attack_at_moment;
  open_host(&fixture, place.path);
  load(&fixture);
  bh_signed_file_moment = NULL;
  g_assert_cmpuint(moments, ==, 2);
  assert_loaded_signed(&fixture);
  fixture_stop(&fixture);
  place_clear(&place);
}

static gpointer load_in_thread(gpointer data) {
  Fixture *fixture = data;
  return GINT_TO_POINTER(fixture->backend->class->load(fixture->link, &fixture->load));
}

/* In the middle: its DllMain runs. */
static void test_swapped_while_loading(void) {
  Fixture fixture;
  BhThread *thread;
  Place place;

  if (!has_trust()) return;
  place_make(&place, "while", "dllmain-hangs.dll");
  open_host(&fixture, place.path);
  thread = bh_thread_new("load", BH_RANK_LEAF, load_in_thread, &fixture);
  fixture_await_hang(&fixture);
  attack(&place);
  fixture.backend->class->kill(fixture.link, "seen enough");
  bh_thread_join(thread);
  fixture_await_death(&fixture);
  fixture_stop(&fixture);
  place_clear(&place);
}

/* A loaded plugin's file may be put aside, as an update does; what lies there then is looked at anew. */
static void test_swapped_between_two_loads(void) {
  Fixture first, second;
  BhResult status;
  Place place;

  if (!has_trust()) return;
  place_make(&place, "between", "plugin.dll");
  open_host(&first, place.path);
  load(&first);
  assert_loaded_signed(&first);
  g_assert_true(rename_away(&place));
  copy_file(place.evil, place.path);
  open_host(&second, place.path);
  load(&second);
  assert_refused(&second, BH_TRUST_E_NOSIGNATURE, "it is not signed");
  g_auto(BhNotifyReply) reply = fixture_command(&first, "succeed", &status);
  g_assert_cmphex((guint)status, ==, 0);
  fixture_stop(&second);
  fixture_stop(&first);
  place_clear(&place);
}

/* Nothing stays held. */
static void test_let_go(void) {
  g_autofree char *cause = NULL;
  BhSignedFile file;
  Place place;

  if (!has_trust()) return;
  place_make(&place, "let-go", "plugin.dll");
  g_assert_cmphex((guint)bh_signed_file_open(&file, place.path, &cause), ==, 0);
  attack(&place);
  bh_signed_file_close(&file);
  g_assert_true(overwrite(&place));
  g_assert_cmphex((guint)bh_signed_file_open(&file, place.path, &cause), ==, (guint)BH_TRUST_E_NOSIGNATURE);
  g_assert_true(rename_outer_folder(&place));
  place_clear(&place);
}

/* Somebody who may already write to it, or rename it, when it is opened. */
static void test_held_by_another(void) {
  static const DWORD accesses[] = {GENERIC_WRITE, DELETE};
  Place place;

  if (!has_trust()) return;
  place_make(&place, "held", "plugin.dll");
  for (gsize i = 0; i < G_N_ELEMENTS(accesses); i++) {
    g_autofree wchar_t *wide = bh_wire_wide(place.path);
    HANDLE other = CreateFileW(wide, accesses[i], FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                               OPEN_EXISTING, 0, NULL);
    g_assert_true(other != INVALID_HANDLE_VALUE);
    refuse(place.path, (BhResult)0x80070020u, "cannot be opened and held"); /* ERROR_SHARING_VIOLATION */
    CloseHandle(other);
  }
  place_clear(&place);
}

/* A link in the path that leads elsewhere once the file is verified. */
static wchar_t *link_path, *link_target;

static void turn_link(BhSignedFileMoment moment, G_GNUC_UNUSED const char *path) {
  if (moment != BH_SIGNED_FILE_VERIFIED) return;
  g_assert_true(RemoveDirectoryW(link_path));
  g_assert_true(CreateSymbolicLinkW(link_path, link_target, SYMBOLIC_LINK_FLAG_DIRECTORY));
}

static void test_link_turned(void) {
  g_autofree char *link = g_build_filename(folder, "link", NULL);
  g_autofree char *through = g_build_filename(link, "plugin.dll", NULL);
  g_autofree char *evil = NULL;
  g_autofree wchar_t *inner = NULL;
  Fixture fixture;
  Place place;

  if (!has_trust()) return;
  place_make(&place, "linked", "plugin.dll");
  evil = g_build_filename(place.other_folder, "plugin.dll", NULL);
  copy_file(place.evil, evil);
  inner = bh_wire_wide(place.inner);
  link_path = bh_wire_wide(link);
  link_target = bh_wire_wide(place.other_folder);
  if (!CreateSymbolicLinkW(link_path, inner, SYMBOLIC_LINK_FLAG_DIRECTORY) ||
      !g_file_test(through, G_FILE_TEST_EXISTS)) {
    g_test_skip("links cannot be made: a privilege on Windows, and Wine 8 has none");
  } else {
    bh_signed_file_moment = turn_link;
    open_host(&fixture, through);
    load(&fixture);
    bh_signed_file_moment = NULL;
    assert_loaded_signed(&fixture);
    fixture_stop(&fixture);
  }
  g_free(link_path);
  g_free(link_target);
  place_clear(&place);
}

int main(int argc, char **argv) {
  int result;

  fixture_init(&argc, &argv);
  folder = g_dir_make_tmp("bulkhead-signature-XXXXXX", NULL);
  g_assert_nonnull(folder);
  trust_root();
  g_test_add_func("/win32/signature/signed", test_signed);
  g_test_add_func("/win32/signature/not-required", test_not_required);
  g_test_add_func("/win32/signature/35-unsigned", test_35_unsigned);
  g_test_add_func("/win32/signature/35-tampered", test_35_tampered);
  g_test_add_func("/win32/signature/expired", test_expired);
  g_test_add_func("/win32/signature/untrusted", test_untrusted);
  g_test_add_func("/win32/signature/absent", test_absent);
  g_test_add_func("/win32/signature/not-a-dll", test_not_a_dll);
  g_test_add_func("/win32/signature/swapped-before-load", test_swapped_before_load);
  g_test_add_func("/win32/signature/swapped-while-loading", test_swapped_while_loading);
  g_test_add_func("/win32/signature/swapped-between-two-loads", test_swapped_between_two_loads);
  g_test_add_func("/win32/signature/let-go", test_let_go);
  g_test_add_func("/win32/signature/held-by-another", test_held_by_another);
  g_test_add_func("/win32/signature/link-turned", test_link_turned);
  result = g_test_run();
  distrust_root();
  return result;
}
