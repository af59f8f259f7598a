#include "backend-win32/apartment.h"

#include "core/sync.h"

HRESULT bh_apartment_keep(CO_MTA_USAGE_COOKIE *cookie) {
  return CoIncrementMTAUsage(cookie);
}

void bh_apartment_let_go(CO_MTA_USAGE_COOKIE cookie) {
  CoDecrementMTAUsage(cookie);
}

typedef struct {
  void (*function)(gpointer data);
  gpointer data;
} Work;

static gpointer run_work(gpointer data) {
  const Work *work = data;
  work->function(work->data);
  return NULL;
}

/* Also a thread without COM is in it, as long as there is one. */
static gboolean is_in_mta(void) {
  APTTYPEQUALIFIER qualifier;
  APTTYPE type;
  return SUCCEEDED(CoGetApartmentType(&type, &qualifier)) && type == APTTYPE_MTA;
}

HRESULT bh_apartment_run(void (*function)(gpointer data), gpointer data) {
  Work work = {function, data};
  BhThread *thread;

  if (is_in_mta()) {
    function(data);
    return S_OK;
  }
  thread = bh_thread_new("apartment", BH_RANK_LEAF, run_work, &work);
  if (thread == NULL) return E_OUTOFMEMORY;
  bh_thread_join(thread);
  return S_OK;
}
