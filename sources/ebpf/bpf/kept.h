/* What is kept with a socket (sk_storage): what was told of it last, for who looks, and what is known of its
 * connection, for who is told what happens.
 *
 * The one idea: one piece of memory for both, because to make and free it is most of what a short connection is
 * charged for being watched. With what the kernel puts before it, it is 192 bytes; what a look compares
 * is in one line of memory. */
#pragma once
#include "row.h"

/* What this copy of the programs is for; the loader sets them. */
CONSTANT u32 IS_WATCHED = 0;
CONSTANT u32 TELLS_EVENTS = 0;

/* What was told of a socket last: numbers of which one changes whenever anything worth telling does. */
#define WORDS 12
struct mark {
	u32 told[WORDS];
	u32 is_told;
};

/* What is known of a connection. */
struct life {
	u64 connect_ns;
	u64 opened_ns;
	u64 accepted_ns;
	u64 started_boot_ns;
	u32 pid;
	u32 uid;
	char name[16];
	/* 1 until a process was seen that uses it; several may come at once, one is told. */
	u32 is_unused;
	/* These three are written while the socket is locked. */
	u8 flags; /* enum event_flags */
	u8 rst_received;
	u8 told_state; /* SYN_SENT, ESTABLISHED or CLOSE, whichever was told last */
	u8 pad;
};

struct kept {
	struct mark mark;
	struct life life;
};
_Static_assert(sizeof(struct kept) == 120, "struct kept");

struct {
	__uint(type, MAP_SK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct kept);
} kept_with SEC(".maps");

/* What each CPU is at. */
struct at_work {
	struct sock *sk; /* whose change copy 1 saw last, until copy 2 has seen it too */
	u32 change;
	u32 records; /* written to the ring of events */
};

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct at_work);
} works SEC(".maps");

INLINE struct at_work *at_work(void)
{
	u32 zero = 0;
	return map_lookup(&works, &zero);
}
