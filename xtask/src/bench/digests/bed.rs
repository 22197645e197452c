//! A cluster without operator, whose policies this program writes; and a client that creates pods as dry runs.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Client,
    api::{Api, DeleteParams, ListParams, PostParams},
    core::{ApiResource, DynamicObject},
};
use pcizone::engine::desired::admission::{Guard, Kind};
use serde_json::json;
use testbed::{Binary, ControlPlane, Durability, Options, config_from};
use tokio::time::{Instant, sleep, timeout};

use super::ways::{self, OPERATOR, Way};
use crate::bench::proc;

const MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: pcizone-system}
---
apiVersion: v1
kind: Namespace
metadata: {name: vault, labels: {pcizone.dev/zone: cde}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: pod-maker, namespace: pcizone-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pod-maker}
rules:
- {apiGroups: [''], resources: [pods], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pod-maker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pod-maker}
subjects: [{kind: ServiceAccount, name: pod-maker, namespace: pcizone-system}]
";
/// As in the cluster that guards are measured in, and for the same reasons.
const DISABLED: &str = "--disable-admission-plugins=ServiceAccount,LimitRanger,ResourceQuota";
/// How long one request may take.
const CALL: Duration = Duration::from_secs(30);
/// How long the API server may take to heed a change.
const PATIENCE: Duration = Duration::from_secs(60);
/// What was written for a change, and what came of it, is over by then.
const SETTLED: Duration = Duration::from_secs(2);

/// A prepared cluster.
pub(super) struct Bed {
    cluster: ControlPlane,
    admin: Client,
    maker: Client,
}

impl Bed {
    pub(super) async fn start() -> Result<Self> {
        let options = Options {
            durability: Durability::OnDisk,
            apiserver_args: vec![DISABLED.to_string()],
            ..Options::default()
        };
        let cluster = ControlPlane::start(options).await?;
        cluster.kubectl().run_stdin(&["apply", "--filename", "-"], MANIFEST).await?;
        let kubeconfig = cluster.service_account_kubeconfig(OPERATOR, "pod-maker").await?;
        let mut config = config_from(&kubeconfig).await?;
        config.default_retry = false;
        let maker = Client::try_from(config).context("cannot make a client for the cluster")?;
        Ok(Bed { admin: cluster.admin_client().await?, cluster, maker })
    }

    /// CPU seconds of the API server.
    pub(super) fn cpu(&self) -> Result<f64> {
        let pids = self.cluster.pids();
        let server = pids.iter().find(|(binary, _)| *binary == Binary::KubeApiserver);
        proc::cpu_seconds(server.context("no API server runs")?.1)
    }

    /// Has pods be asked about in this way, and waits until they are.
    pub(super) async fn go_by(&self, way: Way, digests: usize) -> Result<()> {
        for kind in [Kind::ValidatingBinding, Kind::Validating] {
            let (api, delete, list) = (self.guards(kind), DeleteParams::default(), ListParams::default());
            timeout(CALL, api.delete_collection(&delete, &list)).await.context("no answer in time")??;
        }
        self.write_list(digests, false).await?;
        self.write(&ways::guards(way, digests, false)?).await?;
        let foreign = "evil.io/app".to_string();
        self.until("the policy looks at references", &foreign, way == Way::Floor).await?;
        if way.knows_digests() {
            // That of the digests is in force when what is over is refused; and then it is not over any more.
            self.exchange(way, digests, true).await?;
            self.exchange(way, digests, false).await?;
        }
        sleep(SETTLED).await;
        Ok(())
    }

    /// One digest is over, or is not any more; milliseconds until pods are answered by that.
    pub(super) async fn exchange(&self, way: Way, digests: usize, is_over: bool) -> Result<f64> {
        let guards = ways::guards(way, digests, is_over)?;
        let changed: Vec<Guard> = guards
            .into_iter()
            .filter(|guard| guard.kind == Kind::Validating && guard.name().ends_with("-scans"))
            .collect();
        let sent = match way {
            Way::Literal => self.write(&changed).await?,
            Way::List => self.write_list(digests, is_over).await?,
            Way::Floor | Way::References => bail!("nothing knows of digests"),
        };
        self.until("the digest is exchanged", &ways::image(digests), !is_over).await?;
        Ok(sent.elapsed().as_secs_f64() * 1000.0)
    }

    /// Creates a pod as a dry run. It has to be let in.
    pub(super) async fn create(&self, digests: usize) -> Result<()> {
        match self.ask(&ways::image(digests)).await? {
            None => Ok(()),
            Some(refused) => bail!("a pod was refused: {refused}"),
        }
    }

    /// Asks about a pod until it is let in, or refused.
    async fn until(&self, what: &str, image: &str, is_allowed: bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.ask(image).await? {
                None if is_allowed => return Ok(()),
                Some(said) if !is_allowed && said.contains("pcizone-cde-") => return Ok(()),
                // A policy that is new and does not know its list yet, or the other way round.
                None | Some(_) => {}
            }
        }
        bail!("not within {} s: {what}", PATIENCE.as_secs())
    }

    /// What a dry run of a pod's creation is refused with.
    async fn ask(&self, image: &str) -> Result<Option<String>> {
        let spec = json!({ "containers": [{ "name": "main", "image": image }] });
        let pod: Pod = serde_json::from_value(json!({ "metadata": { "name": "pod" }, "spec": spec }))?;
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let api: Api<Pod> = Api::namespaced(self.maker.clone(), "vault");
        match timeout(CALL, api.create(&params, &pod)).await.context("no answer in time")? {
            Ok(_) => Ok(None),
            Err(kube::Error::Api(status)) => Ok(Some(status.message.clone())),
            Err(error) => Err(error.into()),
        }
    }

    fn guards(&self, kind: Kind) -> Api<DynamicObject> {
        Api::all_with(self.admin.clone(), &ApiResource::erase::<Guard>(&kind))
    }

    /// Gives when the first of them was sent.
    async fn write(&self, guards: &[Guard]) -> Result<Instant> {
        let mut sent = None;
        for guard in guards {
            let resource = ApiResource::erase::<Guard>(&guard.kind);
            let object = DynamicObject::new(guard.name(), &resource).data(json!({ "spec": guard.spec }));
            sent = sent.or(Some(self.put(&self.guards(guard.kind), object).await?));
        }
        Ok(sent.unwrap_or_else(Instant::now))
    }

    async fn write_list(&self, digests: usize, is_over: bool) -> Result<Instant> {
        let resource = ApiResource::erase::<ConfigMap>(&());
        let api = Api::namespaced_with(self.admin.clone(), OPERATOR, &resource);
        self.put(&api, serde_json::from_value(ways::list(digests, is_over))?).await
    }

    /// Whole, as the operator writes what is its own. Gives when it was sent.
    async fn put(&self, api: &Api<DynamicObject>, mut object: DynamicObject) -> Result<Instant> {
        let name = object.metadata.name.clone().unwrap_or_default();
        let live = timeout(CALL, api.get_opt(&name)).await.context("no answer in time")??;
        let sent = Instant::now();
        let written = match live {
            None => timeout(CALL, api.create(&PostParams::default(), &object)).await,
            Some(live) => {
                object.metadata.resource_version = live.metadata.resource_version;
                timeout(CALL, api.replace(&name, &PostParams::default(), &object)).await
            }
        };
        written.context("no answer in time")?.with_context(|| format!("cannot write {name}"))?;
        Ok(sent)
    }
}
