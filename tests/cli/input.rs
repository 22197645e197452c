//! Where manifests come from, and in what forms.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};

use crate::support::{NOW, Run, VAULT, check, confirmed, folder, open, run_in, zone};

fn found(run: &Run) -> Vec<String> {
    let report: Value = run.json();
    let findings = report["zones"][0]["findings"].as_array().expect("findings").iter();
    findings
        .map(|finding| {
            format!(
                "{} {}",
                finding["state"].as_str().expect("a state"),
                finding["subject"].as_str().expect("a subject")
            )
        })
        .collect()
}

const OPEN: &str = "Violated NetworkPolicy/vault/all";

#[test]
fn a_folder_is_read_with_all_folders_in_it() {
    let folder = folder(&[
        ("m/zone.yaml", zone()),
        ("m/b/vault.yml", VAULT.to_string()),
        ("m/a/b/all.json", json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "all", "namespace": "vault"}, "spec": {"podSelector": {}, "ingress": [{}]}}).to_string()),
        ("m/.git/x.yaml", "a: [".to_string()),
        ("m/.hidden.yaml", "a: [".to_string()),
        ("m/README.md", "a: [".to_string()),
        ("m/kustomization.yaml", "resources: [zone.yaml]".to_string()),
    ]);
    let run = run_in(folder.path(), &["check", "--now", NOW, "-o", "json", "-f", "m"], b"");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(found(&run).contains(&OPEN.to_string()));
    assert!(run.stderr.contains("read 3 files"), "{}", run.stderr);
}

#[test]
fn links_in_circles_are_walked_once() {
    let folder =
        folder(&[("m/zone.yaml", zone()), ("m/a/vault.yaml", VAULT.to_string()), ("empty/x.txt", String::new())]);
    symlink(folder.path().join("m"), folder.path().join("m/a/again")).expect("a link");
    symlink(folder.path().join("m/zone.yaml"), folder.path().join("m/zone-again.yaml")).expect("a link");
    let run = run_in(folder.path(), &["check", "--now", NOW, "-f", "m", "-f", "m/zone.yaml"], b"");
    assert_eq!(run.code, 0, "{run:?}");
    let run = run_in(folder.path(), &["check", "-f", "m", "-f", "empty"], b"");
    assert_eq!(run.faults(), ["empty: there is no .yaml, .yml or .json file in it"]);
    symlink("nowhere", folder.path().join("m/broken.yaml")).expect("a link");
    let run = run_in(folder.path(), &["check", "-f", "m"], b"");
    assert!(run.code == 2 && run.faults()[0].starts_with("m/broken.yaml: cannot read it"), "{run:?}");
}

#[test]
fn folders_that_lie_too_deep_are_told() {
    let deep = format!("m/{}zone.yaml", "d/".repeat(40));
    let folder = folder(&[(deep.as_str(), zone())]);
    let run = run_in(folder.path(), &["check", "-f", "m"], b"");
    assert!(run.code == 2 && run.faults()[0].contains("more than 32 deep"), "{run:?}");
}

