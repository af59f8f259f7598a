/* fuzz.h: what a fuzz target is.
 *
 * One function per surface that takes bytes from someone else. It may do with them what it likes, and aborts when a promise
 * of that surface is broken: so each target says, in g_assert_…, what holds *whatever the bytes are*. libFuzzer looks for
 * bytes under which it does not; replay.c, an ordinary test, goes through those that the repository keeps.
 *
 *   int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
 *     g_autofree char *text = fuzz_text(data, size);
 *     …
 *     return 0;
 *   } */
#pragma once

#include <glib.h>

#include <stddef.h>
#include <string.h>

/* The name is libFuzzer's. Always returns 0. data lies in memory of just that size: a sanitizer sees what is read beyond. */
int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

/* The bytes up to their first NUL, as a string; the caller's. */
static inline char *fuzz_text(const guint8 *data, gsize size) {
  return g_strndup((const char *)data, size);
}
