//! What the policy says of a reference the engine says too: many thousand made ones, and the very expressions of the policy, in the API server.
//!
//! A policy with these expressions looks at a `ConfigMap` of references instead of at a pod, and answers with a letter for each.

use std::{collections::HashSet, time::Instant};

use futures::{StreamExt as _, stream};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::{FindingId, Mode},
    engine::{
        declaration::Declaration,
        desired::admission::{Guard, Kind},
        images::{gate, reference::Reference},
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{HEX, bed, exception, guards, later, row, zone};
use crate::{
    admission::{
        asking::{Answer, ask},
        people::Who,
    },
    support::{self, Bed},
};

/// References of a run.
const REFERENCES: usize = 100_000;
/// Of a request: so many fit into what an expression may cost.
const EACH: usize = 100;
/// Requests at once.
const AT_ONCE: usize = 4;

fn registries() -> Vec<&'static str> {
    vec![
        "registry.example.com/pci",
        "registry.example.com:5000",
        "localhost",
        "docker.io/library",
        "index.docker.io/bitnami",
        "a.io",
    ]
}

fn declared() -> Declaration {
    let exceptions: Vec<Value> = [
        ("ImageRegistryNotAllowed", "Image/quay.io/*/app*", 3600),
        ("ImageRegistryNotAllowed", "Image/quay.io/pci/b@sha256:*", -3600),
        ("ImageRegistryNotAllowed", "Image/registry.example.com:443/*", 3600),
        ("ImageRegistryNotAllowed", "Image/[::1]/*/*", 3600),
        ("ImageRegistryNotAllowed", "Image/docker.io/a/b", 3600),
        ("ImageRegistryNotAllowed", "Image/*.io/**/b*1*", 3600),
        ("ImageNotPinned", "Image/docker.io/library/*", 3600),
        ("ImageNotPinned", "Image/*/*/app:1", 3600),
        ("ImageNotPinned", "Image/registry.example.com/pci/app:*-*", -3600),
    ]
    .into_iter()
    .map(|(finding, subject, end)| exception(finding, subject, later(end)))
    .collect();
    zone(&json!({ "registries": registries() }), &json!({ "exceptions": exceptions }))
}

/// Mostly a piece that fits, and otherwise one that nearly does.
fn piece(good: &[&str], odd: &[&str]) -> impl Strategy<Value = String> + use<> {
    let texts = |all: &[&str]| select(all.iter().map(ToString::to_string).collect::<Vec<_>>());
    prop_oneof![12 => texts(good), 1 => texts(odd)]
}

fn registry() -> impl Strategy<Value = String> {
    let good = [
        "",
        "",
        "registry.example.com/",
        "registry.example.com/pci/",
        "registry.example.com/pci-test/",
        "registry.example.com:5000/",
        "registry.example.com:443/",
        "registry.example.com.evil.io/",
        "Registry.example.com/",
        "REGISTRY/",
        "registry/",
        "a.io/",
        "localhost/",
        "localhost:5000/",
        "docker.io/",
        "docker.io/library/",
        "index.docker.io/",
        "index.docker.io/bitnami/",
        "index.docker.io:443/",
        "bitnami/",
        "library/",
        "quay.io/",
        "quay.io/pci/",
        "[::1]/",
        "[2001:DB8::a]:80/",
        "127.0.0.1:5000/",
    ];
    let odd = [
        "registry.example.com:/",
        "registry.example.com./",
        "registry_a.io/",
        "-a.io/",
        "a-.io/",
        "a..io/",
        "LOCALHOST/",
        "Docker.io/",
        "[::g]/",
        "[]/",
        "user@registry.example.com/",
        "https://a.io/",
        "\u{e9}.io/",
    ];
    piece(&good, &odd)
}

fn path() -> impl Strategy<Value = String> {
    let good = ["nginx", "app", "b", "a/b", "a/b/c", "pci/app", "pci", "a.b", "a__b", "a_b", "a--b/b1", "app1", "0"];
    let odd =
        ["a..b", "a___b", "a-", "-a", "a_-b", "A", "a/B", "", "a//b", "..", "a/..", ".", "\u{430}pp", "a%2fb", "a b"];
    let long = (200usize..260, any::<bool>());
    let long = long.prop_map(|(length, deep)| if deep { "a/".repeat(length / 2) + "a" } else { "a".repeat(length) });
    prop_oneof![12 => piece(&good, &odd), 1 => long]
}

