/* The processes of one link: what its plugin can do with a number, and that all of it is let go, once. */
#include "core/process-table.h"

#include "core/guest.h"

#include <string.h>

static guint processes, sockets; /* that are there */

static void free_process(BhProcess *process) {
  processes--;
  g_free(process);
}

static BhResult running(BhProcess *process, gint32 *code) {
  (void)process, (void)code;
  return BH_E_NOT_VALID_STATE;
}

static const BhGuestClass guest_class = {.process_free = free_process, .process_exit_code = running};

static void close_socket(gintptr value) {
  g_assert_cmpint(value, ==, 7);
  sockets--;
}

/* Adds a process with its three streams, for which there is room. */
static BhResult add_reserved(BhProcessTable *table, guint64 *number) {
  BhProcess *process = g_new0(BhProcess, 1);
  BhResource streams[BH_STREAM_COUNT];

  process->class = &guest_class;
  processes++;
  for (guint i = 0; i < BH_STREAM_COUNT; i++, sockets++) streams[i] = (BhResource){7, close_socket};
  return bh_process_table_add(table, process, streams, number);
}

static BhResult add(BhProcessTable *table, guint64 *number) {
  BhResult result = bh_process_table_reserve(table);
  return BH_FAILED(result) ? result : add_reserved(table, number);
}

static BhResult call(BhProcessTable *table, BhApi api, guint64 process, guint32 fd, BhResource *resource) {
  BhCall call = {.api = api, .process = process, .fd = fd};
  BhCallReply reply = {.result = BH_OK};

  bh_process_table_call(table, &call, &reply);
  if (resource != NULL)
    *resource = reply.resource;
  else
    bh_resource_clear(&reply.resource);
  return reply.result;
}

static void assert_nothing_is_left(void) {
  g_assert_cmpuint(processes, ==, 0);
  g_assert_cmpuint(sockets, ==, 0);
}

static void a_stream_is_handed_out_once(void) {
  BhProcessTable *table = bh_process_table_new();
  BhResource stream;
  guint64 number;

  g_assert_cmpint(add(table, &number), ==, BH_OK);
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_FD, number, BH_STREAM_COUNT, NULL), ==, BH_E_INVALIDARG);
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_FD, number, 0, &stream), ==, BH_OK);
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_FD, number, 0, NULL), ==, BH_E_NOT_VALID_STATE);
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_EXIT_CODE, number, 0, NULL), ==, BH_E_NOT_VALID_STATE);
  bh_process_table_free(table);
  g_assert_cmpuint(sockets, ==, 1); /* that is ours */
  bh_resource_clear(&stream);
  assert_nothing_is_left();
}

static void a_released_number_is_nobodys(void) {
  BhProcessTable *table = bh_process_table_new();
  guint64 number, next;

  g_assert_cmpint(add(table, &number), ==, BH_OK);
  g_assert_cmpint(call(table, BH_API_PROCESS_RELEASE, number, 0, NULL), ==, BH_OK);
  assert_nothing_is_left();
  g_assert_cmpint(call(table, BH_API_PROCESS_RELEASE, number, 0, NULL), ==, BH_OK);
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_EXIT_CODE, number, 0, NULL), ==, BH_E_INVALIDARG);
  g_assert_cmpint(add(table, &next), ==, BH_OK);
  g_assert_cmpuint(next, !=, number);
  bh_process_table_free(table);
  assert_nothing_is_left();
}

static void an_ended_table_takes_no_more(void) {
  BhProcessTable *table = bh_process_table_new();
  guint64 number;

  g_assert_cmpint(add(table, &number), ==, BH_OK);
  bh_process_table_end(table);
  assert_nothing_is_left();
  g_assert_cmpint(call(table, BH_API_PROCESS_GET_FD, number, 0, NULL), ==, BH_E_INVALIDARG);
  g_assert_cmpint(add(table, &number), ==, BH_E_UNEXPECTED);
  assert_nothing_is_left();
  bh_process_table_free(table);
}

static void a_process_for_a_table_that_ended_meanwhile_is_let_go(void) {
  BhProcessTable *table = bh_process_table_new();
  guint64 number;

  g_assert_cmpint(bh_process_table_reserve(table), ==, BH_OK);
  bh_process_table_end(table);
  g_assert_cmpint(add_reserved(table, &number), ==, BH_E_UNEXPECTED);
  assert_nothing_is_left();
  bh_process_table_free(table);
}

static void a_full_table_takes_no_more(void) {
  BhProcessTable *table = bh_process_table_new();
  guint64 number;

  for (guint i = 1; i < BH_PROCESS_TABLE_MAX; i++) g_assert_cmpint(add(table, &number), ==, BH_OK);
  g_assert_cmpint(bh_process_table_reserve(table), ==, BH_OK);
  g_assert_cmpint(add(table, &number), ==, BH_E_OUTOFMEMORY); /* one that is being started counts */
  bh_process_table_cancel(table);
  g_assert_cmpint(add(table, &number), ==, BH_OK);
  g_assert_cmpint(add(table, &number), ==, BH_E_OUTOFMEMORY);
  g_assert_cmpuint(processes, ==, BH_PROCESS_TABLE_MAX);
  g_assert_cmpint(call(table, BH_API_PROCESS_RELEASE, number, 0, NULL), ==, BH_OK);
  g_assert_cmpint(add(table, &number), ==, BH_OK);
  bh_process_table_free(table);
  assert_nothing_is_left();
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/process-table/a-stream-is-handed-out-once", a_stream_is_handed_out_once);
  g_test_add_func("/process-table/a-released-number-is-nobodys", a_released_number_is_nobodys);
  g_test_add_func("/process-table/an-ended-table-takes-no-more", an_ended_table_takes_no_more);
  g_test_add_func("/process-table/a-process-for-a-table-that-ended-meanwhile-is-let-go",
                  a_process_for_a_table_that_ended_meanwhile_is_let_go);
  g_test_add_func("/process-table/a-full-table-takes-no-more", a_full_table_takes_no_more);
  return g_test_run();
}
