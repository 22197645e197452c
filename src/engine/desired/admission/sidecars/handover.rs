//! From one kind of sidecar to the next without a pod that is refused: what adds them and what checks them are two policies, and each
//! reaches every API server in its own time.
//!
//! ```text
//!            adds   accepts
//!  Steady    old    old
//!  Opening   old    old, new      until every API server accepts the new ones
//!  Closing   new    old, new      until nobody adds the old ones any more
//!  Steady    new    new
//! ```
//! Who follows what is live comes to the same as who writes it: a replica that only answers the webhook adds the new ones once they are
//! accepted.

use std::{sync::Arc, time::Duration};

use super::template;
use crate::engine::{
    declaration::Declaration,
    desired::admission::{Guard, Kind, LOGS, guard_name},
};

/// Every API server acts by a policy that is unchanged for so long.
const REACHED: Duration = Duration::from_secs(5);
/// Every replica has seen that the new ones are accepted, and adds them by its webhook.
const FOLLOWED: Duration = Duration::from_secs(40);

/// By what declarations the pods of a zone get sidecars. Its configuration is in every namespace of the zone.
#[derive(Clone, Debug)]
pub enum Handover {
    /// One adds them, and no others are accepted.
    Steady(Arc<Declaration>),
    /// The next ones are accepted and not yet added.
    Opening {
        /// By what they are added.
        from: Arc<Declaration>,
        /// By what they will be.
        to: Arc<Declaration>,
    },
    /// The next ones are added, and those from before are still accepted.
    Closing {
        /// By what they were added.
        from: Arc<Declaration>,
        /// By what they are added.
        to: Arc<Declaration>,
    },
}

/// What the live policies of a zone say, by digests of sidecars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePolicies {
    /// Those that are accepted.
    pub accepted: Vec<String>,
    /// Those that are added; nothing where a webhook does it.
    pub added: Vec<String>,
}

impl LivePolicies {
    /// Reads it from the guards of a zone.
    pub fn read<'a>(zone: &str, guards: impl Iterator<Item = &'a Guard>) -> Self {
        let name = guard_name(zone, LOGS);
        let mut live = LivePolicies::default();
        for guard in guards.filter(|guard| guard.name() == name) {
            match guard.kind {
                Kind::Validating => live.accepted = template::told(guard),
                Kind::Mutating => live.added = template::told(guard),
                Kind::ValidatingBinding | Kind::MutatingBinding => {}
            }
        }
        live
    }
}

impl Handover {
    /// By what sidecars are added.
    pub fn adding(&self) -> &Arc<Declaration> {
        match self {
            Handover::Steady(one) | Handover::Opening { from: one, .. } | Handover::Closing { to: one, .. } => one,
        }
    }

    /// By what others are accepted beside those that are added.
    pub fn beside(&self) -> Option<&Arc<Declaration>> {
        match self {
            Handover::Steady(_) => None,
            Handover::Opening { to: one, .. } | Handover::Closing { from: one, .. } => Some(one),
        }
    }

    /// They come from the same generations of the zone, which declare one thing each.
    pub fn is_same(&self, other: &Self) -> bool {
        let generation = |one: &Arc<Declaration>| (one.uid.clone(), one.generation);
        let of = |handover: &Self| (generation(handover.adding()), handover.beside().map(generation));
        of(self) == of(other)
    }

