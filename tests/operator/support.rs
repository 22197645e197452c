//! A cluster with the operator in it, and waiting for what must come.

use std::{fmt::Debug, time::Duration};

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, Resource,
    runtime::wait::{Condition, await_condition},
};
use pcizone::{
    api::{PciZone, names},
    controllers::{self, Settings},
};
use serde::de::DeserializeOwned;
use testbed::{AuditEvent, ControlPlane, Options, config_from, create_node};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, SemaphorePermit, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// How long anything may take. A bound, not a measure: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Clusters at once.
static CLUSTERS: Semaphore = Semaphore::const_new(2);
/// The operator's user.
pub const OPERATOR: &str = "system:serviceaccount:pcizone-system:pcizone";

/// A cluster with CRD and RBAC from `deploy/`.
pub struct Bed {
    pub cluster: ControlPlane,
    pub client: Client,
    operator: Option<Operator>,
    started: usize,
    _place: SemaphorePermit<'static>,
}

/// A running operator.
pub struct Operator {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), controllers::Error>>,
}

impl Operator {
    /// Asks it to end and waits until it has.
    pub async fn end(self) {
        let _ = self.stop.send(());
        timeout(PATIENCE, self.task).await.expect("the operator ends").unwrap().expect("the operator ends well");
    }
}

impl Bed {
    /// A cluster without operator.
    pub async fn without_operator() -> Self {
        Self::with(Options { audit: true, ..Options::default() }).await
    }

    /// A cluster with the built-in controllers, which delete namespaces.
    pub async fn with_controllers() -> Self {
        let mut bed = Self::with(Options { audit: true, controller_manager: true, ..Options::default() }).await;
        bed.start_operator().await;
        bed
    }

