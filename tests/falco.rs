//! The rules for Falco are whole: each says what Falco and an assessor need, and uses nothing that is not there.

#![expect(clippy::panic, reason = "a test ends where something is not as expected")]

use std::{collections::BTreeSet, fs, path::Path};

use pcizone::api::requirements;
use serde_json::Value;

const FILES: [&str; 2] = ["pcizone-rules.yaml", "pcizone-k8saudit-rules.yaml"];
/// As Falco knows them.
const PRIORITIES: [&str; 8] = ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"];

fn items(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/falco").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn text<'a>(item: &'a Value, key: &str) -> &'a str {
    item[key].as_str().unwrap_or_default()
}

/// What of ours a condition names.
fn named(condition: &str) -> BTreeSet<&str> {
    let words = condition.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pcizone_")).collect()
}

#[test]
fn each_rule_says_what_it_is_about_and_whom_it_speaks_to() {
    for file in FILES {
        let items = items(file);
        let rules: Vec<&Value> = items.iter().filter(|item| item.get("rule").is_some()).collect();
        assert!(rules.len() >= 3, "{file}");
        for rule in rules {
            let name = text(rule, "rule");
            assert!(["desc", "condition", "output"].iter().all(|key| text(rule, key).len() > 20), "{name}");
            assert!(PRIORITIES.contains(&text(rule, "priority")), "{name}");
            let (fields, source) = if file.contains("k8saudit") {
                (["%ka.user.name", "%ka.target.name"], "k8s_audit")
            } else {
                (["%k8s.ns.name", "%k8s.pod.name"], "")
            };
            assert!(fields.iter().all(|field| text(rule, "output").contains(field)), "{name}");
            assert_eq!(text(rule, "source"), source, "{name}");
            let tags = rule["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
            let tags = tags.iter().filter_map(Value::as_str);
            let numbers: Vec<&str> = tags.filter_map(|tag| tag.strip_prefix("PCI_DSS_")).collect();
            assert!(!numbers.is_empty(), "{name}");
            for number in numbers {
                assert!(requirements::find(number).is_some(), "{name}: {number}");
            }
        }
    }
}

#[test]
fn every_list_and_macro_is_defined_before_it_is_used_and_once() {
    let mut all = BTreeSet::new();
    for file in FILES {
        let mut defined = BTreeSet::new();
        let mut used = BTreeSet::new();
        for item in items(file) {
            for name in named(text(&item, "condition")) {
                assert!(defined.contains(name), "{file}: {name} is not defined before it is used");
                used.insert(name.to_string());
            }
            for key in ["list", "macro", "rule"] {
                let name = text(&item, key).to_string();
                if name.is_empty() {
                    continue;
                }
                assert!(key == "rule" || name.starts_with("pcizone_"), "{name} may be one of Falco's own");
                assert!(all.insert(name.clone()), "{name} is defined twice: the later one would replace the earlier");
                defined.insert(name);
            }
            assert!(!text(&item, "condition").contains("evt.dir"), "{file}: Falco 0.42 and later know no direction");
            let (opened, closed) =
                (text(&item, "condition").matches('(').count(), text(&item, "condition").matches(')').count());
            assert_eq!(opened, closed, "{item}");
        }
        let lists: Vec<String> = defined.into_iter().filter(|name| name.starts_with("pcizone_")).collect();
        let idle: Vec<&String> = lists.iter().filter(|name| !used.contains(*name)).collect();
        assert!(idle.is_empty(), "{file}: {idle:?}");
    }
}

/// What the page tells people to fill in is there.
#[test]
fn the_page_names_what_the_files_have() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/falco/README.md");
    let readme = fs::read_to_string(readme).unwrap_or_default();
    let names: BTreeSet<String> = FILES
        .into_iter()
        .flat_map(items)
        .flat_map(|item| ["list", "macro"].map(|key| text(&item, key).to_string()))
        .collect();
    let told = named(&readme);
    assert!(told.len() >= 5 && told.iter().all(|name| names.contains(*name)), "{told:?}");
    assert!(readme.contains(pcizone::api::names::NODE_TAINT));
}
