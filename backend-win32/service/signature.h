/* signature.h: what is loaded are the bytes that were verified.
 *
 *   result = bh_signed_file_open(&file, path, &cause);      opened, verified through that handle, held
 *   …                                                       the host loads file.path
 *   bh_signed_file_close(&file);                            it has
 *
 * Between open and close nobody can put other bytes where the host will look. Each way there is, and what bars it:
 *
 *   write, truncate, delete or rename the file              our handle shares reading only
 *   rename a folder that it lies in                         our handles on these folders share no deletion
 *   turn a link in its path elsewhere                       file.path is the resolved one, it has no links
 *   serve other bytes the second time                       files on other machines are refused
 *
 * The service does this, not the host: it is the service's promise, and what the service has found does not pass
 * through a process that is about to run the plugin. It asks no other machine (no revocation list is fetched), so
 * that it is bounded by the disk.
 *
 * What "signed" means: an Authenticode signature in the file, over these bytes, by a certificate that leads to a root
 * which this machine trusts, and that has not expired (or had not when a countersignature says it was made).
 *
 * Who had the file mapped for writing before it was opened here is not seen by any of this. That takes the right to
 * write to it: plugins belong where only administrators have that.
 *
 * Threading: any; a BhSignedFile is its owner's. */
#pragma once

#include "backend-win32/wire.h"

G_BEGIN_DECLS

typedef struct {
  HANDLE handle;
  GArray *folders; /* of HANDLE: those that the file lies in */
  char *path;      /* absolute, resolved, UTF-8 */
} BhSignedFile;

/* Opens and verifies the file. Failure: nothing is open, *cause (the caller's) says in words why; the result is
 * BH_TRUST_E_*, BH_CERT_E_* or another one of WinVerifyTrust's, or what opening it gave (E_MOD_NOT_FOUND: it is not there). */
BhResult bh_signed_file_open(BhSignedFile *file, const char *path, char **cause);

/* Also of one that is all zeros. */
void bh_signed_file_close(BhSignedFile *file);

/* For tests, which try to swap the file at these moments, on the thread that opens it. NULL outside of them. */
typedef enum { BH_SIGNED_FILE_OPENED, BH_SIGNED_FILE_VERIFIED } BhSignedFileMoment;
extern void (*bh_signed_file_moment)(BhSignedFileMoment moment, const char *path);

G_END_DECLS
