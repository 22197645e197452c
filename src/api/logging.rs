//! Where the zone's audit trail goes, for how long it is kept there, and what watches at run time.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mode;

/// Where the logs of the zone's pods go and how long they are kept (PCI DSS 10.2.1, 10.3.3, 10.5.1, 10.7.2).
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.forwarder) == has(self.linger)")
        .message("spec.logging: forwarder and linger go together: without linger a forwarder ends before it has sent the last lines"),
    validation = Rule::new("!has(self.forwarder) || has(self.sinks) && self.sinks.size() > 0")
        .message("spec.logging.sinks: a forwarder needs somewhere to send to"),
)]
pub struct Logging {
    /// Overrides `spec.mode` for this topic: `Observe`, `Warn` or `Enforce`. Without it `spec.mode` holds. It rests on the zone label of
    /// namespaces, so it needs a segmentation that is in force too.
    // The schema of an `Option` of an enum has the enum's doc and refuses null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,

    /// How long records have to be kept.
    #[serde(default)]
    pub retention: Retention,

    /// Directories into which the application writes its logs, at most 4; files in them end in `.log`. Default: `/var/log/app`. Each is a
    /// volume that all containers of the pod share with the forwarder: the pod's own where a container mounts one there, a new `emptyDir`
    /// where none does.
    #[serde(default = "default_sources")]
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".to_string()]))]
    pub sources: Vec<Source>,

    /// The log forwarder that each pod of the zone gets beside its containers. Without it nothing is added to pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<Forwarder>,

    /// The sidecar that holds the forwarder until all is sent, and numbers the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linger: Option<Linger>,

    /// Where records go, at most 4. Each gets all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub sinks: Vec<Sink>,

    /// The agent on the zone's nodes that reads standard output. It is looked for on every node. Without it what pods write there is
    /// not collected, and pods that get no forwarder are a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_agent: Option<NodeAgent>,

    /// `Used` (the default): what pods write to standard output belongs to the audit trail, so without `nodeAgent` it is a finding that
    /// nothing collects it. `Unused` says that all of the audit trail is in files of the sources.
    #[serde(default)]
    pub standard_output: StandardOutput,

    /// What watches the zone's nodes in real time (PCI DSS 10.4.1.1, 11.5.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_sensor: Option<RuntimeSensor>,

    /// The API server's own audit trail: what users do is part of it (PCI DSS 10.2.1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_audit: Option<ApiAudit>,
}

/// Whether standard output belongs to the audit trail.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandardOutput {
    /// It does.
    #[default]
    Used,
    /// It does not.
    Unused,
}

/// How long records have to be kept.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.searchableDays <= self.days")
    .message("spec.logging.retention: nothing is at hand that is not kept: searchableDays is at most days"))]
pub struct Retention {
    /// Days. Default: 365; less than that is a finding (PCI DSS 10.5.1).
    #[serde(default = "default_days")]
    #[schemars(range(min = 1, max = 36500))]
    pub days: i32,
    /// Days of these that records can be searched without being brought back first. Default: 90; less than that is a finding.
    #[serde(default = "default_searchable_days")]
    #[schemars(range(min = 1, max = 36500))]
    pub searchable_days: i32,
}

impl Default for Retention {
    fn default() -> Self {
        Retention { days: default_days(), searchable_days: default_searchable_days() }
    }
}

fn default_days() -> i32 {
    365
}

fn default_searchable_days() -> i32 {
    90
}

/// A directory of log files.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Its path in the containers, absolute. Example: `/var/log/app`.
    #[schemars(length(min = 2, max = 128), regex(pattern = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$"))]
    pub path: String,
    /// Space for its files, in mebibytes, where no container has a volume there: the size limit of the `emptyDir`. A pod that takes more is
    /// evicted, so the application has to turn its files over. Default: 1024.
    #[serde(default = "default_size")]
    #[schemars(range(min = 16, max = 102_400))]
    pub size_mebibytes: i32,
}

fn default_size() -> i32 {
    1024
}

fn default_sources() -> Vec<Source> {
    vec![Source { path: "/var/log/app".to_string(), size_mebibytes: default_size() }]
}

