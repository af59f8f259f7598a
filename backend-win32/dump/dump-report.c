#include "backend-win32/dump/dump.h"

#include <string.h>

BhDumpReport *bh_dump_report_map(HANDLE section) {
  return section != NULL ? MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, sizeof(BhDumpReport))
                         : NULL;
}

/* Where dumps go, and "" for nowhere. */
static void write_folder(char *folder, gsize size) {
  const char *chosen = g_getenv("BULKHEAD_DUMPS");
  g_autofree char *path = g_strdup(chosen);

  if (path == NULL) path = g_build_filename(g_get_user_data_dir(), "Bulkhead", "Dumps", NULL);
  if (g_path_is_absolute(path) && strlen(path) < size) g_strlcpy(folder, path, size);
}

HANDLE bh_dump_report_new(void) {
  HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof(BhDumpReport), NULL);
  BhDumpReport *report = bh_dump_report_map(section);

  if (report == NULL) {
    if (section != NULL) CloseHandle(section);
    return NULL;
  }
  write_folder(report->folder, sizeof report->folder);
  UnmapViewOfFile(report);
  return section;
}

/* One line of text, whatever bytes there are. prefix is left out with it. The caller's. */
static char *as_line(const char *prefix, const char *bytes, gsize size) {
  g_autofree char *ended = g_strndup(bytes, size - 1);
  g_autofree char *text = g_utf8_make_valid(ended, -1);

  for (char *p = text; *p != '\0'; p++)
    if (g_ascii_iscntrl(*p)) *p = ' ';
  return *text != '\0' ? g_strconcat(prefix, text, NULL) : g_strdup("");
}

void bh_dump_report_take(HANDLE section, guint32 exit_code, char **where, char **dump) {
  BhDumpReport *shared = bh_dump_report_map(section);
  BhDumpReport report = {.code = 0};

  if (shared != NULL) {
    memcpy(&report, shared, sizeof report); /* once: what is checked is then what is used */
    UnmapViewOfFile(shared);
  }
  /* Of a host that ended otherwise after all, or was ended, the report would tell something else. */
  if (report.code != exit_code || report.code == 0) memset(&report, 0, sizeof report);
  *where = as_line(" ", report.where, sizeof report.where);
  *dump = as_line("; dump: ", report.dump, sizeof report.dump);
}
