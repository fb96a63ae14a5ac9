//! The dialects of the running agent.

use std::sync::Arc;

use conns_dialects::jetstream::{self, Backend, Service};
use conns_dialects::{HttpDialect, LineDialect, one_e::OneE};
use conns_server::{Dialects, Protocol};

use super::swap::Swap;
use crate::config::Config;
use crate::dialects::{ems_server, host_name, monero_node, secret};

/// All dialects; those with settings can be replaced while they are served.
pub(super) struct Served {
    secret: [u8; 16],
    monero: Arc<Swap<dyn HttpDialect>>,
    ems_http: Arc<Swap<dyn HttpDialect>>,
    ems_json: Arc<Swap<dyn LineDialect>>,
    ems_ascii: Arc<Swap<dyn LineDialect>>,
    jetstream: Service,
}

impl Served {
    /// `backend` is the link server, if there is one.
    pub(super) fn new(config: &Config, backend: Backend) -> Result<Self, getrandom::Error> {
        let secret = secret()?;
        let ems = ems_server(config);
        let has_tokens = !config.tokens.is_empty();
        let jetstream_listeners =
            config.listen.iter().filter(|one| one.protocol == Protocol::JetStream);
        Ok(Self {
            secret,
            monero: Swap::new(Arc::new(monero_node(config, secret))),
            ems_http: Swap::new(Arc::new(ems.http())),
            ems_json: Swap::new(Arc::new(ems.json_cli())),
            ems_ascii: Swap::new(Arc::new(ems.ascii_cli())),
            jetstream: Service::new(jetstream::Options {
                host_name: host_name(),
                server_name: None,
                api_port: jetstream_listeners.clone().find_map(|one| one.place.port()),
                remote_control: jetstream_listeners.clone().any(|one| !one.place.is_local()),
                auth_required: has_tokens,
                backend,
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
            // A client that may create transfers may send every file that the link server can read.
            jetstream_http: Arc::new(self.jetstream.read_only().http()),
            jetstream_http_with_token: Arc::new(self.jetstream.http()),
            jetstream_lines: Arc::new(self.jetstream.read_only().lines()),
        }
    }

    /// Replaces those whose settings differ; the counters of EMS restart then.
    pub(super) fn change(&self, before: &Config, now: &Config) {
        if before.monero != now.monero {
            self.monero.put(Arc::new(monero_node(now, self.secret)));
        }
        if before.ems != now.ems {
            let ems = ems_server(now);
            self.ems_http.put(Arc::new(ems.http()));
            self.ems_json.put(Arc::new(ems.json_cli()));
            self.ems_ascii.put(Arc::new(ems.ascii_cli()));
        }
    }
}
