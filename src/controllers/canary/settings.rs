//! Settings by which network plug-ins enforce policies, or not. When one of them changes, what was shown before does not hold any more.
//!
//! They are read by name, twice a minute while a zone has a canary: the right to read just these is a small one, the right to watch all
//! of a namespace is not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, Client,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use tokio::time::{sleep, timeout};

use crate::{controllers::hub::Hub, engine::canary::about};

/// How often they are read.
const LOOK: Duration = Duration::from_secs(25);
/// How long one call may take.
const CALL: Duration = Duration::from_secs(10);
const NOT_FOUND: u16 = 404;

/// Calico's settings for the whole cluster.
const FELIX: (&str, &str, &str, &str) = ("crd.projectcalico.org", "v1", "FelixConfiguration", "felixconfigurations");

/// Reads them for ever.
pub async fn follow(client: Client, hub: Arc<Hub>) {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let is_wanted = hub.resolved(|resolution, _| {
            resolution
                .zones()
                .any(|(_, zone)| zone.declaration.as_deref().is_some_and(|zone| super::runs(zone).is_ok()))
        });
        if is_wanted {
            look(&client, &mut known).await;
            hub.tested.set_settings(about::settings_digest(&known)).then(|| hub.wake());
        }
        sleep(LOOK).await;
    }
}

async fn look(client: &Client, known: &mut BTreeMap<String, String>) {
    let maps = ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&());
    for (namespace, name) in about::CONFIG_MAPS {
        let api = Api::namespaced_with(client.clone(), namespace, &maps);
        take(known, format!("ConfigMap/{namespace}/{name}"), &api, name).await;
    }
    let (group, version, kind, plural) = FELIX;
    let felix = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    take(known, format!("{kind}/default"), &Api::all_with(client.clone(), &felix), "default").await;
}

/// What cannot be read now stays as it was: that it changed is not known, and it is read again soon.
async fn take(known: &mut BTreeMap<String, String>, key: String, api: &Api<DynamicObject>, name: &str) {
    match timeout(CALL, api.get(name)).await {
        Ok(Ok(object)) => {
            known.insert(key, object.data.to_string());
        }
        Ok(Err(kube::Error::Api(status))) if status.code == NOT_FOUND => {
            known.remove(&key);
        }
        Ok(Err(error)) => tracing::debug!(%error, key, "settings of a network plug-in cannot be read"),
        Err(_) => tracing::debug!(key, "settings of a network plug-in were not read in time"),
    }
}
