//! What is wrong with an input is told with its place, all of it at once.

use crate::support::{VAULT, check, confirmed, folder, policy, run_in, zone, zone_with};

/// Selectors, and what is wrong with them below the field.
const SELECTORS: &[(&str, &str)] = &[
    (
        "{matchExpressions: [{key: app, operator: Is, values: [a]}]}",
        "matchExpressions[0].operator: \"Is\" is none of In",
    ),
    ("{matchExpressions: [{key: app, operator: In}]}", "matchExpressions[0].values: In needs values"),
    ("{matchExpressions: [{key: app, operator: NotIn, values: []}]}", "matchExpressions[0].values: NotIn needs values"),
    ("{matchExpressions: [{key: app, operator: Exists, values: [a]}]}", "matchExpressions[0].values: Exists takes no"),
    ("{matchExpressions: [{key: a/b/c, operator: Exists}]}", "matchExpressions[0].key: \"a/b/c\" is no label key"),
    ("{matchLabels: {app: \"a b\"}}", "matchLabels.app: \"a b\" is no label value"),
];

/// Rules, and what is wrong with them below `spec`.
const RULES: &[(&str, &str)] = &[
    ("policyTypes: [Ingress, Both]", "policyTypes[1]: \"Both\" is none of Ingress and Egress"),
    ("ingress: [{from: [{}]}]", "ingress[0].from[0]: one of ipBlock"),
    ("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]", "ingress[0].from[0]: ipBlock goes with"),
    ("egress: [{}, {to: [{ipBlock: {cidr: 10.0.0.300/8}}]}]", "egress[1].to[0].ipBlock.cidr: \"10.0.0.300/8\" is no"),
    ("egress: [{to: [{ipBlock: {cidr: 10.0.0.1}}]}]", "egress[0].to[0].ipBlock.cidr: \"10.0.0.1\" is no network"),
    ("egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [x]}}]}]", "egress[0].to[0].ipBlock.except[0]: \"x\" is no"),
    (
        "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 11.0.0.0/16]}}]}]",
        "egress[0].to[0].ipBlock.except[1]: 11.0.0.0/16 is no smaller network within 10.0.0.0/8",
    ),
    (
        "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
        "egress[0].to[0].ipBlock.except[0]: 10.0.0.0/8 is no smaller",
    ),
    (
        "egress: [{to: [{ipBlock: {cidr: \"::ffff:10.0.0.0/104\"}}]}]",
        "egress[0].to[0].ipBlock.cidr: \"::ffff:10.0.0.0/104\" is an IPv4 address within IPv6",
    ),
    (
        "egress: [{to: [{ipBlock: {cidr: \"::/0\", except: [\"::ffff:10.0.0.0/104\"]}}]}]",
        "egress[0].to[0].ipBlock.except[0]: \"::ffff:10.0.0.0/104\" is an IPv4 address within IPv6",
    ),
    ("ingress: [{ports: [{port: 80, protocol: \"\"}]}]", "ingress[0].ports[0].protocol: \"\" is unknown"),
    ("ingress: [{from: [null]}]", "ingress[0].from[0]: one of ipBlock"),
    ("ingress: [{ports: [{port: 0}]}]", "ingress[0].ports[0].port: 0 is no port"),
    ("ingress: [{ports: [{port: 65536}]}]", "ingress[0].ports[0].port: 65536 is no port"),
    ("ingress: [{ports: [{port: Http_1}]}]", "ingress[0].ports[0].port: \"Http_1\" is no name of a port"),
    ("ingress: [{ports: [{port: 80, protocol: ICMP}]}]", "ingress[0].ports[0].protocol: \"ICMP\" is unknown"),
    ("ingress: [{ports: [{port: 80, endPort: 79}]}]", "ingress[0].ports[0].endPort: 79 is below port 80"),
    ("ingress: [{ports: [{port: 80, endPort: 65536}]}]", "ingress[0].ports[0].endPort: 65536 is no port"),
    (
        "ingress: [{ports: [{port: http, endPort: 81}]}]",
        "ingress[0].ports[0].endPort: it does not go with a port by name",
    ),
    ("ingress: [{ports: [{endPort: 81}]}]", "ingress[0].ports[0].endPort: it needs port"),
    ("ingress: [{ports: {port: 80}}]", "ingress[0].ports: invalid type: map, expected a sequence"),
    ("ingress: [{ports: [{port: [80]}]}]", "ingress[0].ports[0].port: "),
    (
        "ingress: [{ports: [{port: 80, endPort: \"81\"}]}]",
        "ingress[0].ports[0].endPort: invalid type: string, expected",
    ),
    ("policyTypes: Ingress", "policyTypes: invalid type: string"),
];

