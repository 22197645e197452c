//! The rules of the PciZone, judged by a real API server without any operator.
use std::fs;

use serde_json::{Value, json};
use testbed::{ControlPlane, Kubectl, Options};

/// A zone that is accepted.
fn valid() -> Value {
    json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": {"name": "cde"},
        "spec": {
            "mode": "Enforce",
            "scope": {"namespaces": {"names": ["checkout", "vault"]}},
            "segmentation": {"flows": [{
                "name": "checkout-to-vault", "need": "Checkout stores card numbers as tokens.", "owner": "payments",
                "approvedBy": "security", "ticket": "PAY-1", "reviewedAt": "2026-10-01T00:00:00Z",
                "expiresAt": "2027-04-01T00:00:00Z", "from": {"namespace": "checkout"}, "to": {"namespace": "vault"},
                "ports": [{"port": 8443}],
            }]},
            "hosting": {"nodes": {"names": ["pci-1"]}},
        },
    })
}

async fn send(kubectl: &Kubectl, zone: &Value) -> Result<String, String> {
    let args = ["create", "--dry-run=server", "--validate=strict", "--output=name", "--filename=-"];
    kubectl.run_stdin(&args, &zone.to_string()).await.map_err(|error| format!("{error:#}"))
}

const FLOW: &str = "/spec/segmentation/flows/0";

