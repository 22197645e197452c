//! Whether the operator has the rights that it needs.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use super::error::Error;
use crate::engine::{
    intake::Kind,
    rights::{self, NEEDED, Place, Right},
};

const CALL: Duration = Duration::from_secs(10);

/// The rights that are missing, in words such as `patch nodes`; of kinds that other software brings for those that it brought.
pub async fn missing(client: &Client, own_namespace: &str, brought: &[Kind]) -> Result<Vec<String>, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let mut missing = Vec::new();
    for right in NEEDED.iter().copied().chain(brought.iter().copied().flat_map(rights::of_optional)) {
        for verb in right.verbs {
            let review = review(&right, verb, own_namespace);
            let params = PostParams::default();
            let object = format!("the right to {verb} {}", right.resource);
            let answer = match tokio::time::timeout(CALL, api.create(&params, &review)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(source)) => {
                    return Err(Error::Api { act: "check", object, wait: None, source: Box::new(source) });
                }
                Err(_) => return Err(Error::Timeout { act: "check", object, limit: CALL }),
            };
            if !answer.status.is_some_and(|status| status.allowed) {
                missing.push(words(&right, verb, own_namespace));
            }
        }
    }
    Ok(missing)
}

fn namespace(right: &Right, own: &str) -> Option<String> {
    match right.place {
        Place::Cluster => None,
        Place::Default => Some("default".to_string()),
        Place::Own => Some(own.to_string()),
    }
}

fn words(right: &Right, verb: &str, own: &str) -> String {
    let place = namespace(right, own).map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    format!("{}{place}", rights::words(right.group, right.resource, verb))
}

fn review(right: &Right, verb: &str, own: &str) -> SelfSubjectAccessReview {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_string())),
        None => (right.resource, None),
    };
    let name = right.name.filter(|_| verb != "create").map(str::to_string);
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(right.group.to_string()),
                resource: Some(resource.to_string()),
                subresource,
                verb: Some(verb.to_string()),
                namespace: namespace(right, own),
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