#[test]
fn a_policy_that_no_api_server_would_take_is_told_with_line_and_field() {
    let selectors =
        SELECTORS.iter().map(|(selector, wrong)| (format!("podSelector: {selector}"), format!("podSelector.{wrong}")));
    let peers = SELECTORS.iter().map(|(selector, wrong)| {
        let rule = format!("ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]");
        (rule, format!("ingress[0].from[0].namespaceSelector.{wrong}"))
    });
    let rules = RULES.iter().map(|(rule, wrong)| (rule.to_string(), wrong.to_string()));
    for (rule, wrong) in selectors.chain(peers).chain(rules) {
        let text = policy("p", &format!("  {rule}\n"));
        let run = check(&[("zone.yaml", zone()), ("p.yaml", text)], &[]);
        let expected = format!("p.yaml:7: NetworkPolicy vault/p: spec.{wrong}");
        assert_eq!((run.code, run.faults().len()), (2, 1), "{rule}: {run:?}");
        assert!(run.faults()[0].starts_with(&expected), "wanted {expected}\n   got {}", run.faults()[0]);
    }
}

#[test]
fn a_policy_that_an_api_server_takes_is_taken() {
    for rule in [
        "podSelector: {matchExpressions: [{key: example.com/app, operator: NotIn, values: [\"\", a.b_c-1]}]}",
        "policyTypes: [Egress, Ingress]",
        "ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8, except: [10.1.0.0/16]}}]}]",
        "ingress: [{from: [{ipBlock: {cidr: \"2001:db8::/32\", except: [\"2001:db8:1::/48\"]}}]}]",
        "ingress: [{from: [{namespaceSelector: {}, podSelector: {}}], ports: [{port: 1, endPort: 65535, protocol: SCTP}]}]",
        "ingress: [{ports: [{port: http-2}, {protocol: UDP}, {port: 5, endPort: 5}]}]",
        "egress: []",
        "ingress: null",
        "ingress: [null]",
        "ingress: [{from: null, ports: [null]}]",
    ] {
        let run = check(
            &[
                ("zone.yaml", zone()),
                (
                    "p.yaml",
                    policy(
                        "p",
                        &format!("  podSelector: {{}}\n  {rule}\n")
                            .replace("  podSelector: {}\n  podSelector", "  podSelector"),
                    ),
                ),
            ],
            &[],
        );
        assert!(run.code < 2, "{rule}: {run:?}");
    }
}

