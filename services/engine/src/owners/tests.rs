use conns_contract::{InodeFilter, SocketSource, Task};
use conns_core::model::{Known, Process, SocketSample, State};

use super::*;
use crate::fixture::{self, DescriptorTable, Shared, Table, owner, socket, task, unowned};
use crate::sources::ProcessSource;

/// Returns processes of these names, and records their pids.
impl ProcessSource for Shared<Vec<u32>> {
    fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>> {
        self.lock().extend(tasks.iter().map(|task| task.pid));
        tasks.iter().map(|task| fixture::process(task.pid, &task.name)).collect()
    }
}

struct CountedOwners(Shared<u64>);

impl conns_contract::OwnerSource for CountedOwners {
    fn observe(&mut self, _: &dyn InodeFilter, at: Moment) -> Result<Observation, SourceError> {
        *self.0.lock() += 1;
        let observation = Observation::new(Source::Procfs, at).with_owners(Arc::default());
        Ok(Observation { unlisted: vec![(10, 3)], ..observation })
    }
}

struct Fixture {
    owners: CachedOwners,
    sources: Sources,
    table: Shared<Table>,
    descriptors: Shared<DescriptorTable>,
    read: Shared<Vec<u32>>,
    procfs: Shared<u64>,
}

impl Fixture {
    /// The process 10 owns the socket 1, and the source has a change counter.
    fn new() -> Self {
        let table = Shared::<Table>::default();
        let descriptors = Shared::<DescriptorTable>::default();
        let (read, procfs) = (Shared::default(), Shared::default());
        let mut sources = Sources::of(Box::new(table.clone()));
        sources.descriptors = Some(Box::new(descriptors.clone()));
        sources.processes = Some(Box::new(read.clone()));
        sources.owners = Some(Box::new(CountedOwners(procfs.clone())));
        table.set(|table| table.rows = vec![socket(1)]);
        descriptors.set(|table| {
            table.changes = Some(1);
            table.content.tasks = vec![task(10, "server")];
            table.content.entries = vec![owner(0, 1, 3)].into();
        });
        Self { owners: CachedOwners::default(), sources, table, descriptors, read, procfs }
    }

    fn show(&self, rows: Vec<SocketSample>) {
        self.table.set(|table| table.rows = rows);
    }

    /// The owners at this second.
    fn read(&mut self, second: u64) -> Arc<OwnerTable> {
        let now = conns_fixtures::at(second);
        let scope = conns_contract::Scope::everything();
        let seen = self.table.observe(&scope, now).unwrap();
        let owners = self.owners.read(&mut self.sources, &[seen], now).unwrap();
        owners.owners.unwrap()
    }

    fn scans(&self) -> u64 {
        self.descriptors.lock().scans
    }
}

#[test]
fn owners_are_scanned_when_the_change_counter_moves_and_an_unchanged_table_is_shared() {
    let mut fixture = Fixture::new();
    let first = fixture.read(0);
    assert_eq!((first.entries[0].subject, &*first.processes[0].name), {
        (Subject::Socket(socket(1).id), "server")
    });
    for _ in 1..50 {
        assert!(Arc::ptr_eq(&first, &fixture.read(1)));
    }
    assert_eq!(fixture.scans(), 1);
    fixture.descriptors.set(|table| table.changes = Some(2));
    // The counter moved, but the table is the same: it is not joined again.
    assert!(Arc::ptr_eq(&first, &fixture.read(2)));
    assert_eq!(fixture.scans(), 2);
    fixture.descriptors.set(|table| {
        table.changes = Some(3);
        table.content.entries.push(owner(0, 1, 9));
    });
    assert_eq!(fixture.read(3).entries.len(), 2);
    assert_eq!((fixture.scans(), fixture.owners.reconciliation_differences()), (3, 0));
}

