//! What it costs to read manifests: as a multiple of parsing alone, and in memory for a hundred thousand objects.

use anyhow::{Result, anyhow, ensure};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::Snapshot,
};
use serde_json::Value;

use super::{
    figure::{Figure, Goal, Kind},
    group::Group,
    proc, progress,
    stats::Spread,
};
use crate::fuzz::cpu_time;

/// A document of a number.
type Make = fn(usize) -> String;

/// How much is read, and how often.
pub(super) struct Size {
    /// Objects of each kind of which the ratio is taken.
    pub(super) objects: usize,
    /// Times that each is parsed and read, in turns.
    pub(super) rounds: usize,
    /// Texts of a thousand objects each that are read into one snapshot.
    pub(super) texts: usize,
}

pub(super) fn measure(size: &Size) -> Result<Vec<Group>> {
    progress::step("Read manifests");
    let kinds: [(&str, &str, Make); 3] = [
        ("pods", "reading pods ÷ parsing them", pod),
        ("policies", "the same of NetworkPolicies", policy),
        ("secrets", "the same of Secrets, which decide nothing", secret),
    ];
    let mut figures = Vec::new();
    for (name, what, object) in kinds {
        let documents: Vec<String> = (0..size.objects).map(object).collect();
        let text = documents.concat();
        let ratio = |_| -> Result<f64> {
            // The CPU time of this thread: others may use the machine too.
            let parsed = seconds(|| parse(&documents))?;
            Ok(seconds(|| read([text.as_str()]).map(drop))? / parsed)
        };
        let ratios = (0..size.rounds).map(ratio).collect::<Result<Vec<f64>>>()?;
        figures.push(Figure {
            name,
            what,
            spread: Spread::new("x", ratios),
            goal: Goal::AtMost(1.3),
            kind: Kind::Untimed,
        });
    }
    let before = proc::memory(std::process::id())?;
    let texts = (0..size.texts).map(mixed);
    let snapshot = read(texts)?;
    let after = proc::memory(std::process::id())?;
    let mib = |kib: f64| Spread::new("MiB", vec![kib / 1024.0]);
    let memory = |name, what, kib| Figure { name, what, spread: mib(kib), goal: Goal::None, kind: Kind::Untimed };
    figures.push(memory(
        "held_mib",
        "resident memory for what is kept of all objects",
        after.resident - before.resident,
    ));
    figures.push(memory("peak_mib", "highest memory beyond what was there before", after.peak - before.resident));
    let notes = vec![format!("{} objects were read, of which {} are pods", size.texts * 1000, snapshot.pods.len())];
    Ok(vec![Group { figures, notes, ..Group::new("reading") }])
}

fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let before = cpu_time()?;
    work()?;
    Ok(cpu_time()?.saturating_sub(before).as_secs_f64())
}

fn parse(documents: &[String]) -> Result<()> {
    for document in documents {
        let value: Value = serde_saphyr::from_str(document)?;
        ensure!(value.is_object(), "a document is no object");
    }
    Ok(())
}

fn read<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Snapshot> {
    let now = Timestamp::from_second(1_790_000_000)?;
    let mut reader = Reader::new(Settings { namespace: "default".to_string(), now, live: false }, Snapshot::default());
    for (number, text) in texts.into_iter().enumerate() {
        reader.read(&number.to_string(), false, text.as_ref().as_bytes());
    }
    Ok(reader.finish().map_err(|faults| anyhow!("{faults}"))?.snapshot)
}

/// A thousand objects: pods, policies, and what decides nothing.
fn mixed(number: usize) -> String {
    let pods: String = (0..600).map(|pod_number| pod(600 * number + pod_number)).collect();
    let policies: String = (0..200).map(|policy_number| policy(200 * number + policy_number)).collect();
    let secrets: String = (0..200).map(|secret_number| secret(200 * number + secret_number)).collect();
    format!("{pods}{policies}{secrets}")
}

/// A pod as an API server shows it, without what others manage of it.
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
    let data: Vec<String> = (0..10).map(|key| format!("  key-{key}: c29tZSBzZWNyZXQgb2YgbWFueSB3b3Jkcw==")).collect();
    format!("---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s-{number}\ndata:\n{}\n", data.join("\n"))
}
