#include "compare.h"

/* Takes the first line that matches out of lines, if there is one. */
static gboolean take(GPtrArray *lines, const char *pattern) {
  for (guint i = 0; i < lines->len; i++) {
    if (!g_pattern_match_simple(pattern, lines->pdata[i])) continue;
    g_ptr_array_remove_index(lines, i);
    return TRUE;
  }
  return FALSE;
}

void bh_compare_logs(const char *plugin, const char *expected_text, const char *log) {
  g_auto(GStrv) parts = g_strsplit(expected_text, "%USER%", -1);
  g_autofree char *with_user = g_strjoinv(g_get_user_name(), parts);
  g_auto(GStrv) expected = g_strsplit(with_user, "\n", -1);
  g_auto(GStrv) split = g_strsplit(log, "\n", -1);
  g_autoptr(GPtrArray) lines = g_ptr_array_new();
  guint at = 0;

  for (char **line = split; *line != NULL; line++)
    if (**line != '\0') g_ptr_array_add(lines, g_strchomp(*line));
  for (char **line = expected; *line != NULL; line++)
    if (**line == '~' && !take(lines, *line + 1))
      g_error("%s: no line '%s' in its log:\n%s", plugin, *line + 1, log);
  for (char **line = expected; *line != NULL; line++) {
    if (**line == '\0' || **line == '~') continue;
    if (at >= lines->len) g_error("%s: expected '%s' at the end of its log:\n%s", plugin, *line, log);
    if (!g_pattern_match_simple(*line, lines->pdata[at]))
      g_error("%s: expected '%s' where there is '%s' in its log:\n%s", plugin, *line, (char *)lines->pdata[at],
              log);
    at++;
  }
  if (at < lines->len)
    g_error("%s: expected nothing after '%s' in its log:\n%s", plugin, at > 0 ? (char *)lines->pdata[at - 1] : "",
            log);
}
