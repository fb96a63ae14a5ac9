//! The filter language: what matches what, what is refused and how, and that nothing panics.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

#[path = "query/sample.rs"]
mod sample;

use conns_core::model::Class;
use conns_core::query::Filter;
use conns_core::query::filter::{Fault, MAX_BYTES, MAX_DEPTH, MAX_PATTERNS};
use proptest::prelude::*;
use sample::sample;

/// The letters of the sample connections a filter matches: web, ssh, database, listener,
/// resolver, ended, foreign.
fn matched(filter: &str) -> String {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{error}"));
    sample()
        .iter()
        .filter(|(_, connection)| filter.matches(connection))
        .map(|(letter, _)| *letter)
        .collect()
}

/// A filter and the letters of what it matches.
const CASES: &[(&str, &str)] = &[
    ("", "wsdlref"),
    ("process == nginx and rtt > 50ms and remote in 192.0.2.0/24", "w"),
    // Text
    ("process == nginx", "wl"),
    ("process = \"NGINX\"", "wl"),
    ("process eq 'nginx'", "wl"),
    ("process == ngin", ""),
    ("process != nginx", "sdr"),
    ("process <> nginx", "sdr"),
    ("not process == nginx", "sdr"),
    ("process == caddy", "l"),
    ("process in (sshd, caddy)", "sl"),
    ("process in {sshd caddy}", "sl"),
    ("process not in (sshd, caddy)", "wdr"),
    ("process contains GIN", "wl"),
    ("not (process contains gin)", "sdr"),
    ("process not contains gin", "sdr"),
    ("process ~ ^s", "s"),
    ("process ~ ^python", "d"),
    ("process ~ ^Python", "d"),
    ("process ~ NGINX", ""),
    ("process ~ '\\S{5,6}$'", "wdlr"),
    ("process matches \"ng|ssh\"", "wsl"),
    ("process !~ ng", "sdr"),
    ("user == root", "sl"),
    ("user != root", "wdr"),
    ("netns == lab-a", "f"),
    ("cmdline contains 'daemon off;'", "wsdlr"),
    // Words of a fixed list, in any spelling
    ("state == ESTABLISHED", "wsdf"),
    ("state established", "wsdf"),
    ("state = estab", "wsdf"),
    ("state in (time-wait, LISTEN)", "le"),
    ("state == TCP_TIME_WAIT", "e"),
    ("state ~ wait", "e"),
    ("proto == UDP", "r"),
    ("family == inet6", "slf"),
    ("family 4", "wdre"),
    ("direction == incoming", "ws"),
    ("direction != inbound", "d"),
    ("verdict == slow_reader_local", "d"),
    ("verdict == unknown", "lref"),
    ("verdict is unknown", "lref"),
    ("verdict != unknown", "wsd"),
    // Numbers and units
    ("rtt > 50ms", "w"),
    ("rtt > 50 ms", "w"),
    ("rtt>50ms", "w"),
    ("rtt gt 0.05s", "w"),
    ("rtt <= 0.5ms", "s"),
    ("rtt < 500.5us", "s"),
    ("rtt >= 500000ns", "ws"),
    ("rtt_us > 50000", "w"),
    ("rtt_us > 50ms", "w"),
    ("rtt > 0", "ws"),
    ("rtt in 1ms..100ms", "w"),
    ("rtt in 1-100ms", "w"),
    ("rtt in (80ms, 1s)", "w"),
    ("not rtt > 50ms", "s"),
    ("bytes_out > 1MB", "w"),
    ("bytes_out == 5M", "w"),
    ("bytes_out >= 5000kB", "w"),
    ("send_queue == 64KiB", "w"),
    ("send_queue == 65_536", "w"),
    ("recv_queue > 4k", "d"),
    ("rate_out == 10Mbit/s", "w"),
    ("rate_out == 10Mbps", "w"),
    ("rate_out >= 1.25MB/s", "w"),
    ("rate_in == 100bit/s", "w"),
    ("rate_out_bytes_per_s > 5", "w"),
    ("loss == 2%", "w"),
    ("loss > 1.5", "w"),
    ("confidence >= 90", "ws"),
    ("cookie == 18446744073709551614", "sdlref"),
    ("cookie == 0x11", "w"),
    ("data_segs_out > 0.5k", "w"),
    ("pid in (99, 300)", "dl"),
    ("started == 2026-01-31T12:00:00Z", "wsdlr"),
    ("started < 2026-02-01", "wsdlr"),
    ("started > \"2026-01-31 13:00+02:00\"", "wsdlr"),
    ("started_us > 1769860800000000", ""),
    // Ports
    ("local_port == 443", "wle"),
    ("local_port == https", "wle"),
    ("sport = :22", "s"),
    ("sport :22", "s"),
    ("dport = :postgres", "d"),
    ("local_port in 22-53", "sr"),
    ("local_port in 22..53", "sr"),
    ("local_port == 22-53", "sr"),
    ("local_port in (ssh, domain, 50000-50001)", "sdrf"),
    ("sport < 100", "sr"),
    ("sport lt :100", "sr"),
    ("remote_port != 443", "wsde"),
    ("port == 443", "wlef"),
    ("port != 443", "sdr"),
    // Addresses
    ("remote in 10.0.0.0/8", "sd"),
    ("remote == 10.1.2.3", "s"),
    ("remote == ::ffff:10.1.2.3", "s"),
    ("remote in ::ffff:10.0.0.0/104", "sd"),
    ("remote_addr in ::ffff:10.2.0.0/112", "d"),
    ("dst 10.0.0.0/8", "sd"),
    ("dst = 10.0.0.0/8:5432", "d"),
    ("dst :443", "f"),
    ("src *:443", "wle"),
    ("src :8000-60000", "df"),
    ("remote == [2001:db8::2]:443", "f"),
    ("remote == [2001:db8::2]:444", ""),
    ("remote == [2001:db8::]/32:https", "f"),
    ("remote == 2001:db8::2", "f"),
    ("remote != 10.1.2.3", "wdef"),
    ("remote not in 10.0.0.0/8", "wef"),
    ("remote in (10.1.0.0/16, 192.0.2.7:51000)", "ws"),
    ("remote in 0.0.0.0/0", "wsde"),
    ("local == 0.0.0.0", "r"),
    ("addr == 10.0.0.5", "wsde"),
    ("host 10.1.2.3", "s"),
    // True or false, known or not
    ("app_limited", "wsd"),
    ("not app_limited", ""),
    ("app_limited == false", ""),
    ("app_limited and rtt > 1ms", "w"),
    ("rtt is known", "ws"),
    ("rtt == unknown", "df"),
    ("rtt is unknown", "df"),
    ("rtt is n/a", "lre"),
    ("rtt is not known", "dlref"),
    ("rtt != unknown", "wslre"),
    ("process is unknown", "f"),
    ("owners is known", "wsdlr"),
    ("process == \"unknown\"", ""),
    // Structure
    ("process == nginx and rtt > 50ms", "w"),
    ("process == nginx && local_port == 443 && rtt is known", "w"),
    ("process == nginx & rtt is known", "w"),
    ("user == root or user == alice", "sdl"),
    ("user == root || user == alice", "sdl"),
    ("user root or user alice and rtt > 1s", "sl"),
    ("(user root or user alice) and proto tcp", "sdl"),
    ("not user root or proto udp", "wdr"),
    ("!(user root)", "wdr"),
    ("! user root", "wdr"),
    ("not not user root", "sl"),
    ("NOT process IN (nginx)", "sdr"),
    ("process !in (nginx)", "sdr"),
    ("state established dst 10.0.0.0/8", "sd"),
    ("( sport = :22 or sport = :53 ) state established", "s"),
    // Three answers: the foreign one's process is not known
    ("process == x or proto tcp", "wsdlef"),
    ("not (process == x and proto udp)", "wsdlref"),
    ("not (process == x or proto udp)", "wsdl"),
    // Bare words
    ("nginx", "wl"),
    ("\"nginx\"", "wl"),
    ("PYTHON", "d"),
    ("ssh", "s"),
    ("https", "wlef"),
    ("443", "wlef"),
    ("\"443\"", ""),
    ("50000-52000", "wdf"),
    ("50000..52000", "wdf"),
    (":53", "r"),
    ("10.0.0.0/8", "wsde"),
    ("10.1.2.3", "s"),
    ("10.1.2.3:40000", "s"),
    ("[2001:db8::2]:443", "f"),
    ("tcp", "wsdlef"),
    ("udp", "r"),
    ("listen", "l"),
    ("established", "wsdf"),
    ("inbound", "ws"),
    ("ipv6", "slf"),
    ("path-loss", "w"),
    ("idle", "s"),
    ("idle and tcp", "s"),
    ("not nginx", "sdre"),
    ("not 443", "sdr"),
    ("not 10.0.0.0/8", "lrf"),
    ("nginx rtt > 1ms", "w"),
    ("(nginx)", "wl"),
    // Words side by side
    ("nginx 443", "wl"),
    ("nginx established", "w"),
    ("nginx not listen", "w"),
    ("tcp not nginx", "sde"),
    ("nginx (path-loss or listen)", "wl"),
    ("process nginx established", "w"),
    ("node 3000", ""),
    ("java 8080 or nginx 443", "wl"),
    ("100", "wl"),
    ("200 established", "s"),
    ("1000000", ""),
    // A word at a port, a field and a value
    ("nginx:443", "wl"),
    ("nginx:22", ""),
    ("ssh:22", "s"),
    ("sshd:ssh", "s"),
    ("tcp:443", "wlef"),
    ("process:ngin", "wl"),
    ("user:root", "sl"),
    ("port:443", "wlef"),
    ("dst:5432", "d"),
    ("src:10.0.0.5", "wsde"),
    ("state:listening", "l"),
    ("pid:300", "d"),
    ("localhost:443", ""),
    // Networks and hosts as `ss` has them
    ("10/8", "wsde"),
    ("dst 10.1/16", "s"),
    ("dst 10.1.2.3:*", "s"),
    ("dst localhost", ""),
    ("dst localhost:*", ""),
    // States as `ss` has them
    ("state all", "wsdlref"),
    ("state connected", "wsdef"),
    ("state synchronized", "wsdef"),
    ("state bucket", "e"),
    ("state big", "wsdlrf"),
    ("state listen state established", "wsdlf"),
    ("state listen and state established", ""),
    ("not state listen state established", "wsdf"),
    ("state connected exclude established", "e"),
    ("exclude listening tcp", "wsdef"),
    ("state established ( sport = :22 or dport = :5432 )", "sd"),
    // Names of `ss` and headings of tables
    ("cwnd is known", "wsd"),
    ("mss >= 0 and ssthresh >= 0", "wsd"),
    ("lastsnd is unknown or lastrcv is known", "df"),
    ("BYTES-OUT > 4MB", "w"),
    ("SEND-QUEUE > 0", "w"),
    // Interfaces, by name and by index
    ("dev eth0", "f"),
    ("dev = eth0", "f"),
    ("dev=ETH0", "f"),
    ("dev != eth0", "r"),
    ("dev = 2", "f"),
    ("dev != 2", "lr"),
    ("dev = '2'", ""),
    ("interface in (eth0, 7)", "lf"),
    ("interface not in (lo, 7)", "f"),
    ("not interface in (lo, 7)", "f"),
    ("interface in {lo eth0}", "rf"),
    ("interface ~ ^eth", "f"),
    ("interface contains th", "f"),
    ("dev:eth", "f"),
    ("interface is unknown", "l"),
    ("interface is n/a", "wsde"),
    ("ifindex >= 2", "lf"),
    ("interface_index == 1", "r"),
    ("v6only is known and not v6only", "l"),
    // Zones of addresses
    ("2001:db8::1%eth0", "f"),
    ("2001:db8::1%2", "f"),
    ("2001:db8::1%lo", ""),
    ("[2001:db8::1%eth0]:50001", "f"),
    ("[2001:db8::1]%eth0:50001", "f"),
    ("src [2001:db8::1]%eth0:50001", "f"),
    ("src 2001:db8::1%eth0:50001", "f"),
    ("src 2001:db8::1%eth0:50002", ""),
    ("remote == 2001:db8::%eth0/32", "f"),
    ("local in (2001:db8::1%eth0, 10.0.0.5)", "wsdef"),
    ("local != 2001:db8::1%eth0", "wsdlre"),
    ("not local == 2001:db8::1%eth0", "wsdlre"),
    ("addr == 2001:db8::2%eth0", "f"),
    ("0.0.0.0%lo:53", "r"),
    ("*%lo:53", "r"),
    ("*%7:443", "l"),
    ("dst 10.1.2.3%eth0", ""),
    ("nginx%eth0", ""),
    // Wildcards
    ("[::]:443", "l"),
    ("src = *:443", "wle"),
    ("0.0.0.0:53", "r"),
];

