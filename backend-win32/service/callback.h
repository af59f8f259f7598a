/* callback.h: the object through which a host talks to the service.
 *
 * It is a gate in front of its link. Every method is let in or turned away on the thread it comes on:
 *
 *   from another process than the link's      E_ACCESSDENIED
 *   Hello, from a process in our job already  E_ACCESSDENIED: it is another link's, or a plugin's
 *   Hello, said before or too late            E_ACCESSDENIED
 *   Call, and the link is dead or released    E_UNEXPECTED
 *   Call, and very many run already           E_OUTOFMEMORY
 *   Goodbye, said before                      E_UNEXPECTED
 *   any, after bh_callback_close              E_UNEXPECTED
 *
 * and closing it waits until those that were let in have left. A link's end, in order:
 *
 *   release                       host
 *   ───────                       ────
 *   state: RELEASED
 *   drain: calls in flight end
 *   release the last reference ─▶ Goodbye ─┐ waits, so that the host does not end in the middle of the release
 *   farewell ────────────────────────────▶ │
 *   wait for the process          exit  ◀──┘
 *   close
 *
 * COM may keep the object for as long as it likes (Wine keeps a dead client's references for ever): after
 * close it refers to nothing. */
#pragma once

#include "backend-win32/service/link.h"

G_BEGIN_DECLS

/* One reference, the caller's. */
BhCallback *bh_callback_new(BhWin32Link *link);

IWslPluginHostCallback *bh_callback_interface(BhCallback *self);

/* Lets no Call in any more, and waits until none is inside. */
void bh_callback_drain(BhCallback *self);

/* The service has done with the host: its Goodbye returns. */
void bh_callback_farewell(BhCallback *self);

/* Lets nobody in any more, waits for those inside (a Goodbye returns), and takes the object away from other
 * processes. */
void bh_callback_close(BhCallback *self);

void bh_callback_unref(BhCallback *self);

G_END_DECLS
