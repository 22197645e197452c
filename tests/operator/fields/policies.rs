//! Every field of the spec of a NetworkPolicy.

use serde_json::{Value, json};

use super::{
    edit::{remove, set},
    table::{Edit, Outcome, Row, Target, row},
};

pub const BASELINE: Target = Target::Policy("pcizone-baseline");
pub const PODS_IN: Target = Target::Policy("pcizone-flow-pods-ingress");
pub const PODS_OUT: Target = Target::Policy("pcizone-flow-pods-egress");
/// The same by another flow, for when there are more edits than zones.
const MORE: [(Target, Target); 2] =
    [(PODS_IN, Target::Policy("pcizone-flow-more-ingress")), (PODS_OUT, Target::Policy("pcizone-flow-more-egress"))];
const ZONE_IN: Target = Target::Policy("pcizone-flow-zone-ingress");
const ZONE_OUT: Target = Target::Policy("pcizone-flow-zone-egress");
const NET_IN: Target = Target::Policy("pcizone-flow-net-in-ingress");
const NET_OUT: Target = Target::Policy("pcizone-flow-net-out-egress");

/// Another object in the same zone that is like this one.
pub fn second(target: Target) -> Option<Target> {
    MORE.iter().find(|(first, _)| *first == target).map(|(_, second)| *second)
}

/// A direction: the field of its rules, that of its peers, and policies with pods, namespaces and networks as peers.
struct Direction {
    rules: &'static str,
    peers: &'static str,
    pods: Target,
    zone: Target,
    net: Target,
}

type Pick = fn(&Direction) -> Target;

const DIRECTIONS: [Direction; 2] = [
    Direction { rules: "ingress", peers: "from", pods: PODS_IN, zone: ZONE_IN, net: NET_IN },
    Direction { rules: "egress", peers: "to", pods: PODS_OUT, zone: ZONE_OUT, net: NET_OUT },
];

pub fn rows() -> Vec<Row> {
    let mut rows = whole();
    let at = |target| move |below: &str| (target, format!("/spec/podSelector{below}"));
    rows.extend(selector(&["spec.podSelector"], "app", &[at(PODS_IN)], &[at(PODS_IN)]));
    rows.extend(types());
    rows.extend(rules());
    rows
}

fn whole() -> Vec<Row> {
    let open = json!({ "podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"] });
    vec![
        row(
            &["spec"],
            "exchanged for one that allows everything",
            Outcome::Named,
            vec![
                Edit::new(BASELINE, set("/spec", open.clone())),
                Edit::new(PODS_IN, set("/spec", open.clone())),
                Edit::new(PODS_OUT, set("/spec", open)),
            ],
        ),
        row(&["spec"], "removed", Outcome::Named, vec![Edit::new(PODS_IN, remove("/spec"))]),
    ]
}

fn types() -> Vec<Row> {
    let field = &["spec.policyTypes"];
    vec![
        row(
            field,
            "one taken away",
            Outcome::Named,
            vec![
                Edit::new(BASELINE, set("/spec/policyTypes", json!(["Ingress"]))),
                Edit::new(BASELINE, remove("/spec/policyTypes/0")),
            ],
        ),
        row(
            field,
            "one added",
            Outcome::Named,
            vec![
                Edit::new(PODS_IN, set("/spec/policyTypes/-", json!("Egress"))),
                Edit::new(PODS_OUT, set("/spec/policyTypes/-", json!("Ingress"))),
            ],
        ),
        row(field, "exchanged", Outcome::Named, vec![Edit::new(PODS_IN, set("/spec/policyTypes", json!(["Egress"])))]),
        row(
            field,
            "removed, where the default is another",
            Outcome::Named,
            vec![Edit::new(PODS_OUT, remove("/spec/policyTypes"))],
        ),
        row(
            field,
            "removed, where the default is the same",
            Outcome::Ignored,
            vec![Edit::new(BASELINE, remove("/spec/policyTypes")), Edit::new(PODS_IN, remove("/spec/policyTypes"))],
        ),
        row(
            field,
            "a word that means nothing",
            Outcome::Refused,
            vec![Edit::new(BASELINE, set("/spec/policyTypes", json!(["Sideways"])))],
        ),
    ]
}