#[test]
fn a_scan_that_the_counter_caused_is_repeated_once_with_the_next_sample() {
    let mut fixture = Fixture::new();
    fixture.read(0);
    // A server forks: the child has the descriptor already, and the server closes its own after the scan.
    fixture.descriptors.set(|table| {
        table.changes = Some(2);
        table.content.tasks.push(task(11, "server"));
        table.content.entries.push(owner(1, 1, 3));
    });
    assert_eq!(fixture.read(1).entries.len(), 2);
    fixture.descriptors.set(|table| table.content.entries = vec![owner(1, 1, 3)].into());
    assert_eq!(fixture.read(1).entries.len(), 1);
    fixture.read(2);
    assert_eq!(fixture.scans(), 3);
}

#[test]
fn a_scan_is_valid_for_a_thousand_times_its_cost_between_two_seconds_and_a_minute() {
    let of = |ms| reconcile_interval(Duration::from_millis(ms));
    assert_eq!([of(0), of(2), of(3), of(60), of(5000)], [2, 2, 3, 60, 60].map(Duration::from_secs));
}

#[test]
fn an_unknown_socket_causes_one_scan_unless_it_can_have_no_owner() {
    let mut fixture = Fixture::new();
    fixture.read(0);
    // In the accept queue: without an owner yet.
    fixture.show(vec![socket(1), unowned(2, State::Established), unowned(3, State::TimeWait)]);
    fixture.read(1);
    assert_eq!(fixture.scans(), 1);
    let mut of_kernel = socket(5);
    of_kernel.held_by_kernel = true;
    fixture.show(vec![socket(1), of_kernel.clone()]);
    fixture.read(1);
    assert_eq!(fixture.scans(), 1);
    // Accepted; and one of the kernel, which never has an owner.
    fixture.show(vec![socket(1), socket(2), socket(4), of_kernel]);
    for _ in 3..9 {
        fixture.read(1);
    }
    assert_eq!(fixture.scans(), 2);
}

#[test]
fn unlisted_descriptors_are_followed_once_for_each_scan() {
    let mut fixture = Fixture::new();
    fixture.sources.descriptors = None;
    let mut unlisted = |second| {
        let now = conns_fixtures::at(second);
        let seen = fixture.table.observe(&conns_contract::Scope::everything(), now).unwrap();
        let read = fixture.owners.read(&mut fixture.sources, &[seen], now).unwrap();
        fixture.owners.forget_unlisted();
        read.unlisted.len()
    };
    assert_eq!(
        (0..31).map(&mut unlisted).collect::<Vec<_>>(),
        [vec![1], vec![0; 29], vec![1]].concat()
    );
}

#[test]
fn the_reconciliation_finds_and_counts_changes_that_the_counter_does_not_see() {
    let mut fixture = Fixture::new();
    fixture.read(0);
    fixture.descriptors.set(|table| {
        table.content.tasks.push(task(11, "worker"));
        table.content.entries = vec![owner(0, 1, 5), owner(1, 1, 3)].into();
    });
    assert_eq!(fixture.read(1).entries.len(), 1);
    assert_eq!(fixture.read(2).entries.len(), 2);
    // One was cached that does not exist, two exist that were not cached.
    assert_eq!((fixture.scans(), fixture.owners.reconciliation_differences()), (2, 3));
    fixture.read(3);
    fixture.read(4);
    assert_eq!((fixture.scans(), fixture.owners.reconciliation_differences()), (3, 3));
}

#[test]
fn a_change_that_the_counter_shows_is_no_difference_at_any_time() {
    let mut fixture = Fixture::new();
    fixture.read(0);
    fixture.descriptors.set(|table| {
        table.changes = Some(2);
        table.content.entries = Vec::new().into();
    });
    assert_eq!(fixture.read(500).entries[..], []);
    assert_eq!(fixture.owners.reconciliation_differences(), 0);
}

