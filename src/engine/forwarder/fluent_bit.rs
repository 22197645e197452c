//! The configuration of Fluent Bit, by its manual (3.1 to 4.2) and nothing that was run.
//!
//! Nothing is dropped on purpose. `storage.total_limit_size` would drop the oldest when the buffer is full, so it is not set. Instead
//! `storage.pause_on_chunks_overlimit` stops reading at `storage.max_chunks_up` chunks, of 2 MB each at most, and `mem_buf_limit` is not
//! set, since with it chunks leave memory and are not counted any more. So what is not sent yet is in the files; a file that was turned over is
//! held for `rotate_wait`. Retries never end, and come every five seconds at least.

use std::collections::BTreeMap;

use super::{
    BUFFER, CONFIGURATION, Job, Rendered,
    sink::{Address, Credential, Target, authority_path, plain},
    yaml::{Map, Node},
};
use crate::api::{Sink, SinkAuthentication};

const FILE: &str = "fluent-bit.yaml";
const PARSERS: &str = "parsers.conf";
/// In the classic form: YAML knows parsers since 3.2 only.
const PARSER: &str = "[PARSER]\n    Name   pcizone_json\n    Format json\n";
const PORT: u16 = super::PORT;
/// Mebibytes that a chunk takes at most.
const CHUNK: u64 = 2;
/// A longer line is left out, and said so in the forwarder's own log. Without a limit to skip at, its file would not be read any further.
const LONGEST_LINE: &str = "4M";
/// The whole line, as it was read.
const LINE: &str = "pcizone_line";
/// Start of the names that become the map `kubernetes`.
const ORIGIN: &str = "pcizone_origin_";

/// All that it needs.
pub(super) fn render(job: &Job<'_>) -> Rendered {
    let text = job.text(|| configuration(job).write(job.about));
    let files = BTreeMap::from([(FILE.to_string(), text), (PARSERS.to_string(), PARSER.to_string())]);
    Rendered {
        files,
        args: vec![format!("--config={CONFIGURATION}/{FILE}")],
        secrets: Vec::new(),
        authorities: Vec::new(),
        linger: [
            ("--metrics", format!("http://127.0.0.1:{PORT}/api/v2/metrics/prometheus").as_str()),
            ("--read", "fluentbit_input_records_total"),
            ("--sent", "fluentbit_output_proc_records_total"),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_string(), value.to_string()])
        .collect(),
    }
}

fn configuration(job: &Job<'_>) -> Map {
    let outputs = job.sinks.iter().filter_map(|sink| output(sink).map(Node::from)).collect();
    let pipeline = Map::new()
        .with("inputs", Node::List(vec![input(job).into()]))
        .with("filters", Node::List(filters(job).into_iter().map(Node::from).collect()))
        .with("outputs", Node::List(outputs));
    Map::new().with("service", service(job)).with("pipeline", pipeline)
}

fn service(job: &Job<'_>) -> Map {
    Map::new()
        .with("flush", 1)
        // Long enough for what is on its way; `pcizone linger` has waited for the rest.
        .with("grace", 5)
        .with("log_level", "info")
        .with("parsers_file", format!("{CONFIGURATION}/{PARSERS}"))
        .with("http_server", "on")
        .with("http_listen", "127.0.0.1")
        .with("http_port", u64::from(PORT))
        .with("storage.path", format!("{BUFFER}/chunks"))
        .with("storage.sync", "normal")
        .with("storage.metrics", "on")
        .with("storage.max_chunks_up", chunks(job))
        .with("scheduler.base", 1)
        .with("scheduler.cap", 5)
}

/// How many chunks there may be before nothing more is read: they are on disk and in memory both.
fn chunks(job: &Job<'_>) -> u64 {
    let mebibytes = |number: i32| u64::try_from(number).unwrap_or_default();
    let room = mebibytes(job.forwarder.buffer_mebibytes).min(mebibytes(job.forwarder.memory_mebibytes) / 2);
    (room / CHUNK).max(4)
}

fn input(job: &Job<'_>) -> Map {
    Map::new()
        .with("name", "tail")
        .with("tag", "pcizone")
        .with("path", job.patterns().join(","))
        .with("read_from_head", "on")
        .with("refresh_interval", 1)
        .with("rotate_wait", 3600)
        .with("db", format!("{BUFFER}/tail.db"))
        .with("db.locking", "on")
        .with("key", LINE)
        .with("path_key", format!("{ORIGIN}file"))
        .with("offset_key", format!("{ORIGIN}offset"))
        .with("buffer_max_size", LONGEST_LINE)
        .with("skip_long_lines", "on")
        .with("storage.type", "filesystem")
        .with("storage.pause_on_chunks_overlimit", "on")
}

/// Whether a sink takes the line itself as its message.
fn takes_line(sink: &Sink) -> bool {
    match Target::of(sink) {
        Some(Target::Graylog(_) | Target::Otlp(_) | Target::Syslog(_)) => true,
        Some(Target::Elasticsearch(_) | Target::OpenSearch(_) | Target::Splunk(_) | Target::Loki(_)) | None => false,
    }
}

