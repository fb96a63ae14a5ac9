/* Fills rows from sockets by the rules of the kernel's sock_diag (inet_diag_msg_common_fill, inet_sk_diag_fill,
 * tcp_get_info, sk_get_meminfo), so that a row is the same from either source. */
#pragma once
#include "kernel.h"
#include "shared.h"

/* Ticks per second (CONFIG_HZ); set by the loader. */
CONSTANT u32 HZ = 250;

/* A row is larger than the stack of a program. */
struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tcp_row);
} scratch SEC(".maps");

INLINE struct tcp_row *scratch_row(void)
{
	u32 zero = 0;
	return map_lookup(&scratch, &zero);
}

INLINE u32 ticks_to_ms(u32 ticks)
{
	return (u64)ticks * 1000 / HZ;
}

INLINE u64 ticks_to_us(u64 ticks)
{
	return ticks * 1000000 / HZ;
}

/* Milliseconds until `expires` (in ticks); 0 if it has passed. */
INLINE u32 ms_until(u64 expires)
{
	s64 left = expires - jiffies();
	return left > 0 ? ticks_to_ms(left) : 0;
}

/* The ends of a socket: IPv4 in the first four bytes. */
INLINE void fill_addresses(u8 *to_local, u8 *to_remote, const struct sock_common *common)
{
	u32 *local = (u32 *)to_local, *remote = (u32 *)to_remote;
	if (common->skc_family == AF_INET6) {
#pragma unroll
		for (int i = 0; i < 4; i++) {
			local[i] = common->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			remote[i] = common->skc_v6_daddr.in6_u.u6_addr32[i];
		}
	} else {
		local[0] = common->skc_rcv_saddr;
		remote[0] = common->skc_daddr;
		local[1] = local[2] = local[3] = 0;
		remote[1] = remote[2] = remote[3] = 0;
	}
}

/* The same with family and ports, into a structure that has fields of these names. */
#define fill_ends(to, common)                                                  \
	({                                                                     \
		(to)->local_port = (common)->skc_num;                          \
		(to)->remote_port = __builtin_bswap16((common)->skc_dport);    \
		(to)->family = (common)->skc_family;                           \
		fill_addresses((to)->local, (to)->remote, common);             \
	})

/* What all kinds of sockets have. `common` must be of a type that the cookie helper accepts. */
INLINE void fill_common(struct socket_header *header, struct sock_common *common, u8 kind)
{
	header->cookie = cookie_of(common);
	header->netns = common->skc_net.net->ns.inum;
	header->uid = 0;
	header->interface = common->skc_bound_dev_if;
	header->state = common->skc_state;
	header->kind = kind;
	header->held_by_kernel = header->ipv6_only = header->pad = 0;
	header->inode = 0;
	fill_ends(header, common);
}

INLINE u64 inode_of(const struct sock *sk)
{
	if (has_field(sk->sk_ino))
		return sk->sk_ino;
	struct socket *socket = sk->sk_socket;
	if (!socket)
		return 0;
	u64 inode = 0;
	const struct socket_alloc *both = (const struct socket_alloc *)socket;
	read_kernel(&inode, sizeof(unsigned long), &both->vfs_inode.i_ino);
	return inode;
}

/* Whether the kernel has made the socket for itself (sock_create_kern), as vxlan and WireGuard do, and no file refers to
 * it. A connection that no process has accepted has no `struct socket` at all; one that a process just makes has no file
 * yet, and a subflow of MPTCP has that of its connection. */
INLINE bool is_held_by_kernel(const struct sock *sk)
{
	struct socket *socket = sk->sk_socket;
	struct file *file = 0;
	if (!bits(sk, sk_kern_sock) || !socket || read_kernel(&file, sizeof(file), &socket->file))
		return false;
	return !file;
}

INLINE void fill_header(struct socket_header *header, struct sock *sk, u16 protocol)
{
	fill_common(header, &sk->__sk_common, ROW_FULL);
	header->held_by_kernel = is_held_by_kernel(sk);
	header->ipv6_only = bits(sk, __sk_common.skc_ipv6only);
	header->protocol = protocol;
	header->uid = sk->sk_uid.val;
	header->inode = inode_of(sk);
}

