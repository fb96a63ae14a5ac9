/* The sockets of the machine, watched: each is marked when it comes to be, and a look goes through the marked
 * ones only and tells in full only those that changed since they were told last. So a machine at rest costs
 * next to nothing, and all network namespaces are seen without entering any.
 *
 * The one idea: a mark (sk_storage) goes with its socket, so there is no table to walk but that of the
 * marks, and none to clean. */
#pragma once
#include "flows.h"
#include "kept.h"

/* What a look tells: a cookie alone (8 bytes) for a socket as it was, a row for one that changed. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} looks SEC(".maps");

enum count {
	NOT_TOLD,   /* the ring was full: the look must be repeated */
	NOT_MARKED, /* no memory for a mark: the socket is missing */
	HANDSHAKES, /* listeners seen with handshakes under way */
	STUBS,      /* closed connections that may have left a stub in TIME-WAIT */
	COUNTS,
};
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, COUNTS);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

INLINE void count_one(u32 what)
{
	u64 *counted = map_lookup(&counts, &what);
	if (counted)
		(*counted)++;
}

INLINE void mark(void *sk)
{
	if (!sk_storage_get(&kept_with, sk, 0, STORAGE_CREATE))
		count_one(NOT_MARKED);
}

/* Marks what is there already, in the namespace the iterator was opened in. */
SEC("iter/tcp")
int mark_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	if (!common)
		return 0;
	struct tcp_sock *tp = to_tcp_sock(common);
	if (tp)
		mark(tp);
	return 0;
}

SEC("iter/udp")
int mark_udp(struct bpf_iter__udp *ctx)
{
	if (ctx->udp_sk)
		mark(ctx->udp_sk);
	return 0;
}

/* And what only a descriptor leads to: sockets that are bound and no more are in no table an iterator shows. */
SEC("iter/task_file")
int mark_held(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	if (!file)
		return 0;
	struct sock *sk = sock_of(file);
	if (sk && (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_UDP))
		mark(sk);
	return 0;
}

/* A TCP socket is marked as it listens, connects, or comes from a listener. */
INLINE bool is_beginning(int after)
{
	return after == TCP_LISTEN || after == TCP_SYN_SENT || after == TCP_ESTABLISHED;
}

INLINE bool may_leave_stub(int before, int after)
{
	return after == TCP_CLOSE && before != TCP_SYN_SENT && before != TCP_LISTEN;
}

/* struct bpf_sock, include/uapi/linux/bpf.h: the context of a program at a socket's birth. */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol;
};

/* A new UDP socket, or a TCP socket that may come to be bound and no more. */
SEC("cgroup/sock_create")
int mark_new(struct bpf_sock *sk)
{
	if (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_UDP)
		mark(sk);
	return 1;
}

INLINE void tell_same(struct sock *sk)
{
	u64 cookie = cookie_of(&sk->__sk_common);
	if (ringbuf_output(&looks, &cookie, sizeof(cookie), NO_WAKEUP))
		count_one(NOT_TOLD);
}

INLINE void tell_row(struct mark *mark, const u32 *now, void *row, u32 size)
{
	mark->is_told = 0;
	if (ringbuf_output(&looks, row, size, NO_WAKEUP)) {
		count_one(NOT_TOLD);
		return;
	}
	copy_words(mark->told, now, WORDS);
	mark->is_told = 1;
}

/* Whether a socket is as it was told. Times pass without being told: user space lets them. */
INLINE bool is_same(const struct mark *mark, const u32 *now)
{
	bool same = mark->is_told;
#pragma unroll
	for (u32 i = 0; i < WORDS; i++)
		same &= mark->told[i] == now[i];
	return same;
}

/* Each line of memory that is looked at costs more than all else. So what moves only with another number here is
 * left out: what is sent again is in segs_out; and of TCP the kernel counts drops in one place only. */
INLINE void look_at_tcp(struct sock *sk, struct mark *mark, struct tcp_row *row)
{
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	u8 state = sk->__sk_common.skc_state;
	if (state == TCP_CLOSE && !sk->__sk_common.skc_num)
		return;
	if (state == TCP_LISTEN && icsk->icsk_accept_queue.qlen.counter > 0)
		count_one(HANDSHAKES);
	u8 pending = icsk->icsk_pending;
	u32 now[WORDS] = {
		state | sk->sk_shutdown << 8 | pending << 16,
		tp->segs_in,
		tp->segs_out,
		tp->copied_seq,
		tp->write_seq,
		tp->snd_una,
		tp->rcv_nxt,
		/* Where nobody listens, it is not shown. */
		state == TCP_LISTEN ? sk->sk_ack_backlog : 0,
		sk->sk_drops.counter,
		sk->sk_rcvbuf,
		sk->sk_sndbuf,
		inode_of(sk),
	};
	/* While data is in flight or probed for, timers run and measures change with them. */
	if (!pending && !tp->packets_out && is_same(mark, now)) {
		tell_same(sk);
		return;
	}
	fill_tcp_row(row, sk, tp);
	tell_row(mark, now, row, sizeof(*row));
}

INLINE void look_at_udp(struct sock *sk, struct mark *mark, struct row *row)
{
	const struct sock_common *common = &sk->__sk_common;
	if (!common->skc_num)
		return;
	struct flow *total = sk_storage_get(&flow_totals, sk, 0, 0);
	u64 out = total ? total->bytes_out : 0, in = total ? total->bytes_in : 0;
	u32 now[WORDS] = {
		common->skc_state | sk->sk_shutdown << 8 | common->skc_num << 16,
		sk->sk_backlog.rmem_alloc.counter,
		sk->sk_wmem_alloc.refs.counter,
		drops_of(sk),
		out,
		in,
		common->skc_dport,
		common->skc_daddr ^ common->skc_v6_daddr.in6_u.u6_addr32[3],
		common->skc_rcv_saddr ^ common->skc_v6_rcv_saddr.in6_u.u6_addr32[3],
		sk->sk_rcvbuf,
		sk->sk_sndbuf,
		inode_of(sk),
	};
	if (is_same(mark, now)) {
		tell_same(sk);
		return;
	}
	fill_udp_row(row, sk);
	row->udp_bytes_out = out;
	row->udp_bytes_in = in;
	tell_row(mark, now, row, sizeof(*row));
}

SEC("iter/bpf_sk_storage_map")
int look(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct kept *kept = ctx->value;
	struct tcp_row *row = scratch_row();
	if (!sk || !kept || !row)
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP)
		look_at_tcp(sk, &kept->mark, row);
	else if (sk->sk_protocol == IPPROTO_UDP)
		look_at_udp(sk, &kept->mark, &row->row);
	return 0;
}
