/* An agent that says what it is told to. BULKHEAD_FALSE_AGENT holds what it answers to every request, a letter each:
 *
 *   C connect   D done   I instance   F failed   X exited, by signal 9   O exited, with an odd status
 *   S what is said of a request that nobody made, a thousand times      M what is no frame
 *   A waits for a data connection           ! it ends
 *
 * and, before its hello: L somebody listens on its port (else nobody does), V its hello has another version. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest/protocol.h"

#define MANY 1000

static int port_fd;

static void say(guint32 type, guint32 id) {
  static guint32 port;
  BhGuestMessage message = {.type = type, .id = id, .pid = 1, .status = 9, .failure = BH_GUEST_UNABLE};
  g_autoptr(GBytes) frame = NULL;

  if (type == BH_GUEST_HELLO) port = id;
  if (type == BH_GUEST_HELLO) message.id = 0;
  message.port = port;
  message.version = BH_GUEST_PROTOCOL;
  if (type == BH_GUEST_HELLO && strchr(g_getenv("BULKHEAD_FALSE_AGENT"), 'V') != NULL) message.version++;
  frame = bh_guest_message_encode(&message);
  if (send(0, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), MSG_NOSIGNAL) < 0) _exit(1);
}

static void say_odd_status(guint32 id) {
  g_autoptr(GBytes) frame =
      bh_guest_message_encode(&(BhGuestMessage){.type = BH_GUEST_EXITED, .id = id, .status = G_MAXINT32});

  if (send(0, g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), MSG_NOSIGNAL) < 0) _exit(1);
}

static void answer(guint32 id) {
  for (const char *letter = g_getenv("BULKHEAD_FALSE_AGENT"); *letter != '\0'; letter++) {
    switch (*letter) {
      case 'C': say(BH_GUEST_CONNECT, id); break;
      case 'D': say(BH_GUEST_DONE, id); break;
      case 'I': say(BH_GUEST_INSTANCE, id); break;
      case 'F': say(BH_GUEST_FAILED, id); break;
      case 'X': say(BH_GUEST_EXITED, id); break;
      case 'O': say_odd_status(id); break;
      case 'S':
        for (guint32 i = 1; i <= MANY; i++) {
          say(BH_GUEST_CONNECT, id + i);
          say(BH_GUEST_EXITED, id + i);
          say(BH_GUEST_FAILED, 0);
        }
        break;
      case 'M':
        if (send(0, "no frame of ours", 16, MSG_NOSIGNAL) < 0) _exit(1);
        break;
      case 'A':
        if (accept(port_fd, NULL, NULL) < 0) _exit(1);
        break;
      case '!': _exit(0);
      default: break;
    }
  }
}

static guint32 open_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;

  port_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(port_fd, (struct sockaddr *)&address, sizeof address) < 0) _exit(1);
  if (strchr(g_getenv("BULKHEAD_FALSE_AGENT"), 'L') != NULL && listen(port_fd, 100) < 0) _exit(1);
  if (getsockname(port_fd, (struct sockaddr *)&address, &size) < 0) _exit(1);
  return ntohs(address.sin_port);
}

int main(void) {
  g_autoptr(GByteArray) heard = g_byte_array_new();
  guint8 bytes[4096];
  gssize got;

  if (g_getenv("BULKHEAD_FALSE_AGENT") == NULL) return 2;
  say(BH_GUEST_HELLO, open_port());
  while ((got = recv(0, bytes, sizeof bytes, 0)) > 0) {
    g_byte_array_append(heard, bytes, (guint)got);
    for (;;) {
      g_auto(BhGuestMessage) message = {0};
      gsize used;

      if (bh_guest_message_decode(heard->data, heard->len, BH_GUEST_TO_AGENT, &used, &message) !=
          BH_GUEST_FRAME_COMPLETE)
        break;
      g_byte_array_remove_range(heard, 0, (guint)used);
      answer(message.id);
    }
  }
  return 0;
}
