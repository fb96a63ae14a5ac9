/* The socket storage (BPF_MAP_TYPE_SK_STORAGE): the last sample of a socket, the lifecycle of its connection, and what of its
 * payload was handed over. Sampler, events and tap share one entry, because allocating and freeing it is most of the cost of a short connection.
 * With the kernel's own header an entry is 256 bytes; the words that a sample compares are in one cache line. */
#pragma once
#include "row.h"

/* What this object is loaded for; set by the loader. */
CONSTANT u32 SAMPLES_SOCKETS = 0;
CONSTANT u32 EMITS_EVENTS = 0;

/* The last sample that was emitted: one word changes whenever anything in the row changes, times excepted. */
#define SAMPLE_WORDS 12
struct last_sample {
	u32 words[SAMPLE_WORDS];
	/* 0 if none was. */
	u32 generation;
};

/* What is known of a TCP connection. */
struct lifecycle {
	u64 connect_ns;
	u64 opened_ns;
	u64 accepted_ns;
	u64 started_boot_ns;
	u32 pid;
	u32 uid;
	char name[16];
	/* 1 from the handshake until a process uses the socket; several may race, one wins. */
	u32 is_unused;
	/* These three are written while the socket is locked. */
	u8 flags; /* enum event_flags */
	u8 rst_received;
	u8 emitted_state; /* SYN_SENT, ESTABLISHED or CLOSE: the last one handled */
	u8 has_first; /* first_sent and first_received of the socket are known */
};

/* What the tap (tap.h) knows of a side. */
enum side_flags {
	HAS_START = 1, /* `start` is set */
	IS_BEGUN = 2,  /* a record was handed over */
	IS_OVER = 4,   /* the first bytes were handed over */
	IS_WANTED = 8,
	RESUMES = 16,
};

struct tap_side {
	u32 start;  /* sequence number of the first byte, or of the first one seen */
	u32 next;   /* the byte after the last one that was sent */
	u32 resume; /* while RESUMES: what is before is not wanted */
	u32 flags;  /* enum side_flags */
};

enum tap_flags { IS_SET_UP = 1, IS_LATE = 2, IS_OPENED = 4 };

struct tap_state {
	u32 generation; /* of the wants that were applied */
	u32 serial;     /* of the want that was applied; 0 for none */
	struct tap_side sides[2];
	u64 moved_bytes[2]; /* by the process: written, read */
	u8 flags;     /* enum tap_flags */
	u8 direction; /* PAYLOAD_OUTBOUND, PAYLOAD_INBOUND, PAYLOAD_WHOLE */
	u16 new_peers; /* of an unconnected UDP socket, that began in `window` */
	union {
		u32 window;
		u32 first_received; /* TCP, see socket_storage */
	};
};

/* The initial sequence numbers of a connection are in first_sent and tap.first_received, which have room there: with one
 * word more an entry would take 512 bytes. */
struct socket_storage {
	struct last_sample sample;
	u32 first_sent;
	struct lifecycle lifecycle;
	struct tap_state tap;
};
_Static_assert(sizeof(struct socket_storage) == 184, "struct socket_storage");

struct {
	__uint(type, MAP_SK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct socket_storage);
} storage SEC(".maps");

/* State of each CPU. */
struct cpu_state {
	struct sock *sk; /* socket of the last change that change_state_1 saw, until change_state_2 has seen it */
	u32 change;
	u32 records; /* written to the ring of events */
	u64 woken_at; /* place of the reader in the ring of events when it was woken last, plus 1 */
	u64 payload_woken_at; /* the same of the ring of payload */
	u32 payload_bytes; /* written to the ring of payload since it was asked for what is unread */
};

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpu_states SEC(".maps");

/* Stores the initial sequence numbers. Only while the socket is locked. */
INLINE void store_first(struct socket_storage *stored, const struct first_sequences *first)
{
	stored->first_sent = first->sent;
	stored->tap.first_received = first->received;
	stored->lifecycle.has_first = 1;
}

/* Copies those that are stored into a row. */
INLINE void fill_first(struct row *row, const struct socket_storage *stored)
{
	row->has_first = stored->lifecycle.has_first;
	row->first_sent = stored->first_sent;
	row->first_received = stored->tap.first_received;
}

INLINE struct cpu_state *cpu_state(void)
{
	u32 zero = 0;
	return map_lookup(&cpu_states, &zero);
}

/* The flag of a record: the reader is woken at `wake_bytes` of unread records, and again only after it has read. A wakeup
 * interrupts the process that the program runs in, for about 2 us in a virtual machine. */
INLINE u64 wakeup_at(void *ring, u64 wake_bytes, u64 *woken_at)
{
	if (ringbuf_query(ring, RING_UNREAD) < wake_bytes)
		return NO_WAKEUP;
	u64 read = ringbuf_query(ring, RING_READ) + 1;
	if (*woken_at == read)
		return NO_WAKEUP;
	*woken_at = read;
	return FORCE_WAKEUP;
}
