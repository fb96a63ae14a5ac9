/* Lifecycle events of TCP connections: opened, accepted, closed, failed, in all network namespaces, from the moment
 * the programs are attached. The lifecycle is in the socket storage, so each event is complete by itself. */
#pragma once
#include "process.h"
#include "storage.h"

#define SOCK_DEAD 0 /* enum sock_flags, include/net/sock.h */
#define SOCK_DONE 1

struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} ring SEC(".maps");

/* Lost events by enum loss; user space adds up the CPUs. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, LOSSES);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

/* The reader is woken at WAKE_BYTES of unread records and polls otherwise. The query reads a cache line that the
 * reader writes, so each CPU makes it only every WAKE_RECORDS records (35 kB). */
#define WAKE_BYTES (1024 * 1024)
#define WAKE_RECORDS 64

INLINE void count_loss(u32 cause)
{
	u64 *count = map_lookup(&losses, &cause);
	if (count)
		(*count)++;
}

INLINE u64 wakeup(void)
{
	struct cpu_state *state = cpu_state();
	if (!state || ++state->records % WAKE_RECORDS)
		return NO_WAKEUP;
	return wakeup_at(&ring, WAKE_BYTES, &state->woken_at);
}

/* Stores the current process. Only valid in a system call, not in an interrupt. */
INLINE void store_process(struct lifecycle *lifecycle)
{
	const struct task_struct *task = current_task();
	const struct task_struct *leader = task->group_leader;
	lifecycle->pid = visible_pid(leader);
	lifecycle->started_boot_ns = leader->start_boottime;
	lifecycle->uid = task->cred->euid.val;
	copy_words(lifecycle->name, leader->comm, 4);
}

INLINE void fill_event(struct event *event, const struct lifecycle *lifecycle, u8 kind, u64 now)
{
	event->at_ns = now;
	event->connect_ns = lifecycle->connect_ns;
	event->opened_ns = lifecycle->opened_ns;
	event->accepted_ns = lifecycle->accepted_ns;
	event->started_boot_ns = lifecycle->started_boot_ns;
	event->pid = lifecycle->pid;
	event->uid = lifecycle->uid;
	copy_words(event->name, lifecycle->name, 4);
	event->kind = kind;
	event->flags = lifecycle->flags | (lifecycle->rst_received ? FLAG_RST_RECEIVED : 0);
	event->last_state = 0;
	event->pad = 0;
	event->error = 0;
	event->pad2 = 0;
}

/* A closing socket has released its port (skc_num is 0), but inet_sport still has the number. */
INLINE void fill_local_port(struct socket_header *header, struct sock *sk)
{
	if (header->local_port)
		return;
	const struct tcp_sock *tp = to_tcp_sock(sk);
	if (tp)
		header->local_port = __builtin_bswap16(tp->inet_conn.icsk_inet.inet_sport);
}

INLINE void emit_short(struct sock *sk, const struct lifecycle *lifecycle, u8 kind, u32 cause, u64 now, u16 error)
{
	struct short_event *record = ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_loss(cause);
		return;
	}
	fill_event(&record->event, lifecycle, kind, now);
	record->event.error = error;
	fill_header(&record->header, sk, IPPROTO_TCP);
	fill_local_port(&record->header, sk);
	/* The tracepoint comes before the change. */
	if (kind == EVENT_OPENED)
		record->header.state = TCP_ESTABLISHED;
	ringbuf_submit(record, wakeup());
}

INLINE void emit_closed(struct sock *sk, const struct socket_storage *stored, u8 last_state, u64 now)
{
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	struct long_event *record = ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		count_loss(LOST_CLOSED);
		return;
	}
	fill_event(&record->event, &stored->lifecycle, EVENT_CLOSED, now);
	unsigned long flags = sk->__sk_common.skc_flags;
	if (flags & 1 << SOCK_DONE)
		record->event.flags |= FLAG_FIN_RECEIVED;
	if (flags & 1 << SOCK_DEAD)
		record->event.flags |= FLAG_ORPHAN;
	record->event.last_state = last_state;
	record->event.error = sk->sk_err;
	fill_tcp_row(&record->row, sk, tp);
	fill_first(&record->row.row, stored);
	fill_local_port(&record->row.row.header, sk);
	ringbuf_submit(record, wakeup());
}

/* Called in the context of a process that uses the socket; the first one counts as the one that accepted it. */
INLINE void emit_accepted_once(struct sock *sk, struct lifecycle *lifecycle)
{
	if (!lifecycle->is_unused || __sync_val_compare_and_swap(&lifecycle->is_unused, 1, 0) != 1)
		return;
	u64 now = ktime_ns();
	lifecycle->accepted_ns = now;
	store_process(lifecycle);
	emit_short(sk, lifecycle, EVENT_ACCEPTED, LOST_ACCEPTED, now, 0);
}

/* A connection closed by `close` without having been read or written, with unread data or SO_LINGER of 0: it goes from
 * its state to CLOSE at once. `close` shuts down both directions first (__tcp_close). */
INLINE bool is_closed_by_process(const struct sock *sk, const struct lifecycle *lifecycle)
{
	return (sk->sk_shutdown & 3) == 3 && sk->sk_socket && !lifecycle->rst_received;
}

