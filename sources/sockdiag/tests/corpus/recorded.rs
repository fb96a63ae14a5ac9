//! The datagrams of `corpus/sockdiag`. A missing corpus fails every test.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use conns_core::model::{Netns, Protocol, Socket};
use conns_sockdiag::RowReader;
use conns_sockdiag::wire::{Malformed, messages};

/// The recording that tests take figures from.
pub(crate) const FIGURES_OF: &str = "linux-6.18";
const ROW_KINDS: [u16; 2] = [20, 18];

/// A datagram that one recv(2) returned.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// The folder: the kernel that sent it.
    pub(crate) kernel: String,
    /// The file.
    pub(crate) name: String,
    /// The protocol, from the file's name.
    pub(crate) protocol: Protocol,
    pub(crate) datagram: Vec<u8>,
}

/// Every datagram of every kernel.
pub(crate) fn all() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/sockdiag");
    let mut files = Vec::new();
    for kernel in entries(&root) {
        for name in entries(&root.join(&kernel)) {
            let datagram = fs::read(root.join(&kernel).join(&name)).expect("a file of the corpus");
            let protocol = match name.split(['-', '.', '4', '6']).next() {
                Some("udp") => Protocol::Udp,
                Some("mptcp") => Protocol::Mptcp,
                _ => Protocol::Tcp,
            };
            files.push(Recorded { kernel: kernel.clone(), name, protocol, datagram });
        }
    }
    assert!(files.len() >= 20, "{} files in {}", files.len(), root.display());
    files
}

/// Datagrams that once failed the fuzz target.
pub(crate) fn found() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/found/netlink");
    let read = |name: &String| fs::read(folder.join(name)).expect("a file of the corpus");
    entries(&folder).iter().map(read).collect()
}

fn entries(folder: &Path) -> Vec<String> {
    let listed =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// The rows in a datagram, up to the first malformed message.
pub(crate) fn payloads(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages(datagram).flatten().filter(|m| ROW_KINDS.contains(&m.kind)).map(|m| m.payload)
}

pub(crate) fn read(protocol: Protocol, row: &[u8]) -> Result<Socket, Malformed> {
    RowReader::new(Arc::new(Netns::new(42, None, true))).read(protocol, row)
}

/// The sockets in the files `name-0.bin`, `name-1.bin`, … of the recording with the figures.
pub(crate) fn in_file(name: &str) -> Vec<Socket> {
    let is_it = |file: &&Recorded| {
        let number = file.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        let number = number.and_then(|rest| rest.strip_suffix(".bin"));
        file.kernel == FIGURES_OF
            && number.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let files = all();
    let rows = files.iter().filter(is_it).flat_map(|file| {
        payloads(&file.datagram).map(|row| read(file.protocol, row).expect("a recorded row"))
    });
    let rows: Vec<Socket> = rows.collect();
    assert!(!rows.is_empty(), "no rows in {name}");
    rows
}

/// The only socket that matches.
pub(crate) fn one(name: &str, condition: impl Fn(&Socket) -> bool) -> Socket {
    let mut found: Vec<Socket> = in_file(name).into_iter().filter(condition).collect();
    assert_eq!(found.len(), 1, "in {name}: {found:?}");
    found.remove(0)
}

/// The row with one more attribute.
pub(crate) fn with_attribute(row: &[u8], kind: u16, value: &[u8]) -> Vec<u8> {
    let mut row = row.to_vec();
    row.resize(row.len().next_multiple_of(4), 0);
    row.extend(u16::try_from(4 + value.len()).expect("a length").to_ne_bytes());
    row.extend(kind.to_ne_bytes());
    row.extend(value);
    row.resize(row.len().next_multiple_of(4), 0);
    row
}
