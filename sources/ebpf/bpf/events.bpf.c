/* What happens to TCP connections: opened, accepted, closed, failed. Every one, in every network
 * namespace, from the moment these programs are attached.
 *
 * The one idea: what is known of a connection is kept with its socket (sk_storage), so that nothing has to be
 * looked up and nothing is left behind, and each event is complete by itself.
 *
 * The kernel does not run a program inside itself on the same CPU: a change of state in an interrupt
 * that came while another was being told would be missed. So two copies of the program are
 * attached; while one is at work the other is free, and whichever comes second finds the change told already. */
#include "process.h"
#include "row.h"

#define SOCK_DEAD 0 /* enum sock_flags, include/net/sock.h */
#define SOCK_DONE 1

/* What is kept with a socket. */
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
	/* A byte each, because processors set them at the same time. */
	u8 is_outbound;
	u8 is_inbound;
	u8 local_first;
	u8 remote_first;
	u8 rst_received;
	u8 told_state;
	u8 pad[6];
};

struct {
	__uint(type, MAP_SK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, s32);
	__type(value, struct life);
} lives SEC(".maps");

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

/* Whoever waits is woken when so many bytes are unread; else user space comes by itself. */
CONSTANT u64 WAKE_BYTES = 1024 * 1024;

INLINE void lose(u32 cause)
{
	u64 *count = map_lookup(&losses, &cause);
	if (count)
		(*count)++;
}

INLINE u64 wakeup(void)
{
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
	event->flags = (life->is_outbound ? FLAG_OUTBOUND : 0) | (life->is_inbound ? FLAG_INBOUND : 0) |
		       (life->local_first ? FLAG_LOCAL_FIRST : 0) |
		       (life->remote_first ? FLAG_REMOTE_FIRST : 0) |
		       (life->rst_received ? FLAG_RST_RECEIVED : 0);
	event->last_state = 0;
	event->pad = 0;
	event->error = 0;
	event->pad2 = 0;
}

/* A socket that is being closed has given its port back, but remembers the number. */
INLINE void keep_port(struct ends *ends, const struct tcp_sock *tp)
{
	if (ends->local_port == 0)
		ends->local_port = __builtin_bswap16(tp->inet_conn.icsk_inet.inet_sport);
}

INLINE void tell_short(struct sock *sk, const struct life *life, u8 kind, u32 cause, u64 now, u16 error)
{
	struct tcp_sock *tp = to_tcp_sock(sk);
	if (!tp)
		return;
	struct short_event *told = ringbuf_reserve(&ring, sizeof(*told), 0);
	if (!told) {
		lose(cause);
		return;
	}
	fill_event(&told->event, life, kind, now);
	told->event.error = error;
	fill_ends(&told->ends, sk, IPPROTO_TCP);
	keep_port(&told->ends, tp);
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
	keep_port(&told->row.row.ends, tp);
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

NOINLINE int change_state(struct sock *sk, int before, int after)
{
	if (sk->sk_protocol != IPPROTO_TCP || sk->sk_type != 1 /* SOCK_STREAM */)
		return 0;
	u16 family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	/* Listeners, bound sockets, and handshakes that came to nothing before there was a socket. */
	if (after == TCP_LISTEN || before == TCP_LISTEN || before == TCP_CLOSE && after != TCP_SYN_SENT)
		return 0;
	if (after == TCP_SYN_RECV || before == TCP_SYN_RECV && after == TCP_CLOSE)
		return 0;
	struct life *life = sk_storage_get(&lives, sk, 0, STORAGE_CREATE);
	if (!life) {
		lose(LOST_MEMORY);
		return 0;
	}
	if (life->told_state == after)
		return 0;
	u64 now = ktime_ns();
	life->told_state = after;
	switch (after) {
	case TCP_SYN_SENT:
		/* A socket may be connected again after it was closed: nothing of before counts. */
		__builtin_memset(life, 0, sizeof(*life));
		life->told_state = after;
		life->connect_ns = now;
		life->is_outbound = 1;
		note_process(life);
		break;
	case TCP_ESTABLISHED:
		if (before == TCP_SYN_RECV && !life->is_outbound) {
			life->is_inbound = 1;
			life->is_unused = 1;
		}
		life->opened_ns = now;
		tell_short(sk, life, EVENT_OPENED, LOST_OPENED, now, 0);
		break;
	case TCP_FIN_WAIT1:
		/* Only close and shutdown lead here and to LAST-ACK, so a process is at work. */
		used_by(sk, life);
		life->local_first = 1;
		break;
	case TCP_LAST_ACK:
		used_by(sk, life);
		break;
	case TCP_CLOSE_WAIT:
		life->remote_first = 1;
		break;
	case TCP_CLOSING:
		life->local_first = life->remote_first = 1;
		break;
	case TCP_CLOSE:
		if (before == TCP_SYN_SENT)
			tell_short(sk, life, EVENT_FAILED, LOST_FAILED, now, sk->sk_err);
		else
			tell_closed(sk, life, before, now);
		break;
	}
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int change_state_1(u64 *ctx)
{
	return change_state((struct sock *)ctx[0], ctx[1], ctx[2]);
}

SEC("tp_btf/inet_sock_set_state")
int change_state_2(u64 *ctx)
{
	return change_state((struct sock *)ctx[0], ctx[1], ctx[2]);
}

/* RST came in; what it does to the state is told right after. */
SEC("tp_btf/tcp_receive_reset")
int receive_reset(u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct life *life = sk_storage_get(&lives, sk, 0, STORAGE_CREATE);
	if (life)
		life->rst_received = 1;
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
	struct life *life = sk_storage_get(&lives, sk, 0, 0);
	if (life)
		used_by(sk, life);
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
