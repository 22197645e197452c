#![expect(clippy::needless_pass_by_value, reason = "values are written where they are used")]

use std::sync::Arc;

use k8s_openapi::api::{core::v1, discovery::v1::EndpointSlice, networking::v1::Ingress};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::engine::route::{self, Grant};

fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

fn named(namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({ "metadata": { "namespace": namespace, "name": name } });
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    object
}

fn pod(name: &str, ip: &str, spec: Value) -> Arc<Pod> {
    let mut object = named("vault", name, json!({ "spec": spec, "status": { "podIPs": [{ "ip": ip }] } }));
    object["metadata"]["labels"] = json!({ "app": name });
    Arc::new(read::<v1::Pod>(object).into())
}

fn containers(ports: Value) -> Value {
    json!([{ "name": "a", "ports": ports }])
}

/// A store and a page of the zone, on one node with a pod of that node's network.
fn snapshot() -> Snapshot {
    let ports = json!([{ "name": "sql", "containerPort": 5432 }]);
    let mut snapshot = Snapshot {
        pods: vec![
            pod("db", "10.0.0.1", json!({ "nodeName": "one", "containers": containers(ports) })),
            pod(
                "web",
                "10.0.0.2",
                json!({ "nodeName": "one", "containers": containers(json!([{ "containerPort": 80, "hostPort": 8080 }])) }),
            ),
            pod(
                "proxy",
                "192.168.0.1",
                json!({ "nodeName": "one", "hostNetwork": true, "containers": containers(json!([])) }),
            ),
            pod("late", "10.0.0.3", json!({ "containers": containers(json!([])) })),
        ],
        ..Snapshot::default()
    };
    snapshot.pods.push(Arc::new(Pod { key: "vault/over".into(), ended: true, ..Pod::clone(&snapshot.pods[0]) }));
    snapshot
}

/// Doors as `by: words -> pods on ports`.
fn words(snapshot: &Snapshot, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let doors = doors(snapshot, &Reach::new(snapshot), &Services::new(snapshot), is_meant);
    let word = |door: &Door| {
        format!("{}: {} -> {} on {}", door.by(), door.words(), names(&door.to), words::ports(&door.ports))
    };
    doors.iter().map(word).collect()
}

/// Without the doors of nodes and of pods, which are always the same.
fn of_objects(snapshot: &Snapshot) -> Vec<String> {
    let mut all = words(snapshot, |namespace| namespace == "vault");
    all.retain(|door| !["Node/", "Pod/"].iter().any(|kind| door.starts_with(kind)));
    all
}

#[test]
fn a_node_leads_to_its_pods_and_pods_may_open_their_node() {
    let snapshot = snapshot();
    assert_eq!(
        words(&snapshot, |namespace| namespace == "vault"),
        [
            "Node/one: node one itself and, on its network, vault/proxy -> vault/db, vault/web on every port",
            "Pod/vault/proxy: the network of its node -> vault/proxy on every port",
            "Pod/vault/web: TCP 8080 of its node -> vault/web on TCP 80",
        ]
    );
    assert!(words(&snapshot, |namespace| namespace == "shop").is_empty());
}

#[test]
fn a_service_is_a_door_in_each_way_in_which_it_is_open() {
    let ports = json!([{ "port": 5000, "targetPort": "sql", "nodePort": 30000 }]);
    let plain = json!([{ "port": 5000, "targetPort": 5432 }]);
    let db = json!({ "app": "db" });
    let to = "vault/db on TCP 5432";
    for (spec, status, wanted) in [
        (json!({ "selector": db, "ports": ports }), json!({}), vec!["every node on TCP 30000 by Service vault/a"]),
        (json!({ "type": "ClusterIP", "selector": db, "ports": plain }), json!({}), vec![]),
        (
            json!({ "type": "NodePort", "selector": db, "ports": plain }),
            json!({}),
            vec!["every node by Service vault/a"],
        ),
        (json!({ "type": "NodePort", "selector": { "app": "nobody" }, "ports": plain }), json!({}), vec![]),
        (json!({ "type": "NodePort", "ports": plain }), json!({}), vec![]),
        (
            json!({ "type": "LoadBalancer", "selector": db, "ports": ports }),
            json!({}),
            vec!["every node on TCP 30000 by Service vault/a", "the load balancer on TCP 5000 of Service vault/a"],
        ),
        (
            json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "selector": db, "ports": plain }),
            json!({}),
            vec!["the load balancer on TCP 5000 of Service vault/a"],
        ),
        (
            json!({ "selector": db, "ports": plain, "externalIPs": ["203.0.113.1"] }),
            json!({}),
            vec!["203.0.113.1 on TCP 5000, taken by Service vault/a"],
        ),
        (
            json!({ "selector": db, "ports": plain }),
            json!({ "loadBalancer": { "ingress": [{ "ip": "203.0.113.1" }] } }),
            vec!["the load balancer on TCP 5000 of Service vault/a"],
        ),
    ] {
        let service = named("vault", "a", json!({ "spec": spec, "status": status }));
        let services = vec![Arc::new(read::<v1::Service>(service).into())];
        let snapshot = Snapshot { services, ..snapshot() };
        let wanted: Vec<String> = wanted.iter().map(|words| format!("Service/vault/a: {words} -> {to}")).collect();
        assert_eq!(of_objects(&snapshot), wanted, "{spec}");
    }
}