/// Objects of other kinds, each with what is wrong with it.
const OBJECTS: &[(&str, &str, &str, &str)] = &[
    ("v1", "Service", "spec: {type: Loadbalancer}", "spec.type: \"Loadbalancer\" is none of"),
    ("v1", "Service", "spec: {type: ExternalName}", "spec.externalName: it is missing"),
    ("v1", "Service", "spec: {ports: [{port: 99999}]}", "spec.ports[0].port: 99999 is no port"),
    ("v1", "Service", "spec: {ports: [{port: 80, nodePort: -1}]}", "spec.ports[0].nodePort: -1 is no port"),
    ("v1", "Service", "spec: {ports: [{port: 80, targetPort: 70000}]}", "spec.ports[0].targetPort: 70000 is no port"),
    ("v1", "Service", "spec: {ports: [{port: 80, targetPort: A_b}]}", "spec.ports[0].targetPort: \"A_b\" is no name"),
    ("v1", "Service", "spec: {ports: [{port: 80, protocol: tcp}]}", "spec.ports[0].protocol: \"tcp\" is unknown"),
    ("v1", "Service", "spec: {externalIPs: [foo]}", "spec.externalIPs[0]: \"foo\" is no address"),
    (
        "v1",
        "Service",
        "spec: {externalIPs: [\"::ffff:192.0.2.1\"]}",
        "spec.externalIPs[0]: \"::ffff:192.0.2.1\" is an IPv4",
    ),
    ("v1", "Service", "spec: {loadBalancerSourceRanges: [10/8]}", "spec.loadBalancerSourceRanges[0]: \"10/8\" is no"),
    (
        "v1",
        "Pod",
        "spec: {}\nstatus: {podIPs: [{ip: 10.0.0.999}]}",
        "status.podIPs[0].ip: \"10.0.0.999\" is no address",
    ),
    ("v1", "Pod", "spec: {}\nstatus: {podIP: a}", "status.podIP: \"a\" is no address"),
    (
        "v1",
        "Pod",
        "spec: {containers: [{name: a, ports: [{containerPort: 80, hostPort: 99999}]}]}",
        "spec.containers[0].ports[0].hostPort: 99999 is no port",
    ),
    ("v1", "Endpoints", "subsets: [{addresses: [{ip: a}]}]", "subsets[0].addresses[0].ip: \"a\" is no address"),
    ("v1", "Endpoints", "subsets: [{ports: [{port: 0}]}]", "subsets[0].ports[0].port: 0 is no port"),
    (
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {rules: [{http: {paths: [{pathType: Prefix, backend: {serviceName: a, servicePort: 80}}]}}]}",
        "spec.rules[0].http.paths[0].backend: one of service and resource",
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {defaultBackend: {service: {name: a, port: {name: b, number: 80}}}}",
        "spec.defaultBackend.service.port: one of name and number",
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        "spec: {rules: [{http: {paths: [{backend: {resource: {kind: A, name: b}}}]}}]}",
        "spec.rules[0].http.paths[0].pathType: \"\" is none of",
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {rules: hello}", "spec.rules: it must be a list"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {rules: [hello]}", "spec.rules[0]: it must be a map"),
    (
        "gateway.networking.k8s.io/v1",
        "TCPRoute",
        "spec: {rules: [{backendRefs: [{port: 80}]}]}",
        "spec.rules[0].backendRefs[0].name: it is missing",
    ),
    (
        "gateway.networking.k8s.io/v1",
        "GRPCRoute",
        "spec: {rules: [{filters: [{requestMirror: {backendRef: {name: a, port: \"80\"}}}]}]}",
        "spec.rules[0].filters[0].requestMirror.backendRef.port: it is no port",
    ),
    ("gateway.networking.k8s.io/v1", "ReferenceGrant", "spec: {from: {}}", "spec.from: it must be a list"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "roleRef: {kind: Role}", "roleRef.name: it is missing"),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {kind: Role, name: a}\nsubjects: [{kind: Robot, name: a}]",
        "subjects[0].kind: \"Robot\" is none of",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {kind: Role, name: a}\nsubjects: [{kind: User, name: a, apiGroup: v1}]",
        "subjects[0].apiGroup: \"v1\" is not",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "roleRef: {kind: Role, name: a}",
        "roleRef.kind: \"Role\" is not ClusterRole",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "roleRef: {kind: ClusterRole, name: a}\nsubjects: [{kind: ServiceAccount, name: a}]",
        "subjects[0].namespace: it is missing",
    ),
];

