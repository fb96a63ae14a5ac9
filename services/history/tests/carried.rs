//! What connections carried and the connections of the transfer service come back as they were written.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

mod made;

use std::sync::Arc;

use conns_core::decode::{ProtocolSpec, registry};
use conns_core::model::{
    Application, Certainty, Connection, EventKind, EventLog, Known, Layer, LayerOrigin, Record,
    Scalar, Source, Unknown, Update,
};
use conns_core::query::{Kind, Value, catalogue, find_field};
use conns_fixtures::{connection, endpoint, established, transfer, with_cookie};
use conns_history::{
    HistoryReader, ReadAccess, Session, Times, events_before, events_in, update_at,
};
use made::{Folder, MIB, at, ended, event, number, open, update};

/// A value of a kind; a different one for each number.
fn scalar(kind: Kind, number: u64) -> Scalar {
    let few = u8::try_from(number % 200).unwrap();
    match kind {
        Kind::Text => Scalar::Text(format!("text \"{number}\" \u{e9}").into()),
        Kind::Count => Scalar::Count(u64::MAX - number),
        Kind::Port => Scalar::Port(u16::from(few) + 1),
        Kind::Bytes => Scalar::Bytes(number << 40),
        Kind::BytesPerSecond => Scalar::BytesPerSecond(f64::from(few) + 0.25),
        Kind::Duration => Scalar::Micros(number),
        Kind::Percent => Scalar::Percent(f64::from(few) / 2.0),
        Kind::Address => Scalar::Address([0x2001, 0xdb8, 0, 0, 0, 0, 0, few.into()].into()),
        Kind::Endpoint => Scalar::Endpoint(endpoint(&format!("[2001:db8::{few}]:{few}"))),
        Kind::Bool => Scalar::Bool(number.is_multiple_of(2)),
        Kind::Time => Scalar::Time(-number.cast_signed()),
        Kind::List(spec) => {
            let record = |at: u64| Record {
                values: (at..).zip(spec.columns).map(|(n, c)| value(c.kind, n)).collect(),
            };
            Scalar::List([record(number), record(number + 1)].into())
        }
    }
}

/// A value of a kind, and now and then none.
fn value(kind: Kind, number: u64) -> Known<Scalar> {
    match number % 7 {
        3 => Known::NotApplicable,
        5 => Known::Unknown(Unknown::NothingMeasured),
        _ => Known::Value(scalar(kind, number), Source::Wire),
    }
}

fn carried(protocol: &ProtocolSpec, number: u64) -> Application {
    let values = (number..).zip(protocol.fields).map(|(n, field)| value(field.kind, n));
    let layer = Layer {
        protocol: protocol.name.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Reported,
        since: at(number),
        gap_bytes: number,
        values: values.collect(),
    };
    Application { layers: [layer].into() }
}

fn carrying(mut connection: Connection, protocol: &ProtocolSpec, number: u64) -> Connection {
    connection.application = Known::Value(Arc::new(carried(protocol, number)), Source::Wire);
    connection
}

fn assert_carries(past: &Connection, protocol: &ProtocolSpec, is_sample: bool) {
    let number = past.socket.id.cookie;
    let original = carrying(connection(established("192.0.2.1:1", "10.0.0.1:2")), protocol, number);
    let of_layer = ["app", "app_certainty", "app_origin", "app_since", "app_gap_bytes"];
    let names = protocol.fields.iter().map(|field| field.name).chain(of_layer);
    for field in names.map(|name| find_field(name).unwrap()) {
        let (was, is) = (field.value(&original), field.value(past));
        match was {
            Value::Unknown(_) | Value::NotApplicable => {
                assert!(!is.is_known(), "{} was {was:?} and is {is:?}", field.name);
            }
            // Rows of an ended connection keep no more of a layer than its name and fields.
            _ if !is_sample && of_layer.contains(&field.name) && field.name != "app" => {
                assert_eq!(is, Value::Unknown(Unknown::NotKept), "{}", field.name);
            }
            was => assert_eq!(is, was, "{} of {number}", field.name),
        }
    }
}

fn session(path: &std::path::Path) -> Arc<Session> {
    HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap()
}

#[test]
fn open_and_ended_connections_carry_what_they_carried() {
    let folder = Folder::new("carried");
    let path = folder.file();
    let protocols: Vec<&ProtocolSpec> = registry().collect();
    let all = || (1..).zip(protocols.iter().copied().cycle()).take(7 * protocols.len());
    let there = all().map(|(n, protocol)| {
        let local = format!("192.0.2.1:{}", 1024 + n);
        let made = connection(with_cookie(n, established(&local, "10.0.0.1:443")));
        carrying(made, protocol, n)
    });
    let mut history = open(&path, 64 * MIB, 600);
    let mut log = EventLog::after(1, 0);
    log.append(all().map(|(n, protocol)| {
        event(n, EventKind::Closed, at(601), carrying(ended(n, 601), protocol, n))
    }));
    let mut later = transfer();
    later.connection_id = "{1}".into();
    let seen =
        Update { transfers: [transfer(), later.clone()].into(), ..update(1, 600, there.collect()) };
    history.record(&seen, &EventLog::after(1, 0));
    history.commit(at(600)).unwrap();

    let mut kept = session(&path);
    let past = update_at(&mut kept, at(600).wall_us).unwrap();
    assert_eq!(past.snapshot.connections.len(), all().count());
    for ((_, protocol), past) in all().zip(&past.snapshot.connections) {
        assert_carries(past, protocol, true);
    }
    assert_eq!(*past.transfers, [later, transfer()]);

    history.record(&update(2, 601, Vec::new()), &log);
    history.commit(at(601)).unwrap();
    // One that is not there any more when the next sample is due.
    let fewer = Update { transfers: [transfer()].into(), ..update(3, 661, Vec::new()) };
    history.record(&fewer, &log);
    history.commit(at(661)).unwrap();
    let mut kept = session(&path);
    assert_eq!(*update_at(&mut kept, at(661).wall_us).unwrap().transfers, [transfer()]);
    let times = Times { from_us: at(600).wall_us, to_us: at(601).wall_us };
    let last = events_before(&mut kept, times, 20, &|_| true).unwrap();
    let found = events_in(&mut kept, times).unwrap();
    assert_eq!((found.0.len(), last.0.len()), (all().count(), 20));
    for past in found.0.iter().chain(&last.0) {
        let number = past.connection.socket.id.cookie;
        let (_, protocol) = all().find(|(n, _)| *n == number).unwrap();
        assert_carries(&past.connection, protocol, false);
    }
}

