//! The seccomp(2) filter: refuses system calls that the agent never makes and an attacker needs.
//!
//! It is a deny list. An allow list is tighter, but a new allocator, libc or kernel would make the
//! agent fail.

use std::collections::BTreeMap;
use std::io;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};

/// A call: its name and its number here.
type Call = (&'static str, i64);

macro_rules! calls {
    ($($(#[$only:meta])? $name:ident $number:ident),* $(,)?) => {
        &[$($(#[$only])? (stringify!($name), libc::$number)),*]
    };
}

/// Refused with any arguments.
const REFUSED: &[Call] = calls![
    // Other programs, other processes.
    execve SYS_execve, execveat SYS_execveat,
    #[cfg(target_arch = "x86_64")] fork SYS_fork,
    #[cfg(target_arch = "x86_64")] vfork SYS_vfork,
    ptrace SYS_ptrace, process_vm_readv SYS_process_vm_readv,
    process_vm_writev SYS_process_vm_writev, process_madvise SYS_process_madvise,
    pidfd_getfd SYS_pidfd_getfd, kcmp SYS_kcmp, kill SYS_kill,
    rt_sigqueueinfo SYS_rt_sigqueueinfo, rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo,
    pidfd_send_signal SYS_pidfd_send_signal,
    // Another user, another personality.
    setuid SYS_setuid, setgid SYS_setgid, setreuid SYS_setreuid, setregid SYS_setregid,
    setresuid SYS_setresuid, setresgid SYS_setresgid, setfsuid SYS_setfsuid,
    setfsgid SYS_setfsgid, setgroups SYS_setgroups, personality SYS_personality,
    // Mounts and roots; files by handle, which CAP_DAC_READ_SEARCH allows to escape a container.
    mount SYS_mount, umount2 SYS_umount2, pivot_root SYS_pivot_root, chroot SYS_chroot,
    move_mount SYS_move_mount, open_tree SYS_open_tree, fsopen SYS_fsopen, fsmount SYS_fsmount,
    fsconfig SYS_fsconfig, fspick SYS_fspick, mount_setattr SYS_mount_setattr,
    unshare SYS_unshare, open_by_handle_at SYS_open_by_handle_at,
    fanotify_init SYS_fanotify_init, quotactl SYS_quotactl, swapon SYS_swapon,
    swapoff SYS_swapoff,
    #[cfg(target_arch = "x86_64")] mknod SYS_mknod,
    mknodat SYS_mknodat,
    // The kernel, and its parts with the most flaws.
    init_module SYS_init_module, finit_module SYS_finit_module,
    delete_module SYS_delete_module, kexec_load SYS_kexec_load,
    #[cfg(target_arch = "x86_64")] kexec_file_load SYS_kexec_file_load,
    reboot SYS_reboot, perf_event_open SYS_perf_event_open,
    userfaultfd SYS_userfaultfd, add_key SYS_add_key, request_key SYS_request_key,
    keyctl SYS_keyctl, acct SYS_acct, syslog SYS_syslog, vhangup SYS_vhangup,
    #[cfg(target_arch = "x86_64")] iopl SYS_iopl,
    #[cfg(target_arch = "x86_64")] ioperm SYS_ioperm,
    #[cfg(target_arch = "x86_64")] modify_ldt SYS_modify_ldt,
    settimeofday SYS_settimeofday, clock_settime SYS_clock_settime, adjtimex SYS_adjtimex,
    clock_adjtime SYS_clock_adjtime, sethostname SYS_sethostname,
    setdomainname SYS_setdomainname,
    // Work that a filter does not see.
    io_uring_setup SYS_io_uring_setup, io_uring_enter SYS_io_uring_enter,
    io_uring_register SYS_io_uring_register,
];

/// Allowed commands of `bpf` (`enum bpf_cmd`): looking up, updating and deleting an element of an open
/// map, and reading an open iterator again. None of them creates or loads an object.
const BPF_ALLOWED: [libc::c_int; 4] = [1, 2, 3, 33];

/// The bit of x32 system calls (`asm/unistd.h`): the same calls under other numbers, which a list of
/// numbers does not match.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Refuses the calls from now on, for the calling thread and all it starts. Sets no-new-privileges.
///
/// # Errors
/// The kernel's error if it has no filters, or why none can be built for this processor.
pub(crate) fn refuse(follow_namespaces: bool) -> io::Result<()> {
    for program in [refusing(follow_namespaces)?, absent()] {
        apply_filter(&program).map_err(|error| match error {
            seccompiler::Error::Prctl(cause) | seccompiler::Error::Seccomp(cause) => cause,
            other => io::Error::other(other.to_string()),
        })?;
    }
    Ok(())
}

/// The refused calls, for the report.
pub(crate) fn refused(follow_namespaces: bool) -> Vec<String> {
    let plain = REFUSED.iter().map(|(name, _)| (*name).to_owned());
    let setns = if follow_namespaces { "setns (except network)" } else { "setns" };
    let bpf = "bpf (except on open maps and iterators)";
    let argued = ["clone (except threads)", "clone3", setns, bpf].map(str::to_owned);
    plain.chain(argued).collect()
}

/// The filter that answers `EPERM`. Calls for another architecture (int 0x80) end the process.
fn refusing(follow_namespaces: bool) -> io::Result<BpfProgram> {
    let invalid = |error: seccompiler::BackendError| io::Error::other(error.to_string());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|(_, number)| (*number, Vec::new())).collect();
    let condition = |argument, operation, value: libc::c_int| {
        let value = u64::try_from(value).map_err(io::Error::other)?;
        let length = SeccompCmpArgLen::Dword;
        SeccompCondition::new(argument, length, operation, value).map_err(invalid)
    };
    let all = |conditions| Ok::<_, io::Error>(vec![SeccompRule::new(conditions).map_err(invalid)?]);
    let when = |argument, operation, value| all(vec![condition(argument, operation, value)?]);
    let thread = u64::try_from(libc::CLONE_THREAD).map_err(io::Error::other)?;
    rules.insert(libc::SYS_clone, when(0, SeccompCmpOp::MaskedEq(thread), 0)?);
    let setns = match follow_namespaces {
        true => when(1, SeccompCmpOp::Ne, libc::CLONE_NEWNET)?,
        false => Vec::new(),
    };
    rules.insert(libc::SYS_setns, setns);
    let is_other = |command| condition(0, SeccompCmpOp::Ne, command);
    let others = BPF_ALLOWED.into_iter().map(is_other).collect::<io::Result<_>>()?;
    rules.insert(libc::SYS_bpf, all(others)?);
    let here = TargetArch::try_from(std::env::consts::ARCH).map_err(invalid)?;
    let eperm = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, eperm, here).map_err(invalid)?;
    filter.try_into().map_err(invalid)
}

/// The filter that answers `ENOSYS`: clone3, whose flags lie in memory a filter cannot read (the
/// libc then uses clone, as on kernels without it), and everything of the x32 ABI.
fn absent() -> BpfProgram {
    const NUMBER_OF_CALL: u32 = 0; // offset in `struct seccomp_data`
    let load = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_OF_CALL);
    let is = |comparison, value, steps_if_so| sock_filter {
        jt: steps_if_so,
        ..statement(libc::BPF_JMP | comparison | libc::BPF_K, value)
    };
    let answer = |value| statement(libc::BPF_RET | libc::BPF_K, value);
    let enosys = answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs());
    // The same number on every architecture (`asm-generic/unistd.h`).
    let clone3 = libc::SYS_clone3 as u32;
    #[cfg(target_arch = "x86_64")]
    let questions = vec![is(libc::BPF_JEQ, clone3, 2), is(libc::BPF_JGE, X32, 1)];
    #[cfg(not(target_arch = "x86_64"))]
    let questions = vec![is(libc::BPF_JEQ, clone3, 1)];
    [vec![load], questions, vec![answer(libc::SECCOMP_RET_ALLOW), enosys]].concat()
}

fn statement(code: u32, k: u32) -> sock_filter {
    // The codes of classic BPF are a byte.
    sock_filter { code: u16::from(code as u8), jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the agent needs must not be refused by mistake.
    const NEEDED: &[i64] = &[
        libc::SYS_capset,
        libc::SYS_seccomp,
        libc::SYS_landlock_restrict_self,
        libc::SYS_socket,
        libc::SYS_bind,
        libc::SYS_accept4,
        libc::SYS_tgkill,
        libc::SYS_unlinkat,
        libc::SYS_openat,
        libc::SYS_readlinkat,
    ];

    #[test]
    fn each_call_is_named_once_and_none_is_needed() {
        let names: BTreeSet<_> = REFUSED.iter().map(|(name, _)| name).collect();
        let numbers: BTreeSet<_> = REFUSED.iter().map(|(_, number)| *number).collect();
        assert_eq!((names.len(), numbers.len()), (REFUSED.len(), REFUSED.len()));
        assert!(NEEDED.iter().all(|needed| !numbers.contains(needed)));
    }

    #[test]
    fn a_filter_is_shorter_than_the_kernels_limit() {
        for follow in [false, true] {
            let length = refusing(follow).unwrap().len();
            assert!((REFUSED.len()..4096).contains(&length), "{length} instructions");
        }
    }

    /// Runs a filter on a call (`linux/filter.h`); only the codes that `absent` uses.
    fn answer(program: &[sock_filter], call: u32) -> u32 {
        let mut at = 0;
        loop {
            let step = &program[at];
            let jump = |so| at + 1 + usize::from(if so { step.jt } else { step.jf });
            at = match u32::from(step.code) {
                0x20 => at + 1,
                0x15 => jump(call == step.k),
                0x35 => jump(call >= step.k),
                0x06 => return step.k,
                other => panic!("code {other:#x}"),
            };
        }
    }

    #[test]
    fn clone3_and_x32_are_absent_and_nothing_else() {
        let enosys = 0x0005_0000 | 38;
        let allow = 0x7fff_0000;
        let program = absent();
        assert_eq!(answer(&program, 435), enosys);
        assert_eq!(answer(&program, 434), allow);
        assert_eq!(answer(&program, 59), allow);
        #[cfg(target_arch = "x86_64")]
        for call in [0x4000_0000, 0x4000_0208, 0xffff_ffff] {
            assert_eq!(answer(&program, call), enosys);
        }
    }
}
