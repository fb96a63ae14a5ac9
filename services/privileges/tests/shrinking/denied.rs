//! Operations that are refused.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use anyhow::{Result, ensure};
use conns_privileges::{Keep, PrivilegeError, Report, ServedBy, becomes, shrink};
use nix::sched::{CloneFlags, unshare};
use nix::sys::{personality, ptrace, signal};
use nix::unistd::{
    Gid, Pid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use rustix::thread::CapabilitySet;

use crate::harness::{
    Case, Need, UNPRIVILEGED, refused, same, shrunk, started_as, status, unprivileged,
};

pub(crate) const TESTS: &[Case] = &[
    Case("root_becomes_the_account", &[Need::Root], account),
    Case("root_cannot_be_regained", &[Need::Root], no_way_back),
    Case("capabilities_are_exactly_the_kept", &[Need::Root], || capabilities(false)),
    Case("following_namespaces_keeps_one_more", &[Need::Root], || capabilities(true)),
    Case("later_threads_have_no_more", &[Need::Root], threads),
    Case("no_program_can_be_started", &[], programs),
    Case("calls_of_attackers_are_refused", &[], calls),
    Case("files_of_others_cannot_be_written", &[Need::Root], writing),
    Case("a_plain_user_drops_what_it_can", &[Need::Root], plain_user),
    Case("capabilities_from_systemd_are_cut_to_the_kept", &[Need::Root], ambient),
    Case("root_that_stays_root_has_no_more_capabilities", &[Need::Root], stays_root),
    Case("an_unknown_account_is_refused_before_anything_is_dropped", &[Need::Root], unknown),
    Case("a_second_thread_is_refused", &[], second_thread),
    Case("a_thread_that_was_joined_is_none", &[], joined_thread),
    Case("unreadable_files_are_reported", &[Need::Root], unreadable),
];

fn account() -> Result<()> {
    same("the account", becomes(&unprivileged())?.map(|account| account.uid), Some(UNPRIVILEGED))?;
    setgroups(&[Gid::from_raw(0), Gid::from_raw(4)])?;
    let report = shrunk(false)?;
    let (uids, gids) = (getresuid()?, getresgid()?);
    for uid in [uids.real, uids.effective, uids.saved] {
        same("the user id", uid.as_raw(), UNPRIVILEGED)?;
    }
    for gid in [gids.real, gids.effective, gids.saved] {
        same("the group id", gid.as_raw(), UNPRIVILEGED)?;
    }
    same("the groups", getgroups()?, vec![])?;
    same("the report's user", (report.uid, report.gid), (UNPRIVILEGED, UNPRIVILEGED))?;
    let json = serde_json::to_value(&report)?;
    same("the groups in JSON", &json["groups"], &serde_json::json!([]))?;
    same("Landlock in JSON", &json["landlock"]["process"], &serde_json::json!("not-enforced"))?;
    same("threads in JSON", &json["threads"][0]["threads"], &serde_json::json!(1))
}

fn no_way_back() -> Result<()> {
    shrunk(false)?;
    let root = Uid::from_raw(0);
    refused("setuid", nix::unistd::setuid(root))?;
    refused("seteuid", nix::unistd::seteuid(root))?;
    refused("setresuid", setresuid(root, root, root))?;
    let group = Gid::from_raw(0);
    refused("setresgid", setresgid(group, group, group))?;
    refused("setgroups", setgroups(&[group]))?;
    let all = CapabilitySet::SYS_PTRACE | CapabilitySet::CHOWN;
    let sets = rustix::thread::CapabilitySets {
        effective: all,
        permitted: all,
        inheritable: CapabilitySet::empty(),
    };
    refused("capset", rustix::thread::set_capabilities(None, sets))
}

/// CAP_DAC_READ_SEARCH is 2, CAP_SYS_PTRACE 19, CAP_SYS_ADMIN 21 (`linux/capability.h`).
const KEPT: u64 = 1 << 2 | 1 << 19;
const FOLLOWING: u64 = KEPT | 1 << 21;

fn capabilities(follow: bool) -> Result<()> {
    let report = shrunk(follow)?;
    let kept = if follow { FOLLOWING } else { KEPT };
    for (key, expected) in
        [("CapPrm", kept), ("CapEff", kept), ("CapInh", 0), ("CapAmb", 0), ("CapBnd", 0)]
    {
        same(key, status(key)?, format!("{expected:016x}"))?;
    }
    let mut names = vec!["CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE"];
    names.extend(follow.then_some("CAP_SYS_ADMIN"));
    same("the report's capabilities", &report.capabilities, &names)?;
    same("the report's bounding set", report.bounding.len(), 0)?;
    same("whether namespaces are reported as missing", lacks(&report, "CAP_SYS_ADMIN"), !follow)
}

fn lacks(report: &Report, what: &str) -> bool {
    report.missing.iter().any(|missing| missing.what == what)
}

fn threads() -> Result<()> {
    let privileges = shrink(&unprivileged())?;
    let text = thread::spawn(move || -> Result<_> {
        let nested = thread::spawn(|| status("CapPrm"));
        let keys = ["Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"];
        let found = keys.map(status).into_iter().collect::<Result<Vec<_>>>()?;
        let nested = nested.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        Ok((found, nested, privileges.report(&ServedBy::Nothing)?))
    });
    let (found, nested, report) =
        text.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    let kept = format!("{KEPT:016x}");
    let uids = [UNPRIVILEGED; 4].map(|uid| uid.to_string()).join("\t");
    same(
        "a thread",
        found,
        vec![uids, kept.clone(), format!("{:016x}", 0), "1".into(), "2".into()],
    )?;
    same("a thread of a thread", nested, kept)?;
    let [all] = &*report.threads else { anyhow::bail!("not all the same: {:?}", report.threads) };
    ensure!(all.threads >= 2 && all.no_new_privs && all.uid == UNPRIVILEGED, "{all:?}");
    same("the filter of all", all.seccomp, Some(2))
}

fn programs() -> Result<()> {
    same("before", Command::new("true").status()?.success(), true)?;
    let report = shrink(&unprivileged())?.report(&ServedBy::Nothing)?;
    same("no-new-privileges", status("NoNewPrivs")?, "1")?;
    same("seccomp", status("Seccomp")?, "2")?;
    ensure!(report.no_new_privs && report.seccomp.mode == Some(2), "{report:?}");
    refused("spawn", Command::new("true").status())?;
    // Another way to the same: fork by hand before exec.
    refused("spawn with a user", Command::new("true").current_dir("/").uid(UNPRIVILEGED).status())?;
    refused("exec", Err::<(), _>(Command::new("true").exec()))
}

/// All of these succeed without the filter and need no privilege, so that it is the filter that refuses.
fn calls() -> Result<()> {
    personality::get()?;
    signal::kill(Pid::this(), None)?;
    thread::spawn(|| unshare(CloneFlags::CLONE_FS))
        .join()
        .map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    let report = shrink(&unprivileged())?.report(&ServedBy::Nothing)?;
    refused("personality", personality::get())?;
    refused("kill", signal::kill(Pid::this(), None))?;
    refused("unshare", unshare(CloneFlags::CLONE_FS))?;
    refused("ptrace", ptrace::traceme())?;
    for name in ["execve", "ptrace", "mount", "io_uring_setup", "open_by_handle_at"] {
        ensure!(report.seccomp.refused.iter().any(|call| call == name), "{name} is not listed");
    }
    Ok(())
}

fn writing() -> Result<()> {
    let place = std::env::temp_dir().join("roots");
    std::fs::create_dir(&place)?;
    let file = place.join("file");
    File::create(&file)?;
    shrunk(false)?;
    let outcomes = [
        File::create(&file).map(drop),
        File::create(place.join("new")).map(drop),
        std::fs::remove_file(&file),
        std::fs::set_permissions(&file, std::fs::metadata(&file)?.permissions()),
        std::os::unix::fs::chown(&file, Some(UNPRIVILEGED), None),
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let kind = outcome.map_err(|error| error.kind());
        ensure!(kind == Err(std::io::ErrorKind::PermissionDenied), "outcome {number}: {kind:?}");
    }
    Ok(())
}

fn plain_user() -> Result<()> {
    started_as(UNPRIVILEGED, CapabilitySet::empty())?;
    same("the account", becomes(&Keep::default())?, None)?;
    // Configured, but a plain user cannot switch.
    let report = shrink(&Keep { user: Some("root".to_owned()), ..Keep::default() })?
        .report(&ServedBy::Nothing)?;
    same("the user", report.uid, UNPRIVILEGED)?;
    same("its capabilities", &report.capabilities, &Vec::<String>::new())?;
    same("seccomp", status("Seccomp")?, "2")?;
    same("no-new-privileges", status("NoNewPrivs")?, "1")?;
    for what in ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN", "CAP_NET_ADMIN"] {
        ensure!(lacks(&report, what), "{what} is not reported as missing: {:?}", report.missing);
    }
    // Without CAP_SETPCAP the bounding set stays; it is shown and not passed over.
    ensure!(!report.bounding.is_empty() && status("CapBnd")? != format!("{:016x}", 0));
    refused("spawn", Command::new("true").status())
}

