//! A binding of either kind, as far as it decides: which role, to whom, and who of them is told.

use std::sync::Arc;

use k8s_openapi::{
    api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::MASTERS;
use crate::{
    api::names,
    engine::{desired::admission::CLEANERS, ownership, snapshot::Cluster},
};

/// How the user of a ServiceAccount begins; its namespace, a colon and its name follow.
const ACCOUNT: &str = "system:serviceaccount:";
/// The group of all ServiceAccounts, and how that of one namespace begins.
const ACCOUNTS: &str = "system:serviceaccounts";
/// The group of everybody who is known.
const AUTHENTICATED: &str = "system:authenticated";
/// The group of kubelets. What they may is a matter of the node authorizer.
const NODES: &str = "system:nodes";
/// Users that are parts of the cluster.
const USERS: [&str; 4] =
    ["system:apiserver", "system:kube-controller-manager", "system:kube-proxy", "system:kube-scheduler"];
/// On what the API server itself makes at its start, and puts back.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";
const BOOTSTRAPPED: &str = "rbac-defaults";
/// How names begin that the cluster keeps for itself.
const SYSTEM: &str = "system:";

/// A `ClusterRoleBinding` or a `RoleBinding`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// Its name; of a `RoleBinding` its namespace and name, with a slash between.
    pub key: Box<str>,
    /// Name of the ClusterRole; of a `Role` its namespace and name, with a slash between.
    pub role: Arc<str>,
    /// Who gets it, as `Kind/name` or `Kind/namespace/name`; but for the group that no RBAC limits.
    pub subjects: Arc<[Box<str>]>,
    /// The API server itself made it.
    pub of_server: bool,
}

impl Binding {
    /// The namespace that it is about; `None` for the whole cluster.
    pub fn namespace(&self) -> Option<&str> {
        self.key.split_once('/').map(|(namespace, _)| namespace)
    }

    /// It, as `Kind/name` or `Kind/namespace/name`.
    pub fn subject(&self) -> String {
        let kind = if self.namespace().is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        format!("{kind}/{}", self.key)
    }

    /// Its role in words.
    pub fn role_words(&self) -> String {
        let kind = if self.role.contains('/') { "Role" } else { "ClusterRole" };
        format!("{kind}/{}", self.role)
    }

    /// Who gets it, but for those that the cluster, or this operator, cannot do without.
    pub(super) fn limited<'a>(&'a self, operator: &Operator) -> impl Iterator<Item = &'a str> {
        let subjects = self.subjects.iter().map(AsRef::as_ref);
        subjects.filter(move |subject: &&str| !self.is_needed(subject) && !operator.is(subject))
    }

    fn is_needed(&self, subject: &str) -> bool {
        let is_cleaner = |account: (&str, &str)| {
            CLEANERS
                .iter()
                .any(|user| user.strip_prefix(ACCOUNT).and_then(|rest| rest.split_once(':')) == Some(account))
        };
        match (Accounts::of(subject), subject.split_once('/')) {
            (Some(Accounts::One(account)), _) => {
                is_cleaner(account) || self.of_server && account.0 == names::SYSTEM_NAMESPACE
            }
            (_, Some(("User", name))) => USERS.contains(&name),
            (_, Some(("Group", name))) => name == NODES,
            (_, _) => false,
        }
    }

    fn new(metadata: &ObjectMeta, role: Arc<str>, of: &RoleRef, subjects: Option<&[Subject]>) -> Self {
        let name = metadata.name.as_deref().unwrap_or_default();
        let key =
            metadata.namespace.as_ref().map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"));
        let is_limited = |subject: &&Subject| subject.kind != "Group" || subject.name != MASTERS;
        let subjects = subjects.unwrap_or_default().iter().filter(is_limited).map(words);
        let made = ownership::label(metadata, BOOTSTRAPPING) == Some(BOOTSTRAPPED);
        // Others may set the label; whoever may write bindings of these names is trusted anyway.
        let of_server = made && name.starts_with(SYSTEM) && of.name.starts_with(SYSTEM);
        Binding { key: key.into(), role, subjects: subjects.collect(), of_server }
    }
}

