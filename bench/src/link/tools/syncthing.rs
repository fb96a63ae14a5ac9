//! syncthing, direct and by its relay server, which runs beside the receiver. Both ends know each other's address; nothing
//! asks a server of the project. The sender starts with the clock: it reads and hashes before it offers.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use conns_lab::process::wait_for;

use super::super::host::{Host, Port};
use super::super::transfer::{Ended, Transfer};

const SENDER_PORT: u16 = 22_000;
const RECEIVER_PORT: u16 = 22_001;
const RELAY_PORT: u16 = 22_067;
const JOIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Where a device listens, and where it finds the other one.
struct Device<'a> {
    folder: &'a Path,
    kind: &'static str,
    listen: &'a str,
    other: &'a str,
}

pub(super) fn direct(transfer: &Transfer<'_>) -> Ended {
    let address = format!("tcp://{}:{RECEIVER_PORT}", transfer.to.address);
    send(transfer, &address, Some(Port::Tcp(RECEIVER_PORT)))
}

pub(super) fn relayed(transfer: &Transfer<'_>) -> Ended {
    let to = transfer.to;
    let listen = format!("{}:{RELAY_PORT}", to.address);
    let keys = to.path("");
    let arguments = ["-keys", &keys, "-listen", &listen, "-pools", "", "-status-srv", ""];
    to.serve("relay", &transfer.program("strelaysrv")?, &arguments, Port::Tcp(RELAY_PORT))?;
    let log = std::fs::read_to_string(to.path("relay.log"))?;
    // Parameters after the id are defaults.
    let address = log
        .split_whitespace()
        .find(|word| word.starts_with("relay://"))
        .and_then(|address| address.split('&').next())
        .context("the relay printed no address")?;
    send(transfer, address, None)
}

fn send(transfer: &Transfer<'_>, receiver: &str, port: Option<Port>) -> Ended {
    let syncthing = transfer.program("syncthing")?;
    let (from, to) = (transfer.from, transfer.to);
    let ids = [identify(&syncthing, from)?, identify(&syncthing, to)?];
    let sender = format!("tcp://{}:{SENDER_PORT}", from.address);
    // The sender connects to the receiver, never the other way.
    let devices = [
        Device {
            folder: &transfer.payload.parent,
            kind: "sendonly",
            listen: &sender,
            other: receiver,
        },
        Device { folder: &transfer.target, kind: "receiveonly", listen: receiver, other: "" },
    ];
    for ((host, device), other) in [from, to].iter().zip(&devices).zip([&ids[1], &ids[0]]) {
        std::fs::create_dir_all(device.folder.join(".stfolder"))
            .context("cannot mark a folder as syncthing's")?;
        host.write("syncthing/config.xml", &configuration(&ids, other, device))?;
    }
    let home = |host: &Host<'_>| host.path("syncthing");
    let (at_sender, at_receiver) = (home(from), home(to));
    let arguments = |home| ["serve", "--home", home, "--no-browser", "--no-restart"];
    match port {
        Some(port) => to.serve("syncthing", &syncthing, &arguments(&at_receiver), port)?,
        None => {
            to.serve("syncthing", &syncthing, &arguments(&at_receiver), Port::Tcp(RELAY_PORT))?;
            wait_for("the receiver at its relay", JOIN_TIMEOUT, || {
                let log = std::fs::read_to_string(to.path("syncthing.log"))?;
                Ok(log.contains("Joined relay").then_some(()))
            })?;
        }
    }
    transfer.send_until_arrived(&syncthing, &arguments(&at_sender))
}

/// Makes the key of a device and returns its id.
fn identify(syncthing: &Path, host: &Host<'_>) -> anyhow::Result<String> {
    let home = host.path("syncthing");
    host.output(
        syncthing,
        &["generate", "--home", &home, "--no-default-folder", "--skip-port-probing"],
    )?;
    host.output(syncthing, &["--home", &home, "--device-id"])
}

fn configuration(ids: &[String; 2], other: &str, device: &Device<'_>) -> String {
    let Device { folder, kind, listen, other: address } = device;
    let known: String = ids
        .iter()
        .map(|id| {
            let address = if id == other && !address.is_empty() { address } else { "dynamic" };
            format!("<device id=\"{id}\" compression=\"metadata\"><address>{address}</address></device>\n")
        })
        .collect();
    let [one, two] = ids;
    format!(
        "<configuration version=\"36\">\n\
         <folder id=\"bench\" path=\"{}\" type=\"{kind}\" rescanIntervalS=\"3600\" fsWatcherEnabled=\"false\">\n\
         <device id=\"{one}\"/><device id=\"{two}\"/>\n</folder>\n{known}<gui enabled=\"false\"/>\n<options>\n\
         <listenAddress>{listen}</listenAddress>\n\
         <globalAnnounceEnabled>false</globalAnnounceEnabled><localAnnounceEnabled>false</localAnnounceEnabled>\n\
         <reconnectionIntervalS>1</reconnectionIntervalS><startBrowser>false</startBrowser>\n\
         <natEnabled>false</natEnabled><urAccepted>-1</urAccepted><autoUpgradeIntervalH>0</autoUpgradeIntervalH>\n\
         <crashReportingEnabled>false</crashReportingEnabled><setLowPriority>false</setLowPriority>\n</options>\n</configuration>\n",
        folder.display()
    )
}
