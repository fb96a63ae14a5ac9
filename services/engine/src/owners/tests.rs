use conns_contract::{InodeFilter, SocketSource, Task};
use conns_core::model::{Known, Process, SocketSample, State};

use super::*;
use crate::ProcessSource;
use crate::fakes::{self, Held, Shared, Table, hold, socket, task, unheld};

/// Answers with what it is asked, and notes who that was.
impl ProcessSource for Shared<Vec<u32>> {
    fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>> {
        self.lock().extend(tasks.iter().map(|task| task.pid));
        tasks.iter().map(|task| fakes::process(task.pid, &task.name)).collect()
    }
}

struct Walks(Shared<u64>);

impl conns_contract::OwnerSource for Walks {
    fn observe(&mut self, _: &dyn InodeFilter, at: Moment) -> Result<Observation, SourceError> {
        *self.0.lock() += 1;
        Ok(Observation::new(Source::Procfs, at).with_owners(Arc::default()))
    }
}

struct Stage {
    owners: Owners,
    sources: Sources,
    table: Shared<Table>,
    held: Shared<Held>,
    read: Shared<Vec<u32>>,
    procfs: Shared<u64>,
}

impl Stage {
    /// The process 10 holds the socket 1, and changes are told.
    fn new() -> Self {
        let (table, held) = (Shared::<Table>::default(), Shared::<Held>::default());
        let (read, procfs) = (Shared::default(), Shared::default());
        let mut sources = Sources::of(Box::new(table.clone()));
        sources.descriptors = Some(Box::new(held.clone()));
        sources.processes = Some(Box::new(read.clone()));
        sources.owners = Some(Box::new(Walks(procfs.clone())));
        table.set(|table| table.rows = vec![socket(1)]);
        held.set(|held| {
            held.changes = Some(1);
            held.told.tasks = vec![task(10, "server")];
            held.told.entries = vec![hold(0, 1, 3)];
        });
        Self { owners: Owners::default(), sources, table, held, read, procfs }
    }

    fn show(&self, rows: Vec<SocketSample>) {
        self.table.set(|table| table.rows = rows);
    }

    /// What a look at this second says.
    fn look(&mut self, second: u64) -> Arc<OwnerTable> {
        let now = Moment { monotonic_us: second * 1_000_000, wall_us: 0 };
        let scope = conns_contract::Scope::everything();
        let seen = self.table.observe(&scope, now).unwrap();
        let said = self.owners.look_again(&mut self.sources, &[seen], now).unwrap();
        said.owners.unwrap()
    }

    fn walks(&self) -> u64 {
        self.held.lock().walks
    }
}

#[test]
fn nothing_is_walked_until_a_change_is_told_and_the_answer_stays_the_very_same() {
    let mut stage = Stage::new();
    let first = stage.look(0);
    assert_eq!((first.entries[0].subject, &*first.processes[0].name), {
        (Subject::Socket(socket(1).id), "server")
    });
    for second in 1..50 {
        assert!(Arc::ptr_eq(&first, &stage.look(second)));
    }
    assert_eq!(stage.walks(), 1);
    stage.held.set(|held| held.changes = Some(2));
    // Told, but nothing is other than before: nobody need join it anew.
    assert!(Arc::ptr_eq(&first, &stage.look(50)));
    assert_eq!(stage.walks(), 2);
    stage.held.set(|held| {
        held.changes = Some(3);
        held.told.entries.push(hold(0, 1, 9));
    });
    assert_eq!(stage.look(51).entries.len(), 2);
    assert_eq!((stage.walks(), stage.owners.reconciliation_differences()), (3, 0));
}

#[test]
fn a_socket_nobody_was_asked_about_is_asked_about_once_and_one_no_descriptor_can_hold_never() {
    let mut stage = Stage::new();
    stage.look(0);
    // In the accept queue: not held by anybody yet.
    stage.show(vec![socket(1), unheld(2, State::Established), unheld(3, State::TimeWait)]);
    stage.look(1);
    assert_eq!(stage.walks(), 1);
    // Accepted; and one of the kernel's own, which nobody ever holds.
    stage.show(vec![socket(1), socket(2), socket(4)]);
    for second in 2..9 {
        stage.look(second);
    }
    assert_eq!(stage.walks(), 2);
}

