//! The fields of a numbered line, and under which names each store has them. A forwarder that names them otherwise is one row here.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Question, Run, number::MOST};

/// Names of the fields of a numbered line.
pub struct Fields {
    /// Which kind of line it is; what has this field is no record of an application.
    pub kind: &'static str,
    /// The zone.
    pub zone: &'static str,
    /// The namespace.
    pub namespace: &'static str,
    /// The pod.
    pub pod: &'static str,
    /// The node.
    pub node: &'static str,
    /// One start of the container.
    pub run: &'static str,
    /// The number.
    pub seq: &'static str,
    /// When the store takes it to be written.
    pub time: &'static str,
}

/// As the sidecar writes them.
const WRITTEN: Fields = Fields {
    kind: "pcizone",
    zone: "zone",
    namespace: "namespace",
    pod: "pod",
    node: "node",
    run: "run",
    seq: "seq",
    time: "time",
};

/// In Elasticsearch and `OpenSearch`.
pub const ELASTIC: Fields = Fields { time: "@timestamp", ..WRITTEN };
/// In `VictoriaLogs`.
pub const VICTORIA_LOGS: Fields = Fields { time: "_time", ..WRITTEN };
/// In Splunk.
pub const SPLUNK: Fields = Fields { time: "_time", ..WRITTEN };
/// In Graylog.
pub const GRAYLOG: Fields = Fields { time: "timestamp", ..WRITTEN };
/// In Loki: within the line. The zone is a label of the stream too.
pub const LOKI: Fields = WRITTEN;

/// The kinds of lines.
pub const KINDS: [&str; 3] = ["start", "heartbeat", "end"];
/// The last one.
pub const END: &str = "end";

/// The longest name, in bytes.
const NAME: usize = 253;

/// Whether it is a numbered line, or pretends to be one.
pub fn is_numbered(record: &Map<String, Value>) -> bool {
    record.get(WRITTEN.kind).and_then(Value::as_str).is_some_and(|kind| KINDS.contains(&kind))
}

/// A name of an object of the cluster, or of a run.
pub fn name(value: Option<&Value>) -> Option<String> {
    let name = value?.as_str()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (!name.is_empty() && name.len() <= NAME && name.bytes().all(is_plain)).then(|| name.to_string())
}

/// A run whose numbers can be, within the time that was asked about. Stores round to a millisecond.
pub fn possible(run: Run, question: &Question) -> Option<Run> {
    let span = run.last.checked_sub(run.first)?.checked_add(1)?;
    let is_counted = run.last <= MOST && (1..=span).contains(&run.count);
    is_counted.then_some(()).and(is_within(run.newest, question).then_some(run))
}

/// Whether a moment is within the time that was asked about.
pub fn is_within(time: Timestamp, question: &Question) -> bool {
    let time = time.as_millisecond();
    (question.since.as_millisecond()..=question.until.as_millisecond()).contains(&time)
}