#[test]
fn filters_match_as_documented() {
    let wrong: Vec<String> = CASES
        .iter()
        .filter(|(filter, expected)| matched(filter) != *expected)
        .map(|(filter, expected)| format!("{filter}: {} and not {expected}", matched(filter)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_canonical_form_means_the_same() {
    for (text, expected) in CASES {
        let filter = Filter::parse(text).expect(text);
        let canonical = filter.to_string();
        let again = Filter::parse(&canonical).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, filter, "{text} printed as {canonical}");
        assert_eq!(again.to_string(), canonical);
        assert_eq!(matched(&canonical), *expected, "{canonical}");
    }
}

#[test]
fn there_is_one_spelling_for_one_meaning() {
    for (text, canonical) in [
        ("process=nginx", "process == \"nginx\""),
        ("comm eq 'nginx'", "process == \"nginx\""),
        ("rtt_us>50000", "rtt > 50ms"),
        ("rtt > 0.05s", "rtt > 50ms"),
        ("rtt > 0.5us", "rtt > 0.5us"),
        ("rate_out > 8Mbit/s", "rate_out > 1MB/s"),
        ("state established", "state == \"ESTAB\""),
        ("dst 10.1.2.3/8", "remote == 10.0.0.0/8"),
        ("sport = :22", "local_port == 22"),
        ("sport in 1-9", "local_port in 1..9"),
        ("a or b and not c", "\"a\" or (\"b\" and not \"c\")"),
        ("!rtt == unknown", "not rtt is unknown"),
        ("user not in {a b}", "user not in (\"a\", \"b\")"),
        ("started > 2026-01-31", "started > 2026-01-31T00:00:00Z"),
        ("app_limited", "app_limited == true"),
        ("443", "443"),
        ("nginx 443", "\"nginx\" and 443"),
        ("nginx:443", "\"nginx\" and \":443\""),
        ("process:nginx", "process contains \"nginx\""),
        ("state listen state estab", "state in (\"LISTEN\", \"ESTAB\")"),
        ("exclude bucket", "state not in (\"SYN-RECV\", \"TIME-WAIT\")"),
        ("localhost:80", "local in (127.0.0.1:80, [::1]:80) or remote in (127.0.0.1:80, [::1]:80)"),
        ("dev eth0", "interface == \"eth0\""),
        ("dev != 2", "interface_index != 2"),
        ("dev in (eth0, 2, lo)", "interface in (\"eth0\", \"lo\") or interface_index == 2"),
        ("dev not in (eth0, 2)", "not (interface == \"eth0\" or interface_index == 2)"),
        ("fe80::1%eth0", "\"fe80::1\" and interface == \"eth0\""),
        ("nginx [fe80::1%2]:443", "\"nginx\" and \"[fe80::1]:443\" and interface_index == 2"),
        ("src != fe80::1%eth0", "not (local == fe80::1 and interface == \"eth0\")"),
        (
            "src in (fe80::1%eth0, 10.0.0.1)",
            "local == 10.0.0.1 or (local == fe80::1 and interface == \"eth0\")",
        ),
        ("exe contains 'a\"b\\c'", "exe contains \"a\\\"b\\\\c\""),
        ("[2001:db8::]/32:443", "\"[2001:db8::]/32:443\""),
    ] {
        assert_eq!(Filter::parse(text).expect(text).to_string(), canonical);
    }
}

/// Invalid filters, and the three lines of their messages.
const REFUSED: &[(&str, &str)] = &[
    (
        "proces == \"nginx\"",
        "unknown field `proces` at column 1; did you mean `process`? (`conns fields` lists all)\n  \
         proces == \"nginx\"\n  \
         ^^^^^^",
    ),
    (
        "src fe80::1%",
        "expected an interface after `%` at column 5; such as fe80::1%eth0, or its index: fe80::1%2\n  \
         src fe80::1%\n      \
         ^^^^^^^^",
    ),
    (
        "fe80::1%an-interface-with-a-long-name",
        "`an-interface-with-a-long-name` cannot be the name of an interface at column 1; it has at most 15 bytes, and no `/`, `:`, `%` or space; `ip link` lists the names\n  \
         fe80::1%an-interface-with-a-long-name\n  \
         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    (
        "dev = eth0:1",
        "`eth0:1` cannot be the name of an interface at column 7; it has at most 15 bytes, and no `/`, `:`, `%` or space; `ip link` lists the names\n  \
         dev = eth0:1\n        \
         ^^^^^^",
    ),
    (
        "dev > 2",
        "`>` does not work on `interface`, text at column 5; it takes == != ~ !~ in contains is\n  \
         dev > 2\n      \
         ^",
    ),
    (
        "src fe80::1%eth0%eth1",
        "`eth0%eth1` cannot be the name of an interface at column 5; it has at most 15 bytes, and no `/`, `:`, `%` or space; `ip link` lists the names\n  \
         src fe80::1%eth0%eth1\n      \
         ^^^^^^^^^^^^^^^^^",
    ),
    (
        "proces nginx",
        "unknown field `proces` at column 1; did you mean `process`? (`conns fields` lists all)\n  \
         proces nginx\n  \
         ^^^^^^",
    ),
    (
        "gibberish > 5",
        "unknown field `gibberish` at column 1; `conns fields` lists all\n  \
         gibberish > 5\n  \
         ^^^^^^^^^",
    ),
    (
        "process == \"größe\" and rtx > 5ms",
        "unknown field `rtx` at column 24; did you mean `rtt`? (`conns fields` lists all)\n  \
         process == \"größe\" and rtx > 5ms\n                         \
         ^^^",
    ),
    (
        "rtt > 50",
        "`50` needs a unit for `rtt` at column 7; units are ns, us, ms, s, min, h, d\n  \
         rtt > 50\n        \
         ^^",
    ),
    (
        "rtt > 50MB",
        "`MB` is not a unit of a duration at column 7; units are ns, us, ms, s, min, h, d\n  \
         rtt > 50MB\n        \
         ^^^^",
    ),
    (
        "rtt > 50msec",
        "`msec` is not a unit of a duration at column 7; units are ns, us, ms, s, min, h, d\n  \
         rtt > 50msec\n        \
         ^^^^^^",
    ),
    (
        "rate_out > 5Mb/s",
        "`Mb/s` can be bits or bytes at column 12; write MB or Mbit, MB/s or Mbit/s\n  \
         rate_out > 5Mb/s\n             \
         ^^^^^",
    ),
    (
        "rtt > fast",
        "expected a duration for `rtt`, found `fast` at column 7; such as 50ms\n  \
         rtt > fast\n        \
         ^^^^",
    ),
    (
        "local_port == htpps",
        "expected a port for `local_port`, found `htpps` at column 15; did you mean `https`?\n  \
         local_port == htpps\n                \
         ^^^^^",
    ),
    (
        "remote in 10.0.0.0/33",
        "expected an address, a network or a port for `remote`, found `10.0.0.0/33` at column 11; \
         such as 10.0.0.1, 10.0.0.0/8, 10.0.0.1:443, [::1]:443 or :443\n  \
         remote in 10.0.0.0/33\n            \
         ^^^^^^^^^^^",
    ),
    (
        "state == ESTABLISHD",
        "`ESTABLISHD` is not a state at column 10; did you mean `established`?\n  \
         state == ESTABLISHD\n           \
         ^^^^^^^^^^",
    ),
    (
        "proto == icmp",
        "`icmp` is not a proto at column 10; known are tcp udp mptcp udplite raw unix packet \
         netlink vsock other\n  \
         proto == icmp\n           \
         ^^^^",
    ),
    (
        "process > nginx",
        "`>` does not work on `process`, text at column 9; it takes == != ~ !~ in contains is\n  \
         process > nginx\n          \
         ^",
    ),
    (
        "process like \"ng%\"",
        "unknown operator `like` at column 9; did you mean `contains`?\n  \
         process like \"ng%\"\n          \
         ^^^^",
    ),
    (
        "process contain ng",
        "unknown operator `contain` at column 9; did you mean `contains`?\n  \
         process contain ng\n          \
         ^^^^^^^",
    ),
    (
        "rtt",
        "field `rtt` compared with nothing at column 1; \
         write `rtt == …`, or \"rtt\" in quotes to search for the word\n  \
         rtt\n  \
         ^^^",
    ),
    (
        "process ==",
        "expected a value, found the end at column 11\n  \
         process ==\n            \
         ^",
    ),
    (
        "(process == nginx",
        "expected `)`, found the end at column 18\n  \
         (process == nginx\n                   \
         ^",
    ),
    (
        "nginx and",
        "expected a field, a word or `(`, found the end at column 10\n  \
         nginx and\n           \
         ^",
    ),
    (
        "process == \"nginx",
        "quote not closed at column 12\n  \
         process == \"nginx\n             \
         ^^^^^^",
    ),
    (
        "process ~ nginx|sshd",
        "pattern ends here at column 16; put the whole pattern in quotes\n  \
         process ~ nginx|sshd\n                 \
         ^",
    ),
    (
        "sport in 90-80",
        "range `90-80` ends before it begins at column 10\n  \
         sport in 90-80\n           \
         ^^^^^",
    ),
    (
        "9999999",
        "expected a port for `port`, found `9999999` at column 1; such as 443, https or 8000-9000\n  \
         9999999\n  \
         ^^^^^^^",
    ),
    (
        "owners == nginx",
        "`==` does not work on `owners`, a list at column 11; \
         it takes `is known` and `is unknown`; compare pid or process instead\n  \
         owners == nginx\n            \
         ^^^^^",
    ),
    (
        "bytes_in > 99999999999999999999999",
        "number `99999999999999999999999` too large at column 12\n  \
         bytes_in > 99999999999999999999999\n             \
         ^^^^^^^^^^^^^^^^^^^^^^^",
    ),
];

#[test]
fn addresses_that_cannot_be_are_errors() {
    for text in [
        "10.0.0.0/33",
        "300.1.1.1",
        "10.1",
        "10/33",
        "fe80::1/129",
        "fe80:::1",
        "1.2.3.4.5",
        "50000-52:00",
        "300.1.1.1:80",
    ] {
        let error = Filter::parse(text).expect_err(text).to_string();
        assert!(error.starts_with("expected an address"), "{text}: {error}");
    }
}

#[test]
fn host_names_are_looked_up_where_an_address_is_expected() {
    let names = |name: &str| match name {
        "db.example" => vec!["10.2.0.9".parse().expect("an address")],
        _ => Vec::new(),
    };
    let database = |text: &str| {
        let filter = Filter::parse_with(text, &names).unwrap_or_else(|error| panic!("{error}"));
        let matching = sample().into_iter().filter(|(_, c)| filter.matches(c));
        matching.map(|(letter, _)| letter).collect::<String>()
    };
    for text in ["dst db.example", "dst db.example:5432", "dst db.example:*", "db.example:5432"] {
        assert_eq!(database(text), "d", "{text}");
    }
    assert_eq!(database("dst db.example:22"), "");
    assert!(Filter::parse_with("dst other.example", &names).is_err());
    assert!(Filter::parse("dst db.example").is_err(), "no names without a resolver");
}

#[test]
fn names_of_programs_are_no_misspelt_fields() {
    for name in [
        "nginx", "redis", "sshd", "postgres", "java", "node", "curl", "iperf3", "rustnet", "stat",
        "python3", "mysqld", "caddy", "envoy", "haproxy", "dockerd", "kubelet", "chrome",
        "firefox", "monerod", "systemd",
    ] {
        let filter = format!("{name} 443");
        assert!(Filter::parse(&filter).is_ok(), "{filter}");
    }
}

#[test]
fn a_filter_of_states_leaves_none_out() {
    for (text, names_states) in [
        ("state listen", true),
        ("nginx time-wait", true),
        ("not listening", true),
        ("nginx", false),
        ("443 and rtt > 1ms", false),
    ] {
        assert_eq!(Filter::parse(text).expect(text).names_states(), names_states, "{text}");
    }
}

#[test]
fn a_filter_names_a_class_by_a_value_or_a_word_alone() {
    for (text, names_idle) in [
        ("verdict == idle", true),
        ("process == nginx and not verdict in (stalled, IDLE)", true),
        ("idle", true),
        ("idle > 5s", false),
        ("process == idle", false),
        ("verdict == healthy", false),
        ("", false),
    ] {
        let filter = Filter::parse(text).expect(text);
        assert_eq!(filter.names_class(Class::Idle), names_idle, "{text}");
    }
}

#[test]
fn a_refusal_names_the_place_and_what_was_expected() {
    for (filter, expected) in REFUSED {
        let error = Filter::parse(filter).expect_err(filter);
        assert_eq!(error.to_string(), *expected, "\n{error}\n");
        assert!(filter.get(error.span()).is_some(), "span of {filter}");
    }
}

#[test]
fn a_bad_pattern_is_refused_with_the_reason() {
    for pattern in ["(", "a{99999}", "\\p{Greek}", &"(".repeat(500)] {
        let error = Filter::parse(&format!("process ~ \"{pattern}\"")).expect_err(pattern);
        assert!(matches!(error.fault(), Fault::BadPattern { .. }), "{error}");
    }
    let huge = "process ~ \"((\\w{100}){100}){100}\"";
    assert!(Filter::parse(huge).is_err());
}

#[test]
fn a_hostile_filter_is_refused_before_it_costs() {
    let fault = |text: &str| Filter::parse(text).expect_err("a refusal").fault().clone();
    assert_eq!(fault(&"x".repeat(MAX_BYTES + 1)), Fault::TooLong);
    assert_eq!(fault(&"(".repeat(MAX_BYTES)), Fault::TooDeep);
    assert_eq!(fault(&"not ".repeat(MAX_BYTES / 4)), Fault::TooDeep);
    assert_eq!(fault(&"!".repeat(MAX_BYTES)), Fault::TooDeep);
    let patterns = vec!["process ~ x"; MAX_PATTERNS + 1].join(" or ");
    assert_eq!(fault(&patterns), Fault::TooManyPatterns);
    let deepest = format!("{}x{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
    assert!(Filter::parse(&deepest).is_ok());
    // A zone makes a test of two, which are in parentheses of their own when printed.
    let zoned = |depth| format!("{}src != fe80::1%eth0{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(fault(&zoned(MAX_DEPTH)), Fault::TooDeep);
    let printed = Filter::parse(&zoned(MAX_DEPTH - 3)).expect("a filter").to_string();
    assert!(Filter::parse(&printed).is_ok(), "{printed}");
    let widest = vec!["pid == 1"; MAX_BYTES / 12].join(" or ");
    let widest = Filter::parse(&widest).expect("a wide filter");
    assert!(!widest.matches(&sample()[0].1));
}

#[test]
fn an_error_in_a_long_filter_shows_the_place_only() {
    let text = format!("{} and proces == x and {}", "a or b ".repeat(99), "c".repeat(999));
    let error = Filter::parse(&text).expect_err("no operator between b and a");
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.chars().count() < 140), "{error}");
}

#[test]
fn a_message_carries_no_control_characters() {
    let error = Filter::parse("\u{1b}[2J\n == 5").expect_err("no such field");
    assert_eq!(error.to_string().lines().count(), 3);
    assert!(!error.to_string().contains('\u{1b}'));
}

/// Texts made of what filters are made of, most of them wrong.
fn almost_filter() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("process"),
        Just("dev"),
        Just("fe80::1%eth0"),
        Just("[::1%2]:"),
        Just("%"),
        Just("rtt"),
        Just("rtt_us"),
        Just("remote"),
        Just("sport"),
        Just("state"),
        Just("started"),
        Just("loss"),
        Just("rate_out"),
        Just("bytes_in"),
        Just("app_limited"),
        Just("port"),
        Just("owners"),
        Just("verdict"),
        Just("=="),
        Just("!="),
        Just("<"),
        Just(">="),
        Just("~"),
        Just("!~"),
        Just("in"),
        Just("not"),
        Just("and"),
        Just("or"),
        Just("("),
        Just(")"),
        Just("{"),
        Just("}"),
        Just(","),
        Just("!"),
        Just("is"),
        Just("unknown"),
        Just("known"),
        Just("n/a"),
        Just("contains"),
        Just("nginx"),
        Just("\"a b\""),
        Just("50ms"),
        Just("50"),
        Just("ms"),
        Just("1.5"),
        Just("0.3us"),
        Just("10.0.0.0/8"),
        Just("::1"),
        Just("[::1]:22"),
        Just(":ssh"),
        Just("8000-9000"),
        Just("1..2"),
        Just("https"),
        Just("estab"),
        Just("idle"),
        Just("true"),
        Just("443"),
        Just("2026-01-31"),
        Just("7%"),
        Just("3MiB"),
        Just("9Mbit/s"),
        Just("x'y"),
        Just("é"),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.join(" "))
}

