/* The control channel's bytes: every message there and back, and every way in which bytes can be bad. */
#include <string.h>

#include "guest/protocol.h"

/* One message with every member set; a message of a type carries those that are its own. */
static BhGuestMessage full_message(guint32 type) {
  static char *arguments[] = {(char *)"argv0", (char *)"", (char *)"\xff\xfe not UTF-8", NULL};
  static char *environment[] = {(char *)"NAME=value", (char *)"\xff", NULL};
  BhGuestMessage message = {
      .type = type,
      .id = 0xFEDCBA98u,
      .instance = 1,
      .version = 2,
      .port = 65535,
      .pid = 4194304,
      .failure = BH_GUEST_NO_EXEC,
      .error = -2,
      .status = 0x7F00,
      .pid_namespace = G_GUINT64_CONSTANT(0xFEDCBA9876543210),
      .read_only = TRUE,
      .host_path = (char *)"/host/\x80",
      .guest_path = (char *)"/guest",
      .archive = (char *)"/archive.tar",
      .text = (char *)"a text",
      .arguments = arguments,
      .environment = environment,
  };

  for (guint i = 0; i < BH_GUEST_TOKEN_SIZE; i++) message.token[i] = (guint8)(i * 17);
  return message;
}

static GBytes *frame_of(const BhGuestMessage *message) {
  GBytes *frame = bh_guest_message_encode(message);

  g_assert_nonnull(frame);
  return frame;
}

static BhGuestFrame decode(gconstpointer data, gsize length, BhGuestDirection direction, BhGuestMessage *message) {
  /* A copy of just that size, at an odd address: a sanitizer sees what is read beyond, or in too large steps. */
  g_autofree guint8 *copy = g_malloc(length + 1);
  gsize used = 0;
  BhGuestFrame frame;

  if (length > 0) memcpy(copy + 1, data, length);
  frame = bh_guest_message_decode(copy + 1, length, direction, &used, message);
  if (frame == BH_GUEST_FRAME_COMPLETE)
    g_assert_cmpuint(used, <=, length);
  else
    g_assert_cmpuint(message->type, ==, 0);
  return frame;
}

/* Decoded again and encoded again, a message is the same bytes: no member was lost or changed. */
static void every_message_survives_the_round_trip(void) {
  BhGuestDirection direction;
  guint32 type;

  for (guint i = 0; (type = bh_guest_message_type(i, &direction)) != 0; i++) {
    BhGuestMessage message = full_message(type);
    g_autoptr(GBytes) frame = frame_of(&message), again = NULL;
    g_auto(BhGuestMessage) heard = {0};

    g_assert_nonnull(bh_guest_message_name(type));
    g_assert_cmpint(decode(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), direction, &heard), ==,
                    BH_GUEST_FRAME_COMPLETE);
    g_assert_cmpuint(heard.type, ==, type);
    g_assert_cmpuint(heard.id, ==, message.id);
    again = frame_of(&heard);
    g_assert_true(g_bytes_equal(frame, again));
  }
}

static void members_arrive_as_they_were(void) {
  BhGuestMessage execute = full_message(BH_GUEST_EXECUTE), instance = full_message(BH_GUEST_INSTANCE),
                 connect = full_message(BH_GUEST_CONNECT), failed = full_message(BH_GUEST_FAILED),
                 container = full_message(BH_GUEST_CONTAINER_START), export = full_message(BH_GUEST_EXPORT);
  const BhGuestMessage *const sent[] = {&execute, &instance, &connect, &failed, &container, &export};
  BhGuestMessage heard[G_N_ELEMENTS(sent)] = {{0}};

  for (guint i = 0; i < G_N_ELEMENTS(sent); i++) {
    g_autoptr(GBytes) frame = frame_of(sent[i]);

    g_assert_cmpint(decode(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame),
                           i == 0 || i > 3 ? BH_GUEST_TO_AGENT : BH_GUEST_TO_CLIENT, &heard[i]),
                    ==, BH_GUEST_FRAME_COMPLETE);
  }
  g_assert_cmpuint(g_strv_length(heard[0].arguments), ==, 3);
  g_assert_cmpstr(heard[0].arguments[1], ==, "");
  g_assert_cmpstr(heard[0].arguments[2], ==, "\xff\xfe not UTF-8");
  g_assert_cmpuint(heard[1].pid_namespace, ==, instance.pid_namespace);
  g_assert_true(bh_guest_token_equal(heard[2].token, connect.token));
  g_assert_cmpint(heard[3].error, ==, -2);
  g_assert_cmpuint(g_strv_length(heard[4].arguments), ==, 3);
  g_assert_cmpuint(g_strv_length(heard[4].environment), ==, 2);
  g_assert_cmpstr(heard[4].environment[0], ==, "NAME=value");
  g_assert_cmpstr(heard[4].environment[1], ==, "\xff");
  g_assert_cmpstr(heard[4].host_path, ==, "/host/\x80");
  g_assert_cmpstr(heard[5].archive, ==, "/archive.tar");
  for (guint i = 0; i < G_N_ELEMENTS(heard); i++) bh_guest_message_clear(&heard[i]);
}

