//! What the webhook answers about a new pod: the same as the mutating policies do, for servers that have none that are sound.

use json_patch::{Patch, PatchOperation};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::{placement, sidecars, strangers};
use crate::{api::names, engine::declaration::Declaration};

/// A request to create a pod.
pub struct PodRequest<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The zone whose label the namespace carries.
    pub zone: Option<&'a str>,
    /// Who makes it.
    pub user: &'a str,
    /// The pod.
    pub pod: &'a Value,
}

/// The patch, for zones whose hosting is in force, and those whose pods get a forwarder. Empty where nothing is to be done.
pub fn answer<'a>(
    request: &PodRequest,
    placing: impl Iterator<Item = &'a Declaration>,
    forwarding: impl Iterator<Item = &'a Declaration>,
    now: Timestamp,
) -> Vec<PatchOperation> {
    let mut patch = Vec::new();
    if is_static(request) {
        return patch;
    }
    let mut pod = request.pod.clone();
    let is_own = |zone: &&Declaration| request.zone == Some(zone.name.as_str());
    let mut add = |operations: &dyn Fn(&Value) -> Vec<Value>| {
        let Ok(Patch(operations)) = serde_json::from_value(operations(&pod).into()) else { return };
        // What one adds, the next one sees.
        if json_patch::patch(&mut pod, &operations).is_ok() {
            patch.extend(operations);
        }
    };
    for zone in placing {
        if is_own(&zone) {
            add(&|pod| placement::patch(zone, pod));
        } else if request.namespace != names::SYSTEM_NAMESPACE && !strangers::is_admitted(zone, request, now) {
            add(&|pod| strangers::patch(zone, pod));
        }
    }
    if let Some(zone) = forwarding.into_iter().find(is_own) {
        add(&|pod| sidecars::patch(zone, pod));
    }
    patch
}

/// The kubelet tells the API server of a static pod.
fn is_static(request: &PodRequest) -> bool {
    let text = |pointer| request.pod.pointer(pointer).and_then(Value::as_str);
    let node = text("/spec/nodeName").unwrap_or_default();
    text("/metadata/annotations/kubernetes.io~1config.mirror").is_some()
        && request.user == format!("system:node:{node}")
}
