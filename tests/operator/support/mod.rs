//! A cluster with the operator in it, and waiting for what must come.

mod audit;
mod program;
mod replica;
mod traces;
mod zones;

use std::{fmt::Debug, path::Path, sync::atomic::AtomicUsize, time::Duration};

use k8s_openapi::{
    api::{
        core::v1::{Namespace, Node},
        networking::v1::NetworkPolicy,
    },
    jiff::{SignedDuration, Timestamp},
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    runtime::wait::await_condition,
};
use pcizone::api::{PciZone, names};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::{ControlPlane, FaultProxy, Options, config_from, create_node};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};

pub use program::Program;
pub use replica::{Operator, free_address};
pub use zones::{
    FLOW_EGRESS, FLOW_INGRESS, bare_zone, condition, evidence, flow, is, is_current, message, says, waits, zone,
    zone_of,
};

/// How long anything may take. A bound, not a measure: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How soon it is asked again for what sends no events.
const PAUSE: Duration = Duration::from_millis(100);
/// Clusters at once.
static CLUSTERS: Semaphore = Semaphore::const_new(2);
/// The operator's user.
pub const OPERATOR: &str = "system:serviceaccount:pcizone-system:pcizone";
/// What is deployed.
pub const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base");

/// A cluster with CRD and RBAC from `deploy/`.
pub struct Bed {
    pub cluster: ControlPlane,
    pub client: Client,
    operator: Option<Operator>,
    started: usize,
    markers: AtomicUsize,
    _place: SemaphorePermit<'static>,
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

    /// A cluster with a running operator.
    pub async fn start() -> Self {
        let mut bed = Self::without_operator().await;
        bed.start_operator().await;
        bed
    }

    pub async fn with(options: Options) -> Self {
        let place = CLUSTERS.acquire().await.unwrap();
        let cluster = ControlPlane::start(options).await.expect("a cluster");
        let client = cluster.admin_client().await.unwrap();
        let bed = Bed { cluster, client, operator: None, started: 0, markers: AtomicUsize::default(), _place: place };
        bed.install().await;
        bed
    }

    /// What docs/operations.md says about installation. A warning of the API server is a failure.
    pub async fn install(&self) {
        self.kubectl(&["apply", "--kustomize", BASE, "--warnings-as-errors"]).await;
        self.kubectl(&["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"]).await;
    }

    /// Namespaces and nodes of the sample shop: checkout, vault and storefront; pci-1 for payments, node-1 not.
    pub async fn shop(&self) {
        for name in ["checkout", "vault", "storefront"] {
            self.kubectl(&["create", "namespace", name]).await;
        }
        create_node(&self.client, "pci-1", &[("node-restriction.kubernetes.io/pool", "pci")]).await.unwrap();
        create_node(&self.client, "node-1", &[]).await.unwrap();
    }

    /// The configuration of the operator's client: its own ServiceAccount.
    pub async fn operator_config(&self) -> Config {
        let kubeconfig = self.cluster.service_account_kubeconfig("pcizone-system", "pcizone").await.unwrap();
        config_from(&kubeconfig).await.unwrap()
    }

    pub async fn start_operator(&mut self) {
        let config = self.operator_config().await;
        self.start_operator_with(config);
    }

    pub fn start_operator_with(&mut self, config: Config) {
        self.operator = Some(Operator::start(config, format!("replica-{}", self.started)));
        self.started += 1;
    }

    /// An operator that shows log stores what is in this folder.
    pub async fn start_operator_showing(&mut self, log_stores: &Path) {
        let (config, identity) = (self.operator_config().await, format!("replica-{}", self.started));
        self.operator = Some(Operator::start_showing(config, identity, log_stores.to_path_buf()));
        self.started += 1;
    }

    /// The sample shop with its zone in place, and an operator that reaches the API server through a proxy.
    pub async fn protected_behind_proxy() -> (Self, FaultProxy) {
        let mut bed = Self::without_operator().await;
        bed.shop().await;
        let proxy = bed.cluster.fault_proxy().await.unwrap();
        bed.start_operator_behind(&proxy).await;
        bed.apply(&zone("cde", "Enforce", "[checkout, vault]")).await;
        bed.until_ready("cde").await;
        (bed, proxy)
    }

