//! Machines on which something is missing: the rest is listed, and what is missing is reported.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::program::{CONNS, Ran, conns, finish, plain_surroundings};
use crate::scene::{Scene, all_ends, same};
use crate::{Case, Need};

const UNSHARE: Need = Need::Program("unshare", "util-linux");

pub(crate) const TESTS: &[Case] = &[
    Case("without_proc_sockets_are_listed_and_proc_is_named", &[Need::Root, UNSHARE], || {
        without_proc("mount -t tmpfs none /proc")
    }),
    Case(
        "with_proc_unmounted_sockets_are_listed_and_proc_is_named",
        &[Need::Root, UNSHARE],
        || without_proc("umount -l /proc"),
    ),
    Case("netlink_refused_is_an_error_of_source_kernel", &[], netlink_refused),
    Case("netlink_refused_makes_auto_portable_with_a_message", &[], netlink_refused_auto),
    Case("few_descriptors_are_enough_or_reported", &[Need::Program("sh", "dash")], few_descriptors),
    Case("vanishing_namespaces_and_processes_are_no_loss", &[Need::Root, UNSHARE], vanishing),
];

/// Runs in a mount namespace of its own without `/proc`.
fn without_proc(how: &str) -> Result<()> {
    let scene = Scene::new()?;
    // Without names of namespaces those of other tests are not listed.
    let script = format!("{how} && mount -t tmpfs none /run/netns && exec \"$0\" \"$@\"");
    for format in ["jsonl", "json"] {
        let mut command = Command::new("unshare");
        plain_surroundings(&mut command);
        command.args(["--mount", "sh", "-c", &script, CONNS, "-a", "-o", format]);
        let ran = scene.sandbox.finish(&mut command)?;
        let records = match format {
            "json" => ran.json()?["connections"].as_array().cloned().context("no connections")?,
            _ => ran.lines_of_json()?,
        };
        same("the sockets", all_ends(&records)?, scene.sockets()?)?;
        let health = records.iter().filter(|record| record["rtt_us"].is_u64()).count();
        same("ends with a round trip", health, 2)?;
        for record in records {
            ensure!(record["pid"].is_null(), "an owner without /proc: {record}");
            ensure!(record.get("pid").is_some(), "`pid` is absent, as if no process could hold it");
        }
        let stderr =
            if format == "json" { ran.json()?["losses"].to_string() } else { ran.err.clone() };
        ensure!(
            stderr.contains("/proc"),
            "without /proc {format} prints {stderr:?} with exit code {:?}",
            ran.code
        );
        ran.code(3)?;
    }
    Ok(())
}

/// Runs `command` where the kernel refuses netlink sockets, as container sandboxes do.
fn without_netlink(command: &mut Command) -> Result<Ran> {
    let is_netlink = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        u64::try_from(AF_NETLINK)?,
    )?;
    let filter = SeccompFilter::new(
        [(SYS_SOCKET, vec![SeccompRule::new(vec![is_netlink])?])]
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        SeccompAction::Allow,
        SeccompAction::Errno(EPERM),
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    std::thread::scope(|scope| {
        // The filter is this thread's and its children's, for good.
        let filtered = scope.spawn(|| {
            apply_filter(&program)?;
            finish(command)
        });
        filtered.join().map_err(|_| anyhow!("the filtered thread panicked"))?
    })
}

const AF_NETLINK: i32 = 16;
const EPERM: u32 = 1;
#[cfg(target_arch = "x86_64")]
const SYS_SOCKET: i64 = 41;
#[cfg(not(target_arch = "x86_64"))]
const SYS_SOCKET: i64 = 198;

fn netlink_refused() -> Result<()> {
    let scene = Scene::new()?;
    for words in [&["-a"][..], &["-a", "-o", "json"], &["why", "--for", "0.1"]] {
        let mut command = conns([words, &["--source", "kernel"]].concat());
        let ran = scene.sandbox.inside(|| without_netlink(&mut command))?;
        ran.code(1)?;
        ensure!(ran.out.is_empty(), "{} prints {:?}", ran.shown, ran.text()?);
        for part in
            ["NETLINK_SOCK_DIAG", "Operation not permitted", "AF_NETLINK", "--source portable"]
        {
            ensure!(ran.err.contains(part), "{part:?} is not in {:?}", ran.err);
        }
    }
    Ok(())
}

