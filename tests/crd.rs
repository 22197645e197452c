//! The rules of the PciZone, judged by a real API server without any operator.
//!
//! What is refused stands beside what is accepted, so that a rule which always refuses fails here too.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use kube::Client;
use pcizone::{
    api::{self, Control, PciZone},
    cli::manifests::{Reader, Settings},
    engine::Snapshot,
};
use schemars::schema_for;
use serde_json::{Value, json};
use testbed::{ControlPlane, Kubectl, Options};

const NAMESPACES: &str = "/spec/scope/namespaces";
const HOSTING: &str = "/spec/hosting";
const NODES: &str = "/spec/hosting/nodes";
const DNS: &str = "/spec/segmentation/dns";
const FLOWS: &str = "/spec/segmentation/flows";
const FLOW: &str = "/spec/segmentation/flows/0";
const FROM: &str = "/spec/segmentation/flows/0/from";
const TO: &str = "/spec/segmentation/flows/0/to";
const REVIEWED: &str = "/spec/segmentation/flows/0/reviewedAt";
const EXPIRES: &str = "/spec/segmentation/flows/0/expiresAt";
const EXCEPTIONS: &str = "/spec/exceptions";
const EXCEPTION: &str = "/spec/exceptions/0";
const ATTESTATIONS: &str = "/spec/attestations";
const ATTESTATION: &str = "/spec/attestations/0";
const SCOPE: &str = "/spec/scope";
const CONFIRMATION: &str = "/spec/scope/confirmation";

/// A place in the valid zone, another value for it, and what the refusal says.
type Refused = (&'static str, Value, &'static str);
/// A place in the valid zone and another value for it.
type Accepted = (&'static str, Value);

/// A zone that is accepted.
fn valid() -> Value {
    json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": {"name": "cde"},
        "spec": {
            "mode": "Enforce",
            "scope": {"namespaces": {"names": ["checkout", "vault"]}, "confirmation": confirmation()},
            "segmentation": {"flows": [flow("checkout-to-vault")]},
            "hosting": {"nodes": {"names": ["pci-1"]}},
            "exceptions": [exception("Pod/vault/*")],
            "attestations": [attestation("SecureCodingTraining")],
        },
    })
}

/// A confirmation that is accepted.
fn confirmation() -> Value {
    let digest = format!("sha256:{}", "0".repeat(64));
    json!({"confirmedAt": "2026-10-01T00:00:00Z", "confirmedBy": "scope-owner", "digest": digest})
}

/// An attestation that is accepted.
fn attestation(control: &str) -> Value {
    json!({
        "control": control, "statement": "All teams were trained in October.", "by": "qa-lead",
        "at": "2026-10-01T00:00:00Z", "validUntil": "2027-10-01T00:00:00Z", "link": "https://wiki.example.com/pci",
    })
}

/// A scope of this category, with a flow that carries account data or not.
fn of_category(category: &str, account_data: Option<bool>) -> Value {
    let mut flow = flow("checkout-to-vault");
    if let Some(account_data) = account_data {
        flow["accountData"] = json!(account_data);
    }
    let scope = json!({"namespaces": {"names": ["vault"]}, "category": category});
    json!({"scope": scope, "segmentation": {"flows": [flow]}})
}

/// An exception that is accepted.
fn exception(subject: &str) -> Value {
    json!({
        "finding": "PodPlacementNotEnforced", "subject": subject, "need": "The vendor ships the template in spring.",
        "riskAnalysis": "RA-17", "owner": "payments", "approvedBy": "ciso", "expiresAt": "2027-04-01T00:00:00Z",
    })
}

/// A flow that is accepted.
fn flow(name: &str) -> Value {
    json!({
        "name": name, "need": "Checkout stores card numbers as tokens.", "owner": "payments",
        "approvedBy": "security", "ticket": "PAY-1", "reviewedAt": "2026-10-01T00:00:00Z",
        "expiresAt": "2027-04-01T00:00:00Z", "from": {"namespace": "checkout"}, "to": {"namespace": "vault"},
        "ports": [{"port": 8443}],
    })
}

/// The flow with other ends.
fn between(from: &Value, to: &Value) -> Value {
    let mut flow = flow("checkout-to-vault");
    flow["from"] = from.clone();
    flow["to"] = to.clone();
    flow
}

/// The pods of a namespace that a selector picks.
fn pods(selector: &Value) -> Value {
    json!({"namespace": "vault", "podSelector": selector})
}

/// Pods by one requirement on the label `app`.
fn pods_where(operator: &str, values: Option<Value>) -> Value {
    let mut requirement = json!({"key": "app", "operator": operator});
    if let Some(values) = values {
        requirement["values"] = values;
    }
    pods(&json!({"matchExpressions": [requirement]}))
}

/// `count` different values, made from their numbers.
fn list<T: Into<Value>>(count: usize, one: impl Fn(usize) -> T) -> Value {
    Value::Array((0..count).map(|n| one(n).into()).collect())
}

/// Labels with keys of their own.
fn labels(count: usize) -> Value {
    Value::Object((0..count).map(|n| (format!("label-{n}"), json!("x"))).collect())
}

/// Requirements with keys of their own.
fn expressions(count: usize) -> Value {
    list(count, |n| json!({"key": format!("label-{n}"), "operator": "Exists"}))
}

fn text(length: usize) -> Value {
    json!("n".repeat(length))
}

fn refused_scope() -> Vec<Refused> {
    let none = "declare at least one namespace, by names or by selector";
    let all = "an empty selector would take in every namespace";
    let reserved = "are never members of a zone";
    vec![
        ("/metadata/name", text(64), "at most 63 letters"),
        ("/metadata/name", json!("not.a.label"), "no dots"),
        ("/spec/mode", json!("Strict"), "Unsupported value"),
        ("/spec/colour", json!("red"), "unknown field"),
        (NAMESPACES, json!({}), none),
        (NAMESPACES, json!({"names": []}), none),
        (NAMESPACES, json!({"names": null, "selector": null}), none),
        (NAMESPACES, json!({"selector": {}}), all),
        (NAMESPACES, json!({"selector": {"matchLabels": {}, "matchExpressions": []}}), all),
        (NAMESPACES, json!({"names": ["vault"], "selector": {}}), all),
        (NAMESPACES, json!({"selector": {"matchLabels": {"team ": "payments"}}}), "each key is a label key"),
        (NAMESPACES, json!({"selector": {"matchLabels": labels(17)}}), "must have at most 16"),
        (NAMESPACES, json!({"names": list(5001, |n| format!("n-{n}"))}), "must have at most 5000"),
        (NAMESPACES, json!({"names": ["vault", "vault"]}), "Duplicate value"),
        (NAMESPACES, json!({"names": ["kube-system"]}), reserved),
        (NAMESPACES, json!({"names": ["kube-public"]}), reserved),
        (NAMESPACES, json!({"names": ["kube-node-lease"]}), reserved),
        (NAMESPACES, json!({"names": ["vault", "pcizone-system"]}), reserved),
        (NAMESPACES, json!({"names": ["Upper"]}), "should match"),
        (NAMESPACES, json!({"names": [""]}), "at least 1"),
        (NAMESPACES, json!({"names": [text(64)]}), "may not be more than 63"),
    ]
}