#[test]
fn all_forms_of_the_same_say_the_same() {
    let documents = [zone(), VAULT.to_string(), open("all")];
    let values: Vec<Value> =
        documents.iter().flat_map(|text| serde_saphyr::from_multiple::<Value>(text).expect("YAML")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": values});
    let nested =
        json!({"apiVersion": "v1", "kind": "List", "items": [list, {"apiVersion": "v1", "kind": "List", "items": []}]});
    // As an API server sorts it: what it is comes last.
    let sorted = format!(
        "apiVersion: v1\nitems:\n{}kind: List\n",
        values.iter().map(|value| format!("- {value}\n")).collect::<String>()
    );
    let typed: String = values.iter().map(|value| {
        let mut item = value.clone();
        let (version, kind) = (item["apiVersion"].take(), item["kind"].take());
        item.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        format!("{}\n---\n", json!({"apiVersion": version, "kind": format!("{}List", kind.as_str().expect("a kind")), "metadata": {}, "items": [item]}))
    }).collect();
    let typed_sorted: String = values
        .iter()
        .map(|value| {
            let mut item = value.clone();
            let (version, kind) = (item["apiVersion"].take(), item["kind"].take());
            item.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
            format!(
                "items: [{item}]\nkind: {}List\napiVersion: {}\n---\n",
                kind.as_str().expect("a kind"),
                version.as_str().expect("a version")
            )
        })
        .collect();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    let reversed: String = values
        .iter()
        .map(|value| {
            let mut fields: Vec<String> =
                value.as_object().expect("an object").iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            fields.reverse();
            format!("{}...\n", fields.concat())
        })
        .collect();
    let with_directives = format!("\u{feff}%YAML 1.2\n---\n{}", documents.join("\n---\n"));
    let windows = documents.join("\n--- # next\n").replace('\n', "\r\n");
    let expected = run_in(
        folder(&[("a.yaml", documents.join("---\n"))]).path(),
        &["check", "--now", NOW, "-o", "json", "-f", "a.yaml"],
        b"",
    );
    assert!(found(&expected).contains(&OPEN.to_string()));
    for (name, file, text) in [
        ("a list", "a.yaml", serde_saphyr::to_string(&list).expect("YAML")),
        ("a sorted list", "a.yaml", sorted),
        ("lists of one kind", "a.yaml", typed),
        ("sorted lists of one kind", "a.yaml", typed_sorted),
        ("a JSON list", "a.json", list.to_string()),
        ("lists in a list", "a.json", nested.to_string()),
        ("JSON in a file of another name", "a.yaml", serde_json::to_string_pretty(&list).expect("JSON")),
        ("JSON documents", "a.json", lines.clone()),
        ("JSON documents in a file of another name", "a.yaml", lines),
        ("what it is comes last", "a.yaml", reversed),
        ("directives", "a.yaml", with_directives),
        ("lines as on Windows", "a.yaml", windows),
    ] {
        let run = check(&[(file, text.as_str())], &["-o", "json"]);
        assert_eq!(but_for_places(&run, file), but_for_places(&expected, "a.yaml"), "{name}: {run:?}\n{text}");
        let folder = folder::<&str>(&[]);
        let run = run_in(folder.path(), &["check", "--now", NOW, "-o", "json", "-f", "-"], text.as_bytes());
        let (given, expected) = (but_for_places(&run, "stdin"), but_for_places(&expected, "a.yaml"));
        assert_eq!(given, expected, "{name} from standard input: {run:?}\n{text}");
    }
}

/// The report without the places, all of which are in one file.
fn but_for_places(run: &Run, file: &str) -> Value {
    let mut report = run.json();
    for zone in report["zones"].as_array_mut().expect("zones") {
        for finding in zone["findings"].as_array_mut().expect("findings") {
            let at = finding.as_object_mut().expect("a finding").remove("at").expect("every object was read somewhere");
            assert_eq!(at["file"], file);
        }
    }
    report
}

#[test]
fn what_does_not_decide_is_counted_and_not_kept() {
    let others = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: SecretList\nitems: [{metadata: {name: b}}]\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("vault.yaml", VAULT), ("a.yaml", others)], &[]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("skipped 5 objects of kinds that do not decide: ConfigMap 1, Secret 3, Service 1"),
        "{}",
        run.stderr
    );
}

#[test]
fn anchors_and_merges_are_read_as_they_are_meant() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: &meta\n  namespace: vault\n  name: first\nspec: &spec\n  podSelector: {}\n  ingress: &open [{}]\n";
    let merged = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {<<: {namespace: vault}, name: all}\nspec:\n  podSelector: &all {}\n  ingress: [{from: [{podSelector: *all, namespaceSelector: *all}]}]\n";
    let run = check(
        &[("zone.yaml", zone().as_str()), ("vault.yaml", VAULT), ("a.yaml", text), ("b.yaml", merged)],
        &["-o", "json"],
    );
    let found = found(&run);
    assert!(
        found.contains(&OPEN.to_string()) && found.contains(&"Violated NetworkPolicy/vault/first".to_string()),
        "{found:?}"
    );
}