fn tag() -> impl Strategy<Value = String> {
    let long = (126usize..131).prop_map(|length| format!(":{}", "t".repeat(length)));
    let (good, odd) = ([":1", ":latest", ":1-2", ":_x", ":A.b_c-D"], [":.x", ":-x", ":", ":1:2", ":\u{e9}", ":a/b"]);
    prop_oneof![8 => Just(String::new()), 8 => piece(&good, &odd), 1 => long, 1 => Just(format!(":{HEX}"))]
}

fn digest() -> impl Strategy<Value = String> {
    let long = HEX.repeat(2);
    let odd = vec![
        format!("@sha512:{long}"),
        format!("@sha384:{}", &long[..96]),
        format!("@sha512:{HEX}"),
        format!("@{HEX}"),
        format!("@SHA256:{HEX}"),
        format!("@sha256:{}", HEX.to_uppercase()),
        format!("@sha256:{}", &HEX[1..]),
        format!("@sha256:{HEX}0"),
        format!("@sha256:{HEX}@sha256:{HEX}"),
        "@".to_string(),
        "@sha256:".to_string(),
        format!("@md5:{}", &HEX[..32]),
    ];
    prop_oneof![6 => Just(String::new()), 6 => Just(format!("@sha256:{HEX}")), 1 => select(odd)]
}

/// Pieces put together, ids and anything; with letters changed anywhere.
fn references() -> impl Strategy<Value = String> {
    let all = (registry(), path(), tag(), digest());
    let all = all.prop_map(|(registry, path, tag, digest)| format!("{registry}{path}{tag}{digest}"));
    let long = HEX.repeat(2);
    let ids = [HEX, &format!("sha256:{HEX}"), &format!("sha512:{long}"), &HEX[1..], &format!("sha384:{HEX}")];
    let ids = select(ids.map(String::from).to_vec());
    let letters = "abz09AZ._-/:@[]%\\ \n\t\"'{}*?#\u{e9}\u{3002}\u{200b}\u{130}";
    let letters = select(letters.chars().collect::<Vec<_>>());
    let changes = prop_oneof![5 => Just(0usize), 2 => Just(1usize), 1 => 2usize..6];
    let changes = changes.prop_flat_map(move |count| vec((any::<Index>(), letters.clone(), 0..3u8), count));
    let text = prop_oneof![40 => all, 1 => ids, 1 => ".{0,40}"];
    let change = |text: String, (at, letter, how)| changed(&text, at, letter, how);
    (text, changes).prop_map(move |(text, changes)| changes.into_iter().fold(text, change))
}

/// One letter put in, taken out or exchanged.
fn changed(text: &str, at: Index, letter: char, how: u8) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let at = at.index(letters.len() + 1);
    match how {
        0 => letters.insert(at, letter),
        1 if at < letters.len() => drop(letters.remove(at)),
        _ if at < letters.len() => letters[at] = letter,
        _ => {}
    }
    letters.into_iter().collect()
}

/// References are told apart by what they come to, so none may come to the same as another of the request: a reference is, an id is not.
fn requests(count: usize) -> Vec<Vec<String>> {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let strategy = references();
    let mut made = || strategy.new_tree(&mut runner).unwrap().current();
    let mut request = || {
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        while all.len() < EACH {
            let text = made();
            let comes_to =
                Reference::parse(&text).map_or_else(|_| format!("docker.io/library/{text}"), |read| read.to_string());
            if seen.insert(comes_to) {
                all.push(text);
            }
        }
        all
    };
    (0..count.div_ceil(EACH)).map(|_| request()).collect()
}

/// The engine's letter for a reference, and what it normalises it to.
fn letter(text: &str, zone: &Declaration) -> (char, String) {
    let Ok(read) = Reference::parse(text) else { return ('u', String::new()) };
    let refused = gate::judge(text, zone, Timestamp::now());
    let letter = match refused.map(|refused| refused.reason.id) {
        None => '.',
        Some(FindingId::ImageRegistryNotAllowed) => 'f',
        Some(FindingId::ImageNotPinned) => 'p',
        Some(other) => panic!("{other:?}"),
    };
    (letter, read.to_string())
}

