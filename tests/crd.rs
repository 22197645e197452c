//! The rules of the PciZone, judged by a real API server without any operator.
use std::fs;

use kube::Client;
use pcizone::api::{self, PciZone};
use schemars::schema_for;
use serde_json::{Value, json};
use testbed::{ControlPlane, Options};

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

/// Creates the zone without keeping it. What the API server accepts must be a zone for the program too: one value
/// that it cannot read takes the whole zone out of service.
async fn send(client: &Client, zone: &Value) -> Result<PciZone, String> {
    let place = "/apis/pcizone.dev/v1alpha1/pcizones?dryRun=All&fieldValidation=Strict";
    let request = http::Request::post(place).header("content-type", "application/json");
    match client.request(request.body(zone.to_string().into_bytes()).unwrap()).await {
        Ok(accepted) => Ok(accepted),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(error) => panic!("accepted, but not readable: {error}: {zone}"),
    }
}

/// The valid zone with another value at one place; null removes what is there.
fn with(place: &str, value: &Value) -> Value {
    let mut zone = valid();
    let (parent, key) = place.rsplit_once('/').unwrap();
    match zone.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
        Value::Object(fields) if value.is_null() => drop(fields.remove(key)),
        Value::Object(fields) => drop(fields.insert(key.to_string(), value.clone())),
        other => panic!("{parent} holds nothing: {other}"),
    }
    zone
}

/// Keys that no label can have; a NetworkPolicy with such a selector is refused by the API server.
fn bad_label_keys() -> Vec<String> {
    let name = "n".repeat(63);
    let prefix = format!("{}.{}", vec!["p".repeat(63); 3].join("."), "p".repeat(62));
    ["", "app ", " app", "a b", "-app", "app-", "a..b/x", ".a/x", "a./x", "A.b/x", "a_b/x", "/x", "x/", "a/b/x", "é"]
        .map(str::to_string)
        .into_iter()
        .chain([format!("{name}n"), format!("{prefix}/x"), "x\n".to_string()])
        .collect()
}

/// Keys that a label can have, up to the limits.
fn good_label_keys() -> Vec<String> {
    let prefix = format!("{}.{}", vec!["p".repeat(63); 3].join("."), "p".repeat(61));
    assert_eq!(prefix.len(), 253);
    ["a", "App", "k8s-app", "app.kubernetes.io/name", "a-b.c/D_e.f-g", "1/2"]
        .map(str::to_string)
        .into_iter()
        .chain([format!("{prefix}/{}", "n".repeat(63))])
        .collect()
}

const FLOW: &str = "/spec/segmentation/flows/0";

