//! `pcizone explain` and `pcizone diagram` on the changes of `examples/`.

use std::path::Path;

use serde_json::Value;

use crate::support::{Run, run_in};

fn run(change: &str, args: &[&str]) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes").join(change);
    let (command, rest) = args.split_first().expect("a command");
    let mut all = vec![*command, "--quiet", "--now", "2026-11-24T08:00:00Z", "-f", "head.yaml"];
    all.extend(rest);
    run_in(&folder, &all, b"")
}

#[test]
fn a_finding_a_flow_and_a_pair_are_explained() {
    for (change, args, wanted) in [
        (
            "one-dash",
            &["explain", "PolicyUnmanagedWidens"][..],
            &["1.2.5: What is open", "found", "NetworkPolicy/checkout/from-storefront in zone cardholder-data"][..],
        ),
        ("one-dash", &["explain", "policyallowsworld"], &["found", "Nowhere in what was looked at."]),
        (
            "one-dash",
            &["explain", "cardholder-data/checkout-to-vault"],
            &[
                "Checkout exchanges card numbers for tokens in the vault.",
                "NetworkPolicy/vault/pcizone-flow-checkout-to-vault-ingress: in place",
                "checkout/checkout to vault/vault on TCP 8443 gets through",
                "next review by 2027-04-02",
            ],
        ),
        (
            "mode-to-observe",
            &["explain", "checkout-to-vault"],
            &["NetworkPolicy/vault/pcizone-flow-checkout-to-vault-ingress: not there"],
        ),
        (
            "one-dash",
            &["explain", "storefront/reports->checkout/checkout"],
            &[
                "TCP 8080: allowed",
                "decided by NetworkPolicy/checkout/from-storefront ingress[0]",
                "declares no flow for it",
                "1.3.1",
            ],
        ),
        (
            "one-dash",
            &["explain", "checkout/checkout->vault/vault:8443/tcp"],
            &[
                "TCP 8443: allowed",
                "at the end that accepts it, zone cardholder-data declares it: flow checkout-to-vault",
                "to do: nothing",
                "1.3.2",
            ],
        ),
        (
            "one-dash",
            &["explain", "checkout/checkout->ip:[2001:db8::1]:443"],
            &["denied at the end that opens it", "declares no flow for it"],
        ),
    ] {
        let run = run(change, args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
        for wanted in wanted {
            assert!(run.stdout.contains(wanted), "{args:?} lacks {wanted:?}:\n{}", run.stdout);
        }
    }
}

#[test]
fn what_is_not_known_is_not_explained() {
    for (args, code, wanted) in [
        (&["explain", "PolicyAllow"][..], 3, "there is PolicyAllowsAllNamespaces, PolicyAllowsWorld"),
        (&["explain", "nowhere"], 2, "no zone that was looked at declares a flow of this name"),
        (&["explain", "checkout/checkout->vault/nobody"], 2, "vault/nobody does not run"),
        (&["explain", "checkout->vault/vault"], 3, "neither namespace/pod nor ip:ADDRESS"),
        (&["explain", "checkout/checkout->vault/vault:0"], 3, "no port from 1 to 65535"),
        (&["explain", "checkout-to-vault", "Flow/a"], 3, "only findings are about an object"),
        (&["diagram", "--zone", "nowhere"], 2, "there is no PciZone \"nowhere\""),
        (&["diagram", "--base", "nowhere"], 2, "is no revision"),
    ] {
        let run = run("one-dash", args);
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(wanted), "{args:?}: {}", run.stderr);
    }
}

fn edges(run: &Run) -> Vec<String> {
    let graph = run.json();
    let edge = |edge: &Value| {
        let of = |key: &str| edge[key].as_str().unwrap_or("-").to_string();
        format!("{} {}: {} -> {} on {}", of("change"), of("kind"), of("from"), of("to"), of("ports"))
    };
    graph["edges"].as_array().expect("edges").iter().map(edge).collect()
}

#[test]
fn a_diagram_has_flows_name_servers_openings_doors_and_rights() {
    let zone = "all pods of zone cardholder-data";
    let always = [
        "Same Flow: pods app=checkout in checkout -> pods app=vault in vault on TCP 8443".to_string(),
        format!("Same Names: {zone} -> pods k8s-app=kube-dns in kube-system on TCP 53 and UDP 53"),
        format!("Same Door: the node of each pod -> {zone} on every port"),
    ];
    for (change, more) in [
        ("nothing", &["Same Flow: pods app=checkout in checkout -> 203.0.113.0/28 on TCP 443"][..]),
        ("egress-to-internet", &["Added Undeclared: pods app=checkout in checkout -> the internet by IPv4 on TCP 443"]),
        ("flow-added", &["Added Flow: pods app=checkout in checkout -> 203.0.113.0/28 on TCP 443"]),
        ("flow-removed", &["Removed Flow: pods app=checkout in checkout -> 203.0.113.0/28 on TCP 443"]),
        (
            "node-port",
            &[
                "Added Door: every node on TCP 30443 by Service checkout/checkout -> pods app=checkout in checkout on TCP 8080",
            ],
        ),
        (
            "exec-granted",
            &[
                "Added ApiServer: people and programs, through the API server -> all pods of zone cardholder-data on exec and attach",
                "Added ApiServer: people and programs, through the API server -> all pods of zone cardholder-data on acting as somebody else, or granting more",
                "Added ApiServer: people and programs, through the API server -> all pods of zone cardholder-data on port-forward",
                "Added ApiServer: people and programs, through the API server -> all pods of zone cardholder-data on proxy",
            ],
        ),
    ] {
        let run = run(change, &["diagram", "--base", "base.yaml", "-o", "json"]);
        assert_eq!(run.code, 0, "{change}: {}", run.stderr);
        let mut told = edges(&run);
        let mut wanted: Vec<String> = always.iter().cloned().chain(more.iter().map(ToString::to_string)).collect();
        told.sort();
        wanted.sort();
        assert_eq!(told, wanted, "{change}");
    }
}

#[test]
fn only_what_carries_account_data_is_drawn_when_asked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let args = [
        "diagram",
        "--quiet",
        "--now",
        "2026-11-24T08:00:00Z",
        "-f",
        "examples/shop",
        "-f",
        "examples/zones/cardholder-data.yaml",
    ];
    let all = run_in(root, &[&args[..], &["-o", "json"]].concat(), b"");
    let some = run_in(root, &[&args[..], &["-o", "json", "--account-data"]].concat(), b"");
    let (all, some) = (all.json(), some.json());
    let of = |graph: &Value| graph["edges"].as_array().expect("edges").clone();
    let carrying: Vec<Value> = of(&all).into_iter().filter(|edge| edge["accountData"] == true).collect();
    assert_eq!(of(&some), carrying);
    assert!(!carrying.is_empty() && carrying.len() < of(&all).len());
    for form in ["mermaid", "dot", "svg", "html"] {
        let drawn = run_in(root, &[&args[..], &["-o", form, "--account-data"]].concat(), b"");
        assert!(drawn.stdout.contains("1.2.4"), "{form}");
        for edge in &carrying {
            let name = edge["name"].as_str().expect("a name");
            assert!(drawn.stdout.contains(name), "{form} lacks {name}");
        }
    }
}
