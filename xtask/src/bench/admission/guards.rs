//! The guards of the zone, taken away and put back, and whether the API server acts as if they were there.
//!
//! The operator puts them back, not this program: it has to run anyway where it serves the webhook, so one way does for
//! both versions. The labels of the namespaces and all policies stay as they are: admission alone differs.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use pcizone::api::names;
use tokio::time::{Instant, sleep, timeout};

use super::{
    bed::{Bed, Way},
    objects::{placed_elsewhere, plain},
};
use crate::bench::objects::{OUTSIDE, ZONE};

/// How long one request may take.
const CALL: Duration = Duration::from_secs(30);
/// How long the API server may take to heed a change of its policies. It looks at them once a second.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);
/// What was written for a change, and what came of it, is over by then.
const SETTLED: Duration = Duration::from_secs(2);

/// What the API server does to the pods of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Acts {
    /// A plain pod gets the zone's selector and toleration.
    places: bool,
    /// A pod that asks for another zone's nodes is refused by the zone.
    refuses: bool,
    /// What makes the guards act.
    bindings: usize,
}

/// What has to be deleted that no guard acts. A policy without binding is not looked at.
fn kinds(way: Way) -> &'static str {
    match way {
        Way::Policies => "validatingadmissionpolicybindings,mutatingadmissionpolicybindings",
        Way::Webhook => "validatingadmissionpolicybindings,mutatingwebhookconfigurations",
    }
}

fn selector() -> String {
    format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE)
}

/// How many there are.
pub(super) async fn count(bed: &Bed) -> Result<usize> {
    let arguments = ["get", kinds(bed.way), "--selector", &selector(), "--output", "name"];
    Ok(bed.cluster.kubectl().run(&arguments).await?.lines().count())
}

/// Deletes them. No operator runs, or it would put them back.
pub(super) async fn take_away(bed: &Bed) -> Result<()> {
    bed.cluster.kubectl().run(&["delete", kinds(bed.way), "--selector", &selector()]).await.map(drop)
}

/// Waits until the API server acts as if there were so many.
pub(super) async fn until(bed: &Bed, bindings: usize) -> Result<()> {
    let wanted = Acts { places: bindings > 0, refuses: bindings > 0, bindings };
    let end = Instant::now() + PATIENCE;
    let mut acts = look(bed).await?;
    while acts != wanted && Instant::now() < end {
        sleep(PAUSE).await;
        acts = look(bed).await?;
    }
    if acts != wanted {
        bail!("after {} s the API server does {acts:?} to pods of the zone, not {wanted:?}", PATIENCE.as_secs());
    }
    if !is_untouched(bed).await? {
        bail!("a plain pod of {OUTSIDE} is placed or refused, which no zone may do");
    }
    sleep(SETTLED).await;
    Ok(())
}

async fn look(bed: &Bed) -> Result<Acts> {
    let namespace = bed.namespaces.last().context("the zone has no namespace")?;
    let made = dry_run(bed, &plain(0, namespace)?).await?;
    // A pod on the network of its node would not do: the Pod Security label refuses it too, and stays.
    let elsewhere = dry_run(bed, &placed_elsewhere(namespace)?).await?;
    Ok(Acts {
        places: made.is_some_and(|pod| has_selector(&pod) && has_toleration(&pod)),
        refuses: elsewhere.is_none(),
        bindings: count(bed).await?,
    })
}

async fn is_untouched(bed: &Bed) -> Result<bool> {
    let made = dry_run(bed, &plain(0, OUTSIDE)?).await?;
    Ok(made.is_some_and(|pod| !has_selector(&pod) && !has_toleration(&pod)))
}

fn has_selector(pod: &Pod) -> bool {
    let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
    selector.is_some_and(|selector| selector.get(names::NODE_LABEL).is_some_and(|zone| zone == ZONE))
}

fn has_toleration(pod: &Pod) -> bool {
    let tolerations = pod.spec.iter().flat_map(|spec| spec.tolerations.iter().flatten());
    tolerations.into_iter().any(|toleration| toleration.key.as_deref() == Some(names::NODE_TAINT))
}

/// The pod as it would be stored; nothing where a zone refuses it.
async fn dry_run(bed: &Bed, pod: &Pod) -> Result<Option<Pod>> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let api = bed.maker.pods(namespace);
    let answer = timeout(CALL, api.create(&params, pod)).await.context("no answer in time");
    match answer.with_context(|| format!("cannot try a pod in {namespace}"))? {
        Ok(pod) => Ok(Some(pod)),
        Err(kube::Error::Api(status)) if status.code == 403 && status.message.contains(&format!("zone {ZONE}:")) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot try a pod in {namespace}")),
    }
}
