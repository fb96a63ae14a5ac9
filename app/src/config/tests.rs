//! The layers of the configuration, their errors, and the documents generated from the settings.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use conns_core::query::Filter;
use conns_dialects::monero::Era;
use conns_server::{Limits, ListenSpec, TokenHash};

use super::*;
use crate::flags::SourceChoice;
use crate::flags::serve::{ExplainFormat, ServeFlags};
use crate::settings::UserName;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    serve: ServeFlags,
}

fn flags(typed: &[&str]) -> ServeFlags {
    Typed::try_parse_from([&["serve"], typed].concat()).unwrap().serve
}

/// Loads these layers; `file` is the text of the default file.
fn load_layers(file: &str, env: &[(&str, &str)], typed: &[&str]) -> Result<Loaded, ConfigErrors> {
    let env: HashMap<_, _> = env.iter().copied().collect();
    let read = |path: &Path| {
        assert_eq!(path, Path::new(DEFAULT_FILE));
        Ok(file.to_owned())
    };
    load(&flags(typed), |name| env.get(name).map(|value| (*value).to_owned()), read)
}

fn layers(file: &str, env: &[(&str, &str)], typed: &[&str]) -> Result<Config, ConfigErrors> {
    load_layers(file, env, typed).map(|loaded| loaded.config)
}

fn file(text: &str) -> Result<Config, ConfigErrors> {
    layers(text, &[], &[])
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ConfigErrors>) -> String {
    result.unwrap_err().to_string()
}

fn listen(texts: &[&str]) -> Vec<ListenSpec> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn settings_have_distinct_names_and_valid_defaults() {
    for (place, setting) in SETTINGS.iter().enumerate() {
        let others = SETTINGS.iter().skip(place + 1);
        for other in others {
            assert_ne!(setting.key, other.key);
            assert_ne!(setting.flag, other.flag);
            assert_ne!(setting.variable(), other.variable());
        }
        assert_ne!(setting.variable(), FILE_VARIABLE);
        assert!(setting.meaning.starts_with(char::is_uppercase), "{}", setting.key);
        assert!(!setting.meaning.ends_with('.'), "{}", setting.key);
        if !setting.default.is_empty() {
            let value = setting.kind.value_of(setting.default).unwrap();
            assert!(setting.kind.accepts(&value), "{}", setting.key);
        }
    }
    let tables: Vec<&str> =
        SETTINGS.iter().map(|it| it.key.rsplit_once('.').map_or("", |(table, _)| table)).collect();
    let mut changes: Vec<&str> = tables.chunk_by(|a, b| a == b).map(|run| run[0]).collect();
    let runs = changes.len();
    changes.sort_unstable();
    changes.dedup();
    assert_eq!(runs, changes.len(), "the settings of one table are adjacent");
}

#[test]
fn without_any_layer_the_defaults_apply() {
    let loaded = load_layers("", &[], &[]).unwrap();
    assert!(loaded.settled.iter().all(|settled| settled.origin == Origin::Default));
    let config = loaded.config;
    assert_eq!((config.interval, config.window), (Duration::from_secs(1), Duration::from_secs(5)));
    assert_eq!(config.source, SourceChoice::Auto);
    assert_eq!(config.listen, listen(&["http=127.0.0.1:7979", "unix:/run/conns/conns.sock"]));
    assert_eq!(config.limits, Limits::default());
    assert!(!config.insecure && !config.follow_namespaces && !config.monero.restricted);
    assert!(config.user.is_none() && config.tokens.is_empty() && config.hosts.is_empty());
    assert!(config.tls.certificate.is_none() && config.tls.key.is_none());
    let peers = Filter::parse(conns_dialects::monero::DEFAULT_PEERS).unwrap();
    assert_eq!(config.monero.peers, peers);
    assert!(config.monero.node.is_none() && config.monero.login.is_none());
    assert_eq!(config.monero.era, Era::Current);
    let streams = Filter::parse(conns_dialects::ems::DEFAULT_STREAMS).unwrap();
    assert_eq!(config.ems.streams, streams);
    assert!(config.ems.length_prefix);
    assert_eq!(config.metrics_top, 20);
}

