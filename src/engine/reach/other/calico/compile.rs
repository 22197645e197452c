//! Calico's policies in the form in which they decide.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    CalicoPeer, CalicoPolicy, CalicoRule, DEFAULT, Endpoints, Expr, NetworkSet, Scope, Tier,
    selector::{Known, Test},
};
use crate::{
    api::names,
    engine::reach::{
        Compiled, Origin, Rule, Saying, Selectors, Terms,
        other::{
            making::{Made, Making, Order, rule as rule_of},
            read::Trouble,
        },
        sets::{Classes, Peers, first},
    },
};

/// Where a pod's namespace stands among its labels.
const NAMESPACE: &str = "projectcalico.org/namespace";
/// Who made a pod known to Calico; the same for all of Kubernetes.
const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
/// The name of a namespace among its labels.
const NAME: &str = "projectcalico.org/name";

/// What Calico's policies depend on.
#[derive(Default)]
pub struct Tiers<'t> {
    /// Tiers by name.
    pub tiers: BTreeMap<&'t str, &'t Tier>,
    /// Networks with labels.
    pub sets: Vec<&'t NetworkSet>,
}

/// Compiles a policy.
pub fn compile(making: &Making, name: &Arc<str>, key: &str, policy: &CalicoPolicy, around: &Tiers, made: &mut Made) {
    let within = making.within(policy.namespace.as_deref());
    let subject = policy.subject.as_ref().map(|subject| endpoints(making, subject));
    let may_select = subject.clone().unwrap_or(within);
    for trouble in &policy.trouble {
        made.unread(name, trouble.clone(), &may_select);
    }
    let Some(subject) = subject.filter(|subject| !subject.is_empty()) else { return };
    let order = match (around.tiers.get(&*policy.tier), &*policy.tier) {
        (Some(tier), _) if !tier.trouble.is_empty() => {
            let why = "what its tier says is not understood";
            return made.unread(name, Trouble::new("spec.tier", why), &may_select);
        }
        (Some(tier), _) => tier.order,
        (None, DEFAULT) => Some(DEFAULT_ORDER),
        (None, _) => {
            return made.unread(name, Trouble::new("spec.tier", "there is no such tier"), &may_select);
        }
    };
    let passes = around.tiers.get(&*policy.tier).is_some_and(|tier| tier.passes);
    let side = |rules: &Option<Vec<CalicoRule>>| {
        let rules = rules.as_ref()?.iter().map(|rule| compile_rule(making, rule, around)).collect();
        Some(Saying { rules, isolates: !passes })
    };
    let (ingress, egress) = (side(&policy.ingress), side(&policy.egress));
    if ingress.is_none() && egress.is_none() {
        return;
    }
    let compiled = Compiled { name: Arc::clone(name), origin: Origin::Plugin, rank: 0, subject, ingress, egress };
    let tier = Order { number: order.unwrap_or(f64::INFINITY), name: policy.tier.to_string() };
    let bare = policy.bare(key.rsplit('/').next().unwrap_or(key));
    let place = Order { number: policy.order.unwrap_or(f64::INFINITY), name: format!("{bare}/{key}") };
    made.tiers.push((tier, place, compiled));
}

/// Where the tier `default` stands unless it says otherwise.
pub const DEFAULT_ORDER: f64 = 1_000_000.0;

fn compile_rule(making: &Making, rule: &CalicoRule, around: &Tiers) -> Rule {
    let CalicoPeer { family, nets, not_nets, endpoints: chosen, not } = &rule.peer;
    let mut peers = match family {
        Some(4) => making.networks([ipnet::Ipv4Net::default().into()]),
        Some(_) => making.networks([ipnet::Ipv6Net::default().into()]),
        None => Peers::clone(&making.everybody()),
    };
    if let Some(nets) = nets {
        peers = peers.and(&making.networks(nets.iter().copied()));
    }
    peers = peers.minus(&making.networks(not_nets.iter().copied()));
    let mut selectors = Vec::new();
    if let Some(chosen) = chosen {
        peers = peers.and(&all_of(making, chosen, around));
        if nets.is_none() {
            selectors = lists(chosen);
        }
    }
    if let Some(not) = not {
        let chosen = Endpoints { scope: Scope::Any, expr: not.clone() };
        peers = peers.minus(&all_of(making, &chosen, around));
    }
    rule_of(&rule.field, rule.action, peers, selectors, &rule.ports)
}

