/* replay.c: runs a fuzz target over the corpus that the repository keeps, as an ordinary test: replay FOLDER-OR-FILE… */
#include "fuzz.h"

static void run_file(gconstpointer path) {
  g_autoptr(GError) error = NULL;
  g_autofree guint8 *exact = NULL;
  g_autofree char *bytes = NULL;
  gsize size;

  if (!g_file_get_contents(path, &bytes, &size, &error)) g_error("%s", error->message);
  exact = g_malloc(size + 1); /* GLib's has a NUL behind it. Aligned like no struct */
  memcpy(exact + 1, bytes, size);
  g_assert_cmpint(LLVMFuzzerTestOneInput(exact + 1, size), ==, 0);
}

static void empty(void) {
  g_autofree guint8 *none = g_malloc(1);
  g_assert_cmpint(LLVMFuzzerTestOneInput(none + 1, 0), ==, 0);
}

static void add(const char *path) {
  g_autofree char *name = g_path_get_basename(path);
  g_autofree char *test = g_strconcat("/fuzz/", name, NULL);

  g_test_add_data_func_full(test, g_strdup(path), run_file, g_free);
}

static void add_folder(const char *path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
  const char *name;

  if (folder == NULL) g_error("%s", error->message);
  while ((name = g_dir_read_name(folder)) != NULL) {
    g_autofree char *file = g_build_filename(path, name, NULL);
    add(file);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/fuzz/empty", empty);
  for (int i = 1; i < argc; i++) {
    if (g_file_test(argv[i], G_FILE_TEST_IS_DIR))
      add_folder(argv[i]);
    else
      add(argv[i]);
  }
  return g_test_run();
}
