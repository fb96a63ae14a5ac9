//! `conns link connections` and `conns link set`.

use conns_link::DestinationAddress;
use conns_transfer::record::Destination;
use serde_json::{Value, json};

use super::no_answer;
use super::send::{rate_parameters, set_rates};
use super::stored::for_each_server;
use crate::failure::Failure;
use crate::flags::link::{ConnectionsFlags, SetFlags};

pub(super) fn run(flags: &ConnectionsFlags) -> Result<(), Failure> {
    let mut connections: Vec<Value> = Vec::new();
    let mut lines = Vec::new();
    for_each_server(flags.key.key.as_deref(), |client| {
        connections.extend(client.call::<Vec<Value>>("send.getConnections", &json!({}))?);
        if !flags.json {
            let destinations: Vec<Destination> = client.call("send.getDestinations", &json!({}))?;
            lines.extend(destinations.iter().map(line));
        }
        Ok(())
    })?;
    if flags.json {
        let text = serde_json::to_string(&connections).map_err(no_answer)?;
        return crate::terminal::write(format!("{text}\n").as_bytes());
    }
    if lines.is_empty() {
        lines.push("no destination is known".to_owned());
    }
    crate::terminal::write(format!("{}\n", lines.join("\n")).as_bytes())
}

fn line(of: &Destination) -> String {
    let number = |value: Option<f64>, unit: &str| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} {unit}"))
    };
    let address = of
        .destination_ip
        .map_or_else(|| of.destination_address.clone(), |address| address.to_string());
    let relay = of.relay.as_ref().map(|relay| format!(", relay {relay}")).unwrap_or_default();
    let error = of.last_error_message.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
    let mbit = of.send_rate_recent_kbit_per_s.map(|kbit| kbit / 1000.0);
    format!(
        "{}  {address}:{}  {}  {} waiting, {}, RTT {}, queue {}, loss {}{relay}{error}",
        of.destination_id,
        of.destination_port,
        conns_transfer::record::Word::word(of.encrypted_connection_state),
        of.transfers_queued,
        number(mbit, "Mbit/s"),
        number(of.round_trip_time_ms, "ms"),
        number(of.queueing_delay_ms, "ms"),
        number(of.loss_percent, "%"),
    )
}

pub(super) fn set(flags: &SetFlags) -> Result<(), Failure> {
    if flags.rates.is_empty() {
        return Err(Failure::Usage("nothing to set: --rate, --min, --max or --method".to_owned()));
    }
    let mut found = Vec::new();
    for_each_server(flags.key.key.as_deref(), |client| {
        let destinations: Vec<Destination> = client.call("send.getDestinations", &json!({}))?;
        for destination in destinations.iter().filter(|it| is_named(it, &flags.destination)) {
            let mut parameters = rate_parameters(&flags.rates);
            let id = destination.destination_id.clone();
            parameters.insert("destinationId".to_owned(), id.into());
            found.push(set_rates(client, parameters)?);
        }
        Ok(())
    })?;
    if found.is_empty() {
        let name = &flags.destination;
        return Err(no_answer(format!(
            "no destination `{name}`; `conns link connections` lists them"
        )));
    }
    let lines: Result<Vec<String>, Failure> = found
        .iter()
        .map(|destination| match flags.json {
            true => serde_json::to_string(destination).map_err(no_answer),
            false => Ok(line(destination)),
        })
        .collect();
    crate::terminal::write(format!("{}\n", lines?.join("\n")).as_bytes())
}

fn is_named(destination: &Destination, name: &str) -> bool {
    if destination.destination_id == name
        || destination.destination_id.trim_start_matches('0') == name
    {
        return true;
    }
    name.parse().is_ok_and(|address: DestinationAddress| {
        let key = address.key.to_string();
        destination.destination_public_key == key
            && (address.host.is_empty()
                || (destination.destination_address == address.host
                    && destination.destination_port == address.port))
    })
}
