//! Declared flows: the only traffic that a zone allows.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Mode, Selector};

/// Who may talk to whom. Every member namespace denies ingress and egress by default, except DNS.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segmentation {
    /// Overrides `spec.mode` for this topic: `Observe`, `Warn` or `Enforce`. Without it `spec.mode` holds.
    // The schema of an `Option` of an enum has the enum's doc and refuses null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,

    /// The DNS servers that every pod of the zone may ask. The default is the cluster DNS of most clusters.
    #[serde(default)]
    pub dns: Dns,

    /// Pods that show on real nodes whether the network plug-in enforces what is declared. Needs `Enforce`, and the operator's
    /// component `canary`.
    #[serde(default)]
    pub canary: Canary,

    /// Allowed traffic, at most 500 flows. A flow opens exactly its ports between exactly its ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub flows: Vec<Flow>,
}

/// When the canary runs, and for how long its result holds. It supports PCI DSS 11.4.5 and 10.7.2, and is no penetration test.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// `Enabled` (the default) or `Disabled`: then nothing shows that policies are enforced, and `SegmentationProven` is `Unknown`.
    #[serde(default)]
    pub state: CanaryState,
    /// Minutes between two rounds; a change of policies, nodes or network agents starts one within a minute besides. Default: 60.
    #[serde(default = "every_minutes")]
    #[schemars(range(min = 10, max = 1440))]
    pub every_minutes: i32,
    /// Hours after which a result proves nothing any more. Default: 24.
    #[serde(default = "max_age_hours")]
    #[schemars(range(min = 1, max = 168))]
    pub max_age_hours: i32,
}

/// Whether the canary runs.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CanaryState {
    /// It runs.
    #[default]
    Enabled,
    /// It does not run.
    Disabled,
}

impl Default for Canary {
    fn default() -> Self {
        Canary { state: CanaryState::Enabled, every_minutes: every_minutes(), max_age_hours: max_age_hours() }
    }
}

fn every_minutes() -> i32 {
    60
}

fn max_age_hours() -> i32 {
    24
}

/// The DNS servers of the cluster.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.podSelector.matchLabels) && self.podSelector.matchLabels.size() > 0 || has(self.podSelector.matchExpressions) && self.podSelector.matchExpressions.exists(e, e.operator in ['In', 'Exists'])")
        .message("dns.podSelector: name a label that the DNS pods carry; without one every pod of the namespace could be reached"),
    validation = Rule::new("!has(self.cidrs) || self.cidrs.all(c, isCIDR(c) && cidr(c).prefixLength() == (cidr(c).ip().family() == 4 ? 32 : 128))")
        .message("dns.cidrs: each entry is the address of one server with /32 or /128, such as 169.254.20.10/32 or fd00::a/128"),
)]
pub struct Dns {
    /// Namespace of the DNS pods. Default: `kube-system`.
    #[serde(default = "dns_namespace")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Labels of the DNS pods, at least one. Default: `matchLabels: {k8s-app: kube-dns}`. OpenShift: `{dns.operator.openshift.io/daemonset-dns: default}`.
    #[serde(default = "dns_pods")]
    pub pod_selector: Selector,
    /// Ports on which the DNS pods listen, UDP and TCP. Default: `[53]`. OpenShift listens on 5353.
    #[serde(default = "dns_ports")]
    #[schemars(length(min = 1, max = 4), inner(range(min = 1, max = 65535)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ports: Vec<i32>,
    /// Further DNS servers that are no pods, one address each, for example NodeLocal DNSCache: `[169.254.20.10/32]`. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 43)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub cidrs: Vec<String>,
}

impl Default for Dns {
    fn default() -> Self {
        Dns { namespace: dns_namespace(), pod_selector: dns_pods(), ports: dns_ports(), cidrs: Vec::new() }
    }
}

fn dns_namespace() -> String {
    "kube-system".to_string()
}

fn dns_pods() -> Selector {
    Selector { match_labels: [("k8s-app".to_string(), "kube-dns".to_string())].into(), ..Selector::default() }
}

fn dns_ports() -> Vec<i32> {
    vec![53]
}

