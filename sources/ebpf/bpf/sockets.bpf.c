/* The sockets of the machine: watched, for who looks again and again (watch.h), and told of, for who wants to know
 * what happens (events.h). The loader says for which, and attaches what that needs.
 *
 * The one idea: a change of state is the moment for both, and is seen once for both. */
#include "events.h"
#include "watch.h"

/* Most that happens here is not about TCP, or is by somebody else's protocol over it (MPTCP, SMC). */
INLINE bool is_tcp(const struct sock *sk)
{
	u16 family = sk->__sk_common.skc_family;
	return sk->sk_protocol == IPPROTO_TCP && sk->sk_type == 1 /* SOCK_STREAM */ &&
	       (family == AF_INET || family == AF_INET6);
}

NOINLINE int change_state(struct sock *sk, int before, int after)
{
	if (!is_tcp(sk))
		return 0;
	if (IS_WATCHED && may_leave_stub(before, after))
		count_one(STUBS);
	bool is_marked = IS_WATCHED && is_beginning(after);
	bool is_told = TELLS_EVENTS && is_of_connection(before, after);
	if (!is_marked && !is_told)
		return 0;
	struct kept *kept = sk_storage_get(&kept_with, sk, 0, STORAGE_CREATE);
	if (kept && is_told)
		tell_change(sk, &kept->life, before, after);
	if (!kept && is_marked)
		count_one(NOT_MARKED);
	if (!kept && is_told)
		lose(LOST_MEMORY);
	return 0;
}

/* The kernel does not run a program inside itself on the same CPU: a change of state in an interrupt, or by
 * a process that took over the CPU, while copy 1 is at work on another, passes copy 1 by. For these there is copy 2,
 * which comes after copy 1 for each change and has to know whether copy 1 saw it.
 *
 * Copy 1 begins by noting the change it is at, and copy 2 leaves at once if that is the change it was called for:
 * then copy 1 has seen it, to its end. Any other note (copy 1 is at another change, or another change came
 * between the two) makes copy 2 do the work; if it was done after all, that is found in the socket's storage.
 * So what copy 1 did not see is done by copy 2, unless copy 2 finds a note of that very change. Copy 2 removes the
 * note it finds. One is left behind only by a change that came while copy 2 was at work, and copy 1 overwrites
 * it as the first thing it does; to be taken for its own by a change that passes copy 1 by, it would have to be the same change
 * of the same socket again, with all in between on another CPU, within the first instructions of copy 1.
 *
 * A third change that takes the CPU from copy 2, which took it from copy 1, would be missed. A state changes in
 * processes and in soft interrupts, and these do not interrupt each other; so it takes a kernel that takes
 * the CPU from a process in the middle of such a change twice. */
INLINE u32 change_of(int before, int after)
{
	return before << 8 | after;
}

SEC("tp_btf/inet_sock_set_state")
int change_state_1(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct at_work *here = at_work();
	if (here) {
		here->sk = sk;
		here->change = change_of(ctx[1], ctx[2]);
	}
	return change_state(sk, ctx[1], ctx[2]);
}

SEC("tp_btf/inet_sock_set_state")
int change_state_2(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	struct at_work *here = at_work();
	if (here && here->sk == sk && here->change == change_of(ctx[1], ctx[2])) {
		here->sk = 0;
		return 0;
	}
	return change_state(sk, ctx[1], ctx[2]);
}