impl From<ClusterRoleBinding> for Binding {
    fn from(ClusterRoleBinding { mut metadata, role_ref, subjects }: ClusterRoleBinding) -> Self {
        metadata.namespace = None;
        Binding::new(&metadata, role_ref.name.as_str().into(), &role_ref, subjects.as_deref())
    }
}

impl From<RoleBinding> for Binding {
    fn from(RoleBinding { mut metadata, role_ref, mut subjects }: RoleBinding) -> Self {
        let namespace = metadata.namespace.get_or_insert_default();
        // An account that is named without a namespace is one of the binding's own.
        let accounts = subjects.iter_mut().flatten().filter(|subject| subject.kind == "ServiceAccount");
        for account in accounts.filter(|account| account.namespace.as_deref().is_none_or(str::is_empty)) {
            account.namespace = Some(namespace.clone());
        }
        let role = match role_ref.kind.as_str() {
            "Role" => format!("{namespace}/{}", role_ref.name),
            _ => role_ref.name.clone(),
        };
        Binding::new(&metadata, role.into(), &role_ref, subjects.as_deref())
    }
}

fn words(subject: &Subject) -> Box<str> {
    match &subject.namespace {
        Some(namespace) => format!("{}/{namespace}/{}", subject.kind, subject.name),
        None => format!("{}/{}", subject.kind, subject.name),
    }
    .into()
}

/// Namespace and name of a ServiceAccount.
pub type Account<'a> = (&'a str, &'a str);

/// The ServiceAccounts that a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounts<'a> {
    /// A single one.
    One(Account<'a>),
    /// All of a namespace.
    Within(&'a str),
    /// All of the cluster.
    All,
}

impl<'a> Accounts<'a> {
    /// Reads a subject: an account may be named as a user too, and many by their groups.
    pub(super) fn of(subject: &'a str) -> Option<Self> {
        match subject.split_once('/')? {
            ("ServiceAccount", account) => account.split_once('/').map(Accounts::One),
            ("User", user) => user.strip_prefix(ACCOUNT)?.split_once(':').map(Accounts::One),
            ("Group", ACCOUNTS | AUTHENTICATED) => Some(Accounts::All),
            ("Group", group) => group.strip_prefix(ACCOUNTS)?.strip_prefix(':').map(Accounts::Within),
            (_, _) => None,
        }
    }
}

/// The operator, as bindings name it.
pub(super) struct Operator<'a> {
    user: &'a str,
    /// Namespace and name of its ServiceAccount.
    pub(super) account: Option<Account<'a>>,
}

impl<'a> Operator<'a> {
    /// Where its user is not known, it is as it is shipped.
    pub(super) fn new(cluster: &'a Cluster) -> Self {
        let user = cluster.operator_user.as_str();
        let named = user.strip_prefix(ACCOUNT).and_then(|account| account.split_once(':'));
        let shipped = user.is_empty().then_some((cluster.operator_namespace.as_str(), names::OPERATOR));
        Operator { user, account: named.or(shipped) }
    }

    fn is(&self, subject: &str) -> bool {
        match Accounts::of(subject) {
            Some(Accounts::One(account)) => self.account == Some(account),
            Some(Accounts::Within(_) | Accounts::All) => false,
            None => !self.user.is_empty() && subject.strip_prefix("User/") == Some(self.user),
        }
    }