/// The same for both directions.
fn rules() -> Vec<Row> {
    let both =
        |below: &str| DIRECTIONS.each_ref().map(|d| format!("spec.{}{}", d.rules, below.replace("PEERS", d.peers)));
    let edits = |edit: &dyn Fn(&Direction) -> Vec<Edit>| DIRECTIONS.iter().flat_map(edit).collect::<Vec<_>>();
    let rule = |d: &Direction, below: &str| format!("/spec/{}/0{}", d.rules, below.replace("PEERS", d.peers));
    let named = |below: &str, what, edit: &dyn Fn(&Direction) -> Vec<Edit>| {
        let fields = both(below);
        row(&fields.each_ref().map(String::as_str), what, Outcome::Named, edits(edit))
    };
    let one = |below: &str, what, target: Pick, operation: &dyn Fn(&Direction) -> Value| {
        named(below, what, &|d| vec![Edit::new(target(d), operation(d))])
    };
    let refused = |row: Row| Row { outcome: Outcome::Refused, ..row };
    let ignored = |row: Row| Row { outcome: Outcome::Ignored, ..row };
    let (pods, zone, net): (Pick, Pick, Pick) = (|d| d.pods, |d| d.zone, |d| d.net);
    let everybody = json!({ "ipBlock": { "cidr": "0.0.0.0/0" } });

    let mut rows = vec![
        named("", "a rule added that allows everything", &|d| {
            let on_baseline =
                if d.rules == "ingress" { set("/spec/ingress", json!([{}])) } else { set("/spec/egress/-", json!({})) };
            vec![Edit::new(d.pods, set(&format!("/spec/{}/-", d.rules), json!({}))), Edit::new(BASELINE, on_baseline)]
        }),
        Row { outcome: Outcome::Unnamed, ..one("", "removed", pods, &|d| remove(&format!("/spec/{}", d.rules))) },
        one("[].PEERS", "removed", pods, &|d| remove(&rule(d, "/PEERS"))),
        one("[].PEERS", "emptied", pods, &|d| set(&rule(d, "/PEERS"), json!([]))),
        one("[].PEERS", "one added", pods, &|d| set(&rule(d, "/PEERS/-"), everybody.clone())),
        one("[].PEERS", "one taken away", net, &|d| remove(&rule(d, "/PEERS/0"))),
        one("[].ports", "removed", pods, &|d| remove(&rule(d, "/ports"))),
        one("[].ports", "one added", zone, &|d| set(&rule(d, "/ports/-"), json!({ "port": 22, "protocol": "TCP" }))),
        one("[].ports", "one taken away", pods, &|d| remove(&rule(d, "/ports/0"))),
        one("[].ports[].port", "another", zone, &|d| set(&rule(d, "/ports/0/port"), json!(22))),
        one("[].ports[].port", "a name", pods, &|d| set(&rule(d, "/ports/0/port"), json!("ssh"))),
        one("[].ports[].port", "removed", pods, &|d| remove(&rule(d, "/ports/0/port"))),
        one("[].ports[].protocol", "another", zone, &|d| set(&rule(d, "/ports/0/protocol"), json!("SCTP"))),
        one("[].ports[].protocol", "removed from UDP", pods, &|d| remove(&rule(d, "/ports/1/protocol"))),
        ignored(one("[].ports[].protocol", "removed from TCP", pods, &|d| remove(&rule(d, "/ports/0/protocol")))),
        one("[].ports[].endPort", "set", pods, &|d| set(&rule(d, "/ports/0/endPort"), json!(65535))),
        one("[].PEERS[].ipBlock", "exchanged", net, &|d| {
            set(&rule(d, "/PEERS/0/ipBlock"), json!({ "cidr": "10.0.0.0/8" }))
        }),
        refused(one("[].PEERS[].ipBlock", "set beside selectors", pods, &|d| {
            set(&rule(d, "/PEERS/0/ipBlock"), json!({ "cidr": "10.0.0.0/8" }))
        })),
        refused(one("[].PEERS[].ipBlock", "removed, so that the peer is nobody", net, &|d| {
            remove(&rule(d, "/PEERS/0/ipBlock"))
        })),
        one("[].PEERS[].ipBlock.cidr", "another", net, &|d| {
            json!([
                { "op": "remove", "path": rule(d, "/PEERS/0/ipBlock/except") },
                { "op": "replace", "path": rule(d, "/PEERS/0/ipBlock/cidr"), "value": "10.0.0.0/8" },
            ])
        }),
        one("[].PEERS[].ipBlock.except", "removed", net, &|d| remove(&rule(d, "/PEERS/0/ipBlock/except"))),
        one("[].PEERS[].ipBlock.except", "one taken away", net, &|d| remove(&rule(d, "/PEERS/0/ipBlock/except/1"))),
        one("[].PEERS[].ipBlock.except", "one added", net, &|d| {
            set(&rule(d, "/PEERS/0/ipBlock/except/-"), json!("203.0.113.0/24"))
        }),
    ];
    let selectors = |field: &str, key, expressions: Pick| {
        let fields = both(&format!("[].PEERS[].{field}"));
        let at = |target: Pick| {
            DIRECTIONS.each_ref().map(|d| {
                let start = rule(d, &format!("/PEERS/0/{field}"));
                let target = target(d);
                move |below: &str| (target, format!("{start}{below}"))
            })
        };
        selector(&fields.each_ref().map(String::as_str), key, &at(pods), &at(expressions))
    };
    rows.extend(selectors("namespaceSelector", "kubernetes.io~1metadata.name", zone));
    rows.extend(selectors("podSelector", "app", pods));
    rows
}