fn refused_people() -> Vec<Refused> {
    let digest = "/spec/scope/confirmation/digest";
    let link = "/spec/attestations/0/link";
    let address = "link is an address such as";
    vec![
        ("/spec/scope/category", json!("Connected"), "Unsupported value"),
        ("/spec/scope/environment", json!("Prod"), "Unsupported value"),
        ("/spec/scope/entityType", json!("Bank"), "Unsupported value"),
        ("/spec", of_category("ConnectedTo", Some(true)), "a ConnectedTo zone holds no account data"),
        ("/spec/scope/confirmation/confirmedAt", json!("2026-10-01"), "must be of type date-time"),
        ("/spec/scope/confirmation/confirmedBy", json!(""), "at least 1"),
        ("/spec/scope/confirmation/confirmedBy", text(254), "may not be more than 253"),
        (digest, json!("sha256:0"), "at least 71"),
        (digest, json!(format!("sha256:{}", "G".repeat(64))), "should match"),
        (digest, json!(format!("sha256:{}", "0".repeat(65))), "may not be more than 71"),
        (ATTESTATIONS, json!([attestation("CodeReview"), attestation("CodeReview")]), "Duplicate value"),
        ("/spec/attestations/0/control", json!("Yoga"), "Unsupported value"),
        ("/spec/attestations/0/statement", text(19), "at least 20"),
        ("/spec/attestations/0/statement", text(1025), "may not be more than 1024"),
        ("/spec/attestations/0/by", json!(""), "at least 1"),
        ("/spec/attestations/0/by", text(254), "may not be more than 253"),
        ("/spec/attestations/0/validUntil", json!("2026-10-01T00:00:00Z"), "validUntil must be later than at"),
        (link, json!("http://wiki.example.com/pci"), address),
        (link, json!("wiki.example.com"), address),
        (link, json!("https://"), address),
        (link, json!("javascript:alert(1)"), address),
        (link, json!(""), "at least 1"),
        (link, json!(format!("https://wiki.example.com/{}", "n".repeat(1000))), "may not be more than 1024"),
    ]
}

fn refused_hosting() -> Vec<Refused> {
    let none = "declare at least one node, by names or by selector";
    let all = "an empty selector would take every node";
    let ours = "select by a label of your own";
    let label = "node-restriction.kubernetes.io/pcizone";
    vec![
        (HOSTING, json!({}), "nodes: Required value"),
        ("/spec/hosting/mode", json!("Strict"), "Unsupported value"),
        (NODES, json!({}), none),
        (NODES, json!({"names": []}), none),
        (NODES, json!({"selector": {}}), all),
        (NODES, json!({"selector": {"matchLabels": {}, "matchExpressions": []}}), all),
        (NODES, json!({"names": ["pci-1"], "selector": {}}), all),
        (NODES, json!({"selector": {"matchLabels": {label: "cde"}}}), ours),
        (NODES, json!({"selector": {"matchExpressions": [{"key": label, "operator": "Exists"}]}}), ours),
        (NODES, json!({"selector": {"matchLabels": {"a..b/x": "y"}}}), "each key is a label key"),
        (NODES, json!({"selector": {"matchExpressions": expressions(17)}}), "must have at most 16"),
        (NODES, json!({"names": list(1001, |n| format!("n-{n}"))}), "must have at most 1000"),
        (NODES, json!({"names": ["pci-1", "pci-1"]}), "Duplicate value"),
        (NODES, json!({"names": ["pci-1 "]}), "should match"),
        (NODES, json!({"names": ["a..b"]}), "should match"),
        (NODES, json!({"names": [""]}), "at least 1"),
        (NODES, json!({"names": [text(254)]}), "may not be more than 253"),
        ("/spec/hosting/taintEffects", json!(["PreferNoSchedule"]), "Unsupported value"),
        ("/spec/hosting/taintEffects", json!([]), "at least 1"),
        ("/spec/hosting/taintEffects", json!(["NoSchedule", "NoSchedule"]), "Duplicate value"),
        ("/spec/hosting/taintEffects", json!(["NoSchedule", "NoExecute", "NoExecute"]), "must have at most 2"),
    ]
}

/// Logging that is accepted; its sink is reached by the flow that `valid` has.
fn logging() -> Value {
    let image = |name: &str| format!("registry.example.com/{name}@sha256:{}", "0".repeat(64));
    json!({
        "forwarder": {"image": image("fluent-bit")}, "linger": {"image": image("pcizone")},
        "sinks": [{
            "name": "siem", "flow": "checkout-to-vault", "credentialsSecret": "siem", "authentication": "ApiKey",
            "elasticsearch": {"url": "https://logs.example.com:9200", "dataStream": "pci-audit"},
        }],
    })
}

/// The same with something else in it.
fn logging_with(place: &str, value: &Value) -> Value {
    let mut logging = json!({"spec": {"logging": logging()}});
    let (parent, key) = place.rsplit_once('/').unwrap();
    let parent = logging.pointer_mut(&format!("/spec/logging{parent}")).unwrap();
    match (parent, value) {
        (Value::Object(parent), Value::Null) => drop(parent.remove(key)),
        (Value::Object(parent), value) => drop(parent.insert(key.to_string(), value.clone())),
        _ => panic!("{place}"),
    }
    logging["spec"]["logging"].take()
}

fn refused_scanning() -> Vec<Refused> {
    let place = "/spec/scanning";
    let registry = |entry: &str| (place, json!({"registries": [entry]}), "should match");
    vec![
        (place, json!({"mode": "Strict"}), "Unsupported value"),
        (place, json!({"digests": "Optional", "admission": "Proven"}), "needs digests: Required"),
        (place, json!({"digests": "Optional", "admission": "Overdue"}), "needs digests: Required"),
        (place, json!({"admission": "All"}), "Unsupported value"),
        registry("library"),
        registry("https://registry.example.com"),
        registry("registry.example.com/"),
        registry("Registry.example.com"),
        registry("registry.example.com/pci*"),
        registry("registry.example.com:port/pci"),
        registry("registry.example.com/pci:1"),
        (place, json!({"registries": ["a.example.com", "a.example.com"]}), "Duplicate value"),
        (place, json!({"registries": list(65, |n| json!(format!("r{n}.example.com")))}), "must have at most 64"),
        (place, json!({"reports": {"maxAgeDays": 0}}), "greater than or equal to 1"),
        (place, json!({"reports": {"maxAgeDays": 93}}), "less than or equal to 92"),
        (place, json!({"reports": {"writers": ["trivy-operator"]}}), "should match"),
        (place, json!({"fixWithinDays": {"critical": 31}}), "less than or equal to 30"),
        (place, json!({"fixWithinDays": {"high": 0}}), "greater than or equal to 1"),
        (place, json!({"runtimeClasses": ["gVisor"]}), "should match"),
        (place, json!({"signers": [""]}), "at least 1"),
    ]
}