#[test]
fn the_socket_file_is_in_the_runtime_directory() {
    for (env, path) in [
        (&[][..], "/run/conns/conns.sock"),
        (&[("XDG_RUNTIME_DIR", "/run/user/7")], "/run/user/7/conns.sock"),
        (&[("XDG_RUNTIME_DIR", "")], "/run/conns/conns.sock"),
        (
            &[("RUNTIME_DIRECTORY", "/run/conns:/run/b"), ("XDG_RUNTIME_DIR", "/run/user/0")],
            "/run/conns/conns.sock",
        ),
        (&[("XDG_RUNTIME_DIR", "/run/a,b")], "/run/conns/conns.sock"),
    ] {
        let config = layers("", env, &[]).unwrap();
        assert_eq!(config.listen[1], format!("unix:{path}").parse().unwrap());
    }
}

#[test]
fn each_layer_overrides_the_ones_before() {
    let text = "# first\ninterval = '2s'\n[metrics]\ntop = 2\n";
    let env = [("CONNS_INTERVAL", "3s"), ("CONNS_METRICS_TOP", "")];
    let from_file = Origin::File { path: DEFAULT_FILE.into(), line: Some(2) };
    for (env, typed, seconds, origin) in [
        (&[][..], &[][..], 2, from_file),
        (&env, &[], 3, Origin::Environment("CONNS_INTERVAL".to_owned())),
        (&env, &["--interval", "4s"], 4, Origin::Flag("interval")),
        (&[], &["--interval=5"], 5, Origin::Flag("interval")),
    ] {
        let loaded = load_layers(text, env, typed).unwrap();
        assert_eq!(loaded.origin("interval"), origin);
        let config = loaded.config;
        assert_eq!(config.interval, Duration::from_secs(seconds));
        // An empty variable counts as unset.
        assert_eq!(config.metrics_top, 2);
    }
}

#[test]
fn a_layer_replaces_a_list_as_a_whole() {
    let text = "hosts = ['a.example', 'B.example']";
    let names = |config: Config| config.hosts.into_iter().map(|host| host.0).collect::<Vec<_>>();
    assert_eq!(names(file(text).unwrap()), ["a.example", "b.example"]);
    let env = [("CONNS_HOSTS", " c , ,d")];
    assert_eq!(names(layers(text, &env, &[]).unwrap()), ["c", "d"]);
    let typed = ["--host", "e", "--host", "f"];
    assert_eq!(names(layers(text, &env, &typed).unwrap()), ["e", "f"]);
}

#[test]
fn every_kind_is_parsed_in_every_layer() {
    let text = r#"
        interval = "500ms"
        source = "portable"
        follow_namespaces = true
        user = "nobody"
        listen = ["ems-json=:1112", "http=unix:/run/a.sock"]
        tokens = ["sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
        tls = { certificate = "/c.pem", key = "/k.pem" }
        monero.node = "pid == 7"
        monero.era = "0.11"
        monero.login = "u:00112233445566778899AABBCCDDEEFF"
        limits.clients = 0x10
        limits.head_bytes = 16_384
        limits.in_flight_bytes = "2MiB"
    "#;
    let env: Vec<(String, &str)> = [
        ("interval", "500ms"),
        ("source", "portable"),
        ("follow_namespaces", "1"),
        ("user", "nobody"),
        ("listen", "ems-json=:1112,http=unix:/run/a.sock"),
        ("tokens", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("tls.certificate", "/c.pem"),
        ("tls.key", "/k.pem"),
        ("monero.node", "pid == 7"),
        ("monero.era", "0.11"),
        ("monero.login", "u:00112233445566778899AABBCCDDEEFF"),
        ("limits.clients", "16"),
        ("limits.head_bytes", "16384"),
        ("limits.in_flight_bytes", "2 MiB"),
    ]
    .map(|(key, value)| (Setting::of_key(key).unwrap().variable(), value))
    .to_vec();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, *value)).collect();
    let typed = [
        "--interval=500ms",
        "--source=portable",
        "--follow-namespaces",
        "--user=nobody",
        "--listen=ems-json=:1112",
        "--listen=http=unix:/run/a.sock",
        "--token-hash=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "--tls-cert=/c.pem",
        "--tls-key=/k.pem",
        "--monero-node=pid == 7",
        "--monero-era=0.11",
        "--monero-login=u:00112233445566778899AABBCCDDEEFF",
        "--limits-clients=16",
        "--limits-head-bytes=16384",
        "--limits-in-flight-bytes=2MiB",
    ];
    for config in [file(text), layers("", &env, &[]), layers("", &[], &typed)] {
        let config = config.unwrap();
        assert_eq!(config.interval, Duration::from_millis(500));
        assert_eq!(config.source, SourceChoice::Portable);
        assert!(config.follow_namespaces);
        assert_eq!(config.user, Some(UserName("nobody".to_owned())));
        assert_eq!(config.listen, listen(&["ems-json=127.0.0.1:1112", "unix:/run/a.sock"]));
        assert_eq!(config.tokens, [TokenHash::of(b"abc")]);
        assert_eq!(config.tls.certificate.as_deref(), Some(Path::new("/c.pem")));
        assert_eq!(config.tls.key.as_deref(), Some(Path::new("/k.pem")));
        assert_eq!(config.monero.node, Some(Filter::parse("pid == 7").unwrap()));
        assert_eq!(config.monero.era, Era::V0_11);
        let login = config.monero.login.unwrap();
        assert_eq!((&*login.user, &*login.ha1), ("u", "00112233445566778899aabbccddeeff"));
        assert!(!format!("{login:?}").contains("aabb"));
        assert_eq!(config.limits.clients, 16);
        assert_eq!((config.limits.head_bytes, config.limits.in_flight_bytes), (16_384, 2 << 20));
    }
}

