//! All watches, and when what they showed is complete.

use std::sync::{Arc, atomic::Ordering};

use kube::{Api, Client, runtime::watcher};

use super::{Hub, WATCH_SECONDS, guard_resource, watch::follow, zone_resource};
use crate::{
    api::names,
    controllers::{error::Error, server::Server},
    engine::{
        access,
        pod::Common,
        policy::Specs,
        reach::other::Other,
        route::{Grant, Route},
        service, trim,
    },
};

/// Watches for ever.
pub(super) async fn run(hub: Arc<Hub>, client: Client) -> Error {
    let hub = &*hub;
    let server = Server::ask(&client, &hub.operator_namespace).await;
    let mutates = hub.server.get_or_init(|| server).mutates;
    let ours = format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE);
    let ours = watcher::Config::default().timeout(WATCH_SECONDS).labels(&ours);
    let guards = hub.guards.iter().filter(|(kind, _)| mutates || !kind.mutates()).map(|(kind, store)| {
        let resource = guard_resource(*kind);
        let api = (Api::all_with(client.clone(), &resource), resource);
        follow(hub, api, ours.clone(), store, |object| trim::guard(*kind, object), Hub::on_guard)
    });
    let others = hub
        .others
        .iter()
        .map(|(kind, store)| store.follow(hub, &client, |object| Other::read(*kind, object), Hub::on_judged));
    let routes = hub
        .routes
        .iter()
        .map(|(kind, store)| store.follow(hub, &client, |object| Route::read(*kind, &object), Hub::on_judged));
    let (mut specs, mut pod_names) = (Specs::default(), Common::default());
    let (mut of_roles, mut of_bindings) = (access::Common::default(), access::Common::default());
    let all = watcher::Config::default().timeout(WATCH_SECONDS);
    let by_others = all.clone().labels(&format!("{}!={}", service::SLICE_WRITER, service::SLICE_CONTROLLER));
    let zone_api = (Api::all_with(client.clone(), &zone_resource()), zone_resource());
    // All in one task: store and World move together, event by event.
    tokio::join!(
        follow(hub, zone_api, all.clone(), &hub.zones, std::convert::identity, Hub::on_zone),
        follow(hub, (Api::all(client.clone()), ()), all.clone(), &hub.namespaces, trim::namespace, Hub::on_namespace),
        follow(hub, (Api::all(client.clone()), ()), all.clone(), &hub.nodes, trim::node, Hub::on_node),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.policies,
            |policy| trim::policy(policy, &mut specs),
            Hub::on_policy
        ),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.pods,
            |pod| trim::pod(pod, &mut pod_names),
            Hub::on_pod
        ),
        follow(hub, (Api::all(client.clone()), ()), all.clone(), &hub.services, trim::service, Hub::on_judged),
        follow(hub, (Api::all(client.clone()), ()), by_others, &hub.slices, trim::slice, Hub::on_slice),
        follow(hub, (Api::all(client.clone()), ()), all.clone(), &hub.ingresses, trim::ingress, Hub::on_judged),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.cluster_roles,
            trim::cluster_role,
            Hub::on_judged
        ),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.cluster_bindings,
            trim::cluster_binding,
            Hub::on_judged
        ),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.roles,
            |role| trim::role(role, &mut of_roles),
            Hub::on_judged
        ),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all.clone(),
            &hub.bindings,
            |binding| trim::binding(binding, &mut of_bindings),
            Hub::on_judged
        ),
        follow(
            hub,
            (Api::all(client.clone()), ()),
            all,
            &hub.service_ranges,
            std::convert::identity,
            Hub::on_service_range
        ),
        futures::future::join_all(guards),
        futures::future::join_all(others),
        futures::future::join_all(routes),
        hub.grants.follow(hub, &client, |object| Grant::read(&object), Hub::on_judged),
        hub.sync(),
    );
    Error::Ended("the watches")
}

impl Hub {
    /// Waits until every store is filled by which something is kept in place, then derives everything from them. What is only
    /// judged holds no repair up.
    async fn sync(&self) {
        self.zones.until_filled().await;
        self.namespaces.until_filled().await;
        self.nodes.until_filled().await;
        self.policies.until_filled().await;
        self.slices.until_filled().await;
        self.service_ranges.until_filled().await;
        for (_, store) in self.watched_guards() {
            store.until_filled().await;
        }
        // From here on events are handled one by one; what came in between is in the stores already.
        self.rebuild();
        self.synced.send_replace(true);
        self.wake();
        tracing::info!("all watches are synced that something is kept in place by");
        self.pods.until_filled().await;
        self.services.until_filled().await;
        self.cluster_roles.until_filled().await;
        self.cluster_bindings.until_filled().await;
        self.ingresses.until_filled().await;
        self.roles.until_filled().await;
        self.bindings.until_filled().await;
        for (_, store) in &self.others {
            store.until_known().await;
        }
        for (_, store) in &self.routes {
            store.until_known().await;
        }
        self.grants.until_known().await;
        self.until_reports_known().await;
        self.complete.store(true, Ordering::Release);
        self.wake();
        tracing::info!("all watches are synced");
    }
}
