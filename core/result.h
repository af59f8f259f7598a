/* result.h: what an operation says of itself.
 *
 * A BhResult is a Windows HRESULT, on every platform: negative is failure, and the numbers are those of the
 * plugin contract, so that what a plugin returned reaches the user unchanged. A BhError is what a user reads:
 *
 *   A fatal error was returned by plugin 'Shield'. Error message: 'No licence'
 *   Error code: Wsl/Service/CreateInstance/CreateVm/Plugin/E_FAIL
 *
 * The path before the code says how far the operation had come. Operations pass it down as a chain of
 * BhContext on their stacks; nothing is allocated until an error is made of it:
 *
 *   BhContext create_vm = { context, "CreateVm" };
 *   bh_error_set(error, BH_E_FAIL, &create_vm, "The virtual machine could not be created");
 *
 * Threading: everything here is either immutable or owned by its caller. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef gint32 BhResult;

/* The codes that Bulkhead itself makes or compares with. Every one has its name in bh_result_name. */
#define BH_OK                     ((BhResult)0)
#define BH_E_NOTIMPL              ((BhResult)0x80004001u)
#define BH_E_POINTER              ((BhResult)0x80004003u)
#define BH_E_ABORT                ((BhResult)0x80004004u)
#define BH_E_FAIL                 ((BhResult)0x80004005u)
#define BH_E_UNEXPECTED           ((BhResult)0x8000FFFFu)
#define BH_E_ILLEGAL_STATE_CHANGE ((BhResult)0x8000000Du)
#define BH_E_ILLEGAL_METHOD_CALL  ((BhResult)0x8000000Eu)
#define BH_E_ACCESSDENIED         ((BhResult)0x80070005u)
#define BH_E_OUTOFMEMORY          ((BhResult)0x8007000Eu)
#define BH_E_INVALIDARG           ((BhResult)0x80070057u)
#define BH_E_FILE_NOT_FOUND       ((BhResult)0x80070002u) /* HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND) */
#define BH_E_PATH_NOT_FOUND       ((BhResult)0x80070003u) /* HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND) */
#define BH_E_MOD_NOT_FOUND        ((BhResult)0x8007007Eu) /* HRESULT_FROM_WIN32(ERROR_MOD_NOT_FOUND) */
#define BH_E_PROC_NOT_FOUND       ((BhResult)0x8007007Fu) /* HRESULT_FROM_WIN32(ERROR_PROC_NOT_FOUND) */
#define BH_E_BUSY                 ((BhResult)0x800700AAu) /* HRESULT_FROM_WIN32(ERROR_BUSY) */
#define BH_E_ALREADY_EXISTS       ((BhResult)0x800700B7u) /* HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS) */
#define BH_E_BAD_EXE_FORMAT       ((BhResult)0x800700C1u) /* HRESULT_FROM_WIN32(ERROR_BAD_EXE_FORMAT) */
#define BH_E_NOT_FOUND            ((BhResult)0x80070490u) /* HRESULT_FROM_WIN32(ERROR_NOT_FOUND) */
#define BH_E_TIMEOUT              ((BhResult)0x800705B4u) /* HRESULT_FROM_WIN32(ERROR_TIMEOUT) */
#define BH_E_NOT_VALID_STATE      ((BhResult)0x8007139Fu) /* HRESULT_FROM_WIN32(ERROR_INVALID_STATE) */
#define BH_E_DISTRO_NOT_RUNNING   ((BhResult)0x80040313u)
#define BH_E_WSL2_NEEDED          ((BhResult)0x8004031Cu)
#define BH_E_REQUIRES_UPDATE      ((BhResult)0x8004032Au)
#define BH_E_WSLC_VM_NOT_RUNNING  ((BhResult)0x80040610u)

/* What a transport may report (contract, section 7). */
#define BH_RPC_E_CALL_REJECTED      ((BhResult)0x80010001u)
#define BH_RPC_E_SERVER_DIED        ((BhResult)0x80010007u)
#define BH_RPC_E_SERVER_DIED_DNE    ((BhResult)0x80010012u)
#define BH_RPC_E_SERVERFAULT        ((BhResult)0x80010105u)
#define BH_RPC_E_DISCONNECTED       ((BhResult)0x80010108u)
#define BH_CO_E_OBJNOTCONNECTED     ((BhResult)0x800401FDu)
#define BH_RPC_S_SERVER_UNAVAILABLE ((BhResult)0x800706BAu)
#define BH_RPC_S_CALL_FAILED        ((BhResult)0x800706BEu)
#define BH_RPC_S_CALL_FAILED_DNE    ((BhResult)0x800706BFu)

/* Why a signature is not taken. */
#define BH_TRUST_E_SUBJECT_FORM_UNKNOWN ((BhResult)0x800B0003u)
#define BH_TRUST_E_BAD_DIGEST           ((BhResult)0x80096010u)
#define BH_TRUST_E_NOSIGNATURE          ((BhResult)0x800B0100u)
#define BH_CERT_E_EXPIRED               ((BhResult)0x800B0101u)
#define BH_CERT_E_UNTRUSTEDROOT         ((BhResult)0x800B0109u)

#define BH_FAILED(result)    ((BhResult)(result) < 0)
#define BH_SUCCEEDED(result) ((BhResult)(result) >= 0)

/* The name a code is shown by ("E_FAIL"), or NULL for one that has none here. Static. */
const char *bh_result_name(BhResult result);

/* The code that a name ("E_FAIL") or a number ("0x80004005", "-2147467259") stands for. FALSE: neither. */
gboolean bh_result_parse(const char *text, BhResult *result);

/* The name, or "0x80041234". The caller's, g_free. */
char *bh_result_to_string(BhResult result);

/* One step of an operation's path; lives on the stack of who takes that step. */
typedef struct BhContext BhContext;
struct BhContext {
  const BhContext *parent; /* NULL: this is the outermost step */
  const char *name;        /* static */
};

/* "Wsl/Service": where the service's operations begin. */
extern const BhContext bh_service_context;

typedef struct {
  BhResult code;
  char *message; /* the first line, without a line end */
  char *path;    /* the second line's "Wsl/…/Plugin", without the code */
} BhError;

/* Makes an error of a code, where it happened and what to say, and puts it into *error, if error is not NULL;
 * *error must be NULL before. Returns code, so that a function can end with it. */
BhResult bh_error_set(BhError **error, BhResult code, const BhContext *context, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Both lines, as section 6 of the contract spells them. The caller's, g_free. */
char *bh_error_text(const BhError *error);

void bh_error_free(BhError *error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BhError, bh_error_free)

/* Something of the operating system's that is passed on and must be closed by whoever has it last: a socket, an
 * event. Core never looks inside. */
typedef struct {
  gintptr value;
  void (*close)(gintptr value); /* NULL: there is nothing */
} BhResource;

/* Closes what is there, if anything is, and leaves nothing. */
void bh_resource_clear(BhResource *resource);

G_END_DECLS
