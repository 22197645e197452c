//! What scanners report, followed only while a zone declares what may run in it: a cluster without such a zone pays nothing for it, and
//! the operator needs no right there.
//!
//! ```text
//!  list, a few at a time ─▶ Arriving ─▶ Report ─▶ store     one after the other: nothing of a megabyte stays
//! ```

use std::{borrow::Cow, collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use futures::future::{self, Either};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client, Resource,
    core::{ApiResource, DynamicObject},
    runtime::watcher,
};
use serde::{Deserialize, Deserializer};
use tokio::time::sleep;

use super::{Hub, optional::OptionalStore};
use crate::{
    controllers::{error::Error, metrics::Metrics},
    engine::{
        images::{
            arriving::{Arriving, Common, Named},
            report::Report,
        },
        intake::Kind,
    },
};

/// Objects of one answer. Each may have a megabyte, and an answer is held as a whole.
const PAGE: u32 = 20;
/// How often it is looked whether they are wanted.
const LOOK: Duration = Duration::from_millis(500);

/// A store for each kind of reports.
pub(super) fn stores() -> Vec<OptionalStore<Report>> {
    Kind::ALL.iter().copied().filter(|kind| kind.is_report()).map(OptionalStore::new).collect()
}

/// A report as it arrives, with what a watch needs of it.
#[derive(Clone, Debug)]
struct Object {
    metadata: ObjectMeta,
    arriving: Arriving,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arriving = Arriving::deserialize(deserializer)?;
        let Named { name, namespace, resource_version } = arriving.metadata.clone().unwrap_or_default();
        let [name, namespace, resource_version] = [name, namespace, resource_version].map(|one| one.map(String::from));
        Ok(Object { metadata: ObjectMeta { name, namespace, resource_version, ..ObjectMeta::default() }, arriving })
    }
}

impl Resource for Object {
    type DynamicType = ApiResource;
    type Scope = <DynamicObject as Resource>::Scope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(dt)
    }

    fn group(dt: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(dt)
    }

    fn version(dt: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(dt)
    }

    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Hub {
    /// Follows them for ever, while they are wanted. A task of its own: to read some megabytes takes a moment, in which no repair waits.
    pub async fn follow_reports(self: Arc<Self>, client: Client) -> Error {
        let hub = &*self;
        loop {
            hub.until_reports(true).await;
            let all = future::join_all(hub.reports.iter().map(|store| follow(hub, &client, store)));
            if let Either::Left(_) = future::select(pin!(all), pin!(hub.until_reports(false))).await {
                return Error::Ended("the watches of reports");
            }
            for store in &hub.reports {
                store.abandon(hub);
            }
        }
    }

    /// A zone declares what may run in it.
    fn wants_reports(&self) -> bool {
        self.resolved(|resolution, _| {
            let mut zones = resolution.zones();
            zones.any(|(_, zone)| zone.declaration.as_ref().is_some_and(|zone| zone.images.is_some()))
        })
    }

    async fn until_reports(&self, are_wanted: bool) {
        while self.wants_reports() != are_wanted {
            sleep(LOOK).await;
        }
    }

    /// Waits until is known what is to be known of them, where they are wanted.
    pub(super) async fn until_reports_known(&self) {
        while self.wants_reports() && !self.reports.iter().all(OptionalStore::is_known) {
            sleep(LOOK).await;
        }
    }

    /// It is known what is to be known of them.
    pub fn knows_reports(&self) -> bool {
        self.reports.iter().all(OptionalStore::is_known)
    }

    /// Those that say something of an image, by namespace.
    pub fn all_reports(&self) -> BTreeMap<String, Vec<Arc<Report>>> {
        let mut all: BTreeMap<String, Vec<Arc<Report>>> = BTreeMap::new();
        for report in self.reports.iter().flat_map(OptionalStore::all).filter(|report| !report.says.is_empty()) {
            all.entry(report.namespace.to_string()).or_default().push(report);
        }
        all
    }

    /// Why some that may be there are not seen, in sentences.
    pub(super) fn unread_reports(&self) -> Vec<String> {
        if !self.wants_reports() {
            return Vec::new();
        }
        let why = |store: &OptionalStore<Report>| {
            let kind = store.kind.resource();
            if store.is_forbidden() {
                return Some(format!(
                    "the right to list {kind} is missing: install the operator's component deploy/kustomize/components/scanning"
                ));
            }
            if !store.is_known() {
                return Some(format!("{kind} were not listed yet"));
            }
            Some(format!("{kind} cannot be read: {}", store.hidden(&self.traffic)?))
        };
        self.reports.iter().filter_map(why).collect()
    }

    /// The kinds of reports that are installed.
    pub(super) fn report_kinds(&self) -> Vec<Kind> {
        self.reports.iter().filter(|store| store.is_there()).map(|store| store.kind).collect()
    }

    /// Puts the number of reports into the metrics.
    pub fn note_reports(&self, metrics: &Metrics) {
        for store in &self.reports {
            let says = |report: &Arc<Report>| !report.says.is_empty();
            let reports = store.is_there().then(|| store.all().into_iter().filter(says).count());
            metrics.set_scan_reports(store.kind.resource(), reports.and_then(|count| i64::try_from(count).ok()));
        }
    }
}

async fn follow(hub: &Hub, client: &Client, store: &OptionalStore<Report>) {
    let mut common = Common::default();
    let config = watcher::Config::default().page_size(PAGE);
    let keep = |object: Object| object.arriving.report(store.kind, &mut common);
    store.follow_as(hub, client, config, keep, Hub::on_judged).await;
}