/// Filters that are right.
fn filter() -> impl Strategy<Value = String> {
    let word = "[a-z0-9./:-]{1,12}";
    let test = prop_oneof![
        ("(process|exe|user)", "(==|!=|contains|not contains)", "\\PC{0,8}")
            .prop_map(|(field, op, text)| format!("{field} {op} '{}'", text.replace('\'', "''"))),
        (
            "(rtt|idle|min_rtt|busy_time_us)",
            "(==|!=|<|<=|>|>=)",
            "[0-9]{1,8}(\\.[0-9]{1,6})?(ns|us|ms|s|min|h|d)"
        )
            .prop_map(|(field, op, number)| format!("{field} {op} {number}")),
        ("(bytes_in|send_queue)", "(==|in)", "[0-9]{1,9}(\\.[0-9]{1,6})?(B|kB|MiB|G)?")
            .prop_map(|(field, op, number)| format!("{field} {op} {number}")),
        ("(rate_in|rate_out)", "(<|>=)", "[0-9]{1,9}(\\.[0-9]{1,6})?(B/s|kbit/s|MiB/s|bps)")
            .prop_map(|(field, op, number)| format!("{field} {op} {number}")),
        (any::<u32>(), 0_u8..=32, any::<Option<u16>>()).prop_map(|(address, length, port)| {
            let port = port.map_or_else(String::new, |port| format!(":{port}"));
            format!("dst {}/{length}{port}", std::net::Ipv4Addr::from(address))
        }),
        (any::<u128>(), 0_u8..=128, any::<Option<u16>>()).prop_map(|(address, length, port)| {
            let address = std::net::Ipv6Addr::from(address);
            match port {
                Some(port) => format!("remote in [{address}]/{length}:{port}"),
                None => format!("local_addr != {address}/{length}"),
            }
        }),
        (any::<u128>(), "(lo|eth0|[0-9]{1,10}|[a-z]{1,3})", "(|/64|:443|:\\*)").prop_map(
            |(address, zone, rest)| {
                let address = std::net::Ipv6Addr::from(address);
                format!("src != [{address}%{zone}]{rest}")
            }
        ),
        ("(==|!=)", "(lo|'2'|[0-9]{1,10})").prop_map(|(op, one)| format!("dev {op} {one}")),
        ("(in|not in)", "(lo|\\(eth0, 2\\)|\\{1 lo 3\\})")
            .prop_map(|(op, list)| format!("dev {op} {list}")),
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| format!(
            "sport in ({a}, {}-{})",
            a.min(b),
            a.max(b)
        )),
        (0_u64..250_000_000_000_000_000).prop_map(|us| format!("started_us >= {us}")),
        word.prop_map(|word| format!("\"{word}\"")),
    ];
    test.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not {part}")),
        ]
    })
}

