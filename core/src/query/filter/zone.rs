//! Interfaces in filters: by name, by index, and as the zone of an address (RFC 4007 section 11). An address with a zone is
//! a test of the address and one of the interface.

use super::super::find_field;
use super::error::Fault;
use super::number::Number;
use super::text::Folded;
use super::tree::{Check, Node, Operand, Subject, Test};

/// The name of the field with the name of the interface, and of that with its index.
const NAME: &str = "interface";
const INDEX: &str = "interface_index";

/// Whether values of this subject are interfaces.
pub(super) fn is_interface(subject: &Subject) -> bool {
    subject.field.name == NAME
}

/// The test that a socket is bound to this interface: by index if it is a number, else by name.
pub(super) fn bound_to(interface: &str) -> Result<Node, Fault> {
    let (field, operand) = match index(interface) {
        Some(index) => (INDEX, Operand::Number(Number::Whole(u64::from(index)))),
        None => (NAME, Operand::Text(name(interface)?)),
    };
    let field = find_field(field).ok_or_else(|| unfit(interface))?;
    let subject = Subject { name: field.name, field, other_end: None };
    Ok(Node::Test(Test { subject, check: Check::Any(vec![operand]), negated: false }))
}

/// The index that a number is.
pub(super) fn index(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The name, if an interface can have it (`dev_valid_name`, `net/core/dev.c`; `%` is a place for a number there).
pub(super) fn name(text: &str) -> Result<Folded, Fault> {
    /// `IFNAMSIZ` less the terminating zero.
    const MAX_BYTES: usize = 15;
    let is_valid = !matches!(text, "" | "." | "..")
        && text.len() <= MAX_BYTES
        && !text.contains(|c: char| matches!(c, '/' | ':' | '%') || c.is_ascii_whitespace());
    if is_valid { Ok(Folded::new(text)) } else { Err(unfit(text)) }
}

fn unfit(found: &str) -> Fault {
    Fault::UnfitInterface { found: found.to_owned() }
}

/// The place without its zone, and the zone: of `fe80::1%eth0`, `[fe80::1%eth0]:443`, `[fe80::1]%eth0:443` as `ss` prints it,
/// `127.0.0.1%lo:53`, `*%lo:53` and `fe80::%eth0/64`.
pub(super) fn split(text: &str) -> Option<(String, &str)> {
    let (address, rest) = text.split_once('%')?;
    let (zone, rest) = rest.split_at(rest.find([']', ':', '/']).unwrap_or(rest.len()));
    let is_bare_ipv6 = address.contains(':') && !address.starts_with('[');
    let plain = match rest.starts_with(':') && is_bare_ipv6 {
        true => format!("[{address}]{rest}"),
        false => format!("{address}{rest}"),
    };
    Some((plain, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_in_each_spelling() {
        for (text, plain) in [
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]", "[fe80::1]"),
            ("[fe80::1%eth0]:443", "[fe80::1]:443"),
            ("[fe80::1]%eth0:443", "[fe80::1]:443"),
            ("fe80::1%eth0:443", "[fe80::1]:443"),
            ("127.0.0.1%eth0:53", "127.0.0.1:53"),
            ("*%eth0:53", "*:53"),
            ("fe80::%eth0/64", "fe80::/64"),
        ] {
            assert_eq!(split(text), Some((plain.to_owned(), "eth0")), "{text}");
        }
        assert_eq!(split("fe80::1"), None);
        assert_eq!(split("fe80::1%"), Some(("fe80::1".to_owned(), "")));
    }

    #[test]
    fn names_are_those_that_the_kernel_allows() {
        assert!(["lo", "eth0.100", "br-0123456789ab"].iter().all(|text| name(text).is_ok()));
        for text in ["", ".", "..", "a/b", "a:b", "a b", "a%d", "sixteen-bytes-16"] {
            assert_eq!(name(text), Err(unfit(text)), "{text}");
        }
        assert_eq!((index("7"), index("+7"), index("4294967296")), (Some(7), None, None));
    }
}