/// One allowed connection, with the reason for it. The reply traffic is always allowed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.approvedBy != self.owner")
        .message("flows: approvedBy must differ from owner; nobody approves their own opening (PCI DSS 1.2.2)"),
    validation = Rule::new("self.expiresAt > self.reviewedAt")
        .message("flows: expiresAt must be later than reviewedAt"),
    validation = Rule::new("has(self.from.namespace) || has(self.from.zone) || has(self.to.namespace) || has(self.to.zone)")
        .message("flows: at least one end must be pods (namespace or zone); between two outside ends there is nothing to allow"),
    validation = Rule::new("!has(self.from.apiServer)")
        .message("flows: apiServer can only be the destination (to)"),
)]
pub struct Flow {
    /// Name of the flow, a DNS label; it becomes part of the names of its NetworkPolicies.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Why the business needs it, at least a sentence of 20 characters (PCI DSS 1.2.5).
    #[schemars(length(min = 20, max = 1024))]
    pub need: String,
    /// Who answers for it: a team or a person.
    #[schemars(length(min = 1, max = 253))]
    pub owner: String,
    /// Who approved it; not the owner (PCI DSS 1.2.2).
    #[schemars(length(min = 1, max = 253))]
    pub approved_by: String,
    /// The change or ticket number under which it was approved (PCI DSS 1.2.2). Example: `PAY-1423`.
    #[schemars(length(min = 1, max = 253))]
    pub ticket: String,
    /// When it was last reviewed, RFC 3339 with time zone. Older than six months is a finding (PCI DSS 1.2.7).
    #[schemars(schema_with = "date_time")]
    pub reviewed_at: Time,
    /// When it ends, RFC 3339 with time zone. At this instant the flow closes. Example: `2027-04-01T00:00:00Z`.
    #[schemars(schema_with = "date_time")]
    pub expires_at: Time,
    /// Account data goes through it, such as card numbers: part of the data flows that are documented (PCI DSS 1.2.4). `false` is the
    /// default. Example: `true`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub account_data: bool,
    /// Why a service that sends in plain text, such as FTP or LDAP, is acceptable here: what protects it; at least a sentence of 20
    /// characters (PCI DSS 1.2.6, 2.2.5). Without it a port of such a service is a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 20, max = 1024))]
    pub mitigation: Option<String>,
    /// Who opens the connection.
    pub from: Peer,
    /// Who accepts it.
    pub to: Peer,
    /// On which ports, at most 20. A flow without ports would open all of them and is refused.
    #[schemars(length(min = 1, max = 20))]
    pub ports: Vec<Port>,
}

/// One end of a flow: exactly one of `namespace`, `zone`, `cidrs`, `internet` and `apiServer`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.namespace) ? 1 : 0) + (has(self.zone) ? 1 : 0) + (has(self.cidrs) ? 1 : 0) + (has(self.internet) ? 1 : 0) + (has(self.apiServer) ? 1 : 0) == 1")
        .message("from, to: set exactly one of namespace, zone, cidrs, internet and apiServer"),
    validation = Rule::new("!has(self.podSelector) || has(self.namespace)")
        .message("from, to: podSelector goes with namespace"),
    validation = Rule::new("!has(self.cidrs) || self.cidrs.all(c, isCIDR(c) && cidr(c) == cidr(c).masked())")
        .message("cidrs: each entry is a network such as 203.0.113.0/28 or 2001:db8::/64, without host bits"),
    validation = Rule::new("!has(self.cidrs) || self.cidrs.all(c, !isCIDR(c) || cidr(c).prefixLength() >= (cidr(c).ip().family() == 4 ? 8 : 16))")
        .message("cidrs: a network wider than /8 (IPv4) or /16 (IPv6) would take in the cluster itself; name smaller ones, or use internet: true"),
    validation = Rule::new("(!has(self.internet) || self.internet) && (!has(self.apiServer) || self.apiServer)")
        .message("internet, apiServer: the only value is true; leave the field out otherwise"),
)]
pub struct Peer {
    /// Pods of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// Only the pods with these labels; without it all pods of `namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<Selector>,
    /// All pods of this zone, by its name; it may be the zone itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub zone: Option<String>,
    /// Networks outside the cluster, at most 64; none wider than /8 (IPv4) or /16 (IPv6). Example: `[203.0.113.0/28]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(max = 43)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub cidrs: Vec<String>,
    /// Public addresses: everything except private, link-local and unique-local networks and the cluster's own
    /// pods, services and nodes (PCI DSS 1.4.2). The only value is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internet: Option<bool>,
    /// The API server: the addresses behind the `kubernetes` Service, followed as they change. The only value is `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<bool>,
}

/// One port of a flow.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Transport protocol. Default: `TCP`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Port number at the destination pod, 1 to 65535 (the container's port, not the Service's).
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Transport protocol.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// Transmission Control Protocol.
    #[default]
    TCP,
    /// User Datagram Protocol.
    UDP,
    /// Stream Control Transmission Protocol.
    SCTP,
}

impl Protocol {
    /// Every protocol that a policy can name.
    pub const ALL: [Protocol; 3] = [Protocol::TCP, Protocol::UDP, Protocol::SCTP];

    /// A protocol as the Kubernetes API spells it; TCP where it says nothing, `None` where there is no such.
    pub fn read(text: Option<&str>) -> Option<Self> {
        text.map_or(Some(Protocol::TCP), |text| Self::ALL.into_iter().find(|protocol| protocol.as_str() == text))
    }

    /// The same where an API server takes an empty text for none, which it does not in policies.
    pub fn or_tcp(text: Option<&str>) -> Option<Self> {
        Self::read(text.filter(|text| !text.is_empty()))
    }

    /// The spelling of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::TCP => "TCP",
            Protocol::UDP => "UDP",
            Protocol::SCTP => "SCTP",
        }
    }
}

/// An RFC 3339 date-time that this program can read. The `date-time` format alone also lets a `t` or a comma and
/// offsets of a day through, and the calendar of the program ends with the year 9999, seen from any time zone.
pub(super) fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "date-time",
        "maxLength": 35,
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        "x-kubernetes-validations": [{
            "rule": "self >= timestamp('2000-01-01T00:00:00Z') && self < timestamp('9999-01-01T00:00:00Z')",
            "message": "give a date from the year 2000 to the year 9998, such as 2027-04-01T00:00:00Z"
        }]
    })
}