INLINE u32 drops_of(const struct sock *sk)
{
	if (has_field(sk->sk_drop_counters)) {
		const struct numa_drop_counters *counters = sk->sk_drop_counters;
		if (counters)
			return counters->drops0.counter + counters->drops1.counter;
	}
	return sk->sk_drops.counter;
}

/* All of a row except the type of service and TCP fields. */
INLINE void fill_row(struct row *row, struct sock *sk, u16 protocol)
{
	fill_header(&row->header, sk, protocol);
	row->mark = sk->sk_mark;
	row->shutdown = sk->sk_shutdown;
	row->cgroup_id = 0;
	const struct cgroup *group = sk->sk_cgrp_data.cgroup;
	if (group)
		row->cgroup_id = group->kn->id;
	row->tos = 0;
	row->memory[0] = sk->sk_backlog.rmem_alloc.counter;
	row->memory[1] = sk->sk_rcvbuf;
	row->memory[2] = sk->sk_wmem_alloc.refs.counter - 1;
	row->memory[3] = sk->sk_sndbuf;
	row->memory[4] = sk->sk_forward_alloc;
	row->memory[5] = sk->sk_wmem_queued;
	row->memory[6] = sk->sk_omem_alloc.counter;
	row->memory[7] = sk->sk_backlog.len;
	row->memory[8] = drops_of(sk);
	row->receive_queue = row->send_queue = 0;
	row->timer = row->retransmits = 0;
	row->timer_expires_ms = 0;
	row->tcp_info_length = 0;
	row->has_bbr = 0;
	row->has_first = 0;
	row->first_sent = row->first_received = row->pad = 0;
	row->detail.bbr.pad = 0;
	row->congestion[0] = 0;
	row->upper_layer[0] = 0;
}

/* Type of service (IPv4) or traffic class (IPv6). The verifier may know `inet` only as its first member, so fields
 * beyond that are copied. */
INLINE void fill_tos(struct row *row, const struct inet_sock *inet)
{
	if (row->header.family == AF_INET6) {
		const struct ipv6_pinfo *inet6 = 0;
		read_kernel(&inet6, sizeof(inet6), &inet->pinet6);
		read_kernel(&row->tos, 1, &inet6->tclass);
	} else {
		read_kernel(&row->tos, 1, &inet->tos);
	}
}

/* A complete row of a UDP socket. */
INLINE void fill_udp_row(struct row *row, struct sock *sk)
{
	const struct udp_sock *udp = (const struct udp_sock *)sk;
	s32 deficit = 0;
	fill_row(row, sk, IPPROTO_UDP);
	fill_tos(row, &udp->inet);
	read_kernel(&deficit, sizeof(deficit), &udp->forward_deficit);
	row->receive_queue = row->memory[0] - deficit;
	row->send_queue = row->memory[2];
	row->detail.udp.bytes_out = row->detail.udp.bytes_in = row->detail.udp.peers = 0;
}

/* ICSK_TIME_*, include/net/inet_connection_sock.h */
#define TIME_RETRANS 1
#define TIME_PROBE0 3
#define TIME_LOSS_PROBE 5
#define TIME_REO_TIMEOUT 6

INLINE void fill_timer(struct row *row, const struct sock *sk, const struct inet_connection_sock *icsk)
{
	u8 pending = icsk->icsk_pending;
	u64 expires, keepalive_expires;
	bool keeps_alive;
	if (has_field(icsk->icsk_timeout))
		expires = icsk->icsk_timeout;
	else if (has_field(icsk->icsk_retransmit_timer))
		expires = icsk->icsk_retransmit_timer.expires;
	else
		expires = sk->tcp_retransmit_timer.expires;
	if (has_field(icsk->icsk_keepalive_timer)) {
		keeps_alive = icsk->icsk_keepalive_timer.entry.pprev;
		keepalive_expires = icsk->icsk_keepalive_timer.expires;
	} else {
		keeps_alive = sk->sk_timer.entry.pprev;
		keepalive_expires = sk->sk_timer.expires;
	}
	if (pending == TIME_RETRANS || pending == TIME_REO_TIMEOUT || pending == TIME_LOSS_PROBE) {
		row->timer = 1;
		row->retransmits = icsk->icsk_retransmits;
		row->timer_expires_ms = ms_until(expires);
	} else if (pending == TIME_PROBE0) {
		row->timer = 4;
		row->retransmits = icsk->icsk_probes_out;
		row->timer_expires_ms = ms_until(expires);
	} else if (keeps_alive) {
		row->timer = 2;
		row->retransmits = icsk->icsk_probes_out;
		row->timer_expires_ms = ms_until(keepalive_expires);
	}
}

