//! A cluster of real nodes with the operator in it, and a zone.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use testbed::{Cni, Image, Kubectl, NodeCluster, NodeOptions};
use tokio::sync::Mutex;

/// The program that is tested.
pub const PCIZONE: &str = env!("CARGO_BIN_EXE_pcizone");
/// The node outside of the zone, where the operator runs.
pub const OUTSIDE: usize = 0;
/// A node of the zone.
pub const INSIDE: usize = 1;

const ZONE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: vault}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {name: cde}
spec:
  mode: Enforce
  scope: {namespaces: {names: [vault]}}
  segmentation:
    canary: {everyMinutes: 10}
    flows:
    - {name: checkout, need: The shop hands card numbers over to be kept., owner: payments, approvedBy: security, ticket: PAY-1, reviewedAt: 'REVIEWED', expiresAt: 'EXPIRES', from: {namespace: shop}, to: {namespace: vault}, ports: [{port: 8443}]}
    - {name: lookup, need: The vault looks names of merchants up in the shop., owner: payments, approvedBy: security, ticket: PAY-2, reviewedAt: 'REVIEWED', expiresAt: 'EXPIRES', from: {namespace: vault}, to: {namespace: shop}, ports: [{protocol: UDP, port: 53}]}
    - {name: sync, need: Copies of the vault keep each other up to date., owner: payments, approvedBy: security, ticket: PAY-3, reviewedAt: 'REVIEWED', expiresAt: 'EXPIRES', from: {namespace: vault, podSelector: {matchLabels: {app: a}}}, to: {namespace: vault, podSelector: {matchLabels: {app: b}}}, ports: [{port: 7000}]}
  hosting:
    nodes: {selector: {matchLabels: {node-restriction.kubernetes.io/pool: pci}}}
    podSecurity: Restricted
";

/// A cluster needs both cores: the tests take turns.
pub static TURN: Mutex<()> = Mutex::const_new(());

/// The cluster.
pub struct Site {
    pub cluster: NodeCluster,
    pub kubectl: Kubectl,
    /// The operator's own image, which is on every node.
    pub image: Image,
}

impl Site {
    /// Starts it, with so many nodes of the zone and one outside, and with the operator at work.
    pub async fn start(cni: Cni, zone_nodes: usize) -> Result<Self> {
        Self::start_with(cni, zone_nodes, &["--canary", "--evict"]).await
    }

    /// The same with these parts of the operator.
    pub async fn start_with(cni: Cni, zone_nodes: usize, parts: &[&str]) -> Result<Self> {
        let pool = BTreeMap::from([("node-restriction.kubernetes.io/pool".to_owned(), "pci".to_owned())]);
        let mut node_labels = vec![pool; zone_nodes];
        node_labels.insert(OUTSIDE, BTreeMap::new());
        let options = NodeOptions { cni, nodes: node_labels.len(), node_labels, ..NodeOptions::default() };
        let cluster = NodeCluster::start(options).await?;
        let image = Image::operator(Path::new(PCIZONE))?;
        cluster.import_image(&image)?;
        let kubectl = cluster.control_plane().kubectl();
        let printed =
            Command::new(PCIZONE).args(["install", "--print", "--image", &image.by_digest()]).args(parts).output()?;
        ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        // Two cores carry the whole cluster.
        let manifest = String::from_utf8(printed.stdout)?.replace("replicas: 2\n", "replicas: 1\n");
        let outside =
            format!("kubernetes.io/os: linux\n        kubernetes.io/hostname: {}\n", cluster.node(OUTSIDE).name());
        let manifest = manifest.replace("kubernetes.io/os: linux\n", &outside);
        kubectl.run_stdin(&["apply", "--server-side", "-f", "-"], &manifest).await?;
        let available =
            ["wait", "deployment/pcizone", "-n", "pcizone-system", "--for=condition=Available", "--timeout=120s"];
        if let Err(error) = kubectl.run(&available).await {
            let pods = kubectl.run(&["describe", "pods", "-n", "pcizone-system"]).await.unwrap_or_default();
            let log = kubectl.run(&["logs", "-n", "pcizone-system", "deployment/pcizone"]).await.unwrap_or_default();
            return Err(error.context(format!("the operator did not start\n{pods}\n{log}")));
        }
        Ok(Self { cluster, kubectl, image })
    }