/// The policy of a zone, about a `ConfigMap` in vault. `how` tells it from others.
fn policy(zone: &Declaration) -> [Guard; 2] {
    let mut all = guards(zone, Mode::Enforce, false).into_iter().filter(|guard| guard.name().ends_with("-images"));
    let (mut policy, mut binding) = (all.next().unwrap(), all.next().unwrap());
    assert_eq!((policy.kind, binding.kind), (Kind::Validating, Kind::ValidatingBinding));
    let keys: Vec<String> = (0..EACH).map(|index| format!("r{index}")).collect();
    for variable in policy.spec["variables"].as_array_mut().unwrap() {
        if variable["name"] == "named" {
            variable["expression"] = json!(format!("{}.map(k, string(object.data[k]))", json!(keys)));
        }
    }
    let names: Vec<&Value> = policy.spec["variables"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    for name in ["named", "readings", "references", "unreadable", "foreign", "unpinned"] {
        assert!(names.iter().any(|found| *found == name), "{names:?}");
    }
    // A name that is not the engine's is no letter at all.
    let letters = "variables.readings.map(p, !(p[1] in variables.references) ? \"u\" : !(p[1] in variables.normal) ? \"x\" : \
         p[1] in variables.foreign ? \"f\" : p[1] in variables.unpinned ? \"p\" : \".\").join(\"\")";
    let said = format!("\"<\" + {letters} + \" \" + string(variables.unreadable.size()) + \">\"");
    let normal = format!(
        "{}.map(k, string(object.data[k]))",
        json!((0..EACH).map(|index| format!("n{index}")).collect::<Vec<_>>())
    );
    policy.spec["variables"].as_array_mut().unwrap().push(json!({ "name": "normal", "expression": normal }));
    policy.spec["validations"] = json!([{ "expression": "false", "message": "nothing", "messageExpression": said }]);
    policy.spec["matchConditions"] = json!([{ "name": "it", "expression": "object.metadata.name == \"references\"" }]);
    policy.spec["matchConstraints"]["resourceRules"] = json!([
        { "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"], "scope": "*" },
    ]);
    for guard in [&mut policy, &mut binding] {
        guard.metadata.name = Some("agree".to_string());
    }
    binding.spec["policyName"] = json!("agree");
    [policy, binding]
}

/// The letters for a request, and how many the policy cannot read; an error where it says nothing.
async fn said(bed: &Bed, references: &[String], zone: &Declaration) -> Result<(String, String), String> {
    let mut data = serde_json::Map::new();
    let mut letters = String::new();
    for (index, text) in references.iter().enumerate() {
        let (letter, normal) = letter(text, zone);
        data.insert(format!("r{index}"), json!(text));
        data.insert(format!("n{index}"), json!(normal));
        letters.push(letter);
    }
    let wanted = format!("{letters} {}", letters.matches('u').count());
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "references" }, "data": data });
    match ask(&bed.client, &row(Who::Master, "POST", "/api/v1/namespaces/vault/configmaps", body)).await {
        Answer::Refused(text) => match text.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
            Some((said, _)) => Ok((wanted, said.to_string())),
            None => Err(text),
        },
        Answer::Allowed { .. } => Err("it was let through".to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_and_engine_agree_on_a_hundred_thousand_references() {
    let bed = bed().await;
    let zone = declared();
    super::put(&bed, &policy(&zone)).await;
    let started = Instant::now();
    let requests = requests(REFERENCES);
    eprintln!("{} requests were made in {:.1} s", requests.len(), started.elapsed().as_secs_f64());
    support::ask("the policy is in force", async || said(&bed, &requests[0], &zone).await.map(drop)).await;
    let started = Instant::now();
    let answers = stream::iter(&requests).map(async |references| (references, said(&bed, references, &zone).await));
    let answers: Vec<_> = answers.buffer_unordered(AT_ONCE).collect().await;
    let (mut wrong, mut counts) = (Vec::new(), std::collections::BTreeMap::<char, usize>::new());
    for (references, answer) in answers {
        let (wanted, said) = answer.unwrap_or_else(|text| panic!("{text}\n{references:?}"));
        let differing =
            references.iter().zip(wanted.chars().zip(said.chars())).filter(|(_, (wanted, said))| wanted != said);
        wrong.extend(
            differing.map(|(text, (wanted, said))| format!("{text:?}: {wanted} in the engine, {said} in the policy")),
        );
        wrong.extend((wanted.len() != said.len()).then(|| format!("{wanted} and {said}")));
        for letter in wanted.chars().take(references.len()) {
            *counts.entry(letter).or_default() += 1;
        }
    }
    eprintln!("{} references in {:.1} s: {counts:?}", REFERENCES, started.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(30)].join("\n"));
    // Each answer is given often enough to mean something.
    for letter in ['.', 'u', 'f', 'p'] {
        assert!(counts.get(&letter).is_some_and(|count| *count > REFERENCES / 50), "{letter}: {counts:?}");
    }
}
