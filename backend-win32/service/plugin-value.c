#include "backend-win32/service/plugin-value.h"

#include <string.h>

#define STRING 1 /* REG_SZ */

static gboolean has_nul(const gunichar2 *text, gsize chars) {
  for (gsize i = 0; i < chars; i++)
    if (text[i] == 0) return TRUE;
  return FALSE;
}

/* The data's characters without the NUL at their end, if there is one. */
static gunichar2 *text_of(const BhPluginValue *value, gsize *chars) {
  gunichar2 *text = g_new(gunichar2, value->size / sizeof *text);

  *chars = value->size / sizeof *text;
  if (*chars > 0) memcpy(text, value->data, *chars * sizeof *text);
  if (*chars > 0 && text[*chars - 1] == 0) (*chars)--;
  return text;
}

static const char *parse_path(const BhPluginValue *value, char **path) {
  g_autofree gunichar2 *text = NULL;
  gsize chars;

  if (value->type != STRING) return "it is not a string (REG_SZ)";
  if (value->size > BH_PLUGIN_PATH_MAX * sizeof *text) return "its data is too long to be a path";
  if (value->size % sizeof *text != 0) return "its data ends inside a character";
  text = text_of(value, &chars);
  if (chars == 0 || text[0] == 0) return "its data is empty";
  if (has_nul(text, chars)) return "its data has a NUL inside";
  *path = g_utf16_to_utf8(text, (glong)chars, NULL, NULL, NULL);
  return *path != NULL ? NULL : "its data is not UTF-16";
}

const char *bh_plugin_value_parse(const BhPluginValue *value, char **name, char **path) {
  *name = *path = NULL;
  if (value->name_chars == 0) return "it has no name";
  if (value->name_chars > BH_PLUGIN_NAME_MAX) return "its name is too long";
  if (has_nul(value->name, value->name_chars)) return "its name has a NUL inside";
  *name = g_utf16_to_utf8(value->name, (glong)value->name_chars, NULL, NULL, NULL);
  return *name != NULL ? parse_path(value, path) : "its name is not UTF-16";
}
