//! Configurations of log forwarders: made whole, never changed, and deleted after a look at what is there.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::{Applier, is_not_found, is_stale};
use crate::{api::names, controllers::error::Error, engine::forwarder::configurations::Live};

impl Applier {
    fn configurations(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes a configuration. One that is there already is looked at by the watch.
    pub async fn put_configuration(&self, object: &ConfigMap) -> Result<(), Error> {
        let namespace = object.namespace().unwrap_or_default();
        let subject = format!("ConfigMap/{namespace}/{}", object.name_any());
        let params = PostParams { field_manager: Some(names::MANAGER_LOGS.to_string()), ..PostParams::default() };
        match self.call("create", &subject, self.configurations(&namespace).create(&params, object)).await {
            Err(Error::Api { source, act, object: subject, wait }) if is_stale(&source) => {
                let live =
                    self.read("read", &subject, self.configurations(&namespace).get_opt(&object.name_any())).await?;
                // Without our label the watch does not see it, and it stands where ours has to be.
                if live.as_ref().is_none_or(|live| Live::read(live).is_sound) {
                    return Ok(());
                }
                Err(Error::Api { source, act, object: subject, wait })
            }
            other => other.map(drop),
        }
    }

    /// Deletes a configuration, where it is still the one that was seen.
    pub async fn delete_configuration(&self, planned: &Live) -> Result<(), Error> {
        let Live { namespace, name, .. } = planned;
        let subject = format!("ConfigMap/{namespace}/{name}");
        let api = self.configurations(namespace);
        let Some(live) = self.read("read", &subject, api.get_opt(name)).await? else { return Ok(()) };
        if Live::read(&live) != *planned {
            return Ok(());
        }
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(name, &params)).await {
            Err(Error::Api { source, .. }) if is_not_found(&source) || is_stale(&source) => Ok(()),
            other => other.map(drop),
        }
    }
}