static void a_string_that_is_null_arrives_empty(void) {
  BhGuestMessage message = {.type = BH_GUEST_EXECUTE, .id = 1};
  g_autoptr(GBytes) frame = frame_of(&message);
  g_auto(BhGuestMessage) heard = {0};

  g_assert_cmpint(decode(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), BH_GUEST_TO_AGENT, &heard), ==,
                  BH_GUEST_FRAME_COMPLETE);
  g_assert_cmpstr(heard.guest_path, ==, "");
  g_assert_cmpuint(g_strv_length(heard.arguments), ==, 0);
}

static void a_beginning_is_incomplete_whatever_its_length(void) {
  BhGuestDirection direction;
  guint32 type;

  for (guint i = 0; (type = bh_guest_message_type(i, &direction)) != 0; i++) {
    BhGuestMessage message = full_message(type);
    g_autoptr(GBytes) frame = frame_of(&message);

    for (gsize length = 0; length < g_bytes_get_size(frame); length++) {
      BhGuestMessage heard = {0};

      g_assert_cmpint(decode(g_bytes_get_data(frame, NULL), length, direction, &heard), ==,
                      BH_GUEST_FRAME_INCOMPLETE);
    }
  }
}

static void of_two_frames_the_first_is_taken(void) {
  BhGuestMessage first = full_message(BH_GUEST_MOUNT), second = full_message(BH_GUEST_INSTANCE_STOP);
  g_autoptr(GBytes) one = frame_of(&first), two = frame_of(&second);
  g_autoptr(GByteArray) both = g_byte_array_new();
  g_auto(BhGuestMessage) heard = {0}, then = {0};
  gsize used, rest;

  g_byte_array_append(both, g_bytes_get_data(one, NULL), (guint)g_bytes_get_size(one));
  g_byte_array_append(both, g_bytes_get_data(two, NULL), (guint)g_bytes_get_size(two));
  g_assert_cmpint(bh_guest_message_decode(both->data, both->len, BH_GUEST_TO_AGENT, &used, &heard), ==,
                  BH_GUEST_FRAME_COMPLETE);
  g_assert_cmpuint(used, ==, g_bytes_get_size(one));
  g_assert_cmpint(bh_guest_message_decode(both->data + used, both->len - used, BH_GUEST_TO_AGENT, &rest, &then),
                  ==, BH_GUEST_FRAME_COMPLETE);
  g_assert_cmpuint(then.type, ==, BH_GUEST_INSTANCE_STOP);
}

/* A header whose body need not be there: what it promises is judged first. */
static BhGuestFrame decode_header(guint32 length, guint32 type, guint32 id, BhGuestDirection direction) {
  guint32 header[3] = {length, type, id};
  BhGuestMessage heard = {0};

  return decode(header, sizeof header, direction, &heard);
}

