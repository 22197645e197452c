//! Random clusters: zones in every state, and around them what findings are about.

use k8s_openapi::jiff::Timestamp;
use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::{self, Snapshot, settled},
    evidence::{Dossier, Judgement, Place, judgement},
};
use proptest::{
    prelude::Rng,
    test_runner::{RngAlgorithm, TestRng},
};
use serde_json::{Value, json};

const NOW: &str = "2026-11-24T08:00:00Z";
const NAMESPACES: [&str; 4] = ["vault", "checkout", "shop", "gone"];
const ZONES: [&str; 3] = ["cde", "web", "test"];
/// Names that no API server takes, and a cluster of long ago may show.
const HOSTILE: [&str; 8] =
    ["a\"] --> b", "=1+1", "a,\"b\"\nc", "x|y\\", "<b>&amp;", "#quot;", "  ", "\u{1b}[31m\u{202e}"];

struct Random(TestRng);

impl Random {
    fn new(number: u32) -> Self {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        Random(TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.0.next_u32()).unwrap_or_default() % most.max(1)
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The judgement of a random cluster.
pub fn judged(number: u32) -> (Judgement, Dossier) {
    let random = &mut Random::new(number);
    // A live cluster may hold what no manifest may.
    let live = random.chance(30);
    let now: Timestamp = NOW.parse().expect("a time");
    let mut reader = Reader::new(Settings { namespace: "default".to_string(), now, live }, Snapshot::default());
    for (file, object) in objects(random, live).iter().enumerate() {
        reader.read(&format!("{file}.yaml"), live, object.to_string().as_bytes());
    }
    let input = reader.finish().unwrap_or_else(|faults| panic!("cluster {number}: {faults}"));
    let as_is = live || random.chance(40);
    let snapshot = if as_is { settled::as_is(input.snapshot, now) } else { settled::settled(input.snapshot, now) };
    let resolution = engine::resolve(&snapshot);
    let evaluations = engine::evaluate(&snapshot, &resolution, now);
    let dossier = Dossier::new(&snapshot, &resolution, &evaluations, now, as_is);
    let mut judgement = judgement(&snapshot, &evaluations, as_is, now);
    judgement.locate(|zone, finding| {
        let found = finding.map_or_else(|| input.places.zone(zone), |one| input.places.finding(zone, one));
        found.map(|place| Place { file: place.source, line: place.line })
    });
    (judgement, dossier)
}

fn objects(random: &mut Random, live: bool) -> Vec<Value> {
    let mut objects = Vec::new();
    for name in NAMESPACES.iter().take(3) {
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    }
    for number in 0..random.below(3) {
        let metadata = json!({"name": format!("node-{number}"), "labels": {"pool": "pci"}});
        objects.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata}));
    }
    for name in ZONES.iter().take(1 + random.below(3)) {
        objects.push(zone(random, name, live));
    }
    for number in 0..random.below(4) {
        let name = named(random, live, "policy", number);
        objects.push(policy(random, &name));
    }
    for number in 0..random.below(4) {
        let name = named(random, live, "pod", number);
        objects.push(pod(random, &name));
    }
    for number in 0..random.below(3) {
        let name = named(random, live, "service", number);
        objects.push(service(random, &name));
    }
    objects
}

fn named(random: &mut Random, live: bool, kind: &str, number: usize) -> String {
    if live && random.chance(40) { format!("{}{number}", random.of(&HOSTILE)) } else { format!("{kind}-{number}") }
}

