use std::collections::BTreeSet;

use super::*;

/// The rules of a policy, indented as below `rules:`.
fn policy(rules: &str) -> Policy {
    read(&format!("rules:\n{rules}")).unwrap()
}

fn read(rest: &str) -> Result<Policy, String> {
    Policy::read(&format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{rest}"))
}

fn judged(policy: &Policy) -> Vec<LeftOut> {
    left_out(policy, "cde", &BTreeSet::from(["checkout", "vault"]))
}

/// What becomes of a request.
#[derive(Debug, PartialEq)]
enum Fate {
    Kept,
    Dropped(usize),
    Unmatched,
}

use Fate::{Dropped, Kept, Unmatched};

fn fate(rules: &str, request: &str) -> Fate {
    let (verb, kind) = request.split_once(' ').unwrap();
    let left_out = judged(&policy(rules)).into_iter().find(|one| one.verb == verb && one.kind == kind);
    left_out.map_or(Kept, |one| one.rule.map_or(Unmatched, Dropped))
}

const ALL: &str = "- level: Metadata";

#[test]
fn what_is_left_out_is_what_the_api_server_would_not_record() {
    for (name, rules, request, wanted) in [
        ("a level is enough", "- level: Metadata", "create pods/exec", Kept),
        ("so is each that writes more", "- level: RequestResponse", "get secrets", Kept),
        ("None drops", "- level: None", "create pods/exec", Dropped(1)),
        ("no rule drops", "- {level: Metadata, verbs: [create]}", "get pods/exec", Unmatched),
        ("the first that matches decides", "- level: Metadata\n- level: None", "create pods/exec", Kept),
        ("and not the best", "- level: None\n- level: Metadata", "create pods/exec", Dropped(1)),
        (
            "a pod is not a command in it",
            "- {level: None, resources: [{resources: [pods]}]}\n- level: Metadata",
            "create pods/exec",
            Kept,
        ),
        (
            "a subresource by name",
            "- {level: None, resources: [{resources: [pods/exec]}]}\n- level: Metadata",
            "create pods/exec",
            Dropped(1),
        ),
        (
            "and no other",
            "- {level: None, resources: [{resources: [pods/exec]}]}\n- level: Metadata",
            "create pods/attach",
            Kept,
        ),
        (
            "all subresources",
            "- {level: None, resources: [{resources: ['pods/*']}]}\n- level: Metadata",
            "create pods/attach",
            Dropped(1),
        ),
        (
            "with the object itself",
            "- {level: None, resources: [{resources: ['secrets/*']}]}\n- level: Metadata",
            "get secrets",
            Dropped(1),
        ),
        (
            "a subresource of everything",
            "- {level: None, resources: [{resources: ['*/proxy']}]}\n- level: Metadata",
            "get nodes/proxy",
            Dropped(1),
        ),
        (
            "of everything that has it",
            "- {level: None, resources: [{resources: ['*/proxy']}]}\n- level: Metadata",
            "get secrets",
            Kept,
        ),
        (
            "two stars are nothing",
            "- {level: None, resources: [{resources: ['*/*']}]}\n- level: Metadata",
            "create pods/exec",
            Kept,
        ),
        (
            "everything of a group",
            "- {level: None, resources: [{resources: ['*']}]}\n- level: Metadata",
            "create pods/exec",
            Dropped(1),
        ),
        (
            "a group without a list",
            "- {level: None, resources: [{group: ''}]}\n- level: Metadata",
            "patch nodes",
            Dropped(1),
        ),
        ("another group", "- {level: None, resources: [{group: apps}]}\n- level: Metadata", "patch nodes", Kept),
        (
            "the right group",
            "- {level: None, resources: [{group: networking.k8s.io, resources: [networkpolicies]}]}\n- level: Metadata",
            "delete networkpolicies",
            Dropped(1),
        ),
        (
            "the wrong group for a kind",
            "- {level: Metadata, resources: [{resources: [networkpolicies]}]}",
            "delete networkpolicies",
            Unmatched,
        ),
        (
            "no wildcard for groups",
            "- {level: None, resources: [{group: '*'}]}\n- level: Metadata",
            "create roles",
            Kept,
        ),
        ("a verb", "- {level: None, verbs: [get, list, watch]}\n- level: Metadata", "create pods/exec", Kept),
        (
            "a command over WebSocket is a read",
            "- {level: None, verbs: [get, list, watch]}\n- level: Metadata",
            "get pods/exec",
            Dropped(1),
        ),
        ("no wildcard for verbs", "- {level: None, verbs: ['*']}\n- level: Metadata", "get secrets", Kept),
        (
            "deleting all at once is a verb",
            "- {level: Metadata, verbs: [create, update, patch, delete]}",
            "deletecollection networkpolicies",
            Unmatched,
        ),
        ("a user by name", "- {level: None, users: ['system:kube-scheduler']}\n- level: Metadata", "get secrets", Kept),
        ("a user by name, kept", "- {level: Metadata, users: ['bob']}", "get secrets", Unmatched),
        ("a group of some", "- {level: None, userGroups: ['system:nodes']}\n- level: Metadata", "get secrets", Kept),
        (
            "the group of all",
            "- {level: None, userGroups: ['system:authenticated']}\n- level: Metadata",
            "get secrets",
            Dropped(1),
        ),
        (
            "one of several groups",
            "- {level: None, userGroups: [a, 'system:authenticated']}\n- level: Metadata",
            "get secrets",
            Dropped(1),
        ),
        (
            "a user of the group of all",
            "- {level: None, users: [bob], userGroups: ['system:authenticated']}\n- level: Metadata",
            "get secrets",
            Kept,
        ),
        (
            "administrators",
            "- {level: None, userGroups: ['system:masters']}\n- level: Metadata",
            "get secrets",
            Dropped(1),
        ),
        (
            "administrators of kubeadm",
            "- level: Metadata\n  userGroups: [a]\n- {level: None, userGroups: ['kubeadm:cluster-admins']}\n- level: Metadata",
            "patch roles",
            Dropped(2),
        ),
        (
            "administrators alone are recorded",
            "- {level: Metadata, userGroups: ['system:masters']}",
            "get secrets",
            Unmatched,
        ),
        (
            "another namespace",
            "- {level: None, namespaces: [kube-system]}\n- level: Metadata",
            "create pods/exec",
            Kept,
        ),
        (
            "a namespace of the zone",
            "- {level: None, namespaces: [vault]}\n- level: Metadata",
            "create pods/exec",
            Dropped(1),
        ),
        ("only one of them is recorded", "- {level: Metadata, namespaces: [vault]}", "create pods/exec", Unmatched),
        ("all of them are", "- {level: Metadata, namespaces: [vault, checkout]}", "create pods/exec", Kept),
        ("what is in none", "- {level: Metadata, namespaces: [vault, checkout]}", "create nodes", Unmatched),
        (
            "an empty namespace is none",
            "- {level: None, namespaces: ['']}\n- level: Metadata",
            "create nodes",
            Dropped(1),
        ),
        (
            "a namespace is in itself",
            "- {level: None, namespaces: [vault]}\n- level: Metadata",
            "patch namespaces",
            Dropped(1),
        ),
        ("a new one is not", "- {level: None, namespaces: [vault]}\n- level: Metadata", "create namespaces", Kept),
        (
            "an object by name",
            "- {level: None, resources: [{resources: [secrets], resourceNames: [a]}]}\n- level: Metadata",
            "get secrets",
            Kept,
        ),
        (
            "an object by name, kept",
            "- {level: Metadata, resources: [{resources: [secrets], resourceNames: [a]}]}",
            "get secrets",
            Unmatched,
        ),
        (
            "the zone by name",
            "- {level: None, resources: [{group: pcizone.dev, resources: [pcizones], resourceNames: [cde]}]}\n- level: Metadata",
            "patch pcizones",
            Dropped(1),
        ),
        (
            "which a new one has not yet",
            "- {level: None, resources: [{group: pcizone.dev, resources: [pcizones], resourceNames: [cde]}]}\n- level: Metadata",
            "create pcizones",
            Kept,
        ),
        (
            "a namespace of the zone by name",
            "- {level: None, resources: [{resources: [namespaces], resourceNames: [vault]}]}\n- level: Metadata",
            "delete namespaces",
            Dropped(1),
        ),
        (
            "names without kinds are not read",
            "- {level: None, resources: [{resourceNames: [a]}]}\n- level: Metadata",
            "get secrets",
            Dropped(1),
        ),
        (
            "addresses that are no objects",
            "- {level: None, nonResourceURLs: ['*']}\n- level: Metadata",
            "get secrets",
            Kept,
        ),
        (
            "empty lists say nothing",
            "- {level: None, users: [], userGroups: [], verbs: [], resources: [], namespaces: [], nonResourceURLs: []}",
            "get secrets",
            Dropped(1),
        ),
        ("neither do lists of nothing", "- {level: None, users: null, verbs: ~}", "get secrets", Dropped(1)),
        ("one stage is enough", "- {level: Metadata, omitStages: [RequestReceived]}", "get secrets", Kept),
        ("or the other", "- {level: Metadata, omitStages: [ResponseComplete]}", "get secrets", Kept),
        (
            "without both nothing is written",
            "- {level: Metadata, omitStages: [RequestReceived, ResponseComplete]}",
            "get secrets",
            Dropped(1),
        ),
        (
            "what stays open is written when it begins",
            "- {level: Metadata, omitStages: [RequestReceived, ResponseComplete]}",
            "create pods/exec",
            Kept,
        ),
        (
            "so is a watch",
            "- {level: Metadata, omitStages: [RequestReceived, ResponseComplete]}",
            "watch secrets",
            Kept,
        ),
        (
            "unless that is omitted",
            "- {level: Metadata, omitStages: [RequestReceived, ResponseComplete, ResponseStarted]}",
            "create pods/exec",
            Dropped(1),
        ),
    ] {
        assert_eq!(fate(rules, request), wanted, "{name}: {rules}\n{request}");
    }
}

#[test]
fn stages_of_the_policy_and_of_the_rule_add_up() {
    let policy =
        read("omitStages: [RequestReceived]\nrules:\n- {level: Request, omitStages: [ResponseComplete]}").unwrap();
    let all = judged(&policy);
    assert!(all.iter().all(|one| one.why == Why::Stages && one.rule == Some(1)) && !all.is_empty(), "{all:?}");
    assert!(judged(&read(&format!("omitStages: [RequestReceived]\nrules:\n{ALL}")).unwrap()).is_empty());
}

/// As published ones are: what is loud and harmless is left out, all else is kept.
#[test]
fn a_policy_that_leaves_out_what_is_loud_leaves_out_nothing_of_these() {
    let policy = read(
        "omitStages: [RequestReceived]
rules:
- {level: None, users: ['system:kube-proxy'], verbs: [watch], resources: [{group: '', resources: [endpoints, services]}]}
- {level: None, userGroups: ['system:nodes'], verbs: [get], resources: [{group: '', resources: [nodes, nodes/status]}]}
- {level: None, users: ['system:kube-scheduler'], verbs: [get, update], namespaces: [kube-system]}
- {level: None, nonResourceURLs: [/healthz*, /version]}
- {level: None, resources: [{group: '', resources: [events]}]}
- {level: Metadata, resources: [{group: '', resources: [secrets, configmaps, serviceaccounts/token]}]}
- {level: Request, verbs: [get, list, watch]}
- level: RequestResponse",
    );
    assert_eq!(judged(&policy.unwrap()), []);
}

#[test]
fn each_request_is_told_once_with_what_drops_it() {
    let one = |rules: &str| judged(&policy(rules)).into_iter().next().unwrap();
    let vault = one("- {level: None, namespaces: [vault], resources: [{resources: [pods/exec]}]}\n- level: Metadata");
    assert_eq!((vault.namespace.as_deref(), vault.group), (Some("vault"), None));
    let masters = one("- {level: None, userGroups: ['system:masters'], verbs: [create]}\n- level: Metadata");
    assert_eq!((masters.namespace, masters.group), (None, Some("system:masters")));
    let all = judged(&policy(
        "- {level: None, userGroups: ['system:masters', 'system:authenticated'], namespaces: [vault, checkout, '']}",
    ));
    let mut requests: Vec<_> = all.iter().map(|one| (one.verb, &one.kind)).collect();
    let count = requests.len();
    requests.sort();
    requests.dedup();
    assert!(requests.len() == count && count > 80, "{count}");
}

#[test]
fn what_the_api_server_refuses_is_not_judged() {
    let deep = "[".repeat(5_000);
    let long = format!("rules:\n{ALL}\n# {}", "x".repeat(20_000));
    let many = format!("rules:\n{}", "- level: None\n".repeat(501));
    for (text, word) in [
        ("rules: []", "no rule"),
        ("omitStages: []", "no rule"),
        ("rules: [{}]", "level"),
        ("rules: [{level: Verbose}]", "Verbose"),
        ("rules: [{level: none}]", "none"),
        ("rules: [{level: Metadata, omitStages: [Never]}]", "Never"),
        ("rules: [{level: Metadata, users: bob}]", "sequence"),
        ("rules: [{level: None, nonResourceURLs: ['*'], namespaces: [a]}]", "rule 1"),
        ("rules: &a [*a]", "anchors"),
        ("rules: [", ""),
        (&format!("rules: {deep}"), ""),
        (&long, "longer"),
        (&many, "rules"),
    ] {
        let start: String = text.chars().take(80).collect();
        let error = read(text).err().unwrap_or_else(|| panic!("{start}"));
        assert!(error.contains(word) && error.len() < 400 && !error.contains(char::is_control), "{start}: {error}");
    }
    for text in [
        "",
        "kind: Policy",
        "- 1",
        "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]",
        "\u{0}",
        "{\"a\":",
    ] {
        assert!(Policy::read(text).is_err(), "{text}");
    }
}

#[test]
fn json_and_unknown_fields_are_read_as_the_api_server_reads_them() {
    let text = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy","metadata":{"name":"a"},"omitManagedFields":true,"rules":[{"level":"Metadata","more":[1,{}]}]}"#;
    assert_eq!(judged(&Policy::read(text).unwrap()), []);
    assert!(read(&format!("---\nrules:\n{ALL}")).is_err(), "two documents are no policy");
}
