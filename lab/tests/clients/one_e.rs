//! `curl` posting a call of 1E's.

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use serde_json::{Value, json};

use crate::fixture::{Talks, agent, client, same};

const PORT: u16 = 5_000;

pub(crate) fn through_curl() -> Result<()> {
    let namespace = Namespace::create("one-e")?;
    let talks = Talks::open(&namespace, PORT, 2)?;
    let agent = agent(&namespace, &["--listen", "http=127.0.0.1:7979", "--listen", "1e=:0"])?;
    let ask = |url: &str, call: &str, more: &[&str]| {
        let flags = ["-sS", "-w", "\n%{http_code}", "-d", call, url];
        let stdout = client(&namespace, "curl", &[&flags[..], more].concat())?;
        let (body, code) = stdout.rsplit_once('\n').context("curl printed no code")?;
        anyhow::Ok((body.to_owned(), code.to_owned()))
    };
    let own = format!("http://{}/", agent.address("1e")?);
    for url in ["http://127.0.0.1:7979/1e", &own] {
        let (body, code) = ask(url, "Network.GetConnections();", &[])?;
        same("status", code.as_str(), "200")?;
        let table: Vec<Value> = serde_json::from_str(&body)?;
        for talk in &talks.talks {
            for (local, remote) in [(PORT, talk.far), (talk.far, PORT)] {
                let fits = |row: &&Value| row["LocalPort"] == local && row["RemotePort"] == remote;
                // Other tests' namespaces may have such ports too, but not of this process.
                let of_us = |row: &&Value| row["ProcessId"] == std::process::id();
                let row = table.iter().filter(of_us).find(fits);
                let row = row.with_context(|| format!("no {local} to {remote} in {body}"))?;
                same("Class", &row["Class"], &json!("IPv4"))?;
                same("LocalAddress", &row["LocalAddress"], &json!("127.0.0.1"))?;
                same("RemoteAddress", &row["RemoteAddress"], &json!("127.0.0.1"))?;
                same("PacketLossPercent", &row["PacketLossPercent"], &json!(0))?;
                ensure!(row["LatencyMs"].is_u64(), "no latency in {row}");
            }
        }
    }
    let url = "http://127.0.0.1:7979/1e";
    let (csv, _) = ask(url, "Network.GetListeningEndpoints();", &["-H", "Accept: text/csv"])?;
    let listens = format!("IPv4,TCP,127.0.0.1,{PORT},{},", std::process::id());
    ensure!(csv.lines().any(|line| line.starts_with(&listens)), "no `{listens}` in {csv}");
    let (refusal, code) = ask(url, "Network.GetConections();", &[])?;
    same("status", code.as_str(), "404")?;
    let refusal: Value = serde_json::from_str(&refusal)?;
    ensure!(refusal["hint"].to_string().contains("did you mean `GetConnections`"), "{refusal}");
    Ok(())
}
