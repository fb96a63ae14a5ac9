/* Records that the programs write and user space reads. src/layout.rs declares the same structures; its test compares
 * the name, offset and size of every field with the BTF of objects/layout.bpf.o. Integers and ports are in host byte
 * order, addresses in network byte order. */
#pragma once
#include "helpers.h"

/* Most bytes of struct tcp_info that are copied: its size in Linux 6.18. */
#define TCP_INFO_BYTES 280

enum row_kind {
	ROW_FULL = 1,      /* a full socket */
	ROW_TIME_WAIT = 2, /* a TIME-WAIT minisock */
	ROW_REQUEST = 3,   /* a request minisock: a handshake in progress */
};

/* Identity, endpoints and state of a socket. */
struct socket_header {
	u64 cookie;
	u32 netns;
	u32 uid;
	u32 interface;
	u16 local_port;
	u16 remote_port;
	u16 protocol;
	u8 family;
	u8 state;
	u8 kind; /* enum row_kind */
	u8 held_by_kernel;
	u8 ipv6_only; /* IPV6_V6ONLY of a full socket */
	u8 pad;
	u8 local[16]; /* IPv4 in the first four bytes */
	u8 remote[16];
	u64 inode;
};
_Static_assert(sizeof(struct socket_header) == 72, "struct socket_header");

struct bbr_detail {
	u64 bandwidth;
	u32 min_rtt_us;
	u32 pacing_gain;
	u32 cwnd_gain;
	u32 pad;
};
_Static_assert(sizeof(struct bbr_detail) == 24, "struct bbr_detail");

struct udp_totals {
	u64 bytes_out;
	u64 bytes_in;
	u64 peers; /* entries of `flows` made for the socket, evicted ones included */
};
_Static_assert(sizeof(struct udp_totals) == 24, "struct udp_totals");

/* A socket without tcp_info. */
struct row {
	struct socket_header header;
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
	u8 has_first; /* the next two are known: TCP */
	u32 first_sent; /* initial sequence numbers: those of the SYNs */
	char congestion[16];
	char upper_layer[16];
	union {
		struct bbr_detail bbr; /* TCP, if has_bbr */
		struct udp_totals udp; /* UDP */
	} detail;
	u32 first_received;
	u32 pad;
};
_Static_assert(sizeof(struct row) == 208, "struct row");

/* A full TCP socket. */
struct tcp_row {
	struct row row;
	u8 tcp_info[TCP_INFO_BYTES];
};
_Static_assert(sizeof(struct tcp_row) == 488, "struct tcp_row");

/* One file descriptor of one process. */
struct descriptor {
	u64 cookie;
	u64 started_boot_ns;
	u32 netns;
	u32 pid;
	u32 descriptor;
	u32 machine_pid; /* in the initial pid namespace */
	char name[16];
	/* MPTCP subflows have no descriptor of their own and share the inode of their connection; 0 for all else. */
	u64 mptcp_inode;
};
_Static_assert(sizeof(struct descriptor) == 56, "struct descriptor");

/* Traffic between a UDP socket and one peer. */
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
	FLAG_OUTBOUND = 1,     /* connect was called on this side */
	FLAG_INBOUND = 2,      /* the peer called connect */
	FLAG_LOCAL_FIRST = 4,  /* this side sent the first FIN */
	FLAG_REMOTE_FIRST = 8, /* the peer sent the first FIN */
	FLAG_RST_RECEIVED = 16,
	FLAG_FIN_RECEIVED = 32, /* SOCK_DONE */
	FLAG_ORPHAN = 64,       /* SOCK_DEAD: no descriptor refers to it any more */
};

/* A lifecycle event. All times are CLOCK_MONOTONIC unless the name has another clock; 0 if not seen. */
struct event {
	u64 at_ns;
	u64 connect_ns; /* our SYN */
	u64 opened_ns;  /* end of the handshake */
	u64 accepted_ns; /* the first read, write or close by a process */
	u64 started_boot_ns; /* of the process, CLOCK_BOOTTIME */
	u32 pid;
	u32 uid;
	char name[16];
	u8 kind;  /* enum event_kind */
	u8 flags; /* enum event_flags */
	u8 last_state; /* before it was closed */
	u8 pad;
	u16 error; /* sk_err */
	u16 pad2;
};
_Static_assert(sizeof(struct event) == 72, "struct event");

