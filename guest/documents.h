/* documents.h: what plugins are told of containers and images: JSON documents with Docker's keys, in which section 2 of
 * the contract names those that every document has.
 *
 *   g_auto(BhDescription) container = { 0 };
 *   bh_describe_container(&spec, 3, &container);
 *   container.document → {"Id":"5f…","Name":"web","Created":"2026-01-02T03:04:05.678901Z",…,"State":{"Status":"running",…
 *
 * A document tells of the moment in which it is made: the container has just started, the image has just been pulled.
 * Times are RFC 3339, in UTC. Names, arguments and environments are bytes, JSON is text: what is not UTF-8 becomes U+FFFD.
 * Any thread; no state. */
#pragma once

#include "core/guest.h"

G_BEGIN_DECLS

/* A container that runs. Its id is random. *container is overwritten, and the caller's to clear. */
void bh_describe_container(const BhContainerSpec *spec, guint32 number, BhDescription *container);

/* An image. Its id is a checksum of name and root, so the same image has the same id. Nobody counts what the folder holds:
 * Size is 0. *image is overwritten, and the caller's to clear. */
void bh_describe_image(const char *name, const char *root, BhDescription *image);

G_END_DECLS