#[test]
fn an_object_of_another_kind_that_no_api_server_would_take_is_told_with_field() {
    for (api_version, kind, rest, wrong) in OBJECTS {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n{rest}\n");
        let run = check(&[("zone.yaml", zone()), ("a.yaml", text)], &[]);
        assert_eq!((run.code, run.faults().len()), (2, 1), "{kind} {rest}: {run:?}");
        let (_, told) = run.faults()[0].split_once(&format!("{kind} a: ")).expect("its subject");
        assert!(told.starts_with(wrong), "{rest}: wanted {wrong}\n   got {told}");
    }
    let own = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: exec}\nrules: [{apiGroups: [\"\"], resources: [pods/exec], verbs: [create]}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a, namespace: vault}\nroleRef: {kind: ClusterRole, name: exec}\nsubjects: [{kind: ServiceAccount, name: b}]\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("vault.yaml", VAULT), ("a.yaml", own)], &[]);
    assert!(run.stdout.contains("ServiceAccount/vault/b may run commands"), "{run:?}");
    let without_role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nsubjects: []\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("a.yaml", without_role)], &[]);
    assert_eq!((run.code, run.faults().len()), (2, 2), "{run:?}");
    let run = check(&[("zone.yaml", zone().replace("name: cde", "name: A_B"))], &[]);
    assert!(run.code == 2 && run.faults()[0].contains("metadata.name: \"A_B\" is no name"), "{run:?}");
}

#[test]
fn an_object_of_another_kind_that_an_api_server_takes_is_taken() {
    for (api_version, kind, rest) in [
        ("v1", "Service", "spec: {type: \"\", ports: [{port: 80, targetPort: 0, nodePort: 0, protocol: \"\"}]}"),
        ("v1", "Service", "spec: {type: ExternalName, externalName: example.com}"),
        ("v1", "Service", "spec: {type: LoadBalancer, loadBalancerSourceRanges: [\" 203.0.113.1/24\"]}"),
        ("v1", "Pod", "spec: {containers: [{name: a, ports: [{containerPort: 80, hostPort: 0, protocol: \"\"}]}]}"),
        ("networking.k8s.io/v1", "Ingress", "spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {rules: [{backendRefs: [{name: a, port: 80}]}, {}]}"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "spec: {rules: [{filters: [{type: RequestRedirect}]}]}"),
        (
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "roleRef: {kind: Role, name: a}\nsubjects: [{kind: ServiceAccount, name: a}, {kind: Group, name: b}]",
        ),
    ] {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n{rest}\n");
        let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("a.yaml", text)], &[]);
        assert!(run.code < 2 && !run.stderr.contains("warning"), "{kind} {rest}: {run:?}");
    }
}

#[test]
fn a_field_that_is_none_is_told_and_does_not_keep_from_judging() {
    let mistyped = policy("p", "  podSelector: {}\n  ingres:\n    - {}\n");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, nam: b}\nspec:\n  hostnetwork: true\n  containers:\n  - name: a\n    ports:\n    - containerport: 1\n      containerPort: 80\nstatus: {no: 1}\n";
    let files = [("zone.yaml", zone()), ("p.yaml", mistyped), ("pod.yaml", pod.to_string())];
    let run = check(&files, &["-q"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        run.stderr.lines().collect::<Vec<_>>(),
        [
            "warning: p.yaml:8: NetworkPolicy vault/p: spec.ingres: there is no such field, so it is ignored",
            "warning: pod.yaml:9: Pod a: spec.containers[0].ports[0].containerport: there is no such field, so it is ignored",
            "warning: pod.yaml:5: Pod a: spec.hostnetwork: there is no such field, so it is ignored",
        ]
    );
    let many: String = (0..25).map(|number| format!("  a{number}: 1\n")).collect();
    let run = check(&[("zone.yaml", zone()), ("p.yaml", policy("p", &many))], &["-q"]);
    assert_eq!((run.code, run.stderr.lines().count()), (0, 21), "{run:?}");
    assert_eq!(run.stderr.lines().last(), Some("warning: and 5 more"));
}

#[test]
fn everything_that_is_wrong_is_told_in_order_and_no_more_than_twenty() {
    let broken =
        |number: usize| policy(&format!("p{number}"), "  podSelector: {}\n  ingress: [{ports: [{port: 0}]}]\n");
    let several: String = (0..3).map(|number| format!("{}---\n", broken(number))).collect();
    let run = check(
        &[("zone.yaml", zone()), ("a.yaml", format!("# first\n{several}")), ("b.yaml", "a: b: c".to_string())],
        &[],
    );
    let places: Vec<&str> = run.faults().iter().map(|fault| fault.split_once(' ').expect("a place").0).collect();
    assert_eq!(places, ["a.yaml:9:", "a.yaml:18:", "a.yaml:27:", "b.yaml:1:"], "{run:?}");
    let many: String = (0..25).map(|number| format!("{}---\n", broken(number))).collect();
    let run = check(&[("zone.yaml", zone()), ("a.yaml", many)], &[]);
    assert_eq!((run.code, run.faults().len(), *run.faults().last().expect("one")), (2, 21, "and 5 more"), "{run:?}");
}

