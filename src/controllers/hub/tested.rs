//! What the canary showed in each zone, and why it does not run in others.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::{api::SegmentationTest, engine::snapshot::Untested};

/// How long pods of a round that ended may take to go.
const LEAVING: Duration = Duration::from_secs(60);

/// What was tested.
#[derive(Default)]
pub struct Tested(RwLock<Known>);

#[derive(Default)]
struct Known {
    tests: BTreeMap<String, Arc<SegmentationTest>>,
    untested: BTreeMap<String, Untested>,
    playing: HashSet<String>,
    played: Vec<(String, Instant)>,
    settings: Option<String>,
}

impl Known {
    fn note(&mut self, zone: &str, why: &str, is_off: bool) -> bool {
        let untested = Untested { why: why.to_string(), is_off };
        self.untested.insert(zone.to_string(), untested.clone()) != Some(untested)
    }
}

impl Tested {
    /// A round ended.
    pub fn put(&self, zone: &str, test: SegmentationTest) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.untested.remove(zone);
        known.tests.insert(zone.to_string(), Arc::new(test));
    }

    /// Why the canary does not run in a zone. True when that is new.
    pub fn put_off(&self, zone: &str, why: &str) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).note(zone, why, false)
    }

    /// Why the canary does not run in a zone, and is not to: what was shown before counts no more. True when that is new.
    pub fn switch_off(&self, zone: &str, why: &str) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.tests.remove(zone);
        known.note(zone, why, true)
    }

    /// A round is played from now on, until the value goes.
    pub fn play<'t>(&'t self, round: &str) -> Playing<'t> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).playing.insert(round.to_string());
        Playing { tested: self, round: round.to_string() }
    }

    /// The round is played.
    pub fn is_playing(&self, round: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).playing.contains(round)
    }

    /// The rounds that are played, and those that ended just now: the last of their pods are still on their way out.
    pub fn known(&self) -> HashSet<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let played = known.played.iter().filter(|(_, at)| at.elapsed() < LEAVING).map(|(round, _)| round);
        known.playing.iter().chain(played).cloned().collect()
    }

    /// Forgets zones that are not there any more. What was shown in a zone that is made anew is not shown of it.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.tests.retain(|zone, _| is_there(zone));
        known.untested.retain(|zone, _| is_there(zone));
    }

    /// The last test of a zone.
    pub fn get(&self, zone: &str) -> Option<Arc<SegmentationTest>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).tests.get(zone).map(Arc::clone)
    }

    /// The digest of the settings of network plug-ins, as they were read last. True when it is another one.
    pub fn set_settings(&self, digest: String) -> bool {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.settings.as_ref() != Some(&digest) && known.settings.replace(digest).is_some()
    }

    /// That digest, once they were read.
    pub fn settings(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).settings.clone()
    }

    /// All of it.
    pub fn all(&self) -> (BTreeMap<String, Arc<SegmentationTest>>, BTreeMap<String, Untested>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.tests.clone(), known.untested.clone())
    }
}

/// A round that is played.
pub struct Playing<'t> {
    tested: &'t Tested,
    round: String,
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        let mut known = self.tested.0.write().unwrap_or_else(PoisonError::into_inner);
        known.playing.remove(&self.round);
        known.played.retain(|(_, at)| at.elapsed() < LEAVING);
        known.played.push((std::mem::take(&mut self.round), Instant::now()));
    }
}
