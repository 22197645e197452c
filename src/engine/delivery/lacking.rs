//! What PCI DSS 10.2.2 asks of a record of an audit trail, by the names that fields usually have for it: those of the Elastic Common Schema,
//! of OpenTelemetry's semantic conventions, of Kubernetes' audit events, and plain words. That a field is there says nothing of what is in it.

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
};

use serde_json::{Map, Value};

/// What a record has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// Who did it.
    User,
    /// What was done.
    Event,
    /// When.
    Time,
    /// Whether it succeeded.
    Outcome,
    /// From where.
    Origin,
    /// To what: data, a component, a resource or a service.
    Object,
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::User => "user",
            Element::Event => "type of event",
            Element::Time => "date and time",
            Element::Outcome => "success or failure",
            Element::Origin => "origin",
            Element::Object => "data, component, resource or service",
        })
    }
}

/// Names that are taken for each. Case, dots, dashes and underscores make no difference.
const NAMES: [(Element, &[&str]); 6] = [
    (
        Element::User,
        &[
            "user.name",
            "user.id",
            "user.email",
            "user.full_name",
            "client.user.name",
            "client.user.id",
            "source.user.name",
            "source.user.id",
            "enduser.id",
            "user",
            "user_name",
            "user_id",
            "uid",
            "login",
            "account",
            "account_id",
            "principal",
            "subject",
            "actor",
            "actor.id",
            "actor.name",
            "remote_user",
            "user.username",
            "suser",
        ],
    ),
    (
        Element::Event,
        &[
            "event.action",
            "event.category",
            "event.type",
            "event.code",
            "event.name",
            "event",
            "event_id",
            "action",
            "operation",
            "activity",
            "verb",
            "type",
            "http.request.method",
            "http.method",
            "method",
            "request_method",
            "rpc.method",
            "db.operation.name",
            "db.operation",
            "act",
        ],
    ),
    (
        Element::Time,
        &[
            "@timestamp",
            "timestamp",
            "time",
            "_time",
            "ts",
            "date",
            "datetime",
            "event.created",
            "event.start",
            "time_unix_nano",
            "observed_timestamp",
            "stage_timestamp",
            "request_received_timestamp",
            "created_at",
            "rt",
        ],
    ),
    (
        Element::Outcome,
        &[
            "event.outcome",
            "outcome",
            "result",
            "success",
            "succeeded",
            "failed",
            "status",
            "status_code",
            "response_code",
            "http.response.status_code",
            "http.status_code",
            "response_status.code",
            "otel.status_code",
            "rpc.grpc.status_code",
            "error.type",
            "decision",
            "allowed",
            "code",
        ],
    ),
    (
        Element::Origin,
        &[
            "source.ip",
            "source.address",
            "source.domain",
            "client.ip",
            "client.address",
            "client.domain",
            "host.name",
            "host.ip",
            "host.hostname",
            "host.id",
            "network.peer.address",
            "net.peer.ip",
            "net.sock.peer.addr",
            "http.client_ip",
            "origin",
            "source",
            "src",
            "src_ip",
            "source_ips",
            "client",
            "client_ip",
            "remote_addr",
            "remote_address",
            "remote_ip",
            "remote_host",
            "ip",
            "ip_address",
            "peer",
            "host",
            "hostname",
            "terminal",
            "x_forwarded_for",
        ],
    ),
    (
        Element::Object,
        &[
            "object",
            "object.name",
            "object.id",
            "object_ref.name",
            "object_ref.resource",
            "resource",
            "resource.name",
            "resource.id",
            "target",
            "target.name",
            "user.target.name",
            "file.path",
            "file.name",
            "url.path",
            "url.full",
            "url.original",
            "http.route",
            "http.target",
            "http.url",
            "destination.address",
            "destination.ip",
            "service.name",
            "process.name",
            "db.namespace",
            "db.name",
            "db.collection.name",
            "db.sql.table",
            "rpc.service",
            "path",
            "uri",
            "url",
            "request_uri",
            "file",
            "filename",
            "table",
            "record",
            "record_id",
            "entity",
            "entity_id",
            "database",
            "service",
            "component",
        ],
    ),
];
/// What stands around the fields of a record, or holds them as a text.
const AROUND: [&str; 14] = [
    "attributes",
    "body",
    "fields",
    "labels",
    "log",
    "message",
    "msg",
    "fullmessage",
    "data",
    "record",
    "event",
    "audit",
    "json",
    "scope",
];
/// Where a forwarder read a record, which says nothing of what it is about: `log.file.path`, and within `log` the rest of it.
const READ_FROM: &str = "logfile";
/// How deep and how many fields are looked at.
const DEEP: usize = 8;
const FIELDS: usize = 2000;
/// The longest name, in bytes.
const LONG: usize = 256;

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().flat_map(|(_, names)| names.iter().copied())
}

/// What that record lacks which lacks least; none where there is no record.
pub fn least<'r>(records: impl Iterator<Item = &'r Map<String, Value>>) -> Option<Vec<Element>> {
    records.map(of).min_by_key(Vec::len)
}

/// What a record lacks.
fn of(record: &Map<String, Value>) -> Vec<Element> {
    let mut there = There { names: BTreeSet::new(), left: FIELDS };
    there.collect(record, "", "", 0);
    let has = |names: &[&str]| names.iter().any(|name| there.names.contains(&plain(name)));
    NAMES.iter().filter(|(_, names)| !has(names)).map(|(element, _)| *element).collect()
}

/// A name by its letters and digits alone.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '.' | '_' | '-' | ' ' | '@')).flat_map(char::to_lowercase).collect()
}

/// The names of fields that say something.
struct There {
    names: BTreeSet<String>,
    /// How many fields more are looked at.
    left: usize,
}

impl There {
    /// From the root on, and of what stands around a record also without it: then it is `around`, and `before` is empty.
    fn collect(&mut self, object: &Map<String, Value>, before: &str, around: &str, depth: usize) {
        for (key, value) in object {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let name = format!("{before}{}", plain(key));
            let is_read_from = name.starts_with(READ_FROM) || format!("{around}{name}").starts_with(READ_FROM);
            if name.len() > LONG || is_read_from {
                continue;
            }
            match value {
                Value::Object(inner) => self.within(inner, &name, depth),
                Value::String(text) if text.starts_with('{') => match serde_json::from_str(text) {
                    Ok(inner) => self.within(&inner, &name, depth),
                    Err(_) => self.add(name),
                },
                _ if says_something(value) => self.add(name),
                _ => {}
            }
        }
    }

    fn within(&mut self, inner: &Map<String, Value>, name: &str, depth: usize) {
        if depth >= DEEP {
            return;
        }
        self.collect(inner, name, "", depth + 1);
        if AROUND.contains(&name) {
            self.collect(inner, "", name, depth + 1);
        }
    }

    fn add(&mut self, name: String) {
        let within = AROUND.iter().find_map(|around| name.strip_prefix(around)).filter(|rest| !rest.is_empty());
        self.names.extend(within.map(String::from));
        self.names.insert(name);
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !matches!(text.trim(), "" | "-"),
        Value::Array(list) => list.iter().any(|item| !item.is_null()),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}
