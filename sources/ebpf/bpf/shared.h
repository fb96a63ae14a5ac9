/* What crosses from the programs to user space. Each structure has its size here and in
 * src/wire.rs, and both compilers check it. All integers are the machine's own; ports and
 * addresses too are as a reader wants them: ports as numbers, addresses in the order of the wire. */
#pragma once
#include "helpers.h"

/* Most of struct tcp_info that is told; Linux 6.18 has so many bytes. */
#define TCP_INFO_BYTES 280

enum row_kind {
	ROW_FULL = 1,     /* a socket */
	ROW_TIME_WAIT = 2, /* the stub of a closed connection */
	ROW_REQUEST = 3,  /* a handshake under way */
};

/* Which socket, and between whom. */
struct ends {
	u64 cookie;
	u32 netns;
	u32 uid;
	u32 interface;
	u16 local_port;
	u16 remote_port;
	u16 protocol;
	u8 family;
	u8 state;
	u8 kind;
	u8 pad[3];
	u8 local[16];
	u8 remote[16];
	u64 inode;
};
_Static_assert(sizeof(struct ends) == 72, "struct ends");

/* A row of a table; of TCP sockets tcp_info follows. */
struct row {
	struct ends ends;
	u64 cgroup_id;
	u32 mark;
	u32 receive_queue;
	u32 send_queue;
	u32 timer_expires_ms;
	u32 memory[9]; /* SK_MEMINFO_*, linux/sock_diag.h */
	u16 tcp_info_length;
	u8 timer;
	u8 retransmits;
	u8 shutdown;
	u8 tos;
	u8 has_bbr;
	u8 pad;
	u32 pad2;
	char congestion[16];
	char upper_layer[16];
	union {
		u64 bbr_bandwidth;
		u64 udp_bytes_out;
	};
	union {
		struct {
			u32 bbr_min_rtt_us;
			u32 bbr_pacing_gain;
		};
		u64 udp_bytes_in;
	};
	u32 bbr_cwnd_gain;
	u32 pad3;
};
_Static_assert(sizeof(struct row) == 200, "struct row");

struct tcp_row {
	struct row row;
	u8 tcp_info[TCP_INFO_BYTES];
};
_Static_assert(sizeof(struct tcp_row) == 480, "struct tcp_row");

/* One descriptor of one process. */
struct descriptor {
	u64 cookie;
	u64 started_boot_ns;
	u32 netns;
	u32 pid;
	u32 descriptor;
	u32 machine_pid; /* in the outermost pid namespace */
	char name[16];
	/* The subflows of an MPTCP connection have no descriptor of their own, but its inode; else 0. */
	u64 mptcp_inode;
};
_Static_assert(sizeof(struct descriptor) == 56, "struct descriptor");

/* What passed between a UDP socket and one peer. */
struct peer {
	u64 cookie;
	u8 remote[16];
	u16 remote_port;
	u16 family;
	u32 pad;
	u64 bytes_out;
	u64 bytes_in;
	u64 datagrams_out;
	u64 datagrams_in;
};
_Static_assert(sizeof(struct peer) == 64, "struct peer");

enum event_kind {
	EVENT_OPENED = 1,
	EVENT_ACCEPTED = 2,
	EVENT_CLOSED = 3,
	EVENT_FAILED = 4,
};

enum event_flags {
	FLAG_OUTBOUND = 1,  /* connect was called here */
	FLAG_INBOUND = 2,   /* the peer called it */
	FLAG_LOCAL_FIRST = 4,
	FLAG_REMOTE_FIRST = 8,
	FLAG_RST_RECEIVED = 16,
	FLAG_FIN_RECEIVED = 32, /* SOCK_DONE */
	FLAG_ORPHAN = 64,       /* SOCK_DEAD: no descriptor refers to it any more */
};

/* Something that happened. */
struct event {
	u64 at_ns;           /* CLOCK_MONOTONIC, as all moments here; 0 where not seen */
	u64 connect_ns;      /* our SYN */
	u64 opened_ns;       /* end of the handshake */
	u64 accepted_ns;
	u64 started_boot_ns; /* of the process */
	u32 pid;
	u32 uid;
	char name[16];
	u8 kind;
	u8 flags;
	u8 last_state; /* before it was closed */
	u8 pad;
	u16 error; /* sk_err */
	u16 pad2;
};
_Static_assert(sizeof(struct event) == 72, "struct event");

struct short_event {
	struct event event;
	struct ends ends;
};
_Static_assert(sizeof(struct short_event) == 144, "struct short_event");

struct long_event {
	struct event event;
	struct tcp_row row;
};
_Static_assert(sizeof(struct long_event) == 552, "struct long_event");