fn refused_logging() -> Vec<Refused> {
    let place = "/spec/logging";
    let one = "set exactly one of elasticsearch, openSearch";
    let row = |at: &str, value: Value, message: &'static str| (place, logging_with(at, &value), message);
    vec![
        row("/mode", json!("Strict"), "Unsupported value"),
        row("/linger", Value::Null, "forwarder and linger go together"),
        row("/forwarder", Value::Null, "forwarder and linger go together"),
        row("/sinks", json!([]), "a forwarder needs somewhere to send to"),
        row("/sinks/0/flow", json!("other"), "flow names one of spec.segmentation.flows"),
        row("/sinks/0/flow", Value::Null, "flow: Required value"),
        row("/sinks/0/elasticsearch", Value::Null, one),
        row("/sinks/0/otlp", json!({"url": "https://otlp.example.com"}), one),
        row("/sinks/0/elasticsearch/url", json!("logs.example.com:9200"), "should match"),
        row("/sinks/0/elasticsearch/url", json!("https://user:password@logs.example.com"), "should match"),
        row("/sinks/0/elasticsearch/dataStream", json!("../x"), "should match"),
        row("/sinks/0/name", json!("a-name-that-is-too-long"), "may not be more than 20"),
        row("/sinks/0/credentialsSecret", json!("Not_A_Name"), "should match"),
        row("/sinks/0/store", json!({"kind": "OpenSearch", "url": "https://logs"}), "name the data stream"),
        row(
            "/sinks/0/store",
            json!({"kind": "VictoriaLogs", "url": "https://logs", "name": "x"}),
            "VictoriaLogs has none",
        ),
        row("/sinks/0/store", json!({"kind": "Sqlite", "url": "https://logs"}), "Unsupported value"),
        row("/forwarder/image", json!("fluent-bit:3"), "should match"),
        row("/forwarder/kind", json!("Vector"), "Unsupported value"),
        row("/forwarder/template", json!(text(16_385)), "may not be more than 16384"),
        row("/linger/waitSeconds", json!(0), "greater than or equal to 1"),
        row("/sources", json!([{"path": "var/log"}]), "should match"),
        row("/sources", json!([{"path": "/"}]), "at least 2"),
        row("/sources", json!([{"path": "/var/../etc"}]), "should match"),
        row("/sources", json!([{"path": "/a"}, {"path": "/a"}]), "Duplicate value"),
        row(
            "/sources",
            json!([{"path": "/a"}, {"path": "/b"}, {"path": "/c"}, {"path": "/d"}, {"path": "/e"}]),
            "must have at most 4",
        ),
        row("/retention", json!({"days": 30, "searchableDays": 31}), "nothing is at hand that is not kept"),
    ]
}

fn refused_flows() -> Vec<Refused> {
    let order = "expiresAt must be later than reviewedAt";
    let date = "must be of type date-time";
    vec![
        ("/spec/segmentation/mode", json!("Strict"), "Unsupported value"),
        (FLOWS, json!([flow("twice"), flow("twice")]), "Duplicate value"),
        (FLOWS, list(501, |n| flow(&format!("flow-{n}"))), "must have at most 500"),
        ("/spec/segmentation/flows/0/name", json!("Upper"), "should match"),
        ("/spec/segmentation/flows/0/name", json!("not.a.label"), "should match"),
        ("/spec/segmentation/flows/0/name", json!(""), "at least 1"),
        ("/spec/segmentation/flows/0/name", text(64), "may not be more than 63"),
        ("/spec/segmentation/flows/0/need", text(19), "at least 20"),
        ("/spec/segmentation/flows/0/need", text(1025), "may not be more than 1024"),
        ("/spec/segmentation/flows/0/owner", json!(""), "at least 1"),
        ("/spec/segmentation/flows/0/owner", text(254), "may not be more than 253"),
        ("/spec/segmentation/flows/0/approvedBy", json!(""), "at least 1"),
        ("/spec/segmentation/flows/0/approvedBy", text(254), "may not be more than 253"),
        ("/spec/segmentation/flows/0/approvedBy", json!("payments"), "approvedBy must differ from owner"),
        ("/spec/segmentation/flows/0/ticket", json!(""), "at least 1"),
        ("/spec/segmentation/flows/0/ticket", text(254), "may not be more than 253"),
        (EXPIRES, json!("2026-09-01T00:00:00Z"), order),
        (EXPIRES, json!("2026-10-01T00:00:00Z"), order),
        // The same instant in another time zone.
        (EXPIRES, json!("2026-10-01T02:00:00+02:00"), order),
        (EXPIRES, json!(""), date),
        (EXPIRES, json!("2027-04-01"), date),
        (EXPIRES, json!("2027-04-01T00:00:00"), date),
        (EXPIRES, json!("2027-04-01 00:00:00Z"), date),
        (EXPIRES, json!("2027-02-29T00:00:00Z"), date),
        (EXPIRES, json!("2027-04-01T24:00:00Z"), date),
        (EXPIRES, json!("2027-06-30T23:59:60Z"), date),
        (EXPIRES, json!("2027-04-01t00:00:00z"), "should match"),
        (EXPIRES, json!("2027-04-01T00:00:00,5Z"), "should match"),
        (EXPIRES, json!("2027-04-01T00:00:00+24:00"), "should match"),
        (EXPIRES, json!("2027-04-01T00:00:00+23:60"), "should match"),
        (EXPIRES, json!("2027-04-01T00:00:00+99:99"), "should match"),
        (EXPIRES, json!("9999-12-31T23:59:59Z"), "to the year 9998"),
        (EXPIRES, json!("9999-01-01T00:00:00Z"), "to the year 9998"),
        (EXPIRES, json!("9998-12-31T23:59:59-23:59"), "to the year 9998"),
        (REVIEWED, json!("1999-12-31T23:59:59Z"), "from the year 2000"),
        (REVIEWED, json!("0000-01-01T00:00:00Z"), "from the year 2000"),
        (REVIEWED, json!("2026-10-01"), date),
        ("/spec/segmentation/flows/0/mitigation", text(19), "at least 20"),
        ("/spec/segmentation/flows/0/mitigation", text(1025), "may not be more than 1024"),
        ("/spec/segmentation/flows/0/accountData", json!("yes"), "must be of type boolean"),
        ("/spec/segmentation/flows/0/ports", json!([]), "at least 1"),
        ("/spec/segmentation/flows/0/ports", list(21, |n| json!({"port": n + 1})), "must have at most 20"),
        ("/spec/segmentation/flows/0/ports/0", json!({"protocol": "TCP"}), "port: Required value"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(0), "greater than or equal to 1"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(65536), "less than or equal to 65535"),
        ("/spec/segmentation/flows/0/ports/0/port", json!("https"), "must be of type integer"),
        ("/spec/segmentation/flows/0/ports/0/protocol", json!("ICMP"), "Unsupported value"),
    ]
}