#[test]
fn all_errors_in_a_file_are_reported_with_their_lines() {
    let text = r#"interval = 5
intervall = "2s"
clients = 4
listen = ["http=:80", 5]
[limits]
clients = 99999999999
head_byts = 4
idle_time = "0s"
write_time = "5"
body_time = "1x"
[monero]
era = "0.18"
node = "prt = 5"
login = "u:secret"
restricted = "yes"
tls = 4
[limit]
streams = 4
[nothing]
[[tokens]]
"#;
    let expected = r#"1: `interval`: expected a time from "100ms" to "1m", found 5
2: there is no key `intervall`; did you mean `interval`? `conns config explain` lists all
3: there is no key `clients`; did you mean `limits.clients`? `conns config explain` lists all
4: `listen`: expected a list of texts: ["…", "…"], found ["http=:80", 5]
6: `limits.clients`: expected a whole number from 1 to 1000000, found 99999999999
7: there is no key `limits.head_byts`; did you mean `limits.head_bytes`? `conns config explain` lists all
8: `limits.idle_time`: expected a time from "1s" to "1h", found `0s`
9: `limits.write_time`: expected a time from "100ms" to "10m", found "5"
10: `limits.body_time`: expected a time from "100ms" to "10m", found `1x`
12: `monero.era`: expected one of current, 0.11, found "0.18"
13: `monero.node`: not a filter: unknown field `prt` at column 1; `conns fields` lists all
14: `monero.login`: expected USER:DIGEST, the digest being the output of: printf %s USER:monero-rpc:PASSWORD | md5sum
15: `monero.restricted`: expected true or false, found "yes"
16: there is no key `monero.tls`; `conns config explain` lists all
18: there is no key `limit.streams`; did you mean `limits.streams`? `conns config explain` lists all
19: there is no key `nothing`; `conns config explain` lists all
20: `tokens`: expected a list of texts: ["…", "…"], found [a table]"#;
    let message = refusal(file(text));
    assert_eq!(message.replace(&format!("{DEFAULT_FILE}:"), ""), expected);
    assert_eq!(message.lines().count(), message.matches(DEFAULT_FILE).count());
}

#[test]
fn values_in_place_of_tables_and_syntax_errors_are_reported() {
    assert_eq!(
        refusal(file("\nlimits = 5")),
        format!("{DEFAULT_FILE}:2: `limits` is a table: write [limits], not 5")
    );
    let message = refusal(file("a = 1\nb = \"x\n[c"));
    assert!(message.starts_with(&format!("{DEFAULT_FILE}:2: not TOML: ")), "{message}");
    assert_eq!(message.lines().count(), 2, "{message}");
    let message = refusal(file(&"=\n".repeat(100)));
    assert_eq!(message.lines().count(), 5, "{message}");
    let message = refusal(file("interval = '2s'\ninterval = '3s'"));
    assert!(
        message.starts_with(&format!("{DEFAULT_FILE}:2: not TOML: duplicate key")),
        "{message}"
    );
}