#[test]
fn what_is_no_object_is_told() {
    for (name, text, wrong) in [
        ("a list", "- a\n- b\n", "a.yaml:1: a list is no Kubernetes object"),
        ("a JSON list", "[{\"kind\": \"Pod\"}]", "a.yaml:1: a list is no Kubernetes object"),
        ("a text", "just words\n", "a.yaml:1: a single value is no Kubernetes object"),
        ("no kind", "apiVersion: v1\nmetadata: {name: a}\n", "a.yaml:1: a: kind: it is missing"),
        ("no version", "# one\nkind: Pod\nmetadata: {name: a}\n", "a.yaml:2: Pod a: apiVersion: it is missing"),
        ("a kind that is no text", "apiVersion: v1\nkind: [Pod]\n", "a.yaml:2: "),
        (
            "a former group",
            "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\n",
            "a.yaml:1: NetworkPolicy: apiVersion: no API server takes",
        ),
        (
            "a former version",
            "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: a}\n",
            "a.yaml:1: CronJob a: apiVersion: batch/v1beta1 is not read; write batch/v1",
        ),
        (
            "no name",
            "apiVersion: v1\nkind: Pod\nmetadata: {}\nspec: {}\n",
            "a.yaml:3: Pod: metadata.name: it is missing",
        ),
        (
            "no name in a path",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a/b}\nspec: {}\n",
            "a.yaml:3: Pod a/b: metadata.name: \"a/b\" is no name",
        ),
        (
            "no namespace",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: A_b}\nspec: {}\n",
            "a.yaml:3: Pod A_b/a: metadata.namespace: \"A_b\" is no name",
        ),
        (
            "a label that is a number",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    version: 1.2\n",
            "a.yaml:6: Pod a: metadata.labels.version: invalid type: floating point",
        ),
        (
            "a label that is a truth",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:\n    pci: yes\n",
            "a.yaml:6: Pod a: metadata.labels.pci: invalid type: boolean",
        ),
        (
            "a port of a container",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    ports:\n    - containerPort: 70000\n",
            "a.yaml:8: Pod a: spec.containers[0].ports[0].containerPort: 70000 is no port",
        ),
        (
            "a template without pods",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  selector: {}\n",
            "a.yaml:4: Deployment a: spec.template.spec: it is missing",
        ),
        ("two values of one key", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n", "a.yaml:"),
        ("tabs", "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n", "a.yaml:4: "),
        (
            "a template of Helm",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}\n  x: {{ if }}\n",
            "a.yaml:",
        ),
        ("an unknown anchor", "apiVersion: v1\nkind: Pod\nmetadata: *nothing\n", "a.yaml:3: "),
        ("items of what is no list", "apiVersion: v1\nitems: [{apiVersion: v1, kind: Secret}]\nkind: Bag\n", "a.yaml:"),
    ] {
        let run = check(&[("zone.yaml", zone().as_str()), ("a.yaml", text)], &[]);
        assert_eq!((run.code, run.faults().len()), (2, 1), "{name}: {run:?}");
        assert!(run.faults()[0].starts_with(wrong), "{name}: wanted {wrong}\n   got {}", run.faults()[0]);
    }
}

