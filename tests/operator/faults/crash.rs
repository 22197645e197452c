//! The operator is killed at each single write of a zone's life, before and after the API server has it, and started
//! again: the same end, no gap, no write twice.
//!
//! A life has stages, and each stage begins from a state that was compared with the one of a life without a crash. So
//! one life can hold a crash in each of its stages, and the lives together hold one at every write.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use kube::api::DeleteParams;
use pcizone::api::{PciZone, names};
use serde_json::Value;
use testbed::{Fault, FaultProxy, Process, Request};

use super::history::{History, State};
use crate::support::{Bed, ask, flow, is, is_current};

/// Writes of one stage at most.
const WRITES: usize = 80;
/// Admission policies and bindings are written one like the other, and a life is long: at every so-manieth of these writes the
/// operator is killed. With the variable `PCIZONE_EVERY_WRITE` at each.
const GUARD_STEP: usize = 8;
/// The replica keeps its name when its process is started again, as a container in a pod does.
const IDENTITY: &str = "replica";

/// Which writes of a stage are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Those to admission policies and bindings.
    Guards,
    /// All others.
    Others,
}

impl Counted {
    fn counts(self, request: &Request) -> bool {
        let guards = request.resource.contains("admissionpolic");
        request.is_write() && guards == (self == Counted::Guards)
    }

    fn step(self) -> usize {
        let every = std::env::var_os("PCIZONE_EVERY_WRITE").is_some();
        if self == Counted::Guards && !every { GUARD_STEP } else { 1 }
    }
}

/// When the operator dies: at which write, and whether the API server has it.
type Crash = (Counted, usize, Moment);

/// When the operator dies.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The API server never gets the write.
    Before,
    /// The API server has carried it out; the operator never hears of it.
    After,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Create,
    Change,
    RemoveNamespace,
    Expire,
    Delete,
}

const LIFE: [Stage; 5] = [Stage::Create, Stage::Change, Stage::RemoveNamespace, Stage::Expire, Stage::Delete];

fn zone(namespaces: &str, taints: &str, flows: &[String]) -> String {
    format!(
        "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {{name: cde}}
spec:
  mode: Enforce
  scope: {{namespaces: {{names: {namespaces}}}}}
  segmentation:
    flows:
{}  hosting:
    nodes: {{selector: {{matchLabels: {{node-restriction.kubernetes.io/pool: pci}}}}}}
    taintEffects: {taints}
",
        flows.concat()
    )
}

impl Stage {
    /// What the user does. Returns the version of the zone with which the user confirmed what is taken away.
    async fn act(self, bed: &Bed) -> Option<u64> {
        let flows = |port: &str| [flow("first", 8443).replace("8443", port), flow("second", 8444)];
        let (two, three) = ("[checkout, vault]", "[checkout, vault, storefront]");
        let both = "[NoSchedule, NoExecute]";
        match self {
            Stage::Create => bed.apply(&zone(two, "[NoSchedule]", &flows("8443"))).await,
            Stage::Change => bed.apply(&zone(three, both, &flows("9443"))).await,
            Stage::RemoveNamespace => bed.apply(&zone(two, both, &flows("9443"))).await,
            Stage::Expire => bed.end_soon("cde", 1).await,
            Stage::Delete => drop(bed.zones().delete("cde", &DeleteParams::default()).await.unwrap()),
        }
        match self {
            Stage::Create | Stage::Change | Stage::Expire => None,
            Stage::RemoveNamespace | Stage::Delete => Some(bed.confirm("cde").await),
        }
    }

    /// What may lose its protection once that is confirmed.
    fn leaving(self) -> &'static [&'static str] {
        match self {
            Stage::Create | Stage::Change | Stage::Expire => &[],
            Stage::RemoveNamespace => &["storefront"],
            Stage::Delete => &["checkout", "vault"],
        }
    }

    /// Nothing is left to do, and what is there is what is there without a crash.
    async fn is_done(self, bed: &Bed, clean: Option<&Shape>) -> Result<(), String> {
        let zone = bed.zones().get_opt("cde").await.unwrap();
        let ready = |zone: &PciZone| is_current(zone) && is(zone, "Ready", "True");
        let now = bed.shape().await;
        let done = match self {
            Stage::Delete => zone.is_none(),
            Stage::Expire => zone.as_ref().is_some_and(ready) && !now.keys().any(|key| key.contains("second")),
            Stage::Create | Stage::Change | Stage::RemoveNamespace => zone.as_ref().is_some_and(ready),
        };
        if done && clean.is_none_or(|clean| now == *clean) {
            return Ok(());
        }
        let differs: Vec<_> =
            now.iter().filter(|(key, value)| clean.and_then(|clean| clean.get(*key)) != Some(value)).collect();
        Err(format!("done: {done}; differs: {differs:#?}\n{:#?}", zone.and_then(|zone| zone.status)))
    }
}

type Shape = BTreeMap<String, Value>;

/// What one life left behind.
#[derive(Default)]
struct Life {
    /// What was in the cluster after each stage.
    shapes: Vec<Shape>,
    /// Everything that was ours in each object, version by version. A write made twice would show as a version more.
    evolution: BTreeMap<String, Vec<Option<Value>>>,
    /// The stages in which the operator was killed.
    killed: Vec<Stage>,
}