#[test]
fn errors_in_variables_and_flags_are_reported_with_those_of_lower_layers() {
    let env = [("CONNS_INTERVAL", "0.01s"), ("CONNS_INSECURE", "yes"), ("CONNS_TOKENS", "x")];
    let typed = ["--metrics-top=-1", "--monero-node", "(", "--interval=1s"];
    let message = refusal(layers("source = 'ktap'", &env, &typed));
    let expected = format!(
        "{DEFAULT_FILE}:1: `source`: expected one of auto, kernel, ebpf, portable, found \"ktap\"\n\
         CONNS_INTERVAL: expected a time from \"100ms\" to \"1m\", found `0.01s`\n\
         CONNS_INSECURE: expected true or false, found `yes`\n\
         CONNS_TOKENS: \"x\" is not the hash of a token: expected sha256: and 64 hexadecimal digits, \
         as `conns token` prints it\n\
         --metrics-top: expected a whole number from 0 to 1000, found `-1`\n\
         --monero-node: not a filter: "
    );
    assert!(message.starts_with(&expected), "{message}\n{expected}");
}

#[test]
fn names_of_hosts_and_users_are_checked() {
    for invalid in ["hosts = ['a:80']", "hosts = ['']", "hosts = ['a b']", "user = 'a b'"] {
        assert!(refusal(file(invalid)).contains(":1: `"), "{invalid}");
    }
    for invalid in
        ["u", "u:12", ":00112233445566778899aabbccddeeff", "u:secretsecretsecretsecretsecretse"]
    {
        let message = refusal(file(&format!("monero.login = '{invalid}'")));
        assert!(
            message.contains("expected USER:DIGEST") && !message.contains("secretse"),
            "{message}"
        );
    }
}

#[test]
fn only_the_default_file_may_be_missing() {
    let load_with = |typed: &[&str], env: Option<&str>, kind: io::ErrorKind| {
        let env = |name: &str| env.filter(|_| name == FILE_VARIABLE).map(str::to_owned);
        load(&flags(typed), env, |_| Err(kind.into()))
    };
    let missing = io::ErrorKind::NotFound;
    assert!(load_with(&[], None, missing).is_ok());
    let message = refusal(load_with(&["--config", "/a"], Some("/b"), missing));
    assert!(message.starts_with("--config: cannot read /a: "), "{message}");
    let message = refusal(load_with(&[], Some("/b"), missing));
    assert!(message.starts_with("CONNS_CONFIG: cannot read /b: "), "{message}");
    let message = refusal(load_with(&[], None, io::ErrorKind::PermissionDenied));
    let expected = format!("{DEFAULT_FILE}: cannot read {DEFAULT_FILE}: ");
    assert!(message.starts_with(&expected), "{message}");
}

#[test]
fn invalid_combinations_are_refused() {
    let message = refusal(file("\n[tls]\ncertificate = 'c'"));
    let what = "`tls.certificate` is set and `tls.key` is not; give both or none";
    assert_eq!(message, format!("{DEFAULT_FILE}:3: {what}"));
    let message = refusal(layers("", &[], &["--listen=http=*:80"]));
    assert!(message.starts_with("--listen: refusing to listen on http=[::]:80: "), "{message}");
    assert!(layers("", &[], &["--listen=http=*:80", "--insecure"]).is_ok());
    let message = refusal(layers("", &[("CONNS_LISTEN", "1e=:80,http=localhost:80")], &[]));
    assert_eq!(message, "CONNS_LISTEN: `listen` names 127.0.0.1:80 twice");
    assert!(layers("", &[], &["--listen=http=:0", "--listen=1e=:0"]).is_ok());
    // A higher layer can clear a value.
    let env = [("CONNS_TLS_CERTIFICATE", "c"), ("CONNS_INSECURE", "true")];
    assert!(layers("", &env, &["--tls-cert="]).unwrap().tls.certificate.is_none());
    assert!(!layers("", &env, &["--tls-cert=", "--insecure=false"]).unwrap().insecure);
}

#[cfg(target_os = "linux")]
#[test]
fn the_link_server_has_the_values_of_its_table() {
    let key = conns_link::Identity::generate().unwrap().public().to_string();
    let text = format!(
        "[link]\nlisten = '0.0.0.0:8886'\nkey = '/etc/conns/link.key'\nfolder = '/srv/in'\n\
         allow = ['{key}']\nrelay = '{key}@relay.example'\nincoming_limit = '500Mbit/s'\n\
         outgoing_limit = '5MB/s'\n"
    );
    let link = file(&text).unwrap().link;
    assert_eq!(link.listen, Some("0.0.0.0:8886".parse().unwrap()));
    assert_eq!(link.key.as_deref(), Some(Path::new("/etc/conns/link.key")));
    assert_eq!(link.folder.map(|folder| folder.0), Some("/srv/in".into()));
    assert_eq!(link.allow.iter().map(|key| &*key.0).collect::<Vec<_>>(), [&*key]);
    assert_eq!(link.relay.map(|relay| relay.0), Some(format!("{key}@relay.example")));
    assert_eq!(link.incoming_limit.map(|rate| rate.0).as_deref(), Some("500Mbit/s"));
    assert_eq!(link.outgoing_limit.map(|rate| rate.0).as_deref(), Some("5MB/s"));
    // Without the port there is none.
    let none = file("").unwrap().link;
    assert!(none.listen.is_none() && none.folder.is_none() && none.allow.is_empty());
    assert_eq!(needs_restart(&file("").unwrap(), &file(&text).unwrap()).len(), 7);
}

