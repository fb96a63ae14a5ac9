//! A JSON-RPC library against the JetStream port, over HTTP and in lines.

use anyhow::Result;
use conns_lab::netns::Namespace;
use serde_json::json;

use crate::fixture::{agent, python, same};

pub(crate) fn both_ways() -> Result<()> {
    let namespace = Namespace::create("jetstream")?;
    let _agent = agent(&namespace, &["--listen", "jetstream=:8886"])?;
    let results = python(&namespace, "jetstream.py", &["8886"])?;
    for way in ["http", "lines", "batch_http", "batch_lines"] {
        let answers = &results[way];
        let none = json!({ "result": [] });
        // The list is empty as long as there is no transfer service.
        for at in [0, 1, 5] {
            same(way, &answers[at], &none)?;
        }
        let server = &answers[2]["result"];
        same(way, &server["apiControlPort"], &json!(8886))?;
        same(way, &server["allowRemoteControl"], &json!(false))?;
        same(way, &answers[3]["code"], &json!(-32001))?;
        same(way, &answers[3]["message"], &json!("Connection not found"))?;
        same(way, &answers[4]["code"], &json!(-32601))?;
        same(way, answers.as_array().map(Vec::len), Some(6))?;
    }
    same("a notification over HTTP", &results["notification"], &json!([204, ""]))
}
