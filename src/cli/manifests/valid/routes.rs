//! Ingresses and the routes of the Gateway API. Of the latter only what is read has its shape looked at.

use k8s_openapi::api::networking::v1::{Ingress, IngressBackend};
use kube::core::DynamicObject;
use serde_json::Value;

use crate::cli::manifests::fault::Field;

const PATH_TYPES: [&str; 3] = ["Exact", "Prefix", "ImplementationSpecific"];

pub(super) fn ingress(ingress: &Ingress, report: &mut dyn FnMut(&Field, String)) {
    let at = Field::of("spec");
    let Some(spec) = &ingress.spec else { return };
    if let Some(default) = &spec.default_backend {
        backend(default, &at.key("defaultBackend"), report);
    }
    for (number, rule) in spec.rules.iter().flatten().enumerate() {
        let at = at.key("rules").index(number).key("http").key("paths");
        for (number, path) in rule.http.iter().flat_map(|http| &http.paths).enumerate() {
            let at = at.index(number);
            backend(&path.backend, &at.key("backend"), report);
            if !PATH_TYPES.contains(&path.path_type.as_str()) {
                let message = format!("{:?} is none of Exact, Prefix and ImplementationSpecific", path.path_type);
                report(&at.key("pathType"), message);
            }
        }
    }
}

fn backend(backend: &IngressBackend, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let service = match (&backend.service, &backend.resource) {
        (Some(service), None) => service,
        (None, Some(_)) => return,
        (None, None) => return report(at, "one of service and resource must be there".to_string()),
        (Some(_), Some(_)) => return report(at, "service and resource do not go together".to_string()),
    };
    let at = at.key("service");
    if service.name.is_empty() {
        report(&at.key("name"), "it is missing".to_string());
    }
    let port = service.port.clone().unwrap_or_default();
    let has_name = port.name.is_some_and(|name| !name.is_empty());
    if has_name == port.number.is_some_and(|number| number != 0) {
        report(&at.key("port"), "one of name and number must be there".to_string());
    }
}

/// The rules of a route and whom they lead to, or what a grant lets through.
pub(super) fn of_gateways(object: &DynamicObject, report: &mut dyn FnMut(&Field, String)) {
    let at = Field::of("spec");
    let Some(spec) = object.data.get("spec") else { return report(&at, "it is missing".to_string()) };
    let Some(spec) = map(spec, &at, report) else { return };
    for field in ["parentRefs", "from", "to"] {
        each(spec.get(field), &at.key(field), report, |one, at, report| {
            map(one, at, report);
        });
    }
    each(spec.get("hostnames"), &at.key("hostnames"), report, |host, at, report| {
        if !host.is_string() {
            report(at, "it must be a text".to_string());
        }
    });
    each(spec.get("rules"), &at.key("rules"), report, |rule, at, report| {
        let Some(rule) = map(rule, at, report) else { return };
        filters(rule.get("filters"), &at.key("filters"), report);
        each(rule.get("backendRefs"), &at.key("backendRefs"), report, |one, at, report| {
            reference(one, at, report);
            filters(one.get("filters"), &at.key("filters"), report);
        });
    });
}

fn filters(filters: Option<&Value>, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    each(filters, at, report, |filter, at, report| {
        let Some(mirror) = map(filter, at, report).and_then(|filter| filter.get("requestMirror")) else { return };
        let at = at.key("requestMirror");
        let Some(mirror) = map(mirror, &at, report) else { return };
        reference(mirror.get("backendRef").unwrap_or(&Value::Null), &at.key("backendRef"), report);
    });
}

fn reference(value: &Value, at: &Field, report: &mut dyn FnMut(&Field, String)) {
    let Some(reference) = map(value, at, report) else { return };
    if reference.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        report(&at.key("name"), "it is missing".to_string());
    }
    for field in ["namespace", "kind", "group"] {
        if reference.get(field).is_some_and(|text| !text.is_string() && !text.is_null()) {
            report(&at.key(field), "it must be a text".to_string());
        }
    }
    let port = reference.get("port").filter(|port| !port.is_null());
    if port.is_some_and(|port| !port.as_u64().is_some_and(|port| (1..=65535).contains(&port))) {
        report(&at.key("port"), "it is no port; 1 to 65535 are".to_string());
    }
}

fn map<'v>(value: &'v Value, at: &Field, report: &mut dyn FnMut(&Field, String)) -> Option<&'v Value> {
    if !value.is_object() {
        report(at, "it must be a map".to_string());
    }
    value.is_object().then_some(value)
}

fn each(
    list: Option<&Value>,
    at: &Field,
    report: &mut dyn FnMut(&Field, String),
    look: impl Fn(&Value, &Field, &mut dyn FnMut(&Field, String)),
) {
    match list {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) => {
            list.iter().enumerate().for_each(|(number, one)| look(one, &at.index(number), report));
        }
        Some(_) => report(at, "it must be a list".to_string()),
    }
}