fn refused_exceptions() -> Vec<Refused> {
    let never = "can never be accepted";
    vec![
        (EXCEPTIONS, json!([exception("Pod/a/b"), exception("Pod/a/b")]), "Duplicate value"),
        (EXCEPTIONS, list(101, |n| exception(&format!("Pod/vault/{n}"))), "must have at most 100"),
        ("/spec/exceptions/0/finding", json!("NoSuchFinding"), "Unsupported value"),
        ("/spec/exceptions/0/finding", json!("BreakGlassUsed"), never),
        ("/spec/exceptions/0/finding", json!("ExceptionExpired"), never),
        ("/spec/exceptions/0/finding", json!("OperatorPermissionMissing"), never),
        ("/spec/exceptions/0/subject", json!("*"), "should match"),
        ("/spec/exceptions/0/subject", json!("pod/vault/x"), "should match"),
        ("/spec/exceptions/0/subject", json!("Pod"), "should match"),
        ("/spec/exceptions/0/subject", json!("*/vault/x"), "should match"),
        ("/spec/exceptions/0/subject", json!(""), "at least 1"),
        ("/spec/exceptions/0/subject", json!(format!("Pod/{}", "n".repeat(328))), "may not be more than 331"),
        ("/spec/exceptions/0/need", text(19), "at least 20"),
        ("/spec/exceptions/0/need", text(1025), "may not be more than 1024"),
        ("/spec/exceptions/0/riskAnalysis", json!(""), "at least 1"),
        ("/spec/exceptions/0/riskAnalysis", text(254), "may not be more than 253"),
        ("/spec/exceptions/0/approvedBy", json!(""), "at least 1"),
        ("/spec/exceptions/0/approvedBy", text(254), "may not be more than 253"),
        ("/spec/exceptions/0/approvedBy", json!("payments"), "nobody accepts their own risk"),
        ("/spec/exceptions/0/owner", json!(""), "at least 1"),
        ("/spec/exceptions/0/expiresAt", json!("2027-04-01"), "must be of type date-time"),
    ]
}

fn refused_peers() -> Vec<Refused> {
    let one = "set exactly one of namespace, zone, cidrs, internet and apiServer";
    let network = "each entry is a network such as";
    let wide = "use internet: true";
    let values = "In and NotIn need values, Exists and DoesNotExist take none";
    let outside = "at least one end must be pods";
    let cidrs = json!({"cidrs": ["198.51.100.0/24"]});
    let mut rows = vec![
        (TO, json!({}), one),
        (TO, json!({"namespace": null}), one),
        (TO, json!({"internet": false}), "the only value is true"),
        (TO, json!({"apiServer": false}), "the only value is true"),
        (FROM, json!({"apiServer": true}), "apiServer can only be the destination"),
        (TO, json!({"zone": "web", "podSelector": {}}), "podSelector goes with namespace"),
        (TO, json!({"internet": true, "podSelector": {}}), "podSelector goes with namespace"),
        (TO, json!({"namespace": "Upper"}), "should match"),
        (TO, json!({"namespace": ""}), "at least 1"),
        (TO, json!({"namespace": text(64)}), "may not be more than 63"),
        (TO, json!({"zone": "not.a.label"}), "should match"),
        (TO, json!({"zone": ""}), "at least 1"),
        (TO, json!({"zone": text(64)}), "may not be more than 63"),
        (TO, json!({"cidrs": []}), "at least 1"),
        (TO, json!({"cidrs": list(65, |n| format!("198.51.{n}.0/24"))}), "must have at most 64"),
        (TO, json!({"cidrs": ["203.0.113.0/28", "203.0.113.0/28"]}), "Duplicate value"),
        (TO, json!({"cidrs": [text(44)]}), "may not be more than 43"),
        (TO, json!({"cidrs": ["nonsense"]}), network),
        (TO, json!({"cidrs": ["203.0.113.7"]}), network),
        (TO, json!({"cidrs": ["10.0.0.1/8"]}), network),
        (TO, json!({"cidrs": ["203.0.113.0/28", "2001:db8::1/64"]}), network),
        (TO, json!({"cidrs": ["203.0.113.0/33"]}), network),
        (TO, json!({"cidrs": ["203.0.113.000/28"]}), network),
        (TO, json!({"cidrs": ["::ffff:203.0.113.0/124"]}), network),
        (TO, json!({"cidrs": ["0.0.0.0/0"]}), wide),
        (TO, json!({"cidrs": ["::/0"]}), wide),
        (TO, json!({"cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}), wide),
        (TO, json!({"cidrs": ["10.0.0.0/8", "12.0.0.0/7"]}), wide),
        (TO, json!({"cidrs": ["2000::/15"]}), wide),
        (FROM, json!({"cidrs": ["0.0.0.0/0"]}), wide),
        (FLOW, between(&cidrs, &cidrs), outside),
        (FLOW, between(&json!({"internet": true}), &cidrs), outside),
        (FLOW, between(&cidrs, &json!({"internet": true})), outside),
        (FLOW, between(&cidrs, &json!({"apiServer": true})), outside),
        (TO, pods_where("In", None), values),
        (TO, pods_where("In", Some(json!([]))), values),
        (TO, pods_where("NotIn", None), values),
        (TO, pods_where("NotIn", Some(json!([]))), values),
        (TO, pods_where("Exists", Some(json!(["vault"]))), values),
        (TO, pods_where("DoesNotExist", Some(json!(["vault"]))), values),
        (TO, pods_where("Gt", Some(json!(["1"]))), "Unsupported value"),
        (TO, pods_where("In", Some(json!(["vault "]))), "should match"),
        (TO, pods_where("In", Some(json!([text(64)]))), "may not be more than 63"),
        (TO, pods_where("In", Some(list(33, |n| format!("v-{n}")))), "must have at most 32"),
        (TO, pods(&json!({"matchLabels": labels(17)})), "must have at most 16"),
        (TO, pods(&json!({"matchExpressions": expressions(17)})), "must have at most 16"),
        (TO, pods(&json!({"matchLabels": {"app": "vault "}})), "should match"),
        (TO, pods(&json!({"matchLabels": {"app": "-vault"}})), "should match"),
        (TO, pods(&json!({"matchLabels": {"app": text(64)}})), "may not be more than 63"),
    ];
    let kinds = [
        ("namespace", json!("vault")),
        ("zone", json!("web")),
        ("cidrs", json!(["198.51.100.0/24"])),
        ("internet", json!(true)),
        ("apiServer", json!(true)),
    ];
    for (n, (first, value)) in kinds.iter().enumerate() {
        for (second, other) in &kinds[n + 1..] {
            rows.push((TO, json!({*first: value, *second: other}), one));
        }
    }
    let long = "p.".repeat(127);
    for key in [
        "app ", " app", "a b", "-app", "app-", "a..b/x", ".a/x", "a./x", "A.b/x", "a_b/x", "/x", "x/", "a/b/x", "é",
        "x\n",
    ] {
        rows.push((TO, pods(&json!({"matchLabels": {key: "x"}})), "each key is a label key"));
        rows.push((TO, pods(&json!({"matchExpressions": [{"key": key, "operator": "Exists"}]})), "should match"));
    }
    for (key, message) in [
        (String::new(), "at least 1"),
        ("n".repeat(64), "should match"),
        (format!("{long}p/x"), "before the slash"),
        ("n".repeat(318), "may not be more than 317"),
    ] {
        rows.push((TO, pods(&json!({"matchLabels": {key.as_str(): "x"}})), "each key is a label key"));
        rows.push((TO, pods(&json!({"matchExpressions": [{"key": key, "operator": "Exists"}]})), message));
    }
    rows
}

fn refused_dns() -> Vec<Refused> {
    let server = "each entry is the address of one server";
    let label = "name a label that the DNS pods carry";
    let without = |operator: &str| json!({"matchExpressions": [{"key": "app", "operator": operator}]});
    let not_in = json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]});
    vec![
        (DNS, json!({"namespace": "kube_system"}), "should match"),
        (DNS, json!({"namespace": ""}), "at least 1"),
        (DNS, json!({"namespace": text(64)}), "may not be more than 63"),
        (DNS, json!({"podSelector": {}}), label),
        (DNS, json!({"podSelector": {"matchLabels": {}, "matchExpressions": []}}), label),
        (DNS, json!({"podSelector": without("DoesNotExist")}), label),
        (DNS, json!({"podSelector": not_in}), label),
        (DNS, json!({"podSelector": {"matchLabels": {"app ": "dns"}}}), "each key is a label key"),
        (DNS, json!({"ports": []}), "at least 1"),
        (DNS, json!({"ports": list(5, |n| n + 1)}), "must have at most 4"),
        (DNS, json!({"ports": [53, 53]}), "Duplicate value"),
        (DNS, json!({"ports": [0]}), "greater than or equal to 1"),
        (DNS, json!({"ports": [65536]}), "less than or equal to 65535"),
        (DNS, json!({"cidrs": list(9, |n| format!("169.254.20.{n}/32"))}), "must have at most 8"),
        (DNS, json!({"cidrs": ["169.254.20.10/32", "169.254.20.10/32"]}), "Duplicate value"),
        (DNS, json!({"cidrs": [text(44)]}), "may not be more than 43"),
        (DNS, json!({"cidrs": ["nonsense"]}), server),
        (DNS, json!({"cidrs": ["169.254.20.10"]}), server),
        (DNS, json!({"cidrs": ["169.254.20.10/24"]}), server),
        (DNS, json!({"cidrs": ["169.254.20.0/24"]}), server),
        (DNS, json!({"cidrs": ["169.254.20.10/32", "fd00::/32"]}), server),
        (DNS, json!({"cidrs": ["0.0.0.0/0"]}), server),
    ]
}

