/* record.h: the contract's structs as bytes, and back.
 *
 * Host and service are different processes, and one of them runs code we did not write. Everything between them is a
 * record: a GVariant tuple whose type comes from the contract's field tables. The same code, tested and fuzzed
 * natively, stands on both sides.
 *
 *   g_autoptr(GBytes) bytes = bh_record_encode_call(&call);
 *   BhCall received = {0};
 *   if (!bh_record_decode_call(api, data, size, &received, &why)) return refuse(why);
 *   …
 *   bh_record_clear_call(&received);
 *
 * Guarantees, whatever the bytes: at most BH_RECORD_MAX of them are looked at, and nothing is allocated for more;
 * only GVariant's normal form is accepted, so equal structs have equal bytes; strings have no NUL inside, text is
 * UTF-8; a member that may not be NULL is not. On failure no member is set but `hook` or `api`, and `why` says what was wrong.
 *
 * Which hook or call it is travels beside the record (it chooses the type), not in it. No state, no threads. */
#pragma once

#include "contract.h"

G_BEGIN_DECLS

/* No record is longer, in either direction. A plugin's call that would be is answered E_INVALIDARG in its host. */
#define BH_RECORD_MAX (1024u * 1024u)

/* The fields of a struct as bytes. NULL: more than BH_RECORD_MAX, a text that is not UTF-8, or a NULL that may not
 * be; *why (may be NULL) says which; static. */
GBytes *bh_record_encode(const BhFields *fields, gconstpointer data, const char **why);

/* And back, into a struct whose fields are zero. The fields then own what they point to. */
gboolean bh_record_decode(const BhFields *fields, gconstpointer bytes, gsize size, gpointer data,
                          const char **why);

/* Frees what the fields own and zeroes them. */
void bh_record_clear(const BhFields *fields, gpointer data);

/* A whole notification or call, header included; `hook` and `api` are what travelled beside it. */
GBytes *bh_record_encode_notification(const BhNotification *notification, const char **why);
gboolean bh_record_decode_notification(BhHook hook, gconstpointer bytes, gsize size, BhNotification *notification,
                                       const char **why);
void bh_record_clear_notification(BhNotification *notification);

GBytes *bh_record_encode_call(const BhCall *call, const char **why);
gboolean bh_record_decode_call(BhApi api, gconstpointer bytes, gsize size, BhCall *call, const char **why);
void bh_record_clear_call(BhCall *call);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhNotification, bh_record_clear_notification)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BhCall, bh_record_clear_call)

G_END_DECLS
