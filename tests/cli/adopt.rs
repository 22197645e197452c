//! A first zone for what runs already: drafted, refused while it is empty, and covering what was declared once it is filled in.

use serde_json::Value;

use crate::support::{Run, folder, run_in};

const NAMESPACES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: vault}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
";

fn pod(namespace: &str, app: &str, port: u16) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {app}, namespace: {namespace}, labels: {{app: {app}}}}}\n\
         spec: {{containers: [{{name: a, image: a, ports: [{{name: http, containerPort: {port}}}]}}]}}\n"
    )
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: vault}}\nspec: {spec}\n"
    )
}

/// Everything of `vault` is denied but what these policies say.
fn cluster(policies: &[(&str, &str)]) -> String {
    let pods = pod("vault", "db", 5432) + &pod("vault", "api", 8443) + &pod("shop", "web", 8080);
    let deny = policy("deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
    let rest: String = policies.iter().map(|(name, spec)| policy(name, spec)).collect();
    format!("{NAMESPACES}{pods}{deny}{rest}")
}

fn baseline(cluster: &str, args: &[&str]) -> Run {
    let folder = folder(&[("dump.yaml", cluster)]);
    let mut all = vec!["baseline", "cde", "-f", "dump.yaml", "--quiet", "--now", "2026-11-24T08:00:00Z"];
    all.extend(args);
    run_in(folder.path(), &all, b"")
}

/// What people would fill in.
fn filled(draft: &str) -> String {
    draft
        .replace("need: \"\"", "need: The shop cannot take a payment without it.")
        .replace("owner: \"\"", "owner: payments-team")
        .replace("approvedBy: \"\"", "approvedBy: security@example.com")
        .replace("ticket: \"\"", "ticket: PAY-1")
        .replace("reviewedAt: \"\"", "reviewedAt: 2026-10-01T00:00:00Z")
        .replace("expiresAt: \"\"", "expiresAt: 2027-04-01T00:00:00Z")
}

const DECLARED: [(&str, &str); 4] = [
    (
        "web",
        "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}]}",
    ),
    (
        "within",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}]}",
    ),
    (
        "api",
        "{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}, {to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}], ports: [{port: 443}]}]}",
    ),
    (
        "names",
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}]}]}",
    ),
];

