/* Every TCP and UDP socket of the network namespace that the iterator was opened in. The kernel calls a program once
 * for each socket; it writes one record to the iterator's file. */
#include "row.h"

INLINE void write_minisock(struct seq_file *seq, struct sock_common *common, u8 kind, u8 state,
			   u8 timer, u8 retransmits, u64 expires)
{
	struct tcp_row *whole = scratch_row();
	if (!whole)
		return;
	struct row *row = &whole->row;
	__builtin_memset(row, 0, sizeof(*row));
	fill_common(&row->header, common, kind);
	row->header.protocol = IPPROTO_TCP;
	row->header.state = state;
	row->timer = timer;
	row->retransmits = retransmits;
	row->timer_expires_ms = ms_until(expires);
	seq_write(seq, row, sizeof(*row));
}

SEC("iter/tcp")
int tcp_table(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct seq_file *seq = ctx->meta->seq;
	if (!common)
		return 0;
	struct tcp_sock *tp = to_tcp_sock(common);
	if (tp) {
		struct tcp_row *row = scratch_row();
		if (!row)
			return 0;
		fill_tcp_row(row, &tp->inet_conn.icsk_inet.sk, tp);
		struct first_sequences first = {};
		if (first_of_open(tp, &first)) {
			row->row.first_sent = first.sent;
			row->row.first_received = first.received;
			row->row.has_first = 1;
		}
		seq_write(seq, row, sizeof(*row));
		return 0;
	}
	struct tcp_timewait_sock *tw = to_tcp_timewait(common);
	if (tw) {
		write_minisock(seq, common, ROW_TIME_WAIT, tw->tw_sk.tw_substate, 3, 0,
			       tw->tw_sk.tw_timer.expires);
		return 0;
	}
	struct tcp_request_sock *request = to_tcp_request(common);
	if (request)
		write_minisock(seq, common, ROW_REQUEST, TCP_SYN_RECV, 1, request->req.req.num_retrans,
			       request->req.req.rsk_timer.expires);
	return 0;
}

SEC("iter/udp")
int udp_table(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;
	if (!udp)
		return 0;
	struct sock *sk = &udp->inet.sk;
	struct tcp_row *whole = scratch_row();
	if (!whole)
		return 0;
	struct row *row = &whole->row;
	/* UDP-Lite (136) has a table of its own, and no protocol in the model. */
	if (sk->sk_protocol != IPPROTO_UDP)
		return 0;
	fill_udp_row(row, sk);
	seq_write(ctx->meta->seq, row, sizeof(*row));
	return 0;
}