#define BBR_SCALE 24

INLINE void fill_congestion(struct row *row, const struct tcp_sock *tp,
			    const struct inet_connection_sock *icsk)
{
	const struct tcp_congestion_ops *ops = icsk->icsk_ca_ops;
	if (ops)
		copy_words(row->congestion, ops->name, 4);
	u32 name = *(u32 *)row->congestion;
	if (!has_type(struct bbr) || name != ('b' | 'b' << 8 | 'r' << 16))
		return;
	/* The verifier does not follow the cast to struct bbr, so the state is copied. */
	u64 state[13];
	read_kernel(state, sizeof(state), &icsk->icsk_ca_priv);
	const struct bbr *bbr = (const struct bbr *)state;
	u32 bw = bbr->bw.s[0].v, lt_bw = bbr->lt_bw;
	u64 bandwidth = bits(bbr, lt_use_bw) ? lt_bw : bw;
	row->detail.bbr.bandwidth = bandwidth * tp->mss_cache * 1000000 >> BBR_SCALE;
	row->detail.bbr.min_rtt_us = bbr->min_rtt_us;
	row->detail.bbr.pacing_gain = bits(bbr, pacing_gain);
	row->detail.bbr.cwnd_gain = bits(bbr, cwnd_gain);
	row->has_bbr = 1;
}

/* struct tcp_info (include/uapi/linux/tcp.h). */
struct info {
	u8 state, ca_state, retransmits, probes, backoff, options, scales, flags;
	u32 rto, ato, snd_mss, rcv_mss;
	u32 unacked, sacked, lost, retrans, fackets;
	u32 last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	u32 pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	u32 rcv_rtt, rcv_space, total_retrans;
	u64 pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	u32 segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	u64 delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	u32 delivered, delivered_ce;
	u64 bytes_sent, bytes_retrans;
	u32 dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	u16 total_rto, total_rto_recoveries;
	u32 total_rto_time;
	u32 received_ce, delivered_e1, delivered_e0, delivered_ce_bytes;
	u32 received_e1, received_e0, received_ce_bytes;
	u16 accecn_fail_mode, accecn_opt_seen;
};
_Static_assert(sizeof(struct info) == TCP_INFO_BYTES, "struct tcp_info");

INLINE void fill_options(struct info *info, const struct tcp_sock *tp)
{
	u8 options = 0;
	info->scales = 0;
	if (bits(tp, rx_opt.tstamp_ok))
		options |= 1;
	if (bits(tp, rx_opt.sack_ok))
		options |= 2;
	if (bits(tp, rx_opt.wscale_ok)) {
		options |= 4;
		info->scales = bits(tp, rx_opt.snd_wscale) | bits(tp, rx_opt.rcv_wscale) << 4;
	}
	if (tp->ecn_flags & (1 | 16)) /* RFC 3168, accurate ECN */
		options |= 8;
	if (tp->ecn_flags & 8)
		options |= 16;
	if (bits(tp, syn_data_acked))
		options |= 32;
	if (has_field(tp->tcp_usec_ts) && bits(tp, tcp_usec_ts))
		options |= 64;
	if (has_field(tp->syn_fastopen_child) && bits(tp, syn_fastopen_child))
		options |= 128;
	info->options = options;
	info->flags = bits(tp, rate_app_limited) | bits(tp, fastopen_client_fail) << 1;
}

INLINE void fill_chrono(struct info *info, const struct tcp_sock *tp, u32 now)
{
	u64 busy = tp->chrono_stat[0], window = tp->chrono_stat[1], buffer = tp->chrono_stat[2];
	u32 running = now - tp->chrono_start;
	u8 type = bits(tp, chrono_type);
	if (type == 1)
		busy += running;
	else if (type == 2)
		window += running;
	else if (type == 3)
		buffer += running;
	info->busy_time = ticks_to_us(busy + window + buffer);
	info->rwnd_limited = ticks_to_us(window);
	info->sndbuf_limited = ticks_to_us(buffer);
}

