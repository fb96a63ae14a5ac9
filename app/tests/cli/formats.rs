//! The output formats, about sockets whose every number the test knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::Case;
use crate::owner::Owner;
use crate::program::run;
use crate::scene::{READ, SENT, Scene, all_ends, ends_of, same};

pub(crate) const TESTS: &[Case] = &[
    Case("json_has_every_socket_once_with_its_owner", &[], json_is_true),
    Case("json_leaves_out_what_does_not_apply", &[], absent_keys),
    Case("unknown_values_are_null_in_json", &[], null_values),
    Case("json_values_have_the_types_of_the_field_reference", &[], types),
    Case("json_has_connections_and_losses_as_lists", &[], frame),
    Case("jsonl_is_one_record_a_line", &[], lines),
    Case("csv_has_keys_as_header_and_the_values_of_json", &[], csv),
    Case("csv_of_all_columns_has_every_key", &[], csv_of_all),
    Case("rows_begin_with_time_and_host_of_their_snapshot", &[], stamped),
    Case("csv_has_the_same_columns_everywhere_and_all_owners", &[], csv_by_default),
    Case("table_has_a_row_for_each_socket", &[], table),
    Case("wide_has_more_columns_and_cuts_nothing", &[], wide),
    Case("no_header_leaves_out_one_line", &[], no_header),
    Case("explain_gives_each_value_its_source_and_each_unknown_one_its_reason", &[], explained),
    Case("explain_of_a_table_counts_sources_and_reasons", &[], explained_table),
    Case("an_empty_answer_is_valid_in_every_format", &[], empty),
];

fn json_is_true() -> Result<()> {
    let scene = Scene::new()?;
    let records = scene.sandbox.records(&["-a"], "")?;
    same("the sockets", all_ends(&records)?, scene.sockets()?)?;
    let name = fs::read_to_string("/proc/self/comm")?.trim_end().to_owned();
    for record in &records {
        same("the pid", &record["pid"], &Value::from(std::process::id()))?;
        same("the process", &record["process"], &Value::from(&*name))?;
        same("the owner", &record["owners"][0]["pid"], &Value::from(std::process::id()))?;
        same("the namespace", &record["netns_inode"], &Value::from(scene.sandbox.inode()?))?;
        same("the family", &record["family"], &Value::from("IPv4"))?;
    }
    let server = scene.record(&records, scene.listener.local_addr()?)?;
    let client = scene.record(&records, scene.client.local_addr()?)?;
    same("bytes out of the client", &client["bytes_out"], &Value::from(SENT))?;
    same("bytes into the server", &server["bytes_in"], &Value::from(SENT))?;
    same("unread bytes", &server["recv_queue_bytes"], &Value::from(SENT - READ))?;
    same("the server's direction", &server["direction"], &Value::from("inbound"))?;
    same("the client's direction", &client["direction"], &Value::from("outbound"))
}

/// Keys of a kind of socket, according to the field reference.
fn absent_keys() -> Result<()> {
    let scene = Scene::new()?;
    for record in scene.sandbox.records(&["-a"], "")? {
        let (proto, state, ..) = ends_of(&record);
        let (absent, there): (&[&str], &[&str]) = match (&*proto, &*state) {
            ("tcp", "LISTEN") => (
                &[
                    "remote_addr",
                    "remote_port",
                    "direction",
                    "rtt_us",
                    "loss_percent",
                    "bytes_out",
                    "snd_cwnd",
                ],
                &["backlog", "backlog_max", "overflows"],
            ),
            ("tcp", _) => (
                &["backlog", "backlog_max", "overflows"],
                &[
                    "remote_addr",
                    "remote_port",
                    "direction",
                    "rtt_us",
                    "loss_percent",
                    "bytes_out",
                    "snd_cwnd",
                ],
            ),
            ("udp", "UNCONN") => (
                &["remote_addr", "remote_port", "rtt_us", "backlog", "snd_cwnd"],
                &["recv_queue_bytes"],
            ),
            _ => (&["rtt_us", "backlog", "snd_cwnd"], &["remote_addr", "remote_port"]),
        };
        for key in absent {
            ensure!(record.get(key).is_none(), "{proto} {state} has `{key}`: {}", record[key]);
        }
        for key in there {
            ensure!(record.get(key).is_some(), "{proto} {state} has no `{key}`");
        }
        // A list omits these (the ends are in separate fields, the sentence is printed by `why`).
        for key in ["local", "remote", "why"] {
            ensure!(record.get(key).is_none(), "`{key}` is in the JSON of a list");
        }
    }
    Ok(())
}