#[test]
fn json_is_told_with_line_and_field_too() {
    let pod = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Pod\",\n  \"metadata\": {\n    \"name\": 7\n  }\n}\n";
    for (name, text, wrong) in [
        ("a.json", pod, "a.json:5: Pod: metadata.name: invalid type: integer, expected"),
        ("a.yaml", pod, "a.yaml:5: Pod: metadata.name: invalid type: integer, expected"),
        ("a.json", "{\n\"apiVersion\": \"v1\",\n\"kind\" \"Pod\"}", "a.json:3: expected `:`"),
        ("a.json", "[{}]", "a.json:1: a list is no Kubernetes object"),
        (
            "a.json",
            "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {}, \"spec\": {\"a\": 1}}",
            "a.json:1: \"spec\" is there twice, with different values",
        ),
    ] {
        let run = check(&[("zone.yaml", zone().as_str()), (name, text)], &[]);
        assert_eq!((run.code, run.faults().len()), (2, 1), "{text}: {run:?}");
        assert!(run.faults()[0].starts_with(wrong), "wanted {wrong}\n   got {}", run.faults()[0]);
    }
}

#[test]
fn a_zone_that_no_api_server_would_take_is_told() {
    let flow = |more: &str| {
        format!(
            "mode: Enforce\n  scope:\n    namespaces:\n      names: [vault]\n  segmentation:\n    flows:\n    - name: out\n      need: Vault asks the bank for money.\n      owner: a\n      approvedBy: b\n      ticket: c\n      reviewedAt: 2026-10-01T00:00:00Z\n      expiresAt: 2027-04-01T00:00:00Z\n      from:\n        namespace: vault\n{more}"
        )
    };
    for (spec, wrong) in [
        (
            "mode: Strict\n  scope: {namespaces: {names: [vault]}}\n".to_string(),
            "zone.yaml:6: PciZone cde: spec.mode: \"Strict\" is none of Observe, Warn, Enforce",
        ),
        ("mode: Enforce\n  scopes: {}\n".to_string(), "zone.yaml:5: PciZone cde: spec.scope: it is missing"),
        (
            "scope:\n    namespaces:\n      names: [Vault]\n".to_string(),
            "zone.yaml:8: PciZone cde: spec.scope.namespaces.names[0]: \"Vault\" does not match",
        ),
        (
            "scope:\n    namespaces: {}\n".to_string(),
            "zone.yaml:7: PciZone cde: spec.scope.namespaces: spec.scope.namespaces: declare at least one",
        ),
        (
            "scope:\n    namespaces:\n      names: [kube-system]\n".to_string(),
            "zone.yaml:7: PciZone cde: spec.scope.namespaces: ",
        ),
        (
            flow("      to:\n        cidrs: [203.0.113.1/28]\n      ports:\n      - port: 443\n"),
            "zone.yaml:21: PciZone cde: spec.segmentation.flows[0].to: cidrs: each entry is a network",
        ),
        (
            flow("      to:\n        cidrs: [203.0.113.0/28]\n      ports:\n      - port: 0\n"),
            "zone.yaml:24: PciZone cde: spec.segmentation.flows[0].ports[0].port: 0 is less than 1",
        ),
        (
            flow("      to:\n        zone: a\n        namespace: b\n      ports:\n      - port: 1\n"),
            "zone.yaml:21: PciZone cde: spec.segmentation.flows[0].to: from, to: set exactly one of",
        ),
    ] {
        let run = check(&[("zone.yaml", zone_with(&spec))], &[]);
        assert_eq!(run.code, 2, "{spec}: {run:?}");
        assert!(run.faults()[0].starts_with(wrong), "wanted {wrong}\n   got {:?}", run.faults());
    }
    let good = flow("      to:\n        cidrs: [203.0.113.0/28]\n      ports:\n      - port: 443\n");
    assert_eq!(check(&[("zone.yaml", confirmed(&good).as_str()), ("vault.yaml", VAULT)], &[]).code, 0);
}