    /// An operator that reaches the API server through a proxy.
    pub async fn start_operator_behind(&mut self, proxy: &FaultProxy) {
        let config = proxy.config(&self.operator_config().await).unwrap();
        self.start_operator_with(config);
    }

    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("a running operator")
    }

    /// The running operator, so that another can be started beside it.
    pub fn take_operator(&mut self) -> Operator {
        self.operator.take().expect("a running operator")
    }

    pub async fn stop_operator(&mut self) {
        self.take_operator().end().await;
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

    /// Waits until the API server accepts a manifest, or refuses it: a changed CRD or admission policy takes
    /// effect some time after it was written, and no event tells when.
    pub async fn until_accepted(&self, manifest: &str, accepted: bool) {
        let what = format!("accepted: {accepted}, as the new rules say: {manifest}");
        ask(&what, async || {
            let args = ["apply", "--dry-run=server", "--filename", "-"];
            let answer = self.cluster.kubectl().run_stdin(&args, manifest).await.map_err(|error| format!("{error:#}"));
            let refused = |error: &String| error.contains("is invalid") || error.contains("denied request");
            let as_wanted = if accepted { answer.is_ok() } else { answer.as_ref().is_err_and(refused) };
            if as_wanted { Ok(()) } else { Err(format!("{answer:?}")) }
        })
        .await;
    }

    pub fn zones(&self) -> Api<PciZone> {
        Api::all(self.client.clone())
    }

    pub async fn zone(&self, name: &str) -> PciZone {
        self.zones().get(name).await.unwrap()
    }

    pub fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.client.clone())
    }

    pub async fn namespace(&self, name: &str) -> Namespace {
        self.namespaces().get(name).await.unwrap()
    }

    pub fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    pub async fn node(&self, name: &str) -> Node {
        self.nodes().get(name).await.unwrap()
    }

    pub fn policies(&self, namespace: &str) -> Api<NetworkPolicy> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub async fn policy_names(&self, namespace: &str) -> Vec<String> {
        let policies = self.policies(namespace).list(&ListParams::default()).await.unwrap();
        policies.items.into_iter().filter_map(|policy| policy.metadata.name).collect()
    }

    /// An object as the API server sends it, also one that does not parse.
    pub async fn raw(&self, path: &str) -> Value {
        self.client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
    }

    /// Waits until an object that may not parse is as wanted.
    pub async fn until_raw(&self, what: &str, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        ask(what, async || {
            let object = self.raw(path).await;
            if is(&object) { Ok(object) } else { Err(format!("{object:#}")) }
        })
        .await
    }

    /// Waits until an object is as wanted.
    pub async fn until<K>(&self, what: &str, api: Api<K>, name: &str, is: impl Fn(Option<&K>) -> bool)
    where
        K: Resource + Clone + Debug + Send + DeserializeOwned + 'static,
    {
        let reached = async {
            // A watch ends with an error when the API server restarts or a CRD is exchanged.
            while let Err(error) = await_condition(api.clone(), name, &is).await {
                eprintln!("watching again for {what}: {error}");
                sleep(PAUSE).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            let zones = self.kubectl(&["get", "pz", "--output", "yaml"]).await;
            panic!("not yet, after {} s: {what}\n{zones}", PATIENCE.as_secs());
        }
    }

    /// Waits until a zone is as wanted.
    pub async fn until_zone(&self, name: &str, what: &str, is: impl Fn(&PciZone) -> bool) -> PciZone {
        self.until(what, self.zones(), name, |zone| zone.is_some_and(&is)).await;
        self.zone(name).await
    }

    /// Waits until a zone is in place in its present generation.
    pub async fn until_ready(&self, name: &str) -> PciZone {
        self.until_zone(name, "the zone is in place", |zone| is_current(zone) && is(zone, "Ready", "True")).await
    }

    /// Waits until an object is gone.
    pub async fn until_gone<K>(&self, api: Api<K>, name: &str)
    where
        K: Resource + Clone + Debug + Send + DeserializeOwned + 'static,
    {
        self.until(&format!("{name} is gone"), api, name, |object| object.is_none()).await;
    }

    pub async fn until_policy(&self, namespace: &str, name: &str) {
        let what = format!("{namespace} has {name}");
        self.until(&what, self.policies(namespace), name, |policy| policy.is_some()).await;
    }

    /// Deletes a policy of ours and waits until another is in its place.
    pub async fn is_repaired(&self, namespace: &str, name: &str) {
        let old = self.policies(namespace).get(name).await.unwrap().uid();
        self.kubectl(&["delete", "networkpolicy", "--namespace", namespace, name]).await;
        let what = format!("{namespace} has {name} again");
        let anew = |policy: Option<&NetworkPolicy>| policy.is_some_and(|policy| policy.uid() != old);
        self.until(&what, self.policies(namespace), name, anew).await;
    }

    /// Waits until a change waits, and confirms it as the status says. Returns the version of the zone with the
    /// confirmation.
    pub async fn confirm(&self, zone: &str) -> u64 {
        let waiting = self.until_zone(zone, "the change waits", waits).await;
        let digest = waiting.status.unwrap().change.expect("a change that waits").digest;
        let patch = json!({ "metadata": { "annotations": { names::CONFIRM_CHANGE: digest } } });
        let confirmed = self.zones().patch(zone, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        confirmed.resource_version().and_then(|version| version.parse().ok()).expect("versions are numbers")
    }

    /// Sets what the operator may do with nodes. `verbs` is a JSON list.
    pub async fn set_rights_on_nodes(&self, verbs: &str) {
        let patch = format!(
            r#"--patch=[{{"op":"test","path":"/rules/3/resources","value":["nodes"]}},
                        {{"op":"replace","path":"/rules/3/verbs","value":{verbs}}}]"#
        );
        self.kubectl(&["patch", "clusterrole", "pcizone", "--type=json", &patch]).await;
    }

    /// Has a flow of a zone end in some seconds.
    pub async fn end_soon(&self, zone: &str, flow: usize) {
        let ends = Timestamp::now().checked_add(SignedDuration::from_secs(3)).unwrap();
        let ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ");
        let path = format!("/spec/segmentation/flows/{flow}/expiresAt");
        let patch = format!(r#"--patch=[{{"op":"replace","path":"{path}","value":"{ends}"}}]"#);
        self.kubectl(&["patch", "pz", zone, "--type=json", &patch]).await;
    }
}

/// Asks until the answer is there, for what sends no events; `Err` says what was seen instead.
pub async fn ask<T>(what: &str, question: impl AsyncFn() -> Result<T, String>) -> T {
    ask_for(PATIENCE, what, question).await
}

/// The same for what takes its time by itself.
pub async fn ask_for<T>(limit: Duration, what: &str, question: impl AsyncFn() -> Result<T, String>) -> T {
    let mut seen = String::new();
    let answered = async {
        loop {
            match question().await {
                Ok(answer) => return answer,
                Err(instead) => seen = instead,
            }
            sleep(PAUSE).await;
        }
    };
    match timeout(limit, answered).await.ok() {
        Some(answer) => answer,
        None => panic!("not yet, after {} s: {what}\n{seen}", limit.as_secs()),
    }
}