INLINE u64 rate_of(unsigned long rate)
{
	return rate == ~0UL ? ~0ULL : rate;
}

INLINE void fill_tcp_info(struct info *info, const struct sock *sk, const struct tcp_sock *tp)
{
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	u32 now = jiffies();
	info->state = sk->__sk_common.skc_state;
	info->ca_state = bits(icsk, icsk_ca_state);
	info->retransmits = icsk->icsk_retransmits;
	info->probes = icsk->icsk_probes_out;
	info->backoff = icsk->icsk_backoff;
	fill_options(info, tp);
	info->rto = ticks_to_us(icsk->icsk_rto);
	u32 ato = bits(icsk, icsk_ack.ato), max = icsk->icsk_delack_max;
	info->ato = ticks_to_us(ato < max ? ato : max);
	info->snd_mss = tp->mss_cache;
	info->rcv_mss = icsk->icsk_ack.rcv_mss;
	info->unacked = tp->packets_out;
	info->sacked = tp->sacked_out;
	info->lost = tp->lost_out;
	info->retrans = tp->retrans_out;
	info->fackets = 0;
	info->last_data_sent = ticks_to_ms(now - tp->lsndtime);
	info->last_ack_sent = 0;
	info->last_data_recv = ticks_to_ms(now - icsk->icsk_ack.lrcvtime);
	info->last_ack_recv = ticks_to_ms(now - tp->rcv_tstamp);
	info->pmtu = icsk->icsk_pmtu_cookie;
	info->rcv_ssthresh = tp->rcv_ssthresh;
	info->rtt = tp->srtt_us >> 3;
	info->rttvar = tp->mdev_us >> 2;
	info->snd_ssthresh = tp->snd_ssthresh;
	info->snd_cwnd = tp->snd_cwnd;
	info->advmss = tp->advmss;
	info->reordering = tp->reordering;
	info->rcv_rtt = tp->rcv_rtt_est.rtt_us >> 3;
	info->rcv_space = tp->rcvq_space.space;
	info->total_retrans = tp->total_retrans;
	info->pacing_rate = rate_of(sk->sk_pacing_rate);
	info->max_pacing_rate = rate_of(sk->sk_max_pacing_rate);
	info->bytes_acked = tp->bytes_acked;
	info->bytes_received = tp->bytes_received;
	info->segs_out = tp->segs_out;
	info->segs_in = tp->segs_in;
	s32 unsent = tp->write_seq - tp->snd_nxt;
	info->notsent_bytes = unsent > 0 ? unsent : 0;
	info->min_rtt = tp->rtt_min.s[0].v;
	info->data_segs_in = tp->data_segs_in;
	info->data_segs_out = tp->data_segs_out;
	u64 rate = tp->rate_delivered;
	u32 interval = tp->rate_interval_us;
	info->delivery_rate = rate && interval ? rate * tp->mss_cache * 1000000 / interval : 0;
	fill_chrono(info, tp, now);
	info->delivered = tp->delivered;
	info->delivered_ce = tp->delivered_ce;
	info->bytes_sent = tp->bytes_sent;
	info->bytes_retrans = tp->bytes_retrans;
	info->dsack_dups = tp->dsack_dups;
	info->reord_seen = tp->reord_seen;
	info->rcv_ooopack = has_field(tp->rcv_ooopack) ? tp->rcv_ooopack : 0;
	info->snd_wnd = tp->snd_wnd;
	info->rcv_wnd = tp->rcv_wnd;
	info->rehash = tp->timeout_rehash;
	if (has_field(tp->plb_rehash))
		info->rehash += tp->plb_rehash;
	info->total_rto = info->total_rto_recoveries = 0;
	info->total_rto_time = 0;
	if (has_field(tp->rto_stamp)) {
		info->total_rto = tp->total_rto;
		info->total_rto_recoveries = tp->total_rto_recoveries;
		info->total_rto_time = tp->total_rto_time;
		u32 since = tp->rto_stamp;
		if (since)
			info->total_rto_time += (u32)(ktime_ns() / 1000000) - since;
	}
	info->received_ce = info->delivered_e1 = info->delivered_e0 = info->delivered_ce_bytes = 0;
	info->received_e1 = info->received_e0 = info->received_ce_bytes = 0;
	info->accecn_fail_mode = info->accecn_opt_seen = 0;
	if (has_field(tp->received_ce)) {
		info->received_ce = tp->received_ce;
		info->delivered_e1 = tp->delivered_ecn_bytes[0];
		info->delivered_e0 = tp->delivered_ecn_bytes[1];
		info->delivered_ce_bytes = tp->delivered_ecn_bytes[2];
		info->received_e1 = tp->received_ecn_bytes[0];
		info->received_e0 = tp->received_ecn_bytes[1];
		info->received_ce_bytes = tp->received_ecn_bytes[2];
		info->accecn_fail_mode = bits(tp, accecn_fail_mode);
		info->accecn_opt_seen = bits(tp, saw_accecn_opt);
	}
}

