use serde_json::{Value, json};

use super::*;

fn ingress(spec: &Value) -> Route {
    let object = json!({ "metadata": { "namespace": "vault", "name": "a" }, "spec": spec });
    serde_json::from_value::<networking::Ingress>(object).unwrap().into()
}

fn object(spec: &Value) -> DynamicObject {
    serde_json::from_value(json!({ "metadata": { "namespace": "vault", "name": "a" }, "spec": spec })).unwrap()
}

fn gateway(spec: &Value) -> Route {
    Route::read(Kind::HTTPRoute, &object(spec))
}

/// `service:port`.
fn backends(route: &Route) -> Vec<String> {
    let word = |backend: &Backend| match &backend.port {
        Port::Number(number) => format!("{}:{number}", backend.service),
        Port::Name(name) => format!("{}:{name}", backend.service),
    };
    route.backends.iter().map(word).collect()
}

#[test]
fn an_ingress_leads_to_every_service_that_it_names() {
    let to = |name: &str, port: Value| json!({ "service": { "name": name, "port": port } });
    let path = |backend: Value| json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let rule =
        |backends: Vec<Value>| json!({ "http": { "paths": backends.into_iter().map(path).collect::<Vec<_>>() } });
    let web = || to("web", json!({ "number": 80 }));
    for (spec, wanted) in [
        (json!({}), &[][..]),
        (json!({ "defaultBackend": web() }), &["vault/web:80"]),
        (json!({ "rules": [rule(vec![web(), web()])] }), &["vault/web:80"]),
        (
            json!({ "defaultBackend": web(), "rules": [rule(vec![to("api", json!({ "name": "http" }))]), { "host": "a.example.com" }] }),
            &["vault/api:http", "vault/web:80"],
        ),
        (json!({ "defaultBackend": { "resource": { "kind": "Bucket", "name": "web" } } }), &[]),
        (json!({ "defaultBackend": { "service": { "name": "web" } } }), &[]),
    ] {
        assert_eq!(backends(&ingress(&spec)), wanted, "{spec}");
    }
}

#[test]
fn a_host_of_an_ingress_is_plain_unless_a_certificate_covers_it() {
    let host = |host: &str| json!({ "host": host });
    let tls = |hosts: Value| json!([{ "hosts": hosts, "secretName": "a" }]);
    let backend = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    for (spec, plain) in [
        (json!({ "rules": [host("pay.example.com")] }), &["pay.example.com"][..]),
        (json!({ "rules": [host("pay.example.com")], "tls": tls(json!(["pay.example.com"])) }), &[]),
        (json!({ "rules": [host("pay.example.com")], "tls": tls(Value::Null) }), &[]),
        (json!({ "rules": [host("pay.example.com")], "tls": tls(json!(["example.com"])) }), &["pay.example.com"]),
        (json!({ "rules": [host("pay.example.com")], "tls": tls(json!(["*.example.com"])) }), &[]),
        (json!({ "rules": [host("a.pay.example.com")], "tls": tls(json!(["*.example.com"])) }), &["a.pay.example.com"]),
        (json!({ "rules": [host("*.example.com")], "tls": tls(json!(["*.example.com"])) }), &[]),
        (json!({ "rules": [host("*.example.com")], "tls": tls(json!(["pay.example.com"])) }), &["*.example.com"]),
        (json!({ "rules": [host("a.com"), host("b.com")], "tls": tls(json!(["a.com"])) }), &["b.com"]),
        (json!({ "defaultBackend": backend, "tls": tls(json!(["a.com"])) }), &["every host"]),
        (json!({ "rules": [{}] }), &["every host"]),
    ] {
        assert_eq!(ingress(&spec).plain(), plain, "{spec}");
    }
}

#[test]
fn a_route_of_a_gateway_leads_to_backends_and_to_mirrors() {
    let rules = |rule: Value| json!({ "rules": [rule] });
    let mirror = |name: &str| json!({ "type": "RequestMirror", "requestMirror": { "backendRef": { "name": name, "port": 80 } } });
    for (spec, wanted) in [
        (json!({}), &[][..]),
        (json!({ "rules": "left over" }), &[]),
        (rules(json!({ "backendRefs": [{ "name": "web", "port": 80 }] })), &["vault/web:80"]),
        (
            rules(
                json!({ "backendRefs": [{ "group": "", "kind": "Service", "name": "web", "namespace": "shop", "port": 80 }] }),
            ),
            &["shop/web:80"],
        ),
        (
            rules(
                json!({ "backendRefs": [{ "kind": "ServiceImport", "group": "multicluster.x-k8s.io", "name": "web", "port": 80 }] }),
            ),
            &[],
        ),
        (rules(json!({ "backendRefs": [{ "group": "example.com", "name": "web", "port": 80 }] })), &[]),
        (rules(json!({ "backendRefs": [{ "name": "web" }] })), &[]),
        (rules(json!({ "backendRefs": [{ "name": "web", "port": 70000 }] })), &[]),
        (
            rules(
                json!({ "filters": [mirror("b")], "backendRefs": [{ "name": "a", "port": 80, "filters": [mirror("c")] }] }),
            ),
            &["vault/a:80", "vault/b:80", "vault/c:80"],
        ),
    ] {
        assert_eq!(backends(&gateway(&spec)), wanted, "{spec}");
    }
}

