//! A named network namespace that exists as long as its owner does.
//!
//! Made with iproute2's `ip`, which `ss` comes with anyway: creating one by unshare() needs unsafe code in Rust.
//! A killed owner cannot clean up, so each new one first removes what dead owners left.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::inside::NAMED;

/// The name is this and the owner's process id.
const PREFIX: &str = "conns-bench-";

/// A network namespace with its loopback up, removed on drop.
pub(crate) struct OwnNamespace {
    name: String,
}

impl OwnNamespace {
    /// Makes a fresh namespace named after this process.
    pub(crate) fn create() -> anyhow::Result<OwnNamespace> {
        remove_orphans();
        let name = format!("{PREFIX}{}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = OwnNamespace { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name under /run/netns.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for OwnNamespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("conns-bench: {error:#}; remove it with: ip netns del {}", self.name);
        }
    }
}

fn remove_orphans() {
    let Ok(names) = std::fs::read_dir(NAMED) else {
        return;
    };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(owner) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if owner.parse::<u32>().is_ok() && !Path::new("/proc").join(owner).exists() {
            match ip(&["netns", "del", &name]) {
                Ok(()) => eprintln!("conns-bench: removed namespace {name}, left by a killed run"),
                Err(error) => eprintln!("conns-bench: {error:#}"),
            }
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let command = format!("ip {}", arguments.join(" "));
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run `{command}`: install iproute2"))?;
    ensure!(
        output.status.success(),
        "`{command}` failed: {}; network namespaces need root (CAP_SYS_ADMIN)",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