fn filters(job: &Job<'_>) -> Vec<Map> {
    let keeps_line = job.sinks.iter().any(|sink| takes_line(sink));
    let filter = |name: &str| Map::new().with("name", name).with("match", "*");
    let origin = ["zone", "namespace", "pod", "node"]
        .map(|field| format!("{ORIGIN}{field} ${{PCIZONE_{}}}", field.to_ascii_uppercase()));
    let mut filters = vec![
        // A line that is no object is left as it is.
        filter("parser")
            .with("key_name", LINE)
            .with("parser", "pcizone_json")
            .with("reserve_data", "on")
            .with("preserve_key", if keeps_line { "on" } else { "off" }),
        // What the forwarder says of the record is not what the application says of it. Two fields of one name are refused by some sinks.
        filter("modify").with("remove", "kubernetes").with("hard_rename", "@timestamp app_timestamp"),
        filter("modify").with("set", origin.to_vec()),
        filter("nest")
            .with("operation", "nest")
            .with("wildcard", format!("{ORIGIN}*"))
            .with("nest_under", "kubernetes")
            .with("remove_prefix", ORIGIN),
    ];
    if !keeps_line {
        filters.push(filter("modify").with("rename", format!("{LINE} message")));
    } else if !job.sinks.iter().all(|sink| takes_line(sink)) {
        filters.push(filter("modify").with("copy", format!("{LINE} message")));
    }
    filters
}

fn output(sink: &Sink) -> Option<Map> {
    let target = Target::of(sink)?;
    let address = target.address()?;
    let own = match target {
        Target::Elasticsearch(elastic) => bulk("es", &address, &elastic.data_stream),
        Target::OpenSearch(elastic) => bulk("opensearch", &address, &elastic.data_stream),
        Target::Splunk(splunk) => plugin("splunk", &address)
            .with("event_index", plain(&splunk.index))
            .with("event_sourcetype", "_json")
            .with("event_host", "$kubernetes['pod']"),
        Target::Graylog(_) => plugin("gelf", &address)
            .with("mode", if address.is_tls { "tls" } else { "tcp" })
            .with("gelf_short_message_key", LINE)
            // Named like no field, so that the time of reading holds and no text of the application.
            .with("gelf_timestamp_key", "pcizone_no_time"),
        Target::Loki(loki) => {
            let tenant = loki.tenant.as_ref().map(|tenant| Map::new().with("tenant_id", plain(tenant)));
            plugin("loki", &address)
                .with("uri", format!("{}/loki/api/v1/push", address.path))
                .with("labels", "zone=${PCIZONE_ZONE}, namespace=${PCIZONE_NAMESPACE}, pod=${PCIZONE_POD}")
                .with("line_format", "json")
                .and(tenant.unwrap_or_default())
        }
        Target::Otlp(_) => plugin("opentelemetry", &address)
            .with("logs_uri", format!("{}/v1/logs", address.path))
            .with("logs_body_key", format!("${LINE}"))
            .with("logs_body_key_attributes", "true")
            // It would say on standard output what the sink answers.
            .with("log_response_payload", "false"),
        Target::Syslog(_) => plugin("syslog", &address)
            .with("mode", "tcp")
            .with("syslog_format", "rfc5424")
            // By default a message is cut at 2 KiB.
            .with("syslog_maxsize", 65536)
            .with("syslog_hostname_preset", "${PCIZONE_POD}")
            .with("syslog_appname_preset", "${PCIZONE_NAMESPACE}")
            .with("syslog_sd_key", "kubernetes")
            .with("syslog_message_key", LINE),
    };
    let usual =
        Map::new().with("alias", plain(&sink.name)).with("retry_limit", "no_limits").with("net.io_timeout", "30s");
    Some(own.and(usual).and(credentials(&target, sink)).and(tls(&address, sink)))
}

fn plugin(name: &str, address: &Address) -> Map {
    Map::new()
        .with("name", name)
        .with("match", "*")
        .with("host", address.host.as_str())
        .with("port", u64::from(address.port))
}

/// Data streams take `create` alone, and no type. An id that is made of the record, its file, offset and time among it, lets the store
/// refuse what it has already.
fn bulk(name: &str, address: &Address, data_stream: &str) -> Map {
    let path = (!address.path.is_empty()).then(|| Map::new().with("path", address.path.as_str()));
    plugin(name, address)
        .and(path.unwrap_or_default())
        .with("index", plain(data_stream))
        .with("write_operation", "create")
        .with("suppress_type_name", "on")
        .with("generate_id", "on")
        .with("time_key", "@timestamp")
        .with("time_key_nanos", "on")
        // The answer has a line for each record of a chunk.
        .with("buffer_size", "4M")
}

fn credentials(target: &Target<'_>, sink: &Sink) -> Map {
    let variable = |credential: Credential| format!("${{{}}}", credential.variable(&sink.name));
    match sink.authentication {
        SinkAuthentication::None => Map::new(),
        SinkAuthentication::Password => Map::new()
            .with("http_user", variable(Credential::Username))
            .with("http_passwd", variable(Credential::Password)),
        SinkAuthentication::ApiKey => match target {
            Target::Elasticsearch(_) => Map::new().with("http_api_key", variable(Credential::ApiKey)),
            _ => Map::new().with("header", format!("Authorization ApiKey {}", variable(Credential::ApiKey))),
        },
        SinkAuthentication::Token => match target {
            Target::Splunk(_) => Map::new().with("splunk_token", variable(Credential::Token)),
            Target::Loki(_) => Map::new().with("bearer_token", variable(Credential::Token)),
            _ => Map::new().with("header", format!("Authorization Bearer {}", variable(Credential::Token))),
        },
    }
}

fn tls(address: &Address, sink: &Sink) -> Map {
    if !address.is_tls {
        return Map::new();
    }
    let authority = authority_path(sink).map(|path| Map::new().with("tls.ca_file", path));
    // By default the name in the certificate is not looked at.
    let verified = Map::new().with("tls", "on").with("tls.verify", "on").with("tls.verify_hostname", "on");
    verified.and(authority.unwrap_or_default())
}