fn null_values() -> Result<()> {
    let scene = Scene::new()?;
    let records = scene.sandbox.records(&["-a"], "")?;
    let server = scene.record(&records, scene.listener.local_addr()?)?;
    // It has sent no data segment, so that there is no share of lost ones.
    same("loss of a mere receiver", server.get("loss_percent"), Some(&Value::Null))?;
    // One sample has no rates.
    same("a rate after one sample", server.get("rate_out_bytes_per_s"), Some(&Value::Null))?;
    let udp = scene.record(&records, scene.udp_connected.local_addr()?)?;
    same("bytes of UDP, which the kernel does not count", udp.get("bytes_out"), Some(&Value::Null))
}

/// Of JSON, JSON lines and the verdicts.
fn explained() -> Result<()> {
    let scene = Scene::new()?;
    let run = |words: &[&str]| scene.sandbox.run(&[words, &["--explain"]].concat(), "");
    let list = scene.sandbox.records(&["-a", "--explain"], "")?;
    let lines = run(&["-a", "-o", "jsonl"])?.good()?.lines_of_json()?;
    let why = run(&["why", "-a", "-o", "json", "--for", "0.2"])?.good()?.json()?;
    let why = why["verdicts"].as_array().cloned().context("no verdicts")?;
    for records in [list, lines, why] {
        same("the number of records", records.len(), 5)?;
        for record in records {
            let (sources, unknown) = (&record["explain"]["sources"], &record["explain"]["unknown"]);
            same("the source of the state", &sources["state"], &Value::from("sock_diag"))?;
            for (key, value) in record.as_object().context("no object")? {
                let reason = unknown.get(key).and_then(Value::as_str).unwrap_or_default();
                ensure!(value.is_null() != reason.is_empty(), "{key} is {value}: {unknown}");
                ensure!(!value.is_null() || sources.get(key).is_none(), "{key}: {sources}");
            }
        }
    }
    Ok(())
}

/// Of five sockets two are connected over TCP; one sample has no rates, and the kernel counts no bytes of UDP.
fn explained_table() -> Result<()> {
    let scene = Scene::new()?;
    let words = ["-a", "--explain", "--columns", "state,rtt,rate_out"];
    let ran = scene.sandbox.run(&words, "")?;
    let (_, below) = ran.good()?.text()?.split_once("\n\n").context("nothing below the table")?;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = [
        "COLUMN ROWS SOURCE",
        "state 5 from sock_diag",
        "rtt 2 from sock_diag",
        "rate_out 2 unknown: needs a second observation",
        "rate_out 2 unknown: this kernel does not report it",
    ];
    same(
        "the lines",
        below.lines().map(words).collect::<Vec<_>>(),
        expected.map(str::to_owned).to_vec(),
    )
}

/// Keys and kinds of `conns fields -o json`.
fn kinds() -> Result<BTreeMap<String, String>> {
    let json = run(&["fields", "-o", "json"])?.code(0)?.json()?;
    let fields = json["fields"].as_array().context("no list of fields")?;
    let text = |field: &Value, key: &str| {
        field[key].as_str().map(str::to_owned).context("a field without it")
    };
    fields.iter().map(|field| Ok((text(field, "key")?, text(field, "type")?))).collect()
}

fn types() -> Result<()> {
    let scene = Scene::new()?;
    let kinds = kinds()?;
    let records = scene.sandbox.records(&["-a"], "")?;
    let mut seen = BTreeSet::new();
    for (key, value) in records.iter().filter_map(Value::as_object).flatten() {
        let kind =
            kinds.get(key).with_context(|| format!("`{key}` is no key of `conns fields`"))?;
        let fits = match &**kind {
            "text" => value.is_string(),
            "number" | "bytes" | "duration" | "time" => value.is_u64(),
            "port" => value.as_u64().is_some_and(|port| port <= 65535),
            "rate" => value.is_number(),
            "percent" => value.as_f64().is_some_and(|percent| percent >= 0.0),
            "bool" => value.is_boolean(),
            "address" => {
                value.as_str().is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok())
            }
            "list" => value.is_array(),
            other => anyhow::bail!("`{key}` is of the unknown type {other}"),
        };
        ensure!(fits || value.is_null(), "`{key}` is of type {kind}, and {value}");
        seen.insert(kind.clone());
    }
    ensure!(seen.len() >= 9, "these sockets show only the types {seen:?}");
    Ok(())
}