    /// What comes next, where `wanted` has its configuration everywhere and the live policies have said the same for so long.
    #[must_use]
    pub fn next(before: Option<&Self>, wanted: Arc<Declaration>, live: &LivePolicies, unchanged: Duration) -> Self {
        let Some(before) = before else { return Handover::Steady(wanted) };
        let digest = template::digest(&wanted);
        let is_wanted = |one: &Declaration| template::digest(one) == digest;
        match before {
            // Both are accepted, so there is no need to wait for the way back.
            Handover::Closing { from, to } if is_wanted(from) => Handover::Closing { from: Arc::clone(to), to: wanted },
            Handover::Closing { from, to } => {
                let to = if is_wanted(to) { wanted } else { Arc::clone(to) };
                let is_over = match live.added.as_slice() {
                    [] => unchanged >= FOLLOWED,
                    added => added == [template::digest(&to)] && unchanged >= REACHED,
                };
                let from = Arc::clone(from);
                if is_over { Handover::Steady(to) } else { Handover::Closing { from, to } }
            }
            Handover::Steady(from) | Handover::Opening { from, .. } if is_wanted(from) => Handover::Steady(wanted),
            Handover::Steady(from) | Handover::Opening { from, .. } => {
                let is_accepted = live.accepted.contains(&digest) && unchanged >= REACHED;
                let (from, to) = (Arc::clone(from), wanted);
                if is_accepted { Handover::Closing { from, to } } else { Handover::Opening { from, to } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declaration(image: &str, generation: i64) -> Arc<Declaration> {
        let zone = json!({
            "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone",
            "metadata": { "name": "cde", "generation": generation },
            "spec": { "scope": { "namespaces": { "names": ["vault"] } }, "logging": {
                "forwarder": { "kind": "OpenTelemetry", "image": image },
                "linger": { "image": "registry.example.com/pcizone:1" },
                "sources": [{ "path": "/var/log/app" }],
                "sinks": [{ "name": "siem", "otlp": { "url": "https://siem.example.com:4318" }, "flow": "siem" }],
            } },
        });
        Arc::new(Declaration::new(&serde_json::from_value(zone).unwrap()))
    }

    fn shown(handover: &Handover) -> String {
        let image = |one: &Declaration| one.logs.as_ref().unwrap().forwarder.as_ref().unwrap().image.clone();
        let name = match handover {
            Handover::Steady(_) => "steady",
            Handover::Opening { .. } => "opening",
            Handover::Closing { .. } => "closing",
        };
        let beside = handover.beside().map(|one| image(one)).unwrap_or_default();
        format!("{name} {} {beside}", image(handover.adding())).trim().to_string()
    }

    #[test]
    fn what_is_added_is_accepted_at_every_moment() {
        let [a, b, c] = ["a", "b", "c"].map(|image| declaration(image, 1));
        let digest = |one: &Arc<Declaration>| template::digest(one);
        let live = |accepted: &[&Arc<Declaration>], added: &[&Arc<Declaration>]| {
            let digests = |all: &[&Arc<Declaration>]| all.iter().map(|one| digest(one)).collect();
            LivePolicies { accepted: digests(accepted), added: digests(added) }
        };
        let steady = Handover::Steady(Arc::clone(&a));
        let opening = Handover::Opening { from: Arc::clone(&a), to: Arc::clone(&b) };
        let closing = Handover::Closing { from: Arc::clone(&a), to: Arc::clone(&b) };
        // Before; what is wanted; what is live, for how many seconds; then.
        let rows = [
            (None, &a, live(&[], &[]), 0, "steady a"),
            (Some(&steady), &a, live(&[&a], &[&a]), 100, "steady a"),
            (Some(&steady), &b, live(&[&a], &[&a]), 100, "opening a b"),
            (Some(&opening), &b, live(&[&a], &[&a]), 100, "opening a b"),
            (Some(&opening), &b, live(&[&a, &b], &[&a]), 4, "opening a b"),
            (Some(&opening), &b, live(&[&a, &b], &[&a]), 5, "closing b a"),
            (Some(&opening), &b, live(&[&b], &[]), 5, "closing b a"),
            (Some(&opening), &c, live(&[&a, &b], &[&a]), 100, "opening a c"),
            (Some(&opening), &a, live(&[&a, &b], &[&a]), 100, "steady a"),
            (Some(&closing), &b, live(&[&a, &b], &[&a]), 100, "closing b a"),
            (Some(&closing), &b, live(&[&a, &b], &[&b]), 4, "closing b a"),
            (Some(&closing), &b, live(&[&a, &b], &[&b]), 5, "steady b"),
            (Some(&closing), &b, live(&[&a, &b], &[]), 39, "closing b a"),
            (Some(&closing), &b, live(&[&a, &b], &[]), 40, "steady b"),
            (Some(&closing), &a, live(&[&a, &b], &[&b]), 0, "closing a b"),
            (Some(&closing), &c, live(&[&a, &b], &[&b]), 4, "closing b a"),
            (Some(&closing), &c, live(&[&a, &b], &[&b]), 5, "steady b"),
        ];
        for (before, wanted, live, seconds, then) in rows {
            let next = Handover::next(before, Arc::clone(wanted), &live, Duration::from_secs(seconds));
            assert_eq!(shown(&next), then, "{:?} {live:?} {seconds}", before.map(shown));
        }
        // What changes nothing about a pod needs none of this.
        let next = Handover::next(Some(&steady), declaration("a", 2), &LivePolicies::default(), Duration::ZERO);
        assert!(matches!(&next, Handover::Steady(one) if one.generation == declaration("a", 2).generation), "{next:?}");
    }
}