#[test]
fn what_was_not_told_is_found_by_the_reconciliation_and_counted() {
    let mut stage = Stage::new();
    stage.look(0);
    stage.held.set(|held| {
        held.told.tasks.push(task(11, "worker"));
        held.told.entries = vec![hold(0, 1, 5), hold(1, 1, 3)];
    });
    assert_eq!(stage.look(59).entries.len(), 1);
    assert_eq!(stage.look(60).entries.len(), 2);
    // One was believed that is not there, two are there that were not.
    assert_eq!((stage.walks(), stage.owners.reconciliation_differences()), (2, 3));
    stage.look(119);
    stage.look(120);
    assert_eq!((stage.walks(), stage.owners.reconciliation_differences()), (3, 3));
}

#[test]
fn what_was_told_is_no_correction_however_late_it_is_looked_for() {
    let mut stage = Stage::new();
    stage.look(0);
    stage.held.set(|held| {
        held.changes = Some(2);
        held.told.entries = Vec::new();
    });
    assert_eq!(stage.look(500).entries, []);
    assert_eq!(stage.owners.reconciliation_differences(), 0);
}

#[test]
fn without_word_of_changes_it_is_walked_for_new_sockets_and_once_in_a_while() {
    let mut stage = Stage::new();
    stage.held.set(|held| held.changes = None);
    for second in 0..30 {
        stage.look(second);
    }
    assert_eq!(stage.walks(), 1);
    stage.show(vec![socket(1), socket(2)]);
    stage.look(29);
    assert_eq!(stage.walks(), 2);
    stage.held.set(|held| held.told.entries = Vec::new());
    assert_eq!(stage.look(59).entries, []);
    assert_eq!((stage.walks(), stage.owners.reconciliation_differences()), (3, 0));
}

#[test]
fn a_process_is_read_while_it_is_new_when_it_is_renamed_and_with_the_reconciliation() {
    let mut stage = Stage::new();
    let mut change = 1;
    let mut look = |stage: &mut Stage, second: u64| {
        change += 1;
        stage.held.set(|held| held.changes = Some(change));
        let owner_table = stage.look(second);
        (owner_table, std::mem::take(&mut *stage.read.lock()))
    };
    let (first, read) = look(&mut stage, 0);
    assert_eq!(read, [10]);
    let (again, read) = look(&mut stage, 4);
    assert_eq!(read, [10]);
    assert!(Arc::ptr_eq(&first.processes[0], &again.processes[0]));
    assert_eq!(look(&mut stage, 6).1, []);
    stage.held.set(|held| held.told.tasks = vec![task(10, "renamed"), task(12, "new")]);
    let (renamed, read) = look(&mut stage, 7);
    assert_eq!((&*renamed.processes[0].name, read), ("renamed", vec![10, 12]));
    assert_eq!(look(&mut stage, 13).1, []);
    assert_eq!(look(&mut stage, 100).1, [10, 12]);
    // The same pid, another process.
    stage.held.set(|held| {
        held.told.tasks = vec![Task { started_boot_ns: 7, ..task(10, "renamed") }];
    });
    assert_eq!(look(&mut stage, 101).1, [10]);
}

#[test]
fn descriptors_that_fail_are_done_without_for_good_and_that_is_said() {
    let mut stage = Stage::new();
    stage.look(0);
    stage.held.set(|held| (held.fails, held.changes) = (true, Some(2)));
    for second in 1..5 {
        assert_eq!(stage.look(second).entries, []);
    }
    assert_eq!((stage.walks(), *stage.procfs.lock()), (2, 1));
    let [loss] = &stage.sources.losses[..] else { panic!("{:?}", stage.sources.losses) };
    assert!(loss.to_string().contains("/proc from now on"), "{loss}");
    assert!(matches!(socket(1).inode, Known::Value(..)));
}
