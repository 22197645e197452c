//! What people do to the cluster between two acts of the operator.

use std::sync::Arc;

use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    networking::v1::{NetworkPolicyEgressRule, NetworkPolicyIngressRule},
};
use pcizone::{
    api::{PciZone, names},
    engine::policy::Policy,
};

use crate::{
    operator::WATCHES,
    run::Run,
    world::{self, FOREIGN_TAINT, NAMESPACES, NODES, ZONES},
};

/// A name that says it is ours and is not.
const LIAR: &str = "pcizone/forged";
const MALLORY: &str = "mallory";
const KUBECTL: &str = "kubectl";

impl Run {
    /// Something happens. `busy` is a replica in the middle of something.
    pub fn happen(&mut self, busy: Option<usize>) {
        match self.rng.u8(..16) {
            0..=4 => self.act(busy),
            5..=7 => self.hear(),
            8..=9 => self.tamper_with_policy(),
            10 => self.tamper_with_namespace(),
            11 if self.rng.bool() => self.come_and_go(busy),
            11 => self.tamper_with_node(),
            12..=13 => self.change_zone(),
            _ => {
                let zone = self.any(&ZONES);
                self.confirm(zone, busy);
            }
        }
    }

    fn any(&mut self, all: &[&'static str]) -> &'static str {
        all[self.rng.usize(..all.len())]
    }

    fn any_zone(&mut self) -> Option<String> {
        (self.rng.u8(..3) > 0).then(|| self.any(&ZONES).to_string())
    }

    /// Most are honest about who they are.
    fn somebody(&mut self) -> &'static str {
        if self.rng.u8(..8) == 0 { LIAR } else { MALLORY }
    }

    fn tamper_with_policy(&mut self) {
        let who = self.somebody();
        let all = self.server.policies.live.len();
        if all == 0 || self.rng.u8(..6) == 0 {
            return self.forge_policy(who);
        }
        let at = self.rng.usize(..all);
        let Some(key) = self.server.policies.live.keys().nth(at).cloned() else { return };
        let how = self.rng.u8(..11);
        self.note(|| format!("{who}: {how} with NetworkPolicy/{key}"));
        let zone = self.any(&ZONES).to_string();
        let mut change = |edit: &dyn Fn(&mut Policy)| {
            let _ = self.server.update::<Policy>(&key, None, who, |policy| edit(policy));
        };
        match how {
            0..=2 => {
                let _ = self.server.delete::<Policy>(&key, None);
            }
            3 => change(&|policy| {
                Arc::make_mut(policy.spec.get_or_insert_default()).ingress =
                    Some(vec![NetworkPolicyIngressRule::default()]);
            }),
            4 => change(&|policy| {
                Arc::make_mut(policy.spec.get_or_insert_default()).egress =
                    Some(vec![NetworkPolicyEgressRule::default()]);
            }),
            5 => change(&|policy| {
                let spec = Arc::make_mut(policy.spec.get_or_insert_default());
                (spec.ingress, spec.egress) = (None, None);
            }),
            6 => change(&|policy| {
                policy.metadata.labels.get_or_insert_default().remove(names::MANAGED_BY);
            }),
            7 => change(&|policy| {
                policy.metadata.labels.get_or_insert_default().insert(names::ZONE_LABEL.to_string(), zone.clone());
            }),
            8 => change(&|policy| {
                let labels = policy.metadata.labels.get_or_insert_default();
                labels.insert(names::FLOW_LABEL.to_string(), "forged".to_string());
            }),
            9 => change(&|policy| policy.metadata.finalizers = Some(vec!["example.com/theirs".to_string()])),
            _ => change(&|policy| policy.metadata.finalizers = None),
        }
    }

    fn forge_policy(&mut self, who: &str) {
        let namespace = self.any(&NAMESPACES);
        let name = self.any(&[names::BASELINE, "pcizone-flow-within-ingress", "pcizone-flow-forged-egress", "others"]);
        let mut policy = world::open_policy(namespace, name);
        if self.rng.u8(..4) > 0 {
            let ours = (names::MANAGED_BY.to_string(), names::MANAGED_BY_VALUE.to_string());
            policy.metadata.labels = Some([ours, (names::ZONE_LABEL.to_string(), self.any(&ZONES).to_string())].into());
        }
        self.note(|| format!("{who}: forges {name} in {namespace}"));
        let _ = self.server.create(policy, who);
    }

    fn tamper_with_namespace(&mut self) {
        let (who, name) = (self.somebody(), self.any(&NAMESPACES));
        let how = self.rng.u8(..10);
        let zone = self.any_zone();
        self.note(|| format!("{who}: {how} with Namespace/{name}, {zone:?}"));
        let mut set = |who: &str, keys: &[&str], value: Option<&String>| {
            let change = |namespace: &mut Namespace| {
                let labels = namespace.metadata.labels.get_or_insert_default();
                for key in keys {
                    match value {
                        Some(value) => labels.insert((*key).to_string(), value.clone()),
                        None => labels.remove(*key),
                    };
                }
            };
            let _ = self.server.update(name, None, who, change);
        };
        match how {
            0..=3 => set(KUBECTL, &["team"], zone.as_ref()),
            4..=5 => set(who, &[names::ZONE_LABEL], zone.as_ref()),
            6 => set(who, &["team", names::ZONE_LABEL], None),
            7 => {
                let _ = self.server.delete::<Namespace>(name, None);
            }
            _ => {
                self.server.finish_namespace(name);
                let _ = self.server.create(world::namespace(name, zone.as_deref().unwrap_or("nobody")), KUBECTL);
            }
        }
    }

    /// A namespace comes into a zone and leaves again before a replica, one watch of which shows nothing.
    fn come_and_go(&mut self, busy: Option<usize>) {
        let replica = busy.map_or(0, |busy| 1 - busy);
        let silent = self.rng.usize(..WATCHES.len());
        let (name, zone) = (self.any(&NAMESPACES), self.any(&ZONES));
        for team in [zone, "nobody"] {
            self.note(|| {
                format!("user: Namespace/{name} goes to {team}, silent before {replica}: {:?}", WATCHES[silent])
            });
            let label = |namespace: &mut Namespace| {
                namespace.metadata.labels.get_or_insert_default().insert("team".to_string(), team.to_string());
            };
            let _ = self.server.update(name, None, KUBECTL, label);
            for _ in 0..2 {
                for watch in WATCHES.into_iter().filter(|watch| *watch as usize != silent) {
                    while self.operators[replica].hear(&self.server, watch) {}
                }
                self.look_at_namespace(replica, name);
            }
        }
    }

    fn tamper_with_node(&mut self) {
        let (who, name) = (self.somebody(), self.any(&NODES));
        let how = self.rng.u8(..9);
        let zone = self.any_zone();
        self.note(|| format!("{who}: {how} with Node/{name}, {zone:?}"));
        let mut label = |key: &str| {
            let change = |node: &mut Node| {
                let labels = node.metadata.labels.get_or_insert_default();
                match &zone {
                    Some(zone) => labels.insert(key.to_string(), zone.clone()),
                    None => labels.remove(key),
                };
            };
            let _ = self.server.update(name, None, who, change);
        };
        match how {
            0..=2 => label("pool"),
            3 => label(names::NODE_LABEL),
            4..=6 => {
                let ours = zone.as_deref().filter(|_| how > 4);
                let taints = |node: &mut Node| {
                    let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
                    taints.retain(|taint| taint.key != names::NODE_TAINT);
                    taints.extend(ours.map(|zone| world::taint(names::NODE_TAINT, Some(zone), "NoExecute")));
                    if how == 6 {
                        taints.push(world::taint(FOREIGN_TAINT, zone.as_deref(), "NoExecute"));
                    }
                };
                let _ = self.server.update(name, None, who, taints);
            }
            7 => {
                let _ = self.server.delete::<Node>(name, None);
            }
            _ => {
                let _ = self.server.create(world::node(name, zone.as_deref().unwrap_or("nobody")), "kubelet");
            }
        }
    }

    fn change_zone(&mut self) {
        let name = self.any(&ZONES);
        let how = self.rng.u8(..12);
        self.note(|| format!("user: {how} with PciZone/{name}"));
        match how {
            0..=5 => {
                let spec = world::spec(&mut self.rng, name);
                let _ = self.server.update(name, None, KUBECTL, |zone: &mut PciZone| zone.spec = spec);
            }
            6..=7 => {
                let mode = if how == 6 { pcizone::api::Mode::Observe } else { pcizone::api::Mode::Enforce };
                let _ = self.server.update(name, None, KUBECTL, |zone: &mut PciZone| zone.spec.mode = mode);
            }
            8 => {
                let _ = self.server.delete::<PciZone>(name, None);
            }
            9 => {
                let spec = world::spec(&mut self.rng, name);
                let _ = self.server.create(world::zone(name, spec), KUBECTL);
            }
            10 => {
                let revoke = |zone: &mut PciZone| zone.metadata.annotations = None;
                let _ = self.server.update(name, None, KUBECTL, revoke);
            }
            _ => self.server.now = world::later(),
        }
    }
}
