//! The dialects as they are configured.

use std::sync::Arc;

use conns_dialects::jetstream::{self, NoTransfers, Service};
use conns_dialects::monero::{self, Node};
use conns_dialects::{HttpDialect, LineDialect, ems, one_e::OneE};
use conns_server::{Dialects, Protocol};

use super::swap::Swap;
use crate::config::Config;

/// What EMS calls itself in its headers and descriptions.
const EMS_BRAND: &str = concat!("conns/", env!("CARGO_PKG_VERSION"));

/// Every dialect; those with settings can be exchanged.
pub(super) struct Spoken {
    secret: [u8; 16],
    monero: Arc<Swap<dyn HttpDialect>>,
    ems_http: Arc<Swap<dyn HttpDialect>>,
    ems_json: Arc<Swap<dyn LineDialect>>,
    ems_ascii: Arc<Swap<dyn LineDialect>>,
    jetstream: Service,
}

impl Spoken {
    pub(super) fn new(config: &Config) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        let ems = ems_server(config);
        let has_tokens = !config.tokens.is_empty();
        let of_jetstream = config.listen.iter().filter(|one| one.protocol == Protocol::JetStream);
        Ok(Self {
            secret,
            monero: Swap::new(Arc::new(node(config, secret))),
            ems_http: Swap::new(Arc::new(ems.http())),
            ems_json: Swap::new(Arc::new(ems.json_cli())),
            ems_ascii: Swap::new(Arc::new(ems.ascii_cli())),
            jetstream: Service::new(jetstream::Options {
                host_name: host_name(),
                server_name: None,
                api_port: of_jetstream.clone().find_map(|one| one.place.port()),
                remote_control: of_jetstream.clone().any(|one| !one.place.is_local()),
                auth_required: has_tokens,
                transfers: Arc::new(NoTransfers),
            }),
        })
    }

    pub(super) fn dialects(&self) -> Dialects {
        Dialects {
            one_e: Arc::new(OneE),
            monero: Arc::clone(&self.monero) as _,
            ems_http: Arc::clone(&self.ems_http) as _,
            ems_json: Arc::clone(&self.ems_json) as _,
            ems_ascii: Arc::clone(&self.ems_ascii) as _,
            jetstream_http: Arc::new(self.jetstream.http()),
            jetstream_lines: Arc::new(self.jetstream.lines()),
        }
    }

    /// Exchanges those whose settings differ; EMS begins its counters anew then.
    pub(super) fn change(&self, before: &Config, now: &Config) {
        if before.monero != now.monero {
            self.monero.put(Arc::new(node(now, self.secret)));
        }
        if before.ems != now.ems {
            let ems = ems_server(now);
            self.ems_http.put(Arc::new(ems.http()));
            self.ems_json.put(Arc::new(ems.json_cli()));
            self.ems_ascii.put(Arc::new(ems.ascii_cli()));
        }
    }
}

fn node(config: &Config, secret: [u8; 16]) -> Node {
    let of = &config.monero;
    Node::new(monero::Options {
        peers: of.peers.clone(),
        node: of.node.clone(),
        era: of.era,
        restricted: of.restricted,
        login: of
            .login
            .as_ref()
            .and_then(|login| monero::Login::of_digest(&login.user, &login.ha1)),
        secret,
    })
}

fn ems_server(config: &Config) -> ems::Server {
    ems::Server::new(ems::Options {
        streams: config.ems.streams.clone(),
        length_prefix: config.ems.length_prefix,
        brand: EMS_BRAND.to_owned(),
    })
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