#[tokio::test]
async fn the_api_server_refuses_what_makes_no_sense_and_says_why() {
    let cluster = ControlPlane::start(Options::default()).await.expect("a cluster");
    let kubectl = cluster.kubectl();
    let definition = serde_json::to_string(&pcizone::api::crd()).unwrap();
    kubectl.run_stdin(&["apply", "--server-side", "--filename=-"], &definition).await.unwrap();
    kubectl.run(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await.unwrap();

    // (where, what to put there, part of the message); null removes.
    let refused: &[(&str, Value, &str)] = &[
        ("/spec/scope/namespaces", json!({}), "declare at least one namespace"),
        ("/spec/scope/namespaces", json!({"names": []}), "declare at least one namespace"),
        ("/spec/scope/namespaces", json!({"selector": {}}), "an empty selector would take in every namespace"),
        ("/spec/scope/namespaces/names/0", json!("kube-system"), "are never members of a zone"),
        ("/spec/scope/namespaces/names/0", json!("pcizone-system"), "are never members of a zone"),
        ("/spec/scope/namespaces/names/0", json!("vault"), "Duplicate value"),
        ("/spec/scope/namespaces/names/0", json!("Upper"), "should match"),
        ("/spec/mode", json!("Warn"), "Unsupported value"),
        ("/spec/hosting/nodes", json!({}), "declare at least one node"),
        ("/spec/hosting/nodes", json!({"selector": {}}), "an empty selector would take every node"),
        (
            "/spec/hosting/nodes",
            json!({"selector": {"matchLabels": {"node-restriction.kubernetes.io/pcizone": "cde"}}}),
            "select by a label of your own",
        ),
        ("/spec/hosting/taintEffects", json!(["PreferNoSchedule"]), "Unsupported value"),
        ("/spec/segmentation/flows/0/need", json!("short"), "at least 20"),
        ("/spec/segmentation/flows/0/approvedBy", json!("payments"), "approvedBy must differ from owner"),
        (
            "/spec/segmentation/flows/0/expiresAt",
            json!("2026-09-01T00:00:00Z"),
            "expiresAt must be later than reviewedAt",
        ),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01"), "should match"),
        ("/spec/segmentation/flows/0/ports", json!([]), "at least 1"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(0), "greater than or equal to 1"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(65536), "less than or equal to 65535"),
        ("/spec/segmentation/flows/0/to", json!({}), "set exactly one of"),
        ("/spec/segmentation/flows/0/to", json!({"namespace": "vault", "internet": true}), "set exactly one of"),
        ("/spec/segmentation/flows/0/to", json!({"internet": false}), "the only value is true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["nonsense"]}), "without host bits"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["10.0.0.1/8"]}), "without host bits"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["0.0.0.0/0"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"zone": "x", "podSelector": {}}), "podSelector goes with namespace"),
        ("/spec/segmentation/flows/0/from", json!({"apiServer": true}), "apiServer can only be the destination"),
        (
            "/spec/segmentation/flows/0/to",
            json!({"namespace": "vault", "podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "In and NotIn need values",
        ),
        ("/spec/segmentation/dns", json!({"cidrs": ["169.254.20.10"]}), "dns.cidrs: each entry is a network"),
        ("/metadata/name", json!("n".repeat(64)), "at most 63 characters"),
    ];
    for (place, value, message) in refused {
        let mut zone = valid();
        if let Some(slot) = zone.pointer_mut(place) {
            *slot = value.clone();
        } else {
            let (parent, key) = place.rsplit_once('/').unwrap();
            zone.pointer_mut(parent).unwrap()[key] = value.clone();
        }
        let answer = send(&kubectl, &zone).await.expect_err(&format!("{place} = {value} must be refused"));
        assert!(answer.contains(message), "{place} = {value}: wanted «{message}», got {answer}");
    }

    for field in ["need", "owner", "approvedBy", "ticket", "reviewedAt", "expiresAt", "from", "to", "ports"] {
        let mut zone = valid();
        zone.pointer_mut(FLOW).unwrap().as_object_mut().unwrap().remove(field);
        let answer = send(&kubectl, &zone).await.expect_err(field);
        assert!(answer.contains(&format!("{field}: Required value")), "{field}: {answer}");
    }
    let mut twice = valid();
    let flow = twice.pointer(FLOW).unwrap().clone();
    twice["spec"]["segmentation"]["flows"].as_array_mut().unwrap().push(flow);
    assert!(send(&kubectl, &twice).await.unwrap_err().contains("Duplicate value"));

    // What is accepted, up to the limits: the rules must not cost more than the API server allows.
    send(&kubectl, &valid()).await.unwrap();
    let outside_ends = json!({"cidrs": ["198.51.100.0/24"]});
    let mut outside = valid();
    outside["spec"]["segmentation"]["flows"][0]["from"] = outside_ends.clone();
    outside["spec"]["segmentation"]["flows"][0]["to"] = outside_ends;
    assert!(send(&kubectl, &outside).await.unwrap_err().contains("at least one end must be pods"));
    let mut large = valid();
    large["spec"]["scope"]["namespaces"]["names"] = (0..5000).map(|n| json!(format!("namespace-{n}"))).collect();
    let flow = large.pointer(FLOW).unwrap().clone();
    let ports: Vec<Value> = (1..=20).map(|port| json!({"port": port})).collect();
    let flows = (0..500).map(|n| {
        let mut flow = flow.clone();
        flow["name"] = json!(format!("flow-{n}"));
        flow["ports"] = json!(ports);
        flow
    });
    large["spec"]["segmentation"]["flows"] = flows.collect();
    send(&kubectl, &large).await.unwrap();

    // Without an operator the status says that nobody has looked yet.
    kubectl.run_stdin(&["create", "--filename=-"], &valid().to_string()).await.unwrap();
    let observed = kubectl.run(&["get", "pz", "cde", "--output=jsonpath={.status.observedGeneration}"]).await.unwrap();
    assert_eq!(observed, "-1");
    let columns = kubectl.run(&["get", "pz"]).await.unwrap();
    let header: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    let expected = ["NAME", "MODE", "READY", "COMPLIANT", "CRITICAL", "HIGH", "UNPROVEN", "NAMESPACES", "NODES", "AGE"];
    assert_eq!(header, expected);
    let explained = kubectl.run(&["explain", "pz.spec.segmentation.flows"]).await.unwrap();
    assert!(explained.contains("Why the business needs it"), "{explained}");
}

#[test]
fn the_committed_definition_is_the_generated_one() {
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/crds/pcizones.yaml")).unwrap();
    let generated = serde_saphyr::to_string(&pcizone::api::crd()).unwrap();
    assert!(committed == generated, "crds/pcizones.yaml is stale; run: cargo xtask generate");
}

#[test]
fn every_field_is_documented() {
    fn walk(path: &str, schema: &Value, bare: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                bare.push(path.clone());
            }
            walk(&path, field, bare);
        }
        if schema["items"].is_object() {
            walk(&format!("{path}[]"), &schema["items"], bare);
        }
    }
    let definition = serde_json::to_value(pcizone::api::crd()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut bare = Vec::new();
    for root in ["spec", "status"] {
        walk(root, &schema[root], &mut bare);
    }
    assert!(bare.is_empty(), "fields without documentation: {bare:#?}");
}