fn accepted_people() -> Vec<Accepted> {
    vec![
        ("/spec/segmentation/flows/0/mitigation", text(20)),
        ("/spec/segmentation/flows/0/accountData", json!(true)),
        ("/spec/scope/environment", json!("Production")),
        ("/spec/scope/environment", Value::Null),
        ("/spec/scope/entityType", json!("ServiceProvider")),
        (SCOPE, json!({"namespaces": {"names": ["vault"]}})),
        (CONFIRMATION, Value::Null),
        ("/spec", of_category("CardholderData", Some(true))),
        ("/spec", of_category("SecurityImpacting", Some(true))),
        ("/spec", of_category("ConnectedTo", Some(false))),
        ("/spec", of_category("ConnectedTo", None)),
        ("/spec", json!({"scope": {"namespaces": {"names": ["vault"]}, "category": "ConnectedTo"}})),
        (ATTESTATIONS, json!([])),
        (ATTESTATIONS, Value::Array(Control::ALL.map(|control| attestation(control.as_str())).to_vec())),
        ("/spec/attestations/0/link", Value::Null),
        ("/spec/attestations/0/link", json!("https://wiki.example.com:8443/pci?page=1#top")),
        (EXCEPTIONS, json!([])),
        (EXCEPTIONS, list(100, |n| exception(&format!("Pod/vault/{n}")))),
        ("/spec/exceptions/0/owner", Value::Null),
        ("/spec/exceptions/0/finding", json!("CniEnforcementUnproven")),
        ("/spec/exceptions/0/subject", json!("ClusterRoleBinding/kubeadm:cluster-admins")),
        ("/spec/exceptions/0/subject", json!("Group/Domain Admins")),
        ("/spec/exceptions/0/subject", json!(format!("Pod/{}", "n".repeat(327)))),
    ]
}

