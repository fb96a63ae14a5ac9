use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use super::*;

static NEVER: AtomicBool = AtomicBool::new(false);

fn replay() -> Arc<ReplayClock> {
    Arc::new(ReplayClock::at(Moment { monotonic_us: 0, wall_us: 1_000_000 }))
}

/// Starts a thread of this name.
fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).unwrap()
}

#[test]
fn a_replay_clock_stands_still_until_it_is_moved() {
    let clock = replay();
    assert_eq!(clock.now(), clock.now());
    clock.advance(Duration::from_millis(5));
    assert_eq!(clock.now(), Moment { monotonic_us: 5_000, wall_us: 1_005_000 });
    clock.move_to(Moment { monotonic_us: 7_000, wall_us: 9 });
    clock.move_to(Moment { monotonic_us: 6_000, wall_us: 10 });
    assert_eq!(clock.now(), Moment { monotonic_us: 7_000, wall_us: 9 });
}

#[test]
fn a_waiting_thread_goes_on_exactly_at_its_deadline() {
    let clock = replay();
    let (sender, receiver) = mpsc::channel();
    let (waiting, sent) = (Arc::clone(&clock), sender);
    let thread = spawn("waiter", move || {
        for deadline in [10, 20, 30] {
            assert!(waiting.wait_until(deadline, &NEVER));
            sent.send(waiting.now().monotonic_us).unwrap();
        }
        waiting.wait_until(u64::MAX, &AtomicBool::new(true));
    });
    assert_eq!(clock.settle("waiter"), 10);
    clock.run("waiter", Duration::from_micros(9));
    assert!(receiver.try_recv().is_err());
    clock.run("waiter", Duration::from_micros(11));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [10, 20]);
    clock.advance(Duration::from_micros(15));
    thread.join().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [35]);
}

#[test]
fn an_interrupt_ends_a_wait_before_its_deadline() {
    let system: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let replay = replay();
    for clock in [system, replay.clone()] {
        let interrupt = Arc::new(AtomicBool::new(false));
        let (waiting, seen) = (Arc::clone(&clock), Arc::clone(&interrupt));
        let thread = spawn("waiter", move || assert!(!waiting.wait_until(u64::MAX / 2, &seen)));
        interrupt.store(true, Ordering::Release);
        clock.wake();
        thread.join().unwrap();
    }
}

#[test]
fn the_system_clock_reaches_a_deadline() {
    let clock = SystemClock::start();
    let deadline = after(clock.now(), Duration::from_millis(2));
    assert!(clock.wait_until(deadline, &NEVER));
    assert!(clock.now().monotonic_us >= deadline);
    assert!(clock.now().wall_us > 0);
}

#[test]
fn a_wait_of_the_owner_moves_the_clock_and_scheduled_actions_run_at_their_time() {
    let clock = replay();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let interrupt = Arc::new(AtomicBool::new(false));
    for at in [30, 10, 50] {
        let (inner, seen, interrupt) = (Arc::clone(&clock), seen.clone(), interrupt.clone());
        clock.schedule(Duration::from_micros(at), move || {
            seen.lock().unwrap().push(inner.now().monotonic_us);
            interrupt.store(at == 30, Ordering::Release);
        });
    }
    assert!(!clock.wait_until(40, &interrupt));
    assert_eq!(clock.now().monotonic_us, 30);
    assert!(clock.wait_until(40, &NEVER));
    assert_eq!(*seen.lock().unwrap(), [10, 30]);
    clock.sleep(Duration::from_micros(20));
    assert_eq!((clock.now().monotonic_us, seen.lock().unwrap().len()), (60, 3));
}
