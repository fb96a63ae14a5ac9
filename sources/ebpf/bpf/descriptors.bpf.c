/* Every descriptor of every process that refers to an internet socket, in all network namespaces. */
#include "process.h"
#include "shared.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_MPTCP 262

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
	seq_write(ctx->meta->seq, &record, sizeof(record));
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