    /// Applies the zone with its namespaces.
    pub async fn zone(&self) -> Result<()> {
        let now = Timestamp::now();
        let expires = (now + SignedDuration::from_hours(24 * 90)).to_string();
        self.apply(&ZONE.replace("REVIEWED", &now.to_string()).replace("EXPIRES", &expires)).await
    }

    pub async fn apply(&self, manifest: &str) -> Result<()> {
        self.kubectl.run_stdin(&["apply", "-f", "-"], manifest).await.map(drop)
    }

    /// The number of the node on which a pod is.
    pub fn node_of(&self, pod: &Value) -> Result<usize> {
        let name = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        let at = self.cluster.nodes().iter().position(|node| node.name() == name);
        at.with_context(|| format!("the pod is on no node: {name:?}"))
    }

    /// The status of the zone.
    pub async fn status(&self) -> Result<Value> {
        let zone = self.kubectl.run(&["get", "pz", "cde", "-o", "json"]).await?;
        Ok(serde_json::from_str::<Value>(&zone)?["status"].take())
    }

    /// Waits until the status is as wanted, and gives it.
    pub async fn until(&self, what: &str, limit: Duration, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let started = Instant::now();
        loop {
            let status = self.status().await?;
            if is(&status) {
                eprintln!("{what}: after {:.0} s", started.elapsed().as_secs_f64());
                return Ok(status);
            }
            if started.elapsed() > limit {
                let pods = self.kubectl.run(&["get", "pods", "-A", "-o", "wide"]).await.unwrap_or_default();
                let log = ["logs", "-n", "pcizone-system", "deployment/pcizone", "--tail=30"];
                let log = self.kubectl.run(&log).await.unwrap_or_default();
                bail!("not within {limit:?}: {what}\n{status:#}\n{pods}\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Asks for a round by hand, in a thread; gives the exit code and what was printed.
    pub fn probe(&self) -> Result<std::thread::JoinHandle<Result<(i32, String)>>> {
        let kubeconfig = self.cluster.control_plane().admin_kubeconfig().to_owned();
        let ask = move || {
            let mut command = Command::new(PCIZONE);
            let output = command.args(["probe", "run", "cde", "--quiet"]).env("KUBECONFIG", kubeconfig).output()?;
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
            let text = [output.stdout, output.stderr].concat();
            Ok((output.status.code().unwrap_or(-1), String::from_utf8(text)?))
        };
        Ok(std::thread::Builder::new().name("probe".to_owned()).spawn(ask)?)
    }

    /// Waits until a command succeeds and prints what is wanted.
    pub async fn says(&self, args: &[&str], limit: Duration, is: impl Fn(&str) -> bool) -> Result<String> {
        let started = Instant::now();
        loop {
            let said = self.kubectl.run(args).await;
            if let Ok(said) = &said
                && is(said)
            {
                return Ok(said.clone());
            }
            ensure!(started.elapsed() < limit, "not within {limit:?}: kubectl {}: {said:?}", args.join(" "));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The status, reason and message of a condition.
pub fn condition<'s>(status: &'s Value, kind: &str) -> (&'s str, &'s str, &'s str) {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    let text = |name: &str| found.and_then(|found| found[name].as_str()).unwrap_or_default();
    (text("status"), text("reason"), text("message"))
}

/// The finding of this id among the worst.
pub fn finding<'s>(status: &'s Value, id: &str) -> Option<&'s Value> {
    status["topFindings"].as_array()?.iter().find(|found| found["id"] == id)
}

/// When the last round of the canary ended.
pub fn tested_at(status: &Value) -> String {
    status["segmentationTest"]["testedAt"].as_str().unwrap_or_default().to_string()
}