#[test]
fn without_a_change_counter_owners_are_scanned_for_new_sockets_and_at_an_interval() {
    let mut fixture = Fixture::new();
    fixture.descriptors.set(|table| table.changes = None);
    for second in 0..30 {
        fixture.read(second);
    }
    assert_eq!(fixture.scans(), 1);
    fixture.show(vec![socket(1), socket(2)]);
    fixture.read(29);
    assert_eq!(fixture.scans(), 2);
    fixture.descriptors.set(|table| table.content.entries = Vec::new().into());
    assert_eq!(fixture.read(59).entries[..], []);
    assert_eq!((fixture.scans(), fixture.owners.reconciliation_differences()), (3, 0));
}

#[test]
fn a_process_is_read_while_it_is_new_when_it_is_renamed_and_each_minute() {
    let mut fixture = Fixture::new();
    let mut change = 1;
    let mut read_at = |fixture: &mut Fixture, second: u64| {
        change += 1;
        fixture.descriptors.set(|table| table.changes = Some(change));
        let owner_table = fixture.read(second);
        (owner_table, std::mem::take(&mut *fixture.read.lock()))
    };
    let (first, read) = read_at(&mut fixture, 0);
    assert_eq!(read, [10]);
    let (again, read) = read_at(&mut fixture, 4);
    assert_eq!(read, [10]);
    assert!(Arc::ptr_eq(&first.processes[0], &again.processes[0]));
    assert_eq!(read_at(&mut fixture, 6).1, [0_u32; 0]);
    fixture
        .descriptors
        .set(|table| table.content.tasks = vec![task(10, "renamed"), task(12, "new")]);
    let (renamed, read) = read_at(&mut fixture, 7);
    assert_eq!((&*renamed.processes[0].name, read), ("renamed", vec![10, 12]));
    assert_eq!(read_at(&mut fixture, 13).1, [0_u32; 0]);
    assert_eq!(read_at(&mut fixture, 100).1, [10, 12]);
    // The same pid, another process.
    fixture.descriptors.set(|table| {
        table.content.tasks = vec![Task { started_boot_ns: 7, ..task(10, "renamed") }];
    });
    assert_eq!(read_at(&mut fixture, 101).1, [10]);
}

#[test]
fn descriptors_that_fail_are_replaced_for_good_and_a_loss_reports_it() {
    let mut fixture = Fixture::new();
    fixture.read(0);
    fixture.descriptors.set(|table| (table.fails, table.changes) = (true, Some(2)));
    for second in 1..5 {
        assert_eq!(fixture.read(second).entries[..], []);
    }
    assert_eq!((fixture.scans(), *fixture.procfs.lock()), (2, 1));
    let [loss] = &fixture.sources.losses[..] else { panic!("{:?}", fixture.sources.losses) };
    assert!(loss.to_string().contains("/proc from now on"), "{loss}");
    assert!(matches!(socket(1).inode, Known::Value(..)));
}

#[test]
fn a_scan_of_very_many_descriptors_runs_beside_the_samples() {
    let mut fixture = Fixture::new();
    fixture.descriptors.set(|table| {
        table.content.entries.omit(Subject::Inode(9), u32::try_from(MANY_DESCRIPTORS).unwrap());
    });
    fixture.read(1);
    assert_eq!(fixture.scans(), 1);
    let two = vec![owner(0, 1, 3), owner(0, 1, 9)];
    fixture.descriptors.set(|table| {
        table.changes = Some(2);
        table.content.entries = two.into();
    });
    // The sample that starts the scan has the owners of the last one, as have those during it.
    assert_eq!(fixture.read(2).entries.len(), 1);
    assert!(fixture.sources.descriptors.is_none());
    let mut samples = 0;
    while fixture.read(3).entries.len() == 1 {
        samples += 1;
        assert!(samples < 10_000_000, "the scan does not end");
        std::thread::yield_now();
    }
    assert_eq!(fixture.scans(), 2);
    assert!(fixture.sources.descriptors.is_some());
    // There are few again: the next change is scanned at once.
    fixture.descriptors.set(|table| {
        table.changes = Some(3);
        table.content.entries = vec![owner(0, 1, 3)].into();
    });
    assert_eq!(fixture.read(4).entries.len(), 1);
    assert_eq!(fixture.scans(), 3);
}
