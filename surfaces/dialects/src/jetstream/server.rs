//! The Server Information structure, as far as JetStream's page of it is known. A field without a
//! meaning here is null or false.

use std::borrow::Cow;

use conns_core::model::Update;
use conns_transfer::record::{BandwidthLimits, Receiver, ServerFacts};
use serde::Serialize;

use super::options::Options;

/// JetStream's number for the set of methods and structures, that of its release 2.9.2: the newest
/// whose Connection structure could be compared. Clients refuse a server with too small a number.
pub const API_VERSION: u32 = 40;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerInformation<'a> {
    allow_remote_control: bool,
    api_control_port: Option<u16>,
    #[serde(rename = "APITokensAvailable")]
    api_tokens_available: bool,
    api_version: u32,
    auth_required: bool,
    bandwidth_limits: Option<BandwidthLimits>,
    certificate_validation: (),
    configuration: (),
    encryption_available: bool,
    event_log_available: bool,
    host_name: Option<&'a str>,
    license: (),
    min_cipher: Option<u8>,
    multiplex_available: bool,
    public_key: Option<String>,
    receiver: Option<Receiver>,
    revision: (),
    server_external_address: (),
    server_id: String,
    server_name: Option<&'a str>,
    server_uid: Option<String>,
    version: Cow<'static, str>,
}

impl<'a> ServerInformation<'a> {
    /// `facts` are those of the transfer service, if there is one.
    pub(super) fn new(
        options: &'a Options,
        update: &'a Update,
        facts: Option<ServerFacts>,
    ) -> Self {
        let machine = update.snapshot.machine.host.value().map(|host| &**host);
        let host_name = machine.or(options.host_name.as_deref());
        let server = Self {
            allow_remote_control: options.remote_control,
            api_control_port: options.api_port,
            api_tokens_available: false,
            api_version: API_VERSION,
            auth_required: options.auth_required,
            bandwidth_limits: None,
            certificate_validation: (),
            configuration: (),
            encryption_available: false,
            event_log_available: false,
            host_name,
            license: (),
            min_cipher: None,
            multiplex_available: false,
            public_key: None,
            receiver: None,
            revision: (),
            server_external_address: (),
            // Random at each start, as JetStream's is.
            server_id: format!("{:016x}", update.instance),
            server_name: options.server_name.as_deref().or(host_name),
            server_uid: None,
            version: env!("CARGO_PKG_VERSION").into(),
        };
        match facts {
            None => server,
            Some(facts) => Self {
                bandwidth_limits: Some(facts.bandwidth_limits),
                // Every transfer is encrypted.
                encryption_available: true,
                min_cipher: Some(facts.min_cipher),
                public_key: Some(facts.public_key),
                receiver: facts.receiver,
                // The ids that peers report.
                server_id: facts.launch_id,
                server_uid: Some(facts.uid),
                version: facts.version.into(),
                ..server
            },
        }
    }
}
