//! Which sockets, columns and order: views, protocols, families, `--columns`, `--sort`, `--limit`, `-r`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;

use anyhow::{Context, Result, ensure};

use crate::sandbox::Sandbox;
use crate::scene::{Scene, all_ends, ends, same};
use crate::{Case, Need};

pub(crate) const TESTS: &[Case] = &[
    Case("views_and_protocols_choose_sockets", &[], views),
    Case("families_choose_sockets_and_mapped_is_ipv6", &[Need::Ipv6], families),
    Case("columns_are_those_named_in_their_order", &[], columns),
    Case("columns_add_to_and_take_from_the_usual_ones", &[], column_changes),
    Case("columns_take_any_name_of_a_field_once", &[], column_names),
    Case("sort_goes_up_down_and_by_several_fields", &[], sort),
    Case("sort_puts_the_unknown_last_both_ways", &[], sort_unknown),
    Case("limit_keeps_the_first_rows_of_the_order", &[], limit),
    Case("filter_words_are_joined", &[], filter_words),
    Case("resolve_shows_host_and_service_names", &[], resolve),
];

fn views() -> Result<()> {
    let scene = Scene::new()?;
    let (udp, connected) = (scene.udp.local_addr()?, scene.udp_connected.local_addr()?);
    let (listener, client) = (scene.listener.local_addr()?, scene.client.local_addr()?);
    let listening = [ends("tcp", "LISTEN", listener, None), ends("udp", "UNCONN", udp, None)];
    let [tcp_listening, udp_listening] = listening.clone();
    let tcp = [
        ends("tcp", "ESTAB", client, Some(listener)),
        ends("tcp", "ESTAB", listener, Some(client)),
    ];
    let udp = [ends("udp", "ESTAB", connected, Some(udp))];
    let cases: [(&[&str], Vec<_>); 9] = [
        (&[], [&tcp[..], &udp].concat()),
        (&["-t"], tcp.to_vec()),
        (&["-u"], udp.to_vec()),
        (&["-t", "-u"], [&tcp[..], &udp].concat()),
        (&["-l"], listening.to_vec()),
        (&["-l", "-t"], vec![tcp_listening.clone()]),
        (&["-lu"], vec![udp_listening.clone()]),
        (&["-a", "-t"], [&tcp[..], &[tcp_listening]].concat()),
        (&["--all", "--udp"], [&udp[..], &[udp_listening]].concat()),
    ];
    for (words, expected) in cases {
        let seen = all_ends(&scene.sandbox.records(words, "")?)?;
        same(&format!("{words:?}"), seen, expected.into_iter().collect())?;
    }
    Ok(())
}

fn families() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let both = sandbox.listen("[::]:0")?;
    let port = both.local_addr()?.port();
    let (old, old_server) = sandbox.connect(([127, 0, 0, 1], port).into(), &both)?;
    let (new, new_server) = sandbox.connect((std::net::Ipv6Addr::LOCALHOST, port).into(), &both)?;
    let four = [ends("tcp", "ESTAB", old.local_addr()?, Some(old.peer_addr()?))];
    let six = [
        ends("tcp", "LISTEN", both.local_addr()?, None),
        ends("tcp", "ESTAB", new.local_addr()?, Some(new.peer_addr()?)),
        ends("tcp", "ESTAB", new_server.local_addr()?, Some(new_server.peer_addr()?)),
        ends("tcp", "ESTAB", old_server.local_addr()?, Some(old_server.peer_addr()?)),
    ];
    ensure!(six[3].2.contains("::ffff:127.0.0.1"), "the system maps no addresses: {six:?}");
    let both: Vec<_> = four.iter().chain(&six).cloned().collect();
    for (words, expected, family) in [
        (&["-a", "-4"][..], four.to_vec(), Some("IPv4")),
        (&["-a", "-6"], six.to_vec(), Some("IPv6")),
        (&["-a", "-4", "-6"], both.clone(), None),
        (&["-a"], both, None),
    ] {
        let records = sandbox.records(words, "")?;
        same(&format!("{words:?}"), all_ends(&records)?, expected.into_iter().collect())?;
        for record in records {
            ensure!(
                family.is_none_or(|family| record["family"] == family),
                "{words:?} shows {record}"
            );
        }
    }
    // Both ways to write the address find both ends.
    for filter in ["remote == 127.0.0.1", "remote == ::ffff:127.0.0.1"] {
        same(filter, sandbox.records(&["-t"], filter)?.len(), 2)?;
    }
    Ok(())
}

/// The header of CSV with these columns.
fn header(scene: &Scene, columns: &str) -> Result<String> {
    let ran = scene.sandbox.run(&["-a", "-o", "csv", "--columns", columns], "")?;
    Ok(ran.good()?.csv()?.0.join(","))
}

fn columns() -> Result<()> {
    let scene = Scene::new()?;
    same("columns", header(&scene, "state,local_port,rtt")?, "state,local_port,rtt_us".into())?;
    let ran = scene.sandbox.run(&["-a", "--columns", "state, local_port"], "")?;
    let first: Vec<&str> =
        ran.good()?.text()?.lines().next().context("no header")?.split_whitespace().collect();
    same("titles of a table", first, vec!["STATE", "LOCAL-PORT"])?;
    for record in scene.sandbox.records(&["-a", "--columns", "state,local_port"], "")? {
        let keys: BTreeSet<&str> =
            record.as_object().context("no object")?.keys().map(|k| &**k).collect();
        same("keys of JSON", keys, BTreeSet::from(["state", "local_port"]))?;
    }
    Ok(())
}

