//! Directory per case: `golden/<case>/input.yaml` in, `expected/` out. The same machinery writes the whole
//! PciZones of `gitops/phases/`, which a test in Go reads with the libraries of GitOps tools.
//!
//! `PCIZONE_BLESS=1 cargo test --test golden` writes what is computed; look at the diff before you commit it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::format_collect,
    reason = "a test ends where something is not as expected"
)]

mod engine_support;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use engine_support::{Model, Planned, subject};
use k8s_openapi::{
    api::core::v1::Node,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use pcizone::{
    api::{
        ControlFailure, FindingId, PciZoneStatus, SegmentationTest, TestFailure, TestResult, TestedPair, crd, names,
    },
    engine::{
        self, Snapshot,
        checks::{Found, View},
        evictions::Eviction,
        plan::Write,
        policy::Policy,
        snapshot::{Incident, Tampering},
    },
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The first document of an `input.yaml`. The others are Kubernetes objects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// What the case shows, in a sentence.
    #[serde(rename = "case")]
    _sentence: String,
    #[serde(default = "eight")]
    now: Timestamp,
    /// Let the operator put the objects in place first, at 07:00.
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    api_server: Vec<std::net::IpAddr>,
    #[serde(default)]
    services: Vec<String>,
    #[serde(default)]
    missing_rights: Vec<String>,
    /// Why the last try to write failed, by namespace or node.
    #[serde(default)]
    failures: BTreeMap<String, String>,
    /// What somebody made of guards, by subject: a merge patch of the spec, or nothing where it was deleted.
    #[serde(default)]
    meddled: BTreeMap<String, Value>,
    /// Namespaces that are made rather than listed.
    #[serde(default)]
    generate: Option<Generate>,
    /// Pods that are made rather than listed, by namespace. Every tenth has the label `app: few`.
    #[serde(default)]
    pods: BTreeMap<String, usize>,
    /// What happens then.
    #[serde(default)]
    then: Vec<Step>,
    /// Show only the writes to these namespaces and nodes.
    #[serde(default)]
    only: BTreeSet<String>,
    /// Name of the file below `gitops/phases` that shows the zone `cde`.
    #[serde(default)]
    phase: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generate {
    prefix: String,
    count: usize,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Step {
    /// Somebody edits an object.
    Edit { by: String, subject: String, patch: Value },
    /// Somebody creates an object.
    Create { by: String, object: Value },
    /// Somebody deletes an object.
    Delete(String),
    /// The user copies the digest from the status of the zone into the annotation.
    Confirm(String),
    /// The operator runs until nothing is left to do.
    Settle,
    /// Another operator takes over, which remembers nothing.
    Restart,
}

fn eight() -> Timestamp {
    at("2026-11-24T08:00:00Z")
}

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

#[test]
fn every_case_is_as_expected() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for folder in folders(&tests().join("golden")) {
        cases += 1;
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let input = fs::read_to_string(folder.join("input.yaml")).expect("each case has an input.yaml");
        let (files, phase) = run(&name, &input);
        wrong.extend(compare(&folder.join("expected"), &files));
        if let Some((phase, text)) = phase {
            wrong.extend(compare_file(&tests().join("gitops/phases").join(format!("{phase}.yaml")), &text));
        }
    }
    assert!(cases >= 60, "only {cases} cases were found");
    assert!(wrong.is_empty(), "{}\nPCIZONE_BLESS=1 writes what is computed.", wrong.join("\n"));
}

#[test]
fn a_zone_that_nobody_has_seen_has_the_status_of_the_schema() {
    let mut model = Model { now: eight(), ..Model::default() };
    model.put(zone());
    let schema = crd().spec.versions[0].schema.clone().expect("a schema").open_api_v3_schema.expect("a schema");
    let default = schema.properties.expect("properties")["status"].default.clone().expect("a default");
    let mut zone = model.objects["PciZone/cde"].clone();
    zone["status"] = default.0;
    assert_eq!(zone["status"], json!({ "observedGeneration": -1 }));
    check_phase("applied-unseen", &zone);
}

#[test]
fn a_spec_that_nobody_has_seen_has_the_status_of_the_spec_before() {
    let mut model = Model { now: eight(), ..Model::default() };
    model.put(zone());
    for namespace in ["checkout", "vault"] {
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }));
    }
    model.settle(|_, _| {}).expect("it settles");
    model.edit(
        "argocd-controller",
        "PciZone/cde",
        &json!({ "spec": { "scope": { "namespaces": { "names": ["checkout", "vault", "ledger"] } } } }),
    );
    let zone = &model.objects["PciZone/cde"];
    assert_eq!((&zone["metadata"]["generation"], &zone["status"]["observedGeneration"]), (&json!(2), &json!(1)));
    check_phase("stale-generation", zone);
}

