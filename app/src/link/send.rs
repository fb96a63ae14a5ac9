//! `conns link send`: queues a transfer at the running link server of the key, or at one that it runs itself meanwhile.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conns_core::model::TransferError;
use conns_link::{DestinationAddress, Identity, RelayAddress, Server, ServerSettings};
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::record::{
    Destination, HexBytes, ManifestFiles, ManifestRecord, ManifestStatus, TransferRecord,
    TransferStatus, Word as _,
};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::client::Client;
use super::progress::Progress;
use super::socket::ControlSocket;
use super::{no_answer, places, runtime};
use crate::failure::{Failure, log};
use crate::flags::link::{RateFlags, SendFlags};

/// Time between two questions about the transfer.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Files of a manifest in one answer.
const FILES_AT_ONCE: usize = 10_000;

/// What the command asks for, checked before anything is made.
struct Wanted {
    destination: DestinationAddress,
    /// Path at the receiver, path here.
    mappings: BTreeMap<Vec<u8>, Vec<u8>>,
}

pub(super) fn run(flags: &SendFlags) -> Result<(), Failure> {
    let wanted = wanted(flags)?;
    let identity = places::identity(flags.key.key.as_deref())?;
    let path = places::socket_path(identity.public());
    if let Some(client) = Client::connect(&path)? {
        return send(flags, &wanted, client, false);
    }
    if flags.detach {
        return Err(no_answer(
            "--detach needs a link server with this key; start `conns link serve`",
        ));
    }
    serve_and_send(flags, &wanted, identity, &path)
}

/// Runs a server until the transfer has ended, or a signal stops it.
fn serve_and_send(
    flags: &SendFlags,
    wanted: &Wanted,
    identity: Identity,
    path: &Path,
) -> Result<(), Failure> {
    let settings = ServerSettings {
        state_folder: places::store_folder(identity.public()),
        identity,
        receiver: None,
        sends: true,
        outgoing_limit: None,
        incoming_limit: None,
    };
    let runtime = runtime()?;
    let (server, socket, mut terminated, mut interrupted) = runtime.block_on(async {
        let terminated = signal(SignalKind::terminate()).map_err(no_answer)?;
        let interrupted = signal(SignalKind::interrupt()).map_err(no_answer)?;
        let server = Server::start(settings).map_err(no_answer)?;
        let socket = ControlSocket::bind(path)
            .map_err(|error| no_answer(format!("cannot listen at {}: {error}", path.display())))?;
        Ok::<_, Failure>((server, socket, terminated, interrupted))
    })?;
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    std::thread::scope(|scope| {
        // A thread of its own: the client blocks, and the server answers it.
        scope.spawn(|| {
            let sent = Client::connect(path).and_then(|client| {
                let client = client.ok_or_else(|| no_answer("the link server has ended"))?;
                send(flags, wanted, client, true)
            });
            // After a signal nothing receives it.
            let _ = ended.send(sent);
        });
        runtime.block_on(async {
            let result = tokio::select! {
                () = socket.serve(server.clone()) => Err(no_answer("the link server has ended")),
                sent = has_ended => sent.unwrap_or_else(|error| Err(no_answer(error))),
                _ = terminated.recv() => Err(interrupted_failure()),
                _ = interrupted.recv() => Err(interrupted_failure()),
            };
            server.stop().await;
            drop(socket);
            if result.is_err() {
                // The client may wait for an answer that never comes.
                std::process::exit(i32::from(report(&result)));
            }
            result
        })
    })
}

fn report(result: &Result<(), Failure>) -> u8 {
    if let Err(failure) = result {
        failure.report();
    }
    1
}

fn interrupted_failure() -> Failure {
    no_answer(
        "interrupted; the transfer stays queued: the same key sends it with `conns link send` or \
         `conns link serve`, and `conns link cancel` removes it",
    )
}

fn wanted(flags: &SendFlags) -> Result<Wanted, Failure> {
    let usage = |why: String| Failure::Usage(why);
    let Some((last, paths)) = flags.paths.split_last() else {
        return Err(usage("a destination is missing".to_owned()));
    };
    if paths.is_empty() {
        let only = last.display();
        return Err(usage(format!(
            "`{only}` stands alone: a file or folder, then the destination"
        )));
    }
    let text = last.to_str().unwrap_or_default();
    let destination: DestinationAddress =
        text.parse().map_err(|error| usage(format!("destination {error}")))?;
    if let Some(relay) = &flags.relay {
        let _: RelayAddress = relay.parse().map_err(|error| usage(format!("relay {error}")))?;
    } else if destination.host.is_empty() {
        return Err(usage(format!("`{text}` names no host: KEY@HOST, or --relay")));
    }
    let mut mappings = BTreeMap::new();
    for path in paths {
        let (name, source) = name_of(path)?;
        if let Some(other) = mappings.insert(name.clone(), source) {
            let (name, other) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&other));
            return Err(usage(format!(
                "two sources have the name `{name}`: {other} and {}; send them one after the other",
                path.display()
            )));
        }
    }
    Ok(Wanted { destination, mappings })
}

