/* Who holds which socket may have changed: a count that goes up when it does, so that as long as it stays
 * nobody needs to look. A fork, an exec or an end of a process that holds sockets; a descriptor
 * copied or passed on; one of several descriptors of a socket closed.
 *
 * The one idea: user space says which processes and descriptors matter, so that the rest of the machine costs
 * a look into a table, and only for the few system calls that move descriptors. A new socket needs
 * no word from here: the tables show it. */
#include "kernel.h"

/* By what user space knows them from its last walk. */
struct {
	__uint(type, MAP_HASH);
	__uint(map_flags, MAP_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32); /* process id, of the machine */
	__type(value, u8);
} holders SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(map_flags, MAP_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u64); /* process id << 32 | descriptor, of sockets with more than one */
	__type(value, u8);
} shared SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} changes SEC(".maps");

/* Numbers of system calls, which differ between machines; the loader sets them. */
CONSTANT s32 SYS_CLOSE = -1;
CONSTANT s32 SYS_CLOSE_RANGE = -1;
CONSTANT s32 SYS_DUP = -1;
CONSTANT s32 SYS_DUP2 = -1;
CONSTANT s32 SYS_DUP3 = -1;
CONSTANT s32 SYS_FCNTL = -1;
CONSTANT s32 SYS_RECVMSG = -1;
CONSTANT s32 SYS_RECVMMSG = -1;
CONSTANT s32 SYS_PIDFD_GETFD = -1;

static u64 (*const current_pid_tgid)(void) = (void *)14;
static long (*const read_user)(void *to, u32 size, const void *from) = (void *)112;

/* What a system call was called with: struct pt_regs of x86 and of arm64. */
struct pt_regs___x86 {
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
} CORE;
struct pt_regs___arm64 {
	u64 regs[2];
	u64 orig_x0;
	s32 syscallno;
} CORE;

INLINE void changed(void)
{
	u32 zero = 0;
	u64 *count = map_lookup(&changes, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
}

INLINE bool holds(u32 pid)
{
	return map_lookup(&holders, &pid);
}

INLINE void changed_by(u32 pid)
{
	if (holds(pid))
		changed();
}

SEC("tp_btf/sched_process_fork")
int process_fork(u64 *ctx)
{
	const struct task_struct *parent = (const struct task_struct *)ctx[0];
	const struct task_struct *child = (const struct task_struct *)ctx[1];
	/* A thread holds nothing of its own. */
	if (parent->tgid != child->tgid)
		changed_by(parent->tgid);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int process_exec(u64 *ctx)
{
	changed_by(((const struct task_struct *)ctx[0])->tgid);
	return 0;
}

/* After its descriptors are closed. */
SEC("tp_btf/sched_process_free")
int process_free(u64 *ctx)
{
	const struct task_struct *task = (const struct task_struct *)ctx[0];
	/* A thread holds nothing of its own. */
	if (task->pid == task->tgid)
		changed_by(task->tgid);
	return 0;
}

/* struct user_msghdr and struct cmsghdr, include/linux/socket.h. */
struct message {
	u64 name;
	u32 name_length;
	u64 parts;
	u64 part_count;
	u64 control;
	u64 control_length;
};
struct control {
	u64 length;
	s32 level;
	s32 type;
};
#define SOL_SOCKET 1
#define SCM_RIGHTS 1

/* Whether a message that came brought descriptors; the kernel has written what it brought. */
INLINE bool brought_descriptors(u64 where)
{
	struct message message = {};
	struct control control = {};
	if (read_user(&message, sizeof(message), (const void *)where))
		return false;
	if (message.control_length < sizeof(control))
		return false;
	if (read_user(&control, sizeof(control), (const void *)message.control))
		return false;
	return control.level == SOL_SOCKET && control.type == SCM_RIGHTS;
}

/* Most calls are none of these. */
INLINE bool moves_descriptors(s32 call)
{
	return call == SYS_CLOSE || call == SYS_RECVMSG || call == SYS_FCNTL || call == SYS_DUP || call == SYS_DUP2 ||
	       call == SYS_DUP3 || call == SYS_CLOSE_RANGE || call == SYS_RECVMMSG || call == SYS_PIDFD_GETFD;
}

INLINE int call_ended(s32 call, u64 first, u64 second)
{
	u32 pid = current_pid_tgid() >> 32;
	if (call == SYS_CLOSE) {
		u64 key = (u64)pid << 32 | (u32)first;
		if (map_lookup(&shared, &key))
			changed();
	} else if (call == SYS_RECVMSG) {
		if (brought_descriptors(second))
			changed();
	} else if (call == SYS_FCNTL) {
		/* F_DUPFD, F_DUPFD_CLOEXEC */
		if (second == 0 || second == 1030)
			changed_by(pid);
	} else if (call == SYS_RECVMMSG || call == SYS_PIDFD_GETFD) {
		changed();
	} else {
		changed_by(pid);
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int system_call(u64 *ctx)
{
	const struct pt_regs___x86 *x86 = (const struct pt_regs___x86 *)ctx[0];
	const struct pt_regs___arm64 *arm = (const struct pt_regs___arm64 *)ctx[0];
	s64 result = ctx[1];
	if (has_field(x86->orig_ax)) {
		s32 call = x86->orig_ax;
		if (moves_descriptors(call) && result >= 0)
			return call_ended(call, x86->di, x86->si);
	} else if (has_field(arm->syscallno)) {
		s32 call = arm->syscallno;
		if (moves_descriptors(call) && result >= 0)
			return call_ended(call, arm->orig_x0, arm->regs[1]);
	}
	return 0;
}
