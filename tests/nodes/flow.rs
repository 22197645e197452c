//! A zone on real nodes from end to end: where its pods run, what kubelets may not do, what is repaired, what is evicted, and what of
//! all that the engine says is so.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::site::{INSIDE, OUTSIDE, PCIZONE, Site, condition, finding};

const SOON: Duration = Duration::from_secs(60);
/// How long a policy may take to come into force.
const ENFORCED: Duration = Duration::from_secs(30);

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: vault}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 0
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: web
        image: registry.example.com/busybox:1
        imagePullPolicy: Never
        command: [httpd, -f, -p, "8080", -h, /www]
        ports: [{containerPort: 8080}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"#;

/// Opens it to whoever comes, also from outside the cluster.
const EVERYBODY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: everybody, namespace: vault}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{}]}
";

/// A pod as `WEB` has it, by itself: of a namespace, with more in its spec.
fn pod(namespace: &str, name: &str, more: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  {more}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  securityContext: {{runAsNonRoot: true, runAsUser: 1000, seccompProfile: {{type: RuntimeDefault}}}}
  containers:
  - name: {name}
    image: registry.example.com/busybox:1
    imagePullPolicy: Never
    command: [sleep, infinity]
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"
    )
}

/// A request is refused, with these words.
async fn refused(site: &Site, manifest: &str, words: &str) -> Result<()> {
    match site.apply(manifest).await {
        Ok(()) => anyhow::bail!("it was taken: {manifest}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains(words), "refused for another reason: {said}");
            Ok(())
        }
    }
}

/// All of it, on the site's zone.
pub async fn whole(site: &Site) -> Result<()> {
    site.until("the zone is in place", SOON, |status| condition(status, "Ready").0 == "True").await?;
    placed(site).await?;
    what_a_kubelet_may_not(site).await?;
    repaired(site).await?;
    evicted(site).await
}

async fn placed(site: &Site) -> Result<()> {
    let inside = site.cluster.node(INSIDE).name();
    site.apply(WEB).await?;
    site.kubectl.run(&["wait", "deployment/web", "-n", "vault", "--for=condition=Available", "--timeout=60s"]).await?;
    let node = site
        .kubectl
        .run(&["get", "pods", "-n", "vault", "-l", "app=web", "-o", "jsonpath={.items[0].spec.nodeName}"])
        .await?;
    ensure!(node == inside, "the zone's pod is on {node}");
    refused(site, &pod("vault", "past", &format!("nodeName: {inside}")), "PodBypassesScheduler").await?;
    refused(site, &pod("vault", "host", "hostNetwork: true"), "hostNetwork").await?;
    // It tolerates everything, so it is kept away and not refused.
    site.apply(&pod("shop", "tolerant", "tolerations: [{operator: Exists}]")).await?;
    site.kubectl.run(&["wait", "pod/tolerant", "-n", "shop", "--for=condition=Ready", "--timeout=60s"]).await?;
    let node = site.kubectl.run(&["get", "pod", "tolerant", "-n", "shop", "-o", "jsonpath={.spec.nodeName}"]).await?;
    ensure!(node == site.cluster.node(OUTSIDE).name(), "a pod of others is on {node}");
    refused(site, &pod("shop", "bound", &format!("nodeName: {inside}")), "ForeignPodOnZoneNode").await
}

/// A node that is taken over gives itself no label of the zone, and takes none from another one.
async fn what_a_kubelet_may_not(site: &Site) -> Result<()> {
    for (own, node, label) in [
        (OUTSIDE, OUTSIDE, "node-restriction.kubernetes.io/pcizone=cde"),
        (OUTSIDE, OUTSIDE, "node-restriction.kubernetes.io/pool=pci"),
        (INSIDE, INSIDE, "node-restriction.kubernetes.io/pcizone-"),
        (OUTSIDE, INSIDE, "node-restriction.kubernetes.io/pcizone-"),
    ] {
        let kubelet = site.kubectl.clone().with_kubeconfig(site.cluster.node(own).kubelet_kubeconfig());
        let name = site.cluster.node(node).name();
        let said = kubelet.run(&["label", "node", name, label, "--overwrite"]).await;
        let error = format!("{:#}", said.err().unwrap_or_else(|| anyhow::anyhow!("it was taken")));
        ensure!(error.contains("orbidden"), "the kubelet of node {own} sets {label} on {name}: {error}");
    }
    Ok(())
}

async fn repaired(site: &Site) -> Result<()> {
    let name = site.cluster.node(INSIDE).name();
    site.kubectl.run(&["taint", "node", name, "pcizone.dev/zone-"]).await?;
    let taints = ["get", "node", name, "-o", "jsonpath={.spec.taints[*].key}"];
    site.says(&taints, SOON, |said| said.contains("pcizone.dev/zone")).await?;
    site.until("the use of break-glass is told", SOON, |status| finding(status, "BreakGlassUsed").is_some())
        .await
        .map(drop)
}