/// The name that a path gets at the receiver, and the path from the root.
fn name_of(path: &Path) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let failed =
        |error: std::io::Error| no_answer(format!("cannot send {}: {error}", path.display()));
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    if metadata.is_symlink() {
        let path = path.display();
        return Err(no_answer(format!(
            "cannot send {path}: it is a symbolic link, which is not followed"
        )));
    }
    // A path such as `.` or `..` has no name of its own.
    let absolute: PathBuf = match path.file_name() {
        Some(_) => std::path::absolute(path).map_err(failed)?,
        None => std::fs::canonicalize(path).map_err(failed)?,
    };
    let name = absolute.file_name().ok_or_else(|| no_answer("the root folder has no name"))?;
    Ok((name.as_bytes().to_vec(), absolute.as_os_str().as_bytes().to_vec()))
}

fn kbit(rate: BytesPerSecond) -> u64 {
    (rate.0 / 125).max(1)
}

/// The parameters of `setSendRateAsync` or `createDestination` for these flags.
pub(super) fn rate_parameters(flags: &RateFlags) -> Map<String, Value> {
    let mut parameters = Map::new();
    let rates = [("sendRate", flags.rate), ("sendRateMin", flags.min), ("sendRateMax", flags.max)];
    for (name, rate) in rates {
        if let Some(rate) = rate {
            parameters.insert(name.to_owned(), kbit(rate).into());
        }
    }
    if let Some(method) = flags.method {
        let method = conns_transfer::rate::Method::from(method).word();
        parameters.insert("rateControlMethod".to_owned(), method.into());
    }
    parameters
}

/// Queues the transfer, and follows it to its end.
fn send(
    flags: &SendFlags,
    wanted: &Wanted,
    mut client: Client,
    is_own_server: bool,
) -> Result<(), Failure> {
    let destination = create_destination(flags, wanted, &mut client)?;
    let transfer = match unfinished(flags, wanted, &mut client, &destination)? {
        Some(transfer) => {
            if !flags.quiet {
                log(format_args!("transfer {} of these sources goes on", transfer.transfer_id));
            }
            transfer
        }
        None => {
            let transfer = create_transfer(flags, wanted, &mut client, destination)?;
            if !transfer.processing && !flags.quiet {
                let id = &transfer.transfer_id;
                log(format_args!("transfer {id} of these sources was committed before"));
            }
            transfer
        }
    };
    if flags.detach {
        let line = match flags.json {
            true => serde_json::to_string(&transfer).map_err(no_answer)?,
            false => format!("queued as transfer {}", transfer.transfer_id),
        };
        return crate::terminal::write(format!("{line}\n").as_bytes());
    }
    let record = follow(flags, &mut client, &transfer.transfer_id, is_own_server)?;
    if flags.json {
        let line = serde_json::to_string(&record).map_err(no_answer)?;
        crate::terminal::write(format!("{line}\n").as_bytes())?;
    }
    let why = record.error_message.unwrap_or_else(|| "no reason is known".to_owned());
    match record.status {
        TransferStatus::Complete => Ok(()),
        TransferStatus::Cancelled => Err(no_answer("the transfer was cancelled")),
        _ => Err(no_answer(why)),
    }
}

fn create_transfer(
    flags: &SendFlags,
    wanted: &Wanted,
    client: &mut Client,
    destination: Destination,
) -> Result<TransferRecord, Failure> {
    let manifest = create_manifest(wanted, client)?;
    let parameters = json!({
        "manifestId": manifest.manifest_id,
        "destinationId": destination.destination_id,
        "destinationPathHex": flags.to.as_deref().map(|to| HexBytes(to.as_bytes().to_vec())),
        "priority": flags.priority,
        "overwrite": flags.overwrite.word(),
        "awaited": !flags.detach,
    });
    client.call("send.createTransfer", &parameters)
}

/// The transfer that an earlier run of the same command queued, if it has not ended: after a kill the same command continues it.
fn unfinished(
    flags: &SendFlags,
    wanted: &Wanted,
    client: &mut Client,
    destination: &Destination,
) -> Result<Option<TransferRecord>, Failure> {
    let mut folder = flags.to.as_deref().map(OsStr::as_bytes).unwrap_or_default();
    while let Some(before) = folder.strip_suffix(b"/") {
        folder = before;
    }
    let transfers: Vec<TransferRecord> = client.call("send.getTransfers", &json!({}))?;
    for transfer in transfers {
        let is_same = transfer.processing
            && transfer.destination_id == destination.destination_id
            && path_of(
                transfer.destination_path.as_deref(),
                transfer.destination_path_hex.as_ref(),
            ) == folder
            && transfer.overwrite.word() == flags.overwrite.word();
        if is_same && has_sources(client, &transfer.manifest_id, &wanted.mappings)? {
            return Ok(Some(transfer));
        }
    }
    Ok(None)
}