fn accepted() -> Vec<Accepted> {
    let selector = json!({"matchLabels": {"team": "payments"}});
    let requirement = json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["payments", ""]}]});
    let pool = json!({"matchLabels": {"node-restriction.kubernetes.io/pool": "pci"}});
    let inside = json!({"namespace": "checkout"});
    let mut rows = vec![
        ("/metadata/name", text(63)),
        ("/spec", json!({"scope": {"namespaces": {"names": ["vault"]}}})),
        ("/spec/mode", json!("Observe")),
        ("/spec/mode", json!("Enforce")),
        ("/spec/segmentation/mode", json!("Observe")),
        ("/spec/segmentation/mode", json!("Enforce")),
        ("/spec/hosting/mode", json!("Observe")),
        ("/spec/hosting/mode", json!("Enforce")),
        (NAMESPACES, json!({"names": [text(63), "not-there-yet"]})),
        (NAMESPACES, json!({"selector": selector})),
        (NAMESPACES, json!({"selector": requirement})),
        (NAMESPACES, json!({"names": [], "selector": selector})),
        (NAMESPACES, json!({"names": ["vault"], "selector": selector})),
        (NODES, json!({"names": ["pci-1", "pci-2.example.com"]})),
        (NODES, json!({"selector": pool})),
        (NODES, json!({"selector": {"matchExpressions": [{"key": "pci", "operator": "Exists"}]}})),
        (NODES, json!({"names": ["pci-1"], "selector": pool})),
        ("/spec/hosting/taintEffects", json!(["NoSchedule"])),
        ("/spec/hosting/taintEffects", json!(["NoExecute"])),
        ("/spec/hosting/taintEffects", json!(["NoSchedule", "NoExecute"])),
        (DNS, json!({})),
        (DNS, json!({"namespace": "openshift-dns", "podSelector": selector, "ports": [5353, 53]})),
        (DNS, json!({"podSelector": requirement})),
        (DNS, json!({"podSelector": {"matchExpressions": [{"key": "dns", "operator": "Exists"}]}})),
        (DNS, json!({"cidrs": ["169.254.20.10/32", "fd00::a/128"]})),
        (FLOWS, json!([])),
        (FLOWS, json!([flow("one"), flow("two")])),
        ("/spec/segmentation/flows/0/name", text(63)),
        ("/spec/segmentation/flows/0/need", text(20)),
        ("/spec/segmentation/flows/0/need", text(1024)),
        ("/spec/segmentation/flows/0/owner", text(253)),
        ("/spec/segmentation/flows/0/ticket", text(253)),
        (REVIEWED, json!("2000-01-01T00:00:00Z")),
        (EXPIRES, json!("2026-10-01T00:00:00.000000001Z")),
        (EXPIRES, json!("2026-10-01T00:00:00-00:01")),
        (EXPIRES, json!("2028-02-29T12:00:00.5+05:30")),
        (EXPIRES, json!("2028-02-29T12:00:00-00:00")),
        (EXPIRES, json!("9998-12-31T23:59:59.999999999+23:59")),
        ("/spec/segmentation/flows/0/ports", json!([{"port": 1}, {"protocol": "TCP", "port": 65535}])),
        ("/spec/segmentation/flows/0/ports", json!([{"protocol": "UDP", "port": 1}, {"protocol": "SCTP", "port": 1}])),
        (TO, json!({"namespace": "vault"})),
        (TO, pods(&json!({}))),
        (TO, pods(&selector)),
        (TO, pods_where("In", Some(json!(["vault", "", text(63)])))),
        (TO, pods_where("NotIn", Some(json!(["vault"])))),
        (TO, pods_where("Exists", None)),
        (TO, pods_where("Exists", Some(json!([])))),
        (TO, pods_where("DoesNotExist", None)),
        (TO, json!({"zone": "web"})),
        (TO, json!({"cidrs": ["10.0.0.0/8", "203.0.113.7/32"]})),
        (TO, json!({"cidrs": ["2001::/16", "2001:DB8::1/128"]})),
        (TO, json!({"cidrs": ["203.0.113.0/28", "2001:db8::/64"]})),
        (TO, json!({"internet": true})),
        (TO, json!({"apiServer": true})),
        (FROM, json!({"zone": "web"})),
        (FROM, json!({"cidrs": ["203.0.113.0/28", "2001:db8::/64"]})),
        (FROM, json!({"internet": true})),
        (FLOW, between(&json!({"zone": "web"}), &json!({"internet": true}))),
        (FLOW, between(&inside, &inside)),
        // Null is nothing.
        ("/spec/hosting", Value::Null),
        ("/spec/segmentation", Value::Null),
        ("/spec/segmentation/mode", Value::Null),
        (DNS, json!({"namespace": null, "podSelector": null, "ports": null, "cidrs": null})),
        (FLOWS, Value::Null),
        (
            TO,
            json!({"namespace": "vault", "podSelector": null, "zone": null, "cidrs": null, "internet": null, "apiServer": null}),
        ),
    ];
    for key in label_keys() {
        let labels = json!({key.as_str(): "A.b_c-1"});
        let requirement = json!({"key": key, "operator": "In", "values": ["A.b_c-1"]});
        rows.push((TO, pods(&json!({"matchLabels": labels, "matchExpressions": [requirement]}))));
    }
    rows
}

/// Keys that a label can have, up to the limits.
fn label_keys() -> Vec<String> {
    let longest = format!("{}p/{}", "p.".repeat(126), "n".repeat(63));
    assert_eq!(longest.len(), 253 + 1 + 63);
    let others = ["a", "App", "k8s-app", "app.kubernetes.io/name", "a-b.c/D_e.f-g", "1/2"];
    others.map(str::to_string).into_iter().chain([longest]).collect()
}

/// The zone with another value at one place.
fn with(place: &str, value: &Value) -> Value {
    let mut zone = valid();
    let (parent, key) = place.rsplit_once('/').unwrap();
    match zone.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
        Value::Object(fields) => drop(fields.insert(key.to_string(), value.clone())),
        other => panic!("{parent} holds nothing: {other}"),
    }
    zone
}

/// A flow of the largest zone.
fn largest_flow(n: usize, cidrs: &Value, selector: &Value) -> Value {
    let mut flow = between(&pods(selector), &json!({"cidrs": cidrs}));
    flow["name"] = json!(format!("flow-{n}"));
    flow["ports"] = list(20, |port| json!({"port": port + 1}));
    flow
}

/// A zone with every list full; what it names at the ends of its flows is given.
fn largest(cidrs: &Value, selector: &Value) -> Value {
    let mut zone = valid();
    let selectors = json!({"matchLabels": labels(16), "matchExpressions": expressions(16)});
    let namespaces = list(5000, |n| format!("namespace-{n}"));
    zone["spec"]["scope"]["namespaces"] = json!({"names": namespaces, "selector": selectors});
    let nodes = list(1000, |n| format!("node-{n}.example.com"));
    zone["spec"]["hosting"]["nodes"] = json!({"names": nodes, "selector": selectors});
    let servers = list(8, |n| format!("169.254.20.{n}/32"));
    zone["spec"]["segmentation"]["dns"] = json!({"podSelector": selectors, "cidrs": servers});
    zone["spec"]["segmentation"]["flows"] = list(500, |n| largest_flow(n, cidrs, selector));
    zone["spec"]["exceptions"] = list(100, |n| exception(&format!("Pod/vault/{n}")));
    zone
}

/// Creates the zone without keeping it. What the API server accepts must be a zone for the program too: one value
/// that it cannot read takes the whole zone out of service.
async fn send(client: &Client, zone: &Value) -> Result<(), String> {
    let place = "/apis/pcizone.dev/v1alpha1/pcizones?dryRun=All&fieldValidation=Strict";
    let request = http::Request::post(place).header("content-type", "application/json");
    match client.request::<PciZone>(request.body(zone.to_string().into_bytes()).unwrap()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(error) => panic!("accepted, but not readable: {error}: {zone}"),
    }
}

/// A value for a message, without the tail of a long one.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}

