//! A zone at work: a real control plane, the sample shop, the operator under its own restricted account, and
//! five things broken and repaired before your eyes.
//!
//! Times come from the API server's audit log: from the answer to the request that broke something to the
//! answer to the operator's request that repaired it.

mod breakages;
mod show;

use std::{pin::pin, time::Duration};

use anyhow::{Context, bail};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Api, Client, runtime::wait::await_condition};
use pcizone::api::{PciZone, names};
use serde_json::Value;
use testbed::{AuditEvent, ControlPlane, Kubectl, Options, create_node};

use crate::operator::{self, Operator};

/// Name of the operator's only replica.
const IDENTITY: &str = "demo";
/// The zone that the demo applies.
const ZONE: &str = "cardholder-data";
/// How long anything may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Nodes of the demo, and whether they belong to the payment pool.
const NODES: [(&str, bool); 4] = [("node-1", false), ("node-2", false), ("pci-1", true), ("pci-2", true)];

/// A running demo.
struct Stage {
    cluster: ControlPlane,
    admin: Kubectl,
    /// Somebody with all rights who does not ask the zone.
    mallory: Kubectl,
    client: Client,
}

pub(crate) async fn run(once: bool) -> anyhow::Result<()> {
    show::title("PciZone on a local control plane");
    show::text(
        "A real etcd and kube-apiserver, started here and ended with this demo. The nodes are API objects only:",
    );
    show::text("no pod runs on them, and no network plug-in enforces what you will see written.\n");
    show::step("Build the operator");
    operator::build()?;
    show::done("built");
    // One for the whole demo, so that no signal falls between two.
    let mut interrupted = pin!(testbed::interrupted());
    let (stage, mut operator) = tokio::select! {
        played = play(once) => played?,
        signal = &mut interrupted => {
            signal?;
            bail!("interrupted before the demo had shown everything");
        }
    };
    if once {
        show::title("Everything happened as it should.");
        return Ok(());
    }
    show::title("It stays up until Ctrl-C. Look around and break more:");
    show::text(&format!("export KUBECONFIG={}", stage.cluster.admin_kubeconfig().display()));
    show::text("kubectl get pz\nkubectl explain pz.spec.segmentation.flows\nkubectl get networkpolicy -A");
    tokio::select! {
        signal = interrupted => signal,
        ended = operator.ended() => Err(operator.explain(&ended)),
    }
}

/// Shows everything. Gives the operator after its stage, so that it ends before the cluster does.
async fn play(once: bool) -> anyhow::Result<(Stage, Operator)> {
    let stage = Stage::set_up().await?;
    let mut operator = stage.start_operator().await?;
    let performed = tokio::select! {
        performed = stage.perform() => performed,
        ended = operator.ended() => Err(ended),
    };
    performed.map_err(|error| operator.explain(&error))?;
    if once {
        let stopped = operator.stop().await;
        stopped.map_err(|error| operator.explain(&error))?;
    }
    Ok((stage, operator))
}

impl Stage {
    async fn set_up() -> anyhow::Result<Self> {
        show::step("Start the control plane");
        let options = Options { audit: true, ..Options::default() };
        let cluster = ControlPlane::start(options).await?;
        let client = cluster.admin_client().await?;
        let mallory = cluster.user_kubeconfig("mallory", &["system:masters"])?;
        let admin = cluster.kubectl();
        let mallory = cluster.kubectl().with_kubeconfig(mallory);
        show::done(&format!("Kubernetes {}", version(&admin).await?));

        show::step("Create four nodes and the sample shop (examples/shop)");
        for (name, pci) in NODES {
            let labels = [("node-restriction.kubernetes.io/pool", "pci")];
            create_node(&client, name, if pci { &labels } else { &[] }).await?;
        }
        admin.run(&["apply", "--kustomize", &path("examples/shop")]).await?;
        show::done("namespaces storefront, checkout, vault; nodes pci-1 and pci-2 for payments");

        show::step("Install CRD and RBAC (deploy/kustomize/base)");
        admin.run(&["apply", "--kustomize", &path("deploy/kustomize/base")]).await?;
        let wait = ["wait", "--for=condition=Established", "crd/pcizones.pcizone.dev", "--timeout=30s"];
        admin.run(&wait).await?;
        show::done("its Deployment finds no node that runs pods here; the operator runs on this machine instead");
        Ok(Stage { cluster, admin, mallory, client })
    }

    async fn start_operator(&self) -> anyhow::Result<Operator> {
        show::step(&format!("Start the operator as ServiceAccount {}/{}", names::OPERATOR_NAMESPACE, names::OPERATOR));
        let mut operator = Operator::start(&self.cluster, IDENTITY, ([127, 0, 0, 1], 0).into()).await?;
        let leads = tokio::select! {
            leads = operator::wait_for_lead(&self.cluster, IDENTITY, PATIENCE) => leads,
            ended = operator.ended() => Err(ended),
        };
        leads.map_err(|error| operator.explain(&error))?;
        show::done(&format!("it leads; its log: {}", operator.process.log().display()));
        Ok(operator)
    }

