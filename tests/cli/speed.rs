//! What reading costs. Measured where asked for, on a build that is optimised:
//! `cargo test --release --no-default-features --test cli speed -- --ignored --nocapture`.

use std::fs;

use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::Snapshot,
};
use serde_json::Value;

use crate::support::{NOW, folder, run_in, zone};

/// Reading may cost so much of what parsing alone costs.
const RATIO: f64 = 1.3;
/// MiB that 100,000 objects may take in all.
const MEMORY: u64 = 300;

fn pod(number: usize) -> String {
    let namespace = number / 50;
    format!(
        r#"---
apiVersion: v1
kind: Pod
metadata:
  name: web-{number}
  namespace: ns-{namespace}
  labels: {{app: web-{namespace}, pod-template-hash: 5d4f8}}
  annotations: {{example.com/note: "a note of some words {number}"}}
  ownerReferences:
    - {{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d4f8, uid: 0b1c5a0e-0000-4000-8000-{number:012}, controller: true}}
spec:
  nodeName: node-{node}
  serviceAccountName: web
  containers:
    - name: web
      image: registry.example.com/web:1.2.{number}
      args: ["--listen", ":8080", "--verbose"]
      env:
        - name: LOG_LEVEL
          value: info
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
      ports:
        - {{name: http, containerPort: 8080, protocol: TCP}}
      resources:
        requests: {{cpu: 100m, memory: 128Mi}}
        limits: {{memory: 256Mi}}
      livenessProbe:
        httpGet: {{path: /healthz, port: http}}
      volumeMounts:
        - {{name: tmp, mountPath: /tmp}}
  volumes:
    - name: tmp
      emptyDir: {{}}
status:
  phase: Running
  podIPs:
    - ip: 10.{a}.{b}.{c}
"#,
        node = number % 100,
        a = number >> 16 & 255,
        b = number >> 8 & 255,
        c = number & 255,
    )
}

fn policy(number: usize) -> String {
    let namespace = number / 50;
    format!(
        r"---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-{number}
  namespace: ns-{namespace}
spec:
  podSelector:
    matchLabels: {{app: web-{namespace}}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - namespaceSelector:
            matchLabels: {{kubernetes.io/metadata.name: ns-{namespace}}}
          podSelector:
            matchLabels: {{app: front}}
      ports:
        - {{protocol: TCP, port: 8443}}
  egress:
    - to:
        - ipBlock: {{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}}
      ports:
        - port: 443
"
    )
}

fn secret(number: usize) -> String {
    let data: String = (0..10).map(|key| format!("  key-{key}: c29tZSBzZWNyZXQgb2YgbWFueSB3b3Jkcw==\n")).collect();
    format!("---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s-{number}\ndata:\n{data}")
}

/// Seconds of this thread on a processor: others may use the machine too.
fn seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("what the kernel counted");
    text.split(' ').next().and_then(|time| time.parse::<f64>().ok()).expect("nanoseconds") / 1e9
}

/// The least of several times.
fn least(mut work: impl FnMut()) -> f64 {
    let time = |_| {
        let began = seconds();
        work();
        seconds() - began
    };
    (0..7).map(time).fold(f64::MAX, f64::min)
}

#[test]
#[ignore = "measures; needs an optimised build"]
fn reading_costs_little_more_than_parsing() {
    let mut wrong = Vec::new();
    for (name, object) in [("pods", pod as fn(usize) -> String), ("policies", policy), ("secrets", secret)] {
        let documents: Vec<String> = (0..1500).map(object).collect();
        let text = documents.concat();
        let parsed = least(|| {
            for document in &documents {
                let value: Value = serde_saphyr::from_str(document).expect("YAML");
                assert!(value.is_object());
            }
        });
        let read = least(|| {
            let settings =
                Settings { namespace: "default".to_string(), now: NOW.parse().expect("a time"), live: false };
            let mut reader = Reader::new(settings, Snapshot::default());
            reader.read("a", false, text.as_bytes());
            assert!(reader.finish().is_ok());
        });
        let ratio = read / parsed;
        println!("{name}: parsed in {parsed:.3} s, read in {read:.3} s: {ratio:.2}");
        if ratio > RATIO {
            wrong.push(format!("{name}: {ratio:.2}"));
        }
    }
    assert!(wrong.is_empty(), "more than {RATIO} times: {wrong:?}");
}

#[test]
#[ignore = "measures; needs an optimised build"]
fn a_hundred_thousand_objects_are_read_and_only_what_decides_is_held() {
    let file = |number: usize| {
        let pods: String = (0..600).map(|pod_number| pod(600 * number + pod_number)).collect();
        let policies: String = (0..200).map(|policy_number| policy(200 * number + policy_number)).collect();
        let secrets: String = (0..200).map(|secret_number| secret(200 * number + secret_number)).collect();
        format!("{pods}{policies}{secrets}")
    };
    let files: Vec<(String, String)> = (0..100).map(|number| (format!("{number}.yaml"), file(number))).collect();
    let mut files: Vec<(&str, &String)> = files.iter().map(|(name, text)| (name.as_str(), text)).collect();
    let zone = zone();
    files.push(("zone.yaml", &zone));
    let folder = folder(&files);
    let run = run_in(folder.path(), &["check", "--now", NOW, "-f", "."], b"");
    println!("{} MiB: {}", run.peak, run.stderr);
    assert!(run.stderr.contains("100001 objects"), "{run:?}");
    assert!(run.peak < MEMORY, "{} MiB", run.peak);
}
