/* apartment.h: COM for threads that we know nothing about.
 *
 * A plugin calls the service from any thread it likes, an embedder notifies from any thread it likes; such a
 * thread may be in the multithreaded apartment (MTA), in a single-threaded one (STA), or have never heard of
 * COM. Our proxies are the MTA's, and work nowhere else. So whatever uses one is run there:
 *
 *   bh_apartment_keep(&keep);              once: from now on a thread without COM counts as MTA
 *   …                                      on any thread:
 *   status = bh_apartment_run(work, &data);
 *
 *   caller in the MTA, or without COM      ── work ──▶                    at no cost
 *   caller in an STA                       ── waits ──▶
 *   a thread made for it                        └─ work ─┘                a thread's start: 0.04 ms, Wine 0.8 ms
 *
 * The Global Interface Table would give an STA's thread a proxy of its own. But during a call by that proxy
 * COM runs the thread's message loop: windows' messages and other calls get in, in the middle of an API call
 * that had been an ordinary function call when the plugin was in the service's process, or of a notification
 * that goes out with locks held. (And under Wine 8 the table never gives back its references to an object in
 * another process.)
 *
 * Threading: any. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

/* Keeps the multithreaded apartment alive without a thread of ours in it. */
HRESULT bh_apartment_keep(CO_MTA_USAGE_COOKIE *cookie);
void bh_apartment_let_go(CO_MTA_USAGE_COOKIE cookie);

/* Runs function(data) in the MTA, and returns when it has. Fails when a thread is needed and cannot be had;
 * function has then not run. function takes no lock but leaves. */
HRESULT bh_apartment_run(void (*function)(gpointer data), gpointer data);

G_END_DECLS
