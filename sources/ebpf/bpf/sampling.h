/* Samples the sockets of all network namespaces without entering any: each socket gets a storage entry when it is
 * created, and a pass over the storage map emits a full row only for sockets that changed since the last pass.
 * Storage entries are freed with their sockets, so nothing needs cleaning. */
#pragma once
#include "flows.h"
#include "storage.h"

/* Records of a pass: a cookie alone (8 bytes) for an unchanged socket, a row for a changed one. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024);
} samples SEC(".maps");

/* By enum counter; user space adds up the CPUs. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, u32);
	__type(value, u64);
} counters SEC(".maps");

/* User space increases it to get the rows of unchanged sockets, too. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} generation SEC(".maps");

/* Never 0, which is the number of a row that was not emitted. */
INLINE u32 current_generation(void)
{
	u32 key = 0;
	u32 *now = map_lookup(&generation, &key);
	return now ? *now % 0xffffffff + 1 : 1;
}

INLINE void increment(u32 counter)
{
	u64 *count = map_lookup(&counters, &counter);
	if (count)
		(*count)++;
}

/* Creates the storage entry of a socket. */
INLINE struct socket_storage *track(void *sk)
{
	struct socket_storage *stored = sk_storage_get(&storage, sk, 0, STORAGE_CREATE);
	if (!stored)
		increment(COUNT_NO_MEMORY);
	return stored;
}

/* Track the existing sockets of the namespace that the iterator was opened in. */
SEC("iter/tcp")
int track_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common)
		return 0;
	struct tcp_sock *tp = to_tcp_sock(common);
	struct socket_storage *stored = tp ? track(tp) : 0;
	struct first_sequences first = {};
	/* The iterator has locked the socket. */
	if (stored && !stored->lifecycle.has_first && first_of_open(tp, &first))
		store_first(stored, &first);
	return 0;
}

SEC("iter/udp")
int track_udp(struct bpf_iter__udp *ctx)
{
	/* Read once: some verifiers forget that it is not null when it is read again. */
	struct udp_sock *udp = ctx->udp_sk;
	if (udp)
		track(udp);
	return 0;
}

/* Bound sockets that neither listen nor connect are in no table an iterator shows, only behind descriptors. */
SEC("iter/task_file")
int track_descriptors(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	if (!file)
		return 0;
	struct sock *sk = sock_of(file);
	if (sk && (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_UDP))
		track(sk);
	return 0;
}

/* A TCP socket is tracked when it listens, connects, or comes from a listener. */
INLINE bool starts_tracking(int after)
{
	return after == TCP_LISTEN || after == TCP_SYN_SENT || after == TCP_ESTABLISHED;
}

INLINE bool may_leave_time_wait(int before, int after)
{
	return after == TCP_CLOSE && before != TCP_SYN_SENT && before != TCP_LISTEN;
}

/* A new UDP socket: the kernel binds it when it first sends, without a program. */
SEC("cgroup/sock_create")
int track_new(struct bpf_sock *sk)
{
	if (sk->protocol == IPPROTO_UDP)
		track(sk);
	return 1;
}

/* A bound TCP socket, which may neither listen nor connect, or a UDP socket that the kernel made for itself, as for a vxlan
 * device: sock_create does not run for those (inet_create, net/ipv4/af_inet.c), and udp_sock_create (net/ipv4/udp_tunnel_core.c)
 * binds them. */
INLINE int track_bound(struct bpf_sock *sk)
{
	if (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP)
		track(sk);
	return 1;
}

SEC("cgroup/post_bind4")
int track_bound_4(struct bpf_sock *sk)
{
	return track_bound(sk);
}

SEC("cgroup/post_bind6")
int track_bound_6(struct bpf_sock *sk)
{
	return track_bound(sk);
}

INLINE void emit_unchanged(struct sock *sk)
{
	u64 cookie = cookie_of(&sk->__sk_common);
	if (ringbuf_output(&samples, &cookie, sizeof(cookie), NO_WAKEUP))
		increment(COUNT_RING_FULL);
}

INLINE void emit_row(struct last_sample *last, const u32 *now, void *row, u32 size)
{
	last->generation = 0;
	if (ringbuf_output(&samples, row, size, NO_WAKEUP)) {
		increment(COUNT_RING_FULL);
		return;
	}
	copy_words(last->words, now, SAMPLE_WORDS);
	last->generation = current_generation();
}

/* Whether a socket is as it was emitted last. User space advances times by itself. */
INLINE bool is_unchanged(const struct last_sample *last, const u32 *now)
{
	bool same = last->generation == current_generation();
#pragma unroll
	for (u32 i = 0; i < SAMPLE_WORDS; i++)
		same &= last->words[i] == now[i];
	return same;
}