/// Everything that a status shows, as much of it as there can be and with the longest names: 5,000 namespaces, and 100,000
/// findings with texts that JSON makes longer still.
#[test]
fn a_status_stays_below_32_kib_at_any_size_of_the_zone() {
    let long = |prefix: &str, n: usize, length: usize| format!("{prefix}{n:0width$}", width = length - prefix.len());
    let mut model = Model { now: eight(), ..Model::default() };
    let flow = |n: usize| {
        json!({
            "name": long("flow", n, 63), "need": "\"n".repeat(512), "owner": "o".repeat(253), "approvedBy": "a".repeat(253),
            "ticket": "t".repeat(253), "reviewedAt": "2026-10-01T00:00:00Z", "expiresAt": "2027-04-01T00:00:00Z",
            "from": { "namespace": long("ns", n, 63) }, "to": { "cidrs": ["203.0.113.0/28"] }, "ports": [{ "port": 443 }],
        })
    };
    // A zone in which a topic only observes, with a change that waits, and a policy of somebody else everywhere.
    let mut zone = zone();
    let name = "z".repeat(63);
    zone["metadata"]["name"] = json!(name);
    zone["metadata"]["finalizers"] = json!([names::FINALIZER]);
    let kept: Vec<String> = (0..4000).map(|n| long("ns", n, 63)).collect();
    zone["spec"]["scope"] = json!({ "namespaces": { "names": kept } });
    zone["spec"]["segmentation"] = json!({ "flows": (0..500).map(flow).collect::<Vec<_>>() });
    let exception = |n| {
        json!({
            "finding": "FlowBetweenZonesUndeclaredOneSide", "subject": format!("Flow/{}", long("\"", n, 326)),
            "need": "n".repeat(1024), "riskAnalysis": "r".repeat(253), "approvedBy": "a".repeat(253),
            "expiresAt": "2026-11-24T08:00:01Z",
        })
    };
    zone["spec"]["exceptions"] = (0..100).map(exception).collect();
    let nodes: Vec<String> = (0..1000).map(|n| long("node", n, 253)).collect();
    zone["spec"]["hosting"] = json!({ "mode": "Observe", "nodes": { "names": nodes } });
    model.put(zone);
    let fields = |key: &str| {
        let ours = json!({ "f:metadata": { "f:labels": { format!("f:{key}"): {} } } });
        json!([
            { "manager": "pcizone/any", "operation": "Apply", "time": "2026-11-24T07:00:00Z", "fieldsV1": ours },
            { "manager": "m".repeat(128), "operation": "Update", "time": "2026-11-24T07:30:00Z" },
        ])
    };
    for n in 0..5000 {
        let namespace = long("ns", n, 63);
        let (labels, fields) = (json!({ names::ZONE_LABEL: name }), fields(names::ZONE_LABEL));
        let metadata = json!({ "name": namespace, "labels": labels, "managedFields": fields });
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
        let metadata = json!({ "name": long("policy", n, 253), "namespace": namespace, "managedFields": fields });
        model.put(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
            "spec": { "podSelector": {}, "ingress": [{}] },
        }));
    }
    for n in 0..1000 {
        let (labels, fields) = (json!({ names::NODE_LABEL: name }), fields(names::NODE_LABEL));
        let metadata = json!({ "name": long("node", n, 253), "labels": labels, "managedFields": fields });
        model.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata }));
    }
    // The policies of the zone are there, so that the findings with the longest names come first.
    for planned in model.plan() {
        let (Planned::Due(write) | Planned::Observed(write)) = planned;
        if let Write::CreatePolicy(policy) = write {
            model.put(json!(policy));
        }
    }
    model.around.failures = (0..5000).map(|n| (format!("Namespace/{}", long("ns", n, 63)), "ö".repeat(5000))).collect();
    model.around.incidents.push(Incident {
        zone: name.clone(),
        subject: format!("NetworkPolicy/{}/{}", long("ns", 0, 63), long("policy", 0, 253)),
        tampering: Tampering::Changed,
        sealed: true,
        manager: Some("m".repeat(128)),
        at: eight(),
    });
    let judged = model.judge()[&name].clone();
    let mut snapshot = model.snapshot();
    snapshot.tests.insert(name.clone(), Arc::new(longest_test()));
    let resolution = engine::resolve(&snapshot);
    let zone = resolution.zone(&name).expect("the zone");
    let declaration = zone.declaration.as_deref().expect("it can be read");
    let (reach, access) = (engine::reach::Reach::new(&snapshot), engine::access::Access::new(&snapshot));
    let around = engine::checks::Around::new(&snapshot, &resolution, &reach);
    let (access, around, now) = (&access, &around, eight());
    let view = View { snapshot: &snapshot, resolution: &resolution, reach: &reach, access, around, now };
    let record = snapshot.zones.iter().find(|zone| zone.name() == name).expect("the zone").clone();
    let record = record.with_status(Some(PciZoneStatus { control_failures: failures(), ..judged.status.clone() }));
    let case = engine::checks::Case::new(view, zone, declaration, Vec::new(), &record);
    let found = |n| {
        let mut found = judged.findings[0].clone();
        found.id = FindingId::ALL[n % FindingId::ALL.len()];
        found.requirements = FindingId::AttestationExpired.requirements();
        found.accepted_until = Some(eight());
        found.subject = format!("User/{}", long("\"", n, 5000));
        (found.message, found.evidence) = ("\"\\\u{1}\n".repeat(5000), "ö\"".repeat(5000));
        found
    };
    let found: Vec<Found> = (0..100_000).map(found).collect();
    let longest = engine::status::status(&case, &found, record.status());
    assert!(longest.control_failures.len() == 5 && longest.segmentation_test.is_some());
    for status in [&judged.status, &longest] {
        let size = serde_json::to_string(status).expect("it is data").len();
        println!("{size} bytes");
        assert!(status.change.is_some() && status.plan.is_some() && status.break_glass.is_some());
        assert!(status.obligations.len() == 10 && size <= 32 * 1024, "{size} bytes");
    }
    assert_eq!(judged.status.top_findings.len(), 20);
    assert!(longest.top_findings.len() >= 8, "even then the worst are shown, not only {}", longest.top_findings.len());
    let keys: BTreeSet<_> = longest.top_findings.iter().map(|finding| (&finding.id, &finding.subject)).collect();
    assert_eq!(keys.len(), longest.top_findings.len(), "the API server takes no list with a key twice");
}

