//! Keeps what admission is told of images, and since when their fixes are known: one `ConfigMap` for each zone, beside the operator.
//!
//! ```text
//!  reports ─▶ evidence ─┬─▶ since when each fix is known ─▶ judgement
//!                       └─▶ until when each digest may start ─▶ ConfigMap ─▶ the policy that asks for it
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use kube::{Api, Client, ResourceExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    apply::Applier,
    config_maps::{self, Seen},
    error::Error,
    hub::Hub,
    metrics::Metrics,
};
use crate::{
    api::names,
    engine::{
        declaration::Declaration,
        images::{
            allow_list::{self, Contents},
            container,
            fixes::Fixes,
            report::{Report, What},
            running::Evidence,
        },
        ownership,
    },
};

/// Has the rights that this needs.
const COMPONENT: &str = "deploy/kustomize/components/scanning";
/// How often it is looked what is to be done; changes in between are one write.
const LOOK: Duration = Duration::from_secs(1);
/// After a write that failed nothing is written for so long.
const AGAIN: Duration = Duration::from_secs(10);
/// For so long a judgement waits until is known since when fixes are.
const PATIENCE: Duration = Duration::from_secs(15);
/// For so long nothing may name one before it is deleted.
const IDLE: Duration = Duration::from_secs(60);
/// After so long it is worked out again although nothing changed: a scan of the future is one of now by then.
const ANYWAY: Duration = Duration::from_secs(60);

/// Keeps them.
pub struct Images {
    /// What is known.
    pub hub: Arc<Hub>,
    /// The client, for a watch of the objects.
    pub client: Client,
    /// What writes.
    pub applier: Applier,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// The operator's namespace, in which the objects are.
    pub namespace: String,
}

/// A zone, and what is there for it.
type One = (String, ConfigMap);
type Reports = BTreeMap<String, Vec<Arc<Report>>>;

/// A zone that declares something about images.
struct Wanted {
    zone: Arc<Declaration>,
    /// Its namespaces.
    namespaces: BTreeSet<String>,
    /// Something outside the zone's own object may be written for it.
    protects: bool,
}

/// From what it follows what is to be done.
struct Inputs {
    reports: Reports,
    /// By name: UID and generation, the namespaces, and whether something may be written.
    zones: BTreeMap<String, (String, i64, BTreeSet<String>, bool)>,
    /// Versions of the objects.
    live: BTreeMap<String, Option<String>>,
    /// Some reports are not seen.
    is_partial: bool,
}

impl Inputs {
    fn new(wanted: &[Wanted], reports: Reports, live: &BTreeMap<String, ConfigMap>, is_partial: bool) -> Self {
        let zone = |one: &Wanted| {
            let Wanted { zone, namespaces, protects } = one;
            (zone.name.clone(), (zone.uid.clone(), zone.generation, namespaces.clone(), *protects))
        };
        let live = live.iter().map(|(zone, map)| (zone.clone(), map.resource_version())).collect();
        Inputs { reports, zones: wanted.iter().map(zone).collect(), live, is_partial }
    }

