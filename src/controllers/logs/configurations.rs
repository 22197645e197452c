//! Keeps the forwarders' configurations: one `ConfigMap` in each namespace of a zone whose pods get a forwarder.

use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::Logs;
use crate::{
    api::names,
    controllers::{
        apply::Applier,
        config_maps::{self, Seen},
        error::Error,
        hub::Hub,
    },
    engine::{
        change::count,
        declaration::Declaration,
        desired::admission::sidecars::LivePolicies,
        forwarder::{
            self, Rendered,
            configurations::{self, Live, Wanted},
        },
        guards, plan,
    },
};

/// How often it is looked what is to be done.
const LOOK: Duration = Duration::from_secs(1);
/// After a write that failed nothing is written for so long.
const AGAIN: Duration = Duration::from_secs(10);
/// For so long nothing may name one before it is deleted: policies take a moment to reach every API server, and pods to be seen.
const IDLE: Duration = Duration::from_secs(60);
/// Writes at once.
const AT_ONCE: usize = 16;
/// Has the rights that this needs.
const COMPONENT: &str = "deploy/kustomize/components/logs";

/// Follows them for ever, while a zone has a forwarder or something is left of one.
pub(super) async fn follow(client: Client, hub: Arc<Hub>, to: watch::Sender<Seen<Live>>) {
    let is_named = |map: &ConfigMap| map.name_any().starts_with(names::CONFIGURATION_PREFIX);
    let keep = |map: ConfigMap| is_named(&map).then(|| Live::read(&map));
    config_maps::follow(Api::all(client), COMPONENT, || is_wanted(&hub), keep, to).await;
}

fn is_wanted(hub: &Hub) -> bool {
    hub.resolved(|resolution, _| resolution.zones().any(|(_, zone)| guards::forwarding(zone).is_some()))
}

/// A zone that wants forwarders, and what these are told.
type Told = (Arc<Declaration>, Rendered);

/// What each zone's forwarders are to have, and by zone what they are told.
fn wanted(hub: &Hub) -> (Vec<Wanted>, BTreeMap<String, Told>) {
    let mut rendered = BTreeMap::new();
    let mut wanted = hub.resolved(|resolution, _| {
        let mut wanted = Vec::new();
        for (name, zone) in resolution.zones() {
            // What is not armed yet may go without a trace.
            let Some(declaration) = guards::forwarding(zone).filter(|zone| zone.armed) else { continue };
            let logs = declaration.logs.as_ref();
            let Some(one) = logs.and_then(|logs| forwarder::render(name, logs)) else { continue };
            let namespaces = zone.namespaces.declared.union(&zone.namespaces.held).cloned().collect();
            wanted.push(Wanted { zone: name.to_string(), name: forwarder::configuration_name(&one), namespaces });
            rendered.insert(name.to_string(), (Arc::clone(declaration), one));
        }
        wanted
    });
    let namespaces = hub.namespace_store();
    for zone in &mut wanted {
        zone.namespaces.retain(|name| namespaces.get(name).is_some_and(|namespace| !plan::is_terminating(&namespace)));
    }
    (wanted, rendered)
}

/// What is to be done. All pods and policies are looked at only where something may go.
fn plan_steps(hub: &Hub, wanted: &[Wanted], live: &BTreeSet<Live>) -> configurations::Plan {
    let used = LazyCell::new(|| hub.used_configurations());
    let is_used = |namespace: &str, name: &str| used.contains(&(namespace.to_string(), name.to_string()));
    configurations::plan(wanted, live, is_used)
}

/// What could not be written, of one zone.
struct Failed {
    at: Instant,
    why: String,
}