fn column_changes() -> Result<()> {
    let scene = Scene::new()?;
    let plain = scene.sandbox.run(&["-a", "-o", "csv"], "")?.good()?.csv()?.0;
    let with = header(&scene, "+snd_cwnd,-rtt")?;
    let expected: Vec<&str> = plain
        .iter()
        .map(String::as_str)
        .filter(|key| *key != "rtt_us")
        .chain(["snd_cwnd"])
        .collect();
    same("+snd_cwnd,-rtt", with, expected.join(","))?;
    let sentences = scene.sandbox.records(&["-a", "--columns", "+why"], "")?;
    ensure!(sentences.iter().all(|record| record["why"].is_string()), "no `why` in {sentences:?}");
    Ok(())
}

fn column_names() -> Result<()> {
    let scene = Scene::new()?;
    // A name, an alias, the key, in any case: one field, once, where it stood first.
    same("names of one field", header(&scene, "pid,RTT,latency,rtt_us,pid")?, "pid,rtt_us".into())
}

/// The local ports in the order `--sort` gives.
fn order(sandbox: &Sandbox, sort: &str, column: &str) -> Result<Vec<String>> {
    let ran = sandbox.run(&["-a", "-t", "-o", "csv", "--sort", sort, "--columns", column], "")?;
    Ok(ran.good()?.csv()?.1.into_iter().flatten().collect())
}

fn sort() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listeners: Vec<TcpListener> =
        (0..4).map(|_| sandbox.listen("127.0.0.1:0")).collect::<Result<_>>()?;
    let mut ports: Vec<u16> =
        listeners.iter().map(|l| Ok(l.local_addr()?.port())).collect::<Result<_>>()?;
    ports.sort_unstable();
    let up: Vec<String> = ports.iter().map(u16::to_string).collect();
    let down: Vec<String> = up.iter().rev().cloned().collect();
    same("local_port", order(&sandbox, "local_port", "local_port")?, up.clone())?;
    same("-local_port", order(&sandbox, "-local_port", "local_port")?, down.clone())?;
    // All have one state: the second key decides.
    same("state,-sport", order(&sandbox, "state,-sport", "local_port")?, down)?;
    same("the order of a table", order(&sandbox, "process,pid,local,remote", "local_port")?, up)
}

fn sort_unknown() -> Result<()> {
    let scene = Scene::new()?;
    for sort in ["rtt", "-rtt"] {
        let rtts = order(&scene.sandbox, sort, "rtt")?;
        same("rows", rtts.len(), 3)?;
        ensure!(rtts[2].is_empty() && !rtts[0].is_empty(), "--sort {sort} gives {rtts:?}");
    }
    let rows = order(&scene.sandbox, "-bytes_out", "bytes_out")?;
    same("-bytes_out", rows, vec!["1000".into(), "0".into(), String::new()])
}

fn limit() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listeners: Vec<TcpListener> =
        (0..4).map(|_| sandbox.listen("127.0.0.1:0")).collect::<Result<_>>()?;
    let mut ports: Vec<u16> =
        listeners.iter().map(|l| Ok(l.local_addr()?.port())).collect::<Result<_>>()?;
    ports.sort_unstable();
    for (limit, expected) in [("0", 0), ("1", 1), ("3", 3), ("99", 4)] {
        let words = ["-l", "-o", "csv", "--columns", "sport", "--sort", "sport", "--limit", limit];
        let rows = sandbox.run(&words, "")?.good()?.csv()?.1.concat();
        let first: Vec<String> = ports.iter().take(expected).map(u16::to_string).collect();
        same(&format!("--limit {limit}"), rows, first)?;
    }
    Ok(())
}

fn filter_words() -> Result<()> {
    let scene = Scene::new()?;
    let port = scene.listener.local_addr()?.port().to_string();
    let pid = std::process::id().to_string();
    let mut command = crate::program::conns(["-a", "-o", "jsonl", "pid", "==", &*pid, "and"]);
    command.args(["local_port", "==", &*port, "and", "state", "==", "LISTEN"]);
    command.args(scene.sandbox.netns()?);
    let found = scene.sandbox.finish(&mut command)?;
    same("rows", found.good()?.lines_of_json()?.len(), 1)
}

/// Ports of services as IANA registers them, above those only root may bind.
const SERVICES: [(u16, &str); 4] =
    [(5432, "postgresql"), (6379, "redis"), (3306, "mysql"), (5672, "amqp")];

fn resolve() -> Result<()> {
    let hosts = fs::read_to_string("/etc/hosts")?;
    let mut lines =
        hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    let name = lines
        .find_map(|mut words| (words.next() == Some("127.0.0.1")).then(|| words.next()).flatten());
    let name = name.context("/etc/hosts has no name for 127.0.0.1")?;
    let sandbox = Sandbox::new()?;
    let bound = SERVICES.iter().find_map(|(port, service)| {
        sandbox.listen(&format!("127.0.0.1:{port}")).ok().map(|listener| (listener, service))
    });
    let (listener, service) = bound.context("every port of a service is in use")?;
    let (mut client, _server) = sandbox.connect(listener.local_addr()?, &listener)?;
    client.write_all(b"x")?;
    let ran = sandbox.run(&["-r", "-t", "--columns", "direction,remote"], "")?;
    let end = format!("{name}:{service}");
    let text = ran.good()?.text()?.to_owned();
    ensure!(
        text.lines().any(|line| line.starts_with("outbound") && line.ends_with(&end)),
        "no {end} in {text:?}"
    );
    let plain = sandbox.run(&["-t", "--columns", "direction,remote"], "")?;
    ensure!(!plain.good()?.text()?.contains(name), "names without -r");
    // Machine-read output keeps numbers.
    let json = sandbox.run(&["-r", "-t", "-o", "json"], "")?;
    ensure!(!json.good()?.text()?.contains(&format!("\"{name}\"")), "names in JSON");
    Ok(())
}
