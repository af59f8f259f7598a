/* socket.h: the few things about sockets that both platforms do differently, or that are easily done wrong.
 *
 * A socket is a gintptr (a SOCKET on Windows, a descriptor elsewhere); one that is owned is a BhResource, so that it
 * can be passed on to whoever knows nothing of sockets:
 *
 *   BhResource ours = { 0 }, theirs = { 0 };
 *   if (BH_FAILED(bh_socket_pair(&ours, &theirs))) …
 *   bh_socket_write_all(ours.value, "hello", 5);
 *   bh_socket_end_writing(ours.value);
 *   bh_socket_read_to_end(ours.value, 1024 * 1024, &answer, &length);
 *   bh_resource_clear(&ours);
 *
 * All sockets made here are blocking and not inherited by child processes; on Windows they are overlapped, so that
 * ReadFile, WriteFile and WSADuplicateSocket take them. A broken connection raises no signal. Different threads may
 * use one socket at once; bh_socket_shutdown ends what the others are waiting for.
 *
 * Winsock is started by the first of these functions and stays started. */
#pragma once

#include "core/result.h"

G_BEGIN_DECLS

/* A socket as a resource, which closes it. */
BhResource bh_socket_resource(gintptr socket);

/* Two sockets connected with each other. Natively a socketpair; on Windows over loopback TCP, where each end is
 * checked to be the other's peer, for any program on the machine might connect first. E_FAIL: none can be had. */
BhResult bh_socket_pair(BhResource *first, BhResource *second);

/* A connection to a port of this machine. E_FAIL: nobody listens, or no socket can be had. */
BhResult bh_socket_connect(guint16 port, BhResource *socket);

/* FALSE: the other side is gone. Without a time limit. */
gboolean bh_socket_write_all(gintptr socket, gconstpointer bytes, gsize length);

/* Waits for at least one byte. 0: the end of the stream; -1: the connection broke. */
gssize bh_socket_read(gintptr socket, gpointer bytes, gsize size);

/* Reads until the other side has nothing more to say. *bytes is the caller's, g_free, and is followed by a NUL that
 * does not count. More than limit bytes, or a connection that breaks: E_FAIL, and what came so far. */
BhResult bh_socket_read_to_end(gintptr socket, gsize limit, char **bytes, gsize *length);

/* The other side sees the end of the stream; reading goes on. */
void bh_socket_end_writing(gintptr socket);

/* Ends both directions; a thread that waits in read or write gets its end at once. The socket stays open. */
void bh_socket_shutdown(gintptr socket);

G_END_DECLS
