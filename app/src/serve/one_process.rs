//! The agent as one process: threads without privileges serve clients.

use std::sync::Arc;

use conns_api::UpdateReceiver;
use conns_dialects::jetstream::Backend;
use conns_engine::Sampler;
use conns_privileges::{Confinement, ServedBy, shrink};
use conns_server::{About, AccessConfig, Plan, Refusals, runtime};
use tokio::runtime::Runtime;

use super::dialects::Served;
use super::system::{Signal, Signals};
use super::{
    Prepared, SERVING_THREADS, Settings, no_answer, privileges_report, report_kept,
    report_listeners, sampler_ended,
};
use crate::failure::{Failure, log};

/// Runs the agent until a signal stops it.
pub(super) fn run(prepared: Prepared<'_>) -> Result<(), Failure> {
    let Prepared {
        settings,
        access,
        keep,
        listeners,
        mut link,
        mut sampler,
        mut history,
        asks_daemons,
        ..
    } = prepared;
    let reader = history.reader();
    // No byte of a client is read before this line; no privilege can be regained after it.
    let privileges = shrink(&keep).map_err(no_answer)?;
    report_kept(&privileges);
    let confinement = Confinement::prepare(&keep).map_err(no_answer)?;
    super::start(&mut sampler, asks_daemons)?;
    history.start(&sampler)?;
    let mut backend = Backend::None;
    if let Some(link) = &mut link {
        link.watch()?;
        backend = link.backend()?;
    }
    let runtime = confined_runtime(&confinement)?;
    let served = Served::new(&settings.config, backend).map_err(no_answer)?;
    let access = Arc::new(AccessConfig::new(access));
    report_listeners(&listeners, &settings.config);
    let clock = sampler.clock();
    let served_by = ServedBy::Threads(confinement);
    let plan = Plan {
        listeners,
        access: Arc::clone(&access),
        dialects: served.dialects(),
        about: About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            metrics_top: settings.config.metrics_top,
            sql: settings.config.history.sql,
            history: reader,
            privileges: Arc::new(move || privileges_report(&privileges, &served_by)),
            now: Arc::new(move || clock.now()),
            refusals: Arc::new(Refusals::default()),
        },
    };
    let (updates, events) = (sampler.updates(), sampler.events());
    let mut running = Running { settings, sampler, access, served };
    // Only this thread may still read files, and it handles the signals.
    let why = runtime.block_on(async {
        let signals = Signals::open().map_err(no_answer)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(conns_server::serve(plan, (updates.clone(), events), async {
            // Dropping the sender stops the server too.
            let _ = stopped.await;
        }));
        log("ready");
        let why = running.until_stopped(signals, updates).await;
        drop(stop);
        serving.await.map_err(no_answer)?.map_err(no_answer)?;
        why
    });
    drop(history);
    if let Some(link) = link {
        link.stop();
    }
    why
}

/// The runtime that serves. The process ends if one of its threads cannot be confined: such a thread
/// would read what clients send with the privileges of the whole process.
fn confined_runtime(confinement: &Confinement) -> Result<Runtime, Failure> {
    let confined = confinement.clone();
    let confine = move || {
        if let Err(error) = confined.confine_thread() {
            log(format_args!("{error}. No thread serves without confinement: the agent ends"));
            std::process::exit(1);
        }
    };
    runtime(SERVING_THREADS, confine).map_err(no_answer)
}

/// The parts of the running agent that a signal affects.
struct Running<'a> {
    settings: Settings<'a>,
    sampler: Sampler,
    access: Arc<AccessConfig>,
    served: Served,
}

impl Running<'_> {
    /// Runs until SIGTERM or SIGINT; fails if the sampler thread ended.
    async fn until_stopped(
        &mut self,
        mut signals: Signals,
        mut updates: UpdateReceiver,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => self.reload(),
                },
                update = updates.changed() => if update.is_err() {
                    return Err(sampler_ended());
                },
            }
        }
    }

    fn reload(&mut self) {
        let Some(reloaded) = self.settings.reload() else { return };
        self.access.replace(reloaded.access);
        self.sampler.set_interval(self.settings.config.interval);
        self.served.change(&reloaded.before, &self.settings.config);
        log("configuration reloaded");
    }
}