#[cfg(target_os = "linux")]
#[test]
fn wrong_values_of_the_link_server_are_reported() {
    for (line, expected) in [
        (
            "listen = ':8886'",
            "`link.listen`: expected IP:PORT such as \"0.0.0.0:8886\", found `:8886`",
        ),
        (
            "folder = 'in'",
            "`link.folder`: expected an absolute path such as \"/srv/in\", found `in`",
        ),
        ("allow = ['ck1abc']", "`link.allow`: `ck1abc` is not a public key (ck1…): "),
        ("relay = 'relay.example'", "`link.relay`: `relay.example` is not KEY@HOST"),
        (
            "incoming_limit = '10'",
            "`link.incoming_limit`: expected a rate such as 200Mbit/s or 5MB/s, found `10`",
        ),
        ("outgoing_limit = '1bit/s'", "`link.outgoing_limit`: `1bit/s` is below 1kbit/s"),
        (
            "listen = '[::1]:0'",
            "`link.listen` is set and `link.folder` is not; set the folder for received files",
        ),
        (
            "key = '/k'",
            "`link.key` is set and `link.listen` is not, so there is no link server; set both or none",
        ),
    ] {
        let message = refusal(file(&format!("[link]\n{line}\n")));
        let expected = format!("{DEFAULT_FILE}:2: {expected}");
        assert!(message.starts_with(&expected), "{message}\n{expected}");
    }
}

#[test]
fn a_window_has_at_least_two_intervals() {
    let window = |typed: &[&str]| layers("", &[], typed).unwrap().window;
    assert_eq!(window(&["--interval=2s"]), Duration::from_secs(5));
    assert_eq!(window(&["--interval=60s"]), Duration::from_secs(120));
    assert_eq!(window(&["--interval=2s", "--window=1s"]), Duration::from_secs(4));
}

#[test]
fn settings_that_need_a_restart_are_found() {
    let before = file("").unwrap();
    assert_eq!(needs_restart(&before, &file("").unwrap()), Vec::<&str>::new());
    let text = "source = 'kernel'\nfollow_namespaces = true\nuser = 'a'\nlisten = [':1']\n\
                interval = '2s'\ninsecure = true\nhosts = ['a']\nems.length_prefix = false\n\
                tokens = ['sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad']\n\
                tls = { certificate = 'c', key = 'k' }\nmetrics.top = 1\nlimits.clients = 1";
    let after = file(text).unwrap();
    let expected = ["source", "follow_namespaces", "user", "listen"];
    assert_eq!(needs_restart(&before, &after), expected);
    assert_eq!(needs_restart(&after, &before), expected);
    // Another spelling of the same addresses is no change.
    let respelt = file("listen = ['http=:7979', 'http=unix:/run/conns/conns.sock']").unwrap();
    assert_eq!(needs_restart(&before, &respelt), Vec::<&str>::new());
}

#[test]
fn the_file_with_defaults_changes_nothing_commented_or_not() {
    let text = default_file();
    assert!(text.lines().all(|line| line.starts_with('#') && !line.ends_with(' ')
        || line.is_empty()
        || line.starts_with('[')));
    let commented = load_layers(&text, &[], &[]).unwrap();
    assert!(commented.settled.iter().all(|settled| settled.origin == Origin::Default));
    let settings = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        _ => line,
    });
    let uncommented = settings.collect::<Vec<_>>().join("\n");
    let uncommented = load_layers(&uncommented, &[], &[]).unwrap();
    for (setting, settled) in SETTINGS.iter().zip(&uncommented.settled) {
        assert!(matches!(settled.origin, Origin::File { .. }), "{}", setting.key);
        assert!(!(setting.field.1)(&commented.config, &uncommented.config), "{}", setting.key);
    }
}

