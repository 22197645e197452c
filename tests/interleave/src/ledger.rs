//! What users confirmed, kept apart from the engine: it knows what a digest meant to whoever confirmed it.

use std::collections::{BTreeMap, BTreeSet};

use pcizone::{
    api::{PciZone, names},
    engine::resolve::Zone,
};

/// Every confirmation of a run.
#[derive(Clone, Default)]
pub struct Ledger {
    by_digest: BTreeMap<String, Confirmed>,
    /// The most changes that a zone was ever said to have carried out, by UID.
    carried_out: BTreeMap<String, i64>,
}

/// What somebody confirmed.
#[derive(Clone, Debug)]
struct Confirmed {
    uid: Option<String>,
    generation: i64,
    deleting: bool,
    carried_out: i64,
    /// What stays in the zone; `None`: nothing.
    namespaces: Option<BTreeSet<String>>,
    nodes: Option<BTreeSet<String>>,
}

impl Ledger {
    /// A user confirms what the status of a zone says.
    pub fn confirm(&mut self, zone: &Zone) -> Option<String> {
        let declaration = zone.declaration.as_deref()?;
        self.by_digest.insert(
            zone.digest().to_string(),
            Confirmed {
                uid: Some(declaration.uid.clone()),
                generation: declaration.generation,
                deleting: declaration.deleting,
                carried_out: declaration.confirmed_changes,
                namespaces: zone.wanted_namespaces().cloned(),
                nodes: zone.wanted_nodes().cloned(),
            },
        );
        Some(zone.digest().to_string())
    }

    /// A status was written.
    pub fn counted(&mut self, zone: Option<&PciZone>) {
        let Some(zone) = zone else { return };
        let now = zone.status.as_ref().map_or(0, |status| status.confirmed_changes);
        let most = self.carried_out.entry(zone.metadata.uid.clone().unwrap_or_default()).or_default();
        *most = now.max(*most);
    }

    /// Somebody confirmed that this object leaves the zone, the zone is the same still, and that confirmation was
    /// not used up by an earlier change.
    pub fn check(&self, zone: &PciZone, kind: &str, name: &str) {
        let metadata = &zone.metadata;
        let digest = metadata.annotations.as_ref().and_then(|annotations| annotations.get(names::CONFIRM_CHANGE));
        let Some(confirmed) = digest.and_then(|digest| self.by_digest.get(digest)) else {
            panic!("{kind}/{name} is released and nobody confirmed it")
        };
        let kept = if kind == "Node" { &confirmed.nodes } else { &confirmed.namespaces };
        assert!(
            !kept.as_ref().is_some_and(|kept| kept.contains(name)),
            "{kind}/{name} is released, and what was confirmed keeps it: {confirmed:?}"
        );
        assert_eq!(metadata.uid, confirmed.uid, "{kind}/{name} is released for another zone of that name");
        assert_eq!(metadata.generation, Some(confirmed.generation), "{kind}/{name} is released for another spec");
        assert_eq!(metadata.deletion_timestamp.is_some(), confirmed.deleting, "{kind}/{name}: deleted or not");
        let most = metadata.uid.as_ref().and_then(|uid| self.carried_out.get(uid)).copied().unwrap_or_default();
        assert!(
            most <= confirmed.carried_out,
            "{kind}/{name} is released on a confirmation that an earlier change used up: {confirmed:?}, {most} carried out"
        );
    }
}