#[test]
fn what_is_there_twice_is_told_with_both_places() {
    let run =
        check(&[("zone.yaml", zone()), ("a.yaml", VAULT.to_string()), ("b.yaml", format!("# again\n{VAULT}"))], &[]);
    assert_eq!(
        run.faults(),
        [
            "b.yaml:3: Namespace vault: it is there twice; the first is at a.yaml:2",
            "b.yaml:8: Pod vault/web: it is there twice; the first is at a.yaml:7",
        ]
    );
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: a}\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("a.yaml", list)], &[]);
    assert_eq!(run.faults(), ["a.yaml:7: Namespace a: it is there twice; the first is at a.yaml:4"]);
    // The namespace that is not named is the default one.
    let pod = |namespace: &str| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n{namespace}spec: {{}}\n");
    let both = [("zone.yaml", zone()), ("a.yaml", pod("")), ("b.yaml", pod("  namespace: default\n"))];
    assert_eq!(check(&both, &[]).faults().len(), 1);
    assert_eq!(check(&both, &["-n", "other"]).faults().len(), 0);
}

#[test]
fn what_is_no_text_is_told_with_its_line() {
    let run = check(&[("zone.yaml", zone().into_bytes()), ("a.yaml", b"a: b\nc: \xff\n".to_vec())], &[]);
    assert_eq!((run.code, run.faults()), (2, vec!["a.yaml:2: it is no UTF-8 text"]));
}

#[test]
fn nothing_of_a_secret_is_shown() {
    let folder = folder(&[("zone.yaml", zone())]);
    for secret in [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  key: aHVudGVyMg==\n  other: [aHVudGVyMg==\n",
        "apiVersion: v1\ndata: {key: aHVudGVyMg==}\nkind: Secret\nmetadata: aHVudGVyMg==\n",
        "apiVersion: v1\nkind: Secret\ndata:\n  a: &a aHVudGVyMg==\n  b: *b aHVudGVyMg==\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"data\": {\"key\": \"aHVudGVyMg==\" \"aHVudGVyMg==\"}}",
        "aHVudGVyMg==",
    ] {
        let run = run_in(folder.path(), &["check", "-f", "zone.yaml", "-f", "-"], secret.as_bytes());
        assert!(!run.stderr.contains("aHVudGVyMg") && !run.stdout.contains("aHVudGVyMg"), "{run:?}");
    }
}

/// Logs of pipelines are read by more people than manifests.
#[test]
fn no_message_repeats_what_may_be_a_password() {
    for spec in [
        "containers: [{name: a, image: a, env: [{name: PW, value: 12345678}]}]",
        "containers: [{name: a, image: a, env: [{name: PW, value: 12345678.5}]}]",
        "containers: [{name: a, image: a, env: \"12345678\"}]",
        "containers: [{name: a, image: a, ports: [{containerPort: \"12345678, expected i32\"}]}]",
    ] {
        let pod = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{spec}}}\n");
        let json = serde_json::to_string(&serde_saphyr::from_str::<serde_json::Value>(&pod).unwrap()).unwrap();
        for (name, text) in [("a.yaml", &pod), ("a.json", &json)] {
            let run = check(&[(name, text)], &[]);
            assert_eq!(run.code, 2, "{run:?}");
            assert!(run.stderr.contains("invalid type: "), "{run:?}");
            assert!(!run.stderr.contains("12345678"), "{run:?}");
        }
    }
}
#[test]
fn standard_input_with_nothing_in_it_is_no_cluster() {
    // What stands before the pipe has failed, and said so elsewhere.
    let folder = folder(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())]);
    let given: &[&str] = &["-f", "zone.yaml", "-f", "vault.yaml", "-f", "-"];
    for (args, stdin) in [
        ([&["check"], given].concat(), ""),
        ([&["check"], given].concat(), "---\n# Source: shop/templates/none.yaml\n"),
        ([&["diagram"], given].concat(), "\n"),
        (vec!["diff", "vault.yaml", "-"], ""),
    ] {
        let run = run_in(folder.path(), &args, stdin.as_bytes());
        assert_eq!(run.code, 2, "{args:?}: {run:?}");
        assert!(run.stderr.contains("standard input is empty"), "{run:?}");
    }
}

#[test]
fn a_template_that_nobody_rendered_is_told_as_one() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Release.Name }}}\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("a.yaml", text)], &[]);
    let fault = run.faults()[0];
    assert!(
        fault.starts_with("a.yaml:3: ") && fault.ends_with("which has to be rendered before it is read"),
        "{fault}"
    );
}
