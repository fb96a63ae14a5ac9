//! What is loaded into the kernel, as bpftool lists it, and its owners, from `/proc/*/fdinfo`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use conns_lab::process::wait_for;
use serde_json::Value;

/// Kinds and ids: `("prog", 12)`.
pub(crate) type Objects = BTreeSet<(&'static str, u64)>;

const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Kind, and its key in fdinfo.
const KINDS: [(&str, &str); 3] = [("prog", "prog_id:"), ("map", "map_id:"), ("link", "link_id:")];

fn list(kind: &str) -> Result<Vec<Value>> {
    // bpftool fails if an object is freed while it lists.
    let mut failed = String::new();
    wait_for("bpftool to list without one going meanwhile", LIST_TIMEOUT, || {
        let output = Command::new("bpftool")
            .args(["-j", kind, "show"])
            .output()
            .context("running bpftool")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            failed = text;
            return Ok(None);
        }
        let parsed = serde_json::from_str(&text);
        parsed
            .map(Some)
            .with_context(|| format!("reading the output of bpftool {kind} show: {text}"))
    })
    .with_context(|| format!("bpftool {kind} show failed: {failed}"))
}

/// All programs, maps and links there are.
pub(crate) fn all() -> Result<Objects> {
    let mut found = Objects::new();
    for (kind, _) in KINDS {
        let ids = list(kind)?.into_iter().filter_map(|one| one["id"].as_u64());
        found.extend(ids.map(|id| (kind, id)));
    }
    Ok(found)
}

/// The number in the only entry of the array of that name that the process owns.
pub(crate) fn number(pid: u32, name: &str) -> Result<u64> {
    let owned = described(pid)?;
    let is_it = |map: &Value| {
        map["name"] == name && map["id"].as_u64().is_some_and(|id| owned.contains(&("map", id)))
    };
    let maps = list("map")?;
    let map = maps.iter().find(|map| is_it(map)).with_context(|| format!("no map {name}"))?;
    let id = map["id"].to_string();
    let output = Command::new("bpftool").args(["-j", "map", "dump", "id", &id]).output()?;
    let entries: Value = serde_json::from_slice(&output.stdout)?;
    let value = entries[0]["formatted"]["value"].as_u64();
    value.with_context(|| format!("the map {name} has {entries}"))
}

/// Objects that descriptors of the process refer to.
fn described(pid: u32) -> Result<Objects> {
    let mut found = Objects::new();
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    for entry in entries.with_context(|| format!("asking for the descriptors of {pid}"))?.flatten()
    {
        // A descriptor may be closed meanwhile.
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        for (kind, key) in KINDS {
            let ids = text.lines().filter_map(|line| line.strip_prefix(key)?.trim().parse().ok());
            found.extend(ids.map(|id| (kind, id)));
        }
    }
    Ok(found)
}

/// The maps of those programs.
fn maps_of(owned: &Objects, programs: &[Value]) -> Objects {
    let is_owned =
        |one: &&Value| one["id"].as_u64().is_some_and(|id| owned.contains(&("prog", id)));
    let maps = programs.iter().filter(is_owned).filter_map(|one| one["map_ids"].as_array());
    maps.flatten().filter_map(Value::as_u64).map(|id| ("map", id)).collect()
}

/// Objects of the process: by descriptors, and the maps of its programs.
pub(crate) fn owned_by(pid: u32) -> Result<Objects> {
    let mut owned = described(pid)?;
    let maps = maps_of(&owned, &list("prog")?);
    owned.extend(maps);
    Ok(owned)
}

/// Names of the programs that the process has loaded.
pub(crate) fn programs_of(pid: u32) -> Result<Vec<String>> {
    let owned = described(pid)?;
    let is_owned = |one: &Value| one["id"].as_u64().is_some_and(|id| owned.contains(&("prog", id)));
    let names = list("prog")?.into_iter().filter(is_owned);
    Ok(names.filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect())
}

/// Objects loaded since `before` without a process that refers to them.
pub(crate) fn ownerless_since(before: &Objects) -> Result<Objects> {
    // Listed first, so that objects loaded later are not in the list.
    let mut left: Objects = all()?.difference(before).copied().collect();
    let programs = list("prog")?;
    let mut owned = Objects::new();
    for pid in fs::read_dir("/proc")?.flatten() {
        // A process that has ended owns nothing.
        if let Some(pid) = pid.file_name().to_str().and_then(|name| name.parse().ok()) {
            owned.extend(described(pid).unwrap_or_default());
        }
    }
    owned.extend(maps_of(&owned, &programs));
    left.retain(|object| !owned.contains(object));
    Ok(left)
}

/// What is pinned in the file systems of BPF.
pub(crate) fn pinned() -> Result<BTreeSet<String>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut found = BTreeSet::new();
    for mount in mounts.lines().filter(|line| line.split(' ').nth(2) == Some("bpf")) {
        let place = mount.split(' ').nth(1).unwrap_or_default();
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            found.insert(entry.path().display().to_string());
        }
    }
    Ok(found)
}
