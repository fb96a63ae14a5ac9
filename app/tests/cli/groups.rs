//! `--group-by`: the groups' sums are those of the records.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Case;
use crate::scene::{SENT, Scene, same};

pub(crate) const TESTS: &[Case] = &[
    Case("groups_by_process_add_up_to_the_records", &[], || adds_up("process", "process")),
    Case("groups_by_remote_add_up_to_the_records", &[], || adds_up("remote", "remote_addr")),
    Case("groups_by_state_add_up_to_the_records", &[], || adds_up("state", "state")),
    Case("groups_are_the_same_in_every_format", &[], formats),
    Case("groups_of_a_limit_are_the_largest", &[], limit),
    Case("groups_have_the_columns_that_are_chosen_in_their_order", &[], columns),
];

/// Keys that are sums, and their keys in a record.
const SUMS: [&str; 4] = ["bytes_out", "bytes_in", "recv_queue_bytes", "send_queue_bytes"];

/// The groups of all sockets by a field.
fn groups(scene: &Scene, field: &str) -> Result<Vec<Value>> {
    let ran = scene.sandbox.run(&["-a", "--group-by", field, "-o", "json"], "")?;
    let json = ran.good()?.json()?;
    json["groups"].as_array().cloned().context("no list of groups")
}

/// By the value of the field ("" where it does not apply): the number of records, and the sums of
/// what is known in them.
type Expected = BTreeMap<String, (u64, [Option<u64>; 4])>;

fn adds_up(field: &str, key: &str) -> Result<()> {
    let scene = Scene::new()?;
    let mut expected = Expected::new();
    for record in scene.sandbox.records(&["-a"], "")? {
        let value = record[key].as_str().unwrap_or_default().to_owned();
        let (count, sums) = expected.entry(value).or_default();
        *count += 1;
        for (sum, key) in sums.iter_mut().zip(SUMS) {
            if let Some(number) = record[key].as_u64() {
                *sum = Some(sum.unwrap_or(0) + number);
            }
        }
    }
    let groups = groups(&scene, field)?;
    let seen: Expected = groups
        .iter()
        .map(|group| {
            let value = group[field].as_str().unwrap_or_default().to_owned();
            (
                value,
                (group["connections"].as_u64().unwrap_or(0), SUMS.map(|key| group[key].as_u64())),
            )
        })
        .collect();
    same("the groups", &seen, &expected)?;
    same("each value once", groups.len(), expected.len())?;
    same("all sockets", seen.values().map(|(count, _)| count).sum(), 5)?;
    same("all bytes", seen.values().filter_map(|(_, sums)| sums[0]).sum(), SENT)?;
    for group in groups {
        let verdicts = group["verdicts"].as_object().context("no verdicts")?;
        let sum: u64 = verdicts.values().filter_map(Value::as_u64).sum();
        same("the verdicts of a group", Some(sum), group["connections"].as_u64())?;
    }
    Ok(())
}

fn formats() -> Result<()> {
    let scene = Scene::new()?;
    let count = |group: &Value| {
        (group["state"].as_str().unwrap_or_default().to_owned(), group["connections"].clone())
    };
    let json: Vec<_> = groups(&scene, "state")?.iter().map(count).collect();
    same("json", json.len(), 3)?;
    let run = |format| scene.sandbox.run(&["-a", "--group-by", "state", "-o", format], "");
    let lines: Vec<_> = run("jsonl")?.good()?.lines_of_json()?.iter().map(count).collect();
    same("jsonl", &lines, &json)?;
    let (header, rows) = run("csv")?.good()?.csv()?;
    same("the header of csv", header[..4].join(","), "at_us,host,state,connections".to_owned())?;
    let rows: Vec<_> =
        rows.iter().map(|row| (row[2].clone(), row[3].parse().unwrap_or(Value::Null))).collect();
    same("csv", &rows, &json)?;
    for format in ["table", "wide"] {
        let ran = run(format)?;
        let text = ran.good()?.text()?;
        ensure!(text.starts_with("STATE "), "{format}: {text:?}");
        let rows: Vec<_> = text
            .lines()
            .skip(1)
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
            })
            .collect();
        same(format, &rows, &json)?;
    }
    Ok(())
}

fn limit() -> Result<()> {
    let scene = Scene::new()?;
    let ran =
        scene.sandbox.run(&["-a", "--group-by", "state", "--limit", "1", "-o", "jsonl"], "")?;
    let rows = ran.good()?.lines_of_json()?;
    same("groups", rows.len(), 1)?;
    // Its sums are over all of its sockets, not over the first one.
    same("the largest", (&rows[0]["state"], &rows[0]["connections"]), (&"ESTAB".into(), &3.into()))
}

fn columns() -> Result<()> {
    let scene = Scene::new()?;
    let run = |columns: &str, format| {
        let words = ["-a", "--group-by", "state", "--columns", columns, "-o", format];
        scene.sandbox.run(&words, "")
    };
    let ran = run("worst-loss,bytes_out,state", "table")?;
    let titles: Vec<&str> =
        ran.good()?.text()?.lines().next().context("no header")?.split_whitespace().collect();
    same("the titles", titles, vec!["WORST-LOSS", "BYTES-OUT", "STATE"])?;
    let ran = run("bytes_out,state,connections", "csv")?;
    let (header, rows) = ran.good()?.csv()?;
    same("the header of csv", header.join(","), "bytes_out,state,connections".to_owned())?;
    let row = rows.iter().find(|row| row[1] == "ESTAB").context("no row of ESTAB")?;
    same("a row of csv", row.join(","), format!("{SENT},ESTAB,3"))?;
    let ran = run("-connections,-verdicts", "jsonl")?;
    // Nine of eleven, and time and host.
    for group in ran.good()?.lines_of_json()? {
        let group = group.as_object().context("no object")?;
        same("the number of keys", group.len(), 11)?;
        ensure!(!group.contains_key("connections") && !group.contains_key("verdicts"), "{group:?}");
    }
    let ran = run("verdicts", "json")?;
    let json = ran.good()?.json()?;
    let groups = json["groups"].as_array().context("no list of groups")?;
    same("the number of groups", groups.len(), 3)?;
    let is_alone = |group: &Value| group.as_object().map(|group| group.len()) == Some(1);
    ensure!(groups.iter().all(is_alone), "{groups:?}");
    Ok(())
}
