//! What is kept of the images of each zone, and what admission was told of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;

use super::Hub;
use crate::engine::{
    desired::admission::Guard,
    images::{allow_list, fixes::Fixes},
};

/// What is known of the images of each zone.
#[derive(Default)]
pub struct KnownImages {
    known: RwLock<Known>,
    /// Since when fixes are known was looked up, since this replica leads.
    is_known: AtomicBool,
}

#[derive(Default)]
struct Known {
    fixes: BTreeMap<String, Arc<Fixes>>,
    trouble: BTreeMap<String, String>,
}

impl KnownImages {
    /// Since when fixes are known, by zone.
    pub fn fixes(&self) -> BTreeMap<String, Arc<Fixes>> {
        self.look(|known| known.fixes.clone())
    }

    /// Why admission cannot be told, by zone.
    pub fn trouble(&self) -> BTreeMap<String, String> {
        self.look(|known| known.trouble.clone())
    }

    /// Whether it was looked up since when fixes are known. Returns whether that is news.
    pub fn set_known(&self, is_known: bool) -> bool {
        self.is_known.swap(is_known, Ordering::AcqRel) != is_known
    }

    /// Returns whether that is news.
    pub fn set(&self, fixes: BTreeMap<String, Arc<Fixes>>, trouble: BTreeMap<String, String>) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_news = known.fixes != fixes || known.trouble != trouble;
        *known = Known { fixes, trouble };
        is_news
    }

    fn look<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Hub {
    /// A judgement would not take a fix for one of today that is known for long.
    pub fn knows_fixes(&self) -> bool {
        !self.wants_reports() || self.images.is_known.load(Ordering::Acquire)
    }

    /// There is a zone of this name.
    pub fn has_zone(&self, name: &str) -> bool {
        self.zone_store().get(name).is_some()
    }

    /// A policy asks for what admission of this zone is told.
    pub fn names_images(&self, zone: &str) -> bool {
        let wanted = allow_list::name(zone);
        let name = |guard: &Guard| guard.spec.pointer("/paramRef/name").and_then(Value::as_str).map(str::to_string);
        self.all_guards().iter().any(|guard| name(guard).as_deref() == Some(&wanted))
    }

    /// The zones whose admission has what it has to be told. Where that changes, their policies are looked at again.
    pub fn set_listed(&self, listed: &BTreeSet<String>) {
        let changed: Vec<String> = {
            let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut world.cluster.listed, listed.clone());
            before.symmetric_difference(listed).cloned().collect()
        };
        for zone in &changed {
            self.enqueue_zone(zone);
        }
        if !changed.is_empty() {
            self.wake();
        }
    }
}
