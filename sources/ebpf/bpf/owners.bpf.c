/* Counts changes of socket owners, so that user space rescans descriptors only if the count moved: fork, exec and exit
 * of a process that owns sockets. User space stores the processes of its last scan in a map, so all other processes cost
 * one map lookup. Descriptors that are duplicated, passed on or closed are not counted: a program that sees them would
 * slow down every system call of every process; user space scans again at an interval. New sockets are not counted: the
 * tables show them. */
#include "kernel.h"

/* Owners of the last scan. */
struct {
	__uint(type, MAP_HASH);
	__uint(map_flags, MAP_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32); /* process id in the initial pid namespace */
	__type(value, u8);
} owners SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} changes SEC(".maps");

INLINE void count_change_by(u32 pid)
{
	u32 zero = 0;
	u64 *count = map_lookup(&owners, &pid) ? map_lookup(&changes, &zero) : 0;
	if (count)
		__sync_fetch_and_add(count, 1);
}

SEC("tp_btf/sched_process_fork")
int process_fork(u64 *ctx)
{
	const struct task_struct *parent = (const struct task_struct *)ctx[0];
	const struct task_struct *child = (const struct task_struct *)ctx[1];
	/* Threads share the descriptors of their process. */
	if (parent->tgid != child->tgid)
		count_change_by(parent->tgid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	count_change_by(((const struct task_struct *)ctx[0])->tgid);
	return 0;
}

/* After its descriptors are closed. */
SEC("tp_btf/sched_process_free")
int process_free(u64 *ctx)
{
	const struct task_struct *task = (const struct task_struct *)ctx[0];
	/* Threads share the descriptors of their process. */
	if (task->pid == task->tgid)
		count_change_by(task->tgid);
	return 0;
}
