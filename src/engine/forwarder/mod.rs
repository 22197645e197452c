//! What a log forwarder is told: its configuration, its credentials and what the sidecar beside it has to know. Decides how records
//! travel (PCI DSS 10.3.3, 10.5.1); starts nothing and knows no cluster.
//!
//! ```text
//!  Logging ──▶ sinks that this kind can serve ──▶ fluent_bit or open_telemetry ──▶ Rendered
//!                     └── the others: unserved
//! ```
//! Every line becomes one record. A line that is a JSON object gives its fields, any other one is text. Each record has the map `kubernetes`
//! with `zone`, `namespace`, `pod`, `node`, `file` and `offset`, whatever the line says under that name. The time of a record is when it was
//! read: what a line says of its time stays a field of it, since nobody checks that.
//!
//! Where the fields of a heartbeat (`time`, `pcizone`, `zone`, `namespace`, `pod`, `node`, `run`, `seq`) are to be found, here that of `seq`:
//!
//! | Sink | from Fluent Bit | from the OpenTelemetry Collector |
//! |---|---|---|
//! | Elasticsearch | `seq`, time `@timestamp`, `_id` | the same (mapping `ecs`) |
//! | `OpenSearch` | `seq`, time `@timestamp`, `_id` | `attributes.seq`, time `@timestamp` (mapping `ss4o`) |
//! | Splunk | `seq`, of an event that is JSON | `seq`, an indexed field: `seq::17` finds it too |
//! | Graylog | `seq`, as an additional field | not served |
//! | Loki | in the line, which is JSON: `{zone="cde"} \| json \| seq=17`; labels `zone`, `namespace`, `pod` | structured metadata: `{service_namespace="cde"} \| seq=17` |
//! | OTLP | attribute `seq` of the log record, the line is its body | the same. **Run in tests, into `VictoriaLogs`**: field `seq` |
//! | syslog | in the message, which is the line; its origin also as host, application and structured data | the same without structured data |
//!
//! Only the Collector with OTLP was ever run here (`tests/forwarder_live.rs`). All of Fluent Bit, and the Collector's other exporters, rest on
//! what their makers have published and were not run. `docs/logging.md` has what each of them loses.

pub mod configurations;
mod fluent_bit;
mod open_telemetry;
pub mod pod;
mod sink;
mod yaml;

use std::collections::BTreeMap;

use self::sink::{Credential, authority_path, obstacle, plain};
use crate::api::{Forwarder, ForwarderKind, Logging, Sink};

/// Where the files of the configuration are in the container.
pub const CONFIGURATION: &str = "/etc/pcizone";
/// Where the forwarder keeps how far it has read and what it has not sent.
pub const BUFFER: &str = "/var/lib/pcizone";
/// Below it each sink's own authority, in a folder of the sink's name.
pub const AUTHORITIES: &str = "/etc/pcizone-authorities";

/// Where it tells how far it is, on the loopback of the pod alone. No usual number: the application has the same ports.
const PORT: u16 = 24231;

/// What a forwarder needs to run as a zone declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Files of its `ConfigMap` by name, to be mounted at [`CONFIGURATION`].
    pub files: BTreeMap<String, String>,
    /// Arguments of its container; the image's own entrypoint stays.
    pub args: Vec<String>,
    /// Its environment beside `PCIZONE_ZONE`, `PCIZONE_NAMESPACE`, `PCIZONE_POD` and `PCIZONE_NODE`.
    pub secrets: Vec<SecretVariable>,
    /// Authorities to mount.
    pub authorities: Vec<Authority>,
    /// Arguments by which `pcizone linger` asks it how far it is.
    pub linger: Vec<String>,
}

/// A variable with a key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVariable {
    /// The variable's name.
    pub variable: String,
    /// The Secret, in the pod's namespace.
    pub secret: String,
    /// Its key.
    pub key: String,
}

/// A key of a Secret as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The Secret, in the pod's namespace.
    pub secret: String,
    /// Its key.
    pub key: String,
    /// Where the file is in the container.
    pub path: String,
}

/// A sink that gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// Its name.
    pub sink: String,
    /// Why, and what to do.
    pub why: &'static str,
}

/// Whether the zone's pods get a forwarder: one is declared, and it can send to a sink.
pub fn is_declared(logging: &Logging) -> bool {
    logging.forwarder.as_ref().is_some_and(|forwarder| !served(forwarder, logging).is_empty())
}

/// What the zone's forwarder needs. None where it declares none, or one that can send to none of its sinks; [`unserved`] says why.
pub fn render(zone: &str, logging: &Logging) -> Option<Rendered> {
    let forwarder = logging.forwarder.as_ref()?;
    let sinks = served(forwarder, logging);
    if sinks.is_empty() {
        return None;
    }
    let about = format!("The log forwarder of zone {zone}. Written by pcizone from spec.logging.");
    let job = Job { about: &about, forwarder, sources: &logging.sources, sinks: &sinks };
    let mut rendered = match forwarder.kind {
        ForwarderKind::FluentBit => fluent_bit::render(&job),
        ForwarderKind::OpenTelemetry => open_telemetry::render(&job),
    };
    rendered.secrets = sinks.iter().flat_map(|sink| secrets(sink)).collect();
    rendered.authorities = sinks.iter().filter_map(|sink| authority(sink)).collect();
    rendered.linger.extend(["--stores".to_string(), sinks.len().to_string()]);
    Some(rendered)
}

/// Sinks that the zone's forwarder cannot send to as they are declared. With a template of one's own there are none: nobody reads it.
pub fn unserved(logging: &Logging) -> Vec<Unserved> {
    let Some(Forwarder { kind, template: None, .. }) = &logging.forwarder else { return Vec::new() };
    let unserved = |sink: &Sink| Some(Unserved { sink: sink.name.clone(), why: obstacle(*kind, sink)? });
    logging.sinks.iter().filter_map(unserved).collect()
}

/// The name of the `ConfigMap`: of equal files it is the same, of others another one.
pub fn configuration_name(rendered: &Rendered) -> String {
    configurations::name(&rendered.files)
}

/// What a kind of forwarder renders.
struct Job<'l> {
    /// For people who read the file.
    about: &'l str,
    forwarder: &'l Forwarder,
    sources: &'l [crate::api::Source],
    sinks: &'l [&'l Sink],
}

impl Job<'_> {
    /// What is read: all `*.log` of the sources.
    fn patterns(&self) -> Vec<String> {
        self.sources.iter().map(|source| format!("{}/*.log", plain(&source.path))).collect()
    }

    /// The declared template, or what is rendered without one.
    fn text(&self, rendered: impl FnOnce() -> String) -> String {
        self.forwarder.template.clone().unwrap_or_else(rendered)
    }
}

fn served<'l>(forwarder: &Forwarder, logging: &'l Logging) -> Vec<&'l Sink> {
    let is_served = |sink: &&Sink| forwarder.template.is_some() || obstacle(forwarder.kind, sink).is_none();
    logging.sinks.iter().filter(is_served).collect()
}

fn secrets(sink: &Sink) -> Vec<SecretVariable> {
    let variable = |credential: &Credential| {
        let secret = sink.credentials_secret.clone()?;
        Some(SecretVariable { variable: credential.variable(&sink.name), secret, key: credential.key().to_string() })
    };
    Credential::of(sink.authentication).iter().filter_map(variable).collect()
}

fn authority(sink: &Sink) -> Option<Authority> {
    let path = authority_path(sink)?;
    Some(Authority { secret: sink.credentials_secret.clone()?, key: "ca.crt".to_string(), path })
}