/// Whatever parses prints as a filter that parses to the same, and asking it does not panic.
fn holds_for(text: &str) -> Result<(), TestCaseError> {
    match Filter::parse(text) {
        Ok(filter) => {
            let canonical = filter.to_string();
            let again = Filter::parse(&canonical)
                .map_err(|error| TestCaseError::fail(format!("{text:?} printed as\n{error}")))?;
            prop_assert_eq!(&again, &filter, "{:?} printed as {}", text, canonical);
            for (letter, connection) in sample() {
                let answer = filter.evaluate(&connection);
                prop_assert_eq!(answer, again.evaluate(&connection), "{}", letter);
            }
        }
        Err(error) => {
            prop_assert!(text.get(error.span()).is_some());
            prop_assert_eq!(error.to_string().lines().count(), 3, "{}", error);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_an_error(text in "\\PC{0,64}") {
        holds_for(&text)?;
    }

    #[test]
    fn any_characters_at_all_are_a_filter_or_an_error(text in any::<String>()) {
        holds_for(&text)?;
    }

    #[test]
    fn what_looks_like_a_filter_is_one_or_an_error(text in almost_filter()) {
        holds_for(&text)?;
    }

    #[test]
    fn a_filter_is_one(text in filter()) {
        prop_assert!(Filter::parse(&text).is_ok(), "{}", Filter::parse(&text).unwrap_err());
        holds_for(&text)?;
    }

    #[test]
    fn a_negation_turns_an_answer_round_and_leaves_the_unknown(text in filter()) {
        let plain = Filter::parse(&text).unwrap();
        let negated = Filter::parse(&format!("not ({text})")).unwrap();
        for (_, connection) in sample() {
            let answer = plain.evaluate(&connection);
            prop_assert_eq!(negated.evaluate(&connection), answer.map(|yes| !yes));
        }
    }
}
