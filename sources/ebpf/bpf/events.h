/* What happens to TCP connections: opened, accepted, closed, failed. Every one, in every network
 * namespace, from the moment the programs are attached.
 *
 * The one idea: what is known of a connection is kept with its socket, so that nothing has to be looked up and
 * nothing is left behind, and each event is complete by itself. */
#pragma once
#include "kept.h"
#include "process.h"

#define SOCK_DEAD 0 /* enum sock_flags, include/net/sock.h */
#define SOCK_DONE 1

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} ring SEC(".maps");

/* What could not be told, by cause; user space adds up the CPUs. */
enum loss {
	LOST_OPENED,   /* the ring was full */
	LOST_ACCEPTED,
	LOST_CLOSED,
	LOST_FAILED,
	LOST_MEMORY, /* no room for what is kept with a socket */
	LOSSES = 8,
};
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

/* Whoever waits is woken when so many bytes are unread; else user space comes by itself. To ask how many there
 * are fetches a line of memory the reader writes to; so each CPU asks only once in so many records, 35 kB. */
#define WAKE_BYTES (1024 * 1024)
#define WAKE_RECORDS 64

INLINE void lose(u32 cause)
{
	u64 *count = map_lookup(&losses, &cause);
	if (count)
		(*count)++;
}

INLINE u64 wakeup(void)
{
	struct at_work *here = at_work();
	if (!here || ++here->records % WAKE_RECORDS)
		return NO_WAKEUP;
	return ringbuf_query(&ring, RING_UNREAD) >= WAKE_BYTES ? FORCE_WAKEUP : NO_WAKEUP;
}

/* Who is at work now; only where it is a process that called, not an interrupt. */
INLINE void note_process(struct life *life)
{
	const struct task_struct *task = current_task();
	const struct task_struct *leader = task->group_leader;
	life->pid = visible_pid(leader);
	life->started_boot_ns = leader->start_boottime;
	life->uid = task->cred->euid.val;
	copy_words(life->name, leader->comm, 4);
}

INLINE void fill_event(struct event *event, const struct life *life, u8 kind, u64 now)
{
	event->at_ns = now;
	event->connect_ns = life->connect_ns;
	event->opened_ns = life->opened_ns;
	event->accepted_ns = life->accepted_ns;
	event->started_boot_ns = life->started_boot_ns;
	event->pid = life->pid;
	event->uid = life->uid;
	copy_words(event->name, life->name, 4);
	event->kind = kind;
	event->flags = life->flags | (life->rst_received ? FLAG_RST_RECEIVED : 0);
	event->last_state = 0;
	event->pad = 0;
	event->error = 0;
	event->pad2 = 0;
}

/* A socket that is being closed has given its port back, but remembers the number. */
INLINE void keep_port(struct ends *ends, struct sock *sk)
{
	if (ends->local_port)
		return;
	const struct tcp_sock *tp = to_tcp_sock(sk);
	if (tp)
		ends->local_port = __builtin_bswap16(tp->inet_conn.icsk_inet.inet_sport);
}

INLINE void tell_short(struct sock *sk, const struct life *life, u8 kind, u32 cause, u64 now, u16 error)
{
	struct short_event *told = ringbuf_reserve(&ring, sizeof(*told), 0);
	if (!told) {
		lose(cause);
		return;
	}
	fill_event(&told->event, life, kind, now);
	told->event.error = error;
	fill_ends(&told->ends, sk, IPPROTO_TCP);
	keep_port(&told->ends, sk);
	/* The tracepoint comes before the change. */
	if (kind == EVENT_OPENED)
		told->ends.state = TCP_ESTABLISHED;
	ringbuf_submit(told, wakeup());
}

