/* WslPluginApi.h against the ABI of the contract: every record and table, member by member. The proof is
 * that this compiles, as C. The facts are in abi.inc. */
#include "abi.inc"