fn ambient() -> Result<()> {
    let given = CapabilitySet::SYS_PTRACE
        | CapabilitySet::DAC_READ_SEARCH
        | CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::SYS_ADMIN;
    started_as(UNPRIVILEGED, given)?;
    let report = shrink(&Keep::default())?.report(&ServedBy::Nothing)?;
    same("the user", report.uid, UNPRIVILEGED)?;
    for (key, expected) in [("CapPrm", KEPT), ("CapEff", KEPT), ("CapInh", 0), ("CapAmb", 0)] {
        same(key, status(key)?, format!("{expected:016x}"))?;
    }
    Ok(())
}

fn stays_root() -> Result<()> {
    let report = shrink(&Keep { user: Some("root".to_owned()), ..Keep::default() })?
        .report(&ServedBy::Nothing)?;
    same("the user", report.uid, 0)?;
    same("CapEff", status("CapEff")?, format!("{KEPT:016x}"))?;
    ensure!(lacks(&report, "a user of its own"), "{:?}", report.missing);
    // Root without capabilities can access its own files only.
    refused("setuid", nix::unistd::setuid(Uid::from_raw(UNPRIVILEGED)))
}

fn unknown() -> Result<()> {
    let before = status("CapEff")?;
    let keep = Keep { user: Some("no-such-account".to_owned()), ..Keep::default() };
    let error = shrink(&keep).err();
    ensure!(matches!(error, Some(PrivilegeError::NoSuchAccount { .. })), "{error:?}");
    same("capabilities", status("CapEff")?, before)?;
    same("seccomp", status("Seccomp")?, "0")
}