/// On Linux the portable source reads netlink too, so that it must fail just as clearly.
fn netlink_refused_auto() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = conns(["-a", "-o", "jsonl"]);
    let ran = scene.sandbox.inside(|| without_netlink(&mut command))?;
    ensure!(ran.err.contains("portable"), "nothing of the portable source in {:?}", ran.err);
    ensure!(
        ran.err.contains("NETLINK_SOCK_DIAG"),
        "nothing of the kernel's source in {:?}",
        ran.err
    );
    match ran.code {
        Some(3) => {
            let seen = all_ends(&ran.lines_of_json()?)?;
            let tcp = |all: std::collections::BTreeSet<crate::scene::Ends>| -> Vec<_> {
                all.into_iter().filter(|(proto, ..)| proto == "tcp").collect()
            };
            let missing: Vec<_> =
                tcp(scene.sockets()?).into_iter().filter(|ends| !seen.contains(ends)).collect();
            ensure!(missing.is_empty(), "not listed: {missing:?}");
            Ok(())
        }
        Some(1) => {
            ensure!(ran.out.is_empty(), "no answer, and it prints {:?}", ran.text()?);
            Ok(())
        }
        other => {
            anyhow::bail!("exit code {other:?} without netlink; its standard error: {:?}", ran.err)
        }
    }
}

/// With fewer and fewer descriptors the answer is complete, or its gaps are reported, and no row is wrong.
fn few_descriptors() -> Result<()> {
    let scene = Scene::new()?;
    let pid = std::process::id();
    let mut codes = BTreeMap::new();
    for limit in [4, 5, 6, 7, 8, 9, 10, 12, 64] {
        let list = scene.sandbox.conns(&["-a", "-o", "jsonl"], "")?;
        let mut command = Command::new("sh");
        plain_surroundings(&mut command);
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\"")]);
        command.arg(list.get_program()).args(list.get_args());
        let ran = scene.sandbox.finish(&mut command)?;
        codes.insert(limit, ran.code);
        let reported = ran.err.contains("Too many open files");
        match ran.code {
            Some(0) => {
                let records = ran.lines_of_json()?;
                same(&format!("the sockets with {limit}"), all_ends(&records)?, scene.sockets()?)?;
                ensure!(
                    records.iter().all(|record| record["pid"] == pid),
                    "owners missing with {limit}, not reported"
                );
            }
            Some(1) => ensure!(reported && ran.out.is_empty(), "with {limit}: {:?}", ran.err),
            Some(3) => {
                ensure!(reported, "with {limit} descriptors they are not reported: {:?}", ran.err);
                ensure!(
                    !ran.err.contains("Mount procfs"),
                    "/proc is mounted, and the advice is {:?}",
                    ran.err
                );
            }
            other => anyhow::bail!("exit code {other:?} with {limit} descriptors: {:?}", ran.err),
        }
    }
    ensure!(codes[&4] != Some(0) && codes[&64] == Some(0), "exit codes by limit: {codes:?}");
    Ok(())
}

/// Runs in a world of its own (processes, mounts and network), which ends with its first process.
fn vanishing() -> Result<()> {
    let script = r#"
        mkdir -p /run/netns; mount -t tmpfs none /run/netns || exit 90
        # Names come and go, and so do processes in namespaces that have no name.
        (while :; do ip netns add churn; ip netns exec churn true; ip netns del churn; done) >/dev/null 2>&1 &
        (while :; do unshare --net true; done) >/dev/null 2>&1 &
        ran=0
        while [ $ran -lt 50 ]; do
            "$0" -a -o jsonl >/dev/null
            code=$?
            [ $code = 0 ] || { echo "run $ran ended with $code" >&2; exit 1; }
            ran=$((ran + 1))
        done
        echo "$ran runs"
    "#;
    let mut command = Command::new("unshare");
    plain_surroundings(&mut command);
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        script,
        CONNS,
    ]);
    let ran = finish(&mut command)?;
    ran.good()?;
    same("the script", ran.text()?, "50 runs\n")
}
