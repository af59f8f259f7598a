/* json.h: between jansson and GLib, for whoever makes a document.
 *
 *   json_t *object = json_object();
 *   json_object_set_new(object, "image", bh_json_string(path));
 *   text = bh_json_take_text(object);
 *
 * Threading: any, a document at a time. */
#pragma once

#include <glib.h>
#include <jansson.h>

G_BEGIN_DECLS

/* Bytes as a string: what is no UTF-8 in them is replaced. NULL: "". */
json_t *bh_json_string(const char *bytes);

/* The document in one line; takes it. The caller's, g_free: jansson's memory is the C library's, and GLib's need not be. */
char *bh_json_take_text(json_t *document);

G_END_DECLS
