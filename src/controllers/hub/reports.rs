//! What scanners report, followed only while a zone declares what may run in it: a cluster without such a zone pays nothing for it, and
//! the operator needs no right there.
//!
//! ```text
//!  list, a few at a time ─▶ Arriving ─▶ Report ─▶ store     one after the other: nothing of a megabyte stays
//! ```

use std::{
    borrow::Cow,
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{self, Either};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client, Resource,
    core::{ApiResource, DynamicObject},
    runtime::watcher,
};
use serde::{Deserialize, Deserializer};
use tokio::time::{Instant, sleep};

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

/// Objects of one answer. Each may have a megabyte, an answer is held as a whole, and that of every kind may come at once.
const PAGE: u32 = 10;
/// How often it is looked whether they are wanted.
const LOOK: Duration = Duration::from_millis(500);

/// For so long what a report said holds after it was deleted.
const DEPARTED: Duration = Duration::from_secs(3600);

/// Kind, namespace and name.
pub(super) type Key = (Kind, Box<str>, Box<str>);
/// Reports with the moment at which each was there last.
pub(super) type Departed = Mutex<BTreeMap<Key, (Arc<Report>, Instant)>>;

fn key(report: &Report) -> Key {
    (report.kind, report.namespace.clone(), report.name.clone())
}

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
    pub(super) fn wants_reports(&self) -> bool {
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
    ///
    /// What one said holds on for a while after it was deleted: the Trivy Operator deletes a report before it scans again.
    pub fn all_reports(&self) -> BTreeMap<String, Vec<Arc<Report>>> {
        let mut departed = self.departed.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.wants_reports() {
            departed.clear();
        }
        let now = Instant::now();
        for report in self.reports.iter().flat_map(OptionalStore::all) {
            departed.insert(key(&report), (report, now));
        }
        departed.retain(|_, (_, seen)| seen.elapsed() < DEPARTED);
        let mut all: BTreeMap<String, Vec<Arc<Report>>> = BTreeMap::new();
        for (report, _) in departed.values().filter(|(report, _)| !report.says.is_empty()) {
            all.entry(report.namespace.to_string()).or_default().push(Arc::clone(report));
        }
        all
    }

    /// Why some that may be there are not seen, in sentences.
    pub fn unread_reports(&self) -> Vec<String> {
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
            let why = store.hidden(&self.traffic)?;
            // A number that grows would be a new status each second.
            let why = if store.is_filled() { "the watch of them is not heard any more".to_string() } else { why };
            Some(format!("{kind} cannot be read: {why}"))
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
            let reports = store.is_filled().then(|| store.all().into_iter().filter(says).count());
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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use bytes::Bytes;
    use futures::stream::{Pending, pending};
    use http::{Request, Response};
    use http_body::Frame;
    use http_body_util::{Either, Full, StreamBody};
    use kube::{client::Body, runtime::watcher::Event};
    use serde_json::{Value, json};
    use tokio::time::timeout;
    use tower::{BoxError, service_fn};

    use super::*;
    use crate::{controllers::traffic::Traffic, engine::images::report::What};

    type Answer = Either<Full<Bytes>, StreamBody<Pending<Result<Frame<Bytes>, BoxError>>>>;

    /// What an API server answers to a list, by its plural: a code, and so many objects.
    type Kinds = &'static [(&'static str, u16, usize)];

    fn vulnerability_report(number: usize) -> Value {
        let digest = format!("sha256:{number:064x}");
        json!({
            "metadata": { "name": format!("web-{number}"), "namespace": "vault", "resourceVersion": "7",
                          "managedFields": [{ "time": "9999-12-31T23:59:59Z" }] },
            "report": {
                "updateTimestamp": "2026-11-20T08:00:00Z", "scanner": { "name": "Trivy" }, "artifact": { "digest": digest },
                "vulnerabilities": [],
            },
        })
    }

    /// A stub of an API server. Watches of it never say anything. Lists that were asked for stand in `asked`.
    fn client(kinds: Kinds, asked: Arc<Mutex<Vec<String>>>) -> Client {
        let answer = move |request: Request<Body>| {
            let (path, query) = (request.uri().path().to_string(), request.uri().query().unwrap_or_default());
            let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            let number = |key: &str| query.get(key).and_then(|number| number.parse::<usize>().ok());
            let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(0));
            let plural = path.rsplit('/').next().unwrap_or_default();
            let (_, code, count) = *kinds.iter().find(|(known, ..)| *known == plural).unwrap_or(&("", 404, 0));
            let body: Answer = if query.contains_key("watch") {
                Either::Right(StreamBody::new(pending()))
            } else if code != 200 {
                let reason =
                    json!({ "kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "no" });
                Either::Left(Full::from(reason.to_string()))
            } else {
                if limit > 1 {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{plural} {from} {limit}"));
                }
                let to = (from + limit).min(count);
                let next = if to < count { to.to_string() } else { String::new() };
                let items: Vec<Value> = (from..to).map(vulnerability_report).collect();
                let list = json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "9", "continue": next }, "items": items });
                Either::Left(Full::from(list.to_string()))
            };
            async move { Response::builder().status(code).body(body).map_err(BoxError::from) }
        };
        Client::new(service_fn(answer), "default")
    }

    /// A hub that knows one zone.
    fn hub(client: &Client, scanning: &Value) -> Arc<Hub> {
        let (hub, ..) = Hub::new(client, "pcizone-system", Arc::new(Traffic::default()));
        declare(&hub, scanning);
        hub
    }

    fn declare(hub: &Hub, scanning: &Value) {
        let spec = json!({ "scope": { "namespaces": { "names": ["vault"] } }, "scanning": scanning });
        let zone = json!({ "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" }, "spec": spec });
        let zone: DynamicObject = serde_json::from_value(zone).unwrap();
        for event in [Event::Init, Event::InitApply(zone), Event::InitDone] {
            hub.zones.apply(&event);
        }
        hub.rebuild();
    }

    /// Does something while they are followed.
    async fn following<T>(hub: &Arc<Hub>, client: &Client, during: impl Future<Output = T>) -> T {
        tokio::select! {
            ended = Arc::clone(hub).follow_reports(client.clone()) => panic!("{ended:?}"),
            done = during => done,
        }
    }

    async fn until(hub: &Hub, is: impl Fn(&Hub) -> bool) {
        let reached = async {
            while !is(hub) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // Of a clock that is not a real one.
        timeout(Duration::from_secs(3600), reached).await.unwrap();
    }

    fn is_known(hub: &Hub) -> bool {
        hub.reports.iter().all(OptionalStore::is_known)
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_are_read_at_a_time_and_all_of_them_are_judged() {
        const KINDS: Kinds =
            &[("vulnerabilityreports", 200, 25), ("clustervulnerabilityreports", 200, 0), ("reports", 200, 3)];
        let asked = Arc::default();
        let client = client(KINDS, Arc::clone(&asked));
        let hub = hub(&client, &json!({}));
        assert!(!is_known(&hub));
        assert_eq!(hub.snapshot(Vec::new(), Vec::new()).unread_reports.len(), 8, "nothing was listed yet");
        let all = async {
            until(&hub, is_known).await;
            let all = hub.snapshot(Vec::new(), Vec::new());
            // No zone wants them any more.
            declare(&hub, &Value::Null);
            until(&hub, |hub| hub.report_kinds().is_empty()).await;
            let snapshot = hub.snapshot(Vec::new(), Vec::new());
            assert!(snapshot.reports.is_empty() && snapshot.unread_reports.is_empty());
            all
        };
        let snapshot = following(&hub, &client, all).await;
        assert_eq!(snapshot.unread_reports, Vec::<String>::new());
        assert_eq!(snapshot.report_kinds, [Kind::VulnerabilityReport, Kind::ClusterVulnerabilityReport, Kind::Report]);
        // Those of the kind Report are in another shape, and say nothing.
        assert_eq!(snapshot.reports.keys().collect::<Vec<_>>(), ["vault"]);
        let reports = &snapshot.reports["vault"];
        assert_eq!(reports.len(), 25);
        assert!(
            reports
                .iter()
                .all(|report| matches!(report.says[0].what, What::Scan(_)) && report.kind == Kind::VulnerabilityReport)
        );
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        assert_eq!(
            asked,
            [
                "clustervulnerabilityreports 0 10",
                "reports 0 10",
                "vulnerabilityreports 0 10",
                "vulnerabilityreports 10 10",
                "vulnerabilityreports 20 10",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_zone_that_asks_nothing_is_read() {
        let asked = Arc::default();
        let client = client(&[("vulnerabilityreports", 200, 5)], Arc::clone(&asked));
        let hub = hub(&client, &Value::Null);
        following(&hub, &client, sleep(Duration::from_secs(60))).await;
        assert!(asked.lock().unwrap().is_empty() && !is_known(&hub));
        hub.until_reports_known().await;
        let snapshot = hub.snapshot(Vec::new(), Vec::new());
        assert!(snapshot.reports.is_empty() && snapshot.unread_reports.is_empty() && snapshot.report_kinds.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_be_read_is_told_with_the_component_that_grants_it() {
        const KINDS: Kinds =
            &[("sbomreports", 403, 0), ("v1alpha1", 403, 0), ("policyreports", 503, 0), ("reports", 200, 1)];
        let client = client(KINDS, Arc::default());
        let hub = hub(&client, &json!({}));
        following(&hub, &client, until(&hub, is_known)).await;
        let snapshot = hub.snapshot(Vec::new(), Vec::new());
        let [sboms, policies] = &*snapshot.unread_reports else { panic!("{:?}", snapshot.unread_reports) };
        let missing = "the right to list sbomreports.aquasecurity.github.io is missing: install the operator's component deploy/kustomize/components/scanning";
        assert_eq!(sboms, missing);
        assert!(policies.starts_with("policyreports.wgpolicyk8s.io cannot be read: "), "{policies}");
        assert_eq!(snapshot.report_kinds, [Kind::SbomReport, Kind::Report, Kind::PolicyReport], "they may be there");
    }
}
