//! Named cases as tables: manifests, what may reach what under them, and what of them is not understood.
//!
//! The objects of a case are added to a small town that all cases share.

mod calico;
mod cilium;
mod tiers;

use pcizone::{
    api::Protocol,
    engine::reach::{End, Reach},
};
use serde_json::Value;

use crate::cluster::{agree, snapshot};

/// All cases, by whose policies they are about.
pub const ALL: &[(&str, &[Recipe])] =
    &[("tiers", tiers::RECIPES), ("Cilium", cilium::RECIPES), ("Calico", calico::RECIPES)];

/// A case.
pub struct Recipe {
    /// What it shows, in a sentence.
    pub name: &'static str,
    /// Documents that are added to the town.
    manifests: &'static str,
    /// From, to, port, and whether it is allowed. What has a slash is a pod, all else an address.
    probes: &'static [(&'static str, &'static str, Port, bool)],
    /// What is not understood: for each trouble a part of its field and reason.
    unread: &'static [&'static str],
}

type Port = (Protocol, u16);

const HTTP: Port = (Protocol::TCP, 80);
const SQL: Port = (Protocol::TCP, 5432);
const DNS: Port = (Protocol::UDP, 53);

const TOWN: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: red}}
---
apiVersion: v1
kind: Namespace
metadata: {name: vault, labels: {team: red, pci: "yes"}}
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {team: blue}}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {role: edge}}
status: {addresses: [{type: InternalIP, address: 10.9.0.1}, {type: Hostname, address: n1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {role: inner}}
status: {addresses: [{type: InternalIP, address: 10.9.0.9}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web, tier: x}}
spec: {containers: [{ports: [{name: http, containerPort: 80}]}]}
status: {podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: shop, name: api, labels: {app: x}}
spec: {containers: [{}]}
status: {podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: vault, name: db, labels: {app: db}}
spec: {containers: [{ports: [{name: sql, containerPort: 5432}, {name: dns, containerPort: 53, protocol: UDP}]}]}
status: {podIPs: [{ip: 10.0.0.3}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: vault, name: web, labels: {app: web}}
spec: {containers: [{ports: [{name: http, containerPort: 82}]}]}
status: {podIPs: [{ip: 10.0.0.4}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: lab, name: test, labels: {tier: db}}
spec: {containers: [{}]}
status: {podIPs: [{ip: 10.0.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: lab, name: agent, labels: {app: web}}
spec: {hostNetwork: true, nodeName: n1, containers: [{ports: [{name: http, containerPort: 80}]}]}
status: {podIPs: [{ip: 10.9.0.1}]}
---
apiVersion: test
kind: ApiServer
addresses: [198.51.100.7]
"#;

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What all cases share.
pub fn town() -> Vec<Value> {
    documents(TOWN)
}

impl Recipe {
    /// What is not as expected.
    pub fn wrong(&self) -> Vec<String> {
        let objects = [town(), documents(self.manifests)].concat();
        let snapshot = snapshot(&objects);
        let reach = Reach::new(&snapshot);
        let end = |text: &str| {
            let text = if text.contains('/') { text.to_string() } else { format!("ip:{text}") };
            text.parse::<End>().expect("an end")
        };
        let mut wrong: Vec<String> = agree(&reach, &snapshot).into_iter().collect();
        for (from, to, (protocol, port), expected) in self.probes {
            let answer = reach.probe(&end(from), &end(to), *protocol, *port);
            if answer.allowed != *expected {
                let port = format!("{} {port}", protocol.as_str());
                wrong.push(format!("{from} to {to} on {port}: expected {expected}, got {answer:?}"));
            }
        }
        let troubles: Vec<String> =
            reach.unread.iter().map(|one| format!("{} {}: {}", one.name, one.trouble.field, one.trouble.why)).collect();
        let is_known = |trouble: &&String| self.unread.iter().any(|part| trouble.contains(part));
        wrong.extend(
            troubles.iter().filter(|trouble| !is_known(trouble)).map(|trouble| format!("not understood: {trouble}")),
        );
        let missing = self.unread.iter().filter(|part| !troubles.iter().any(|trouble| trouble.contains(*part)));
        wrong.extend(missing.map(|part| format!("{part:?} is understood; not understood is {troubles:?}")));
        wrong
    }
}
