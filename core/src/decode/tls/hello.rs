//! The hellos of client and server.

use tls_parser::{
    SNIType, TlsCipherSuiteID, TlsExtension, TlsMessage, TlsMessageHandshake, TlsVersion,
    parse_tls_client_hello_extensions, parse_tls_message_handshake,
    parse_tls_server_hello_extensions,
};

use crate::decode::text::text;

/// Longest message that is read, bytes. With post-quantum keys it has 2 KiB; what is
/// longer carries session tickets.
pub(in crate::decode) const MAX_HELLO: usize = 16 * 1024;

const RECORD_HEADER: usize = 5;
const RECORD_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// What the first bytes are.
pub(super) enum Begin {
    ClientHello,
    NeedMore,
    Other,
}

/// What a message is.
#[derive(Debug)]
pub(in crate::decode) enum Hello {
    Client(ClientHello),
    Server(ServerHello),
    /// The server asks for another hello (RFC 8446 section 4.1.4).
    Retry,
    Other,
}

/// The random value of a HelloRetryRequest (RFC 8446 section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What the client states.
#[derive(Debug)]
pub(in crate::decode) struct ClientHello {
    pub(in crate::decode) sni: Option<String>,
    pub(in crate::decode) alpn: Option<String>,
}

/// What the server states.
#[derive(Debug)]
pub(in crate::decode) struct ServerHello {
    pub(super) version: String,
    pub(super) cipher: String,
    pub(super) alpn: Option<String>,
    /// TLS 1.3 sends further extensions encrypted.
    pub(super) encrypts_extensions: bool,
}

impl ClientHello {
    pub(in crate::decode) fn memory(&self) -> usize {
        size_of::<Self>() + length(&self.sni) + length(&self.alpn)
    }
}

impl ServerHello {
    /// Bytes that the cipher adds to each record; `None` if that depends on its content.
    pub(super) fn added_by_cipher(&self) -> Option<usize> {
        let has = |part: &str| self.cipher.contains(part);
        match () {
            // RFC 8446, section 5.2: the type, and the tag.
            () if self.encrypts_extensions && !has("CCM_8") => Some(1 + 16),
            // RFC 5288, section 3: the nonce, and the tag.
            () if has("GCM") => Some(8 + 16),
            // RFC 7905, section 2: the tag.
            () if has("CHACHA20") => Some(16),
            () => None,
        }
    }

    pub(in crate::decode) fn memory(&self) -> usize {
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

/// Reads one message of the handshake.
pub(in crate::decode) fn parse(message: &[u8]) -> Hello {
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
        Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello))))
            if hello.random == RETRY =>
        {
            Hello::Retry
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