#[test]
fn a_draft_names_what_is_declared_and_approves_nothing() {
    let run = baseline(&cluster(&DECLARED), &["--member", "vault"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let zone: Value = serde_saphyr::from_str(&run.stdout).expect("YAML");
    assert_eq!(zone["spec"]["mode"], "Observe");
    let flows = zone["spec"]["segmentation"]["flows"].as_array().expect("flows");
    let told: Vec<String> = flows
        .iter()
        .map(|flow| {
            for key in ["need", "owner", "approvedBy", "ticket", "reviewedAt", "expiresAt"] {
                assert_eq!(flow[key], "", "{key} of {flow}");
            }
            format!("{} {} {} {}", flow["name"].as_str().expect("a name"), flow["from"], flow["to"], flow["ports"])
        })
        .collect();
    let api = r#"{"namespace":"vault","podSelector":{"matchLabels":{"app":"api"}}}"#;
    let db = r#"{"namespace":"vault","podSelector":{"matchLabels":{"app":"db"}}}"#;
    let web = r#"{"namespace":"shop","podSelector":{"matchLabels":{"app":"web"}}}"#;
    let ports = |port: u16| format!(r#"[{{"port":{port},"protocol":"TCP"}}]"#);
    let wanted = [
        format!(r#"vault-api-to-203-0-113-0-25 {api} {{"cidrs":["203.0.113.0/25"]}} {}"#, ports(443)),
        format!("vault-api-to-vault-db {api} {db} {}", ports(5432)),
        format!("shop-web-to-vault-api {web} {api} {}", ports(8443)),
    ];
    let mut sorted = told.clone();
    sorted.sort();
    let mut wanted: Vec<String> = wanted.into();
    wanted.sort();
    assert_eq!(sorted, wanted);
    assert!(run.stdout.contains("# found in NetworkPolicy/vault/within ingress[0]"), "{}", run.stdout);
    assert!(!run.stdout.contains("no flow can say"), "{}", run.stdout);
    assert_eq!(run.stdout, baseline(&cluster(&DECLARED), &["--member", "vault"]).stdout);
}

#[test]
fn a_draft_is_refused_until_it_is_filled_in_and_covers_all_then() {
    let dump = cluster(&DECLARED);
    let draft = baseline(&dump, &["--member", "vault"]).stdout;
    let files =
        folder(&[("dump.yaml", dump.clone()), ("empty/zone.yaml", draft.clone()), ("full/zone.yaml", filled(&draft))]);
    let check = |zone: &str| {
        let args = ["check", "-f", "dump.yaml", "-f", zone, "-o", "json", "--quiet", "--now", "2026-11-24T08:00:00Z"];
        run_in(files.path(), &args, b"")
    };
    let refused = check("empty/zone.yaml");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("need"), "{}", refused.stderr);
    let report = check("full/zone.yaml").json();
    let found: Vec<&str> = report["zones"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| finding["id"].as_str().expect("an id"))
        .filter(|id| id.starts_with("Policy") || id.starts_with("Undeclared") || *id == "FlowUnresolvable")
        .collect();
    assert!(found.is_empty(), "the flows cover all that the policies say: {found:?}");
}

#[test]
fn what_no_flow_can_say_is_told() {
    let open = [
        ("all", "{podSelector: {matchLabels: {app: api}}, ingress: [{}]}"),
        (
            "everywhere",
            "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 1}]}]}",
        ),
        (
            "wide",
            "{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/7}}], ports: [{port: 443}]}]}",
        ),
        (
            "range",
            "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 1000, endPort: 2000}]}]}",
        ),
        (
            "world",
            "{podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]}",
        ),
    ];
    let run = baseline(&cluster(&open), &["--member", "vault"]);
    for wanted in [
        "# - NetworkPolicy/vault/all ingress[0] lets everybody reach pods app=api in vault on every port",
        "# - NetworkPolicy/vault/everywhere ingress[0] means every namespace",
        "# - NetworkPolicy/vault/wide egress[0]: 10.0.0.0/7 is wider than a flow may name",
        "# - NetworkPolicy/vault/range ingress[0] opens more than 20 ports",
    ] {
        assert!(run.stdout.contains(wanted), "{wanted}:\n{}", run.stdout);
    }
    assert!(run.stdout.contains("to: {\"internet\":true}"), "{}", run.stdout);
    let bare = format!("{NAMESPACES}{}", pod("vault", "db", 5432));
    let run = baseline(&bare, &["--member", "vault"]);
    assert!(run.stdout.contains("# - all pods in vault accept connections from everybody"), "{}", run.stdout);
    assert!(run.stdout.contains("# - all pods in vault open connections to everybody"), "{}", run.stdout);
}

/// Only the name servers of the zone are asked without a flow.
#[test]
fn what_asks_on_the_port_of_names_is_drafted_unless_it_is_the_name_servers_that_a_zone_has() {
    let egress = |to: &str, port: &str| {
        format!(
            "{{podSelector: {{matchLabels: {{app: api}}}}, policyTypes: [Egress], egress: [{{to: [{to}], ports: [{port}]}}]}}"
        )
    };
    let system = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}";
    let servers = format!("{{{system}, podSelector: {{matchLabels: {{k8s-app: kube-dns}}}}}}");
    for (to, port, wanted) in [
        (servers.as_str(), "{port: 53, protocol: UDP}, {port: 53}", None),
        (&servers, "{port: 53}, {port: 9153}", Some("to: {\"namespace\":\"kube-system\"")),
        (&format!("{{{system}}}"), "{port: 53, protocol: UDP}", Some("to: {\"namespace\":\"kube-system\"}")),
        ("{ipBlock: {cidr: 203.0.113.53/32}}", "{port: 53}", Some("to: {\"cidrs\":[\"203.0.113.53/32\"]}")),
        ("{ipBlock: {cidr: 0.0.0.0/0}}", "{port: 53, protocol: UDP}", Some("to: {\"internet\":true}")),
        (
            "",
            "{port: 53}",
            Some("# - NetworkPolicy/vault/names egress[0] lets pods app=api in vault reach everybody on TCP 53"),
        ),
        (
            &format!("{servers}, {{podSelector: {{matchLabels: {{app: db}}}}}}"),
            "{port: 53}",
            Some("to: {\"namespace\":\"vault\",\"podSelector\":{\"matchLabels\":{\"app\":\"db\"}}}"),
        ),
    ] {
        let run = baseline(&cluster(&[("names", &egress(to, port))]), &["--member", "vault"]);
        let found = run.stdout.matches("NetworkPolicy/vault/names").count();
        assert_eq!(found, usize::from(wanted.is_some()), "{to} {port}:\n{}", run.stdout);
        assert!(wanted.is_none_or(|wanted| run.stdout.contains(wanted)), "{to} {port}:\n{}", run.stdout);
    }
}

#[test]
fn rules_of_a_direction_that_a_policy_does_not_name_are_not_drafted() {
    let rules = "ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 1}]}], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 2}]}]";
    for (types, ingress, egress) in
        [("[Ingress]", true, false), ("[Egress]", false, true), ("[Ingress, Egress]", true, true), ("[]", true, true)]
    {
        let spec = format!("{{podSelector: {{}}, policyTypes: {types}, {rules}}}");
        let run = baseline(&cluster(&[("some", &spec)]), &["--member", "vault"]);
        let is_in = |direction: &str| run.stdout.contains(&format!("NetworkPolicy/vault/some {direction}[0]"));
        assert_eq!((is_in("ingress"), is_in("egress")), (ingress, egress), "{types}:\n{}", run.stdout);
    }
}

#[test]
fn policies_of_other_kinds_that_may_concern_the_members_are_named() {
    let cilium = |kind: &str, metadata: &str| {
        format!(
            "---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{endpointSelector: {{}}, ingress: [{{}}]}}\n"
        )
    };
    let others = cilium("CiliumNetworkPolicy", "name: a, namespace: vault")
        + &cilium("CiliumNetworkPolicy", "name: b, namespace: shop")
        + &cilium("CiliumClusterwideNetworkPolicy", "name: c");
    let run = baseline(&(cluster(&DECLARED) + &others), &["--member", "vault"]);
    let named: Vec<&str> = run.stdout.lines().filter(|line| line.ends_with(": not drafted, read it")).collect();
    let wanted = ["CiliumClusterwideNetworkPolicy/c", "CiliumNetworkPolicy/vault/a"];
    assert_eq!(named, wanted.map(|name| format!("# - {name}: not drafted, read it")), "{}", run.stdout);
}

#[test]
fn a_load_balancer_is_drafted_for_whom_it_lets_through() {
    for (ranges, drafted, left) in [
        ("", Some("from: {\"internet\":true}"), None),
        (
            ", loadBalancerSourceRanges: [198.51.100.0/24, 203.0.113.0/24]",
            Some("from: {\"cidrs\":[\"198.51.100.0/24\",\"203.0.113.0/24\"]}"),
            Some("leads past its loadBalancerSourceRanges"),
        ),
        (
            ", allocateLoadBalancerNodePorts: false, loadBalancerSourceRanges: [198.51.100.7/32]",
            Some("from: {\"cidrs\":[\"198.51.100.7/32\"]}"),
            None,
        ),
        (", loadBalancerSourceRanges: [\"0.0.0.0/0\"]", Some("from: {\"internet\":true}"), None),
        (", loadBalancerSourceRanges: [\"10.0.0.0/7\"]", None, Some("10.0.0.0/7 is wider than a flow may name")),
    ] {
        let service = format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: api, namespace: vault}}\n\
             spec: {{type: LoadBalancer, selector: {{app: api}}, ports: [{{port: 443, targetPort: 8443}}]{ranges}}}\n"
        );
        let run = baseline(&(cluster(&[]) + &service), &["--member", "vault"]);
        let from: Vec<&str> = run.stdout.lines().map(str::trim).filter(|line| line.starts_with("from: ")).collect();
        assert_eq!(from, drafted.into_iter().collect::<Vec<_>>(), "{ranges}:\n{}", run.stdout);
        assert!(left.is_none_or(|left| run.stdout.contains(left)), "{ranges}:\n{}", run.stdout);
    }
}

#[test]
fn what_cannot_be_adopted_is_refused() {
    let zone = "---\napiVersion: pcizone.dev/v1alpha1\nkind: PciZone\nmetadata: {name: old}\nspec: {scope: {namespaces: {names: [vault]}}}\n";
    for (cluster, args, code, wanted) in [
        (NAMESPACES.to_string(), &["--member", "nowhere"][..], 2, "there is no namespace nowhere"),
        (format!("{NAMESPACES}{zone}"), &["--member", "vault"], 2, "belongs to zone old already"),
        (NAMESPACES.to_string(), &["--member", "Vault"], 3, "\"Vault\" is no name"),
        (NAMESPACES.to_string(), &[], 3, "--member"),
    ] {
        let run = baseline(&cluster, args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(wanted), "{args:?}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{args:?}");
    }
}
