#include "guest/json.h"

#include <stdlib.h>

json_t *bh_json_string(const char *bytes) {
  g_autofree char *valid = g_utf8_make_valid(bytes != NULL ? bytes : "", -1);

  return json_string(valid);
}

char *bh_json_take_text(json_t *document) {
  char *theirs = json_dumps(document, JSON_COMPACT), *ours = g_strdup(theirs);

  g_assert(ours != NULL);
  free(theirs);
  json_decref(document);
  return ours;
}