INLINE void tell_closed(struct sock *sk, const struct life *life, u8 last_state, u64 now)
{
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	struct long_event *told = ringbuf_reserve(&ring, sizeof(*told), 0);
	if (!told) {
		lose(LOST_CLOSED);
		return;
	}
	fill_event(&told->event, life, EVENT_CLOSED, now);
	unsigned long flags = sk->__sk_common.skc_flags;
	if (flags & 1 << SOCK_DONE)
		told->event.flags |= FLAG_FIN_RECEIVED;
	if (flags & 1 << SOCK_DEAD)
		told->event.flags |= FLAG_ORPHAN;
	told->event.last_state = last_state;
	told->event.error = sk->sk_err;
	fill_tcp_row(&told->row, sk, tp);
	keep_port(&told->row.row.ends, sk);
	ringbuf_submit(told, wakeup());
}

/* A process is at work on a connection; the first is the one that accepted it. */
INLINE void used_by(struct sock *sk, struct life *life)
{
	if (!life->is_unused || __sync_val_compare_and_swap(&life->is_unused, 1, 0) != 1)
		return;
	u64 now = ktime_ns();
	life->accepted_ns = now;
	note_process(life);
	tell_short(sk, life, EVENT_ACCEPTED, LOST_ACCEPTED, now, 0);
}

/* Whether a change of state tells something of a connection. */
INLINE bool is_of_connection(int before, int after)
{
	/* Listeners, bound sockets, and handshakes that came to nothing before there was a socket. */
	if (after == TCP_LISTEN || before == TCP_LISTEN || before == TCP_CLOSE && after != TCP_SYN_SENT)
		return false;
	if (after == TCP_SYN_RECV || before == TCP_SYN_RECV && after == TCP_CLOSE)
		return false;
	/* Its FIN was acknowledged: who sent the first is known. */
	return after != TCP_FIN_WAIT2;
}

/* What is told without a record may be told twice. */
INLINE void tell_change(struct sock *sk, struct life *life, int before, int after)
{
	switch (after) {
	case TCP_FIN_WAIT1:
		/* Only close and shutdown lead here and to LAST-ACK, so a process is at work. */
		used_by(sk, life);
		life->flags |= FLAG_LOCAL_FIRST;
		return;
	case TCP_LAST_ACK:
		used_by(sk, life);
		return;
	case TCP_CLOSE_WAIT:
		life->flags |= FLAG_REMOTE_FIRST;
		return;
	case TCP_CLOSING:
		life->flags |= FLAG_LOCAL_FIRST | FLAG_REMOTE_FIRST;
		return;
	}
	if (life->told_state == after)
		return;
	u64 now = ktime_ns();
	switch (after) {
	case TCP_SYN_SENT:
		/* A socket may be connected again after it was closed: nothing of before counts. */
		__builtin_memset(life, 0, sizeof(*life));
		life->connect_ns = now;
		life->flags = FLAG_OUTBOUND;
		note_process(life);
		break;
	case TCP_ESTABLISHED:
		if (before == TCP_SYN_RECV && !(life->flags & FLAG_OUTBOUND)) {
			life->flags |= FLAG_INBOUND;
			life->is_unused = 1;
		}
		life->opened_ns = now;
		tell_short(sk, life, EVENT_OPENED, LOST_OPENED, now, 0);
		break;
	case TCP_CLOSE:
		if (before == TCP_SYN_SENT)
			tell_short(sk, life, EVENT_FAILED, LOST_FAILED, now, sk->sk_err);
		else
			tell_closed(sk, life, before, now);
		break;
	}
	life->told_state = after;
}

/* RST came in; what it does to the state is told right after. */
SEC("tp_btf/tcp_receive_reset")
int receive_reset(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct kept *kept = sk_storage_get(&kept_with, sk, 0, STORAGE_CREATE);
	if (kept)
		kept->life.rst_received = 1;
	else
		lose(LOST_MEMORY);
	return 0;
}

/* No tracepoint tells of accept. But the process that has the new socket reads it, writes to it or closes it, and
 * then it is at work here: the first time, it is noted. Linux 6.3. */
INLINE int used(struct sock *sk)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct kept *kept = sk_storage_get(&kept_with, sk, 0, 0);
	if (kept)
		used_by(sk, &kept->life);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int used_by_read(u64 *ctx)
{
	return used((struct sock *)ctx[0]);
}

SEC("tp_btf/sock_send_length")
int used_by_write(u64 *ctx)
{
	return used((struct sock *)ctx[0]);
}