    async fn perform(&self) -> anyhow::Result<()> {
        show::step("Apply the zone (examples/zones/cardholder-data.yaml)");
        self.admin.run_stdin(&["apply", "--filename", "-"], &zone_manifest()?).await?;
        // The API server takes two seconds for the first object of a definition that it has just learnt.
        let accepted = Timestamp::now();
        self.wait_for_zone("the zone is in place", is_in_place).await?;
        let took = Timestamp::now().duration_since(accepted);
        show::done(&format!("Ready {} ms after the API server had accepted it", took.as_millis()));
        show::indented(&self.admin.run(&["get", "pz"]).await?);
        show::indented(
            &self
                .admin
                .run(&[
                    "get",
                    "networkpolicy",
                    "--all-namespaces",
                    "--selector",
                    "app.kubernetes.io/managed-by=pcizone",
                ])
                .await?,
        );

        show::step("Now mallory, who is cluster-admin, breaks five things");
        let repairs = breakages::all(self).await?;
        self.wait_for_zone("everything is in place again", is_in_place).await?;
        show::repairs(&repairs);

        show::step("What the zone says of itself");
        show::indented(&self.admin.run(&["get", "pz"]).await?);
        let zone = self.zone().await?;
        show::conditions(&zone);
        Ok(())
    }

    async fn zone(&self) -> anyhow::Result<PciZone> {
        let zones: Api<PciZone> = Api::all(self.client.clone());
        zones.get(ZONE).await.context("cannot read the zone")
    }

    /// Waits until a request is in the audit log.
    async fn wait_for_request(&self, what: &str, is: impl Fn(&AuditEvent) -> bool) -> anyhow::Result<AuditEvent> {
        self.cluster.audit_event(PATIENCE, what, is).await
    }

    /// Waits until the zone is as wanted.
    async fn wait_for_zone(&self, what: &str, is: impl Fn(&PciZone) -> bool) -> anyhow::Result<()> {
        let zones: Api<PciZone> = Api::all(self.client.clone());
        let condition = |zone: Option<&PciZone>| zone.is_some_and(&is);
        match tokio::time::timeout(PATIENCE, await_condition(zones, ZONE, condition)).await {
            Ok(result) => result.map(drop).with_context(|| format!("cannot watch until {what}")),
            Err(_) => bail!("waited {} s, but not yet: {what}", PATIENCE.as_secs()),
        }
    }
}

/// Status of a condition of the zone.
fn condition<'a>(zone: &'a PciZone, kind: &str) -> Option<&'a str> {
    let conditions = zone.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().find(|condition| condition.type_ == kind).map(|condition| condition.status.as_str())
}

/// The zone says that everything is in place.
fn is_in_place(zone: &PciZone) -> bool {
    let current = zone.status.as_ref().and_then(|status| status.observed_generation) == zone.metadata.generation;
    current && ["Ready", "NetworkSegmented", "NodesDedicated"].iter().all(|kind| condition(zone, kind) == Some("True"))
}

/// The zone of the examples, with dates that still lie ahead.
fn zone_manifest() -> anyhow::Result<String> {
    let file = path("examples/zones/cardholder-data.yaml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let mut zone: Value = serde_saphyr::from_str(&text).with_context(|| format!("cannot read {file}"))?;
    let now = Timestamp::now();
    let ahead = now.checked_add(SignedDuration::from_hours(24 * 90)).unwrap_or(now);
    let flows = zone.pointer_mut("/spec/segmentation/flows").and_then(Value::as_array_mut);
    for flow in flows.into_iter().flatten() {
        let ended =
            flow["expiresAt"].as_str().and_then(|date| date.parse::<Timestamp>().ok()).is_none_or(|at| at < now);
        if ended {
            flow["reviewedAt"] = Value::String(whole_seconds(now));
            flow["expiresAt"] = Value::String(whole_seconds(ahead));
        }
    }
    Ok(zone.to_string())
}

/// A time as Kubernetes writes it.
fn whole_seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

async fn version(kubectl: &Kubectl) -> anyhow::Result<String> {
    let answer: Value = serde_json::from_str(&kubectl.run(&["get", "--raw", "/version"]).await?)?;
    Ok(answer.get("gitVersion").and_then(Value::as_str).unwrap_or("of unknown version").to_string())
}

/// A path in the repository, as an argument.
fn path(inside: &str) -> String {
    crate::root().join(inside).display().to_string()
}
