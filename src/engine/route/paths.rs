//! By which paths a route leads to a Service, in words.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::HTTPIngressPath;
use serde_json::Value;

use super::{Backend, Port, list, text};

/// A Service by its namespace and name, and its port.
pub(super) type Target = (Box<str>, Port);

/// Each Service and port once, with all paths that lead there; none where one of them is every path.
pub(super) fn joined(all: impl Iterator<Item = (Target, Vec<Box<str>>)>) -> Box<[Backend]> {
    let mut joined: BTreeMap<Target, Option<BTreeSet<Box<str>>>> = BTreeMap::new();
    for (target, paths) in all {
        let known = joined.entry(target).or_insert_with(|| Some(BTreeSet::new()));
        match known {
            Some(known) if !paths.is_empty() => known.extend(paths),
            _ => *known = None,
        }
    }
    let backend = |((service, port), paths): (Target, Option<BTreeSet<Box<str>>>)| Backend {
        service,
        port,
        paths: paths.into_iter().flatten().collect(),
    };
    joined.into_iter().map(backend).collect()
}

/// A path of an Ingress, with its host; none where it is every path of every host.
pub(super) fn of_path(host: Option<&str>, path: &HTTPIngressPath) -> Vec<Box<str>> {
    let said = path_words(&path.path_type, path.path.as_deref().unwrap_or_default());
    match (host, said) {
        (None, None) => Vec::new(),
        (Some(host), None) => vec![host.into()],
        (host, Some(said)) => vec![format!("{}{said}", host.unwrap_or_default()).into()],
    }
}

/// The paths and methods of a rule of the Gateway API; none where it is for every request.
pub(super) fn of_rule(rule: &Value) -> Vec<Box<str>> {
    let mut all: Vec<Box<str>> = Vec::new();
    for one in list(rule, "matches") {
        let Some(words) = match_words(one) else { return Vec::new() };
        all.push(words.into());
    }
    all
}

fn match_words(one: &Value) -> Option<String> {
    let path = one.get("path").and_then(|path| {
        path_words(text(path, "type").unwrap_or("PathPrefix"), text(path, "value").unwrap_or_default())
    });
    let method = one.get("method").and_then(|method| match method {
        Value::String(method) => Some(method.clone()),
        // Of a GRPCRoute: each part that is left out is every one.
        _ => match (text(method, "service"), text(method, "method")) {
            (None, None) => None,
            (service, method) => Some(format!("{}/{}", service.unwrap_or("*"), method.unwrap_or("*"))),
        },
    });
    let both: Vec<String> = method.into_iter().chain(path).collect();
    (!both.is_empty()).then(|| both.join(" "))
}

/// A path in words; nothing where it is all of them.
fn path_words(kind: &str, path: &str) -> Option<String> {
    match (kind, path) {
        ("Exact", path) => Some(format!("{path} exactly")),
        ("Prefix" | "PathPrefix" | "ImplementationSpecific", "" | "/") => None,
        ("Prefix" | "PathPrefix", path) => Some(format!("{path} and below")),
        // How it is read is for whoever serves it to say.
        (kind, path) => Some(format!("{path} ({kind})")),
    }
}