fn zone(random: &mut Random, name: &str, live: bool) -> Value {
    let mut spec = json!({
        "mode": random.of(&["Observe", "Warn", "Enforce", "Enforce"]),
        "scope": {"namespaces": {"names": [random.of(&NAMESPACES)]}},
        "segmentation": {"flows": (0..random.below(3)).map(|number| flow(random, number)).collect::<Vec<_>>()},
    });
    if random.chance(8) {
        spec["scope"]["namespaces"]["names"] = json!(["gone"]);
    }
    if random.chance(30) {
        spec["hosting"] = json!({"nodes": {"names": [format!("node-{}", random.below(3))]}});
    }
    if random.chance(60) {
        let accepted = [
            "PolicyAllowsWorld",
            "PolicyPortsMissing",
            "HostNetworkPod",
            "DefaultDenyMissing",
            "NamespaceUnlabelled",
            "ScopeConfirmationOverdue",
            "FlowExpired",
        ];
        let exceptions = accepted.iter().filter(|_| random.chance(50)).collect::<Vec<_>>();
        let exceptions = exceptions.into_iter().map(|finding| exception(random, finding));
        spec["exceptions"] = exceptions.collect();
    }
    if random.chance(30) {
        let until = random.of(&["2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-09-01T00:00:00Z"]);
        spec["attestations"] = json!([{"control": "CodeReview", "statement": "All changes had a second reader.", "by": "qa",
                                       "at": "2026-09-01T00:00:00Z", "validUntil": until}]);
    }
    if random.chance(40) {
        spec["scanning"] = json!({"registries": random.of(&[json!([]), json!(["registry.example.com"])])});
    }
    if live && random.chance(15) {
        spec["mode"] = json!("Sometimes");
    }
    json!({"apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": {"name": name, "uid": name, "generation": 1},
           "spec": spec})
}

fn exception(random: &mut Random, finding: &str) -> Value {
    let subject = match finding {
        "HostNetworkPod" => "Pod/*/*",
        "DefaultDenyMissing" | "NamespaceUnlabelled" => "Namespace/*",
        "ScopeConfirmationOverdue" => "PciZone/*",
        "FlowExpired" => "Flow/*/*",
        _ => "NetworkPolicy/*/*",
    };
    let end =
        random.of(&["2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-06-01T00:00:00Z", "2027-06-01T00:00:00Z"]);
    json!({"finding": finding, "subject": subject, "need": "It will be replaced in spring.", "riskAnalysis": "RA-17",
           "approvedBy": "ciso", "expiresAt": end})
}

fn flow(random: &mut Random, number: usize) -> Value {
    let peers = [
        json!({"namespace": "shop"}),
        json!({"namespace": "gone"}),
        json!({"internet": true}),
        json!({"apiServer": true}),
    ];
    let end = random.of(&["2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-06-01T00:00:00Z"]);
    json!({"name": format!("flow-{number}"), "need": "Checkout stores card numbers as tokens in the vault.", "owner": "payments",
           "approvedBy": "security", "ticket": "PAY-1", "reviewedAt": random.of(&["2026-03-01T00:00:00Z", "2026-09-01T00:00:00Z"]),
           "expiresAt": end, "from": {"namespace": random.of(&NAMESPACES[..2])}, "to": random.of(&peers),
           "ports": [{"port": random.of(&[21, 443, 8443])}]})
}

fn policy(random: &mut Random, name: &str) -> Value {
    let peer = random.of(&[
        json!([]),
        json!([{"namespaceSelector": {}}]),
        json!([{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]),
        json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
    ]);
    let ports = random.of(&[json!([]), json!([{"port": 443}])]);
    let spec = if random.chance(50) {
        json!({"podSelector": {}, "ingress": [{"from": peer, "ports": ports}]})
    } else {
        json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": peer, "ports": ports}]})
    };
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
           "metadata": {"name": name, "namespace": random.of(&NAMESPACES[..3])}, "spec": spec})
}

fn pod(random: &mut Random, name: &str) -> Value {
    let images = ["main:1", "registry.example.com/main:1", "registry.example.com:/<b>"];
    let mut spec = json!({"containers": [{"name": "main", "image": random.of(&images), "securityContext": {"privileged": random.chance(30)}}],
                          "hostNetwork": random.chance(40)});
    if random.chance(60) {
        spec["nodeName"] = json!(format!("node-{}", random.below(3)));
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": random.of(&NAMESPACES[..3])}, "spec": spec})
}

fn service(random: &mut Random, name: &str) -> Value {
    let spec = random.of(&[
        json!({"type": "NodePort", "selector": {"app": "a"}, "ports": [{"port": 443}]}),
        json!({"type": "LoadBalancer", "selector": {"app": "a"}, "ports": [{"port": 443}]}),
        json!({"type": "ExternalName", "externalName": "db.vault.svc.cluster.local"}),
    ]);
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": random.of(&NAMESPACES[..3])}, "spec": spec})
}
