//! Chromium: the page about the API, and what pages of others can get from it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::health::UPDATE_EVENT;
use conns_lab::netns::Namespace;
use serde_json::Value;

use crate::fixture::{Folder, Talks, agent, client, same};

const LISTEN: [&str; 2] = ["--listen", "http=127.0.0.1:7979"];
const AGENT: &str = "http://127.0.0.1:7979";

/// The page's elements after its scripts have run.
fn elements(namespace: &Namespace, url: &str, more: &[&str]) -> Result<String> {
    let folder = Folder::create("browser")?;
    let profile = folder.after("--user-data-dir=");
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--virtual-time-budget=5000",
        "--dump-dom",
        &profile,
    ];
    client(namespace, "chromium", &[&flags[..], more, &[url]].concat())
}

fn json(agent: &Agent, namespace: &Namespace, path: &str) -> Result<Value> {
    Ok(serde_json::from_slice(&agent.get(Some(namespace), path)?.body)?)
}

pub(crate) fn docs() -> Result<()> {
    let namespace = Namespace::create("docs")?;
    let agent = agent(&namespace, &LISTEN)?;
    let document = json(&agent, &namespace, "/openapi.json")?;
    let page = elements(&namespace, &format!("{AGENT}/docs"), &[])?;
    let page = page.replace("<code>", "").replace("</code>", "");
    let paths = document["paths"].as_object().context("a document without paths")?;
    for (path, verbs) in paths {
        ensure!(page.contains(path.as_str()), "the page does not name {path}: {page}");
        for verb in verbs.as_object().into_iter().flatten() {
            let summary = verb.1["summary"].as_str().context("a path without a summary")?;
            let summary = summary.replace('`', "");
            ensure!(page.contains(&summary), "the page lacks `{summary}` of {path}");
        }
    }
    ensure!(paths.len() > 10, "few paths: {paths:?}");
    Ok(())
}

/// Tries everything a page may do to read what another origin reports, and writes down what it got.
const CURIOUS_PAGE: &str = r#"<!doctype html><pre id="log">nothing yet</pre><script>
const log = [];
async function ask(name, url, options) {
    try {
        const answer = await fetch(url, options);
        log.push(`${name}: ${answer.type} ${answer.status} ${(await answer.text()).length}`);
    } catch (error) {
        log.push(`${name}: ${error.name}`);
    }
}
const agent = "http://127.0.0.1:7979";
const stream = new Promise((done) => {
    const events = new EventSource(agent + "/api/v1/changes");
    events.onerror = () => { events.close(); log.push("events: error"); done(); };
    events.addEventListener("UPDATE_EVENT", () => { events.close(); log.push("events: READ"); done(); });
});
(async () => {
    await ask("own", "/own.txt");
    await ask("api", agent + "/api/v1/connections");
    await ask("opaque", agent + "/api/v1/connections", { mode: "no-cors" });
    await ask("call", agent + "/1e", { method: "POST", body: "Network.GetConnections();" });
    await ask("json", agent + "/monero/json_rpc", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
    await stream;
    document.getElementById("log").textContent = log.join("\n");
})();
</script>"#;

pub(crate) fn other_origin() -> Result<()> {
    let namespace = Namespace::create("origin")?;
    let _talks = Talks::open(&namespace, 5_000, 2)?;
    let agent = agent(&namespace, &LISTEN)?;
    let place = serve_page(&namespace)?;
    let page = elements(&namespace, &format!("http://127.0.0.1:{place}/"), &[])?;
    let log = page.split("<pre id=\"log\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let mut log: Vec<&str> = log.with_context(|| page.clone())?.lines().collect();
    log.sort_unstable();
    // The page ran, for it read what is its own; of ours it got nothing, not even a length.
    let expected = [
        "api: TypeError",
        "call: TypeError",
        "events: error",
        "json: TypeError",
        "opaque: opaque 0 0",
        "own: basic 200 4",
    ];
    same("what a page of another origin got", log.as_slice(), &expected)?;
    // Nor was anything answered that it could not read: the agent refused each of them.
    let refused = refusals(&agent, &namespace, "cross-site")?;
    ensure!(refused >= 5, "{refused} requests were refused as of another site");
    Ok(())
}

pub(crate) fn rebound_name() -> Result<()> {
    let namespace = Namespace::create("rebound")?;
    let talks = Talks::open(&namespace, 5_000, 2)?;
    let agent = agent(&namespace, &LISTEN)?;
    let path = "/api/v1/connections?fields=local_port,remote_port";
    let far = talks.far_ports()[0].to_string();
    let page = elements(&namespace, &format!("{AGENT}{path}"), &[])?;
    ensure!(page.contains(&far), "the browser does not show {far}: {page}");
    same("refused before", refusals(&agent, &namespace, "host-not-ours")?, 0)?;
    // A foreign name that resolves to this address (DNS rebinding).
    let rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1";
    let page = elements(&namespace, &format!("http://rebound.example:7979{path}"), &[rules])?;
    ensure!(!page.contains(&far), "a rebound name reads the list: {page}");
    let refused = refusals(&agent, &namespace, "host-not-ours")?;
    ensure!(refused >= 1, "the agent was not asked under that name, or did not count it: {page}");
    Ok(())
}

/// How many requests the agent refused for this reason.
fn refusals(agent: &Agent, namespace: &Namespace, why: &str) -> Result<u64> {
    let health = agent.health(Some(namespace))?;
    // Refusals that did not occur have no entry.
    match find(&health, why) {
        None => Ok(0),
        Some(count) => count.as_u64().with_context(|| format!("{why} is {count}")),
    }
}

/// The first value of this key, however deep.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|v| find(v, key))),
        Value::Array(list) => list.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

/// Serves the page, from another port and so of another origin, as long as this process lives.
fn serve_page(namespace: &Namespace) -> Result<u16> {
    let listener = namespace.inside(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))??;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(port)
}

/// A browser opens connections it does not use, so each has a thread.
fn answer(mut stream: TcpStream) -> Result<()> {
    let head: Vec<String> = BufReader::new(stream.try_clone()?)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let (media, body) = match target {
        "/own.txt" => ("text/plain", "mine".to_owned()),
        _ => ("text/html", CURIOUS_PAGE.replace("UPDATE_EVENT", UPDATE_EVENT)),
    };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
