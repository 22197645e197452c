//! The configuration of the OpenTelemetry Collector, by the names of v0.160. What it sends by OTLP is run in tests; its other exporters are
//! of the distribution `contrib`, by their documentation, and were not run.
//!
//! Nothing is dropped on purpose: a full queue blocks the receiver, which stops reading, and retries never end on either side. A queue has
//! a quarter of its share of the buffer: the file of the database beneath it grows by doubling, and of 6 MiB it takes 16 already. What a
//! sink refuses for good, as a record that is too large for it, the exporter drops: the Collector knows no other way. Elasticsearch's
//! exporter retries by itself, which ends after a million times.

use std::collections::BTreeMap;

use super::{
    BUFFER, CONFIGURATION, Job, Rendered,
    sink::{Address, Credential, Target, authority_path, plain},
    yaml::{Map, Node},
};
use crate::api::{Sink, SinkAuthentication};

const FILE: &str = "collector.yaml";
const PORT: u16 = super::PORT;
const STORAGE: &str = "file_storage";
/// Bytes from which on a batch is sent at once; a smaller one waits a second.
const BATCH: u64 = 512 * 1024;
/// By this a sink of Elasticsearch knows what it has already. The part behind the pod is of the moment of reading, so it differs after a
/// container's restart; a batch that is sent again keeps it.
const IDENTITY: &str =
    r#"env("PCIZONE_POD") + "-" + string(now().UnixNano()) + "-" + string(resource["pcizone.offset"])"#;

/// All that it needs.
pub(super) fn render(job: &Job<'_>) -> Rendered {
    let text = job.text(|| configuration(job).write(job.about));
    Rendered {
        files: BTreeMap::from([(FILE.to_string(), text)]),
        args: vec![format!("--config={CONFIGURATION}/{FILE}")],
        secrets: Vec::new(),
        authorities: Vec::new(),
        linger: [
            ("--metrics", format!("http://127.0.0.1:{PORT}/metrics").as_str()),
            ("--read", "otelcol_receiver_accepted_log_records"),
            ("--sent", "otelcol_exporter_sent_log_records"),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_string(), value.to_string()])
        .collect(),
    }
}

fn configuration(job: &Job<'_>) -> Map {
    let exporters: Vec<Exporter> = job.sinks.iter().filter_map(|sink| exporter(job, sink)).collect();
    let (lines, rest): (Vec<&Exporter>, Vec<&Exporter>) = exporters.iter().partition(|exporter| exporter.is_syslog);
    let mut extensions = Map::new().with(STORAGE, Map::new().with("directory", BUFFER));
    let mut names = vec![STORAGE.to_string()];
    let mut all = Map::new();
    for Exporter { name, settings, login, .. } in &exporters {
        all = all.with(name, settings.clone());
        if let Some((login, settings)) = login {
            extensions = extensions.with(login, settings.clone());
            names.push(login.clone());
        }
    }
    let pipeline = |exporters: &[&Exporter], processors: Map| {
        let names: Vec<&str> = exporters.iter().map(|exporter| exporter.name.as_str()).collect();
        Map::new().with("receivers", vec!["file_log"]).and(processors).with("exporters", names)
    };
    let mut pipelines = Map::new();
    if !rest.is_empty() {
        pipelines = pipelines.with("logs", pipeline(&rest, Map::new()));
    }
    let mut processors = Map::new();
    if !lines.is_empty() {
        let name = "transform/syslog";
        pipelines = pipelines.with("logs/syslog", pipeline(&lines, Map::new().with("processors", vec![name])));
        processors = Map::new().with("processors", Map::new().with(name, message()));
    }
    Map::new()
        .with("extensions", extensions)
        .with("receivers", Map::new().with("file_log", receiver(job)))
        .and(processors)
        .with("exporters", all)
        .with(
            "service",
            Map::new().with("extensions", names).with("pipelines", pipelines).with("telemetry", telemetry()),
        )
}

fn receiver(job: &Job<'_>) -> Map {
    let environment = |name: &str| format!("${{env:PCIZONE_{name}}}");
    Map::new()
        .with("include", job.patterns())
        .with("start_at", "beginning")
        .with("storage", STORAGE)
        .with("include_file_name", false)
        .with("include_file_path", true)
        .with("include_file_record_offset", true)
        .with("retry_on_failure", Map::new().with("enabled", true).with("max_elapsed_time", "0s"))
        .with(
            "resource",
            Map::new()
                .with("service.namespace", environment("ZONE"))
                .with("service.name", environment("NAMESPACE"))
                .with("service.instance.id", environment("POD")),
        )
        .with("operators", Node::List(operators(job).into_iter().map(Node::from).collect()))
}