fn zone() -> Value {
    json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
        "metadata": { "name": "cde", "uid": "1", "generation": 1, "creationTimestamp": "2026-10-01T00:00:00Z" },
        "spec": { "mode": "Enforce", "scope": { "namespaces": { "names": ["checkout", "vault"] } } },
    })
}

fn check_phase(phase: &str, zone: &Value) {
    let wrong = compare_file(&tests().join("gitops/phases").join(format!("{phase}.yaml")), &phase_text(zone));
    assert_eq!(wrong, None);
}

/// Runs a case: the expected files by name, and the phase that it shows.
fn run(name: &str, input: &str) -> (BTreeMap<String, String>, Option<(String, String)>) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(input).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (case, objects) = documents.split_first().expect("a case and objects");
    let case: Case = serde_json::from_value(case.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut model = Model { now: at("2026-11-24T07:00:00Z"), ..Model::default() };
    model.around.cluster.operator_namespace = names::OPERATOR_NAMESPACE.to_string();
    model.around.cluster.api_server = case.api_server;
    model.around.cluster.services = case.services.iter().map(|net| net.parse().expect("a network")).collect();
    for object in objects {
        model.put(object.clone());
    }
    for number in 0..case.generate.as_ref().map_or(0, |generate| generate.count) {
        let Generate { prefix, labels, .. } = case.generate.as_ref().expect("it counts");
        let metadata = json!({ "name": format!("{prefix}{number:04}"), "labels": labels });
        model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata }));
    }
    for (namespace, count) in &case.pods {
        for number in 0..*count {
            let labels = json!({ "app": if number % 10 == 0 { "few" } else { "many" } });
            let created = "2026-11-24T07:30:00Z";
            let name = format!("pod-{number}");
            let metadata =
                json!({ "name": name, "namespace": namespace, "labels": labels, "creationTimestamp": created });
            let spec = json!({ "containers": [{ "name": "a" }] });
            model.put(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec }));
        }
    }
    let settle = |model: &mut Model| model.settle(|_, _| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
    if case.settled {
        settle(&mut model);
    }
    model.now = case.now;
    for step in case.then {
        match step {
            Step::Edit { by, subject, patch } => model.edit(&by, &subject, &patch),
            Step::Create { by, object } => model.create(&by, object),
            Step::Delete(subject) => model.delete(&subject),
            Step::Confirm(zone) => confirm(&mut model, &zone),
            Step::Settle => settle(&mut model),
            Step::Restart => model.restart(),
        }
    }
    model.around.missing_rights = case.missing_rights;
    model.around.failures = case.failures;
    model.meddled = case.meddled;
    let planned = model.plan();
    let shown = planned.iter().filter(|planned| {
        let (Planned::Due(write) | Planned::Observed(write)) = planned;
        case.only.is_empty() || write.namespace().is_some_and(|namespace| case.only.contains(namespace))
    });
    let mut files = BTreeMap::from([("writes.yaml".to_string(), yaml(&shown.map(shown_write).collect()))]);
    let evictions = model.judge().into_values().flat_map(|evaluation| evaluation.evictions);
    let evictions: Vec<Value> = evictions
        .map(|Eviction { zone, namespace, name, why }| {
            json!({ "zone": zone, "pod": format!("{namespace}/{name}"), "why": format!("{why:?}") })
        })
        .collect();
    if !evictions.is_empty() {
        files.insert("evictions.yaml".to_string(), yaml(&json!(evictions)));
    }
    for zone in model.objects.values().filter(|object| object["kind"] == "PciZone") {
        let name = zone["metadata"]["name"].as_str().expect("a name");
        files.insert(format!("status-{name}.yaml"), yaml(&zone["status"]));
    }
    compare_settled(name, &model);
    let phase = case.phase.map(|phase| (phase, phase_text(&model.objects["PciZone/cde"])));
    (files, phase)
}

