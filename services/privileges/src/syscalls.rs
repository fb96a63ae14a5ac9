//! The seccomp(2) filter of the collector, and of an agent in one process: refuses system calls that it
//! never makes and an attacker needs.
//!
//! It is a deny list: the collector reads the kernel, not what clients send, and a new allocator, libc
//! or kernel would make it fail with an allow list. The serving process has one.

mod allowed;

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
use calls;

pub(crate) use allowed::{allow_listed, allowed};

/// Refused with any arguments.
const REFUSED: &[Call] = calls![
    // Other programs, other processes.
    execve SYS_execve, execveat SYS_execveat,
    #[cfg(target_arch = "x86_64")] fork SYS_fork,
    #[cfg(target_arch = "x86_64")] vfork SYS_vfork,
    ptrace SYS_ptrace, process_vm_readv SYS_process_vm_readv,
    process_vm_writev SYS_process_vm_writev, process_madvise SYS_process_madvise,
    pidfd_getfd SYS_pidfd_getfd, kcmp SYS_kcmp, kill SYS_kill,
    tkill SYS_tkill,
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
    fanotify_init SYS_fanotify_init, quotactl SYS_quotactl, quotactl_fd SYS_quotactl_fd,
    swapon SYS_swapon,
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

/// open_tree_attr(2), for which libc has no number yet.
const OPEN_TREE_ATTR: Call = ("open_tree_attr", 467);

/// The calls that are refused with any arguments.
fn refused_always() -> impl Iterator<Item = Call> {
    REFUSED.iter().copied().chain([OPEN_TREE_ATTR])
}

/// The newest system call this list was compared with: `file_setattr` of Linux 6.17
/// (`asm-generic/unistd.h`; from 424 on the numbers are the same on every architecture). What later ones
/// do is unknown here, so they are absent.
const NEWEST: u32 = 469;

/// Allowed commands of `bpf` (`enum bpf_cmd`): looking up, updating, deleting and listing elements of an open
/// map, and reading an open iterator again. None of them creates or loads an object.
const BPF_ALLOWED: [libc::c_int; 5] = [1, 2, 3, 4, 33];

/// Refuses the calls from now on, for the calling thread and all it starts. Sets no-new-privileges.
///
/// # Errors
/// The kernel's error if it has no filters, or why none can be built for this processor.
pub(crate) fn refuse(follow_namespaces: bool) -> io::Result<()> {
    apply(&refusing(follow_namespaces)?)?;
    apply(&absent())
}

fn apply(program: &BpfProgram) -> io::Result<()> {
    apply_filter(program).map_err(|error| match error {
        seccompiler::Error::Prctl(cause) | seccompiler::Error::Seccomp(cause) => cause,
        other => io::Error::other(other.to_string()),
    })
}

/// The refused calls, for the report.
pub(crate) fn refused(follow_namespaces: bool) -> Vec<String> {
    let plain = refused_always().map(|(name, _)| name.to_owned());
    let setns = if follow_namespaces { "setns (except network)" } else { "setns" };
    let bpf = "bpf (except on open maps and iterators)";
    let tgkill = "tgkill (except of this process)";
    let newer = "all calls newer than Linux 6.17";
    let argued = ["clone (except threads)", "clone3", setns, bpf, tgkill, newer].map(str::to_owned);
    plain.chain(argued).collect()
}

/// The filter that answers `EPERM`. Calls for another architecture (int 0x80) end the process.
fn refusing(follow_namespaces: bool) -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        refused_always().map(|(_, number)| (number, Vec::new())).collect();
    let when = |argument, operation, value| all(vec![condition(argument, operation, value)?]);
    let thread = u64::try_from(libc::CLONE_THREAD).map_err(io::Error::other)?;
    rules.insert(libc::SYS_clone, when(0, SeccompCmpOp::MaskedEq(thread), 0)?);
    // abort(3) and pthread_kill(3) signal threads of this process.
    let own = libc::c_int::try_from(std::process::id()).map_err(io::Error::other)?;
    rules.insert(libc::SYS_tgkill, when(0, SeccompCmpOp::Ne, own)?);
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
/// libc then uses clone, as on kernels without it), calls newer than [`NEWEST`], and so everything of
/// the x32 ABI (`asm/unistd.h`), the same calls under numbers from 0x4000_0000.
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
    let questions = vec![is(libc::BPF_JEQ, clone3, 2), is(libc::BPF_JGT, NEWEST, 1)];
    [vec![load], questions, vec![answer(libc::SECCOMP_RET_ALLOW), enosys]].concat()
}