fn operators(job: &Job<'_>) -> Vec<Map> {
    let operator = |id: &str, kind: &str| Map::new().with("id", id).with("type", kind);
    let relay = |id: &str, from: &str, to: &str| operator(id, "move").with("from", from).with("to", to);
    let origin =
        r#"EXPR({"zone": env("PCIZONE_ZONE"), "namespace": env("PCIZONE_NAMESPACE"), "pod": env("PCIZONE_POD"), "#
            .to_string()
            + r#""node": env("PCIZONE_NODE"), "file": resource["pcizone.file"], "offset": resource["pcizone.offset"], "id": "#
            + IDENTITY
            + "})";
    let mut operators = vec![
        // Out of the way of what the line says under these names.
        relay("file", r#"attributes["log.file.path"]"#, r#"resource["pcizone.file"]"#),
        relay("offset", r#"attributes["log.file.record_offset"]"#, r#"resource["pcizone.offset"]"#),
        operator("object", "json_parser")
            .with("if", r#"body matches "^\\s*[{]""#)
            .with("parse_from", "body")
            .with("parse_to", "attributes")
            .with("parse_ints", true)
            // A line that only looks like an object goes as text.
            .with("on_error", "send_quiet"),
        operator("claimed", "remove").with("if", "attributes.kubernetes != nil").with("field", "attributes.kubernetes"),
        operator("origin", "add").with("field", "attributes.kubernetes").with("value", origin),
    ];
    if job.sinks.iter().any(|sink| matches!(Target::of(sink), Some(Target::Elasticsearch(_)))) {
        let id = operator("id", "add").with("field", r#"attributes["elasticsearch.document_id"]"#);
        operators.push(id.with("value", "EXPR(attributes.kubernetes.id)"));
    }
    operators.push(operator("no_file", "remove").with("field", r#"resource["pcizone.file"]"#));
    operators.push(operator("no_offset", "remove").with("field", r#"resource["pcizone.offset"]"#));
    operators
}

/// What the exporter for syslog takes from attributes.
fn message() -> Map {
    let statements = [
        r#"set(log.attributes["message"], log.body)"#,
        r#"set(log.attributes["hostname"], log.attributes["kubernetes"]["pod"])"#,
        r#"set(log.attributes["appname"], log.attributes["kubernetes"]["namespace"])"#,
    ];
    Map::new().with("error_mode", "ignore").with("log_statements", statements.to_vec())
}

fn telemetry() -> Map {
    let prometheus = Map::new()
        .with("host", "127.0.0.1")
        .with("port", u64::from(PORT))
        .with("without_scope_info", true)
        // `pcizone linger` knows the counters without a suffix.
        .with("without_type_suffix", true)
        .with("without_units", true);
    let reader = Map::new().with("pull", Map::new().with("exporter", Map::new().with("prometheus", prometheus)));
    Map::new().with("metrics", Map::new().with("readers", Node::List(vec![reader.into()])))
}

struct Exporter {
    name: String,
    settings: Map,
    /// An extension that shows username and password.
    login: Option<(String, Map)>,
    /// It reads its message from attributes.
    is_syslog: bool,
}

fn exporter(job: &Job<'_>, sink: &Sink) -> Option<Exporter> {
    let target = Target::of(sink)?;
    let address = target.address()?;
    let name = plain(&sink.name);
    let login_name = format!("basicauth/{name}");
    // Those exporters that speak HTTP in the Collector's usual way.
    let web = || {
        let ca = authority_path(sink).filter(|_| address.is_tls).map(|path| Map::new().with("ca_file", path));
        let auth = (sink.authentication == SinkAuthentication::Password)
            .then(|| Map::new().with("auth", Map::new().with("authenticator", login_name.as_str())));
        (ca.map(|ca| Map::new().with("tls", ca)).unwrap_or_default(), auth.unwrap_or_default())
    };
    let (kind, own, is_web) = match target {
        Target::Elasticsearch(elastic) => ("elasticsearch", elasticsearch(&address, &elastic.data_stream), true),
        Target::OpenSearch(elastic) => {
            let (tls, auth) = web();
            let http = Map::new().with("endpoint", address.web("")).and(tls).and(auth).and(headers(sink, None));
            let own = Map::new().with("http", http).with("logs_index", plain(&elastic.data_stream));
            ("opensearch", own.with("bulk_action", "create"), false)
        }
        Target::Splunk(splunk) => {
            let own = Map::new()
                .with("endpoint", address.web("/services/collector"))
                .with("token", variable(sink, Credential::Token))
                .with("index", plain(&splunk.index))
                .with("source", "pcizone")
                .and(web().0);
            ("splunk_hec", own, false)
        }
        Target::Loki(loki) => {
            let own = Map::new().with("logs_endpoint", address.web("/otlp/v1/logs"));
            ("otlp_http", own.and(headers(sink, loki.tenant.as_deref())), true)
        }
        Target::Otlp(_) => {
            let own = Map::new().with("logs_endpoint", address.web("/v1/logs"));
            ("otlp_http", own.and(headers(sink, None)), true)
        }
        Target::Syslog(_) => ("syslog", syslog(&address, sink), false),
        // There is no exporter for it.
        Target::Graylog(_) => return None,
    };
    let own = match target {
        Target::Elasticsearch(_) => own.and(headers(sink, None)),
        _ => own,
    };
    let (tls, auth) = if is_web { web() } else { (Map::new(), Map::new()) };
    let takes_login = sink.authentication == SinkAuthentication::Password && !matches!(target, Target::Syslog(_));
    let login = takes_login.then(|| {
        let client = Map::new()
            .with("username", variable(sink, Credential::Username))
            .with("password", variable(sink, Credential::Password));
        (login_name.clone(), Map::new().with("client_auth", client))
    });
    let retry = match target {
        // It has a way of its own.
        Target::Elasticsearch(_) => Map::new(),
        _ => retry(),
    };
    let settings = own.and(tls).and(auth).and(retry).with("sending_queue", queue(job));
    Some(Exporter { name: format!("{kind}/{name}"), settings, login, is_syslog: kind == "syslog" })
}

fn elasticsearch(address: &Address, data_stream: &str) -> Map {
    let retry = Map::new()
        .with("enabled", true)
        .with("max_retries", 1_000_000)
        .with("max_interval", "5s")
        .with("retry_on_status", vec![429, 500, 502, 503, 504]);
    Map::new()
        .with("endpoint", address.web(""))
        .with("logs_index", plain(data_stream))
        .with("mapping", Map::new().with("mode", "ecs"))
        .with("logs_dynamic_id", Map::new().with("enabled", true))
        .with("retry", retry)
}

fn syslog(address: &Address, sink: &Sink) -> Map {
    let tls = match (address.is_tls, authority_path(sink)) {
        (true, Some(path)) => Map::new().with("tls", Map::new().with("ca_file", path)),
        (true, None) => Map::new(),
        (false, _) => Map::new().with("tls", Map::new().with("insecure", true)),
    };
    Map::new()
        .with("endpoint", address.host.as_str())
        .with("port", u64::from(address.port))
        .with("network", "tcp")
        .with("protocol", "rfc5424")
        .and(tls)
}

fn variable(sink: &Sink, credential: Credential) -> String {
    format!("${{env:{}}}", credential.variable(&sink.name))
}

fn headers(sink: &Sink, tenant: Option<&str>) -> Map {
    let mut headers = match sink.authentication {
        SinkAuthentication::ApiKey => {
            Map::new().with("Authorization", format!("ApiKey {}", variable(sink, Credential::ApiKey)))
        }
        SinkAuthentication::Token => {
            Map::new().with("Authorization", format!("Bearer {}", variable(sink, Credential::Token)))
        }
        SinkAuthentication::None | SinkAuthentication::Password => Map::new(),
    };
    if let Some(tenant) = tenant {
        headers = headers.with("X-Scope-OrgID", plain(tenant));
    }
    if headers.is_empty() { headers } else { Map::new().with("headers", headers) }
}

fn retry() -> Map {
    let settings = Map::new()
        .with("enabled", true)
        .with("initial_interval", "1s")
        .with("max_interval", "5s")
        .with("max_elapsed_time", "0s");
    Map::new().with("retry_on_failure", settings)
}

fn queue(job: &Job<'_>) -> Map {
    let buffer = u64::try_from(job.forwarder.buffer_mebibytes).unwrap_or_default().max(16) * 1024 * 1024;
    let sinks = u64::try_from(job.sinks.len()).unwrap_or(u64::MAX).max(1);
    let batch = Map::new().with("sizer", "bytes").with("min_size", BATCH).with("flush_timeout", "1s");
    Map::new()
        .with("enabled", true)
        .with("storage", STORAGE)
        .with("num_consumers", 4)
        .with("sizer", "bytes")
        .with("queue_size", buffer / sinks / 4)
        .with("block_on_overflow", true)
        .with("batch", batch)
}