/// What the engine foretells is what the operator makes of it, write by write.
fn compare_settled(name: &str, model: &Model) {
    let mut made = model.clone();
    made.settle(|_, _| {}).unwrap_or_else(|e| panic!("{name}: {e}"));
    let made = shape(&made.snapshot());
    let foretold = shape(&engine::settled(model.snapshot(), model.now));
    assert_eq!(foretold, made, "{name}");
}

/// Everything that the operator writes, but for its guards.
fn shape(snapshot: &Snapshot) -> Value {
    let metadata = |metadata: &ObjectMeta| json!({ "labels": metadata.labels, "annotations": metadata.annotations });
    let policy =
        |policy: &Arc<Policy>| json!([policy.metadata.name, metadata(&policy.metadata), policy.spec.as_deref()]);
    let policies = snapshot.policies.iter().filter(|(_, policies)| !policies.is_empty());
    let policies: BTreeMap<_, Vec<Value>> =
        policies.map(|(namespace, policies)| (namespace, policies.iter().map(policy).collect())).collect();
    let namespaces: BTreeMap<_, Value> =
        snapshot.namespaces.iter().map(|(name, namespace)| (name, metadata(&namespace.metadata))).collect();
    let taints = |node: &Node| json!(node.spec.as_ref().and_then(|spec| spec.taints.as_ref()));
    let nodes: BTreeMap<_, Value> =
        snapshot.nodes.iter().map(|(name, node)| (name, json!([node.metadata.labels, taints(node)]))).collect();
    without_empty(json!({ "policies": policies, "namespaces": namespaces, "nodes": nodes }))
}

/// An empty map or list says what none says.
fn without_empty(value: Value) -> Value {
    let is_empty = |value: &Value| {
        value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty) || *value == json!([])
    };
    match value {
        Value::Object(map) => {
            let map = map.into_iter().map(|(key, value)| (key, without_empty(value)));
            Value::Object(map.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(list) => {
            let list = list.into_iter().map(without_empty);
            Value::Array(list.map(|value| if is_empty(&value) { Value::Null } else { value }).collect())
        }
        value => value,
    }
}

fn confirm(model: &mut Model, zone: &str) {
    model.judge();
    let digest = model.objects[&format!("PciZone/{zone}")]["status"]["change"]["digest"].clone();
    assert!(digest.is_string(), "nothing waits for confirmation in {zone}");
    let patch = json!({ "metadata": { "annotations": { names::CONFIRM_CHANGE: digest } } });
    model.edit("kubectl-annotate", &format!("PciZone/{zone}"), &patch);
}

fn shown_write(planned: &Planned) -> Value {
    let (when, write) = match planned {
        Planned::Due(write) => ("due", write),
        Planned::Observed(write) => ("inEnforce", write),
    };
    let mut shown = json!({ when: format!("{} {}", write.verb(), write.subject()) });
    match write {
        Write::CreatePolicy(policy) | Write::ReplacePolicy { desired: policy, .. } => {
            shown["labels"] = json!(policy.metadata.labels);
            shown["spec"] = json!(policy.spec.as_deref());
        }
        Write::LabelNamespace { zone, .. } | Write::UnlabelNamespace { zone, .. } | Write::LabelNode { zone, .. } => {
            shown["zone"] = json!(zone);
        }
        Write::PatchNode { label, taints, .. } => {
            shown["zone"] = json!(label);
            shown["taints"] = json!(taints);
        }
        Write::SetPodSecurity { level, record, .. } => {
            shown["level"] = json!(level);
            shown["record"] = json!(record);
        }
        Write::DeletePolicy(_) | Write::Guard(_) => {}
    }
    shown
}

fn phase_text(zone: &Value) -> String {
    let mut zone = zone.clone();
    let metadata = zone["metadata"].as_object_mut().expect("metadata");
    metadata.remove("managedFields");
    metadata.remove("resourceVersion");
    yaml(&zone)
}

fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("it is YAML")
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).expect("the cases");
    let mut folders: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Each file as computed, none missing and none too many.