    pub(super) fn is_among(&self, subjects: &[Box<str>]) -> bool {
        subjects.iter().any(|subject| self.is(subject))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cluster() -> Cluster {
        Cluster { operator_user: "system:serviceaccount:ops:zones".to_string(), ..Cluster::default() }
    }

    #[test]
    fn those_that_the_cluster_cannot_do_without_are_left_out() {
        let user = |name: &str| json!({ "kind": "User", "name": name });
        let group = |name: &str| json!({ "kind": "Group", "name": name });
        let account =
            |namespace: &str, name: &str| json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name });
        let defaults = ("system:controller:x", "system:controller:x", "rbac-defaults");
        let own = ("mine", "edit", "");
        for ((name, role, label), subject, told) in [
            (own, group("system:masters"), false),
            (own, user("system:masters"), true),
            (own, group("system:nodes"), false),
            (own, user("system:nodes"), true),
            (own, user("system:kube-scheduler"), false),
            (own, user("system:apiserver"), false),
            (own, group("system:kube-scheduler"), true),
            (own, user("system:node:a"), true),
            (own, account("kube-system", "generic-garbage-collector"), false),
            (own, user("system:serviceaccount:kube-system:namespace-controller"), false),
            (own, account("kube-system", "deployment-controller"), true),
            (defaults, account("kube-system", "deployment-controller"), false),
            (defaults, account("shop", "deployment-controller"), true),
            (defaults, user("ann"), true),
            (("system:mine", "cluster-admin", "rbac-defaults"), account("kube-system", "x"), true),
            (("mine", "system:x", "rbac-defaults"), account("kube-system", "x"), true),
            (("system:x", "system:x", "other"), account("kube-system", "x"), true),
            (own, account("ops", "zones"), false),
            (own, user("system:serviceaccount:ops:zones"), false),
            (own, account("ops", "other"), true),
            (own, group("system:serviceaccounts:ops"), true),
        ] {
            let binding = json!({ "metadata": { "name": name, "labels": { BOOTSTRAPPING: label } }, "roleRef":
                { "apiGroup": "", "kind": "ClusterRole", "name": role }, "subjects": [subject] });
            let binding: Binding = serde_json::from_value::<ClusterRoleBinding>(binding).unwrap().into();
            let cluster = cluster();
            assert_eq!(binding.limited(&Operator::new(&cluster)).next().is_some(), told, "{subject} by {name}");
        }
    }

    #[test]
    fn a_binding_names_its_role_where_it_looks_for_it() {
        let binding = |kind: &str, subjects: Value| {
            let of = json!({ "apiGroup": "", "kind": kind, "name": "edit" });
            let binding =
                json!({ "metadata": { "name": "b", "namespace": "vault" }, "roleRef": of, "subjects": subjects });
            Binding::from(serde_json::from_value::<RoleBinding>(binding).unwrap())
        };
        let of_role = binding("Role", Value::Null);
        assert_eq!((&*of_role.role, of_role.subject().as_str()), ("vault/edit", "RoleBinding/vault/b"));
        assert_eq!(of_role.role_words(), "Role/vault/edit");
        let of_cluster_role = binding("ClusterRole", json!([{ "kind": "User", "name": "oidc:a/b" }]));
        assert_eq!((&*of_cluster_role.role, of_cluster_role.namespace()), ("edit", Some("vault")));
        assert_eq!(&*of_cluster_role.subjects, ["User/oidc:a/b".into()]);
        let accounts = json!([{ "kind": "ServiceAccount", "name": "web" }, { "kind": "ServiceAccount", "name": "web", "namespace": "shop" }]);
        let of_accounts = binding("Role", accounts);
        assert_eq!(&*of_accounts.subjects, ["ServiceAccount/vault/web".into(), "ServiceAccount/shop/web".into()]);
    }

    #[test]
    fn a_subject_is_an_account_also_as_a_user_and_by_its_groups() {
        for (subject, accounts) in [
            ("ServiceAccount/shop/web", Some(Accounts::One(("shop", "web")))),
            ("User/system:serviceaccount:shop:web", Some(Accounts::One(("shop", "web")))),
            ("User/ann", None),
            ("Group/system:serviceaccounts:shop", Some(Accounts::Within("shop"))),
            ("Group/system:serviceaccounts", Some(Accounts::All)),
            ("Group/system:authenticated", Some(Accounts::All)),
            ("Group/system:serviceaccountsshop", None),
            ("Group/dev", None),
        ] {
            assert_eq!(Accounts::of(subject), accounts, "{subject}");
        }
    }
}
