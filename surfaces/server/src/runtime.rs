//! The serving threads: few, and of lower priority than the sampler.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::blocking::BLOCKING_THREADS;

/// Niceness of a serving thread relative to the sampler (nice(2)): at 5 the scheduler gives it a
/// third of the sampler's share of a contended core.
#[cfg(target_os = "linux")]
const NICER: i32 = 5;
/// Responses need little stack.
const STACK_BYTES: usize = 1 << 20;

/// Threads live as long as the runtime.
const KEEP_ALIVE: Duration = Duration::from_secs(u32::MAX as u64);
/// Longest wait for all threads to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A runtime with this number of workers (at least one) of lower priority than the calling thread; on
/// Linux, priority belongs to a thread (setpriority(2)). Each thread first runs `also`. All threads,
/// those of blocking work too, have started when this returns, and no later one is started.
///
/// # Errors
/// If the system gives not all threads, or no epoll.
pub fn runtime(workers: usize, also: impl Fn() + Send + Sync + 'static) -> io::Result<Runtime> {
    let workers = workers.max(1);
    let started = Arc::new(Started::default());
    let counted = Arc::clone(&started);
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(KEEP_ALIVE)
        .thread_stack_size(STACK_BYTES)
        .thread_name("conns-serve")
        .on_thread_start(move || {
            be_nice();
            also();
            counted.add();
        })
        .enable_all()
        .build()?;
    let all = workers + BLOCKING_THREADS;
    for _ in 0..BLOCKING_THREADS {
        let started = Arc::clone(&started);
        // Each waits for the others, so that none runs two of these.
        runtime.spawn_blocking(move || started.wait(all));
    }
    match started.wait(all) {
        found if found >= all => Ok(runtime),
        found => {
            runtime.shutdown_background();
            let message = format!("the system started {found} of {all} serving threads");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        }
    }
}

/// Counts threads that have started.
#[derive(Default)]
struct Started {
    count: Mutex<usize>,
    added: Condvar,
}

impl Started {
    fn add(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.added.notify_all();
    }

    /// Waits until `all` have started, and returns how many have after at most [`START_TIMEOUT`].
    fn wait(&self, all: usize) -> usize {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.added.wait_timeout_while(count, START_TIMEOUT, |count| *count < all);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn be_nice() {
    #[cfg(target_os = "linux")]
    {
        let now = rustix::process::getpriority_process(None).unwrap_or(0);
        // Refused only by a sandbox; the lateness in /health shows the effect.
        let _ = rustix::process::setpriority_process(None, now.saturating_add(NICER));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn all_threads_have_started_and_no_later_one_is_started() {
        let started = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&started);
        let runtime = runtime(2, move || *counted.lock().unwrap() += 1).unwrap();
        let count = || *started.lock().unwrap();
        assert_eq!(count(), 2 + BLOCKING_THREADS);
        runtime.block_on(async {
            let tasks = (0..4 * BLOCKING_THREADS).map(|_| tokio::task::spawn_blocking(|| ()));
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        assert_eq!(count(), 2 + BLOCKING_THREADS);
    }

    #[test]
    fn serving_threads_have_lower_priority_than_their_creator() {
        let mine = rustix::process::getpriority_process(None).unwrap();
        let runtime = runtime(1, || {}).unwrap();
        let of_worker = runtime.block_on(async {
            let worker = tokio::spawn(async { rustix::process::getpriority_process(None) });
            worker.await.unwrap().unwrap()
        });
        let of_blocking = runtime.block_on(async {
            let ask = || rustix::process::getpriority_process(None);
            tokio::task::spawn_blocking(ask).await.unwrap().unwrap()
        });
        let expected = (mine + NICER).min(19);
        assert_eq!((of_worker, of_blocking), (expected, expected));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), mine);
    }
}