fn compare(folder: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong: Vec<String> =
        files.iter().filter_map(|(name, text)| compare_file(&folder.join(name), text)).collect();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if files.contains_key(&*path.file_name().expect("a name").to_string_lossy()) {
            continue;
        }
        if blessing() {
            fs::remove_file(&path).expect("it can be removed");
        } else {
            wrong.push(format!("{} is expected but not computed any more", path.display()));
        }
    }
    wrong
}

fn compare_file(path: &Path, computed: &str) -> Option<String> {
    if blessing() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, computed).expect("it can be written");
        return None;
    }
    let Ok(expected) = fs::read_to_string(path) else { return Some(format!("{} is missing", path.display())) };
    (expected != computed).then(|| format!("{} differs:\n{}", path.display(), difference(&expected, computed)))
}

fn blessing() -> bool {
    env::var_os("PCIZONE_BLESS").is_some()
}

/// What lies between the common beginning and the common end, with three lines around.
fn difference(expected: &str, computed: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), computed.lines().collect());
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - start;
    let end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let lines = |mark: char, lines: &[&str]| lines.iter().map(|line| format!("  {mark} {line}\n")).collect::<String>();
    [
        lines(' ', &old[start.saturating_sub(3)..start]),
        lines('-', &old[start..old.len() - end]),
        lines('+', &new[start..new.len() - end]),
        lines(' ', &old[old.len() - end..old.len().min(old.len() - end + 3)]),
    ]
    .concat()
}

/// The plan and the machinery agree about names; otherwise a case would compare nothing.
#[test]
fn a_subject_is_spelled_as_the_engine_spells_it() {
    let mut model = Model { now: eight(), ..Model::default() };
    model.put(zone());
    model.put(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "vault" } }));
    model.settle(|_, _| {}).expect("it settles");
    for (key, object) in &model.objects {
        assert_eq!(key, &subject(object));
    }
    assert!(model.objects.contains_key("NetworkPolicy/vault/pcizone-baseline"));
}

/// What a round of the canary shows at most.
fn longest_test() -> SegmentationTest {
    let node = |n: usize| format!("outside/{n:0>63}");
    SegmentationTest {
        tested_at: Time(eight()),
        result: TestResult::NotEnforced,
        message: "m".repeat(384),
        namespace: "n".repeat(63),
        round: "r".repeat(16),
        request: Some("r".repeat(64)),
        nodes: 20,
        tried: 320,
        enforced: 1,
        broken: 319,
        sample: vec!["s".repeat(160); 3],
        pairs: (0..12)
            .map(|n| TestedPair { from: node(n), to: node(n + 1), result: TestResult::NotEnforced })
            .collect(),
        failure: Some(TestFailure::Everything),
        closed_within_millis: Some(i64::MAX),
        open_at_start: 320,
        own_node: 20,
        flows: vec!["f".repeat(63); 4],
        settings_digest: Some(format!("sha256:{}", "a".repeat(64))),
        digest: format!("sha256:{}", "a".repeat(64)),
    }
}

fn failures() -> Vec<ControlFailure> {
    let failure = |n: i64| {
        let started_at = Time(Timestamp::from_second(1_790_000_000 - n).expect("an instant"));
        let ended_at = (n > 0).then(|| Time(eight()));
        ControlFailure { started_at, ended_at, what: "w".repeat(160), cause: Some("c".repeat(160)) }
    };
    (0..7).map(failure).collect()
}