fn frame() -> Result<()> {
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a", "-o", "json"], "")?;
    let json = ran.good()?.json()?;
    let keys: Vec<&str> = json.as_object().context("no object")?.keys().map(|key| &**key).collect();
    same("the keys", keys, vec!["connections", "losses", "snapshot"])?;
    same("the host", json["snapshot"]["host"].as_str(), Some(&*host()?))?;
    ensure!(json["snapshot"]["at_us"].is_u64(), "{}", json["snapshot"]);
    ensure!(json["losses"].is_array(), "losses are {}", json["losses"]);
    for loss in json["losses"].as_array().into_iter().flatten() {
        for key in ["kind", "source", "message"] {
            ensure!(loss[key].is_string(), "a loss has the {key} {}", loss[key]);
        }
        ensure!(loss["count"].is_u64(), "a loss has the count {}", loss["count"]);
    }
    Ok(())
}

fn lines() -> Result<()> {
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a", "-o", "jsonl"], "")?;
    let records = ran.good()?.lines_of_json()?;
    same("the sockets", all_ends(&records)?, scene.sockets()?)?;
    ensure!(ran.out.ends_with(b"}\n"), "the last line has no end");
    let of_json = scene.sandbox.records(&["-a"], "")?;
    let keys = |records: &[Value]| -> BTreeMap<_, BTreeSet<String>> {
        let keys =
            |r: &Value| r.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
        records.iter().map(|record| (ends_of(record), keys(record))).collect()
    };
    let mut expected = keys(&of_json);
    expected.values_mut().for_each(|keys| keys.extend(["at_us", "host"].map(str::to_owned)));
    same("the keys of each record", keys(&records), expected)
}

fn csv() -> Result<()> {
    let scene = Scene::new()?;
    let columns = "proto,state,local_addr,local_port,remote_addr,remote_port,pid,process,bytes_out,recv_queue,rtt";
    let ran = scene.sandbox.run(&["-a", "-o", "csv", "--columns", columns], "")?;
    let (header, rows) = ran.good()?.csv()?;
    let keys = "proto,state,local_addr,local_port,remote_addr,remote_port,pid,process,bytes_out,recv_queue_bytes,rtt_us";
    same("the header", header.join(","), keys.to_owned())?;
    let from_csv: BTreeSet<Vec<String>> = rows.into_iter().map(|row| row[..10].to_vec()).collect();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cell = |record: &Value, key| {
        record.get(key).filter(|v| !v.is_null()).map(text).unwrap_or_default()
    };
    let from_json = scene.sandbox.records(&["-a"], "")?;
    let from_json: BTreeSet<Vec<String>> = from_json
        .iter()
        .map(|r| keys.split(',').take(10).map(|key| cell(r, key)).collect())
        .collect();
    same("the rows", from_csv, from_json)
}

fn csv_of_all() -> Result<()> {
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a", "-o", "csv", "--columns", "all"], "")?;
    let (header, rows) = ran.good()?.csv()?;
    let header: BTreeSet<String> = header.into_iter().collect();
    same("the header", header, kinds()?.into_keys().collect())?;
    same("the number of rows", rows.len(), scene.sockets()?.len())
}

fn host() -> Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/hostname")?.trim_end().to_owned())
}

fn now_us() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

fn stamped() -> Result<()> {
    let scene = Scene::new()?;
    let run = |words: &[&str]| scene.sandbox.run(words, "");
    let before = now_us()?;
    let lines = run(&["-a", "-o", "jsonl"])?.good()?.lines_of_json()?;
    let groups = run(&["-a", "--group-by", "proto", "-o", "jsonl"])?.good()?.lines_of_json()?;
    let chosen = run(&["-o", "jsonl", "--columns", "pid,snapshot"])?.good()?.lines_of_json()?;
    let why = run(&["why", "-a", "-o", "jsonl", "--for", "0.2"])?.good()?.lines_of_json()?;
    let times = before..=now_us()?;
    same(
        "groups, and lines with a pid",
        (groups.len(), chosen[0].as_object().map(Map::len)),
        (2, Some(3)),
    )?;
    for record in [lines, groups, chosen, why].concat() {
        same("the host", record["host"].as_str(), Some(&*host()?))?;
        let at = record["at_us"].as_u64().context("no time")?;
        ensure!(times.contains(&at), "{at} is not within {times:?}");
    }
    for columns in ["pid", "-snapshot"] {
        for record in run(&["-o", "jsonl", "--columns", columns])?.good()?.lines_of_json()? {
            ensure!(record.get("host").is_none() && record.get("at_us").is_none(), "{record}");
        }
    }
    let (header, rows) = run(&["-o", "csv", "--columns", "snapshot,state"])?.good()?.csv()?;
    same("the header", header.join(","), "at_us,host,state".to_owned())?;
    same("the host of a row", &*rows[0][1], &*host()?)
}