/// Keeps them for ever.
pub(super) async fn keep(logs: &Logs, seen: watch::Receiver<Seen<Live>>) {
    let Logs { hub, applier, metrics, .. } = logs;
    let mut failed: BTreeMap<String, Failed> = BTreeMap::new();
    let mut idle: BTreeMap<Live, Instant> = BTreeMap::new();
    let mut policies: BTreeMap<String, (LivePolicies, Instant)> = BTreeMap::new();
    loop {
        sleep(LOOK).await;
        let Seen { live, trouble } = seen.borrow().clone();
        let live: Option<BTreeSet<Live>> = live.map(|live| live.into_values().collect());
        let (wanted, rendered) = wanted(hub);
        let steps = live.as_ref().map(|live| plan_steps(hub, &wanted, live));
        // A replica that does not write answers the webhook all the same.
        if let Some(steps) = &steps {
            let declared = |zone: &String| Some((zone.clone(), Arc::clone(&rendered.get(zone)?.0)));
            policies.retain(|zone, _| rendered.contains_key(zone));
            let unchanged = |zone: &str, live: &LivePolicies| {
                let known = policies.entry(zone.to_string()).or_insert_with(|| (live.clone(), Instant::now()));
                if known.0 != *live {
                    *known = (live.clone(), Instant::now());
                }
                known.1.elapsed()
            };
            hub.set_configured(rendered.keys(), steps.configured.iter().filter_map(declared), unchanged);
        }
        if !applier.may_write() {
            // Another replica knows better by now.
            (failed, idle) = (BTreeMap::new(), BTreeMap::new());
            continue;
        }
        failed.retain(|zone, _| rendered.contains_key(zone));
        let told = wanted.iter().filter_map(|zone| {
            let why = trouble.as_ref().or_else(|| failed.get(&zone.zone).map(|failed| &failed.why))?;
            Some((zone.zone.clone(), why.clone()))
        });
        hub.collected.set_trouble(told.collect()).then(|| hub.wake());
        let Some(steps) = steps else { continue };
        let waits = |zone: &String| failed.get(zone).is_some_and(|failed| failed.at.elapsed() < AGAIN);
        let create: Vec<&(String, String)> = steps.create.iter().filter(|(zone, _)| !waits(zone)).collect();
        idle.retain(|one, _| steps.delete.contains(one));
        let now = Instant::now();
        let delete: Vec<Live> = steps
            .delete
            .into_iter()
            .filter(|one| {
                // What should hold ours and does not is in the way; what nobody names any more may be named by a pod that is on its way.
                let since = *idle.entry(one.clone()).or_insert(now);
                since.elapsed() >= IDLE || !one.is_sound && wanted.iter().any(|zone| zone.name == one.name)
            })
            .collect();
        if create.is_empty() && delete.is_empty() {
            continue;
        }
        let zones: Vec<String> = create.iter().map(|(zone, _)| zone.clone()).collect();
        let objects = create
            .iter()
            .filter_map(|(zone, namespace)| Some(configurations::object(zone, namespace, &rendered.get(zone)?.1)));
        let objects: Vec<ConfigMap> = objects.collect();
        let made =
            write(applier, objects, |applier, object| async move { applier.put_configuration(&object).await }).await;
        let gone =
            write(applier, delete, |applier, live| async move { applier.delete_configuration(&live).await }).await;
        let written = made.iter().filter(|one| one.is_ok()).count();
        let deleted = gone.iter().filter(|one| one.is_ok()).count();
        (0..written).for_each(|_| metrics.count_write("logs", "create"));
        (0..deleted).for_each(|_| metrics.count_write("logs", "delete"));
        tracing::info!("{} written, {} deleted", count(written, "configuration"), count(deleted, "configuration"));
        for zone in &zones {
            failed.remove(zone);
        }
        for (zone, made) in zones.into_iter().zip(made) {
            if let Err(error) = made {
                metrics.count_error("logs", error.category());
                tracing::warn!(zone, error = error.chain(), "a configuration cannot be written; it is tried again");
                failed.insert(zone, Failed { at: Instant::now(), why: error.chain() });
            }
        }
        for error in gone.into_iter().filter_map(Result::err) {
            metrics.count_error("logs", error.category());
            tracing::warn!(error = error.chain(), "a configuration cannot be deleted; it is tried again");
        }
        // The watch shows what was written a moment later; until then it would be written again.
        let mut seen = seen.clone();
        let _ = timeout(LOOK, seen.changed()).await;
    }
}

async fn write<T, F>(applier: &Applier, all: Vec<T>, one: impl Fn(Applier, T) -> F) -> Vec<Result<(), Error>>
where
    F: Future<Output = Result<(), Error>>,
{
    let writes: Vec<F> = all.into_iter().map(|object| one(applier.clone(), object)).collect();
    // In their order, since each belongs to a zone.
    stream::iter(writes).buffered(AT_ONCE).collect().await
}
