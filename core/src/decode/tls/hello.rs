//! The first message of each side, out of its records.

use tls_parser::{
    SNIType, TlsCipherSuiteID, TlsExtension, TlsMessage, TlsMessageHandshake, TlsVersion,
    parse_tls_client_hello_extensions, parse_tls_message_handshake,
    parse_tls_server_hello_extensions,
};

/// Longest hello that is read, its records included, bytes. With post-quantum keys it has 2 KiB; what is
/// longer carries session tickets.
pub(super) const MAX_HELLO: usize = 16 * 1024;
/// Longest text that is kept, bytes: a name of a host has 253, a list of protocols is short.
const MAX_TEXT: usize = 256;

const RECORD_HEADER: usize = 5;
const RECORD_ALERT: u8 = 21;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What the first bytes are.
pub(super) enum Begin {
    ClientHello,
    NeedMore,
    Other,
}

/// What the first message of a side is.
pub(super) enum Hello {
    NeedMore,
    Client(ClientHello),
    Server(ServerHello),
    /// The number of the alert.
    Alert(u8),
    Other,
}

/// What the client states.
#[derive(Debug)]
pub(super) struct ClientHello {
    pub(super) sni: Option<String>,
    pub(super) alpn: Option<String>,
}

/// What the server states.
#[derive(Debug)]
pub(super) struct ServerHello {
    pub(super) version: String,
    pub(super) cipher: String,
    pub(super) alpn: Option<String>,
    /// TLS 1.3 sends further extensions encrypted.
    pub(super) encrypts_extensions: bool,
}

impl ClientHello {
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + length(&self.sni) + length(&self.alpn)
    }
}

impl ServerHello {
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.version.len() + self.cipher.len() + length(&self.alpn)
    }
}

fn length(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::capacity)
}

/// Whether a client begins with these bytes.
pub(super) fn begin(bytes: &[u8]) -> Begin {
    let is_possible = match *bytes {
        [] | [RECORD_HANDSHAKE] | [RECORD_HANDSHAKE, 3] => true,
        [RECORD_HANDSHAKE, 3, minor, ..] => minor <= 4,
        _ => false,
    };
    match bytes.get(RECORD_HEADER..RECORD_HEADER + 2) {
        _ if !is_possible => Begin::Other,
        None => Begin::NeedMore,
        // A hello of more than 64 KiB is none.
        Some([CLIENT_HELLO, 0]) => Begin::ClientHello,
        Some(_) => Begin::Other,
    }
}

/// Reads the first message out of the bytes of a side.
pub(super) fn read(bytes: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut rest = bytes;
    while let Some((&[kind, 3, _, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = behind.get(..length).unwrap_or(behind);
        match (kind, body) {
            (RECORD_ALERT, [_level, description, ..]) => return Hello::Alert(*description),
            (RECORD_ALERT, _) => return Hello::NeedMore,
            (RECORD_HANDSHAKE, _) => message.extend_from_slice(body),
            _ => return Hello::Other,
        }
        if let Some([_, length @ ..]) = message.first_chunk::<4>() {
            let [high, middle, low] = *length;
            let length = usize::from(high) << 16 | usize::from(u16::from_be_bytes([middle, low]));
            if let Some(message) = message.get(..4 + length) {
                return parse(message);
            }
        }
        rest = behind.get(length..).unwrap_or_default();
    }
    if rest.len() >= RECORD_HEADER { Hello::Other } else { Hello::NeedMore }
}

/// Reads one message of the handshake.
fn parse(message: &[u8]) -> Hello {
    if !matches!(message, [CLIENT_HELLO | SERVER_HELLO, ..]) {
        return Hello::Other;
    }
    match parse_tls_message_handshake(message) {
        Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) => {
            let extensions = hello.ext.map(parse_tls_client_hello_extensions);
            let mut client = ClientHello { sni: None, alpn: None };
            for extension in extensions.and_then(Result::ok).map(|(_, all)| all).unwrap_or_default()
            {
                match extension {
                    TlsExtension::SNI(names) => {
                        let name = names.iter().find(|(kind, _)| *kind == SNIType::HostName);
                        client.sni = name.map(|(_, name)| text(name));
                    }
                    TlsExtension::ALPN(protocols) => {
                        client.alpn =
                            Some(text(&protocols.join(&b','))).filter(|all| !all.is_empty());
                    }
                    _ => {}
                }
            }
            Hello::Client(client)
        }
        Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello)))) => {
            let extensions = hello.ext.map(parse_tls_server_hello_extensions);
            let (mut version, mut alpn) = (hello.version, None);
            for extension in extensions.and_then(Result::ok).map(|(_, all)| all).unwrap_or_default()
            {
                match extension {
                    TlsExtension::SupportedVersions(versions) => {
                        version = versions.first().copied().unwrap_or(version);
                    }
                    TlsExtension::ALPN(protocols) => {
                        alpn = protocols.first().map(|name| text(name))
                    }
                    _ => {}
                }
            }
            Hello::Server(ServerHello {
                version: version_name(version),
                cipher: cipher_name(hello.cipher),
                alpn,
                encrypts_extensions: version == TlsVersion::Tls13,
            })
        }
        _ => Hello::Other,
    }
}

fn version_name(version: TlsVersion) -> String {
    match version {
        TlsVersion::Ssl30 => "SSL 3.0".into(),
        TlsVersion::Tls10 => "1.0".into(),
        TlsVersion::Tls11 => "1.1".into(),
        TlsVersion::Tls12 => "1.2".into(),
        TlsVersion::Tls13 => "1.3".into(),
        TlsVersion(number) => format!("{number:#06x}"),
    }
}

fn cipher_name(cipher: TlsCipherSuiteID) -> String {
    cipher.get_ciphersuite().map_or_else(|| format!("{:#06x}", cipher.0), |suite| suite.name.into())
}

/// Bytes of the peer as text of bounded length.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into_owned()
}
