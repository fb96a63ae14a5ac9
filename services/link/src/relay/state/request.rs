//! Opens a flow that a sender requests.

use std::sync::Arc;

use conns_transfer::relay::{RelayFrame, RelayRefusal, SharedRate};
use tokio::sync::oneshot;

use super::super::flow::{self, FlowTask, Ports};
use super::{Client, OfFlow, Refusal, State, random_token};
use crate::identity::PublicKey;

impl State {
    /// Opens a flow, and invites the receiver. The task of the flow answers the sender.
    pub(in crate::relay) fn open(
        self: &Arc<Self>,
        sender: &Client,
        receiver_key: PublicKey,
    ) -> Result<(), Refusal> {
        let mut tables = self.lock();
        let Some(registered) = tables.receivers.get(&receiver_key) else {
            let why = format!(
                "no receiver with the key {receiver_key} is registered (conns link serve --relay)"
            );
            return Err((RelayRefusal::NoSuchReceiver, why));
        };
        let receiver = registered.client.clone();
        tables.check_bounds(&[sender.key, receiver_key])?;
        let no_port = |error: std::io::Error| {
            (RelayRefusal::TooManyFlows, format!("the relay has no UDP port for a flow: {error}"))
        };
        let token = random_token().map_err(no_port)?;
        let ports = Ports::open(sender.local, receiver.local, &self.ports).map_err(no_port)?;
        let port = ports.receiver_port().map_err(no_port)?;
        let now_us = self.now_us();
        let rate = self.rate_per_key.map(|rate| {
            let mut flows = tables.flows.values().filter(|flow| flow.receiver == receiver_key);
            let shared = flows.find_map(|flow| flow.rate.clone());
            shared.unwrap_or_else(|| SharedRate::new(rate, now_us))
        });
        let invited = RelayFrame::Invited { flow: token, port, sender_key: sender.key.0 };
        if !receiver.send(invited) {
            let why = format!("the receiver with the key {receiver_key} does not read invitations");
            return Err((RelayRefusal::NoSuchReceiver, why));
        }
        let (end, ended) = oneshot::channel();
        let of_flow =
            OfFlow { sender: sender.clone(), receiver: receiver_key, rate: rate.clone(), end };
        tables.flows.insert(token, of_flow);
        let task = FlowTask::new(Arc::clone(self), sender.clone(), receiver_key, ports);
        tokio::spawn(flow::run(task, token, rate, ended));
        Ok(())
    }
}