/// The table of what is refused, and every field of a flow left out.
async fn judge_refused(client: &Client, wrong: &mut Vec<String>) {
    let topics = [
        refused_scope(),
        refused_people(),
        refused_hosting(),
        refused_flows(),
        refused_peers(),
        refused_dns(),
        refused_exceptions(),
        refused_scanning(),
        refused_logging(),
    ];
    for (place, value, message) in topics.into_iter().flatten() {
        match send(client, &with(place, &value)).await {
            Ok(()) => wrong.push(format!("{place} = {}: accepted", shown(&value))),
            Err(answer) if answer.contains(message) => {}
            Err(answer) => wrong.push(format!("{place} = {}: wanted «{message}», got {answer}", shown(&value))),
        }
    }
    let of_flow = ["name", "need", "owner", "approvedBy", "ticket", "reviewedAt", "expiresAt", "from", "to", "ports"];
    let of_exception = ["finding", "subject", "need", "riskAnalysis", "approvedBy", "expiresAt"];
    let of_attestation = ["control", "statement", "by", "at", "validUntil"];
    let of_confirmation = ["confirmedAt", "confirmedBy", "digest"];
    for (place, fields) in [
        (FLOW, &of_flow[..]),
        (EXCEPTION, &of_exception),
        (ATTESTATION, &of_attestation),
        (CONFIRMATION, &of_confirmation),
    ] {
        for field in fields {
            let mut zone = valid();
            zone.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(*field);
            match send(client, &zone).await {
                Err(answer) if answer.contains(&format!("{field}: Required value")) => {}
                other => wrong.push(format!("{place} without {field}: {other:?}")),
            }
        }
    }
}

/// The table of what is accepted, and the largest zones: the rules must not cost more than the API server allows.
async fn judge_accepted(client: &Client, wrong: &mut Vec<String>) {
    for scanning in [
        json!({}),
        json!({"registries": ["registry.example.com", "registry.example.com:5000/pci/a-b__c", "localhost/x", "docker.io/library"]}),
        json!({"admission": "Proven", "reports": {"maxAgeDays": 1, "writers": ["trivy-system/trivy-operator"]}}),
        json!({"digests": "Optional", "sbom": "Optional", "fixWithinDays": {"critical": 7, "low": 366}}),
        json!({"mode": "Warn", "signers": ["https://gitlab.example.com/x"], "runtimeClasses": ["gvisor", "kata.qemu"]}),
    ] {
        if let Err(answer) = send(client, &with("/spec/scanning", &scanning)).await {
            wrong.push(format!("{scanning}: {answer}"));
        }
    }
    for logging in [logging(), logging_with("/sinks/0/trust", &json!("Secret")), json!({})] {
        if let Err(answer) = send(client, &with("/spec/logging", &logging)).await {
            wrong.push(format!("{logging}: {answer}"));
        }
    }
    for (place, value) in accepted().into_iter().chain(accepted_people()) {
        if let Err(answer) = send(client, &with(place, &value)).await {
            wrong.push(format!("{place} = {}: {answer}", shown(&value)));
        }
    }
    let v4 = list(64, |n| format!("198.51.{n}.0/24"));
    let longest = list(64, |n| format!("2001:0db8:0000:0000:0000:0000:0000:{n:04x}/128"));
    let long_labels: serde_json::Map<_, _> = (0..16).map(|n| (format!("{n:a>63}"), json!("x"))).collect();
    for (name, zone) in [
        ("many networks", largest(&v4, &json!({"matchLabels": labels(16)}))),
        ("the longest networks", largest(&longest, &json!({}))),
        ("the longest labels", largest(&json!(["203.0.113.0/28"]), &json!({"matchLabels": long_labels}))),
        ("many requirements", largest(&json!(["203.0.113.0/28"]), &json!({"matchExpressions": expressions(16)}))),
    ] {
        if let Err(answer) = send(client, &zone).await {
            wrong.push(format!("the largest zone, {name}: {answer}"));
        }
    }
}

#[tokio::test]
async fn the_api_server_refuses_what_makes_no_sense_and_accepts_the_rest() {
    let (cluster, kubectl) = cluster().await;
    let client = cluster.admin_client().await.unwrap();
    send(&client, &valid()).await.unwrap();
    let mut wrong = Vec::new();
    judge_refused(&client, &mut wrong).await;
    judge_accepted(&client, &mut wrong).await;
    assert!(wrong.is_empty(), "{wrong:#?}");

    // The same keys in the policy that is made from a flow.
    for key in label_keys() {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"podSelector": {"matchLabels": {key.as_str(): "A.b_c-1"}}},
        });
        kubectl.run_stdin(&["create", "--dry-run=server", "--filename=-"], &policy.to_string()).await.expect(&key);
    }

    // A zone with many flows also fits into the store, with the record of who owns which field.
    let many = largest(&list(64, |n| format!("198.51.{n}.0/24")), &json!({}));
    kubectl.run_stdin(&["create", "--filename=-"], &many.to_string()).await.unwrap();
}

