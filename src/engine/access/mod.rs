//! Who may get into a zone through the API server, past every policy, and who may change what is sealed.
//!
//! ```text
//!  ClusterRole, Role ──roles──▶ Role ──┐
//!                                      ├─▶ Access ─▶ who holds what, in the cluster and in each namespace
//!  bindings of both ──bindings──▶ Binding ┘
//! ```
//! Only RBAC is read: where other authorizers are asked too, somebody may more than is seen here.

mod bindings;
mod break_glass;
mod built_in;
mod doors;
mod roles;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use super::{held::Held, pod::Pod, resolve::Zone, snapshot::Snapshot};
pub use bindings::Binding;
use bindings::{Account, Accounts, Operator};
pub use break_glass::{Holder, Zones, digest, holders, unacknowledged};
pub use built_in::complete;
pub use doors::{Door, Grant};
pub use roles::Role;

/// The group that no RBAC limits, and none can take anything from.
const MASTERS: &str = "system:masters";

/// What roles and bindings have in common, held once.
#[derive(Default)]
pub struct Common {
    grants: Held<[Grant]>,
    names: Held<str>,
    subjects: Held<[Box<str>]>,
}

impl Common {
    /// The same role, with what another one has too.
    pub fn share_role(&mut self, mut role: Role) -> Role {
        self.grants.share(&mut role.grants);
        role
    }

    /// The same binding, with what another one has too.
    pub fn share_binding(&mut self, mut binding: Binding) -> Binding {
        self.names.share(&mut binding.role);
        self.subjects.share(&mut binding.subjects);
        binding
    }
}

/// A binding, what its role opens, and to whom.
#[derive(Clone, Debug)]
pub struct Bound<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// What its role opens, sorted.
    pub grants: Cow<'a, [Grant]>,
    /// Who gets it, but for those that the cluster cannot do without.
    pub subjects: Vec<&'a str>,
}

/// Who holds what that opens a zone.
#[derive(Debug, Default)]
pub struct Access<'a> {
    cluster: Vec<Bound<'a>>,
    namespaces: BTreeMap<&'a str, Vec<Bound<'a>>>,
    tokens: BTreeMap<Account<'a>, Vec<&'a Pod>>,
    itself: Option<Account<'a>>,
    /// Bindings of the operator itself in the whole cluster, with what their roles grant beyond what it is shipped with.
    pub operator: Vec<(&'a Binding, &'a [String])>,
}

impl<'a> Access<'a> {
    /// Looks at all roles, bindings and pods once, for all zones.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let roles: HashMap<&str, &Role> = snapshot.roles.iter().map(|role| (&*role.key, &**role)).collect();
        let operator = Operator::new(&snapshot.cluster);
        let mut access = Access { itself: operator.account, ..Access::default() };
        let mut collected: BTreeMap<&str, Vec<Grant>> = BTreeMap::new();
        for role in roles.values().filter(|role| !role.collects.is_empty()) {
            collected.insert(&*role.key, role.collected(&snapshot.roles));
        }
        for binding in snapshot.bindings.iter().map(AsRef::as_ref) {
            let Some(role) = roles.get(&*binding.role) else { continue };
            if binding.namespace().is_none() && !role.beyond.is_empty() && operator.is_among(&binding.subjects) {
                access.operator.push((binding, &*role.beyond));
            }
            let grants = collected.get(&*role.key).map_or(Cow::Borrowed(&*role.grants), |all| Cow::Owned(all.clone()));
            if grants.is_empty() {
                continue;
            }
            let subjects: Vec<&str> = binding.limited(&operator).collect();
            if subjects.is_empty() {
                continue;
            }
            let bound = Bound { binding, grants, subjects };
            match binding.namespace() {
                Some(namespace) => access.namespaces.entry(namespace).or_default().push(bound),
                None => access.cluster.push(bound),
            }
        }
        for pod in snapshot.pods.iter().map(AsRef::as_ref).filter(|pod| !pod.ended && pod.node.is_some()) {
            if let Some(account) = pod.powers.account.as_deref() {
                access.tokens.entry((pod.namespace(), account)).or_default().push(pod);
            }
        }
        access
    }

    /// The bindings that reach a zone: those of the whole cluster, and those in its namespaces.
    pub fn around(&self, zone: &Zone) -> impl Iterator<Item = &Bound<'a>> {
        let members = zone.namespaces.declared.union(&zone.namespaces.held);
        let within = members.filter_map(|namespace| self.namespaces.get(namespace.as_str())).flatten();
        self.cluster.iter().chain(within)
    }

    /// Pods on some node that hold a token of such accounts, as a binding names them.
    pub fn holders(&self, subject: &str) -> Vec<&'a Pod> {
        match Accounts::of(subject) {
            Some(Accounts::One((namespace, name))) => self.tokens.get(&(namespace, name)).cloned().unwrap_or_default(),
            Some(Accounts::Within(namespace)) => {
                let within = self.others_from(namespace).take_while(|(found, _)| *found == namespace);
                within.flat_map(|(_, pods)| pods).copied().collect()
            }
            Some(Accounts::All) => self.others_from("").flat_map(|(_, pods)| pods).copied().collect(),
            None => Vec::new(),
        }
    }

    /// Namespaces from this one on, and pods there with a token. The operator's own are no news.
    fn others_from<'b>(&'b self, namespace: &'b str) -> impl Iterator<Item = (&'b str, &'b [&'a Pod])> {
        let others = self.tokens.range((namespace, "")..).filter(|(account, _)| self.itself != Some(**account));
        others.map(|((namespace, _), pods)| (*namespace, pods.as_slice()))
    }

    /// The subject is every ServiceAccount of the cluster.
    pub fn is_everybody(subject: &str) -> bool {
        Accounts::of(subject) == Some(Accounts::All)
    }

    /// Pods of the operator on some node.
    pub fn operator_pods(&self) -> &[&'a Pod] {
        self.itself.and_then(|account| self.tokens.get(&account)).map(Vec::as_slice).unwrap_or_default()
    }
}
