/* Opens sockets, prints each as a JSON object in a line, and keeps them open until its standard input ends.
 *   sockets.exe listen         listeners and UDP sockets; then accepts for each line "accept"
 *   sockets.exe connect V4 V6  connects to these ports of 127.0.0.1 and ::1
 */
#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what) {
    fprintf(stderr, "%s: error %d\n", what, WSAGetLastError());
    exit(1);
}

/* Asks how many bytes wait. In wine a process counts as the owner of a socket once it has used it itself: it has no
 * descriptor before, as another process creates, binds and accepts for it. */
static void use(SOCKET socket) {
    u_long waiting = 0;
    if (ioctlsocket(socket, FIONREAD, &waiting)) fail("ioctlsocket");
}

static void print_end(const char *name, const struct sockaddr_storage *end) {
    char text[64] = "";
    int is_v4 = end->ss_family == AF_INET;
    const struct sockaddr_in *v4 = (const void *)end;
    const struct sockaddr_in6 *v6 = (const void *)end;
    inet_ntop(end->ss_family, is_v4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr, text, sizeof text);
    printf(", \"%s_addr\": \"%s\", \"%s_port\": %d", name, text, name, ntohs(is_v4 ? v4->sin_port : v6->sin6_port));
}

static void print(const char *proto, const char *state, SOCKET socket) {
    struct sockaddr_storage end;
    int length = sizeof end;
    use(socket);
    if (getsockname(socket, (struct sockaddr *)&end, &length)) fail("getsockname");
    printf("{\"proto\": \"%s\", \"state\": \"%s\", \"pid\": %lu", proto, state, GetCurrentProcessId());
    print_end("local", &end);
    length = sizeof end;
    if (!strcmp(state, "ESTAB")) {
        if (getpeername(socket, (struct sockaddr *)&end, &length)) fail("getpeername");
        print_end("remote", &end);
    }
    printf("}\n");
    fflush(stdout);
}

static int loopback(struct sockaddr_storage *end, int family, int port) {
    memset(end, 0, sizeof *end);
    end->ss_family = family;
    if (family == AF_INET) {
        struct sockaddr_in *v4 = (void *)end;
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        v4->sin_port = htons(port);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (void *)end;
    v6->sin6_addr = in6addr_loopback;
    v6->sin6_port = htons(port);
    return sizeof *v6;
}

static SOCKET bound(int family, int type) {
    struct sockaddr_storage end;
    int length = loopback(&end, family, 0);
    SOCKET made = socket(family, type, 0);
    if (made == INVALID_SOCKET) fail("socket");
    if (bind(made, (struct sockaddr *)&end, length)) fail("bind");
    return made;
}

static SOCKET listening(int family) {
    SOCKET made = bound(family, SOCK_STREAM);
    if (listen(made, 8)) fail("listen");
    print("tcp", "LISTEN", made);
    return made;
}

static void connected(int family, int port) {
    struct sockaddr_storage end;
    int length = loopback(&end, family, port);
    SOCKET made = socket(family, SOCK_STREAM, 0);
    if (made == INVALID_SOCKET || connect(made, (struct sockaddr *)&end, length)) fail("connect");
    print("tcp", "ESTAB", made);
}

int main(int count, char **arguments) {
    WSADATA data;
    char line[32];
    if (WSAStartup(MAKEWORD(2, 2), &data)) fail("WSAStartup");
    if (count == 4 && !strcmp(arguments[1], "connect")) {
        connected(AF_INET, atoi(arguments[2]));
        connected(AF_INET6, atoi(arguments[3]));
        printf("done\n");
        fflush(stdout);
        while (fgets(line, sizeof line, stdin)) {}
        return 0;
    }
    SOCKET listeners[] = {listening(AF_INET), listening(AF_INET6)};
    print("udp", "UNCONN", bound(AF_INET, SOCK_DGRAM));
    print("udp", "UNCONN", bound(AF_INET6, SOCK_DGRAM));
    printf("done\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (int i = 0; i < 2; i++) {
            SOCKET client = accept(listeners[i], NULL, NULL);
            if (client == INVALID_SOCKET) fail("accept");
            print("tcp", "ESTAB", client);
        }
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}
