//! The ways in which users of EvoStream Media Server ask it.

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use serde_json::{Value, json};

use crate::fixture::{Talks, agent, python, same, shell};

/// Where a media server speaks RTMP.
const RTMP: u16 = 1935;
const STREAMS: u16 = 3;
/// As on EvoStream's page.
const CALL: &str = "listConnections excludeNonNetworkProtocols=0";

/// A media server's connections, and an agent at its classic ports that lists them.
fn serving(namespace: &Namespace) -> Result<(Talks, Agent)> {
    let talks = Talks::open(namespace, RTMP, STREAMS)?;
    let streams = format!("netns == \"{}\" and local_port == {RTMP}", namespace.name());
    let listen = ["--listen", "ems-http=:7777", "--listen", "ems-json=:1112"];
    let more = ["--listen", "ems-ascii=:1222", "--ems-streams", &streams];
    let agent = agent(namespace, &[&listen[..], &more].concat())?;
    Ok((talks, agent))
}

pub(crate) fn library() -> Result<()> {
    let namespace = Namespace::create("ems")?;
    let (talks, _agent) = serving(&namespace)?;
    let results = python(&namespace, "ems.py", &["7777", "1112", "1222"])?;
    let pyems = &results["pyems"];
    let ids = carries(&pyems["listConnections"], &talks)?;
    carries(&pyems["networkOnly"], &talks)?;
    same("ids", &pyems["listConnectionsIds"], &json!(ids))?;
    let one_by_one = pyems["getConnectionInfo"].as_array().context("no entries")?;
    for (one, listed) in one_by_one.iter().zip(array(&pyems["listConnections"])?) {
        same("getConnectionInfo", &one["carrier"], &listed["carrier"])?;
        same("getConnectionInfo", &one["stack"][0]["id"], &listed["stack"][0]["id"])?;
    }
    same("entries", one_by_one.len(), ids.len())?;
    let failed = |text: &str| json!({ "EvoStreamException": text });
    same("unknown", &pyems["unknownId"], &failed("Connection 0:999999999 not found"))?;
    same("none", &pyems["noId"], &failed("Syntax error. No parameters provided"))?;
    let unknown = "command shutdownserver not known. Type help for list of commands";
    same("another", &pyems["shutdownServer"], &failed(unknown))?;
    same("count", &pyems["getConnectionsCount"], &json!({ "count": STREAMS }))?;
    for reset in ["resetMaxFdCounters", "resetTotalFdCounters"] {
        same(reset, &pyems[reset], &Value::Null)?;
    }
    let origin = &pyems["getExtendedConnectionCounters"]["origin"];
    same("TCP", &origin["managedTcp"]["current"], &json!(STREAMS))?;
    same("acceptors", &origin["managedTcpAcceptors"]["current"], &json!(1))?;
    ensure!(pyems["help"].to_string().contains("listConnections"), "no help: {}", pyems["help"]);

    let answers = array(&results["lines"]["answers"])?;
    carries(&answers[0]["data"], &talks)?;
    same("ids", &answers[1]["data"], &json!(ids))?;
    same("responseId", &answers[1]["responseId"], &json!("77"))?;
    same("nonsense", &answers[2]["status"], &json!("FAIL"))?;
    same("quit", &answers[3]["status"], &json!("SUCCESS"))?;
    same("what follows quit", &results["lines"]["rest"], &json!(""))?;
    as_text(results["text"].as_str().context("no text")?, &talks)
}

/// The streams of a recorded server, live: what it answered of them itself.
pub(crate) fn streams() -> Result<()> {
    let namespace = Namespace::create("ems-streams")?;
    let streams = format!("netns == \"{}\" and local_port == {RTMP}", namespace.name());
    let _agent = agent(&namespace, &["--listen", "ems-http=:7777", "--ems-streams", &streams])?;
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/ems-captures/");
    let folder = format!("{corpus}rtmp-publish-two-players");
    let results = python(&namespace, "ems_streams.py", &["7777", &folder, "both playing"])?;
    as_recorded(&results).with_context(|| results.to_string())
}