#[test]
fn explain_shows_values_and_origins_and_no_secret() {
    let text = "[monero]\nlogin = 'u:00112233445566778899aabbccddeeff'\n";
    let env = [("CONNS_LIMITS_IN_FLIGHT_BYTES", "3MiB")];
    let loaded = load_layers(text, &env, &["--interval", "1500ms"]).unwrap();
    let table = explain(&loaded, ExplainFormat::Text);
    let line = |key: &str| {
        let line = table.lines().find(|line| line.split(' ').next() == Some(key)).unwrap();
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).take(3).collect::<Vec<_>>()
    };
    assert_eq!(table.lines().count(), 1 + SETTINGS.len());
    assert_eq!(line("interval"), ["interval", "\"1500ms\"", "--interval"]);
    assert_eq!(line("window"), ["window", "\"5s\"", "default"]);
    assert_eq!(line("user"), ["user", "-", "default"]);
    assert_eq!(
        line("limits.in_flight_bytes"),
        ["limits.in_flight_bytes", "\"3MiB\"", "CONNS_LIMITS_IN_FLIGHT_BYTES"]
    );
    let from_file = format!("{DEFAULT_FILE}:2");
    assert_eq!(line("monero.login"), ["monero.login", "\"u:…\"", &*from_file]);

    let json = explain(&loaded, ExplainFormat::Json);
    assert!(!json.contains("aabbcc") && !table.contains("aabbcc"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let settings = json["settings"].as_array().unwrap();
    assert_eq!(settings.len(), SETTINGS.len());
    let of = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(
        (&of("interval")["value"], &of("interval")["unit"]),
        (&1_500_000.into(), &"us".into())
    );
    assert_eq!(of("limits.in_flight_bytes")["value"], 3 << 20);
    let login = serde_json::json!({ "layer": "file", "file": DEFAULT_FILE, "line": 2 });
    assert_eq!(of("monero.login")["from"], login);
    assert_eq!(of("user")["value"], serde_json::Value::Null);
    assert_eq!(of("insecure")["value"], false);
}

#[test]
fn the_page_is_generated_from_the_settings() {
    let page = include_str!("../../../docs/config.md");
    assert!(page == markdown(), "regenerate it: conns config default -o markdown >docs/config.md");
}

#[test]
fn values_are_written_in_exact_units() {
    for (kind, text, written) in [
        (Kind::Span(1, u64::MAX), "90s", "\"90s\""),
        (Kind::Span(1, u64::MAX), "120", "\"2m\""),
        (Kind::Span(1, u64::MAX), "1.5s", "\"1500ms\""),
        (Kind::Span(1, u64::MAX), "2h", "\"2h\""),
        (Kind::Size(0, u64::MAX), "0", "\"0B\""),
        (Kind::Size(0, u64::MAX), "1536 B", "\"1536B\""),
        (Kind::Size(0, u64::MAX), "1024KiB", "\"1MiB\""),
        (Kind::Text, "a \"b\"\n\\", r#""a \"b\"\n\\""#),
        (Kind::Texts, "a, b", r#"["a", "b"]"#),
        (Kind::Switch, "1", "true"),
    ] {
        assert_eq!(kind.value_of(text).unwrap().to_string(), written);
    }
    for (kind, text) in [
        (Kind::Size(0, u64::MAX), "20000000000GiB"),
        (Kind::Size(0, u64::MAX), "1.5MiB"),
        (Kind::Size(0, u64::MAX), "-1"),
        (Kind::Size(0, u64::MAX), "MiB"),
        (Kind::Span(1, u64::MAX), "-1s"),
        (Kind::Count(0, 9), "10"),
        (Kind::Choice(&["a"]), "A"),
    ] {
        assert!(kind.value_of(text).is_err(), "{text}");
    }
}

#[test]
fn flags_are_generated_from_the_settings() {
    let typed = flags(&["--insecure", "--listen=:1", "--listen", ":2", "--config=/a"]);
    assert_eq!(typed.config.as_deref(), Some(Path::new("/a")));
    let given: Vec<_> = typed.given.iter().map(|(setting, all)| (setting.key, &**all)).collect();
    let listens = [":1".to_owned(), ":2".to_owned()];
    assert_eq!(given, [("listen", &listens[..]), ("insecure", &["true".to_owned()][..])]);
    for invalid in ["--insecure=maybe", "--source=ktap", "--monero-era=0.18", "--nothing"] {
        assert!(Typed::try_parse_from(["serve", invalid]).is_err(), "{invalid}");
    }
    // A value does not belong to a switch unless it is joined to it.
    assert!(Typed::try_parse_from(["serve", "--insecure", "false"]).is_err());
}
