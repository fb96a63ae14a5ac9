/* Stands in for iphlpapi.dll, whose GetPerTcpConnectionEStats wine 8.0 does not have. The socket tables are wine's own. A
   connection that is in them has a round trip time of its remote port modulo 500, and one, milliseconds, after it was asked for.
   With CONNS_LAB_USER in the environment the asking is refused, as without an administrator's rights. For tests in wine only. */
#define _WIN32_WINNT 0x0600 /* Vista, the first with these functions */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <iphlpapi.h>
#include <tcpestats.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* What conns reads the structure by. */
_Static_assert(sizeof(TCP_ESTATS_PATH_RW_v0) == 1, "");
_Static_assert(sizeof(TCP_ESTATS_PATH_ROD_v0) == 160, "");
_Static_assert(offsetof(TCP_ESTATS_PATH_ROD_v0, SmoothedRtt) == 108, "");
_Static_assert(offsetof(TCP_ESTATS_PATH_ROD_v0, CountRtt) == 128, "");
_Static_assert(sizeof(MIB_TCPROW) == 20 && sizeof(MIB_TCP6ROW) == 52, "");
_Static_assert(TcpConnectionEstatsPath == 3, "");

#define EXPORT __declspec(dllexport)
#define TABLE_BYTES (1 << 20)
#define MOST_ENABLED 4096

/* Of wine's library under another name: of two modules of one name GetModuleHandle finds either. */
static FARPROC real(const char *name) {
    return GetProcAddress(LoadLibraryA("tables.dll"), name);
}

EXPORT DWORD WINAPI GetExtendedTcpTable(PVOID table, PDWORD bytes, WINBOOL order, ULONG family, TCP_TABLE_CLASS class,
                                        ULONG reserved) {
    DWORD(WINAPI *call)(PVOID, PDWORD, WINBOOL, ULONG, TCP_TABLE_CLASS, ULONG) = (void *)real("GetExtendedTcpTable");
    return call(table, bytes, order, family, class, reserved);
}

EXPORT DWORD WINAPI GetExtendedUdpTable(PVOID table, PDWORD bytes, WINBOOL order, ULONG family, UDP_TABLE_CLASS class,
                                        ULONG reserved) {
    DWORD(WINAPI *call)(PVOID, PDWORD, WINBOOL, ULONG, UDP_TABLE_CLASS, ULONG) = (void *)real("GetExtendedUdpTable");
    return call(table, bytes, order, family, class, reserved);
}

/* Of the loopback address wine reports 16 as scope, where Windows has 0. */
static void without_scope(char *row, size_t size) {
    if (size != sizeof(MIB_TCP6ROW)) return;
    ((MIB_TCP6ROW *)row)->dwLocalScopeId = 0;
    ((MIB_TCP6ROW *)row)->dwRemoteScopeId = 0;
}

/* Whether a row of `size` bytes is in the system's table. */
static int exists(const char *function, const void *row, size_t size) {
    DWORD(WINAPI *call)(PVOID, PDWORD, WINBOOL) = (void *)real(function);
    DWORD bytes = TABLE_BYTES;
    char *table = malloc(bytes);
    int found = 0;
    if (table && call(table, &bytes, FALSE) == NO_ERROR) {
        DWORD rows = *(DWORD *)table;
        for (DWORD i = 0; i < rows && !found; i++) {
            char *listed = table + sizeof(DWORD) + i * size;
            without_scope(listed, size);
            found = !memcmp(listed, row, size);
        }
    }
    free(table);
    return found;
}

static unsigned char enabled[MOST_ENABLED][sizeof(MIB_TCP6ROW)];
static int enabled_rows;

static int is_enabled(const void *row, size_t size) {
    for (int i = 0; i < enabled_rows; i++)
        if (!memcmp(enabled[i], row, size)) return 1;
    return 0;
}

static ULONG set(const char *function, const void *row, size_t size, TCP_ESTATS_TYPE type, const UCHAR *rw, ULONG version,
                 ULONG rw_size, ULONG offset) {
    if (getenv("CONNS_LAB_USER")) return ERROR_ACCESS_DENIED;
    if (type != TcpConnectionEstatsPath || version || rw_size != 1 || *rw != 1 || offset) return ERROR_INVALID_PARAMETER;
    if (!exists(function, row, size)) return ERROR_NOT_FOUND;
    if (!is_enabled(row, size) && enabled_rows < MOST_ENABLED) memcpy(enabled[enabled_rows++], row, size);
    return NO_ERROR;
}

static ULONG get(const char *function, const void *row, size_t size, DWORD port, TCP_ESTATS_TYPE type, UCHAR *rod,
                 ULONG version, ULONG rod_size) {
    if (type != TcpConnectionEstatsPath || version || rod_size != sizeof(TCP_ESTATS_PATH_ROD_v0)) return ERROR_INVALID_PARAMETER;
    if (!exists(function, row, size)) return ERROR_NOT_FOUND;
    /* No number of the others is a round trip time. Without being asked for, none is. */
    memset(rod, 0x5a, rod_size);
    if (is_enabled(row, size)) {
        TCP_ESTATS_PATH_ROD_v0 *path = (void *)rod;
        path->SmoothedRtt = ntohs((u_short)port) % 500 + 1;
        path->CountRtt = 7;
    }
    return NO_ERROR;
}

EXPORT ULONG WINAPI SetPerTcpConnectionEStats(PMIB_TCPROW row, TCP_ESTATS_TYPE type, PUCHAR rw, ULONG version, ULONG size,
                                              ULONG offset) {
    return set("GetTcpTable", row, sizeof *row, type, rw, version, size, offset);
}

EXPORT ULONG WINAPI SetPerTcp6ConnectionEStats(PMIB_TCP6ROW row, TCP_ESTATS_TYPE type, PUCHAR rw, ULONG version, ULONG size,
                                               ULONG offset) {
    return set("GetTcp6Table", row, sizeof *row, type, rw, version, size, offset);
}

EXPORT ULONG WINAPI GetPerTcpConnectionEStats(PMIB_TCPROW row, TCP_ESTATS_TYPE type, PUCHAR rw, ULONG rw_version, ULONG rw_size,
                                              PUCHAR ros, ULONG ros_version, ULONG ros_size, PUCHAR rod, ULONG rod_version,
                                              ULONG rod_size) {
    if (rw || rw_version || rw_size || ros || ros_version || ros_size) return ERROR_INVALID_PARAMETER;
    return get("GetTcpTable", row, sizeof *row, row->dwRemotePort, type, rod, rod_version, rod_size);
}

EXPORT ULONG WINAPI GetPerTcp6ConnectionEStats(PMIB_TCP6ROW row, TCP_ESTATS_TYPE type, PUCHAR rw, ULONG rw_version,
                                               ULONG rw_size, PUCHAR ros, ULONG ros_version, ULONG ros_size, PUCHAR rod,
                                               ULONG rod_version, ULONG rod_size) {
    if (rw || rw_version || rw_size || ros || ros_version || ros_size) return ERROR_INVALID_PARAMETER;
    return get("GetTcp6Table", row, sizeof *row, row->dwRemotePort, type, rod, rod_version, rod_size);
}
