//! What the API server asks about a new pod, and the answer.

use std::sync::Arc;

use axum::{Json, Router, extract::DefaultBodyLimit, extract::State, routing::post};
use k8s_openapi::jiff::Timestamp;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
};
use serde_json::{Value, json};

use crate::{
    controllers::hub::Hub,
    engine::{
        desired::admission::review::{self, PodRequest},
        guards, ownership,
    },
};

/// What the API server sends at most.
const BODY: usize = 4 * 1024 * 1024;

pub(super) fn router(hub: Arc<Hub>) -> Router {
    Router::new().route("/place", post(place)).layer(DefaultBodyLimit::max(BODY)).with_state(hub)
}

/// Lets every pod in: it only adds. What is not understood stays as it is.
async fn place(State(hub): State<Arc<Hub>>, Json(review): Json<Value>) -> Json<Value> {
    let review: Result<AdmissionReview<DynamicObject>, _> = serde_json::from_value(review);
    let request: Result<AdmissionRequest<DynamicObject>, _> = match review {
        Ok(review) => review.try_into().map_err(|_| ()),
        Err(_) => Err(()),
    };
    let Ok(request) = request else {
        let response = AdmissionResponse::invalid("this is no AdmissionReview");
        return Json(json!(response.into_review()));
    };
    let response = AdmissionResponse::from(&request);
    let pod = json!(request.object);
    let namespace = request.namespace.clone().unwrap_or_default();
    let member = hub.namespace_store().get(&namespace);
    let request = PodRequest {
        namespace: &namespace,
        zone: member.as_ref().and_then(|namespace| ownership::zone_label(namespace)),
        user: request.user_info.username.as_deref().unwrap_or_default(),
        pod: &pod,
    };
    let patch = hub.resolved(|resolution, cluster| {
        let placing = resolution.zones().filter_map(|(_, zone)| guards::placing(zone));
        // As its configuration is there, and only while the zone still wants it.
        let wants = |name: &str| resolution.zone(name).is_some_and(|zone| guards::forwarding(zone).is_some());
        let forwarding = cluster.configured.iter().filter(|(name, _)| wants(name)).map(|(_, zone)| &**zone.adding());
        review::answer(&request, placing, forwarding, Timestamp::now())
    });
    let response = if patch.is_empty() {
        response
    } else {
        match response.with_patch(json_patch::Patch(patch)) {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(%error, namespace, "a patch of a pod cannot be written");
                return Json(json!(AdmissionResponse::invalid(error).into_review()));
            }
        }
    };
    Json(json!(response.into_review()))
}
