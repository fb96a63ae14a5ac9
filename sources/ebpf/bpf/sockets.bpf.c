/* The object that sampler (sampling.h), event stream (events.h) and tap (tap.h) share: one change of state is handled once for
 * both. The loader sets which of the two it serves and attaches what that needs. */
#include "events.h"
#include "sampling.h"
#include "tap.h"

/* Filters out other protocols, and those that run over a TCP socket of their own (MPTCP, SMC). */
INLINE bool is_tcp(const struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;
	return sk->sk_protocol == IPPROTO_TCP && sk->sk_type == SOCK_STREAM &&
	       (family == AF_INET || family == AF_INET6);
}

/* The end of the handshake, after which both SYNs are known. An end that called connect may pass SYN-RECEIVED, too, if both
 * did. */
INLINE void note_first(struct sock *sk, struct socket_storage *stored, int before)
{
	const struct tcp_sock *tp = to_tcp_sock(sk);
	struct first_sequences first = {};
	if (!tp)
		return;
	first_of_opened(tp, before == TCP_SYN_SENT || stored->lifecycle.flags & FLAG_OUTBOUND, &first);
	store_first(stored, &first);
}

NOINLINE int change_state(struct sock *sk, int before, int after)
{
	if (!is_tcp(sk))
		return 0;
	if (SAMPLES_SOCKETS && may_leave_time_wait(before, after))
		increment(COUNT_TIME_WAITS);
	bool is_tracked = SAMPLES_SOCKETS && starts_tracking(after);
	bool is_emitted = EMITS_EVENTS && is_lifecycle_change(before, after);
	if (!is_tracked && !is_emitted)
		return 0;
	struct socket_storage *stored = sk_storage_get(&storage, sk, 0, STORAGE_CREATE);
	if (stored && is_emitted)
		emit_change(sk, stored, before, after);
	else if (stored && after == TCP_SYN_SENT)
		start_lifecycle(&stored->lifecycle);
	if (stored && after == TCP_ESTABLISHED)
		note_first(sk, stored, before);
	if (!stored && is_tracked)
		increment(COUNT_NO_MEMORY);
	if (!stored && is_emitted)
		count_loss(LOST_MEMORY);
	return 0;
}

/* The kernel does not run a program recursively on one CPU: a change of state in an interrupt, or in a process that
 * preempted another one, while change_state_1 runs, skips change_state_1. change_state_2 handles these. It runs after
 * change_state_1 for each change and has to know whether that one ran.
 *
 * change_state_1 first stores the change in the state of its CPU. change_state_2 returns at once if it finds the very
 * change it was called for: then change_state_1 handles it to its end. Any other value means that change_state_1 was
 * running for another change, or that another change came in between; change_state_2 then handles the change, and
 * emitted_state in the socket storage keeps it from emitting twice. So a change that change_state_1 did not see is
 * handled by change_state_2, unless that finds the same change stored. change_state_2 clears what it finds. A value
 * stays behind only if the change came while change_state_2 was running, and change_state_1 overwrites it first thing;
 * to be mistaken, the same change of the same socket would have to happen again, everything in between on another
 * CPU, within the first instructions of change_state_1.
 *
 * A third change that interrupts change_state_2, which interrupted change_state_1, would be missed. States change in
 * processes and in soft interrupts, which do not interrupt each other; so it takes a kernel that preempts a process
 * twice in the middle of such a change. */
INLINE u32 change_of(int before, int after)
{
	return before << 8 | after;
}

SEC("tp_btf/inet_sock_set_state")
int change_state_1(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct cpu_state *state = cpu_state();
	if (state) {
		state->sk = sk;
		state->change = change_of(ctx[1], ctx[2]);
	}
	return change_state(sk, ctx[1], ctx[2]);
}

SEC("tp_btf/inet_sock_set_state")
int change_state_2(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct cpu_state *state = cpu_state();
	if (state && state->sk == sk && state->change == change_of(ctx[1], ctx[2])) {
		state->sk = 0;
		return 0;
	}
	return change_state(sk, ctx[1], ctx[2]);
}
