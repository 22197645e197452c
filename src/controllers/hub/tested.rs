//! What the canary showed in each zone, and why it does not run in others.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::api::SegmentationTest;

/// What was tested.
#[derive(Default)]
pub struct Tested(RwLock<Known>);

#[derive(Default)]
struct Known {
    tests: BTreeMap<String, Arc<SegmentationTest>>,
    untested: BTreeMap<String, String>,
    settings: Option<String>,
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
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.untested.insert(zone.to_string(), why.to_string()).as_deref() != Some(why)
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
    pub fn all(&self) -> (BTreeMap<String, Arc<SegmentationTest>>, BTreeMap<String, String>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (known.tests.clone(), known.untested.clone())
    }
}
