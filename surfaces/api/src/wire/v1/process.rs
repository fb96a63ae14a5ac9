//! The shapes of a process, a network namespace and a machine.

use conns_core::model;
use serde::{Deserialize, Serialize};

use super::basic::Known;

/// Text of the model, borrowed.
fn text(value: &model::Known<Box<str>>) -> Known<&str> {
    value.as_ref().map(|text| &**text).into()
}

#[derive(Serialize, Deserialize)]
pub(super) struct Process<'a> {
    pid: u32,
    name: &'a str,
    #[serde(borrow)]
    executable: Known<&'a str>,
    #[serde(borrow)]
    command_line: Known<&'a str>,
    uid: Known<u32>,
    #[serde(borrow)]
    user: Known<&'a str>,
    started_wall_us: Known<i64>,
    parent_pid: Known<u32>,
    #[serde(borrow)]
    cgroup: Known<&'a str>,
    #[serde(borrow)]
    container_id: Known<&'a str>,
    #[serde(borrow)]
    systemd_unit: Known<&'a str>,
}

impl<'a> From<&'a model::Process> for Process<'a> {
    fn from(process: &'a model::Process) -> Self {
        Self {
            pid: process.pid,
            name: &process.name,
            executable: text(&process.executable),
            command_line: text(&process.command_line),
            uid: process.uid.into(),
            user: text(&process.user),
            started_wall_us: process.started_wall_us.into(),
            parent_pid: process.parent_pid.into(),
            cgroup: text(&process.cgroup),
            container_id: text(&process.container_id),
            systemd_unit: text(&process.systemd_unit),
        }
    }
}

impl From<Process<'_>> for model::Process {
    fn from(shape: Process<'_>) -> Self {
        Self {
            pid: shape.pid,
            name: shape.name.into(),
            executable: shape.executable.into(),
            command_line: shape.command_line.into(),
            uid: shape.uid.into(),
            user: shape.user.into(),
            started_wall_us: shape.started_wall_us.into(),
            parent_pid: shape.parent_pid.into(),
            cgroup: shape.cgroup.into(),
            container_id: shape.container_id.into(),
            systemd_unit: shape.systemd_unit.into(),
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Netns<'a> {
    inode: u64,
    #[serde(borrow)]
    label: Option<&'a str>,
    is_own: bool,
}

impl<'a> From<&'a model::Netns> for Netns<'a> {
    fn from(netns: &'a model::Netns) -> Self {
        Self { inode: netns.inode, label: netns.label.as_deref(), is_own: netns.is_own }
    }
}

impl From<Netns<'_>> for model::Netns {
    fn from(shape: Netns<'_>) -> Self {
        Self { inode: shape.inode, label: shape.label.map(Into::into), is_own: shape.is_own }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Machine<'a> {
    #[serde(borrow)]
    machine_id: Known<&'a str>,
    #[serde(borrow)]
    boot_id: Known<&'a str>,
    #[serde(borrow)]
    host: Known<&'a str>,
}

impl<'a> From<&'a model::Machine> for Machine<'a> {
    fn from(machine: &'a model::Machine) -> Self {
        Self {
            machine_id: text(&machine.machine_id),
            boot_id: text(&machine.boot_id),
            host: text(&machine.host),
        }
    }
}

impl From<Machine<'_>> for model::Machine {
    fn from(shape: Machine<'_>) -> Self {
        Self {
            machine_id: shape.machine_id.into(),
            boot_id: shape.boot_id.into(),
            host: shape.host.into(),
        }
    }
}