    async fn with(options: Options) -> Self {
        let place = CLUSTERS.acquire().await.unwrap();
        let cluster = ControlPlane::start(options).await.expect("a cluster");
        let client = cluster.admin_client().await.unwrap();
        let bed = Bed { cluster, client, operator: None, started: 0, _place: place };
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base");
        bed.kubectl(&["apply", "--kustomize", base]).await;
        bed.kubectl(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await;
        bed
    }

    /// A cluster with a running operator.
    pub async fn start() -> Self {
        let mut bed = Self::without_operator().await;
        bed.start_operator().await;
        bed
    }

    /// Namespaces and nodes of the sample shop: checkout, vault and storefront; pci-1 for payments, node-1 not.
    pub async fn shop(&self) {
        for name in ["checkout", "vault", "storefront"] {
            self.kubectl(&["create", "namespace", name]).await;
        }
        create_node(&self.client, "pci-1", &[("node-restriction.kubernetes.io/pool", "pci")]).await.unwrap();
        create_node(&self.client, "node-1", &[]).await.unwrap();
    }

    pub async fn start_operator(&mut self) {
        let kubeconfig = self.cluster.service_account_kubeconfig("pcizone-system", "pcizone").await.unwrap();
        let settings = Settings {
            config: config_from(&kubeconfig).await.unwrap(),
            namespace: names::OPERATOR_NAMESPACE.to_string(),
            identity: format!("replica-{}", self.started),
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        self.started += 1;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(controllers::run(settings, shutdown));
        self.operator = Some(Operator { stop, task });
    }

    pub async fn stop_operator(&mut self) {
        self.take_operator().end().await;
    }

    /// The running operator, so that another can be started beside it.
    pub fn take_operator(&mut self) -> Operator {
        self.operator.take().expect("a running operator")
    }

    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.cluster.kubectl().run(args).await.unwrap_or_else(|error| panic!("kubectl {args:?}: {error:#}"))
    }

    pub async fn apply(&self, manifest: &str) {
        self.cluster
            .kubectl()
            .run_stdin(&["apply", "--filename", "-"], manifest)
            .await
            .unwrap_or_else(|e| panic!("{e:#}"));
    }

    pub async fn zone(&self, name: &str) -> PciZone {
        Api::all(self.client.clone()).get(name).await.unwrap()
    }

    pub async fn namespace(&self, name: &str) -> Namespace {
        Api::all(self.client.clone()).get(name).await.unwrap()
    }

    pub async fn node(&self, name: &str) -> Node {
        Api::all(self.client.clone()).get(name).await.unwrap()
    }

    pub fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub async fn policy_names(&self, namespace: &str) -> Vec<String> {
        let policies = self.policies(namespace).list(&kube::api::ListParams::default()).await.unwrap();
        policies.items.into_iter().filter_map(|policy| policy.metadata.name).collect()
    }

    /// Waits until an object is as wanted.
    pub async fn until<K>(&self, what: &str, api: Api<K>, name: &str, condition: impl Condition<K>)
    where
        K: Resource + Clone + Debug + Send + DeserializeOwned + 'static,
    {
        if timeout(PATIENCE, await_condition(api, name, condition)).await.is_err() {
            let zones = self.kubectl(&["get", "pz", "--output", "yaml"]).await;
            panic!("not yet, after {} s: {what}\n{zones}", PATIENCE.as_secs());
        }
    }

    /// Waits until a zone is as wanted.
    pub async fn until_zone(&self, name: &str, what: &str, is: impl Fn(&PciZone) -> bool) -> PciZone {
        let condition = |zone: Option<&PciZone>| zone.is_some_and(&is);
        self.until(what, Api::all(self.client.clone()), name, condition).await;
        self.zone(name).await
    }

    /// Waits until a zone is in place in its present generation.
    pub async fn until_ready(&self, name: &str) -> PciZone {
        self.until_zone(name, "the zone is in place", |zone| is_current(zone) && is(zone, "Ready", "True")).await
    }

    /// What the operator asked for besides its Lease, finished requests only.
    pub fn requests(&self) -> Vec<AuditEvent> {
        let events = self.cluster.audit().unwrap();
        events.into_iter().filter(|event| event.user == OPERATOR && event.resource != "leases").collect()
    }

    /// The operator's writes to anything but status and events.
    pub fn writes(&self) -> Vec<String> {
        let writes = self.requests().into_iter().filter(|event| {
            let writing = ["create", "update", "patch", "delete"].contains(&event.verb.as_str());
            writing
                && !["events", "selfsubjectaccessreviews"].contains(&event.resource.as_str())
                && event.subresource != "status"
        });
        writes.map(|event| format!("{} {}/{}/{}", event.verb, event.resource, event.namespace, event.name)).collect()
    }
}

/// The status speaks of the present generation.
pub fn is_current(zone: &PciZone) -> bool {
    zone.status.as_ref().and_then(|status| status.observed_generation) == zone.metadata.generation
}

/// A condition has this status or this reason.
pub fn is(zone: &PciZone, kind: &str, word: &str) -> bool {
    let mut conditions = zone.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == kind && (condition.status == word || condition.reason == word))
}

/// The evidence of a finding, if it is there.
pub fn evidence<'a>(zone: &'a PciZone, id: &str, subject: &str) -> Option<&'a str> {
    let mut findings = zone.status.iter().flat_map(|status| &status.top_findings);
    findings.find(|finding| finding.id == id && finding.subject == subject).map(|finding| finding.evidence.as_str())
}

/// A zone of the sample shop. `namespaces` is a YAML list.
pub fn zone(name: &str, mode: &str, namespaces: &str) -> String {
    format!(
        r"
apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: {name}}}
spec:
  mode: {mode}
  scope: {{namespaces: {{names: {namespaces}}}}}
  segmentation:
    flows:
    - name: checkout-to-vault
      need: Checkout stores card numbers as tokens in the vault.
      owner: payments-team
      approvedBy: security@example.com
      ticket: PAY-1423
      reviewedAt: 2026-10-01T00:00:00Z
      expiresAt: 2099-04-01T00:00:00Z
      from: {{namespace: checkout, podSelector: {{matchLabels: {{app: checkout}}}}}}
      to: {{namespace: vault, podSelector: {{matchLabels: {{app: vault}}}}}}
      ports: [{{port: 8443}}]
  hosting:
    nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}
"
    )
}
