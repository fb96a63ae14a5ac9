//! The serving threads: few, and of lower priority than the sampler.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::blocking::BLOCKING_THREADS;

/// Niceness of a serving thread relative to the sampler (nice(2)): at 5 the scheduler gives it a
/// third of the sampler's share of a contended core.
const NICER: i32 = 5;
/// Responses need little stack.
const STACK_BYTES: usize = 1 << 20;

/// A runtime with this number of workers (at least one) of lower priority than the calling thread; on
/// Linux, priority belongs to a thread (setpriority(2)). Each thread first runs `also`.
///
/// # Errors
/// If the system gives no threads or no epoll.
pub fn runtime(workers: usize, also: impl Fn() + Send + Sync + 'static) -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers.max(1))
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(STACK_BYTES)
        .thread_name("conns-serve")
        .on_thread_start(move || {
            be_nice();
            also();
        })
        .enable_all()
        .build()
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
