/* One frame of the guest's protocol. The first byte says who listens; what is accepted is encoded to the same bytes. */
#include "fuzz.h"

#include "guest/protocol.h"

static void look_at(const guint8 *data, gsize size, BhGuestDirection direction) {
  g_auto(BhGuestMessage) message = {0};
  gsize used = G_MAXSIZE;
  BhGuestFrame frame = bh_guest_message_decode(data, size, direction, &used, &message);

  if (frame == BH_GUEST_FRAME_COMPLETE) {
    g_autoptr(GBytes) again = bh_guest_message_encode(&message);

    g_assert_nonnull(again);
    g_assert_cmpmem(g_bytes_get_data(again, NULL), g_bytes_get_size(again), data, used);
    g_assert_nonnull(bh_guest_message_name(message.type));
  } else {
    g_assert_cmpuint(used, ==, G_MAXSIZE);
    g_assert_cmpuint(message.type, ==, 0);
  }
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size) {
  if (size > 0) look_at(data + 1, size - 1, data[0] % 2 == 0 ? BH_GUEST_TO_AGENT : BH_GUEST_TO_CLIENT);
  return 0;
}