#[test]
fn endpoints_lead_into_a_zone_unless_a_controller_writes_them_from_a_selector() {
    const MANAGED: &str = ", endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io";
    const SKIPPED: &str = ", endpointslice.kubernetes.io/skip-mirror: \"true\"";
    let pod = VAULT.to_string() + "status:\n  podIPs: [{ip: 10.0.0.7}]\n";
    let metadata = |labels: &str| {
        format!("metadata:\n  name: a\n  namespace: other\n  labels: {{kubernetes.io/service-name: a{labels}}}\n")
    };
    let slice = |labels: &str| {
        let head = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n";
        format!("{head}{}addressType: IPv4\nendpoints: [{{addresses: [10.0.0.7]}}]\n", metadata(labels))
    };
    let endpoints = |labels: &str, list: &str| {
        let head = "apiVersion: v1\nkind: Endpoints\n";
        format!("{head}{}subsets: [{{}}, {{{list}: [{{ip: 10.0.0.7}}], ports: [{{port: 80}}]}}]\n", metadata(labels))
    };
    let service = |spec: &str| {
        format!("---\napiVersion: v1\nkind: Service\nmetadata: {{name: a, namespace: other}}\nspec: {{{spec}}}\n")
    };
    let (followed, bare) = (service("selector: {app: a}"), service("selector: {}, ports: [{port: 80}]"));
    let alias = service("type: ExternalName, externalName: example.com, selector: {app: a}");
    let slice_found = "Violated EndpointSlice/other/a";
    let endpoints_found = "Violated Endpoints/other/a";
    for (name, objects, expected) in [
        ("by hand", slice(""), Some(slice_found)),
        ("by hand, for a selector", slice("") + &followed, Some(slice_found)),
        ("by the controller", slice(MANAGED) + &followed, None),
        ("by the controller, for no selector", slice(MANAGED) + &bare, Some(slice_found)),
        ("by the controller, for an alias", slice(MANAGED) + &alias, Some(slice_found)),
        ("by the controller, for nobody", slice(MANAGED), Some(slice_found)),
        ("Endpoints", endpoints("", "addresses"), Some(endpoints_found)),
        ("Endpoints of what is not ready", endpoints("", "notReadyAddresses") + &bare, Some(endpoints_found)),
        ("Endpoints of a selector", endpoints("", "addresses") + &followed, None),
        ("Endpoints that are not mirrored", endpoints(SKIPPED, "addresses") + &bare, None),
    ] {
        // Whichever is read first.
        let (first, last) = objects.split_once("---\n").unwrap_or((&objects, ""));
        for objects in [format!("{first}---\n{last}"), format!("{last}---\n{first}")] {
            let files = [("zone.yaml", zone()), ("vault.yaml", pod.clone()), ("a.yaml", objects)];
            let found = found(&check(&files, &["-o", "json"]));
            let into: Vec<&str> = found.iter().map(String::as_str).filter(|found| found.contains("ndpoint")).collect();
            assert_eq!(into, expected.into_iter().collect::<Vec<_>>(), "{name}: {found:?}");
        }
    }
}

#[test]
fn the_addresses_of_the_api_server_are_those_of_its_slice() {
    let spec = "mode: Enforce\n  scope:\n    namespaces: {names: [vault]}\n  segmentation:\n    flows:\n    - {name: api, need: Vault watches its own objects., owner: a, approvedBy: b, ticket: c, reviewedAt: 2026-10-01T00:00:00Z, expiresAt: 2027-04-01T00:00:00Z, from: {namespace: vault}, to: {apiServer: true}, ports: [{port: 6443}]}\n";
    let zone = confirmed(spec);
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: kubernetes\n  namespace: default\n  labels: {kubernetes.io/service-name: kubernetes}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n";
    let without = check(&[("zone.yaml", zone.as_str()), ("vault.yaml", VAULT)], &["-o", "json"]);
    assert_eq!(without.code, 0, "{without:?}");
    assert!(without.stdout.contains("The addresses of the API server were not given"), "{without:?}");
    let with = check(&[("zone.yaml", zone.as_str()), ("vault.yaml", VAULT), ("slice.yaml", slice)], &["-o", "json"]);
    assert_eq!(with.code, 0, "{with:?}");
    assert!(with.stdout.contains("It is open by address"), "{with:?}");
}

