//! Valid and invalid calls, and their errors.

use conns_dialects::one_e::{CallFault, MAX_BYTES, Method};
use proptest::prelude::*;

#[test]
fn calls_are_read_with_and_without_parentheses_and_in_any_spacing() {
    for method in Method::ALL {
        for closed in ["", "()", "();", ";", "( )", " ( ) ; ", "\n(\t)\r\n;\n"] {
            let text = format!("{method}{closed}");
            assert_eq!(Method::parse(&text), Ok(method), "{text:?}");
        }
    }
    let spaced = " \tNetwork\n.\u{a0}GetConnections () ;";
    assert_eq!(Method::parse(spaced), Ok(Method::GetConnections));
}

/// A text and the three lines that refuse it.
const REFUSED: &[(&str, &str)] = &[
    (
        "Network.GetConections();",
        "unknown method `GetConections` of module `Network` at column 9; did you mean \
         `GetConnections`? known are GetConnections GetListeningEndpoints\n\
         \x20 Network.GetConections();\n\
         \x20         ^^^^^^^^^^^^^",
    ),
    (
        "Network.getconnections",
        "unknown method `getconnections` of module `Network` at column 9; did you mean \
         `GetConnections`? names are case-sensitive; known are GetConnections GetListeningEndpoints\n\
         \x20 Network.getconnections\n\
         \x20         ^^^^^^^^^^^^^^",
    ),
    (
        "Network.GetArpEntries();",
        "unknown method `GetArpEntries` of module `Network` at column 9; known are \
         GetConnections GetListeningEndpoints\n\
         \x20 Network.GetArpEntries();\n\
         \x20         ^^^^^^^^^^^^^",
    ),
    (
        "network.GetConnections();",
        "unknown module `network` at column 1; did you mean `Network`? names are case-sensitive; \
         known is Network\n\
         \x20 network.GetConnections();\n\
         \x20 ^^^^^^^",
    ),
    (
        "Agent.GetConnectionInformation();",
        "unknown module `Agent` at column 1; known is Network\n\
         \x20 Agent.GetConnectionInformation();\n\
         \x20 ^^^^^",
    ),
    (
        "GetConnections();",
        "method `GetConnections` without its module at column 1; write `Network.GetConnections();`\n\
         \x20 GetConnections();\n\
         \x20 ^^^^^^^^^^^^^^",
    ),
    (
        "Network.GetConnections(\"tcp\", 1);",
        "`Network.GetConnections` takes no arguments, found `\"tcp\", 1` at column 24; write \
         `Network.GetConnections();`\n\
         \x20 Network.GetConnections(\"tcp\", 1);\n\
         \x20                        ^^^^^^^^",
    ),
    (
        "Network.GetConnections(1;",
        "`Network.GetConnections` takes no arguments, found `1` at column 24; write \
         `Network.GetConnections();`\n\
         \x20 Network.GetConnections(1;\n\
         \x20                        ^",
    ),
    (
        "",
        "expected a module and a method, found the end at column 1; a call is written \
         `Network.GetConnections();`\n\
         \x20 \n\
         \x20 ^",
    ),
    (
        "Network",
        "expected `.` and a method, found the end at column 8; a call is written \
         `Network.GetConnections();`\n\
         \x20 Network\n\
         \x20        ^",
    ),
    (
        "Network.;",
        "expected a method, found `;` at column 9; a call is written `Network.GetConnections();`\n\
         \x20 Network.;\n\
         \x20         ^",
    ),
    (
        "Network.GetConnections(;",
        "expected `)`, found `;` at column 24; a call is written `Network.GetConnections();`\n\
         \x20 Network.GetConnections(;\n\
         \x20                        ^",
    ),
    (
        "Network.GetConnections[]",
        "expected `(`, `;` or the end, found `[` at column 23; a call is written \
         `Network.GetConnections();`\n\
         \x20 Network.GetConnections[]\n\
         \x20                       ^",
    ),
    (
        "Network.GetConnections() WHERE",
        "expected `;` or the end, found `WHERE` at column 26; a call is written \
         `Network.GetConnections();`\n\
         \x20 Network.GetConnections() WHERE\n\
         \x20                          ^^^^^",
    ),
    (
        "Network.GetConnections();;",
        "expected the end of the call, found `;` at column 26; a call is written \
         `Network.GetConnections();`\n\
         \x20 Network.GetConnections();;\n\
         \x20                          ^",
    ),
    (
        "SELECT * FROM Network.GetConnections()",
        "expected `.` and a method, found `*` at column 8; a call is written \
         `Network.GetConnections();`\n\
         \x20 SELECT * FROM Network.GetConnections()\n\
         \x20        ^",
    ),
    (
        "Nätwerk\u{1b}[2J.X",
        "expected `.` and a method, found ` ` at column 8; a call is written \
         `Network.GetConnections();`\n\
         \x20 Nätwerk [2J.X\n\
         \x20        ^",
    ),
];

#[test]
fn what_is_no_call_is_refused_with_the_place_and_a_way_out() {
    for (text, message) in REFUSED {
        let error = Method::parse(text).expect_err(text);
        assert_eq!(error.to_string(), *message, "{text:?}");
    }
}

#[test]
fn a_call_that_is_too_long_is_refused_without_repeating_it() {
    let longest = format!("{:MAX_BYTES$}", "Network.GetConnections();");
    assert_eq!(Method::parse(&longest), Ok(Method::GetConnections));
    let error = Method::parse(&format!("{longest} ")).expect_err("one byte too many");
    assert_eq!(error.fault(), &CallFault::TooLong { limit: MAX_BYTES });
    assert_eq!(
        error.to_string(),
        "call longer than 256 bytes; a call is written `Network.GetConnections();`"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_or_its_errors_panic(text in any::<String>()) {
        refuse_or_understand(&text)?;
    }

    #[test]
    fn nothing_near_a_call_makes_the_parser_or_its_errors_panic(
        text in "[ \\n]{0,2}(Network|network|Nétwork|)[ .]{0,2}(GetConnections|GetX|ß)[ (;)\",1é\u{1b}]{0,6}"
    ) {
        refuse_or_understand(&text)?;
    }
}

fn refuse_or_understand(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = Method::parse(text) {
        let span = error.span();
        prop_assert!(text.get(span).is_some(), "{error:?}");
        prop_assert!(!error.message().chars().any(char::is_control));
        prop_assert!(error.to_string().lines().count() <= 3);
    }
    Ok(())
}
