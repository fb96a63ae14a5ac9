//! Several flows over one bottleneck in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::flow::{Control, Flow, Next, PACKET};
use crate::lane::{Lane, Shape};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Start(usize),
    Arrives(usize, u64),
    Acknowledged(usize, Vec<u64>),
    Send(usize),
    Timeout(usize),
    Sample,
}

/// State every 10 ms.
#[derive(Debug, Clone)]
pub struct Sample {
    pub now_ms: f64,
    pub queue_ms: f64,
    /// Of each flow: bytes sent, and bytes of data acknowledged.
    pub bytes: Vec<(u64, u64)>,
}

const SAMPLE_NS: u64 = 10_000_000;

pub struct Simulation {
    pub lane: Lane,
    pub flows: Vec<Flow>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    ordinal: u64,
    /// Pacer wake-ups that are due.
    wakes: Vec<Option<u64>>,
    pub samples: Vec<Sample>,
}

impl Simulation {
    /// Flows and when they start, in milliseconds.
    pub fn new(shape: Shape, flows: Vec<(Control, u64)>) -> Self {
        let mut simulation = Self {
            lane: Lane::new(shape),
            wakes: vec![None; flows.len()],
            flows: Vec::new(),
            events: BinaryHeap::new(),
            ordinal: 0,
            samples: Vec::new(),
        };
        for (index, (control, start_ms)) in flows.into_iter().enumerate() {
            let start_ns = start_ms * 1_000_000;
            simulation.flows.push(Flow::new(control, start_ns));
            simulation.at(start_ns, Event::Start(index));
        }
        simulation.at(0, Event::Sample);
        simulation
    }

    fn at(&mut self, time_ns: u64, event: Event) {
        self.ordinal += 1;
        self.events.push(Reverse((time_ns, self.ordinal, event)));
    }

    /// Runs until `end_ms`.
    pub fn run(&mut self, end_ms: u64) -> &mut Self {
        while let Some(Reverse((now, _, _))) = self.events.peek()
            && *now <= end_ms * 1_000_000
            && let Some(Reverse((now, _, event))) = self.events.pop()
        {
            match event {
                Event::Start(index) => {
                    self.send(index, now);
                    let due = self.flows[index].timeout_at();
                    self.at(due, Event::Timeout(index));
                }
                Event::Arrives(index, number) => {
                    let received = &mut self.flows[index].received;
                    received.push(number);
                    if let Some(arrives) = self.lane.answer(now) {
                        let numbers = std::mem::take(&mut self.flows[index].received);
                        self.at(arrives, Event::Acknowledged(index, numbers));
                    }
                }
                Event::Acknowledged(index, numbers) => {
                    self.flows[index].acknowledge(now, &numbers);
                    self.send(index, now);
                }
                Event::Send(index) => {
                    self.wakes[index] = None;
                    self.send(index, now);
                }
                Event::Timeout(index) => {
                    if self.flows[index].timeout_at() <= now {
                        self.flows[index].probe();
                        self.send(index, now);
                    }
                    let due = self.flows[index].timeout_at().max(now + SAMPLE_NS);
                    self.at(due, Event::Timeout(index));
                }
                Event::Sample => {
                    let bytes = self.flows.iter().map(|flow| (flow.sent_bytes, flow.data_bytes));
                    self.samples.push(Sample {
                        now_ms: now as f64 / 1e6,
                        queue_ms: self.lane.queue_ms(now),
                        bytes: bytes.collect(),
                    });
                    self.at(now + SAMPLE_NS, Event::Sample);
                }
            }
        }
        self
    }

    fn send(&mut self, index: usize, now: u64) {
        loop {
            match self.flows[index].next(now) {
                Next::Send(number) => {
                    if let Some(arrives) = self.lane.offer(now, PACKET) {
                        self.at(arrives, Event::Arrives(index, number));
                    }
                }
                Next::At(wake) => {
                    if self.wakes[index].is_none_or(|due| due > wake) {
                        self.wakes[index] = Some(wake);
                        self.at(wake, Event::Send(index));
                    }
                    return;
                }
                Next::Blocked => return,
            }
        }
    }

    fn between(&self, from_ms: f64, to_ms: f64) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| (from_ms..=to_ms).contains(&sample.now_ms)).collect()
    }

    /// Mbit/s of a flow: sent IP bytes, and acknowledged data.
    pub fn rates(&self, index: usize, from_ms: f64, to_ms: f64) -> (f64, f64) {
        let samples = self.between(from_ms, to_ms);
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        let seconds = (last.now_ms - first.now_ms) / 1e3;
        let rate = |from: u64, to: u64| (to - from) as f64 * 8.0 / 1e6 / seconds;
        let (from, to) = (first.bytes[index], last.bytes[index]);
        (rate(from.0, to.0), rate(from.1, to.1))
    }

    pub fn goodput(&self, index: usize, from_ms: f64, to_ms: f64) -> f64 {
        self.rates(index, from_ms, to_ms).1
    }

    /// Median and 95th percentile of the queueing delay.
    pub fn queue(&self, from_ms: f64, to_ms: f64) -> (f64, f64) {
        let mut queue: Vec<f64> =
            self.between(from_ms, to_ms).iter().map(|sample| sample.queue_ms).collect();
        queue.sort_by(f64::total_cmp);
        (queue[queue.len() / 2], queue[queue.len() * 95 / 100])
    }
}