#[test]
fn only_what_belongs_to_a_gateway_leads_in_from_outside() {
    let service = json!({ "group": "", "kind": "Service", "name": "web" });
    let (plain, listeners) = (json!({ "name": "public" }), json!({ "kind": "XListenerSet", "name": "public" }));
    for (parents, attached) in [
        (json!([]), false),
        (json!([service]), false),
        (json!([plain]), true),
        (json!([listeners]), true),
        (json!([service, plain]), true),
    ] {
        assert_eq!(gateway(&json!({ "parentRefs": parents })).attached, attached, "{parents}");
    }
    assert_eq!(gateway(&json!({})).hosts(), ["every host"]);
    let hosts = json!({ "hostnames": ["b.com", "a.com", "b.com"] });
    assert_eq!(gateway(&hosts).hosts(), ["a.com", "b.com"]);
}

#[test]
fn a_grant_is_for_routes_of_a_kind_and_namespace_and_for_named_services() {
    let route = Route { key: "shop/a".into(), ..gateway(&json!({})) };
    let from = |kind: &str, namespace: &str| json!([{ "group": GATEWAY_GROUP, "kind": kind, "namespace": namespace }]);
    let all = json!([{ "group": "", "kind": "Service" }]);
    let named = |name: &str| json!([{ "group": "", "kind": "Service", "name": name }]);
    let secret = json!([{ "group": "", "kind": "Secret" }]);
    for (from, to, allows) in [
        (from("HTTPRoute", "shop"), &all, true),
        (from("GRPCRoute", "shop"), &all, false),
        (from("HTTPRoute", "other"), &all, false),
        (json!([{ "group": "example.com", "kind": "HTTPRoute", "namespace": "shop" }]), &all, false),
        (from("HTTPRoute", "shop"), &named("web"), true),
        (from("HTTPRoute", "shop"), &named("other"), false),
        (from("HTTPRoute", "shop"), &secret, false),
        (json!([]), &all, false),
    ] {
        let grant = Grant::read(&object(&json!({ "from": from, "to": to })));
        assert_eq!(grant.allows(&route, "web"), allows, "{from} {to}");
    }
}

/// `service:` and the paths that lead there.
fn paths(route: &Route) -> Vec<String> {
    route.backends.iter().map(|backend| format!("{}: {}", backend.service, backend.paths.join(", "))).collect()
}

#[test]
fn paths_of_an_ingress_are_told_with_their_hosts() {
    let path = |service: &str, kind: &str, path: &str| {
        let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
        json!({ "path": path, "pathType": kind, "backend": backend })
    };
    let rule = |host: Value, paths: Vec<Value>| json!({ "host": host, "http": { "paths": paths } });
    let (of_a, of_all) = (json!("a.com"), Value::Null);
    for (rules, wanted) in [
        (vec![rule(of_a.clone(), vec![path("web", "Prefix", "/")])], &["vault/web: a.com"][..]),
        (vec![rule(of_all.clone(), vec![path("web", "Prefix", "/")])], &["vault/web: "]),
        (vec![rule(of_a.clone(), vec![path("web", "Exact", "/")])], &["vault/web: a.com/ exactly"]),
        (
            vec![rule(
                of_a.clone(),
                vec![path("web", "Prefix", "/api"), path("web", "ImplementationSpecific", "/b.*")],
            )],
            &["vault/web: a.com/api and below, a.com/b.* (ImplementationSpecific)"],
        ),
        (
            vec![rule(of_a.clone(), vec![path("web", "Prefix", "/api"), path("api", "Exact", "/v1")])],
            &["vault/api: a.com/v1 exactly", "vault/web: a.com/api and below"],
        ),
        // Every path of every host is more than any.
        (
            vec![rule(of_a, vec![path("web", "Exact", "/a")]), rule(of_all, vec![path("web", "Prefix", "")])],
            &["vault/web: "],
        ),
    ] {
        assert_eq!(paths(&ingress(&json!({ "rules": rules }))), wanted, "{rules:?}");
    }
}

#[test]
fn matches_of_a_gateway_route_are_told_by_method_and_path() {
    let rule = |matches: Value| json!({ "matches": matches, "backendRefs": [{ "name": "web", "port": 80 }] });
    let prefix = |value: &str| json!({ "path": { "type": "PathPrefix", "value": value } });
    for (rules, wanted) in [
        (json!([{ "backendRefs": [{ "name": "web", "port": 80 }] }]), "vault/web: "),
        (json!([rule(json!([prefix("/")]))]), "vault/web: "),
        (json!([rule(json!([prefix("/api"), { "method": "GET" }]))]), "vault/web: /api and below, GET"),
        (
            json!([rule(json!([{ "method": "GET", "path": { "type": "Exact", "value": "/a" } }]))]),
            "vault/web: GET /a exactly",
        ),
        (json!([rule(json!([{ "method": { "service": "pay.Cards" } }]))]), "vault/web: pay.Cards/*"),
        (json!([rule(json!([prefix("/api")])), rule(json!([prefix("/")]))]), "vault/web: "),
        // Whoever asks writes the headers: they keep nobody out.
        (json!([rule(json!([{ "headers": [{ "name": "a", "value": "b" }] }]))]), "vault/web: "),
    ] {
        assert_eq!(paths(&gateway(&json!({ "rules": rules }))), [wanted], "{rules}");
    }
}
