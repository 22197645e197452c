//! What admission is told of images: replaced as it was seen, so that nothing that was kept since is lost.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{Applier, is_not_found, is_stale};
use crate::{api::names, controllers::error::Error};

impl Applier {
    /// Makes the object, or replaces the one that was seen. What changed since is looked at again before anything is written over it.
    pub async fn put_images(&self, mut object: ConfigMap, live: Option<&ConfigMap>) -> Result<(), Error> {
        let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
        let subject = format!("ConfigMap/{namespace}/{name}");
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let params = PostParams { field_manager: Some(names::MANAGER_IMAGES.to_string()), ..PostParams::default() };
        let written = match live {
            None => self.call("create", &subject, api.create(&params, &object)).await,
            Some(live) => {
                object.metadata.resource_version = live.resource_version();
                self.call("replace", &subject, api.replace(&name, &params, &object)).await
            }
        };
        match written {
            Err(Error::Api { source, .. }) if live.is_some() && is_stale(&source) => {
                Err(Error::Contended { act: "replace", object: subject, tries: 1 })
            }
            other => other.map(drop),
        }
    }

    /// Deletes the object in just the version that was seen.
    pub async fn delete_images(&self, live: &ConfigMap) -> Result<(), Error> {
        let (name, namespace) = (live.name_any(), live.namespace().unwrap_or_default());
        let subject = format!("ConfigMap/{namespace}/{name}");
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(&name, &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) || is_stale(&source) => Ok(()),
            other => other.map(drop),
        }
    }
}