fn invalid(error: seccompiler::BackendError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Compares the low half of an argument.
fn condition(
    argument: u8,
    operation: SeccompCmpOp,
    value: libc::c_int,
) -> io::Result<SeccompCondition> {
    let value = u64::try_from(value).map_err(io::Error::other)?;
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value).map_err(invalid)
}

/// The rule that holds where all conditions do.
fn all(conditions: Vec<SeccompCondition>) -> io::Result<Vec<SeccompRule>> {
    Ok(vec![SeccompRule::new(conditions).map_err(invalid)?])
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

    /// Runs a filter on a call with these arguments, as classic BPF of `struct seccomp_data`
    /// (`linux/filter.h`, `linux/seccomp.h`).
    pub(super) fn answer_with(program: &[sock_filter], call: i64, arguments: [u64; 4]) -> u32 {
        const NATIVE: &[(&str, u32)] = &[("x86_64", 0xc000_003e), ("aarch64", 0xc000_00b7)];
        let arch = NATIVE.iter().find(|(name, _)| *name == std::env::consts::ARCH).unwrap().1;
        let load = |offset: u32| match offset {
            0 => call as u32,
            4 => arch,
            16..48 => {
                let argument = arguments[(offset as usize - 16) / 8];
                (if offset.is_multiple_of(8) { argument } else { argument >> 32 }) as u32
            }
            other => panic!("offset {other}"),
        };
        let (mut at, mut loaded) = (0, 0);
        loop {
            let step = &program[at];
            let jump = |so| at + 1 + usize::from(if so { step.jt } else { step.jf });
            at = match u32::from(step.code) {
                0x05 => at + 1 + step.k as usize,
                0x06 => return step.k,
                0x15 => jump(loaded == step.k),
                0x25 => jump(loaded > step.k),
                0x20 => {
                    loaded = load(step.k);
                    at + 1
                }
                0x54 => {
                    loaded &= step.k;
                    at + 1
                }
                other => panic!("code {other:#x}"),
            };
        }
    }

    fn answer_to(program: &[sock_filter], call: u32, first_argument: u64) -> u32 {
        answer_with(program, i64::from(call), [first_argument, 0, 0, 0])
    }

    fn answer(program: &[sock_filter], call: u32) -> u32 {
        answer_to(program, call, 0)
    }

    #[test]
    fn signals_reach_threads_of_this_process_only() {
        let (eperm, allow) = (0x0005_0001, 0x7fff_0000);
        let program = refusing(false).unwrap();
        let own = u64::from(std::process::id());
        let number = |call: i64| u32::try_from(call).unwrap();
        assert_eq!(answer_to(&program, number(libc::SYS_tgkill), own), allow);
        for other in [own + 1, 1, 0, u64::from(u32::MAX)] {
            assert_eq!(answer_to(&program, number(libc::SYS_tgkill), other), eperm, "{other}");
        }
        for call in [libc::SYS_tkill, libc::SYS_kill, libc::SYS_quotactl_fd, OPEN_TREE_ATTR.1] {
            assert_eq!(answer_to(&program, number(call), own), eperm, "{call}");
        }
        assert_eq!(answer_to(&program, number(libc::SYS_openat), own), allow);
    }

    #[test]
    fn clone3_x32_and_newer_calls_are_absent_and_nothing_else() {
        let enosys = 0x0005_0000 | 38;
        let allow = 0x7fff_0000;
        let program = absent();
        assert_eq!(answer(&program, 435), enosys);
        assert_eq!(answer(&program, 434), allow);
        assert_eq!(answer(&program, 59), allow);
        assert_eq!(answer(&program, NEWEST), allow);
        for call in [NEWEST + 1, 0x4000_0000, 0x4000_0208, 0xffff_ffff] {
            assert_eq!(answer(&program, call), enosys);
        }
    }
}