/// A cluster that knows the kind.
async fn cluster() -> (ControlPlane, Kubectl) {
    let cluster = ControlPlane::start(Options::default()).await.expect("a cluster");
    let kubectl = cluster.kubectl();
    let definition = serde_json::to_string(&api::crd()).unwrap();
    kubectl.run_stdin(&["apply", "--server-side", "--filename=-"], &definition).await.unwrap();
    kubectl.run(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await.unwrap();
    (cluster, kubectl)
}

/// What lies in a folder of the repository.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test]
async fn users_can_read_what_they_write() {
    let (_cluster, kubectl) = cluster().await;

    // Without an operator the status says that nobody has looked yet.
    kubectl.run_stdin(&["create", "--filename=-"], &valid().to_string()).await.unwrap();
    let observed = kubectl.run(&["get", "pz", "cde", "--output=jsonpath={.status.observedGeneration}"]).await.unwrap();
    assert_eq!(observed, "-1");
    let columns = kubectl.run(&["get", "pz"]).await.unwrap();
    let header: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    let expected = [
        "NAME",
        "MODE",
        "READY",
        "COMPLIANT",
        "CRITICAL",
        "HIGH",
        "UNPROVEN",
        "NAMESPACES",
        "NODES",
        "SCANS",
        "OVERDUE",
        "LOGS",
        "RETENTION",
        "AGE",
    ];
    assert_eq!(header, expected);
    for (field, doc) in [
        ("spec.mode", "What the operator does with this zone"),
        ("spec.segmentation", "Overrides `spec.mode` for this topic"),
        ("spec.segmentation.flows", "Why the business needs it"),
        ("spec.segmentation.flows.ports", "Default: `TCP`"),
        ("spec.hosting", "Overrides `spec.mode` for this topic"),
        ("spec.hosting.nodes.selector.matchExpressions", "How the label is compared"),
        ("spec.scope", "How the zone is in scope of PCI DSS"),
        ("spec.scope.confirmation", "as it was then"),
        ("spec.exceptions", "The targeted risk analysis that it rests on"),
        ("spec.attestations", "Until when it holds"),
    ] {
        let explained = kubectl.run(&["explain", &format!("pz.{field}")]).await.unwrap();
        assert!(explained.contains(doc), "{field}: {explained}");
    }
}

#[tokio::test]
async fn what_the_repository_shows_is_accepted() {
    let (cluster, kubectl) = cluster().await;
    for zone in files("examples/zones") {
        let file = format!("--filename={}", zone.display());
        let args = ["create", "--dry-run=server", "--validate=strict", "--warnings-as-errors", &file];
        kubectl.run(&args).await.unwrap();
    }
    let shop = format!("--kustomize={}", repository("examples/shop").display());
    kubectl.run(&["apply", "--validate=strict", "--warnings-as-errors", &shop]).await.unwrap();

    // What the engine is tested with can exist.
    let client = cluster.admin_client().await.unwrap();
    let mut wrong = Vec::new();
    for case in files("tests/golden") {
        let text = fs::read_to_string(case.join("input.yaml")).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for zone in documents.iter().filter(|document| document["kind"] == "PciZone") {
            let zone = json!({
                "apiVersion": zone["apiVersion"], "kind": zone["kind"],
                "metadata": {"name": zone["metadata"]["name"]}, "spec": zone["spec"],
            });
            if let Err(answer) = send(&client, &zone).await {
                wrong.push(format!("{}: {answer}", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_committed_definition_is_the_generated_one() {
    let committed = fs::read_to_string(repository("crds/pcizones.yaml")).unwrap();
    let generated = serde_saphyr::to_string(&api::crd()).unwrap();
    assert!(committed == generated, "crds/pcizones.yaml is stale; run: cargo xtask generate");
}

/// Every part of a schema with its path: properties, items of lists (`[]`) and values of maps (`{}`).
fn parts(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    found.push((path.to_string(), schema.clone()));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        parts(&format!("{path}.{name}"), field, found);
    }
    for (below, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[below].is_object() {
            parts(&format!("{path}{mark}"), &schema[below], found);
        }
    }
}

/// Every part of the schema of `spec` or `status`.
fn parts_of(root: &str) -> Vec<(String, Value)> {
    let definition = serde_json::to_value(api::crd()).unwrap();
    let mut found = Vec::new();
    parts(root, &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][root], &mut found);
    found
}

/// What the command line says of a zone.
fn read(zone: &Value) -> Result<(), String> {
    let now = "2026-11-24T08:00:00Z".parse().unwrap();
    let settings = Settings { namespace: "default".to_string(), now, live: false };
    let mut reader = Reader::new(settings, Snapshot::default());
    reader.read("zone", true, zone.to_string().as_bytes());
    reader.finish().map(drop).map_err(|faults| faults.to_string())
}

#[test]
fn the_command_line_judges_zones_as_the_api_server_does() {
    let mut wrong = Vec::new();
    let topics = [refused_scope(), refused_hosting(), refused_flows(), refused_peers(), refused_dns()];
    for (place, value, message) in topics.into_iter().flatten() {
        if read(&with(place, &value)).is_ok() {
            wrong.push(format!("{place} = {}: accepted, and not refused with «{message}»", shown(&value)));
        }
    }
    for (place, value) in accepted() {
        if let Err(error) = read(&with(place, &value)) {
            wrong.push(format!("{place} = {}: {error}", shown(&value)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn everything_that_is_declared_is_bounded() {
    // The API server refuses rules over what has no limit, and the operator must bear the largest zone.
    let unbounded = |part: &Value| match part["type"].as_str() {
        Some("string") => part["maxLength"].is_null() && part["enum"].is_null(),
        Some("array") => part["maxItems"].is_null(),
        Some("integer") => part["minimum"].is_null() || part["maximum"].is_null(),
        Some("object") => part["properties"].is_null() && part["maxProperties"].is_null(),
        Some("boolean") => false,
        _ => true,
    };
    let parts = parts_of("spec");
    let wrong: Vec<_> = parts.iter().filter(|(_, part)| unbounded(part)).collect();
    assert!(parts.len() > 50 && wrong.is_empty(), "parts without a limit: {wrong:#?}");
}

#[test]
fn what_is_judged_at_one_place_holds_at_the_others() {
    // The tables above judge selectors, ends and dates at one place of each.
    let parts = parts_of("spec");
    for names in [
        &[".selector", ".podSelector"][..],
        &[".from", ".to"],
        &[".reviewedAt", ".expiresAt", ".confirmedAt", ".validUntil", ".at"],
    ] {
        let mut schemas: Vec<Value> = parts
            .iter()
            .filter(|(path, _)| names.iter().any(|name| path.ends_with(name)))
            .map(|(_, part)| part.clone())
            .collect();
        for schema in &mut schemas {
            for of_the_place in ["description", "nullable", "default"] {
                schema.as_object_mut().unwrap().remove(of_the_place);
            }
        }
        assert!(schemas.len() > 1 && schemas.windows(2).all(|pair| pair[0] == pair[1]), "{names:?} differ");
    }
}

#[test]
fn every_field_has_a_doc_of_its_own() {
    // The docs of types speak of no field; they show up where a derive macro lets them win.
    let types = [
        schema_for!(api::Mode),
        schema_for!(api::Scope),
        schema_for!(api::NamespaceScope),
        schema_for!(api::Segmentation),
        schema_for!(api::Dns),
        schema_for!(api::Flow),
        schema_for!(api::Peer),
        schema_for!(api::Port),
        schema_for!(api::Protocol),
        schema_for!(api::Hosting),
        schema_for!(api::Nodes),
        schema_for!(api::TaintEffect),
        schema_for!(api::Selector),
        schema_for!(api::Requirement),
        schema_for!(api::Operator),
        schema_for!(api::Category),
        schema_for!(api::Environment),
        schema_for!(api::EntityType),
        schema_for!(api::Confirmation),
        schema_for!(api::Exception),
        schema_for!(api::Attestation),
        schema_for!(api::Control),
        schema_for!(api::Finding),
        schema_for!(api::FindingState),
        schema_for!(api::Severity),
        schema_for!(api::FindingCounts),
        schema_for!(api::Obligation),
        schema_for!(api::Change),
        schema_for!(api::Plan),
    ];
    let of_types: Vec<&str> = types.iter().map(|schema| schema.get("description").unwrap().as_str().unwrap()).collect();
    let parts: Vec<_> = ["spec", "status"].into_iter().flat_map(parts_of).collect();
    let wrong: Vec<_> = parts
        .iter()
        .filter(|(path, _)| path.contains('.') && !path.ends_with([']', '}']))
        .map(|(path, field)| (path, field["description"].as_str().unwrap_or_default()))
        .filter(|(_, doc)| doc.is_empty() || of_types.contains(doc))
        .collect();
    assert!(wrong.is_empty(), "fields without a doc of their own: {wrong:#?}");
}
