/* plugin-value.h: what a value of the plugins' registry key says, whatever bytes are in it.
 *
 *   const BhPluginValue value = {.name = wide, .name_chars = chars, .type = type, .data = bytes, .size = size};
 *   g_autofree char *name = NULL, *path = NULL;
 *   const char *refusal = bh_plugin_value_parse(&value, &name, &path);
 *   if (refusal == NULL) …name and path are a plugin's
 *
 * Bytes to strings, and nothing of Windows: so it is tested and fuzzed natively, too. The registry keeps what it is given: a
 * string need not be terminated, nor have whole characters, nor be UTF-16; a name, written by the native API, may have NULs
 * inside, and then no ordinary tool shows it. Threading: any. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Limits of Windows': a value's name, and a path with its NUL; in characters. */
#define BH_PLUGIN_NAME_MAX 16383
#define BH_PLUGIN_PATH_MAX 32767

typedef struct {
  const gunichar2 *name; /* need not be terminated */
  gsize name_chars;
  guint32 type;       /* REG_SZ, …; what the bytes are said to be */
  const guint8 *data; /* need not be aligned */
  gsize size;         /* of data, in bytes */
} BhPluginValue;

/* NULL: it is a plugin's, and *name and *path (UTF-8, never empty) are the caller's. Else why it is not, for people, static;
 * *path is NULL then, and *name, the caller's, is NULL too or what is certain to be its name. */
const char *bh_plugin_value_parse(const BhPluginValue *value, char **name, char **path);

G_END_DECLS
