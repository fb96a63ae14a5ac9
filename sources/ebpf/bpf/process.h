/* Process ids as user space sees them. */
#pragma once
#include "kernel.h"

/* Depth of the pid namespace conns runs in; set by the loader. */
CONSTANT u32 PID_LEVEL = 0;

/* The id of a process in the pid namespace conns runs in; 0 if it has none there. */
INLINE u32 visible_pid(const struct task_struct *leader)
{
	if (PID_LEVEL == 0)
		return leader->tgid;
	const struct pid *pid = leader->thread_pid;
	if (!pid || pid->level < PID_LEVEL)
		return 0;
	s32 number = 0;
	const char *numbers = (const char *)&pid->numbers[0].nr;
	read_kernel(&number, sizeof(number), numbers + PID_LEVEL * size_of_type(struct upid));
	return number;
}