/// Keys of a stream that are of the machine, of the moment or of the server's own counting.
const OF_THE_SERVER: &[&str] = &[
    "appName",
    "creationTimestamp",
    "farIp",
    "farPort",
    "inStreamUniqueId",
    "ip",
    "nearIp",
    "outStreamsUniqueIds",
    "processId",
    "queryTimestamp",
    "uniqueId",
    "upTime",
];

fn as_recorded(results: &Value) -> Result<()> {
    let (recorded, listed) = (array(&results["recorded"])?, array(&results["listStreams"])?);
    same("streams", listed.len(), recorded.len())?;
    let id = |stream: &Value| stream["uniqueId"].clone();
    for (ours, theirs) in listed.iter().zip(recorded) {
        let (ours, theirs) = (ours.as_object(), theirs.as_object());
        let (ours, theirs) = (ours.context("an object")?, theirs.context("an object")?);
        same("keys", ours.keys().collect::<Vec<_>>(), theirs.keys().collect())?;
        for (key, value) in theirs {
            if !OF_THE_SERVER.contains(&key.as_str()) {
                same(key, &ours[key], value)?;
            }
        }
    }
    let links = |streams: &[Value]| {
        let place = |id: &Value| streams.iter().position(|stream| stream["uniqueId"] == *id);
        let outputs = |stream: &Value| {
            stream["outStreamsUniqueIds"]
                .as_array()
                .map(|ids| ids.iter().map(place).collect::<Vec<_>>())
        };
        let of = |stream: &Value| (place(&stream["inStreamUniqueId"]), outputs(stream));
        streams.iter().map(of).collect::<Vec<_>>()
    };
    same("links", links(listed), links(recorded))?;
    let ids: Vec<Value> = listed.iter().map(id).collect();
    same("listStreamsIds", array(&results["listStreamsIds"])?, &ids)?;
    let infos = array(&results["getStreamInfo"])?;
    same("getStreamInfo", infos.iter().map(id).collect::<Vec<_>>(), ids)?;
    for (info, stream) in infos.iter().zip(listed) {
        for key in ["type", "name", "audio", "video"] {
            same(key, &info[key], &stream[key])?;
        }
        ensure!(info.get("edgePid").is_none(), "one stream has no process of a cluster: {info}");
    }
    let failed = json!({ "EvoStreamException": "Stream 0:999999999 not found" });
    same("unknown", &results["unknownStream"], &failed)?;
    let is_input = |stream: &&Value| stream["type"] == "INR";
    let names: Vec<Value> =
        recorded.iter().filter(is_input).map(|stream| json!({ "name": stream["name"] })).collect();
    same("listInboundStreamNames", array(&results["listInboundStreamNames"])?, &names)?;
    let outputs = recorded.len() - names.len();
    same("clientsConnected", &results["clientsConnected"], &json!({ "outboundCount": outputs }))?;
    same("of one name", &results["ofOneName"], &json!({ "outboundCount": 0 }))?;
    for entry in array(&results["listConnections"])? {
        let tags: Vec<&Value> =
            array(&entry["stack"])?.iter().map(|element| &element["type"]).collect();
        same("stack", tags, vec![&json!("TCP"), &json!("IR")])?;
    }
    same("entries", array(&results["listConnections"])?.len(), recorded.len())
}