/// A connection whose client two processes have.
fn csv_by_default() -> Result<()> {
    let scene = Scene::new()?;
    let owner = Owner::start(b"two;owners", &[], scene.client.try_clone()?, None)?;
    let keys = "at_us,host,process,pid,owners,netns,proto,state,direction,local,remote,remote_name,\
        app,rtt_us,loss_percent,bytes_out,bytes_in,rate_out_bytes_per_s,rate_in_bytes_per_s,idle_us,verdict";
    for filter in ["", "pid == 0"] {
        let (header, _) = scene.sandbox.run(&["-a", "-o", "csv"], filter)?.good()?.csv()?;
        same("the header", header.join(","), keys.to_owned())?;
    }
    let filter = format!("local_port == {} and tcp", scene.client.local_addr()?.port());
    let (header, rows) = scene.sandbox.run(&["-o", "csv"], &filter)?.good()?.csv()?;
    let at = header.iter().position(|key| key == "owners").context("no owners")?;
    let me = std::process::id();
    let name = fs::read_to_string("/proc/self/comm")?.trim_end().to_owned();
    let mut owners = [(me, name), (owner.pid(), "two\\;owners".to_owned())];
    owners.sort();
    let owners: Vec<String> = owners.iter().map(|(pid, name)| format!("{name}/{pid}")).collect();
    same("the owners", rows.iter().map(|row| &*row[at]).collect(), vec![&*owners.join(";")])
}

fn table() -> Result<()> {
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a"], "")?;
    let lines: Vec<&str> = ran.good()?.text()?.lines().collect();
    let titles =
        "PROCESS PID PROTO STATE DIRECTION LOCAL REMOTE RTT LOSS BYTES-OUT BYTES-IN IDLE VERDICT";
    let header: Vec<&str> = lines.first().context("no header")?.split_whitespace().collect();
    same("the header", header.join(" "), titles.to_owned())?;
    same("the number of lines", lines.len(), 1 + scene.sockets()?.len())?;
    let pid = format!(" {} ", std::process::id());
    for line in &lines[1..] {
        ensure!(line.contains(&pid), "no pid in {line:?}");
        ensure!(!line.ends_with(' '), "blanks at the end of {line:?}");
    }
    let client = scene.client.local_addr()?.to_string();
    let line = lines
        .iter()
        .find(|line| line.contains(&format!(" {client} ")) && line.contains("outbound"));
    let line = line.context("no row of the client")?;
    ensure!(line.contains("1kB"), "{SENT} bytes sent are not 1kB in {line:?}");
    Ok(())
}

fn wide() -> Result<()> {
    let scene = Scene::new()?;
    let ran = scene.sandbox.run(&["-a", "-o", "wide"], "")?;
    let header = ran.good()?.text()?.lines().next().context("no header")?;
    for title in ["USER", "RECV-QUEUE", "SND-CWND", "CONGESTION", "CONFIDENCE", "CMDLINE"] {
        ensure!(header.split_whitespace().any(|word| word == title), "no {title} in {header:?}");
    }
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a path that is no text")?;
    same(
        "rows with the whole command line",
        ran.text()?.matches(program).count(),
        scene.sockets()?.len(),
    )
}

fn no_header() -> Result<()> {
    let scene = Scene::new()?;
    for format in ["table", "wide", "csv"] {
        // Columns that do not change from one sample to the next.
        let words = [
            "-a",
            "-o",
            format,
            "--columns",
            "proto,state,local,remote,pid",
            "--sort",
            "local,remote",
        ];
        let with = scene.sandbox.run(&words, "")?;
        let without = scene.sandbox.run(&[&words[..], &["--no-header"]].concat(), "")?;
        let rest: Vec<&str> = with.good()?.text()?.lines().skip(1).collect();
        same(format, without.good()?.text()?.lines().collect(), rest)?;
    }
    Ok(())
}

fn empty() -> Result<()> {
    let scene = Scene::new()?;
    let filter = "pid == 0";
    let run = |format| scene.sandbox.run(&["-a", "-o", format], filter);
    let json = run("json")?.good()?.json()?;
    same("json", &json["connections"], &Value::Array(Vec::new()))?;
    same("jsonl", run("jsonl")?.good()?.text()?, "")?;
    let (header, rows) = run("csv")?.good()?.csv()?;
    ensure!(header.len() > 5 && rows.is_empty(), "csv: {header:?} and {rows:?}");
    for format in ["table", "wide"] {
        same(format, run(format)?.good()?.text()?.lines().count(), 1)?;
    }
    Ok(())
}
