//! Whatever is read, nothing breaks.

use std::{fs, path::Path};

use pcizone::{
    cli::manifests::{Faults, Input, Reader, Settings},
    engine::Snapshot,
};
use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use crate::support::{NOW, VAULT, open, zone};

#[path = "../../xtask/src/fuzz/mutate.rs"]
mod mutate;

fn read(is_json: bool, bytes: &[u8]) -> Result<Input, Faults> {
    let settings = Settings { namespace: "default".to_string(), now: NOW.parse().expect("a time"), live: false };
    let mut reader = Reader::new(settings, Snapshot::default());
    reader.read("a", is_json, bytes);
    reader.finish()
}

fn manifests() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["examples/shop/checkout.yaml", "examples/shop/vault.yaml", "examples/zones/cardholder-data.yaml"];
    let mut all: Vec<Vec<u8>> = files.iter().map(|file| fs::read(root.join(file)).expect("an example")).collect();
    all.extend([zone(), VAULT.to_string(), open("all")].map(String::into_bytes));
    all
}

fn config(cases: u32) -> ProptestConfig {
    let failure_persistence: Option<Box<FileFailurePersistence>> = None;
    ProptestConfig { cases, failure_persistence: failure_persistence.map(|all| all as _), ..ProptestConfig::default() }
}

#[test]
fn what_is_not_broken_is_read() {
    for manifest in manifests() {
        read(false, &manifest).unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    proptest!(config(2000), |(bytes in vec(any::<u8>(), 0..200), is_json: bool)| {
        let _ = read(is_json, &bytes);
    });
}

#[test]
fn any_text_is_read_or_refused() {
    let text = "([a-c:\\-\\[\\]{}&*!|>'\"%@#,? \n\t]|---\n|<<|apiVersion: v1\n|kind: Pod\n|items:\n){0,60}";
    proptest!(config(2000), |(text in text, is_json: bool)| {
        let _ = read(is_json, text.as_bytes());
    });
}

#[test]
fn broken_manifests_are_read_or_refused() {
    let manifests = manifests();
    proptest!(config(3000), |(throws in vec(any::<usize>(), 200), is_json: bool)| {
        let mut throws = throws.into_iter().cycle();
        let text = mutate::mutated(&manifests, &mut |bound| throws.next().unwrap_or_default() % bound.max(1));
        let _ = read(is_json, &text);
    });
}

#[test]
fn documents_are_what_a_yaml_library_says_they_are() {
    // Each is read by itself; the library reads them all in one.
    let document = "(kind: [A-Z][a-z]{0,3}List\napiVersion: v1\nitems:( \\[\\]|)\n|a: \\|\n  text\n|a: '--- b'\n|# c\n|x: \\{y: z\\}\n|\\- a\n|...\n|%YAML 1.2\n|---\n|--- # d\n|--- text\n|--- \\{e: f\\}\n){0,8}";
    proptest!(config(3000), |(text in document)| {
        let whole: Result<Vec<serde_json::Value>, _> = serde_saphyr::from_multiple(&text);
        if let Ok(whole) = whole {
            let is_bare = |items: &serde_json::Value| items.is_null() || items.as_array().is_some_and(Vec::is_empty);
            prop_assume!(whole.iter().all(|value| is_bare(&value["items"])));
            let lists = whole.iter().filter(|value| value["kind"].is_string()).count();
            // A document with nothing in it is none, also where it has a tag.
            let empty = whole.iter().filter(|value| value.is_null()).count();
            let wrong = whole.len() - lists - empty;
            let told = read(false, text.as_bytes()).err().map_or(0, |faults| faults.shown.len() + faults.more);
            prop_assert_eq!(told, wrong, "{:?} {:?}", text, whole);
        }
    });
}