pub(crate) fn through_nc() -> Result<()> {
    let namespace = Namespace::create("nc")?;
    let (talks, _agent) = serving(&namespace)?;
    // `quit` makes the server hang up, and nc end.
    let line = format!("printf '{CALL}\\nnonsense\\nquit\\n' | nc 127.0.0.1 1222");
    as_text(&shell(&namespace, &line)?, &talks)?;
    // The four bytes of the length are no text, and `tr` takes them away.
    let line = format!(
        "printf '{CALL}\\nquit\\n' | nc 127.0.0.1 1112 | LC_ALL=C tr -cd '[:print:]\\r\\n'"
    );
    let results = shell(&namespace, &line)?;
    let answer = &results[results.find('{').context("no answer")?..];
    let answer = answer.split("\r\n\r\n").next().context("no end of an answer")?;
    let answer: Value = serde_json::from_str(answer).with_context(|| results.clone())?;
    carries(&answer["data"], &talks).map(|_| ())
}

pub(crate) fn through_curl() -> Result<()> {
    let namespace = Namespace::create("ems-curl")?;
    let talks = Talks::open(&namespace, RTMP, STREAMS)?;
    // With what is listed by default: both ends of each, and whatever else this machine has at such ports.
    let _agent = agent(&namespace, &["--listen", "ems-http=:7777"])?;
    let url = "http://127.0.0.1:7777/listConnections?params=$(printf 'excludeNonNetworkProtocols=0' | base64)";
    let answer: Value = serde_json::from_str(&shell(&namespace, &format!("curl -sS \"{url}\""))?)?;
    same("status", &answer["status"], &json!("SUCCESS"))?;
    let listed = array(&answer["data"])?;
    for talk in &talks.talks {
        for (near, far, rx, tx) in
            [(RTMP, talk.far, talk.up, talk.down), (talk.far, RTMP, talk.down, talk.up)]
        {
            let carriers = listed.iter().map(|entry| &entry["carrier"]);
            let fits = carriers.filter(|c| c["nearPort"] == near && c["farPort"] == far);
            let fits: Vec<_> = fits.map(|c| [&c["rx"], &c["tx"]]).collect();
            ensure!(fits.contains(&[&json!(rx), &json!(tx)]), "{near} to {far}: {fits:?}");
        }
    }
    Ok(())
}

fn array(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no list but {value}"))
}

/// Fails unless these are the talks, and returns the id of each entry's last protocol.
fn carries(listed: &Value, talks: &Talks) -> Result<Vec<u64>> {
    let listed = array(listed)?;
    let mut shown: Vec<[u64; 4]> = Vec::new();
    for entry in listed {
        let carrier = &entry["carrier"];
        same("type", &carrier["type"], &json!("IOHT_TCP_CARRIER"))?;
        for end in ["farIP", "nearIP"] {
            same(end, &carrier[end], &json!("127.0.0.1"))?;
        }
        let numbers = ["farPort", "nearPort", "rx", "tx"].map(|key| carrier[key].as_u64());
        shown.push([numbers[0], numbers[1], numbers[2], numbers[3]].map(Option::unwrap_or_default));
    }
    shown.sort_unstable();
    let mut expected: Vec<[u64; 4]> = talks
        .talks
        .iter()
        .map(|talk| [talk.far.into(), talks.port.into(), talk.up, talk.down])
        .collect();
    expected.sort_unstable();
    same("carriers (far, near, rx, tx)", shown, expected)?;
    let last = |entry: &Value| entry["stack"].as_array()?.last()?["id"].as_u64();
    listed.iter().map(|entry| last(entry).context("an entry without a stack")).collect()
}

/// The interface for people: three commands, the second of which is none.
fn as_text(results: &str, talks: &Talks) -> Result<()> {
    ensure!(
        results.starts_with("Command entered successfully!\n\rAvailable connections\n\r"),
        "{results:?}"
    );
    for talk in &talks.talks {
        let mut lines = results.split("\n\r").map(str::trim);
        let port = format!("farPort: {}", talk.far);
        ensure!(lines.any(|line| line == port), "no line `{port}` in {results:?}");
    }
    ensure!(results.contains("Command failed!\n\r"), "nonsense succeeded: {results:?}");
    ensure!(results.trim_end().ends_with("Bye!"), "no good bye: {results:?}");
    Ok(())
}
