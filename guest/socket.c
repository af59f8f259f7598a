#include "guest/socket.h"

#ifdef G_OS_WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#define SHUT_RDWR      SD_BOTH
#define SHUT_WR        SD_SEND
#define MSG_NOSIGNAL   0
#define LENGTH(length) ((int)MIN(length, (gsize)(1024 * 1024)))
#else
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#define INVALID_SOCKET (-1)
#define LENGTH(length) (length)
typedef int SOCKET;
#endif

#define STRANGERS_MAX 16 /* connections that may come before our own */

#ifdef G_OS_WIN32

/* Winsock counts its starts; that of each socket made here is never taken back. */
static gboolean started(void) {
  WSADATA data;

  return WSAStartup(MAKEWORD(2, 2), &data) == 0;
}

static SOCKET new_tcp(void) {
  if (!started()) return INVALID_SOCKET;
  return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
}

static void close_socket(gintptr socket) {
  closesocket((SOCKET)socket);
}

static gboolean interrupted(void) {
  return FALSE;
}

#else

static SOCKET new_tcp(void) {
  return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
}

static void close_socket(gintptr socket) {
  close((SOCKET)socket);
}

static gboolean interrupted(void) {
  return errno == EINTR;
}

#endif

BhResource bh_socket_resource(gintptr socket) {
  return (BhResource){socket, close_socket};
}

/* Small messages go out at once: a request must not wait for the answer to the one before. */
static void be_quick(SOCKET socket) {
  int on = 1;

  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
}

static struct sockaddr_in loopback(guint16 port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

BhResult bh_socket_connect(guint16 port, BhResource *result) {
  struct sockaddr_in address = loopback(port);
  SOCKET socket = new_tcp();

  if (socket == INVALID_SOCKET) return BH_E_FAIL;
  if (connect(socket, (struct sockaddr *)&address, sizeof address) != 0) {
    close_socket((gintptr)socket);
    return BH_E_FAIL;
  }
  be_quick(socket);
  *result = bh_socket_resource((gintptr)socket);
  return BH_OK;
}

#ifdef G_OS_WIN32

static gboolean listen_on_loopback(SOCKET listener, struct sockaddr_in *address) {
  int size = sizeof *address, on = 1;

  *address = loopback(0);
  setsockopt(listener, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&on, sizeof on);
  return bind(listener, (struct sockaddr *)address, sizeof *address) == 0 &&
         getsockname(listener, (struct sockaddr *)address, &size) == 0 && listen(listener, STRANGERS_MAX) == 0;
}

static gboolean is_peer(SOCKET accepted, SOCKET connected) {
  struct sockaddr_in peer, own;
  int peer_size = sizeof peer, own_size = sizeof own;

  return getpeername(accepted, (struct sockaddr *)&peer, &peer_size) == 0 &&
         getsockname(connected, (struct sockaddr *)&own, &own_size) == 0 && peer.sin_port == own.sin_port &&
         peer.sin_addr.s_addr == own.sin_addr.s_addr;
}

BhResult bh_socket_pair(BhResource *first, BhResource *second) {
  SOCKET listener = new_tcp(), accepted = INVALID_SOCKET;
  BhResource connected = {0};
  struct sockaddr_in address;

  if (listener != INVALID_SOCKET && listen_on_loopback(listener, &address) &&
      BH_SUCCEEDED(bh_socket_connect(ntohs(address.sin_port), &connected))) {
    for (int i = 0; i < STRANGERS_MAX; i++) {
      accepted = accept(listener, NULL, NULL);
      if (accepted == INVALID_SOCKET || is_peer(accepted, (SOCKET)connected.value)) break;
      closesocket(accepted);
      accepted = INVALID_SOCKET;
    }
  }
  if (listener != INVALID_SOCKET) closesocket(listener);
  if (accepted == INVALID_SOCKET) {
    bh_resource_clear(&connected);
    return BH_E_FAIL;
  }
  /* Unlike WSASocket, accept has no flag for it. */
  SetHandleInformation((HANDLE)accepted, HANDLE_FLAG_INHERIT, 0);
  be_quick(accepted);
  *first = connected;
  *second = bh_socket_resource((gintptr)accepted);
  return BH_OK;
}

#else

BhResult bh_socket_pair(BhResource *first, BhResource *second) {
  int ends[2];

  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return BH_E_FAIL;
  *first = bh_socket_resource(ends[0]);
  *second = bh_socket_resource(ends[1]);
  return BH_OK;
}

#endif

gboolean bh_socket_write_all(gintptr socket, gconstpointer bytes, gsize length) {
  const char *at = bytes;

  while (length > 0) {
    gssize sent = send((SOCKET)socket, at, LENGTH(length), MSG_NOSIGNAL);

    if (sent < 0 && interrupted()) continue;
    if (sent <= 0) return FALSE;
    at += sent;
    length -= (gsize)sent;
  }
  return TRUE;
}

gssize bh_socket_read(gintptr socket, gpointer bytes, gsize size) {
  gssize got;

  do got = recv((SOCKET)socket, bytes, LENGTH(size), 0);
  while (got < 0 && interrupted());
  return got;
}

BhResult bh_socket_read_to_end(gintptr socket, gsize limit, char **bytes, gsize *length) {
  g_autoptr(GString) all = g_string_new(NULL);
  char some[4096];
  gssize got;

  while ((got = bh_socket_read(socket, some, sizeof some)) > 0) {
    gsize room = limit - all->len;

    g_string_append_len(all, some, (gssize)MIN((gsize)got, room));
    if ((gsize)got > room) {
      got = -1;
      break;
    }
  }
  *length = all->len;
  *bytes = g_string_free(g_steal_pointer(&all), FALSE);
  return got == 0 ? BH_OK : BH_E_FAIL;
}

void bh_socket_end_writing(gintptr socket) {
  shutdown((SOCKET)socket, SHUT_WR);
}

void bh_socket_shutdown(gintptr socket) {
  shutdown((SOCKET)socket, SHUT_RDWR);
#ifdef G_OS_WIN32
  /* There, what waits already goes on waiting; only what comes later fails. */
  CancelIoEx((HANDLE)socket, NULL);
#endif
}