#[tokio::test]
async fn the_api_server_refuses_what_makes_no_sense_and_says_why() {
    let cluster = ControlPlane::start(Options::default()).await.expect("a cluster");
    let kubectl = cluster.kubectl();
    let client = cluster.admin_client().await.unwrap();
    let definition = serde_json::to_string(&api::crd()).unwrap();
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
        ("/spec/hosting/nodes/names/0", json!("pci-1 "), "should match"),
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
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01"), "must be of type date-time"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T00:00:00"), "must be of type date-time"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-02-29T00:00:00Z"), "must be of type date-time"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T24:00:00Z"), "must be of type date-time"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-06-30T23:59:60Z"), "must be of type date-time"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01t00:00:00z"), "should match"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T00:00:00,5Z"), "should match"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T00:00:00+24:00"), "should match"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T00:00:00+23:60"), "should match"),
        ("/spec/segmentation/flows/0/expiresAt", json!("2027-04-01T00:00:00+99:99"), "should match"),
        ("/spec/segmentation/flows/0/expiresAt", json!("9999-12-31T23:59:59Z"), "to the year 9998"),
        ("/spec/segmentation/flows/0/expiresAt", json!("9999-01-01T00:00:00Z"), "to the year 9998"),
        ("/spec/segmentation/flows/0/reviewedAt", json!("1999-12-31T23:59:59Z"), "from the year 2000"),
        ("/spec/segmentation/flows/0/reviewedAt", json!("0000-01-01T00:00:00Z"), "from the year 2000"),
        ("/spec/segmentation/flows/0/ports", json!([]), "at least 1"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(0), "greater than or equal to 1"),
        ("/spec/segmentation/flows/0/ports/0/port", json!(65536), "less than or equal to 65535"),
        ("/spec/segmentation/flows/0/to", json!({}), "set exactly one of"),
        ("/spec/segmentation/flows/0/to", json!({"namespace": "vault", "internet": true}), "set exactly one of"),
        ("/spec/segmentation/flows/0/to", json!({"internet": false}), "the only value is true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["nonsense"]}), "without host bits"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["10.0.0.1/8"]}), "without host bits"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["0.0.0.0/0"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["::/0"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["0.0.0.0/1", "128.0.0.0/1"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["10.0.0.0/8", "12.0.0.0/7"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["2000::/15"]}), "use internet: true"),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["::ffff:0.0.0.0/96"]}), "each entry is a network"),
        ("/spec/segmentation/flows/0/to", json!({"zone": "not.a.label"}), "should match"),
        ("/spec/segmentation/flows/0/to", json!({"zone": "x", "podSelector": {}}), "podSelector goes with namespace"),
        ("/spec/segmentation/flows/0/from", json!({"apiServer": true}), "apiServer can only be the destination"),
        (
            "/spec/segmentation/flows/0/to",
            json!({"namespace": "vault", "podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "In and NotIn need values",
        ),
        (
            "/spec/segmentation/flows/0/to",
            json!({"namespace": "vault", "podSelector": {"matchLabels": {"a": "b "}}}),
            "should match",
        ),
        (
            "/spec/segmentation/flows/0/to",
            json!({"namespace": "vault", "podSelector": {"matchLabels": {"a": "-b"}}}),
            "should match",
        ),
        (
            "/spec/segmentation/flows/0/to",
            json!({"namespace": "vault", "podSelector": {"matchLabels": {"a": "b".repeat(64)}}}),
            "may not be more than 63 bytes",
        ),
        ("/spec/segmentation/dns", json!({"cidrs": ["169.254.20.10"]}), "the address of one server"),
        ("/spec/segmentation/dns", json!({"cidrs": ["169.254.20.0/24"]}), "the address of one server"),
        ("/spec/segmentation/dns", json!({"cidrs": ["fd00::/32"]}), "the address of one server"),
        ("/spec/segmentation/dns", json!({"podSelector": {}}), "name a label that the DNS pods carry"),
        ("/spec/segmentation/dns", json!({"podSelector": {"matchLabels": {}}}), "name a label that the DNS pods carry"),
        (
            "/spec/segmentation/dns",
            json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}}),
            "name a label that the DNS pods carry",
        ),
        ("/spec/segmentation/dns", json!({"namespace": "kube_system"}), "should match"),
        ("/metadata/name", json!("n".repeat(64)), "at most 63 letters"),
        ("/metadata/name", json!("not.a.label"), "no dots"),
    ];
    for (place, value, message) in refused {
        let answer = send(&client, &with(place, value)).await.expect_err(&format!("{place} = {value} must be refused"));
        assert!(answer.contains(message), "{place} = {value}: wanted «{message}», got {answer}");
    }

    let pods = |selector: Value| json!({"namespace": "vault", "podSelector": selector});
    for key in bad_label_keys() {
        let place = "/spec/segmentation/flows/0/to";
        let labels = with(place, &pods(json!({"matchLabels": {key.as_str(): "x"}})));
        let answer = send(&client, &labels).await.expect_err(&key);
        assert!(answer.contains("each key is a label key"), "{key}: {answer}");
        let expressions = with(place, &pods(json!({"matchExpressions": [{"key": key, "operator": "Exists"}]})));
        let answer = send(&client, &expressions).await.expect_err(&key);
        let messages = ["should match", "before the slash", "at least 1 chars long"];
        assert!(messages.iter().any(|message| answer.contains(message)), "{key}: {answer}");
    }
    for key in good_label_keys() {
        let selector = json!({
            "matchLabels": {key.as_str(): "A.b_c-1"},
            "matchExpressions": [{"key": key, "operator": "In", "values": ["", "A.b_c-1", "v".repeat(63)]}],
        });
        send(&client, &with("/spec/segmentation/flows/0/to", &pods(selector.clone()))).await.expect(&key);
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "default"},
            "spec": {"podSelector": selector},
        });
        kubectl.run_stdin(&["create", "--dry-run=server", "--filename=-"], &policy.to_string()).await.expect(&key);
    }

    for field in ["need", "owner", "approvedBy", "ticket", "reviewedAt", "expiresAt", "from", "to", "ports"] {
        let mut zone = valid();
        zone.pointer_mut(FLOW).unwrap().as_object_mut().unwrap().remove(field);
        let answer = send(&client, &zone).await.expect_err(field);
        assert!(answer.contains(&format!("{field}: Required value")), "{field}: {answer}");
    }
    let mut twice = valid();
    let flow = twice.pointer(FLOW).unwrap().clone();
    twice["spec"]["segmentation"]["flows"].as_array_mut().unwrap().push(flow);
    assert!(send(&client, &twice).await.unwrap_err().contains("Duplicate value"));

    let accepted: &[(&str, Value)] = &[
        ("/spec/mode", json!("Enforce")),
        ("/spec/segmentation/mode", json!("Observe")),
        ("/spec/hosting/mode", json!("Observe")),
        ("/spec/segmentation/flows/0/expiresAt", json!("9998-12-31T23:59:59.999999999+23:59")),
        ("/spec/segmentation/flows/0/expiresAt", json!("2028-02-29T12:00:00.5+05:30")),
        ("/spec/segmentation/flows/0/expiresAt", json!("2028-02-29T12:00:00-00:00")),
        ("/spec/segmentation/flows/0/reviewedAt", json!("2000-01-01T00:00:00Z")),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["10.0.0.0/8", "203.0.113.7/32"]})),
        ("/spec/segmentation/flows/0/to", json!({"cidrs": ["2001::/16", "2001:db8::1/128"]})),
        ("/spec/segmentation/dns", json!({"cidrs": ["169.254.20.10/32", "fd00::a/128"]})),
        ("/spec/segmentation/dns", json!({"namespace": "dns", "podSelector": {"matchLabels": {"app": "dns"}}})),
        (
            "/spec/segmentation/dns",
            json!({"podSelector": {"matchExpressions": [{"key": "dns", "operator": "Exists"}]}}),
        ),
    ];
    for (place, value) in accepted {
        let answer = send(&client, &with(place, value)).await;
        answer.unwrap_or_else(|refusal| panic!("{place} = {value} must be accepted: {refusal}"));
    }

    // What is accepted, up to the limits: the rules must not cost more than the API server allows.
    let outside_ends = json!({"cidrs": ["198.51.100.0/24"]});
    let mut outside = valid();
    outside["spec"]["segmentation"]["flows"][0]["from"] = outside_ends.clone();
    outside["spec"]["segmentation"]["flows"][0]["to"] = outside_ends;
    assert!(send(&client, &outside).await.unwrap_err().contains("at least one end must be pods"));
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
    send(&client, &large).await.unwrap();

    // Without an operator the status says that nobody has looked yet.
    kubectl.run_stdin(&["create", "--filename=-"], &valid().to_string()).await.unwrap();
    let observed = kubectl.run(&["get", "pz", "cde", "--output=jsonpath={.status.observedGeneration}"]).await.unwrap();
    assert_eq!(observed, "-1");
    let columns = kubectl.run(&["get", "pz"]).await.unwrap();
    let header: Vec<&str> = columns.lines().next().unwrap().split_whitespace().collect();
    let expected = ["NAME", "MODE", "READY", "COMPLIANT", "CRITICAL", "HIGH", "UNPROVEN", "NAMESPACES", "NODES", "AGE"];
    assert_eq!(header, expected);
    for (field, doc) in [
        ("spec.mode", "What the operator does with this zone"),
        ("spec.segmentation", "Overrides `spec.mode` for this topic"),
        ("spec.segmentation.flows", "Why the business needs it"),
        ("spec.segmentation.flows.ports", "Default: `TCP`"),
        ("spec.hosting", "Overrides `spec.mode` for this topic"),
        ("spec.hosting.nodes.selector.matchExpressions", "How the label is compared"),
    ] {
        let explained = kubectl.run(&["explain", &format!("pz.{field}")]).await.unwrap();
        assert!(explained.contains(doc), "{field}: {explained}");
    }
}

#[test]
fn the_committed_definition_is_the_generated_one() {
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/crds/pcizones.yaml")).unwrap();
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
