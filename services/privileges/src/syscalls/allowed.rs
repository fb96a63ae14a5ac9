//! The seccomp(2) filter of the serving process: an allow list. Any other call answers `ENOSYS`, as on a
//! kernel without it, so that a newer libc takes its older way.
//!
//! No file is opened, no socket is made or bound, no process is started, signalled or traced. The files that are open, to read, are
//! those of the history: SQLite reads them, locks what it reads, and shares the index of its log with the writer.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpOp, SeccompFilter, SeccompRule, TargetArch,
};

use super::{Call, all, apply, calls, condition, invalid};

/// Allowed with any arguments.
const ALLOWED: &[Call] = calls![
    // Sockets and descriptors that are open.
    read SYS_read, write SYS_write, readv SYS_readv, writev SYS_writev,
    recvfrom SYS_recvfrom, sendto SYS_sendto, recvmsg SYS_recvmsg, sendmsg SYS_sendmsg,
    accept4 SYS_accept4, shutdown SYS_shutdown, close SYS_close,
    getsockname SYS_getsockname, getpeername SYS_getpeername,
    getsockopt SYS_getsockopt, setsockopt SYS_setsockopt,
    fstat SYS_fstat, statx SYS_statx, pread64 SYS_pread64,
    // Waiting.
    #[cfg(target_arch = "x86_64")] epoll_wait SYS_epoll_wait,
    epoll_create1 SYS_epoll_create1, epoll_ctl SYS_epoll_ctl, epoll_pwait SYS_epoll_pwait,
    epoll_pwait2 SYS_epoll_pwait2, eventfd2 SYS_eventfd2, ppoll SYS_ppoll,
    #[cfg(target_arch = "x86_64")] poll SYS_poll,
    futex SYS_futex, nanosleep SYS_nanosleep, clock_nanosleep SYS_clock_nanosleep,
    clock_gettime SYS_clock_gettime, clock_getres SYS_clock_getres,
    gettimeofday SYS_gettimeofday, sched_yield SYS_sched_yield,
    restart_syscall SYS_restart_syscall,
    // Memory.
    brk SYS_brk, munmap SYS_munmap, mremap SYS_mremap, madvise SYS_madvise,
    // Threads of this process, and its end.
    set_robust_list SYS_set_robust_list, rseq SYS_rseq, sigaltstack SYS_sigaltstack,
    #[cfg(target_arch = "x86_64")] arch_prctl SYS_arch_prctl,
    rt_sigaction SYS_rt_sigaction, rt_sigprocmask SYS_rt_sigprocmask,
    rt_sigreturn SYS_rt_sigreturn, sched_getaffinity SYS_sched_getaffinity,
    getpid SYS_getpid, gettid SYS_gettid, exit SYS_exit, exit_group SYS_exit_group,
    getrandom SYS_getrandom, getrusage SYS_getrusage,
];

/// Refuses all other calls from now on, for the calling thread and all it starts. Requires
/// no-new-privileges.
///
/// # Errors
/// The kernel's error if it has no filters, or why none can be built for this processor.
pub(crate) fn allow_listed() -> io::Result<()> {
    apply(&allowing()?)
}

/// The allowed calls, for the report.
pub(crate) fn allowed() -> Vec<String> {
    let argued = [
        "mmap and mprotect (not executable; memory, and files to read)",
        "clone (threads)",
        "socketpair (AF_UNIX)",
        "prctl (names)",
        "fcntl (flags, copies, locks)",
        "ioctl (FIONBIO)",
        "getpriority and setpriority (its own)",
        "tgkill (of this process)",
    ];
    let plain = ALLOWED.iter().map(|(name, _)| (*name).to_owned());
    plain.chain(argued.map(str::to_owned)).collect()
}

/// `FIONBIO` (`asm-generic/ioctls.h`).
const FIONBIO: libc::c_int = 0x5421;