/// What no NetworkPolicy governs: a node reaches its own pods, and only those. The engine says the same.
pub async fn ways_past_policies(site: &Site) -> Result<()> {
    site.apply(WEB).await?;
    site.kubectl.run(&["wait", "deployment/web", "-n", "vault", "--for=condition=Available", "--timeout=60s"]).await?;
    let pod = site.kubectl.run(&["get", "pods", "-n", "vault", "-l", "app=web", "-o", "json"]).await?;
    let pod = serde_json::from_str::<Value>(&pod)?["items"][0].take();
    let ip = pod["status"]["podIP"].as_str().unwrap_or_default();
    let own = site.node_of(&pod)?;
    let connect = format!("timeout 2 bash -c '</dev/tcp/{ip}/8080' 2>/dev/null && echo open || echo closed");
    let reaches = |node: usize| site.cluster.node(node).run("bash", &["-c", &connect]);
    ensure!(reaches(own)?.trim() == "open", "the kubelet's own node does not reach its pod");
    for other in (0..site.cluster.nodes().len()).filter(|node| *node != own) {
        let started = std::time::Instant::now();
        while reaches(other)?.trim() != "closed" {
            ensure!(started.elapsed() < ENFORCED, "node {other}, which is not its own, reaches the pod");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let kubeconfig = site.cluster.control_plane().admin_kubeconfig();
    let diagram = std::process::Command::new(PCIZONE)
        .args(["diagram", "-o", "json", "--quiet", "--as-is"])
        .env("KUBECONFIG", kubeconfig)
        .output()?;
    ensure!(diagram.status.success(), "{}", String::from_utf8_lossy(&diagram.stderr));
    let diagram: Value = serde_json::from_slice(&diagram.stdout)?;
    let edges = diagram["edges"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(edges.iter().any(|edge| edge["kind"] == "Door" && edge["name"] == "own node"), "{diagram:#}");
    // Whoever may break the glass opens a port of every node: the engine tells it, and the use of the glass.
    let service = r"{apiVersion: v1, kind: Service, metadata: {name: web, namespace: vault}, spec: {type: NodePort, selector: {app: web}, ports: [{port: 8080}]}}";
    site.apply(service).await?;
    site.until("the node port is told", SOON, |status| finding(status, "NodePortExposed").is_some()).await?;
    let port = ["get", "service", "web", "-n", "vault", "-o", "jsonpath={.spec.ports[0].nodePort}"];
    let door = format!("{}/{}", site.cluster.node(own).address(), site.kubectl.run(&port).await?);
    let enter = format!("timeout 2 bash -c '</dev/tcp/{door}' 2>/dev/null && echo open || echo closed");
    let through = async |wanted: &str| {
        let (enter, started) = (enter.clone(), std::time::Instant::now());
        while site.cluster.node(OUTSIDE).run("bash", &["-c", &enter])?.trim() != wanted {
            ensure!(started.elapsed() < ENFORCED, "through the node port it is not {wanted}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    };
    // Cilium keeps the address of who asks, so policies hold here too. That is not promised: whoever rewrites it to the node's own opens it, and
    // the engine tells the worse.
    through("closed").await?;
    site.apply(EVERYBODY).await?;
    through("open").await?;
    site.kubectl.run(&["delete", "networkpolicy", "everybody", "-n", "vault"]).await?;
    through("closed").await?;
    site.kubectl.run(&["delete", "service", "web", "-n", "vault"]).await.map(drop)
}

/// A pod of the zone that was elsewhere before is evicted, once its disruption budget lets it go.
async fn evicted(site: &Site) -> Result<()> {
    let outside = site.cluster.node(OUTSIDE).name();
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: late}}").await?;
    site.apply(&pod("late", "stray", &format!("nodeSelector: {{kubernetes.io/hostname: {outside}}}"))).await?;
    site.apply(
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: stray, namespace: late}, spec: {minAvailable: 1, selector: {matchLabels: {app: stray}}}}",
    )
    .await?;
    site.kubectl.run(&["wait", "pod/stray", "-n", "late", "--for=condition=Ready", "--timeout=60s"]).await?;
    let patch =
        r#"{"spec": {"scope": {"namespaces": {"names": ["vault", "late"]}}, "hosting": {"evictMisplaced": true}}}"#;
    site.kubectl.run(&["patch", "pz", "cde", "--type=merge", "-p", patch]).await?;
    let held =
        |status: &Value| finding(status, "EvictionRefused").is_some() || finding(status, "PodOffZoneNode").is_some();
    site.until("the stray pod is told", SOON, held).await?;
    // Its budget keeps it: the eviction is asked for, and refused.
    let log = ["logs", "-n", "pcizone-system", "deployment/pcizone"];
    site.says(&log, SOON, |said| said.contains("disruption budget")).await?;
    site.kubectl.run(&["get", "pod", "stray", "-n", "late"]).await?;
    site.kubectl.run(&["delete", "pdb", "stray", "-n", "late"]).await?;
    site.says(&["get", "pods", "-n", "late", "-o", "name"], Duration::from_secs(120), |said| !said.contains("stray"))
        .await?;
    Ok(())
}