/* The end of a handshake by `connect`. With TCP_FASTOPEN_CONNECT the SYN waits for the first write, long after the state
 * changed: without retransmissions the handshake took the one round trip that was measured. A socket in repair
 * (TCP_REPAIR) is established without any packet. */
#define MAX_DEFERRED_NS 1000000
INLINE void correct_connect_time(struct sock *sk, struct lifecycle *lifecycle, u64 now)
{
	const struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	u64 round_trip_ns = (tp->srtt_us >> 3) * 1000ULL;
	if (!tp->segs_out)
		lifecycle->connect_ns = 0;
	else if (round_trip_ns && !tp->total_retrans &&
		 now - lifecycle->connect_ns > round_trip_ns + MAX_DEFERRED_NS)
		lifecycle->connect_ns = now - round_trip_ns;
}

/* Whether a socket in SYN-SENT is closed before its SYN was sent (TCP_FASTOPEN_CONNECT): nothing was attempted. */
INLINE bool is_unsent(struct sock *sk)
{
	const struct tcp_sock *tp = to_tcp_sock(sk);
	return tp && !tp->segs_out && (sk->sk_shutdown & 3) == 3;
}

/* Whether a change of state belongs to the lifecycle of a connection. */
INLINE bool is_lifecycle_change(int before, int after)
{
	/* Listeners, bound sockets, and handshakes that failed before there was a socket. */
	if (after == TCP_LISTEN || before == TCP_LISTEN || before == TCP_CLOSE && after != TCP_SYN_SENT)
		return false;
	if (after == TCP_SYN_RECV || before == TCP_SYN_RECV && after == TCP_CLOSE)
		return false;
	/* Our FIN was acknowledged: FLAG_LOCAL_FIRST is set already. */
	return after != TCP_FIN_WAIT2;
}

/* connect was called: nothing holds any more that is known of a connection of the same socket before. */
INLINE void start_lifecycle(struct lifecycle *lifecycle)
{
	__builtin_memset(lifecycle, 0, sizeof(*lifecycle));
	lifecycle->flags = FLAG_OUTBOUND;
}

/* Updates the lifecycle and emits an event. Changes that emit no record are idempotent. */
INLINE void emit_change(struct sock *sk, struct socket_storage *stored, int before, int after)
{
	struct lifecycle *lifecycle = &stored->lifecycle;
	switch (after) {
	case TCP_FIN_WAIT1:
		/* Only close and shutdown lead here and to LAST-ACK, so this is a system call. */
		emit_accepted_once(sk, lifecycle);
		lifecycle->flags |= FLAG_LOCAL_FIRST;
		return;
	case TCP_LAST_ACK:
		emit_accepted_once(sk, lifecycle);
		return;
	case TCP_CLOSE_WAIT:
		lifecycle->flags |= FLAG_REMOTE_FIRST;
		return;
	case TCP_CLOSING:
		lifecycle->flags |= FLAG_LOCAL_FIRST | FLAG_REMOTE_FIRST;
		return;
	}
	if (lifecycle->emitted_state == after)
		return;
	u64 now = ktime_ns();
	switch (after) {
	case TCP_SYN_SENT:
		start_lifecycle(lifecycle);
		lifecycle->connect_ns = now;
		store_process(lifecycle);
		break;
	case TCP_ESTABLISHED:
		if (before == TCP_SYN_RECV && !(lifecycle->flags & FLAG_OUTBOUND)) {
			lifecycle->flags |= FLAG_INBOUND;
			lifecycle->is_unused = 1;
		} else {
			correct_connect_time(sk, lifecycle, now);
		}
		lifecycle->opened_ns = now;
		emit_short(sk, lifecycle, EVENT_OPENED, LOST_OPENED, now, 0);
		break;
	case TCP_CLOSE:
		if (before == TCP_SYN_SENT) {
			if (!is_unsent(sk))
				emit_short(sk, lifecycle, EVENT_FAILED, LOST_FAILED, now, sk->sk_err);
			break;
		}
		if (is_closed_by_process(sk, lifecycle))
			emit_accepted_once(sk, lifecycle);
		emit_closed(sk, stored, before, now);
		break;
	}
	lifecycle->emitted_state = after;
}

/* An RST was received; the change of state that it causes follows. */
SEC("tp_btf/tcp_receive_reset")
int receive_reset(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct socket_storage *stored = sk_storage_get(&storage, sk, 0, STORAGE_CREATE);
	if (stored)
		stored->lifecycle.rst_received = 1;
	else
		count_loss(LOST_MEMORY);
	return 0;
}

/* accept has no tracepoint. The first read, write or close of the new socket runs in a process that has it; these two
 * tracepoints cover read and write. Linux 6.3. */
INLINE int use_socket(struct sock *sk)
{
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct socket_storage *stored = sk_storage_get(&storage, sk, 0, 0);
	if (stored)
		emit_accepted_once(sk, &stored->lifecycle);
	return 0;
}

SEC("tp_btf/sock_recv_length")
int socket_read(u64 *ctx)
{
	return use_socket((struct sock *)ctx[0]);
}

SEC("tp_btf/sock_send_length")
int socket_write(u64 *ctx)
{
	return use_socket((struct sock *)ctx[0]);
}