struct short_event {
	struct event event;
	struct socket_header header;
};
_Static_assert(sizeof(struct short_event) == 144, "struct short_event");

struct long_event {
	struct event event;
	struct tcp_row row;
};
_Static_assert(sizeof(struct long_event) == 560, "struct long_event");

/* Index of a counter of lost events, by cause. */
enum loss {
	LOST_OPENED, /* the ring was full */
	LOST_ACCEPTED,
	LOST_CLOSED,
	LOST_FAILED,
	LOST_MEMORY, /* no memory for socket storage */
	LOSSES = 8,
};

/* Index of a counter of the sampler. */
enum counter {
	COUNT_RING_FULL,  /* rows that did not fit into the ring: the pass is incomplete */
	COUNT_NO_MEMORY,  /* sockets without storage: they are missing */
	COUNT_HANDSHAKES, /* listeners seen with handshakes in progress */
	COUNT_TIME_WAITS, /* closed connections that may have left a TIME-WAIT minisock */
	COUNTERS,
};

enum payload_kind {
	PAYLOAD_SEGMENT = 1,  /* of a connection */
	PAYLOAD_LISTENER = 2, /* received before there was a socket of the connection; cookie is the listener's */
	PAYLOAD_MOVED = 3,    /* the process has read (PAYLOAD_RECEIVED), or written */
	PAYLOAD_DATAGRAM = 4, /* of UDP */
};

enum payload_flags {
	PAYLOAD_RECEIVED = 1, /* else sent */
	PAYLOAD_OPENS = 2,    /* the first record of the connection */
	PAYLOAD_BEGINS = 4,   /* the first record of the side, and `start` is known */
	PAYLOAD_FIN = 8,      /* a FIN follows the payload */
	PAYLOAD_OUTBOUND = 16, /* this end called connect */
	PAYLOAD_INBOUND = 32,  /* the other end did */
	PAYLOAD_WHOLE = 64,    /* it began with the signature: all of it is handed over until user space steers it */
	PAYLOAD_PEER = 128,    /* of an unconnected socket: what the remote end is a peer of */
};

/* What a record of the ring of payload begins with; `length` bytes follow. Sequence numbers are those of payload, a SYN
 * not counted. */
struct payload {
	u64 cookie;
	u64 at_ns;
	u64 moved_bytes; /* PAYLOAD_MOVED: by the process, since the connection began */
	u32 netns;
	u32 sequence;
	u32 before; /* what is before this sequence number and was not handed over will not be */
	u32 start;  /* sequence number of the first byte of the side */
	u32 length;
	u32 cut; /* bytes of the segment behind these that are not handed over */
	u16 local_port;
	u16 remote_port;
	u8 family;
	u8 kind; /* enum payload_kind */
	u8 flags; /* enum payload_flags */
	u8 pad;
	u8 local[16]; /* IPv4 in the first four bytes */
	u8 remote[16];
};
_Static_assert(sizeof(struct payload) == 88, "struct payload");

/* What user space wants of a connection, both sides in the order sent, received. */
struct want {
	u32 serial; /* differs from that of the entry before; never 0 */
	u32 resume[2]; /* what is before this sequence number is not wanted */
	u8 is_wanted[2];
	u8 resumes[2]; /* whether `resume` holds */
};
_Static_assert(sizeof(struct want) == 16, "struct want");

/* An unconnected UDP socket and one of its peers. */
struct flow_key {
	u64 cookie;
	u8 remote[16]; /* IPv4 in the first four bytes */
	u16 remote_port;
	u16 family;
	u32 pad;
};
_Static_assert(sizeof(struct flow_key) == 32, "struct flow_key");

/* What of their datagrams is handed over, both sides in the order sent, received. */
struct tap_peer {
	u32 first_bytes[2]; /* that were handed over before it was steered */
	u8 is_steered;      /* by user space */
	u8 is_wanted[2];    /* once it is steered */
	u8 is_opened;       /* a record was handed over */
};
_Static_assert(sizeof(struct tap_peer) == 12, "struct tap_peer");

/* Index of a counter of the tap. */
enum payload_loss {
	LOST_PAYLOAD_BYTES,   /* the ring was full, or there was no memory for socket storage */
	PAYLOAD_COPIED_BYTES, /* no loss: bytes handed over */
	PAYLOAD_LOSSES,
};
