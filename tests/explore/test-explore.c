/* `bulkhead explore`, as a program of its own: it is linked with the scheduler in the place of the system's threads. */
#include "protocols.h"

int main(int argc, char **argv) {
  const BhProtocolTable *tables[] = {&bh_protocols_instance_lock, &bh_protocols_callbacks,
                                     &bh_protocols_rooms,         &bh_protocols_wslc,
                                     &bh_protocols_service,       &bh_protocols_process_notify};
  g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(BhProtocol));

  for (guint i = 0; i < G_N_ELEMENTS(tables); i++)
    g_array_append_vals(all, tables[i]->protocols, tables[i]->count);
  return bh_explore_main(argc, argv, &g_array_index(all, BhProtocol, 0), all->len);
}
