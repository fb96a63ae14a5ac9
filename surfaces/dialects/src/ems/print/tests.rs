//! The printer against answers of a real server: read value by value and printed, each comes
//! out as it was, byte for byte.

use super::{Form, Printer};

const SAMPLES: [&str; 9] = [
    include_str!("../../../tests/fixtures/ems/01-clientsConnected.json"),
    include_str!("../../../tests/fixtures/ems/01-getBandwidth.json"),
    include_str!("../../../tests/fixtures/ems/01-getConnectionInfo.json"),
    include_str!("../../../tests/fixtures/ems/01-getConnectionsCount.json"),
    include_str!("../../../tests/fixtures/ems/01-getConnectionsCountLimit.json"),
    include_str!("../../../tests/fixtures/ems/01-getExtendedConnectionCounters.json"),
    include_str!("../../../tests/fixtures/ems/01-listConnectionsIds.json"),
    include_str!("../../../tests/fixtures/ems/01-listStreamsIds.json"),
    include_str!("../../../tests/fixtures/ems/01-rtmp-publisher-and-player.json"),
];

/// Prints the value that `json` starts with, and returns the rest. It knows just enough JSON
/// for the samples, and wants the keys in ASCII order.
fn print<'a>(json: &'a str, printer: &mut Printer) -> &'a str {
    let mut rest = json;
    match json.as_bytes()[0] {
        b'{' => printer.object(|printer| {
            let mut last = String::new();
            loop {
                let (key, after) = string(&rest[1..]);
                assert!(last < key, "{key} comes before {last}");
                printer.key(Box::leak(key.clone().into_boxed_str()));
                rest = print(after.strip_prefix(':').expect("a colon"), printer);
                last = key;
                if !rest.starts_with(',') {
                    break;
                }
            }
        }),
        b'[' => printer.array(|printer| {
            loop {
                rest = print(&rest[1..], printer);
                if !rest.starts_with(',') {
                    break;
                }
            }
        }),
        b'"' => {
            let (text, after) = string(json);
            printer.text(&text);
            return after;
        }
        _ => {
            let end = json.find([',', '}', ']']).expect("an end");
            match &json[..end] {
                "true" => printer.boolean(true),
                "false" => printer.boolean(false),
                "null" => printer.null(),
                number if number.contains('.') => printer.double(number.parse().expect("a double")),
                number => printer.unsigned(number.parse().expect("an integer")),
            }
            return &json[end..];
        }
    }
    rest.get(1..).expect("a closing bracket")
}

fn string(json: &str) -> (String, &str) {
    let quoted = json.strip_prefix('"').expect("a string");
    let end = quoted.find('"').expect("an end");
    let text = quoted[..end].replace("\\/", "/");
    assert!(!text.contains('\\'), "no sample has another escape");
    (text, &quoted[end + 1..])
}

#[test]
fn every_answer_of_a_real_server_is_written_byte_for_byte() {
    for sample in SAMPLES {
        let mut printer = Printer::new(Form::Json, 0);
        let rest = print(sample, &mut printer);
        assert_eq!(rest, "\r\n\r\n");
        let written = String::from_utf8(printer.into_bytes()).expect("text");
        assert_eq!(format!("{written}{rest}"), sample);
    }
}

fn printed(form: Form, write: impl FnOnce(&mut Printer)) -> String {
    let mut printer = Printer::new(form, 0);
    write(&mut printer);
    String::from_utf8(printer.into_bytes()).expect("text")
}

fn one_of_each(printer: &mut Printer) {
    printer.object(|printer| {
        printer.key("array");
        printer.array(|printer| {
            printer.text("a/b");
            printer.object(|printer| {
                printer.key("deep");
                printer.unsigned(u64::MAX);
            });
        });
        printer.key("empty");
        printer.array(|_| {});
        printer.key("nothing");
        printer.null();
        printer.key("object");
        printer.object(|_| {});
        printer.key("time");
        printer.milliseconds(1_448_259_304_659_304);
    });
}

#[test]
fn a_dump_is_indented_and_its_lines_end_in_lf_cr() {
    let expected = "\n\r    array: \n\r      -- a/b\n\r      -- \n\r        deep: 18446744073709551615\n\r    \
                    empty: []\n\r    nothing: \n\r    object: \n\r    time: 1448259304659.3040\n\r";
    assert_eq!(printed(Form::Dump, one_of_each), expected);
}

#[test]
fn json_is_compact() {
    let expected = r#"{"array":["a\/b",{"deep":18446744073709551615}],"empty":[],"nothing":null,"object":{},"time":1448259304659.3040}"#;
    assert_eq!(printed(Form::Json, one_of_each), expected);
}

#[test]
fn numbers_have_four_decimals_and_are_never_words() {
    let cases = [(0.0, "0.0000"), (34_745.545_94, "34745.5459"), (-1.5, "-1.5000")];
    for (number, expected) in cases {
        assert_eq!(printed(Form::Json, |printer| printer.double(number)), expected);
    }
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(printed(Form::Json, |printer| printer.double(number)), "0.0000");
    }
    for (us, expected) in [(0, "0.0000"), (7, "0.0070"), (-1_000_001, "-1000.0010")] {
        assert_eq!(printed(Form::Json, |printer| printer.milliseconds(us)), expected);
    }
    assert!(printed(Form::Json, |printer| printer.milliseconds(i64::MIN)).starts_with("-9223"));
}

#[test]
fn what_would_break_a_json_string_is_escaped() {
    let text = "\"\\/\u{8}\t\n\u{c}\r\0\u{1f}é";
    let expected = r#""\"\\\/\b\t\n\f\r\u0000\u001fé""#;
    assert_eq!(printed(Form::Json, |printer| printer.text(text)), expected);
    let read: String = serde_json::from_str(expected).expect("a JSON string");
    assert_eq!(read, text);
}