fn second_thread() -> Result<()> {
    let (stay, until) = mpsc::channel::<()>();
    let other = thread::spawn(move || until.recv());
    let error = shrink(&unprivileged()).err();
    ensure!(matches!(error, Some(PrivilegeError::Threads { count: 2 })), "{error:?}");
    same("seccomp", status("Seccomp")?, "0")?;
    drop(stay);
    ensure!(other.join().is_ok_and(|text| text.is_err()), "the thread ended before");
    Ok(())
}

/// The kernel may list a thread for a moment after its join; sampling threads leave such.
fn joined_thread() -> Result<()> {
    for _ in 0..100 {
        ensure!(thread::spawn(|| ()).join().is_ok(), "a thread panicked");
    }
    shrink(&unprivileged())?;
    Ok(())
}

fn unreadable() -> Result<()> {
    let absent = std::env::temp_dir().join("conns-no-such-file");
    let keep = Keep {
        readable: vec!["/etc/shadow".into(), absent.clone()],
        writable: vec!["/etc".into(), std::env::temp_dir()],
        ..unprivileged()
    };
    let report = shrink(&keep)?.report(&ServedBy::Nothing)?;
    // CAP_DAC_READ_SEARCH reads all files: docs/privileges.md.
    ensure!(!lacks(&report, "reading /etc/shadow"), "{:?}", report.missing);
    ensure!(lacks(&report, &format!("reading {}", absent.display())), "{:?}", report.missing);
    ensure!(lacks(&report, "writing in /etc"), "{:?}", report.missing);
    ensure!(
        !lacks(&report, &format!("writing in {}", std::env::temp_dir().display())),
        "{:?}",
        report.missing
    );
    Ok(())
}
