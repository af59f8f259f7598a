#include "commands-win32.h"

gboolean bh_parse_options(char ***arguments, const char *summary, const GOptionEntry *entries) {
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GError) error = NULL;

  g_option_context_set_summary(context, summary);
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse_strv(context, arguments, &error)) {
    bh_usage_error("%s", error->message);
    return FALSE;
  }
  if ((*arguments)[1] != NULL) {
    bh_usage_error("'%s' is one argument too many", (*arguments)[1]);
    return FALSE;
  }
  return TRUE;
}
