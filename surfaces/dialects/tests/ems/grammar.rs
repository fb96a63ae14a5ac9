//! The grammar of a command line.

use conns_dialects::ems::{Argument, Call, LONGEST_LINE};
use proptest::prelude::*;

/// A line, its command, and what is given to its keys.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, Argument)]);

fn text(given: &str) -> Argument {
    Argument::Text(given.to_owned())
}

fn array(given: &[&str]) -> Argument {
    Argument::Array(given.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_line_is_a_command_and_what_is_given_to_keys() {
    let cases: [Case<'_>; 14] = [
        ("help", "help", &[]),
        ("LISTCONNECTIONS  a=1   B=x", "listconnections", &[("a", text("1")), ("B", text("x"))]),
        ("c flag", "c", &[("flag", text(""))]),
        ("c a==b=c", "c", &[("a", text("=b=c"))]),
        (r"c a\=b=c", "c", &[("a=b", text("c"))]),
        (r"c a=x\ y", "c", &[("a", text("x y"))]),
        (r"c a=x,y,,\,z", "c", &[("a", array(&["x", "y", ",z"]))]),
        (r"c a=x\,y", "c", &[("a", text("x,y"))]),
        (r"c a=x\\,y", "c", &[("a", array(&["x\\", "y"]))]),
        (r"c a=\n\", "c", &[("a", text(r"\n\"))]),
        // Nothing in an array is no argument.
        ("c a=, b=1", "c", &[("b", text("1"))]),
        ("\thelp\t a=\t1\t", "help", &[("a", text("1"))]),
        (" help", "", &[("help", text(""))]),
        ("a=b", "a=b", &[]),
    ];
    for (line, command, arguments) in cases {
        let call = Call::parse(line.as_bytes());
        assert_eq!(call.command, command, "{line}");
        let given: Vec<_> =
            call.arguments.iter().map(|(key, given)| (&**key, given.clone())).collect();
        assert_eq!(given, arguments, "{line}");
    }
}

#[test]
fn keys_are_found_in_any_case_and_the_last_one_counts() {
    let call = Call::parse(b"c Id=1 iD=2 other=3");
    assert_eq!(call.text("id"), Some("2"));
    assert_eq!(call.text("OTHER"), Some("3"));
    assert_eq!(call.text("none"), None);
}

#[test]
fn a_flag_is_read_as_a_number() {
    let cases = [
        ("1", true),
        ("0", false),
        ("2", true),
        ("-1", true),
        ("00", false),
        ("007", true),
        ("+1x", true),
        ("0x1", false),
        ("true", false),
        ("yes", false),
        ("", false),
        ("99999999999999999999999999", true),
    ];
    for (given, expected) in cases {
        assert_eq!(
            Call::parse(format!("c f={given}").as_bytes()).flag("F"),
            Some(expected),
            "{given}"
        );
    }
    assert_eq!(Call::parse(b"c f=1,1").flag("f"), None);
    assert_eq!(Call::parse(b"c").flag("f"), None);
}

/// `given` with every letter that has a meaning escaped.
fn escaped(given: &str) -> String {
    let special = |c| matches!(c, ' ' | '=' | ',' | '\\');
    given.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

proptest! {
    /// What is escaped comes back as it was; only tabs at an end are white space.
    #[test]
    fn escaped_letters_are_read_literally(
        command in "[a-z]{1,9}",
        given in prop::collection::vec(("[^\t\u{b}\u{c}]{1,9}", "[^\t\u{b}\u{c}]{0,9}"), 0..5),
    ) {
        let mut line = command.clone();
        for (key, value) in &given {
            line.push_str(&format!(" {}={}", escaped(key), escaped(value)));
        }
        let call = Call::parse(line.as_bytes());
        prop_assert_eq!(call.command, command);
        let expected: Vec<_> = given.iter().map(|(key, value)| (key.clone(), text(value))).collect();
        prop_assert_eq!(call.arguments, expected);
    }

    #[test]
    fn arrays_are_cut_at_free_commas(texts in prop::collection::vec("[^\t\u{b}\u{c}]{1,9}", 2..9)) {
        let line = format!("c a={}", texts.iter().map(|t| escaped(t)).collect::<Vec<_>>().join(","));
        let call = Call::parse(line.as_bytes());
        prop_assert_eq!(call.arguments, vec![("a".to_owned(), Argument::Array(texts))]);
    }

    /// Every line means something, and nothing grows out of it.
    #[test]
    fn any_bytes_are_a_call(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let call = Call::parse(&line);
        let mut length = call.command.len();
        for (key, given) in &call.arguments {
            length += key.len() + match given {
                Argument::Text(text) => text.len(),
                Argument::Array(texts) => texts.iter().map(String::len).sum(),
            };
        }
        // Three bytes stand for one that is no text.
        prop_assert!(length <= line.len() * 3);
        prop_assert!(call.arguments.len() <= line.len());
        prop_assert!(!call.command.bytes().any(|byte| byte.is_ascii_uppercase()));
    }
}

#[test]
fn the_longest_line_is_read_at_once() {
    let line = b"a ".repeat(LONGEST_LINE / 2);
    assert_eq!(Call::parse(&line).arguments.len(), LONGEST_LINE / 2 - 1);
    let line = b"\\".repeat(LONGEST_LINE);
    assert_eq!(Call::parse(&line).command.len(), LONGEST_LINE / 2);
}
