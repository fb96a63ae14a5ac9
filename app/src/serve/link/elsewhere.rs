//! There is no link server on this system; the configuration refuses its settings.

use conns_dialects::jetstream::Backend;
use conns_privileges::Account;

use crate::config::Config;
use crate::failure::Failure;

/// There is none.
#[derive(Debug)]
pub(in crate::serve) enum HostedLink {}

pub(in crate::serve) fn start(
    _: &Config,
    _: Option<&Account>,
    _: &super::LinkEnds,
) -> Result<Option<HostedLink>, Failure> {
    Ok(None)
}

impl HostedLink {
    pub(in crate::serve) fn backend(&self) -> Result<Backend, Failure> {
        match *self {}
    }

    pub(in crate::serve) fn watch(&mut self) -> Result<(), Failure> {
        match *self {}
    }

    pub(in crate::serve) fn stop(self) {
        match self {}
    }
}