    /// Reports that were not taken in anew are the same ones.
    fn is_same(&self, other: &Inputs) -> bool {
        let reports = || self.reports.values().flatten().zip(other.reports.values().flatten());
        let count = |inputs: &Inputs| inputs.reports.values().map(Vec::len).sum::<usize>();
        self.zones == other.zones
            && self.live == other.live
            && self.is_partial == other.is_partial
            && count(self) == count(other)
            && reports().all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// What is to be done for the zones.
#[derive(Default)]
struct Plan {
    fixes: BTreeMap<String, Arc<Fixes>>,
    contents: BTreeMap<String, (Arc<Declaration>, Contents)>,
}

impl Images {
    /// Runs until dropped.
    pub async fn run(self) -> Error {
        self.hub.until_synced().await;
        let (to, seen) = watch::channel(Seen::default());
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        let is_wanted = || wanted(&self.hub).iter().any(|one| one.protects);
        tokio::join!(config_maps::follow(api, COMPONENT, is_wanted, one, to), self.keep(seen));
        Error::Ended("what keeps images")
    }

    async fn keep(&self, mut seen: watch::Receiver<Seen<One>>) {
        let mut failed: BTreeMap<String, (Instant, String)> = BTreeMap::new();
        let mut idle: BTreeMap<String, Instant> = BTreeMap::new();
        let mut last: Option<(Inputs, Arc<Plan>, Instant)> = None;
        let mut leading = Instant::now();
        loop {
            sleep(LOOK).await;
            if !self.applier.may_write() {
                // Another replica knows better by now.
                (failed, idle, last) = (BTreeMap::new(), BTreeMap::new(), None);
                self.hub.images.set(BTreeMap::new(), BTreeMap::new());
                self.hub.images.set_known(false);
                leading = Instant::now();
                continue;
            }
            let Seen { live, trouble } = seen.borrow_and_update().clone();
            let wanted = wanted(&self.hub);
            let is_blind = live.is_none() && trouble.is_none();
            // Before the objects were seen nothing is learnt: it would begin today.
            let is_early = !wanted.is_empty() && !self.hub.knows_reports();
            if is_early || is_blind && wanted.iter().any(|one| one.protects) {
                // Better a judgement without it than none.
                if leading.elapsed() > PATIENCE {
                    self.hub.images.set_known(true).then(|| self.hub.wake());
                }
                continue;
            }
            let live: BTreeMap<String, ConfigMap> = live.into_iter().flat_map(BTreeMap::into_values).collect();
            let is_partial = !self.hub.unread_reports().is_empty();
            let inputs = Inputs::new(&wanted, self.hub.all_reports(), &live, is_partial);
            let holds =
                |(before, _, at): &(Inputs, Arc<Plan>, Instant)| at.elapsed() < ANYWAY && before.is_same(&inputs);
            let (plan, at) = if let Some((_, plan, at)) = last.take().filter(holds) {
                (plan, at)
            } else {
                let known = self.hub.images.fixes();
                let runs: BTreeMap<String, BTreeSet<String>> =
                    wanted.iter().map(|one| (one.zone.name.clone(), self.running(&one.zone.name))).collect();
                let world = World { reports: &inputs.reports, runs: &runs, live: &live, known: &known, is_partial };
                (Arc::new(plan(&wanted, &world, Timestamp::now())), Instant::now())
            };
            last = Some((inputs, Arc::clone(&plan), at));
            failed.retain(|zone, _| plan.contents.contains_key(zone));
            let told = plan.contents.iter().filter_map(|(zone, (_, contents))| {
                let why = trouble.as_ref().or_else(|| failed.get(zone).map(|(_, why)| why)).cloned();
                let left_out = (contents.left_out > 0).then(|| format!("{} digests have no space", contents.left_out));
                Some((zone.clone(), why.or(left_out)?))
            });
            let is_news = self.hub.images.set(plan.fixes.clone(), told.collect());
            if self.hub.images.set_known(true) || is_news {
                self.hub.wake();
            }
            if trouble.is_some() {
                continue;
            }
            let is_there = |(zone, (declaration, contents)): &(&String, &(Arc<Declaration>, Contents))| {
                live.get(*zone).is_some_and(|map| allow_list::is_as_wanted(map, declaration, contents))
            };
            let (there, missing): (Vec<_>, Vec<_>) = plan.contents.iter().partition(is_there);
            // What is out of date still holds: it is put right below, and no policy has to go for that.
            let listed = there.into_iter().map(|(zone, _)| zone.clone());
            let known = missing.iter().map(|(zone, _)| (*zone).clone()).filter(|zone| live.contains_key(zone));
            self.hub.set_listed(&listed.chain(known).collect());
            let mut is_written = false;
            for (zone, (declaration, contents)) in missing {
                if failed.get(zone).is_some_and(|(at, _)| at.elapsed() < AGAIN) {
                    continue;
                }
                let object = allow_list::object(declaration, &self.namespace, contents);
                is_written |= self.write(zone, object, live.get(zone), &mut failed).await;
            }
            is_written |= self.clean(&live, &plan.contents, &mut idle).await;
            if is_written {
                // The watch shows what was written a moment later; until then it would be written again.
                let _ = timeout(LOOK, seen.changed()).await;
            }
        }
    }

    /// The digests that pods of a zone run, by what nodes tell and by what pods name.
    fn running(&self, zone: &str) -> BTreeSet<String> {
        let pods = self.hub.pods_of(zone);
        let images = pods.iter().filter(|pod| !pod.ended).flat_map(|pod| pod.images.iter());
        let digests = images.flat_map(|image| image.runs.as_deref().into_iter().chain(container::digest(&image.named)));
        digests.map(str::to_string).collect()
    }

    async fn write(
        &self,
        zone: &str,
        object: ConfigMap,
        live: Option<&ConfigMap>,
        failed: &mut BTreeMap<String, (Instant, String)>,
    ) -> bool {
        match self.applier.put_images(object, live).await {
            Ok(()) => {
                self.metrics.count_write("images", if live.is_some() { "replace" } else { "create" });
                failed.remove(zone);
            }
            Err(error) => {
                self.metrics.count_error("images", error.category());
                tracing::warn!(
                    zone,
                    error = error.chain(),
                    "what admission is told of images cannot be written; it is tried again"
                );
                failed.insert(zone.to_string(), (Instant::now(), error.chain()));
            }
        }
        true
    }

    /// Takes away what is of no zone any more, and no policy names.
    async fn clean(
        &self,
        live: &BTreeMap<String, ConfigMap>,
        wanted: &BTreeMap<String, (Arc<Declaration>, Contents)>,
        idle: &mut BTreeMap<String, Instant>,
    ) -> bool {
        // As long as the zone is there it keeps since when its fixes are known, whatever it declares meanwhile.
        let superfluous =
            |zone: &&String| !wanted.contains_key(*zone) && !self.hub.has_zone(zone) && !self.hub.names_images(zone);
        let zones: BTreeSet<&String> = live.keys().filter(superfluous).collect();
        idle.retain(|zone, _| zones.contains(zone));
        let mut is_written = false;
        for zone in zones {
            if idle.entry(zone.clone()).or_insert_with(Instant::now).elapsed() < IDLE {
                continue;
            }
            let Some(map) = live.get(zone) else { continue };
            is_written = true;
            match self.applier.delete_images(map).await {
                Ok(()) => self.metrics.count_write("images", "delete"),
                Err(error) => {
                    self.metrics.count_error("images", error.category());
                    tracing::warn!(
                        zone,
                        error = error.chain(),
                        "what admission was told of images cannot be deleted; it is tried again"
                    );
                }
            }
        }
        is_written
    }
}

/// What an object is for: its name and its label say the same.
fn one(map: ConfigMap) -> Option<One> {
    let zone = ownership::label(&map.metadata, names::ZONE_LABEL)?.to_string();
    (allow_list::name(&zone) == map.name_any()).then_some((zone, map))
}

/// The zones that declare something about images.
fn wanted(hub: &Hub) -> Vec<Wanted> {
    hub.resolved(|resolution, _| {
        let zones = resolution.zones().filter_map(|(_, zone)| {
            let declaration = zone.declaration.as_ref().filter(|one| one.images.is_some() && !one.deleting)?;
            let namespaces = zone.namespaces.declared.union(&zone.namespaces.held).cloned().collect();
            let protects = declaration.scanning.protects() && declaration.segments() && declaration.armed;
            Some(Wanted { zone: Arc::clone(declaration), namespaces, protects })
        });
        zones.collect()
    })
}

/// What a plan is made from.
struct World<'a> {
    reports: &'a Reports,
    /// The digests that run, by zone.
    runs: &'a BTreeMap<String, BTreeSet<String>>,
    live: &'a BTreeMap<String, ConfigMap>,
    known: &'a BTreeMap<String, Arc<Fixes>>,
    /// Some reports are not seen: what was said before holds on.
    is_partial: bool,
}

fn plan(wanted: &[Wanted], world: &World, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for Wanted { zone, namespaces, protects } in wanted {
        let Some(rules) = &zone.images else { continue };
        let names = namespaces.iter().map(String::as_str).chain([""]);
        let own: Vec<&Report> = names.filter_map(|name| world.reports.get(name)).flatten().map(AsRef::as_ref).collect();
        let scans = own.iter().flat_map(|report| &report.says).filter_map(|said| match &said.what {
            What::Scan(scan) => Some(scan),
            What::Sbom | What::Signed { .. } => None,
        });
        let live = world.live.get(&zone.name);
        let kept = live.map(allow_list::fixes).unwrap_or_default();
        let mut fixes = world.known.get(&zone.name).map_or_else(Fixes::default, |known| Fixes::clone(known));
        fixes.merge(&kept);
        fixes.learn(scans, now);
        if *protects {
            let evidence = Evidence::of(own.iter().copied());
            let runs = world.runs.get(&zone.name).into_iter().flatten().map(String::as_str).collect();
            let mut contents = allow_list::contents(rules, &evidence, &runs, &fixes, now);
            if world.is_partial {
                contents.keep(live);
            }
            plan.contents.insert(zone.name.clone(), (Arc::clone(zone), contents));
        }
        plan.fixes.insert(zone.name.clone(), Arc::new(fixes));
    }
    plan
}