impl Life {
    /// The objects that did not go through the same versions, with those here and there.
    fn differs(&self, other: &Life) -> Vec<String> {
        let objects: BTreeSet<_> = self.evolution.keys().chain(other.evolution.keys()).collect();
        let both = |object| (object, self.evolution.get(object), other.evolution.get(object));
        let differs = objects.into_iter().map(both).filter(|(_, here, there)| here != there);
        differs.map(|(object, here, there)| format!("{object}: {here:#?} and not {there:#?}")).collect()
    }
}

/// A cluster in which lives are lived, one after the other.
struct World {
    bed: Bed,
    proxy: FaultProxy,
    kubeconfig: PathBuf,
    history: History,
}

impl World {
    async fn new() -> Self {
        let bed = Bed::without_operator().await;
        bed.shop().await;
        let proxy = bed.cluster.fault_proxy().await.unwrap();
        let token = bed.cluster.service_account_token(names::OPERATOR_NAMESPACE, names::OPERATOR).await.unwrap();
        let kubeconfig = proxy.kubeconfig_for_token("operator", &token).unwrap();
        let history = History::record(&bed.client);
        World { bed, proxy, kubeconfig, history }
    }

    fn start(&self) -> Process {
        let env = vec![("KUBECONFIG".to_string(), self.kubeconfig.display().to_string())];
        let args = ["operator", "--identity", IDENTITY, "--listen", "127.0.0.1:0"];
        self.bed.cluster.start_program("operator", Path::new(env!("CARGO_BIN_EXE_pcizone")), &args, env).unwrap()
    }

    /// Lives a life; with a crash the operator is killed at its so-many-th write of each stage.
    async fn live(&self, crash: Option<Crash>, clean: Option<&Life>) -> Life {
        let mut life = Life::default();
        let mut state = State::default();
        let mut operator = self.start();
        for (index, stage) in LIFE.into_iter().enumerate() {
            let clean = clean.map(|clean| &clean.shapes[index]);
            let struck = self.proxy.struck();
            self.strike(crash);
            let kill = |operator: Process| {
                // The write is held by the proxy; with the process its connection ends.
                drop(operator);
                self.proxy.script(|_| Fault::None);
                self.start()
            };
            let what = format!("{stage:?} is done; the operator is killed at {crash:?}");
            let done = || ask(&what, || stage.is_done(&self.bed, clean));
            let mut goes_on = std::pin::pin!(async {
                let confirmed = stage.act(&self.bed).await;
                done().await;
                confirmed
            });
            let confirmed = tokio::select! {
                confirmed = &mut goes_on => {
                    // Its last write may have been held just now.
                    if self.proxy.struck() > struck {
                        operator = kill(operator);
                        done().await;
                    }
                    confirmed
                }
                () = self.proxy.until_struck(struck + 1) => {
                    operator = kill(operator);
                    goes_on.await
                }
            };
            if self.proxy.struck() > struck {
                life.killed.push(stage);
            }
            for (number, version) in self.history.take().await {
                let before = state.denying();
                state.advance(&version);
                let now = state.denying();
                let where_ = format!("{stage:?}, the operator killed at {crash:?}, {version:?}");
                let bare: Vec<_> = state.labelled().difference(&now).cloned().collect();
                assert!(bare.is_empty(), "labelled without the default deny: {bare:?}: {where_}");
                let may_leave = |namespace: &str| {
                    confirmed.is_some_and(|confirmed| number > confirmed) && stage.leaving().contains(&namespace)
                };
                let lost: Vec<_> = before.difference(&now).filter(|lost| !may_leave(lost)).collect();
                assert!(lost.is_empty(), "the default deny is gone from {lost:?}: {where_}");
                if !version.object.contains(names::OPERATOR_NAMESPACE) {
                    life.evolution.entry(version.object).or_default().push(version.ours);
                }
            }
            life.shapes.push(self.bed.shape().await);
        }
        drop(operator);
        life
    }

    fn strike(&self, crash: Option<Crash>) {
        let Some((counted, number, moment)) = crash else { return self.proxy.heal() };
        let writes = AtomicUsize::new(0);
        self.proxy.script(move |request| {
            if !counted.counts(request) || writes.fetch_add(1, Ordering::Relaxed) + 1 != number {
                return Fault::None;
            }
            match moment {
                Moment::Before => Fault::BlackHole,
                Moment::After => Fault::HoldReply,
            }
        });
    }
}

async fn a_crash_at_every_write_changes_nothing(moment: Moment) {
    let world = World::new().await;
    let before = world.bed.shape().await;
    // What is there already is no part of any life.
    world.history.take().await;
    let clean = Box::pin(world.live(None, None)).await;
    assert_eq!(clean.shapes.last(), Some(&before), "nothing is left of a life");
    for counted in [Counted::Others, Counted::Guards] {
        let mut kills = 0;
        for number in (1..=WRITES + counted.step()).step_by(counted.step()) {
            assert!(number <= WRITES, "a stage has more than {WRITES} writes");
            let life = Box::pin(world.live(Some((counted, number, moment)), Some(&clean))).await;
            let differs = life.differs(&clean);
            let killed = format!("killed {moment:?} write {number} of {counted:?}");
            assert!(differs.is_empty(), "not the same versions: {killed}: {}", differs.join("\n"));
            if life.killed.is_empty() {
                break;
            }
            kills += life.killed.len();
        }
        eprintln!("{moment:?}: killed {kills} times at writes of {counted:?}");
        assert!(kills > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_any_write_the_end_is_the_same() {
    Box::pin(a_crash_at_every_write_changes_nothing(Moment::Before)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_any_write_the_end_is_the_same() {
    Box::pin(a_crash_at_every_write_changes_nothing(Moment::After)).await;
}
