//! The Server Information structure, as far as JetStream's page of it is known. A field without a
//! meaning here is null or false.

use conns_core::model::Update;
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
    bandwidth_limits: (),
    certificate_validation: (),
    configuration: (),
    encryption_available: bool,
    event_log_available: bool,
    host_name: Option<&'a str>,
    license: (),
    min_cipher: (),
    multiplex_available: bool,
    public_key: (),
    receiver: (),
    revision: (),
    server_external_address: (),
    server_id: String,
    server_name: Option<&'a str>,
    version: &'static str,
}

impl<'a> ServerInformation<'a> {
    pub(super) fn new(options: &'a Options, update: &'a Update) -> Self {
        let machine = update.snapshot.machine.host.value().map(|host| &**host);
        let host_name = machine.or(options.host_name.as_deref());
        Self {
            allow_remote_control: options.remote_control,
            api_control_port: options.api_port,
            api_tokens_available: false,
            api_version: API_VERSION,
            auth_required: options.auth_required,
            bandwidth_limits: (),
            certificate_validation: (),
            configuration: (),
            // It is about transfers, and there is no transfer service.
            encryption_available: false,
            event_log_available: false,
            host_name,
            license: (),
            min_cipher: (),
            multiplex_available: false,
            public_key: (),
            receiver: (),
            revision: (),
            server_external_address: (),
            // Random at each start, as JetStream's is.
            server_id: format!("{:016x}", update.instance),
            server_name: options.server_name.as_deref().or(host_name),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
