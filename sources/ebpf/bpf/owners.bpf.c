/* Counts changes of socket owners, so that user space rescans descriptors only if the count moved: fork, exec and exit
 * of a process that owns sockets; a descriptor duplicated or passed on; one of several descriptors of a socket closed.
 * User space stores the processes and descriptors of its last scan in two maps, so all other processes cost one map
 * lookup, and only in system calls that move descriptors. New sockets are not counted: the tables show them. */
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
	__uint(type, MAP_HASH);
	__uint(map_flags, MAP_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u64); /* process id << 32 | descriptor, of sockets with several */
	__type(value, u8);
} shared SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} changes SEC(".maps");

/* System call numbers, which differ between architectures; set by the loader. */
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

/* Arguments of a system call: struct pt_regs of x86 and of arm64. */
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

INLINE void count_change(void)
{
	u32 zero = 0;
	u64 *count = map_lookup(&changes, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
}

INLINE void count_change_by(u32 pid)
{
	if (map_lookup(&owners, &pid))
		count_change();
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

/* Whether a received message carried descriptors. The kernel has filled in the control messages. */
INLINE bool carried_descriptors(u64 where)
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

INLINE bool moves_descriptors(s32 call)
{
	return call == SYS_CLOSE || call == SYS_RECVMSG || call == SYS_FCNTL || call == SYS_DUP || call == SYS_DUP2 ||
	       call == SYS_DUP3 || call == SYS_CLOSE_RANGE || call == SYS_RECVMMSG || call == SYS_PIDFD_GETFD;
}

INLINE int system_call_succeeded(s32 call, u64 first, u64 second)
{
	u32 pid = current_pid_tgid() >> 32;
	if (call == SYS_CLOSE) {
		u64 key = (u64)pid << 32 | (u32)first;
		if (map_lookup(&shared, &key))
			count_change();
	} else if (call == SYS_RECVMSG) {
		if (carried_descriptors(second))
			count_change();
	} else if (call == SYS_FCNTL) {
		/* F_DUPFD, F_DUPFD_CLOEXEC */
		if (second == 0 || second == 1030)
			count_change_by(pid);
	} else if (call == SYS_RECVMMSG || call == SYS_PIDFD_GETFD) {
		count_change();
	} else {
		count_change_by(pid);
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int system_call_exit(u64 *ctx)
{
	const struct pt_regs___x86 *x86 = (const struct pt_regs___x86 *)ctx[0];
	const struct pt_regs___arm64 *arm = (const struct pt_regs___arm64 *)ctx[0];
	s64 result = ctx[1];
	if (has_field(x86->orig_ax)) {
		s32 call = x86->orig_ax;
		if (moves_descriptors(call) && result >= 0)
			return system_call_succeeded(call, x86->di, x86->si);
	} else if (has_field(arm->syscallno)) {
		s32 call = arm->syscallno;
		if (moves_descriptors(call) && result >= 0)
			return system_call_succeeded(call, arm->orig_x0, arm->regs[1]);
	}
	return 0;
}