/// A log forwarder.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forwarder {
    /// `FluentBit` (the default) or `OpenTelemetry`: whose configuration is written.
    #[serde(default)]
    pub kind: ForwarderKind,
    /// Its image, by digest. Example: `registry.example.com/fluent-bit@sha256:…`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9._:/-]+@sha256:[0-9a-f]{64}$"))]
    pub image: String,
    /// A configuration of your own instead of the one that is written, for what the settings here cannot say; at most 16,384 letters. It has
    /// to read `*.log` of the sources, send to all sinks, keep its buffer under `/var/lib/pcizone`, and tell how much it has read and sent
    /// as docs/logging.md says. Credentials are in its environment under the names that stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub template: Option<String>,
    /// Memory that it may have, in mebibytes. Default: 128.
    #[serde(default = "default_memory")]
    #[schemars(range(min = 32, max = 4096))]
    pub memory_mebibytes: i32,
    /// Space for what is read and not sent yet, in mebibytes. When it is full nothing more is read, so that the files are the buffer.
    /// Default: 512.
    #[serde(default = "default_buffer")]
    #[schemars(range(min = 16, max = 102_400))]
    pub buffer_mebibytes: i32,
}

fn default_memory() -> i32 {
    128
}

fn default_buffer() -> i32 {
    512
}

/// Whose configuration is written.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwarderKind {
    /// Fluent Bit 3 or later.
    #[default]
    FluentBit,
    /// The OpenTelemetry Collector, with the receiver `file_log` and the extension `file_storage`.
    OpenTelemetry,
}

/// The sidecar that holds the forwarder until all is sent.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linger {
    /// Its image, by digest: that of pcizone. Example: `registry.example.com/pcizone@sha256:…`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9._:/-]+@sha256:[0-9a-f]{64}$"))]
    pub image: String,
    /// Seconds that it waits at most, once the application has ended. The pod's termination grace period is raised by as much and a little.
    /// Default: 10.
    #[serde(default = "default_wait")]
    #[schemars(range(min = 1, max = 600))]
    pub wait_seconds: i32,
    /// Seconds between two numbered lines. Default: 10.
    #[serde(default = "default_every")]
    #[schemars(range(min = 1, max = 300))]
    pub every_seconds: i32,
}

fn default_wait() -> i32 {
    10
}

fn default_every() -> i32 {
    10
}

/// Where records go: exactly one of `elasticsearch`, `openSearch`, `splunk`, `graylog`, `loki`, `otlp` and `syslog`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.elasticsearch), has(self.openSearch), has(self.splunk), has(self.graylog), has(self.loki), has(self.otlp), has(self.syslog)].filter(is, is).size() == 1")
        .message("spec.logging.sinks: set exactly one of elasticsearch, openSearch, splunk, graylog, loki, otlp and syslog"),
    validation = Rule::new("!has(self.trust) || self.trust != 'Secret' || has(self.credentialsSecret)")
        .message("spec.logging.sinks: trust: Secret takes ca.crt from credentialsSecret, so name that"),
)]
pub struct Sink {
    /// Its name, a DNS label of at most 20 characters. Example: `siem`.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Elasticsearch, as Kibana reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<Elastic>,
    /// `OpenSearch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_search: Option<Elastic>,
    /// Splunk, by its HTTP Event Collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub splunk: Option<Splunk>,
    /// Graylog, by GELF over TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graylog: Option<Stream>,
    /// Grafana Loki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<Loki>,
    /// Whatever takes OTLP over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// Syslog (RFC 5424) over TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<Stream>,
    /// A Secret in each pod's own namespace with what the forwarder shows the sink; it should be allowed to write and nothing else. Its keys:
    /// `apiKey` for Elasticsearch, `token` for Splunk, Loki and OTLP, or `username` and `password` where the sink wants these; `ca.crt` with
    /// `trust: Secret`. A pod does not start without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub credentials_secret: Option<String>,
    /// How the forwarder shows who it is: `None` (the default), `ApiKey`, `Token` or `Password`, by the keys of `credentialsSecret`.
    #[serde(default)]
    pub authentication: SinkAuthentication,
    /// Whose certificates are trusted: `System` (the default) those that the forwarder's image trusts, `Secret` those of `ca.crt` in
    /// `credentialsSecret`.
    #[serde(default)]
    pub trust: Trust,
    /// The flow of `spec.segmentation.flows` by which the zone's pods reach it: that has the need, the owner and the end.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub flow: String,
    /// Who is asked whether records arrive and how long they are kept. Without it Elasticsearch, `OpenSearch` and Loki are asked under their
    /// own address, and of others it is unproven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Store>,
}

