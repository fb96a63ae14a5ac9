//! Fixture directories for rare conditions, and the `/proc` entries of this process for the rest.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, symlink};

use conns_core::model::{Known, Unknown};

use super::*;

struct All;
impl InodeFilter for All {
    fn contains(&self, _: u64) -> bool {
        true
    }

    fn count(&self) -> u64 {
        0
    }
}

struct Only(u64);
impl InodeFilter for Only {
    fn contains(&self, inode: u64) -> bool {
        inode == self.0
    }

    fn count(&self) -> u64 {
        0
    }
}

fn owner_table(
    source: &mut Procfs,
    sockets: &dyn InodeFilter,
) -> (std::sync::Arc<OwnerTable>, Vec<Loss>) {
    let observation = source.observe(sockets, Moment::default()).unwrap();
    (observation.owners.unwrap(), observation.losses)
}

#[test]
fn a_process_with_readable_descriptors_only_is_still_an_owner() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("12/fd")).unwrap();
    symlink("socket:[777]", root.path().join("12/fd/5")).unwrap();
    symlink("/dev/null", root.path().join("12/fd/0")).unwrap();
    fs::create_dir_all(root.path().join("13/fd")).unwrap();
    fs::create_dir_all(root.path().join("14")).unwrap(); // its descriptors vanished
    let (owner_table, losses) = owner_table(&mut Procfs::at(root.path()), &All);
    assert_eq!(
        owner_table.entries[..],
        [OwnerEntry { subject: Subject::Inode(777), process: 0, descriptor: Some(5) }][..]
    );
    assert_eq!(owner_table.processes.len(), 1);
    let process = &owner_table.processes[0];
    assert_eq!((process.pid, &*process.name), (12, "?"));
    assert_eq!(process.uid, Known::Unknown(Unknown::Vanished));
    assert_eq!(losses, []);
}

#[test]
fn a_missing_procfs_is_an_error_that_names_the_directory() {
    let error = Procfs::at("/nonexistent").observe(&All, Moment::default()).unwrap_err();
    assert!(error.to_string().contains("/nonexistent"), "{error}");
}

#[test]
fn this_process_owns_its_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let second = listener.try_clone().unwrap();
    let inode = fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap().ino();
    let (owner_table, _) = owner_table(&mut Procfs::at("/proc"), &Only(inode));
    let mut descriptors: Vec<_> = owner_table.entries.iter().filter_map(|h| h.descriptor).collect();
    descriptors.sort_unstable();
    let mut expected =
        [listener.as_raw_fd(), second.as_raw_fd()].map(|fd| u32::try_from(fd).unwrap());
    expected.sort_unstable();
    assert_eq!(descriptors, expected);
    assert_eq!(owner_table.processes.len(), 1);
    let process = &owner_table.processes[0];
    assert_eq!(process.pid, std::process::id());
    let executable = std::env::current_exe().unwrap();
    assert_eq!(process.executable.value().map(|e| &**e), executable.to_str());
    let first_argument = std::env::args().next().unwrap();
    assert!(process.command_line.value().unwrap().starts_with(&first_argument));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age_s = now.as_secs().cast_signed() - process.started_wall_us.get().unwrap() / 1_000_000;
    assert!((-2..3600).contains(&age_s), "started {age_s} s ago");
    drop(datagrams);
}

/// This process, as the kernel describes it.
fn own_task() -> Task {
    let stat = parse::stat(&fs::read("/proc/self/stat").unwrap()).unwrap();
    let ns_of_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    // Somewhere within the tick.
    let started_boot_ns = stat.started_ticks.unwrap() * ns_of_tick + ns_of_tick / 3;
    Task { pid: std::process::id(), name: "name".into(), started_boot_ns }
}

#[test]
fn tasks_are_read_in_order() {
    let missing = Task { pid: u32::MAX, ..own_task() };
    let read = Procfs::at("/proc").processes(&[own_task(), missing, own_task()]);
    let [first, second, third] = &read[..] else { panic!("{read:?}") };
    assert_eq!(first, third);
    let executable = std::env::current_exe().unwrap();
    assert_eq!(first.executable.value().map(|e| &**e), executable.to_str());
    assert!(first.uid.get().is_some() && first.started_wall_us.get().is_some());
    assert_eq!((second.pid, &*second.name), (u32::MAX, "name"));
    assert_eq!(second.executable, Known::Unknown(Unknown::Vanished));
    assert_eq!(Procfs::at("/proc").processes(&[]), []);
}

#[test]
fn a_reused_pid_does_not_return_the_other_process() {
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    let own = own_task();
    let started = |started_boot_ns| {
        let task = Task { started_boot_ns, ..own.clone() };
        Procfs::at("/proc").processes(&[task]).remove(0)
    };
    for same in [own.started_boot_ns - tick, own.started_boot_ns + tick] {
        assert!(started(same).command_line.value().is_some());
    }
    for other in [own.started_boot_ns - 3 * tick, own.started_boot_ns + 3 * tick, 0, u64::MAX] {
        let bare = started(other);
        assert_eq!((bare.pid, &*bare.name), (own.pid, "name"));
        assert_eq!(bare.command_line, Known::Unknown(Unknown::Vanished));
        assert_eq!(bare.uid, Known::Unknown(Unknown::Vanished));
    }
}

#[test]
fn without_procfs_only_pid_and_name_of_a_task_are_known() {
    let bare = Procfs::at("/nonexistent").processes(&[own_task()]).remove(0);
    assert_eq!(bare.user, Known::Unknown(Unknown::Vanished));
}