#[test]
fn sql_reads_the_values_of_layers_by_their_keys() {
    let folder = Folder::new("layers");
    let path = folder.file();
    let rtmp = registry().find(|protocol| protocol.name == "rtmp").unwrap();
    let made = connection(with_cookie(9, established("192.0.2.1:1", "10.0.0.1:2")));
    let mut history = open(&path, 64 * MIB, 0);
    history
        .record(&update(1, 0, vec![carrying(made.clone(), rtmp, 0), made]), &EventLog::after(1, 0));
    history.commit(at(0)).unwrap();
    for field in rtmp.fields.iter().zip(0..).filter(|(f, _)| f.kind == Kind::Text) {
        let (field, at) = (find_field(field.0.name).unwrap(), field.1);
        let Known::Value(Scalar::Text(wanted), _) = value(Kind::Text, at) else { continue };
        let wanted = wanted.replace('\'', "''");
        let sql = format!(
            "select count(*) from samples where json_extract(layers, '$[0].fields.\"{}\"') = '{wanted}'",
            field.key
        );
        assert_eq!(number(&path, &sql), 1, "{sql}");
    }
    assert_eq!(number(&path, "select count(*) from samples where layers is null"), 1);
}

#[test]
fn a_text_that_is_too_long_omits_lists_first() {
    let folder = Folder::new("long");
    let path = folder.file();
    let lists = |protocol: &&ProtocolSpec| protocol.fields.iter().any(|f| f.kind.is_list());
    let protocol = registry().find(lists).unwrap();
    let mut made =
        carrying(connection(with_cookie(9, established("192.0.2.1:1", "10.0.0.1:2"))), protocol, 0);
    let Known::Value(application, source) = made.application else { panic!("it carries nothing") };
    let mut layer = application.layers[0].clone();
    for value in &mut layer.values {
        if let Known::Value(Scalar::List(records), _) = value {
            let many = records.iter().cloned().cycle().take(2000);
            *records = many.collect();
        }
    }
    made.application = Known::Value(Arc::new(Application { layers: [layer].into() }), source);
    let mut history = open(&path, 64 * MIB, 0);
    history.record(&update(1, 0, vec![made.clone()]), &EventLog::after(1, 0));
    history.commit(at(0)).unwrap();
    let past = update_at(&mut session(&path), at(0).wall_us).unwrap();
    for field in catalogue().iter().filter(|f| f.name.starts_with(&format!("{}.", protocol.name))) {
        let (was, is) = (field.value(&made), field.value(&past.snapshot.connections[0]));
        match field.kind.is_list() && was.is_known() {
            true => assert_eq!(is, Value::Unknown(Unknown::NotKept), "{}", field.name),
            false => assert!(is == was || !was.is_known(), "{} is {is:?}", field.name),
        }
    }
}

#[test]
fn rows_with_much_text_are_in_blocks_of_bounded_size() {
    const MINUTES: u64 = 70;
    const CONNECTIONS: u64 = 60;
    let folder = Folder::new("much");
    let path = folder.file();
    let ssh = registry().find(|protocol| protocol.name == "ssh").unwrap();
    let mut history = open(&path, 64 * MIB, 0);
    for minute in 0..MINUTES {
        let there = (1..=CONNECTIONS).map(|n| {
            let made = connection(with_cookie(n, established("192.0.2.1:1", "10.0.0.1:2")));
            let mut made = carrying(made, ssh, 0);
            let Known::Value(application, _) = &mut made.application else { return made };
            let application = Arc::make_mut(application);
            let text = format!("{minute}-{n} ").repeat(1500);
            let value = Known::Value(Scalar::Text(text.into()), Source::Wire);
            application.layers[0].values = [value].into();
            made
        });
        history.record(&update(minute + 1, 60 * minute, there.collect()), &EventLog::after(1, 0));
        history.commit(at(60 * minute)).unwrap();
    }
    let rows = (MINUTES * CONNECTIONS).cast_signed();
    assert_eq!(number(&path, "select count(distinct layers) from samples"), rows);
    assert!(number(&path, "select sum(length(layers)) from samples") > 32 << 20);
    let file = rusqlite::Connection::open(&path).unwrap();
    let sql = "select count(*), max(rows) from blocks where kept = 4";
    let (blocks, most) =
        file.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
    assert!(blocks > 1 && blocks < MINUTES.cast_signed() && most < rows, "{blocks} {most}");
}
