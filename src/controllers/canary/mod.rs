//! The canary: pods that show on real nodes what policies only promise (PCI DSS 11.4.5, 10.7.2).
//!
//! ```text
//!  zones ─▶ one task each ─▶ rounds ─▶ hub.tested ─▶ judgement ─▶ findings, SegmentationProven
//!                              └─ pods, policies: all with one label, swept when nobody plays them
//! ```

mod pods;
mod settings;
mod stage;
mod zone;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use self::{pods::Pods, zone::ZoneCanary};
use super::{apply::Applier, error::Error, hub::Hub, judge::Reported, metrics::Metrics};
use crate::{api::CanaryState, engine::declaration::Declaration};

/// How often it is looked which zones have a canary.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is looked for what earlier rounds left.
const SWEEP: Duration = Duration::from_secs(300);
/// How soon it is looked again for the own image.
const IMAGE_AGAIN: Duration = Duration::from_secs(60);

/// What the canaries of all zones share.
pub struct Shared {
    hub: Arc<Hub>,
    applier: Applier,
    metrics: Arc<Metrics>,
    reported: watch::Receiver<Reported>,
    pods: watch::Receiver<Pods>,
    image: String,
}

/// Where the image of the canary's pods comes from.
pub enum Image {
    /// It is named.
    Named(String),
    /// It is that of this pod in the operator's namespace.
    OwnPod(String),
}

/// Runs the canaries of all zones.
pub struct Canary {
    /// What is known.
    pub hub: Arc<Hub>,
    /// The client, for a watch of the pods.
    pub client: Client,
    /// What writes.
    pub applier: Applier,
    /// What counts.
    pub metrics: Arc<Metrics>,
    /// The last judgement.
    pub reported: watch::Receiver<Reported>,
    /// The operator's namespace.
    pub namespace: String,
    /// Where the image comes from.
    pub image: Image,
}

impl Canary {
    /// Runs until dropped.
    pub async fn run(self) -> Error {
        self.hub.until_synced().await;
        let (to, pods) = watch::channel(Pods::new());
        let watching = tokio::spawn(pods::follow(self.client.clone(), to));
        let mut playing: BTreeMap<String, tokio::task::AbortHandle> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let mut swept: Option<Instant> = None;
        let mut shared: Option<Arc<Shared>> = None;
        let mut asked: Option<Instant> = None;
        let _watching = Aborting(watching);
        let _reading = Aborting(tokio::spawn(settings::follow(self.client.clone(), Arc::clone(&self.hub))));
        loop {
            sleep(LOOK).await;
            if !self.applier.may_write() || !self.hub.is_complete() {
                playing.clear();
                tasks.abort_all();
                while tasks.join_next().await.is_some() {}
                swept = None;
                continue;
            }
            let (due, there) = self.zones();
            self.hub.tested.retain(|zone| there.contains(zone));
            let before = playing.len();
            playing.retain(|zone, task| {
                let stays = due.contains(zone) && !task.is_finished();
                if !stays {
                    task.abort();
                }
                stays
            });
            while tasks.try_join_next().is_some() {}
            if shared.is_none() && !due.is_empty() && asked.is_none_or(|at| at.elapsed() > IMAGE_AGAIN) {
                asked = Some(Instant::now());
                shared = self.share(&due, &pods).await;
            }
            if let Some(shared) = &shared {
                for zone in due.iter().filter(|zone| !playing.contains_key(*zone)).cloned().collect::<Vec<_>>() {
                    let canary = ZoneCanary { zone: zone.clone(), shared: Arc::clone(shared) };
                    playing.insert(zone, tasks.spawn(canary.run()));
                }
            }
            if playing.len() < before {
                // Once the tasks are gone that were ended.
                swept = None;
            } else if swept.is_none_or(|at| at.elapsed() > SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
        }
    }

    /// Zones with a canary, and all zones.
    fn zones(&self) -> (HashSet<String>, HashSet<String>) {
        self.hub.resolved(|resolution, _| {
            let all = resolution.zones().map(|(name, zone)| (name.to_string(), zone.declaration.as_deref()));
            let (mut due, mut there) = (HashSet::new(), HashSet::new());
            for (name, declaration) in all {
                there.insert(name.clone());
                match declaration.map(runs) {
                    Some(Ok(())) => {
                        due.insert(name);
                    }
                    Some(Err(why)) if self.hub.tested.switch_off(&name, why) => self.hub.wake(),
                    Some(Err(_)) | None => {}
                }
            }
            (due, there)
        })
    }

    async fn share(&self, due: &HashSet<String>, pods: &watch::Receiver<Pods>) -> Option<Arc<Shared>> {
        let image = match &self.image {
            Image::Named(image) => Ok(Some(image.clone())),
            Image::OwnPod(pod) => self.applier.own_image(&self.namespace, pod).await,
        };
        let why = match image {
            Ok(Some(image)) => {
                return Some(Arc::new(Shared {
                    hub: Arc::clone(&self.hub),
                    applier: self.applier.clone(),
                    metrics: Arc::clone(&self.metrics),
                    reported: self.reported.clone(),
                    pods: pods.clone(),
                    image,
                }));
            }
            Ok(None) => "was not tested: the operator does not know its own image by digest; name it by --canary-image"
                .to_string(),
            // Without its component it is not to run.
            Err(error) if error.category() == "forbidden" => {
                let why = "was not tested: the operator may not read its own pod; install its component canary";
                due.iter().filter(|zone| self.hub.tested.switch_off(zone, why)).for_each(|_| self.hub.wake());
                return None;
            }
            Err(error) => format!("was not tested: {}", error.chain()),
        };
        for zone in due {
            if self.hub.tested.put_off(zone, &why) {
                self.hub.wake();
            }
        }
        None
    }

    /// Takes away what no round plays.
    async fn sweep(&self) {
        let pieces = match self.applier.list_pieces().await {
            Ok(pieces) => pieces,
            Err(error) => {
                tracing::warn!(error = error.chain(), "what the canary left could not be looked for");
                return;
            }
        };
        for piece in pieces {
            if self.hub.tested.is_playing(&piece.round) {
                continue;
            }
            if let Err(error) = self.applier.delete_piece(&piece).await {
                self.metrics.count_error("canary", error.category());
                tracing::warn!(error = error.chain(), "a piece of the canary could not be removed; it is tried again");
            }
        }
    }
}

/// Whether a zone has a canary; why not, in words.
fn runs(declaration: &Declaration) -> Result<(), &'static str> {
    if declaration.deleting {
        return Err("is not tested any more: the zone is being deleted");
    }
    if !declaration.segmentation.protects() {
        return Err("was not tested: the zone does not enforce, so there is nothing to be seen");
    }
    match declaration.canary.state {
        CanaryState::Enabled => Ok(()),
        CanaryState::Disabled => Err("was not tested: the zone declares no canary (spec.segmentation.canary)"),
    }
}

/// Ends a task with the value.
struct Aborting(tokio::task::JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
