//! Configurations of log forwarders, as they are rendered: `forwarder/<kind>/<sink>.yaml`, and what holds for each of them.
//!
//! `PCIZONE_BLESS=1 cargo test --no-default-features --test forwarder` writes what is rendered now; look at the diff before you commit it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_push_string,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test ends where something is not as expected"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use pcizone::{
    api::Logging,
    engine::forwarder::{Rendered, configuration_name, render, unserved},
};
use serde_json::{Value, json};

const KINDS: [(&str, &str); 2] = [("fluent-bit", "FluentBit"), ("collector", "OpenTelemetry")];

/// Each kind of sink, with what it can have.
fn sinks() -> Vec<(&'static str, Value)> {
    let elastic = json!({"url": "https://logs.example.com:9200/es", "dataStream": "pci-audit"});
    let sink = |more: Value| {
        let mut sink = json!({"name": "siem", "flow": "logs", "credentialsSecret": "siem-login"});
        merge(&mut sink, more);
        sink
    };
    let own = json!({"trust": "Secret"});
    let with = |name: &str, store: &Value, authentication: &str| {
        let mut sink = sink(json!({ name: store, "authentication": authentication }));
        merge(&mut sink, own.clone());
        sink
    };
    vec![
        ("elasticsearch", with("elasticsearch", &elastic, "ApiKey")),
        ("elasticsearch-password", with("elasticsearch", &elastic, "Password")),
        (
            "opensearch",
            with("openSearch", &json!({"url": "https://logs.example.com", "dataStream": "pci-audit"}), "Password"),
        ),
        ("splunk", with("splunk", &json!({"url": "https://splunk.example.com:8088", "index": "pci"}), "Token")),
        ("graylog", sink(json!({"graylog": {"url": "tls://graylog.example.com:12201"}}))),
        ("graylog-plain", sink(json!({"graylog": {"url": "tcp://graylog.example.com:12201"}, "trust": "Secret"}))),
        (
            "loki",
            with("loki", &json!({"url": "https://loki.example.com:3100/gateway", "tenant": "it's(pci)"}), "Token"),
        ),
        ("loki-plain", sink(json!({"loki": {"url": "http://loki.example.com:3100"}}))),
        ("otlp", with("otlp", &json!({"url": "https://otlp.example.com:4318"}), "Token")),
        ("otlp-password", sink(json!({"otlp": {"url": "https://otlp.example.com/x/"}, "authentication": "Password"}))),
        ("syslog", sink(json!({"syslog": {"url": "tls://syslog.example.com:6514"}, "trust": "Secret"}))),
        ("syslog-plain", sink(json!({"syslog": {"url": "tcp://syslog.example.com:514"}}))),
    ]
}

fn several() -> Value {
    let all: BTreeMap<&str, Value> = sinks().into_iter().collect();
    let named = |name: &str, of: &str| {
        let mut sink = all[of].clone();
        sink["name"] = json!(name);
        sink
    };
    json!([
        named("first", "elasticsearch"),
        named("to-loki", "loki-plain"),
        named("to-syslog", "syslog"),
        named("last-one", "otlp")
    ])
}

fn merge(into: &mut Value, more: Value) {
    let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) else { panic!("not two objects") };
    into.extend(more);
}

fn logging(kind: &str, sinks: &Value) -> Logging {
    let image = format!("registry.example.com/x@sha256:{}", "0".repeat(64));
    let logging = json!({
        "sources": [{"path": "/var/log/app"}, {"path": "/srv/audit.d"}],
        "forwarder": {"kind": kind, "image": image},
        "linger": {"image": image},
        "sinks": sinks,
    });
    serde_json::from_value(logging).expect("a declaration")
}

/// All that is rendered, by its place below `forwarder`.
fn all() -> BTreeMap<String, (Logging, Option<Rendered>)> {
    let mut all = BTreeMap::new();
    for (folder, kind) in KINDS {
        let cases = sinks().into_iter().map(|(name, sink)| (name, json!([sink]))).chain([("several", several())]);
        for (name, sinks) in cases {
            let logging = logging(kind, &sinks);
            let rendered = render("cde", &logging);
            all.insert(format!("{folder}/{name}"), (logging, rendered));
        }
    }
    all
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forwarder")
}

/// As it is kept: the files, and behind them what goes with them.
fn page(rendered: &Rendered) -> String {
    let Rendered { files, args, secrets, authorities, linger } = rendered;
    let mut page = String::new();
    for (name, text) in files {
        page.push_str(&format!("# ==== {name}\n{text}"));
    }
    page.push_str(&format!("# ==== beside it\n# args: {args:?}\n# linger: {linger:?}\n"));
    for variable in secrets {
        page.push_str(&format!("# {}: {}/{}\n", variable.variable, variable.secret, variable.key));
    }
    for authority in authorities {
        page.push_str(&format!("# {}: {}/{}\n", authority.path, authority.secret, authority.key));
    }
    page
}

