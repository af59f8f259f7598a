/* dump-folder.c: dumps as files: their names, and how many there are. */
#include "backend-win32/dump/dump.h"

#define PREFIX     "host-"
#define SUFFIX     ".dmp"
#define UNFINISHED ".part"

/* Whether it goes with its last handle. */
static gboolean set_deletion(HANDLE file, gboolean is_deleted) {
  FILE_DISPOSITION_INFO disposition = {(BOOLEAN)is_deleted};
  return SetFileInformationByHandle(file, FileDispositionInfo, &disposition, sizeof disposition);
}

HANDLE bh_dump_folder_create(const char *folder, DWORD pid, char **path) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *when = g_date_time_format(now, "%Y%m%d-%H%M%S");
  g_autofree char *name = g_strdup_printf(PREFIX "%s-%lu" SUFFIX, when, pid);
  g_autofree char *unfinished = NULL;
  g_autofree wchar_t *wide = NULL;
  HANDLE file;

  g_mkdir_with_parents(folder, 0700);
  *path = g_build_filename(folder, name, NULL);
  unfinished = g_strconcat(*path, UNFINISHED, NULL);
  wide = bh_wire_wide(unfinished);
  /* New, so that nothing that lies there under this name is written to. */
  file =
      CreateFileW(wide, GENERIC_READ | GENERIC_WRITE | DELETE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
  if (file != INVALID_HANDLE_VALUE)
    set_deletion(file, TRUE); /* where it cannot be, delete_oldest sees to it one day */
  return file;
}

static gint by_name(gconstpointer one, gconstpointer other) {
  return g_strcmp0(*(const char *const *)one, *(const char *const *)other);
}

/* The names of dumps, oldest first; also of what was unfinished when the machine went down. */
static GPtrArray *dumps_in(const char *folder) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  GDir *directory = g_dir_open(folder, 0, NULL);
  const char *name;

  while (directory != NULL && (name = g_dir_read_name(directory)) != NULL)
    if (g_str_has_prefix(name, PREFIX) &&
        (g_str_has_suffix(name, SUFFIX) || g_str_has_suffix(name, SUFFIX UNFINISHED)))
      g_ptr_array_add(names, g_strdup(name));
  if (directory != NULL) g_dir_close(directory);
  g_ptr_array_sort(names, by_name);
  return names;
}

/* One that is being written cannot be deleted: it was opened for one process alone. */
static void delete_oldest(const char *folder) {
  g_autoptr(GPtrArray) names = dumps_in(folder);

  for (guint i = 0; i + BH_DUMPS_MAX < names->len; i++) {
    g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
    g_autofree wchar_t *wide = bh_wire_wide(path);
    DeleteFileW(wide);
  }
}

gboolean bh_dump_folder_close(HANDLE file, const char *path, gboolean keep) {
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *unfinished = g_strconcat(path, UNFINISHED, NULL);
  g_autofree wchar_t *from = bh_wire_wide(unfinished);
  g_autofree wchar_t *to = bh_wire_wide(path);
  gboolean is_kept = keep && set_deletion(file, FALSE);

  CloseHandle(file);
  is_kept = is_kept && MoveFileExW(from, to, 0);
  if (!is_kept) DeleteFileW(from);
  delete_oldest(folder);
  return is_kept;
}