static void a_header_that_promises_too_much_is_malformed_at_once(void) {
  g_assert_cmpint(decode_header(G_MAXUINT32, BH_GUEST_MOUNT, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(BH_GUEST_FRAME_LIMIT - 11, BH_GUEST_MOUNT, 1, BH_GUEST_TO_AGENT), ==,
                  BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(BH_GUEST_FRAME_LIMIT - 12, BH_GUEST_MOUNT, 1, BH_GUEST_TO_AGENT), ==,
                  BH_GUEST_FRAME_INCOMPLETE);
}

static void what_the_other_side_may_not_say_is_malformed(void) {
  g_assert_cmpint(decode_header(0, 0, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(8, 12345, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(8, BH_GUEST_HELLO, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(8, BH_GUEST_EXECUTE, 1, BH_GUEST_TO_CLIENT), ==, BH_GUEST_FRAME_MALFORMED);
  for (guint32 type = BH_GUEST_UNMOUNT; type <= BH_GUEST_VERDICT; type++) {
    g_assert_cmpint(decode_header(8, type, 1, BH_GUEST_TO_CLIENT), ==, BH_GUEST_FRAME_MALFORMED);
    g_assert_cmpint(decode_header(8, type, 0, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
    g_assert_cmpint(decode_header(G_MAXUINT32, type, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  }
  g_assert_cmpint(decode_header(8, BH_GUEST_VERDICT + 1, 1, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
  g_assert_cmpint(decode_header(4, BH_GUEST_INSTANCE_STOP, 0, BH_GUEST_TO_AGENT), ==, BH_GUEST_FRAME_MALFORMED);
}

static void assert_body(guint32 type, BhGuestDirection direction, GVariant *body, BhGuestFrame expected) {
  g_autoptr(GVariant) owned = g_variant_ref_sink(body);
  gsize size = g_variant_get_size(owned);
  guint32 header[3] = {(guint32)size, type, 1};
  g_autoptr(GByteArray) frame = g_byte_array_new();
  g_auto(BhGuestMessage) heard = {0};

  g_byte_array_append(frame, (const guint8 *)header, sizeof header);
  if (size > 0) g_byte_array_append(frame, g_variant_get_data(owned), (guint)size);
  g_assert_cmpint(decode(frame->data, frame->len, direction, &heard), ==, expected);
}

static void a_body_of_another_shape_is_malformed(void) {
  assert_body(BH_GUEST_INSTANCE_STOP, BH_GUEST_TO_AGENT, g_variant_new("(u)", 7), BH_GUEST_FRAME_COMPLETE);
  assert_body(BH_GUEST_INSTANCE_STOP, BH_GUEST_TO_AGENT, g_variant_new("()"), BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_INSTANCE_STOP, BH_GUEST_TO_AGENT, g_variant_new("(uu)", 7, 8), BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_INSTANCE_STOP, BH_GUEST_TO_AGENT, g_variant_new("(t)", G_GUINT64_CONSTANT(7)),
              BH_GUEST_FRAME_MALFORMED);
  /* A token of 15 bytes, and of 17; bytes without their NUL, and with one too many. */
  assert_body(BH_GUEST_CONNECT, BH_GUEST_TO_CLIENT,
              g_variant_new("(@ay)", g_variant_new_bytestring("14 and a NUL..")), BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_CONNECT, BH_GUEST_TO_CLIENT,
              g_variant_new("(@ay)", g_variant_new_bytestring("16 and a NUL....")), BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_EXECUTE, BH_GUEST_TO_AGENT,
              g_variant_new("(u@ay@aay)", 0, g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, "/bin", 4, 1),
                            g_variant_new_bytestring_array(NULL, 0)),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_EXECUTE, BH_GUEST_TO_AGENT,
              g_variant_new("(u@ay@aay)", 0, g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, "a\0b", 4, 1),
                            g_variant_new_bytestring_array(NULL, 0)),
              BH_GUEST_FRAME_MALFORMED);
}

/* A list of strings in which one has no NUL, and one that has two. */
static GVariant *bad_list(const char *bytes, gsize size) {
  GVariant *child = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1);

  return g_variant_new_array(G_VARIANT_TYPE("ay"), &child, 1);
}

static GVariant *no_list(void) {
  return g_variant_new_bytestring_array(NULL, 0);
}

static void a_list_of_what_are_no_strings_is_malformed(void) {
  const BhGuestDirection agent = BH_GUEST_TO_AGENT;

  assert_body(BH_GUEST_PROCESS, agent, g_variant_new("(^ay@aay@aay)", "/bin", no_list(), no_list()),
              BH_GUEST_FRAME_COMPLETE);
  assert_body(BH_GUEST_PROCESS, agent, g_variant_new("(^ay@aay@aay)", "/bin", no_list(), bad_list("A=b", 3)),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_PROCESS, agent, g_variant_new("(^ay@aay@aay)", "/bin", bad_list("a\0b", 4), no_list()),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_PROCESS, agent, g_variant_new("(^ay@aay@aay)", "/bin", no_list(), bad_list("", 0)),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_PROCESS, agent, g_variant_new("(^ay@aay)", "/bin", no_list()), BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_CONTAINER_START, agent,
              g_variant_new("(u^ay^ay@aay@aay)", 1, "", "/bin", no_list(), bad_list("A\0=b", 5)),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_CONTAINER_START, agent, g_variant_new("(u^ay^ay@aay)", 1, "", "/bin", no_list()),
              BH_GUEST_FRAME_MALFORMED);
  assert_body(BH_GUEST_UNMOUNT, agent, g_variant_new("(s)", "/data"),
              BH_GUEST_FRAME_COMPLETE); /* the same bytes */
  assert_body(BH_GUEST_UNMOUNT, agent, g_variant_new("(u)", 0x61616161), BH_GUEST_FRAME_MALFORMED); /* no NUL */
  assert_body(BH_GUEST_EXPORT, agent, g_variant_new("(^ay)", "/root"), BH_GUEST_FRAME_MALFORMED);
}

/* Every byte of every message changed in some ways: whatever comes of it, it is an answer, and what is accepted is in
 * normal form, so that it encodes to the same bytes again. */
static void a_changed_byte_never_does_harm(void) {
  static const guint8 changes[] = {0x01, 0x80, 0xFF, 0x55};
  BhGuestDirection direction;
  guint32 type;

  for (guint i = 0; (type = bh_guest_message_type(i, &direction)) != 0; i++) {
    BhGuestMessage message = full_message(type);
    g_autoptr(GBytes) frame = frame_of(&message);
    gsize size;
    g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(frame, &size), g_bytes_get_size(frame));

    for (gsize at = 0; at < size * G_N_ELEMENTS(changes); at++) {
      g_auto(BhGuestMessage) heard = {0};

      bytes[at / G_N_ELEMENTS(changes)] ^= changes[at % G_N_ELEMENTS(changes)];
      if (decode(bytes, size, direction, &heard) == BH_GUEST_FRAME_COMPLETE) {
        g_autoptr(GBytes) again = frame_of(&heard);

        g_assert_cmpmem(bytes, size, g_bytes_get_data(again, NULL), g_bytes_get_size(again));
      }
      bytes[at / G_N_ELEMENTS(changes)] ^= changes[at % G_N_ELEMENTS(changes)];
    }
  }
}

static void a_message_over_the_limit_is_not_encoded(void) {
  g_autofree char *fits = g_strnfill(BH_GUEST_FRAME_LIMIT - 64, 'a'),
                  *large = g_strnfill(BH_GUEST_FRAME_LIMIT, 'a');
  BhGuestMessage message = {.type = BH_GUEST_EXECUTE, .id = 1, .guest_path = fits};
  g_autoptr(GBytes) frame = bh_guest_message_encode(&message);
  g_auto(BhGuestMessage) heard = {0};

  g_assert_nonnull(frame);
  g_assert_cmpint(decode(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), BH_GUEST_TO_AGENT, &heard), ==,
                  BH_GUEST_FRAME_COMPLETE);
  message.guest_path = large;
  g_assert_null(bh_guest_message_encode(&message));
}

static void tokens_differ_in_any_bit(void) {
  guint8 left[BH_GUEST_TOKEN_SIZE] = {0}, right[BH_GUEST_TOKEN_SIZE] = {0};

  g_assert_true(bh_guest_token_equal(left, right));
  for (guint bit = 0; bit < 8 * BH_GUEST_TOKEN_SIZE; bit++) {
    right[bit / 8] = (guint8)(1u << bit % 8);
    g_assert_false(bh_guest_token_equal(left, right));
    right[bit / 8] = 0;
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add_func("/guest/protocol/" name, test)
  ADD("every-message-survives-the-round-trip", every_message_survives_the_round_trip);
  ADD("members-arrive-as-they-were", members_arrive_as_they_were);
  ADD("a-string-that-is-null-arrives-empty", a_string_that_is_null_arrives_empty);
  ADD("a-beginning-is-incomplete-whatever-its-length", a_beginning_is_incomplete_whatever_its_length);
  ADD("of-two-frames-the-first-is-taken", of_two_frames_the_first_is_taken);
  ADD("a-header-that-promises-too-much-is-malformed-at-once",
      a_header_that_promises_too_much_is_malformed_at_once);
  ADD("what-the-other-side-may-not-say-is-malformed", what_the_other_side_may_not_say_is_malformed);
  ADD("a-body-of-another-shape-is-malformed", a_body_of_another_shape_is_malformed);
  ADD("a-list-of-what-are-no-strings-is-malformed", a_list_of_what_are_no_strings_is_malformed);
  ADD("a-changed-byte-never-does-harm", a_changed_byte_never_does_harm);
  ADD("a-message-over-the-limit-is-not-encoded", a_message_over_the_limit_is_not_encoded);
  ADD("tokens-differ-in-any-bit", tokens_differ_in_any_bit);
  return g_test_run();
}
