#include "guest.h"

#include <string.h>

BhDistribution *bh_distribution_copy(const BhDistribution *distribution) {
  BhDistribution *copy = g_new(BhDistribution, 1);

  *copy = (BhDistribution){
      .id = distribution->id,
      .name = g_strdup(distribution->name),
      .package_family_name = g_strdup(distribution->package_family_name),
      .flavor = g_strdup(distribution->flavor),
      .version = g_strdup(distribution->version),
      .root = g_strdup(distribution->root),
      .wsl1 = distribution->wsl1,
  };
  return copy;
}

void bh_distribution_free(BhDistribution *distribution) {
  g_free(distribution->name);
  g_free(distribution->package_family_name);
  g_free(distribution->flavor);
  g_free(distribution->version);
  g_free(distribution->root);
  g_free(distribution);
}

void bh_description_clear(BhDescription *description) {
  g_free(description->id);
  g_free(description->document);
  *description = (BhDescription){0};
}

/* The first three groups of a GUID are little-endian numbers in memory: where the text's nth byte lies. */
static const guint8 places[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

char *bh_guid_to_string(const BhGuid *guid) {
  GString *text = g_string_new("{");

  for (guint i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) g_string_append_c(text, '-');
    g_string_append_printf(text, "%02x", guid->bytes[places[i]]);
  }
  g_string_append_c(text, '}');
  return g_string_free(text, FALSE);
}

gboolean bh_guid_parse(const char *text, BhGuid *guid) {
  gsize length = strlen(text);
  g_autofree char *bare = NULL;
  const char *from;

  if (length == 38 && text[0] == '{' && text[37] == '}')
    bare = g_strndup(text + 1, 36);
  else
    bare = g_strdup(text);
  if (!g_uuid_string_is_valid(bare)) return FALSE;
  from = bare;
  for (guint i = 0; i < 16; i++) {
    if (*from == '-') from++;
    guid->bytes[places[i]] = (guint8)(g_ascii_xdigit_value(from[0]) << 4 | g_ascii_xdigit_value(from[1]));
    from += 2;
  }
  return TRUE;
}

BhGuid bh_guid_random(void) {
  g_autofree char *text = g_uuid_string_random();
  BhGuid guid = {{0}};

  bh_guid_parse(text, &guid);
  return guid;
}
