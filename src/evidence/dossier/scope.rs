//! What belongs to a zone, and who said that this is right.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::{About, bounded, objects};
use crate::{
    api::{Category, EntityType, Environment, Mode, PodSecurity},
    engine::{change::scope_digest, obligations, snapshot::ZoneRecord},
};

/// What belongs to a zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// UID of the `PciZone`.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// The version that was judged.
    pub resource_version: Option<String>,
    /// How it is in scope.
    pub category: Category,
    /// To which environment it belongs.
    pub environment: Option<Environment>,
    /// What the assessed entity is.
    pub entity_type: EntityType,
    /// What is done about segmentation.
    pub segmentation: Mode,
    /// What is done about hosting; `None` where no nodes are declared.
    pub hosting: Option<Mode>,
    /// The Pod Security Standard of its namespaces.
    pub pod_security: Option<PodSecurity>,
    /// Its namespaces, by name.
    pub namespaces: Vec<String>,
    /// How many of them are not named here.
    pub more_namespaces: usize,
    /// Its nodes, by name.
    pub nodes: Vec<String>,
    /// How many of them are not named here.
    pub more_nodes: usize,
    /// The zone declares nodes, and none was in what was judged.
    pub nodes_unseen: bool,
    /// How many pods run in its namespaces.
    pub pods: usize,
    /// How many pods of others run on its nodes.
    pub strangers: usize,
    /// The digest of the scope as it is now.
    pub digest: String,
    /// The last confirmation.
    pub confirmation: Option<Confirmation>,
}

/// Somebody looked at the scope and found it right.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when it has to be done again.
    pub due: Timestamp,
    /// What was confirmed.
    pub digest: String,
    /// The scope is that one still; `None` where nodes were not shown, so that it cannot be compared.
    pub is_same: Option<bool>,
    /// It holds at the moment of the judgement: made, and not due again.
    pub is_current: bool,
}

impl Scope {
    /// How many namespaces there are.
    pub fn namespace_count(&self) -> usize {
        self.namespaces.len() + self.more_namespaces
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len() + self.more_nodes
    }
}

/// The scope of a zone, where that can be read.
pub(super) fn scope(about: &About) -> Option<Scope> {
    let declaration = about.declaration?;
    let category = match about.record {
        ZoneRecord::Readable(zone) => zone.spec.scope.category,
        ZoneRecord::Unreadable { .. } => return None,
    };
    let names = |all: std::collections::BTreeSet<&String>| {
        bounded(all.into_iter().cloned().collect::<Vec<String>>(), about.bounds.objects)
    };
    let (namespaces, more_namespaces) = names(objects::namespace_names(about));
    let (nodes, more_nodes) = names(objects::node_names(about));
    let nodes_unseen = declaration.nodes.is_some() && about.snapshot.unseen.nodes;
    let digest = scope_digest(about.zone);
    let confirmation = declaration.scope_confirmation.as_ref().zip(obligations::confirmation_due(declaration));
    let confirmation = confirmation.map(|(one, due)| Confirmation {
        by: one.confirmed_by.clone(),
        at: one.confirmed_at.0,
        due,
        digest: one.digest.clone(),
        is_same: (!nodes_unseen).then(|| one.digest == digest),
        is_current: one.confirmed_at.0 <= about.now && about.now < due,
    });
    Some(Scope {
        uid: declaration.uid.clone(),
        generation: declaration.generation,
        resource_version: about.record.metadata().resource_version.clone().filter(|text| !text.is_empty()),
        category,
        environment: declaration.environment,
        entity_type: declaration.entity_type,
        segmentation: declaration.segmentation,
        hosting: declaration.nodes.as_ref().map(|_| declaration.hosting),
        pod_security: declaration.pod_security,
        namespaces,
        more_namespaces,
        nodes,
        more_nodes,
        nodes_unseen,
        pods: about.facts.pods,
        strangers: about.facts.strangers,
        digest,
        confirmation,
    })
}
