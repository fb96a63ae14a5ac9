//! The scene: a process with sockets of every family, in a namespace of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use conns_lab::conns::Conns;
use conns_lab::netns::Namespace;
use conns_lab::process::is_installed;
use serde_json::Value;

/// What the machine lacks for a test with these programs.
pub(crate) fn missing(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it needs root, to make network namespaces and raw sockets".to_owned());
    }
    let absent = programs.iter().find(|program| !is_installed(program))?;
    Some(format!("{absent} is not installed"))
}

/// A running scene. It ends with its standard input.
pub(crate) struct Scene {
    process: Child,
    pub(crate) namespace: Namespace,
    folder: PathBuf,
    pub(crate) pid: u64,
    /// A child with the other end of a pair of unix sockets.
    pub(crate) child: u64,
    /// Inodes by the name of the socket.
    pub(crate) inodes: BTreeMap<String, u64>,
    /// The names of those in no table.
    pub(crate) leaked: Vec<String>,
}

impl Scene {
    pub(crate) fn start() -> Result<Self> {
        let namespace = Namespace::create("other")?;
        let folder = std::env::temp_dir().join(namespace.name());
        std::fs::create_dir_all(&folder)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/other_sockets/scene.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = namespace.spawn(&mut command)?;
        let out = process.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let ready: Value =
            serde_json::from_str(&line).with_context(|| format!("{script} printed {line:?}"))?;
        let scene = Self {
            process,
            namespace,
            folder,
            pid: ready["pid"].as_u64().context("no pid")?,
            child: ready["child"].as_u64().context("no child")?,
            inodes: serde_json::from_value(ready["inodes"].clone())?,
            leaked: serde_json::from_value(ready["leaked"].clone())?,
        };
        Ok(scene)
    }

    pub(crate) fn inode(&self, name: &str) -> Result<u64> {
        self.inodes.get(name).copied().with_context(|| format!("the scene has no {name}"))
    }

    /// The records of `conns` in the namespace of the scene, by inode.
    pub(crate) fn rows(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut all = vec!["--netns", self.namespace.name()];
        all.extend(arguments);
        Conns::find(None)?.readable_records(&all)
    }

    /// Lines of `ss` and records of `conns` of the same moment: `ss` prints the same before and after.
    pub(crate) fn both(&self, ss: &[&str], conns: &[&str]) -> Result<(Vec<String>, Vec<Value>)> {
        let mut before = self.ss(ss)?;
        loop {
            let rows = self.rows(conns)?;
            let after = self.ss(ss)?;
            if before == after {
                return Ok((after, rows));
            }
            before = after;
        }
    }

    /// The output of `ss` in the namespace, one line a row.
    pub(crate) fn ss(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let mut all = vec!["-HO"];
        all.extend(arguments);
        let out = self.namespace.output("ss", &all)?;
        Ok(out.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It ends at the end of its input; its child with it.
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Records by inode; two of one inode are an error.
pub(crate) fn by_inode(rows: &[Value]) -> Result<BTreeMap<u64, &Value>> {
    let mut found = BTreeMap::new();
    for row in rows {
        let Some(inode) = row["inode"].as_u64() else { continue };
        ensure!(found.insert(inode, row).is_none(), "inode {inode} is listed twice");
    }
    Ok(found)
}

/// Name, pid and descriptor.
pub(crate) type Owner = (String, u64, u64);

/// The owners of a record.
pub(crate) fn owners(row: &Value) -> BTreeSet<Owner> {
    let of = |owner: &Value| {
        let name = owner["process"].as_str()?.to_owned();
        Some((name, owner["pid"].as_u64()?, owner["fd"].as_u64()?))
    };
    row["owners"].as_array().into_iter().flatten().filter_map(of).collect()
}

/// The owners in a line of `ss`: `users:(("python3",pid=1,fd=3),("x",pid=2,fd=4))`.
pub(crate) fn ss_owners(line: &str) -> BTreeSet<Owner> {
    let Some((_, users)) = line.split_once("users:((") else { return BTreeSet::new() };
    let users = users.split("))").next().unwrap_or_default();
    let of = |user: &str| {
        let mut parts = user.split(',');
        let name = parts.next()?.trim_matches('"').to_owned();
        let pid = parts.next()?.strip_prefix("pid=")?.parse().ok()?;
        let fd = parts.next()?.strip_prefix("fd=")?.parse().ok()?;
        Some((name, pid, fd))
    };
    users.split("),(").filter_map(of).collect()
}

/// Fails unless the record shows exactly this; `None` is that the key is absent.
pub(crate) fn shows<V: Into<Value>>(row: &Value, key: &str, expected: Option<V>) -> Result<()> {
    let expected = expected.map_or(Value::Null, Into::into);
    ensure!(row[key] == expected, "`{key}` is {} instead of {expected} in {row}", row[key]);
    Ok(())
}
