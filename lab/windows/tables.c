/* Prints a JSON object for each row of the system's socket tables, read without conns. A pid of 0 is no owner. */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <iphlpapi.h>

#include <stdio.h>
#include <stdlib.h>

/* As many bytes as any table here needs. */
#define TABLE_BYTES (1 << 20)

static void print(const char *proto, int family, const void *address, DWORD port, DWORD pid) {
    char text[64] = "";
    inet_ntop(family, address, text, sizeof text);
    printf("{\"proto\": \"%s\", \"local_addr\": \"%s\", \"local_port\": %d, \"pid\": %lu", proto, text,
           ntohs((u_short)port), pid);
}

static void print_remote(int family, const void *address, DWORD port, DWORD state) {
    char text[64] = "";
    inet_ntop(family, address, text, sizeof text);
    if (state == MIB_TCP_STATE_LISTEN) printf("}\n");
    else printf(", \"remote_addr\": \"%s\", \"remote_port\": %d}\n", text, ntohs((u_short)port));
}

static void *table(int is_tcp, int family) {
    DWORD bytes = TABLE_BYTES;
    void *rows = malloc(bytes);
    DWORD error = is_tcp ? GetExtendedTcpTable(rows, &bytes, FALSE, family, TCP_TABLE_OWNER_PID_ALL, 0)
                         : GetExtendedUdpTable(rows, &bytes, FALSE, family, UDP_TABLE_OWNER_PID, 0);
    if (!rows || error) {
        fprintf(stderr, "the table of family %d: error %lu\n", family, error);
        exit(1);
    }
    return rows;
}

int main(void) {
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data)) return 1;
    MIB_TCPTABLE_OWNER_PID *tcp4 = table(1, AF_INET);
    for (DWORD i = 0; i < tcp4->dwNumEntries; i++) {
        MIB_TCPROW_OWNER_PID *row = &tcp4->table[i];
        print("tcp", AF_INET, &row->dwLocalAddr, row->dwLocalPort, row->dwOwningPid);
        print_remote(AF_INET, &row->dwRemoteAddr, row->dwRemotePort, row->dwState);
    }
    MIB_TCP6TABLE_OWNER_PID *tcp6 = table(1, AF_INET6);
    for (DWORD i = 0; i < tcp6->dwNumEntries; i++) {
        MIB_TCP6ROW_OWNER_PID *row = &tcp6->table[i];
        print("tcp", AF_INET6, row->ucLocalAddr, row->dwLocalPort, row->dwOwningPid);
        print_remote(AF_INET6, row->ucRemoteAddr, row->dwRemotePort, row->dwState);
    }
    MIB_UDPTABLE_OWNER_PID *udp4 = table(0, AF_INET);
    for (DWORD i = 0; i < udp4->dwNumEntries; i++) {
        MIB_UDPROW_OWNER_PID *row = &udp4->table[i];
        print("udp", AF_INET, &row->dwLocalAddr, row->dwLocalPort, row->dwOwningPid);
        printf("}\n");
    }
    MIB_UDP6TABLE_OWNER_PID *udp6 = table(0, AF_INET6);
    for (DWORD i = 0; i < udp6->dwNumEntries; i++) {
        MIB_UDP6ROW_OWNER_PID *row = &udp6->table[i];
        print("udp", AF_INET6, row->ucLocalAddr, row->dwLocalPort, row->dwOwningPid);
        printf("}\n");
    }
    return 0;
}
