//! Which writes repair what somebody else did, and which follow a change of the declaration.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    guards::{GuardWrite, Guarded},
    ownership,
    plan::{Write, is_labelled, says_what_it_must},
    policy::Policy,
    snapshot::Tampering,
};
use crate::api::{Mode, names};

/// What somebody else did to an object of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The object.
    pub subject: String,
    /// What was done.
    pub tampering: Tampering,
    /// The field manager that wrote last, where the object tells; a deletion leaves none.
    pub manager: Option<String>,
    /// The guards that refuse this to everybody who may not break the glass. Who only took our name out of the record of who wrote
    /// needs no right for that.
    pub seal: Option<Seal>,
}

/// Guards by their topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Those of segmentation.
    Segmentation,
    /// Those of hosting.
    Hosting,
}

impl Seal {
    /// They refuse, as they are now.
    pub fn refuses(self, guarded: Guarded) -> bool {
        let mode = match self {
            Seal::Segmentation => guarded.segmentation,
            Seal::Hosting => guarded.hosting,
        };
        mode == Some(Mode::Enforce)
    }
}

fn seal(write: &Write) -> Option<Seal> {
    match write {
        Write::CreatePolicy(_) | Write::LabelNamespace { adopt: false, .. } => Some(Seal::Segmentation),
        Write::ReplacePolicy { live, desired } => (!says_what_it_must(live, desired)).then_some(Seal::Segmentation),
        Write::PatchNode { label: Some(_), .. } | Write::SetPodSecurity { record: Some(_), .. } => Some(Seal::Hosting),
        _ => None,
    }
}

/// What somebody else did, if this write repairs it. `owner` is the metadata of the namespace or node.
/// `settled` says that the object was seen in place with the same declaration before: then every write
/// repairs. Otherwise only what the objects themselves show counts.
pub fn drift(write: &Write, owner: &ObjectMeta, settled: bool) -> Option<Drift> {
    let (tampering, manager, certain) = match write {
        Write::CreatePolicy(policy) => (Tampering::Removed, None, was_acknowledged(policy, owner)),
        Write::ReplacePolicy { live, .. } => {
            // Others may annotate a policy without harm; only who wrote into the spec changed what it allows.
            let rival = ownership::last_rival(&live.metadata);
            (Tampering::Changed, rival, rival.is_some() && ownership::is_spec_shared(&live.metadata))
        }
        Write::DeletePolicy(live) => {
            // A policy that carries our labels but was never written by us was slipped in.
            (Tampering::Changed, ownership::last_rival(&live.metadata), !ownership::wrote(&live.metadata))
        }
        Write::LabelNamespace { .. } | Write::LabelNode { .. } | Write::PatchNode { label: Some(_), .. } => {
            (Tampering::Changed, ownership::last_rival(owner), false)
        }
        Write::Guard(GuardWrite::Create(_)) => (Tampering::Removed, None, false),
        Write::Guard(GuardWrite::Replace { live, .. }) => {
            let rival = ownership::last_rival(&live.metadata);
            (Tampering::Changed, rival, rival.is_some() && ownership::is_spec_shared(&live.metadata))
        }
        Write::Guard(GuardWrite::Delete(live)) => {
            (Tampering::Changed, ownership::last_rival(&live.metadata), !ownership::wrote(&live.metadata))
        }
        Write::SetPodSecurity { record: Some(record), .. } => {
            // Another record is that of another declaration.
            let known = owner.annotations.as_ref().and_then(|all| all.get(names::POD_SECURITY_BEFORE));
            (Tampering::Changed, ownership::last_rival(owner), known == Some(record))
        }
        Write::UnlabelNamespace { .. }
        | Write::SetPodSecurity { record: None, .. }
        | Write::PatchNode { label: None, .. } => return None,
    };
    (certain || settled).then(|| Drift {
        subject: write.subject(),
        tampering,
        manager: manager.map(str::to_string),
        seal: seal(write),
    })
}

/// The label of a namespace is written only after its baseline was acknowledged.
fn was_acknowledged(policy: &Policy, owner: &ObjectMeta) -> bool {
    let zone = ownership::managed_zone(&policy.metadata).unwrap_or_default();
    let namespace = Namespace { metadata: owner.clone(), ..Namespace::default() };
    policy.metadata.name.as_deref() == Some(names::BASELINE) && is_labelled(&namespace, zone)
}