#[test]
fn a_route_of_the_gateway_api_is_read_in_every_version_that_it_has() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: vault}\nspec: {selector: {app: web}, ports: [{port: 8443}]}\n";
    let route = "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: web, port: 8443}]}]}";
    let grant = "{from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: \"\", kind: Service}]}";
    for (kind, spec, versions) in [
        ("HTTPRoute", route, &["v1", "v1beta1"][..]),
        ("GRPCRoute", route, &["v1", "v1alpha2"]),
        ("TLSRoute", route, &["v1", "v1alpha3", "v1alpha2"]),
        ("TCPRoute", route, &["v1", "v1alpha2"]),
        ("UDPRoute", &route.replace("name: web", "name: dns"), &["v1", "v1alpha2"]),
        ("ReferenceGrant", grant, &["v1", "v1beta1", "v1alpha2"]),
    ] {
        for version in versions {
            let udp = service.replace("name: web", "name: dns").replace("port: 8443", "port: 8443, protocol: UDP");
            let group = "apiVersion: gateway.networking.k8s.io";
            let one =
                format!("{group}/{version}\nkind: {kind}\nmetadata: {{name: r, namespace: vault}}\nspec: {spec}\n");
            let objects = format!("{service}---\n{udp}---\n{one}");
            let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("a.yaml", objects)];
            let found = found(&check(&files, &["-o", "json"]));
            assert!(found.contains(&format!("Violated {kind}/vault/r")), "{version}: {found:?}");
        }
    }
    let unknown = "apiVersion: gateway.networking.k8s.io/v9\nkind: TCPRoute\nmetadata: {name: r}\nspec: {}\n";
    let run = check(&[("zone.yaml", zone().as_str()), ("a.yaml", unknown)], &[]);
    assert!(run.code == 2 && run.faults()[0].contains("gateway.networking.k8s.io/v9 is not read"), "{run:?}");
}

#[test]
fn a_file_may_be_none_at_all() {
    let folder = folder(&[
        ("zone.yaml", zone()),
        ("empty.yaml", String::new()),
        ("comments.yaml", "# nothing\n---\n# here\n---\n...\n".to_string()),
        ("null.yaml", "null\n---\n~\n".to_string()),
    ]);
    fs::write(folder.path().join("empty.json"), "\n").expect("a file");
    let run = run_in(folder.path(), &["check", "--now", NOW, "-f", "."], b"");
    assert!(run.code == 2 && run.stdout.contains("NamespaceMissing"), "{run:?}");
}

#[test]
fn a_key_with_the_same_value_twice_leaves_nothing_to_guess() {
    // As charts write it that merge labels: those of the gateway of Istio do.
    let twice = open("all")
        .replace("  namespace: vault\n", "  namespace: vault\n  labels:\n    app: a\n    tier: b\n    app: a\n");
    let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("a.yaml", twice.clone())], &[]);
    assert_eq!(run.faults(), Vec::<&str>::new());
    assert!(run.stdout.contains("PolicyAllowsWorld") && run.stdout.contains("NetworkPolicy/vault/all"), "{run:?}");
    let other = twice.replace("    tier: b\n    app: a\n", "    tier: b\n    app: b\n");
    let run = check(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("a.yaml", other)], &[]);
    assert_eq!(run.faults(), ["a.yaml:7: \"app\" is there twice, with different values"]);
}
