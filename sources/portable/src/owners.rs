//! Details of the owners by `sysinfo`, only for the pids that occur.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind, Users};

use conns_core::model::{Known, OwnerEntry, OwnerTable, Process, Source, Subject, Unknown};

use crate::tuple::Owners;

/// The owner table of `owners`, and the pids that could not be read.
pub(crate) fn look_up(owners: &Owners) -> (OwnerTable, Vec<u32>) {
    let mut indices: BTreeMap<u32, Option<u32>> =
        owners.iter().flat_map(|(_, pids)| pids.iter().map(|pid| (*pid, None))).collect();
    let mut owner_table = OwnerTable::default();
    let mut vanished = Vec::new();
    // A new table each time, so that nothing of an earlier process with the same pid remains.
    let mut system = System::new().ok();
    // On Windows the crate reads the list through a pointer that may be null (it is in wine): undefined behaviour, and
    // an abort in debug builds. User names are unknown there.
    let users = if cfg!(windows) { None } else { Users::new_with_refreshed_list().ok() };
    if let Some(system) = &mut system {
        let pids: Vec<Pid> = indices.keys().map(|pid| Pid::from_u32(*pid)).collect();
        let details = ProcessRefreshKind::nothing()
            .with_exe(UpdateKind::Always)
            .with_cmd(UpdateKind::Always)
            .with_user(UpdateKind::Always);
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, details);
    }
    for (pid, index) in &mut indices {
        match system.as_ref().and_then(|system| system.process(Pid::from_u32(*pid))) {
            Some(seen) => {
                *index = u32::try_from(owner_table.processes.len()).ok();
                owner_table.processes.push(Arc::new(process(*pid, seen, users.as_ref())));
            }
            None => vanished.push(*pid),
        }
    }
    for (socket, pids) in owners {
        let found = pids.iter().filter_map(|pid| indices.get(pid).copied().flatten());
        let subject = Subject::Socket(*socket);
        for process in found {
            owner_table.entries.push(OwnerEntry { subject, process, descriptor: None });
        }
    }
    (owner_table, vanished)
}

fn process(pid: u32, seen: &sysinfo::Process, users: Option<&Users>) -> Process {
    let user = seen.effective_user_id().or_else(|| seen.user_id());
    let user_name = user.and_then(|id| Some(users?.get_user_by_id(id)?.name().into()));
    let executable = seen.exe().map(|path| path.to_string_lossy().into());
    let arguments = seen.cmd().join(&OsString::from(" "));
    Process {
        pid,
        name: seen.name().to_string_lossy().into(),
        executable: known(executable),
        command_line: known((!arguments.is_empty()).then(|| arguments.to_string_lossy().into())),
        // On Windows this is a SID in text, which is no number.
        uid: known(user.and_then(|id| id.to_string().parse().ok())),
        user: known(user_name),
        started_wall_us: known(microseconds(seen.start_time())),
        parent_pid: known(seen.parent().map(Pid::as_u32)),
        cgroup: Known::Unknown(Unknown::SourceDoesNotReport),
        container_id: Known::Unknown(Unknown::SourceDoesNotReport),
        systemd_unit: Known::Unknown(Unknown::SourceDoesNotReport),
    }
}

/// `sysinfo` reports whole seconds, and 0 for unknown.
fn microseconds(start_s: u64) -> Option<i64> {
    i64::try_from(start_s).ok().filter(|s| *s > 0)?.checked_mul(1_000_000)
}

fn known<T>(value: Option<T>) -> Known<T> {
    Known::from_option(value, Source::Portable, Unknown::SourceDoesNotReport)
}