/* Bytes of struct tcp_info that this kernel has; user space treats the rest as unknown. */
INLINE u16 tcp_info_length(void)
{
	u32 size = size_of_type(struct tcp_info);
	return size < TCP_INFO_BYTES ? size : TCP_INFO_BYTES;
}

/* The sequence numbers of both SYNs. */
struct first_sequences {
	u32 sent;
	u32 received;
};

/* At the end of the handshake. bytes_acked counts the SYN of the end that called connect, and no other. */
INLINE void first_of_opened(const struct tcp_sock *tp, bool called_connect, struct first_sequences *to)
{
	to->sent = tp->snd_una - (u32)tp->bytes_acked - (called_connect ? 0 : 1);
	to->received = tp->rcv_nxt - (u32)tp->bytes_received - 1;
}

/* At any time later, of a socket that iter/tcp shows: which end called connect is known by how many sequence numbers were sent besides
 * payload, a FIN excepted. False if that is neither none nor one, or if the iterator does not lock the socket: then the
 * kernel's counts do not agree. */
INLINE bool first_of_open(const struct tcp_sock *tp, struct first_sequences *to)
{
	u8 state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	const struct bpf_tcp_iter_state *iterator = 0;
	if (!has_field(iterator->batch))
		return false;
	if (state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT && state != TCP_FIN_WAIT1 && state != TCP_FIN_WAIT2 &&
	    state != TCP_CLOSING && state != TCP_LAST_ACK)
		return false;
	u32 next = tp->snd_nxt;
	u32 payload = tp->bytes_sent - tp->bytes_retrans;
	u32 others = next - (tp->snd_una - (u32)tp->bytes_acked) - payload;
	bool is_fin_sent = state != TCP_ESTABLISHED && state != TCP_CLOSE_WAIT && next == tp->write_seq;
	others -= is_fin_sent;
	if (others > 1)
		return false;
	first_of_opened(tp, others, to);
	return true;
}

/* A complete row of a TCP socket; `sk` and `tp` are the same socket. It has no initial sequence numbers. */
INLINE void fill_tcp_row(struct tcp_row *to, struct sock *sk, struct tcp_sock *tp)
{
	struct row *row = &to->row;
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	fill_row(row, sk, IPPROTO_TCP);
	const struct inet_sock *inet = &icsk->icsk_inet;
	row->tos = inet->tos;
	if (row->header.family == AF_INET6) {
		const struct ipv6_pinfo *inet6 = inet->pinet6;
		row->tos = inet6 ? inet6->tclass : 0;
	}
	if (row->header.state == TCP_LISTEN) {
		row->receive_queue = sk->sk_ack_backlog;
		row->send_queue = sk->sk_max_ack_backlog;
	} else {
		s32 unread = tp->rcv_nxt - tp->copied_seq;
		row->receive_queue = unread > 0 ? unread : 0;
		row->send_queue = tp->write_seq - tp->snd_una;
	}
	fill_timer(row, sk, icsk);
	fill_congestion(row, tp, icsk);
	const struct tcp_ulp_ops *upper = icsk->icsk_ulp_ops;
	if (upper)
		copy_words(row->upper_layer, upper->name, 4);
	row->tcp_info_length = tcp_info_length();
	fill_tcp_info((struct info *)to->tcp_info, sk, tp);
}
