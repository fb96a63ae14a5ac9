//! What a test stands on, and how to get it where it is not there.

use std::fs;
use std::path::{Path, PathBuf};

use conns_lab::process::is_installed;

/// The libraries `lab/clients/install.sh` installs.
const REQUIREMENTS: &str = include_str!("../../clients/requirements.txt");

/// Something the machine may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Requirement {
    Root,
    Curl,
    Nc,
    Monerod,
    Chromium,
    /// A Python with the libraries of `requirements.txt`.
    Python,
}

impl Requirement {
    /// Why a test that needs it cannot run here; `None` if it can.
    pub(crate) fn missing(self) -> Option<String> {
        let package = |program: &str, package: &str| {
            (!is_installed(program)).then(|| format!("there is no {program}; install {package}"))
        };
        match self {
            Self::Root if rustix::process::geteuid().is_root() => None,
            Self::Root => Some("it needs root, to make a network namespace".into()),
            Self::Curl => package("curl", "curl"),
            Self::Nc => package("nc", "netcat-openbsd"),
            Self::Monerod => package("monerod", "monero"),
            Self::Chromium => package("chromium", "chromium"),
            Self::Python => {
                let installed = fs::read_to_string(clients().join("installed.txt"));
                let is_open = installed.is_ok_and(|list| list == REQUIREMENTS)
                    && clients().join("bin/python").is_file();
                (!is_open)
                    .then(|| "its libraries are not installed; run lab/clients/install.sh".into())
            }
        }
    }
}

/// Where `install.sh` puts them.
pub(crate) fn clients() -> PathBuf {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients");
    std::env::var_os("CONNS_CLIENTS").map_or_else(usual, PathBuf::from)
}