/// A label selector: policies in which it has labels, and those in which it has expressions. `key` is one of its
/// labels, spelled as in a pointer.
fn selector<L, E>(fields: &[&str], key: &str, labels: &[L], expressions: &[E]) -> Vec<Row>
where
    L: Fn(&str) -> (Target, String),
    E: Fn(&str) -> (Target, String),
{
    let named = |below: &str, what, edits: Vec<Edit>| {
        let fields: Vec<String> = fields.iter().map(|field| format!("{field}{below}")).collect();
        Row { fields, what, outcome: Outcome::Named, edits }
    };
    let on_labels = |below: &str, operation: &dyn Fn(&str) -> Value| -> Vec<Edit> {
        labels.iter().map(|at| at(below)).map(|(target, path)| Edit::new(target, operation(&path))).collect()
    };
    let on_expressions = |below: &str, operation: &dyn Fn(&str) -> Value| -> Vec<Edit> {
        expressions.iter().map(|at| at(below)).map(|(target, path)| Edit::new(target, operation(&path))).collect()
    };
    let first = "/matchExpressions/0";
    vec![
        named("", "emptied", on_labels("", &|path| set(path, json!({})))),
        named("", "removed", on_labels("", &|path| remove(path))),
        named(
            ".matchLabels",
            "a value changed",
            on_labels(&format!("/matchLabels/{key}"), &|path| set(path, json!("other"))),
        ),
        named(".matchLabels", "a label added", on_labels("/matchLabels/extra", &|path| set(path, json!("more")))),
        named(".matchLabels", "removed", on_labels("/matchLabels", &|path| remove(path))),
        named(
            ".matchExpressions",
            "one added",
            on_labels("/matchExpressions", &|path| set(path, json!([{ "key": "extra", "operator": "Exists" }]))),
        ),
        named(".matchExpressions", "removed", on_expressions("/matchExpressions", &|path| remove(path))),
        named(
            ".matchExpressions[].key",
            "another",
            on_expressions(&format!("{first}/key"), &|path| set(path, json!("other"))),
        ),
        named(
            ".matchExpressions[].operator",
            "another",
            on_expressions(&format!("{first}/operator"), &|path| set(path, json!("NotIn"))),
        ),
        named(
            ".matchExpressions[].values",
            "one added",
            on_expressions(&format!("{first}/values/-"), &|path| set(path, json!("other"))),
        ),
        named(
            ".matchExpressions[].values",
            "exchanged",
            on_expressions(&format!("{first}/values"), &|path| set(path, json!(["other"]))),
        ),
    ]
}
