#include "script-internal.h"

#include <jansson.h>

char *bh_script_document_text(const char *json, const char *key) {
  json_t *document = json_loads(json, 0, NULL);
  json_t *value = json_object_get(document, key); /* NULL, of what is no object */
  char *text = g_strdup(json_string_value(json_is_array(value) ? json_array_get(value, 0) : value));

  json_decref(document);
  return text;
}