#[test]
fn a_service_leads_also_where_somebody_wrote_it_leads() {
    let spec = json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": 30080 }] });
    let services = vec![Arc::new(read::<v1::Service>(named("vault", "a", json!({ "spec": spec }))).into())];
    let slices = vec![slice("vault", "a", &["10.0.0.2"]), slice("vault", "other", &["10.0.0.1"])];
    let snapshot = Snapshot { services, slices, ..snapshot() };
    assert_eq!(
        of_objects(&snapshot),
        ["Service/vault/a: every node on TCP 30080 by Service vault/a -> vault/web on TCP 80"]
    );
}

fn slice(namespace: &str, service: &str, addresses: &[&str]) -> Arc<Slice> {
    let mut slice = named(
        namespace,
        "a-1",
        json!({ "addressType": "IPv4", "endpoints": [{ "addresses": addresses }], "ports": [{ "port": 80 }] }),
    );
    slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": service });
    Arc::new(read::<EndpointSlice>(slice).into())
}

#[test]
fn endpoints_of_other_namespaces_are_doors() {
    for (namespace, addresses, wanted) in [
        (
            "shop",
            &["10.0.0.1", "10.0.0.9"][..],
            &["EndpointSlice/shop/a-1: EndpointSlice shop/a-1, written by hand -> vault/db on TCP 80"][..],
        ),
        ("shop", &["10.0.0.9"], &[]),
        ("vault", &["10.0.0.1"], &[]),
    ] {
        let snapshot = Snapshot { slices: vec![slice(namespace, "b", addresses)], ..snapshot() };
        assert_eq!(of_objects(&snapshot), wanted, "{namespace} {addresses:?}");
    }
}

#[test]
fn a_route_leads_to_the_ports_of_services_that_it_may_lead_to() {
    let spec = json!({ "selector": { "app": "db" }, "ports": [{ "name": "web", "port": 80, "targetPort": 8080 }, { "name": "sql", "port": 81, "targetPort": "sql" }] });
    let service = Arc::new(read::<v1::Service>(named("vault", "a", json!({ "spec": spec }))).into());
    let ingress = |port: Value| {
        let backend = json!({ "service": { "name": "a", "port": port } });
        read::<Ingress>(named("vault", "r", json!({ "spec": { "defaultBackend": backend } }))).into()
    };
    let http = |namespace: &str, service: &str, port: u16, parent: &str| {
        let to = json!({ "name": service, "namespace": "vault", "port": port });
        let spec = json!({ "parentRefs": [{ "kind": parent, "name": "public" }], "hostnames": ["a.com"], "rules": [{ "backendRefs": [to] }] });
        let kind = if port == 81 { route::Kind::UDPRoute } else { route::Kind::HTTPRoute };
        Route::read(kind, &read::<DynamicObject>(named(namespace, "r", json!({ "spec": spec }))))
    };
    let grant = |from: &str| {
        let from = json!([{ "group": route::GATEWAY_GROUP, "kind": "HTTPRoute", "namespace": from }]);
        let spec = json!({ "from": from, "to": [{ "group": "", "kind": "Service" }] });
        Grant::read(&read::<DynamicObject>(named("vault", "g", json!({ "spec": spec }))))
    };
    let door = |by: &str, hosts: &str, port: u16| {
        vec![format!("{}: {} for {hosts} by Service vault/a -> vault/db on TCP {port}", by, by.replacen('/', " ", 1))]
    };
    for (what, route, grants, wanted) in [
        ("by number", ingress(json!({ "number": 80 })), vec![], door("Ingress/vault/r", "every host", 8080)),
        ("by name", ingress(json!({ "name": "sql" })), vec![], door("Ingress/vault/r", "every host", 5432)),
        ("no such port", ingress(json!({ "number": 82 })), vec![], vec![]),
        ("own namespace", http("vault", "a", 80, "Gateway"), vec![], door("HTTPRoute/vault/r", "a.com", 8080)),
        ("no such Service", http("vault", "b", 80, "Gateway"), vec![], vec![]),
        ("another protocol", http("vault", "a", 81, "Gateway"), vec![], vec![]),
        ("of a mesh", http("vault", "a", 80, "Service"), vec![], vec![]),
        ("not granted", http("shop", "a", 80, "Gateway"), vec![], vec![]),
        ("granted to others", http("shop", "a", 80, "Gateway"), vec![grant("other")], vec![]),
        ("granted", http("shop", "a", 80, "Gateway"), vec![grant("shop")], door("HTTPRoute/shop/r", "a.com", 8080)),
    ] {
        let grants = grants.into_iter().map(Arc::new).collect();
        let (services, routes) = (vec![Arc::clone(&service)], vec![Arc::new(route)]);
        let snapshot = Snapshot { services, routes, grants, ..snapshot() };
        assert_eq!(of_objects(&snapshot), wanted, "{what}");
    }
}

/// A namespace with so many templates that they are looked up, not looked at.
#[test]
fn a_service_finds_its_pods_among_many_templates() {
    let mut snapshot = snapshot();
    let many = (0..200_u8).map(|number| {
        pod(&format!("p{number}"), &format!("10.0.1.{number}"), json!({ "containers": containers(json!([])) }))
    });
    snapshot.pods.extend(many);
    let spec = json!({ "type": "NodePort", "selector": { "app": "p7" }, "ports": [{ "port": 80, "nodePort": 30080 }] });
    snapshot.services = vec![Arc::new(read::<v1::Service>(named("vault", "a", json!({ "spec": spec }))).into())];
    assert_eq!(
        of_objects(&snapshot),
        ["Service/vault/a: every node on TCP 30080 by Service vault/a -> vault/p7 on TCP 80"]
    );
}
