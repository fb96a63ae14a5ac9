//! Asks the Monero nodes of this machine for what they know of peers whose handshake was before the agent.
//!
//! A thread of its own asks, with the confinement that the caller gives it: the answer is the input of another
//! program, and no thread that reads `/proc` reads it. The sampler hands it questions and takes answers, and waits for
//! neither.

mod answer;
mod exchange;
mod question;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use conns_core::model::{ConnectionId, Moment, Observation, Snapshot, Source};
use foldhash::fast::RandomState;

use answer::Peer;
use question::{Question, is_asked_for, questions};

/// Shortest time between two searches for what to ask.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two questions to one process.
const QUESTION_INTERVAL: Duration = Duration::from_secs(10);

/// The thread that asks, and what it was asked for.
pub(crate) struct Daemons {
    questions: SyncSender<Question>,
    answers: Receiver<Answer>,
    /// The connections that were asked for. None is asked for twice, whatever the answer.
    asked: HashSet<ConnectionId, RandomState>,
    /// When each process was asked last.
    asked_at: HashMap<u32, Moment, RandomState>,
    searched_at: Option<Moment>,
    is_waiting: bool,
    /// The network namespace of this process, whose loopback interface it reaches; `None` if the system has
    /// none.
    netns: Option<u64>,
}

/// What a process answered; no peers if it did not.
struct Answer {
    question: Question,
    peers: Vec<Peer>,
}

impl Daemons {
    /// Starts the thread, which calls `confine` before anything else.
    ///
    /// # Errors
    /// That of `confine`, or of the system if it gives no thread.
    pub(crate) fn start(
        confine: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> io::Result<Self> {
        // One question at a time: a process that does not answer delays the next, and no sample.
        let (questions, queue) = mpsc::sync_channel(1);
        let (answered, answers) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        thread::Builder::new().name("conns-ask".to_owned()).spawn(move || {
            let confined = confine();
            let is_confined = confined.is_ok();
            if ready.send(confined).is_ok() && is_confined {
                answer_all(&queue, &answered);
            }
        })?;
        is_ready.recv().map_err(io::Error::other)?.map_err(io::Error::other)?;
        Ok(Self {
            questions,
            answers,
            asked: HashSet::default(),
            asked_at: HashMap::default(),
            searched_at: None,
            is_waiting: false,
            netns: own_netns(),
        })
    }

    /// The answers since the last call.
    pub(crate) fn answers(&mut self, now: Moment) -> Option<Observation> {
        let answer = self.answers.try_recv().ok()?;
        self.is_waiting = false;
        let layers = answer.question.reported(&answer.peers);
        let applications = layers.map(|(id, peer)| (id, Arc::new(peer.application(now)))).collect();
        Some(Observation { applications, ..Observation::new(Source::Reported, now) })
    }

    /// Asks the next process that has connections to ask for.
    pub(crate) fn search(&mut self, snapshot: &Snapshot) {
        let now = snapshot.at;
        let is_early = self.searched_at.is_some_and(|then| now.since(then) < SEARCH_INTERVAL);
        if self.is_waiting || is_early {
            return;
        }
        self.searched_at = Some(now);
        let Self { asked, asked_at, netns, .. } = self;
        asked_at.retain(|_, then| now.since(*then) < QUESTION_INTERVAL);
        let open = snapshot.connections.iter().filter(|connection| is_asked_for(connection));
        let is_new = |id: ConnectionId| !asked.contains(&id);
        let question = questions(snapshot, open, *netns, is_new)
            .into_iter()
            .find(|question| !asked_at.contains_key(&question.pid));
        let Some(question) = question else {
            // Those that closed, or are known now, are no longer asked for.
            let present = snapshot.connections.iter().filter(|connection| is_asked_for(connection));
            let present: HashSet<_, RandomState> = present.map(|c| c.id()).collect();
            asked.retain(|id| present.contains(id));
            return;
        };
        asked.extend(question.connections.iter().map(|(id, _)| *id));
        asked_at.insert(question.pid, now);
        // It fails only once the thread has ended, which a panic of it reports.
        self.is_waiting = self.questions.try_send(question).is_ok();
    }
}

/// Answers questions until the sampler ends.
fn answer_all(questions: &Receiver<Question>, answers: &Sender<Answer>) {
    for question in questions {
        let peers = question.ports.iter().find_map(|port| exchange::ask(*port)).unwrap_or_default();
        if answers.send(Answer { question, peers }).is_err() {
            return;
        }
    }
}

#[cfg(target_os = "linux")]
fn own_netns() -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/net").ok().map(|namespace| namespace.ino())
}

#[cfg(not(target_os = "linux"))]
fn own_netns() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests;