fn allowing() -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|(_, number)| (*number, Vec::new())).collect();
    let is = |argument, value| condition(argument, SeccompCmpOp::Eq, value);
    let without = |argument, bit: libc::c_int| {
        let bits = u64::from(bit.unsigned_abs());
        condition(argument, SeccompCmpOp::MaskedEq(bits), 0)
    };
    let with = |argument, bit: libc::c_int| {
        condition(argument, SeccompCmpOp::MaskedEq(u64::from(bit.unsigned_abs())), bit)
    };
    // No new code: the C library's allocator, the stacks of threads, and files to read, which are open.
    let anonymous = vec![without(2, libc::PROT_EXEC)?, with(3, libc::MAP_ANONYMOUS)?];
    let file = vec![
        without(2, libc::PROT_EXEC)?,
        without(2, libc::PROT_WRITE)?,
        with(3, libc::MAP_SHARED)?,
    ];
    rules.insert(libc::SYS_mmap, [all(anonymous)?, all(file)?].concat());
    rules.insert(libc::SYS_mprotect, all(vec![without(2, libc::PROT_EXEC)?])?);
    rules.insert(libc::SYS_clone, all(vec![with(0, libc::CLONE_THREAD)?])?);
    // A kernel that can names the memory of the allocator for /proc/PID/maps.
    let prctl = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];
    rules.insert(libc::SYS_prctl, any_of(0, &prctl)?);
    let fcntl = [
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETLK,
        libc::F_SETLK,
    ];
    rules.insert(libc::SYS_fcntl, any_of(1, &fcntl)?);
    // The runtime wakes itself with one.
    rules.insert(libc::SYS_socketpair, all(vec![is(0, libc::AF_UNIX)?])?);
    rules.insert(libc::SYS_ioctl, all(vec![is(1, FIONBIO)?])?);
    for call in [libc::SYS_getpriority, libc::SYS_setpriority] {
        rules.insert(call, all(vec![is(0, 0)?, is(1, 0)?])?);
    }
    let own = libc::c_int::try_from(std::process::id()).map_err(io::Error::other)?;
    rules.insert(libc::SYS_tgkill, all(vec![is(0, own)?])?);
    let here = TargetArch::try_from(std::env::consts::ARCH).map_err(invalid)?;
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let filter = SeccompFilter::new(rules, absent, SeccompAction::Allow, here).map_err(invalid)?;
    filter.try_into().map_err(invalid)
}

/// Rules of which one holds where the argument is one of `values`.
fn any_of(argument: u8, values: &[libc::c_int]) -> io::Result<Vec<SeccompRule>> {
    let rule = |value: &libc::c_int| {
        let condition = condition(argument, SeccompCmpOp::Eq, *value)?;
        SeccompRule::new(vec![condition]).map_err(invalid)
    };
    values.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer_with;
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;
    const ENOSYS: u32 = 0x0005_0000 | 38;

    #[test]
    fn files_sockets_programs_and_other_processes_are_absent() {
        let program = allowing().unwrap();
        assert!(program.len() < 4096);
        for call in [
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_socket,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_execve,
            libc::SYS_kill,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_clone3,
            libc::SYS_io_uring_setup,
            libc::SYS_bpf,
            libc::SYS_unlinkat,
            libc::SYS_memfd_create,
            libc::SYS_setresuid,
            libc::SYS_pidfd_getfd,
            469,
            1_000,
        ] {
            assert_eq!(answer_with(&program, call, [0; 4]), ENOSYS, "{call}");
        }
        for (name, call) in ALLOWED {
            assert_eq!(answer_with(&program, *call, [7; 4]), ALLOW, "{name}");
        }
    }

    #[test]
    fn arguments_decide() {
        let program = allowing().unwrap();
        let answer = |call, arguments| answer_with(&program, call, arguments);
        let (data, code) = (3, 5);
        let anonymous = 0x22;
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, data, anonymous]), ALLOW);
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, code, anonymous]), ENOSYS);
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, data, 2]), ENOSYS);
        let (read, shared) = (1, 1);
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, read, shared]), ALLOW);
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, data, shared]), ENOSYS);
        assert_eq!(answer(libc::SYS_mmap, [0, 4096, code, shared]), ENOSYS);
        assert_eq!(answer(libc::SYS_mprotect, [0, 4096, data, 0]), ALLOW);
        assert_eq!(answer(libc::SYS_mprotect, [0, 4096, code, 0]), ENOSYS);
        assert_eq!(answer(libc::SYS_clone, [0x3d_0f00, 0, 0, 0]), ALLOW);
        assert_eq!(answer(libc::SYS_clone, [17, 0, 0, 0]), ENOSYS);
        assert_eq!(answer(libc::SYS_prctl, [15, 0, 0, 0]), ALLOW);
        assert_eq!(answer(libc::SYS_prctl, [4, 1, 0, 0]), ENOSYS);
        let own = u64::from(std::process::id());
        assert_eq!(answer(libc::SYS_tgkill, [own, 1, 6, 0]), ALLOW);
        assert_eq!(answer(libc::SYS_tgkill, [own + 1, 1, 6, 0]), ENOSYS);
        assert_eq!(answer(libc::SYS_setpriority, [0, 0, 5, 0]), ALLOW);
        assert_eq!(answer(libc::SYS_setpriority, [0, 1, 5, 0]), ENOSYS);
    }
}