#[test]
fn each_sink_is_rendered_as_it_was_looked_at() {
    let bless = std::env::var_os("PCIZONE_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut wanted = BTreeSet::new();
    for (place, (_, rendered)) in all() {
        let Some(rendered) = rendered else { continue };
        let (path, page) = (golden().join(format!("{place}.yaml")), page(&rendered));
        wanted.insert(path.clone());
        if bless {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, page).expect("to write");
        } else if fs::read_to_string(&path).ok().as_deref() != Some(&page) {
            wrong.push(format!("{place} is now:\n{page}"));
        }
    }
    for (folder, _) in KINDS {
        for file in fs::read_dir(golden().join(folder)).expect("goldens") {
            let path = file.expect("a file").path();
            if !wanted.contains(&path) {
                wrong.push(format!("{} is rendered by nothing", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nPCIZONE_BLESS=1 writes what is rendered.", wrong.join("\n"));
}

/// What a file refers to as `${…}`, without the scheme of the Collector.
fn variables(text: &str) -> BTreeSet<String> {
    let parts = text.split("${").skip(1);
    let names = parts.map(|part| part.split_once('}').expect("an end").0.trim_start_matches("env:").to_owned());
    names.collect()
}

#[test]
fn a_configuration_is_yaml_and_refers_to_no_variable_that_is_not_there() {
    for (place, (_, rendered)) in all() {
        let Some(rendered) = rendered else { continue };
        let mut there: BTreeSet<String> = rendered.secrets.iter().map(|variable| variable.variable.clone()).collect();
        for secret in &there {
            let text: String = rendered.files.values().map(String::as_str).collect();
            assert!(text.contains(&format!("{secret}}}")), "{place}: {secret} is asked for by nothing");
        }
        there.extend(["ZONE", "NAMESPACE", "POD", "NODE"].map(|name| format!("PCIZONE_{name}")));
        for (name, text) in &rendered.files {
            if name.ends_with(".yaml") {
                let read: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(read.is_object(), "{place}");
            }
            let unknown: Vec<String> = variables(text).difference(&there).cloned().collect();
            assert!(unknown.is_empty(), "{place}: {unknown:?}");
            assert_eq!(text.matches('$').count() > 0, name.ends_with(".yaml"), "{place}: {name}");
        }
        for authority in &rendered.authorities {
            let is_used = rendered.files.values().any(|text| text.contains(&authority.path));
            assert!(is_used || place.ends_with("-plain"), "{place}: {}", authority.path);
        }
    }
}

/// A sink of each kind over TLS proves who the sink is.
#[test]
fn no_configuration_leaves_a_certificate_unchecked() {
    for (place, (_, rendered)) in all() {
        let Some(rendered) = rendered else { continue };
        let text: String = rendered.files.values().map(String::as_str).collect();
        assert!(!text.contains("insecure_skip_verify") && !text.contains("tls.verify: \"off\""), "{place}");
        assert_eq!(text.contains("insecure: true"), place == "collector/syslog-plain", "{place}");
        if place.starts_with("fluent-bit/") && !place.contains("several") {
            let is_tls = !place.ends_with("-plain");
            assert_eq!(text.contains("tls.verify_hostname: \"on\""), is_tls, "{place}");
            assert_eq!(text.contains("tls: \"on\""), is_tls, "{place}");
        }
    }
}

#[test]
fn a_declared_value_is_never_a_variable_nor_another_setting() {
    let evil = "x${HOME}\n  evil: true\n# \"' $kubernetes['x'] ,y\u{2028}";
    for (_, kind) in KINDS {
        let sinks = json!([
            {"name": format!("a{evil}"), "flow": "x", "credentialsSecret": "s", "authentication": "Token", "trust": "Secret",
             "loki": {"url": format!("https://h{evil}/p{evil}"), "tenant": evil}},
            {"name": "b", "flow": "x", "elasticsearch": {"url": format!("https://h/{evil}"), "dataStream": evil}},
            {"name": "c", "flow": "x", "openSearch": {"url": "https://h", "dataStream": evil}},
            {"name": "d", "flow": "x", "credentialsSecret": "s", "authentication": "Token",
             "splunk": {"url": "https://h", "index": evil}},
        ]);
        let mut logging = logging(kind, &sinks);
        logging.sources[0].path = format!("/{evil}");
        let rendered = render(&format!("cde{evil}"), &logging).expect("a configuration");
        for (name, text) in rendered.files.iter().filter(|(name, _)| name.ends_with(".yaml")) {
            let read: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
            let mut texts = Vec::new();
            walk(&read, &mut texts);
            assert!(texts.iter().all(|text| text.trim() != "evil"), "{text}");
            let known = |name: &String| name.starts_with("PCIZONE_");
            let body = text.split_once('\n').expect("a first line").1;
            assert!(variables(body).iter().all(known), "{:?}", variables(body));
        }
    }
}

/// All names and texts.
fn walk(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                texts.push(name.clone());
                walk(value, texts);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, texts)),
        Value::String(text) => texts.push(text.clone()),
        _ => {}
    }
}

#[test]
fn equal_declarations_have_one_name_and_whatever_changes_the_configuration_another() {
    for (_, kind) in KINDS {
        let base = || logging(kind, &several());
        let name = |logging: &Logging| configuration_name(&render("cde", logging).expect("a configuration"));
        let first = name(&base());
        assert!(first.starts_with("pcizone-logs-") && first.len() == "pcizone-logs-".len() + 16, "{first}");
        assert_eq!(first, name(&base()));
        let mut names = BTreeSet::from([first.clone()]);
        let mut change = |what: &str, change: &dyn Fn(&mut Logging)| {
            let mut logging = base();
            change(&mut logging);
            assert!(names.insert(name(&logging)), "{kind}: {what} changes no name");
        };
        change("a source", &|logging| logging.sources[1].path.push('x'));
        change("a source less", &|logging| logging.sources.truncate(1));
        change("a sink less", &|logging| logging.sinks.truncate(3));
        change("a sink's name", &|logging| logging.sinks[0].name.push('x'));
        change("a buffer", &|logging| logging.forwarder.as_mut().expect("one").buffer_mebibytes = 16);
        change("an address", &|logging| logging.sinks[3].otlp.as_mut().expect("one").url.push_str("/x"));
        change("trust", &|logging| logging.sinks[0].trust = pcizone::api::Trust::System);
        change("authentication", &|logging| {
            logging.sinks[0].authentication = pcizone::api::SinkAuthentication::Password;
        });
        change("a template", &|logging| logging.forwarder.as_mut().expect("one").template = Some("x".to_owned()));
        // These are the pod's, or other people's.
        let mut logging = base();
        logging.forwarder.as_mut().expect("one").image.push('0');
        logging.sinks[0].flow = "other".to_owned();
        assert_eq!(name(&logging), first);
    }
}

#[test]
fn a_template_is_the_file_untouched_and_gets_what_the_rendered_one_would() {
    let template = "# mine\n\tx: ${PCIZONE_SINK_FIRST_APIKEY} ${OTHER}\r\n";
    for (_, kind) in KINDS {
        let mut logging = logging(kind, &several());
        let rendered = render("cde", &logging).expect("a configuration");
        logging.forwarder.as_mut().expect("one").template = Some(template.to_owned());
        let own = render("cde", &logging).expect("a configuration");
        let main = own.files.keys().find(|name| name.ends_with(".yaml")).expect("a file");
        assert_eq!(own.files[main], template);
        assert_eq!(
            (&own.args, &own.secrets, &own.authorities, &own.linger),
            (&rendered.args, &rendered.secrets, &rendered.authorities, &rendered.linger)
        );
        assert!(own.args[0].ends_with(main) && unserved(&logging).is_empty());
    }
}

#[test]
fn a_sink_that_a_forwarder_cannot_serve_is_named_and_the_others_get_their_records() {
    let all: BTreeMap<&str, Value> = sinks().into_iter().collect();
    let named = |of: &str, name: &str, more: Value| {
        let mut sink = all[of].clone();
        sink["name"] = json!(name);
        merge(&mut sink, more);
        sink
    };
    let cases = json!([
        named("graylog", "graylog", json!({})),
        named("syslog", "syslog-token", json!({"authentication": "Token"})),
        named("opensearch", "opensearch-key", json!({"authentication": "ApiKey"})),
        named("splunk", "splunk-password", json!({"authentication": "Password"})),
    ]);
    for (kind, wanted) in [
        ("FluentBit", &["syslog-token", "opensearch-key"][..]),
        ("OpenTelemetry", &["graylog", "syslog-token", "splunk-password"]),
    ] {
        let logging = logging(kind, &cases);
        let names: Vec<String> = unserved(&logging).into_iter().map(|unserved| unserved.sink).collect();
        assert_eq!(names, wanted, "{kind}");
        let rendered = render("cde", &logging).expect("a configuration");
        assert!(
            rendered.linger.ends_with(&["--stores".to_owned(), (4 - wanted.len()).to_string()]),
            "{:?}",
            rendered.linger
        );
        let text: String = rendered.files.values().map(String::as_str).collect();
        assert!(wanted.iter().all(|name| !text.contains(name)), "{text}");
    }
    let mut logging = logging("OpenTelemetry", &json!([all["graylog"]]));
    assert_eq!((render("cde", &logging), unserved(&logging).len()), (None, 1));
    logging.sinks.clear();
    logging.forwarder = None;
    assert_eq!((render("cde", &logging), unserved(&logging).len()), (None, 0));
}
