/* Every descriptor of every process that refers to an internet socket, in all network namespaces. */
#include "process.h"
#include "shared.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_MPTCP 262

/* Descriptors of one socket beyond this number are counted, and not emitted. */
#define MAX_EMITTED 16

/* Sockets that more descriptors refer to, as those of a server that forked many processes; by file. User space removes
 * the entries after each scan. */
struct shared_socket {
	u64 cookie;
	u32 netns;
	u32 count;
};
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct shared_socket);
} shared_sockets SEC(".maps");

INLINE s64 references(const struct file *file)
{
	if (has_field(file->f_ref))
		return file->f_ref.refcnt.counter + 1;
	return file->f_count.counter;
}

/* Counts a descriptor of a socket, and returns whether it is emitted. */
INLINE bool is_emitted(const struct file *file, struct sock *sk)
{
	u64 key = (u64)file;
	struct shared_socket *shared = map_lookup(&shared_sockets, &key);
	if (shared)
		return ++shared->count <= MAX_EMITTED;
	struct shared_socket first = {};
	first.cookie = socket_cookie(sk);
	first.netns = sk->__sk_common.skc_net.net->ns.inum;
	first.count = 1;
	map_update(&shared_sockets, &key, &first, 0);
	return true;
}

/* The descriptor is visited again, as its record did not fit into the buffer. */
INLINE void uncount(const struct file *file)
{
	u64 key = (u64)file;
	struct shared_socket *shared = map_lookup(&shared_sockets, &key);
	if (shared && shared->count)
		shared->count--;
}

SEC("iter/task_file")
int descriptors(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	if (!task || !file)
		return 0;
	struct sock *sk = sock_of(file);
	if (!sk)
		return 0;
	u16 family = sk->__sk_common.skc_family;
	if (family != AF_INET && family != AF_INET6)
		return 0;
	bool is_shared = references(file) > MAX_EMITTED && sk->sk_protocol != IPPROTO_MPTCP;
	if (is_shared && !is_emitted(file, sk))
		return 0;
	struct descriptor record = {};
	record.cookie = socket_cookie(sk);
	record.netns = sk->__sk_common.skc_net.net->ns.inum;
	const struct task_struct *leader = task->group_leader;
	record.pid = visible_pid(leader);
	record.machine_pid = leader->tgid;
	record.started_boot_ns = leader->start_boottime;
	record.descriptor = ctx->fd;
	if (sk->sk_protocol == IPPROTO_MPTCP)
		record.mptcp_inode = file->f_inode->i_ino;
	copy_words(record.name, leader->comm, 4);
	if (seq_write(ctx->meta->seq, &record, sizeof(record)) && is_shared)
		uncount(file);
	return 0;
}

/* Depth of the reader's pid namespace: an iterator's program runs in the context of its reader. */
SEC("iter/task")
int reader_pid_level(struct bpf_iter__task *ctx)
{
	if (!ctx->task)
		return 0;
	const struct task_struct *reader = current_task();
	const struct pid *pid = reader->thread_pid;
	u32 level = pid ? pid->level : 0;
	seq_write(ctx->meta->seq, &level, sizeof(level));
	return 0;
}