/// Pods and networks with labels.
fn all_of(making: &Making, chosen: &Endpoints, around: &Tiers) -> Peers {
    let sets = around.sets.iter().filter(|set| is_meant(making, chosen, set)).flat_map(|set| set.nets.iter().copied());
    making.population().present(&endpoints(making, chosen)).or(&making.networks(sets))
}

/// The pods that are meant.
fn endpoints(making: &Making, chosen: &Endpoints) -> Classes {
    let population = making.population();
    let of_namespace = |name: &str| population.namespaces(&Terms::label(names::NAMESPACE_NAME, name));
    let namespaces = match &chosen.scope {
        Scope::Any => None,
        Scope::One(name) => Some(of_namespace(name)),
        Scope::Chosen(expr) => {
            let more = |key: &str, test: &Test| {
                (key == NAME).then(|| {
                    population.labels_of_namespaces().with(names::NAMESPACE_NAME, |name| test.holds(Some(name)))
                })
            };
            Some(expr.select(&Known { labels: population.labels_of_namespaces(), are_global: false, more: &more }))
        }
    };
    let labels = population.labels();
    let more = |key: &str, test: &Test| match key {
        NAMESPACE => {
            let meant = population.labels_of_namespaces().with(names::NAMESPACE_NAME, |name| test.holds(Some(name)));
            Some(&population.members(&meant) & labels.all())
        }
        ORCHESTRATOR if test.holds(Some("k8s")) => Some(labels.all().clone()),
        ORCHESTRATOR => Some(first(0)),
        _ => None,
    };
    let pods = chosen.expr.select(&Known { labels, are_global: false, more: &more });
    match namespaces {
        Some(namespaces) => &population.members(&namespaces) & &pods,
        None => pods,
    }
}

/// A network with labels is meant.
fn is_meant(making: &Making, chosen: &Endpoints, set: &NetworkSet) -> bool {
    let namespace = set.namespace.as_deref();
    let of_namespace = namespace.and_then(|name| making.snapshot.namespaces.get(name));
    let labels = of_namespace.and_then(|namespace| namespace.metadata.labels.as_ref());
    let is_in = match &chosen.scope {
        Scope::Any => true,
        Scope::One(name) => namespace == Some(name),
        Scope::Chosen(expr) => expr.matches(namespace.is_some(), &|key| match key {
            NAME | names::NAMESPACE_NAME => namespace,
            key => labels.and_then(|labels| labels.get(key)).map(String::as_str),
        }),
    };
    let label = |key: &str| match key {
        NAMESPACE => namespace,
        key => set.labels.get(key).map(String::as_str),
    };
    is_in && chosen.expr.matches(true, &label)
}

/// The pods that are meant, whether there are such or not.
fn lists(chosen: &Endpoints) -> Vec<Selectors> {
    let namespaces = match &chosen.scope {
        Scope::Any => vec![Terms::default()],
        Scope::One(name) => vec![Terms::label(names::NAMESPACE_NAME, name)],
        Scope::Chosen(expr) => expr.lists(),
    };
    let pods = chosen.expr.lists();
    let all = namespaces.iter().flat_map(|namespaces| {
        pods.iter().map(|pods| Selectors { namespaces: namespaces.clone(), pods: pods.clone() })
    });
    all.collect()
}

impl CalicoPolicy {
    /// Labels of a pod that it would hold for, if such can be made up.
    pub fn example(&self) -> Option<BTreeMap<String, String>> {
        self.subject.as_ref()?.expr.lists().iter().find_map(Terms::example)
    }

    /// It names the namespaces of the pods that it holds for, or holds for all pods of a namespace.
    pub fn is_aimed(&self) -> bool {
        let subject = self.subject.as_ref();
        subject.is_some_and(|Endpoints { scope, expr }| *scope != Scope::Any || *expr == Expr::All)
    }

    /// It may hold for pods of this namespace.
    pub fn is_for(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        match self.subject.as_ref().map(|subject| &subject.scope) {
            None => false,
            Some(Scope::Any) => true,
            Some(Scope::One(name)) => **name == *namespace,
            Some(Scope::Chosen(expr)) => expr.matches(true, &|key| match key {
                NAME => Some(namespace),
                key => labels.get(key).map(String::as_str),
            }),
        }
    }
}

impl Expr {
    /// It means a pod with these labels.
    pub fn means(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        self.matches(true, &|key| match key {
            NAMESPACE => Some(namespace),
            ORCHESTRATOR => Some("k8s"),
            key => labels.get(key).map(String::as_str),
        })
    }
}