/* Options that a process may set at any time, mixed into one number. */
INLINE u32 options_of(const struct sock *sk)
{
	return sk->sk_mark * 0x9e3779b1 + sk->__sk_common.skc_bound_dev_if * 0x27d4eb2f;
}

INLINE u32 algorithm_of(const struct inet_connection_sock *icsk)
{
	const struct tcp_congestion_ops *ops = icsk->icsk_ca_ops;
	return ops ? ops->key : 0;
}

INLINE u32 tos_of(const struct tcp_sock *tp)
{
	const struct inet_sock *inet = &tp->inet_conn.icsk_inet;
	const struct ipv6_pinfo *inet6 = inet->pinet6;
	u8 tclass = 0;
	if (inet6 && inet->sk.__sk_common.skc_family == AF_INET6)
		tclass = inet6->tclass;
	return (inet->tos | tclass << 8) * 0x165667b1;
}

/* Each cache line that is read costs more than everything else here. So a number that only changes together with
 * another one is not compared: retransmits change segs_out, and TCP counts drops in one place only. */
INLINE void sample_tcp(struct sock *sk, struct socket_storage *stored, struct tcp_row *row)
{
	struct last_sample *last = &stored->sample;
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	u8 state = sk->__sk_common.skc_state;
	if (state == TCP_CLOSE && !sk->__sk_common.skc_num)
		return;
	if (state == TCP_LISTEN && icsk->icsk_accept_queue.qlen.counter > 0)
		increment(COUNT_HANDSHAKES);
	u8 pending = icsk->icsk_pending;
	u32 now[SAMPLE_WORDS] = {
		state | sk->sk_shutdown << 8 | pending << 16,
		tp->segs_in,
		tp->segs_out,
		tp->copied_seq,
		tp->write_seq,
		tp->snd_una,
		tp->rcv_nxt,
		options_of(sk) + algorithm_of(icsk) * 0x85ebca6b + tos_of(tp) +
			/* Only shown for listeners. */
			(state == TCP_LISTEN ? sk->sk_ack_backlog + sk->sk_max_ack_backlog * 0xc2b2ae35 : 0),
		sk->sk_drops.counter,
		sk->sk_rcvbuf,
		sk->sk_sndbuf,
		inode_of(sk),
	};
	/* While data is in flight or probed for, timers run and measures change with them. */
	if (!pending && !tp->packets_out && is_unchanged(last, now)) {
		emit_unchanged(sk);
		return;
	}
	fill_tcp_row(row, sk, tp);
	fill_first(&row->row, stored);
	emit_row(last, now, row, sizeof(*row));
}

INLINE void sample_udp(struct sock *sk, struct last_sample *last, struct row *row)
{
	const struct sock_common *common = &sk->__sk_common;
	if (!common->skc_num)
		return;
	struct flow_total *total = sk_storage_get(&flow_totals, sk, 0, 0);
	u64 out = total ? total->flow.bytes_out : 0, in = total ? total->flow.bytes_in : 0;
	const struct inet_sock *inet = &((const struct udp_sock *)sk)->inet;
	u8 tos = 0;
	read_kernel(&tos, 1, &inet->tos);
	u32 now[SAMPLE_WORDS] = {
		common->skc_state | sk->sk_shutdown << 8 | common->skc_num << 16,
		sk->sk_backlog.rmem_alloc.counter,
		sk->sk_wmem_alloc.refs.counter,
		drops_of(sk),
		out,
		in,
		common->skc_dport + options_of(sk) + tos * 0x165667b1,
		common->skc_daddr ^ common->skc_v6_daddr.in6_u.u6_addr32[3],
		common->skc_rcv_saddr ^ common->skc_v6_rcv_saddr.in6_u.u6_addr32[3],
		sk->sk_rcvbuf,
		sk->sk_sndbuf,
		inode_of(sk),
	};
	if (is_unchanged(last, now)) {
		emit_unchanged(sk);
		return;
	}
	fill_udp_row(row, sk);
	row->detail.udp.bytes_out = out;
	row->detail.udp.bytes_in = in;
	row->detail.udp.peers = total ? total->peers : 0;
	emit_row(last, now, row, sizeof(*row));
}

SEC("iter/bpf_sk_storage_map")
int sample(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct socket_storage *stored = ctx->value;
	struct tcp_row *row = scratch_row();
	if (!sk || !stored || !row)
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP)
		sample_tcp(sk, stored, row);
	else if (sk->sk_protocol == IPPROTO_UDP)
		sample_udp(sk, &stored->sample, &row->row);
	return 0;
}
