//! Bindings of roles.

use k8s_openapi::api::rbac::v1::{RoleRef, Subject};

use super::RBAC;
use crate::{
    cli::manifests::fault::Field,
    engine::intake::{Kind, Scope},
};

pub(super) fn binding(
    kind: Kind,
    role: &RoleRef,
    subjects: Option<&[Subject]>,
    report: &mut dyn FnMut(&Field, String),
) {
    let at = Field::of("roleRef");
    let in_namespace = kind.scope() == Scope::Namespaced;
    let is_kind = role.kind == "ClusterRole" || role.kind == "Role" && in_namespace;
    let kinds = if in_namespace { "none of Role and ClusterRole" } else { "not ClusterRole" };
    if !is_kind {
        report(&at.key("kind"), format!("{:?} is {kinds}", role.kind));
    }
    if role.name.is_empty() {
        report(&at.key("name"), "it is missing".to_string());
    }
    group(role.api_group.as_deref(), RBAC, &at, report);
    for (number, one) in subjects.into_iter().flatten().enumerate() {
        subject(one, in_namespace, &Field::of("subjects").index(number), report);
    }
}

fn subject(subject: &Subject, in_namespace: bool, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let api_group = subject.api_group.as_deref();
    match subject.kind.as_str() {
        "ServiceAccount" => {
            // In a namespace it is one of that.
            if !in_namespace && subject.namespace.as_deref().is_none_or(str::is_empty) {
                report(&at.key("namespace"), "it is missing".to_string());
            }
            group(api_group, "", at, report);
        }
        "User" | "Group" => group(api_group, RBAC, at, report),
        kind => report(&at.key("kind"), format!("{kind:?} is none of User, Group and ServiceAccount")),
    }
    if subject.name.is_empty() {
        report(&at.key("name"), "it is missing".to_string());
    }
}

fn group(group: Option<&str>, wanted: &str, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let group = group.unwrap_or_default();
    if !group.is_empty() && group != wanted {
        report(&at.key("apiGroup"), format!("{group:?} is not {wanted:?}"));
    }
}
