//! What the canary shows: that policies are enforced where they are, that they are not where they are not, and nothing where nothing can
//! be shown.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::{Cni, nodes_or_skip, sweep_nodes};

use super::{
    flow,
    site::{INSIDE, Site, TURN, condition, finding, tested_at},
};

/// From the zone to the first verdict.
const FIRST: Duration = Duration::from_secs(120);
/// A change starts a round within a minute, and that takes less than two.
const CHANGED: Duration = Duration::from_secs(240);

/// Settings of the network plug-in: a change of them starts a round. These agents are told by arguments and do not read them.
const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {enable-policy: default}
";

const OPEN: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: vault}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: pcizone-system}}}]}]
";

fn proven(status: &Value) -> (&str, &str, &str) {
    condition(status, "SegmentationProven")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_enforced_is_proven_and_what_is_not_is_not() -> Result<()> {
    let _turn = TURN.lock().await;
    if !nodes_or_skip()? {
        return Ok(());
    }
    sweep_nodes()?;
    let site = Site::start(Cni::Cilium, 2).await?;
    site.zone().await?;
    site.until("the zone is in place", FIRST, |status| condition(status, "Ready").0 == "True").await?;
    flow::ways_past_policies(&site).await?;
    shown_when_it_is(&site).await?;
    all_of_it_goes_with_the_zone(&site).await
}

async fn shown_when_it_is(site: &Site) -> Result<()> {
    let status = site.until("enforced", FIRST, |status| proven(status).0 == "True").await?;
    let test = &status["segmentationTest"];
    ensure!(test["result"] == "Enforced" && test["broken"] == 0 && test["ownNode"] == 2, "{test:#}");
    // On each of the two nodes by itself, to the other one, out of the zone and into it, by two protocols; and a port of three flows.
    let families = if site.cluster.node(INSIDE).address_6().is_some() { 2 } else { 1 };
    ensure!(test["tried"] == 19 * families && test["enforced"] == 19 * families, "{test:#}");
    ensure!(test["flows"] == serde_json::json!(["checkout", "lookup", "sync"]), "{test:#}");
    ensure!(test["pairs"].as_array().is_some_and(|pairs| pairs.len() == 8), "{test:#}");
    ensure!(finding(&status, "CniEnforcementUnproven").is_none(), "{status:#}");

    // A policy of somebody else opens the zone to the canary outside: engine and canary agree that it is open.
    let before = tested_at(&status);
    site.apply(OPEN).await?;
    let opened = |status: &Value| tested_at(status) > before && proven(status).0 == "False";
    let status = site.until("a policy of others opens it", CHANGED, opened).await?;
    ensure!(proven(&status).2.contains("NetworkPolicy/vault/open"), "{:?}", proven(&status));
    ensure!(finding(&status, "PolicyUnmanagedWidens").is_some(), "{status:#}");
    site.kubectl.run(&["delete", "networkpolicy", "open", "-n", "vault"]).await?;
    let status = site.until("closed again", CHANGED, |status| proven(status).0 == "True").await?;
    ensure!(
        status["controlFailures"].as_array().is_none_or(Vec::is_empty),
        "what others open is no failure of the control"
    );

    // Nothing is enforced any more: the canary sees it, without any change of an object.
    site.cluster.set_cilium_enforcement("never").await?;
    let asked = site.probe()?;
    let status = site.until("enforcement is off", CHANGED, |status| proven(status).0 == "False").await?;
    let (code, grid) = asked.join().map_err(|_| anyhow::anyhow!("the program did not end"))??;
    ensure!(code == 1 && grid.contains("outside/node-1  OPEN"), "{code} {grid}");
    ensure!(finding(&status, "CniNoEnforcement").is_some(), "{status:#}");
    ensure!(status["controlFailures"][0]["startedAt"].is_string(), "{status:#}");
    ensure!(status["controlFailures"][0]["endedAt"].is_null(), "{status:#}");
    site.cluster.set_cilium_enforcement("default").await?;
    let asked = site.probe()?;
    let status = site.until("enforcement is on", CHANGED, |status| proven(status).0 == "True").await?;
    // It may have shown a round that was under way.
    asked.join().map_err(|_| anyhow::anyhow!("the program did not end"))??;
    let failure = &status["controlFailures"][0];
    ensure!(failure["endedAt"].is_string() && failure["cause"].is_null(), "{failure:#}");
    ensure!(finding(&status, "ControlFailureUnexplained").is_some(), "{status:#}");
    let cause = format!(
        "pcizone.dev/failure-cause={} somebody switched the enforcement of policies off",
        failure["startedAt"].as_str().unwrap_or_default()
    );
    site.kubectl.run(&["annotate", "pz", "cde", &cause]).await?;
    let explained = |status: &Value| status["controlFailures"][0]["cause"].is_string();
    let status = site.until("the cause is told", Duration::from_secs(20), explained).await?;
    ensure!(finding(&status, "ControlFailureUnexplained").is_none(), "{status:#}");

    // With the agent gone, what is loaded goes on denying, and nothing new comes into force.
    let before = tested_at(&status);
    site.cluster.stop_cni_agent(INSIDE).await?;
    site.apply(SETTINGS).await?;
    let unproven = |status: &Value| {
        tested_at(status) > before
            && proven(status).0 == "Unknown"
            && status["segmentationTest"]["result"] == "Unproven"
    };
    let status = site.until("the agent is gone", CHANGED, unproven).await?;
    ensure!(proven(&status).2.contains("the loaded ones went on denying"), "{:?}", proven(&status));
    // Without it nothing of the node's pods could be taken away.
    site.cluster.start_cni_agent(INSIDE).await
}

async fn all_of_it_goes_with_the_zone(site: &Site) -> Result<()> {
    site.kubectl.run(&["delete", "pz", "cde", "--wait=false"]).await?;
    let has_digest = |status: &Value| status["change"]["digest"].is_string();
    let status = site.until("a digest to confirm", Duration::from_secs(20), has_digest).await?;
    let confirm = format!("pcizone.dev/confirm-change={}", status["change"]["digest"].as_str().unwrap_or_default());
    site.kubectl.run(&["annotate", "pz", "cde", &confirm]).await?;
    let left = ["get", "pods,networkpolicies", "-A", "-l", "pcizone.dev/canary", "-o", "name"];
    site.says(&left, Duration::from_secs(60), |said| said.trim().is_empty()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plug_in_that_enforces_nothing_is_told_with_the_nodes() -> Result<()> {
    let _turn = TURN.lock().await;
    if !nodes_or_skip()? {
        return Ok(());
    }
    sweep_nodes()?;
    let site = Site::start(Cni::Bridge, 1).await?;
    site.zone().await?;
    let status = site.until("nothing is enforced", FIRST, |status| proven(status).0 == "False").await?;
    let found = finding(&status, "CniNoEnforcement").cloned().unwrap_or_default();
    let text = found.to_string();
    ensure!(text.contains("outside/node-1 → node-2"), "{found:#}");
    ensure!(status["segmentationTest"]["failure"] == "Everything", "{status:#}");
    flow::whole(&site).await
}