/// The bytes of a path of a record; empty if there is none.
fn path_of<'a>(text: Option<&'a str>, hex: Option<&'a HexBytes>) -> &'a [u8] {
    hex.map(|hex| &hex.0[..]).or(text.map(str::as_bytes)).unwrap_or_default()
}

/// Whether a manifest was made of exactly these sources.
fn has_sources(
    client: &mut Client,
    manifest_id: &str,
    mappings: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Result<bool, Failure> {
    let (mut first, mut found) = (0, 0);
    loop {
        let parameters =
            json!({ "manifestId": manifest_id, "first": first, "limit": FILES_AT_ONCE });
        let files: ManifestFiles = client.call("send.getManifestFiles", &parameters)?;
        for file in &files.file_mappings {
            let destination_path =
                path_of(Some(&file.destination_path), file.destination_path_hex.as_ref());
            let mut parts = destination_path.splitn(2, |byte| *byte == b'/');
            let (name, below) = (parts.next().unwrap_or_default(), parts.next());
            match mappings.get(name) {
                Some(source) if below.is_none() => {
                    if source != path_of(Some(&file.source_path), file.source_path_hex.as_ref()) {
                        return Ok(false);
                    }
                    found += 1;
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
        if files.file_mappings.len() < FILES_AT_ONCE {
            return Ok(found == mappings.len());
        }
        first += FILES_AT_ONCE;
    }
}

fn create_destination(
    flags: &SendFlags,
    wanted: &Wanted,
    client: &mut Client,
) -> Result<Destination, Failure> {
    let DestinationAddress { key, host, port } = &wanted.destination;
    let mut parameters = rate_parameters(&flags.rates);
    parameters.insert("destinationAddress".to_owned(), host.as_str().into());
    parameters.insert("destinationPort".to_owned(), (*port).into());
    parameters.insert("destinationPublicKey".to_owned(), key.to_string().into());
    parameters.insert("relay".to_owned(), flags.relay.clone().into());
    let destination: Destination = client.call("send.createDestination", &parameters.into())?;
    if flags.rates.is_empty() {
        return Ok(destination);
    }
    // A destination that existed keeps its rates until they are set.
    let mut parameters = rate_parameters(&flags.rates);
    parameters.insert("destinationId".to_owned(), destination.destination_id.into());
    set_rates(client, parameters)
}

/// Sets rates and waits for the result.
pub(super) fn set_rates(
    client: &mut Client,
    parameters: Map<String, Value>,
) -> Result<Destination, Failure> {
    let request: Value = client.call("send.setSendRateAsync", &parameters.into())?;
    client.call("getRequestResult", &request)
}

/// Makes a manifest, and waits until the folders are read.
fn create_manifest(wanted: &Wanted, client: &mut Client) -> Result<ManifestRecord, Failure> {
    let hex = |bytes: &[u8]| HexBytes(bytes.to_vec()).to_string();
    let mappings: BTreeMap<String, String> =
        wanted.mappings.iter().map(|(name, source)| (hex(name), hex(source))).collect();
    let parameters = json!({ "mappingsHex": mappings });
    let mut manifest: ManifestRecord = client.call("send.createManifest", &parameters)?;
    while manifest.status == ManifestStatus::Pending {
        std::thread::sleep(POLL_INTERVAL / 10);
        let parameters = json!({ "manifestId": manifest.manifest_id });
        manifest = client.call("send.getManifest", &parameters)?;
    }
    match (manifest.status, &manifest.error_message) {
        (ManifestStatus::Error, error) => {
            Err(no_answer(error.clone().unwrap_or_else(|| "the manifest failed".to_owned())))
        }
        (_, omitted) => {
            if let Some(omitted) = omitted {
                log(omitted);
            }
            Ok(manifest)
        }
    }
}

/// Whether waiting helps: a key that is refused needs a person.
fn is_lasting(error: TransferError) -> bool {
    matches!(
        error,
        TransferError::NotAuthorized | TransferError::Encryption | TransferError::Version
    )
}

/// Shows progress until the transfer has ended.
fn follow(
    flags: &SendFlags,
    client: &mut Client,
    transfer_id: &str,
    is_own_server: bool,
) -> Result<TransferRecord, Failure> {
    let mut progress = Progress::new(flags.quiet);
    loop {
        let record: TransferRecord =
            client.call("send.getTransfer", &json!({ "transferId": transfer_id }))?;
        if !record.processing {
            progress.finish(&record);
            return Ok(record);
        }
        let parameters = json!({ "destinationId": record.destination_id });
        let destination: Destination = client.call("send.getDestination", &parameters)?;
        progress.show(&record, &destination);
        if is_own_server
            && record.status == TransferStatus::Retrying
            && destination.last_error.is_some_and(is_lasting)
        {
            let why = destination.last_error_message.unwrap_or_default();
            return Err(no_answer(format!(
                "{why}; transfer {transfer_id} stays queued, and `conns link cancel {transfer_id}` removes it"
            )));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