/// How a forwarder shows a sink who it is.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SinkAuthentication {
    /// Not at all.
    #[default]
    None,
    /// By `apiKey`, as Elasticsearch takes it.
    ApiKey,
    /// By `token`: a bearer token, for Splunk that of its collector.
    Token,
    /// By `username` and `password`.
    Password,
}

/// Whose certificates are trusted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trust {
    /// Those that the image trusts.
    #[default]
    System,
    /// Those of `ca.crt` in the Secret.
    Secret,
}

/// A data stream.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Elastic {
    /// Its address. Plain `http` is a finding. Example: `https://logs.example.com:9200`.
    #[schemars(schema_with = "web_address")]
    pub url: String,
    /// The data stream. Example: `pci-audit`.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9][a-z0-9._-]*$"))]
    pub data_stream: String,
}

/// An index of Splunk.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Splunk {
    /// The address of its HTTP Event Collector. Example: `https://splunk.example.com:8088`.
    #[schemars(schema_with = "web_address")]
    pub url: String,
    /// The index. Example: `pci`.
    #[schemars(length(min = 1, max = 80), regex(pattern = r"^[a-z0-9][a-z0-9_-]*$"))]
    pub index: String,
}

/// A tenant of Loki.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loki {
    /// Its address. Example: `https://loki.example.com:3100`.
    #[schemars(schema_with = "web_address")]
    pub url: String,
    /// The tenant; without it Loki runs without tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 150), regex(pattern = r"^[A-Za-z0-9!._*'()-]+$"))]
    pub tenant: Option<String>,
}

/// Whatever takes OTLP over HTTP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Otlp {
    /// Its address; records go to `/v1/logs` below it. Example: `https://otlp.example.com:4318`.
    #[schemars(schema_with = "web_address")]
    pub url: String,
}

/// A stream over TCP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// Its address: `tls://` with host and port, or `tcp://`, which is a finding. Example: `tls://graylog.example.com:12201`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^(tls|tcp)://[A-Za-z0-9.-]+:[0-9]{1,5}$"))]
    pub url: String,
}

/// Who is asked about records.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.kind == 'VictoriaLogs' ? !has(self.name) : has(self.name)")
    .message("spec.logging.sinks.store: name the data stream, index, index set or tenant; VictoriaLogs has none"))]
pub struct Store {
    /// `Elasticsearch`, `OpenSearch`, `Splunk`, `Graylog`, `Loki` or `VictoriaLogs`.
    pub kind: StoreKind,
    /// Its address, for Splunk that of its management port, for Graylog that of its API. The operator asks it, so its own network has to
    /// reach it. Example: `https://logs.example.com:9200`.
    #[schemars(schema_with = "web_address")]
    pub url: String,
    /// The data stream, index, index set (by its prefix) or tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Which credentials the operator shows: those under this name in the Secret `pcizone-log-stores` of its own namespace, which say
    /// themselves to which address they may be sent. They need to read and nothing else: docs/retention.md. Example: `siem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub credentials: Option<String>,
}

/// Which store.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreKind {
    /// Elasticsearch.
    Elasticsearch,
    /// `OpenSearch`.
    OpenSearch,
    /// Splunk Enterprise.
    Splunk,
    /// Graylog.
    Graylog,
    /// Grafana Loki.
    Loki,
    /// `VictoriaLogs`.
    VictoriaLogs,
}

/// The agent on the nodes that reads standard output.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAgent {
    /// Its namespace. Example: `logging`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// The name of its `DaemonSet`. Example: `fluent-bit`.
    #[schemars(length(min = 1, max = 253))]
    pub daemon_set: String,
}

/// What watches nodes in real time.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSensor {
    /// Falco.
    pub falco: Falco,
}

/// Where Falco runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Falco {
    /// Its namespace. Example: `falco`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// The name of its `DaemonSet`. Default: `falco`.
    #[serde(default = "default_falco")]
    #[schemars(length(min = 1, max = 253))]
    pub daemon_set: String,
    /// The sink that its events reach, by name: whatever else shows them, such as the UI of Falcosidekick, keeps no year of them. Without
    /// it that they are kept is unproven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub sink: Option<String>,
}

fn default_falco() -> String {
    "falco".to_string()
}

/// The API server's own audit trail.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiAudit {
    /// The audit policy of the API server as it is in its file, at most 16,384 letters. It is judged for what it leaves out; whether the API
    /// server has it is seen from its pod where there is one, or attested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub policy: Option<String>,
}

fn web_address(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": 253,
        "pattern": r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._/-]*)?$"
    })
}
