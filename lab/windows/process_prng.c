/* Stands in for bcryptprimitives.dll, which wine 8.0 does not have. For tests in wine only. */
#include <windows.h>
#include <ntsecapi.h> /* SystemFunction036 of advapi32.dll, which wine has */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length) {
    return RtlGenRandom(data, (ULONG)length);
}
