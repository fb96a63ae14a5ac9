//! Values as real clients and servers write them.

use super::{MAX_VALUES, Value, values};

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_command_has_name_transaction_and_arguments() {
    let mut bytes = b"\x02\x00\x07publish\x00\x40\x14\0\0\0\0\0\0\x05".to_vec();
    bytes.extend_from_slice(b"\x02\x00\x04cam1\x02\x00\x04live");
    let expected = [text("publish"), Value::Number(5.0), Value::Other, text("cam1"), text("live")];
    assert_eq!(values(&bytes), expected);
}

#[test]
fn properties_are_found_by_name() {
    let mut bytes = b"\x03\x00\x03app\x02\x00\x04live\x00\x04deep\x08\0\0\0\x01".to_vec();
    bytes.extend_from_slice(b"\x00\x01a\x01\x01\0\0\x09\x00\x01n\x0b0123456789\0\0\x09");
    let [object] = &values(&bytes)[..] else { panic!("one object") };
    assert_eq!(object.get("app"), Some(&text("live")));
    assert_eq!(object.get("deep").and_then(|deep| deep.get("a")), Some(&Value::Other));
    assert_eq!(object.get("n"), Some(&Value::Other));
}

#[test]
fn amf_3_has_references_of_texts_and_classes() {
    // An array of two objects of one class with the names a, b; the second text is a reference.
    let mut bytes = b"\x11\x09\x05\x01".to_vec();
    bytes.extend_from_slice(b"\x0a\x23\x01\x03a\x03b\x06\x07one\x04\x81\x00");
    bytes.extend_from_slice(b"\x0a\x01\x06\x04\x05\x3f\xf0\0\0\0\0\0\0");
    assert_eq!(values(&bytes), [Value::Object(Vec::new())]);
    let object = b"\x11\x0a\x0b\x01\x0bwidth\x04\x82\x20\x01";
    let [object] = &values(object)[..] else { panic!("one object") };
    assert_eq!(object.get("width"), Some(&Value::Number(288.0)));
}

#[test]
fn what_is_malformed_ends_the_values() {
    assert_eq!(values(b"\x02\x00\x01a\x02\xff\xff"), [text("a")]);
    assert_eq!(values(b"\x05\xee\x05"), [Value::Other]);
    assert!(values(&[0x0a, 0, 0, 0, 1].repeat(10_000)).is_empty());
    // A million values of one byte: no more are read than the bound.
    let mut list = b"\x0a\x00\x0f\xff\xff".to_vec();
    list.extend(std::iter::repeat_n(0x05, 1 << 20));
    assert!(values(&list).is_empty());
    assert_eq!(values(&[0x05].repeat(1 << 20)).len(), MAX_VALUES);
}
