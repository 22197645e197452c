//! What has to fit the real kubectl: the manifest of the installation, and the program as its plugin.

use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Assets, Binary};

use crate::support::{VAULT, folder, run_in, zone};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// As in the example overlay.
const IMAGE: &str =
    "registry.example.com/platform/pcizone@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn kubectl() -> PathBuf {
    Assets::get(&[Binary::Kubectl]).unwrap().path(Binary::Kubectl).unwrap()
}

/// Objects by kind, namespace and name.
fn objects(text: &str) -> BTreeMap<String, Value> {
    let mut all: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    all.iter_mut().for_each(whole);
    let count = all.len();
    let named = all.into_iter().map(|object| {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
        (format!("{}/{}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name")), object)
    });
    let named: BTreeMap<String, Value> = named.collect();
    assert_eq!(named.len(), count, "each once");
    named
}

/// Numbers without a fraction, which kustomize writes as such.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(number) = number.as_f64().filter(|number| number.fract() == 0.0) {
                *value = json!(number);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The objects are the same; what differs is named, and not shown whole.
fn are_same(some: &BTreeMap<String, Value>, others: &BTreeMap<String, Value>) {
    assert_eq!(some.keys().collect::<Vec<_>>(), others.keys().collect::<Vec<_>>());
    for (name, object) in some {
        assert!(Some(object) == others.get(name), "{name} differs");
    }
}

fn kustomized(folder: &Path) -> BTreeMap<String, Value> {
    let output = Command::new(kubectl()).arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    objects(&String::from_utf8(output.stdout).unwrap())
}

/// The example overlay with components, in a folder of its own beside it: kustomize takes only relative paths.
fn overlay(components: &str) -> BTreeMap<String, Value> {
    let folder = TempDir::new().unwrap();
    let copy = |from: &str| {
        let to = folder.path().join(from);
        let copied = Command::new("cp").arg("-r").arg(Path::new(REPOSITORY).join(from)).arg(&to).status().unwrap();
        assert!(copied.success());
    };
    copy("crds");
    fs::create_dir(folder.path().join("deploy")).unwrap();
    copy("deploy/kustomize");
    let example = folder.path().join("deploy/kustomize/overlays/example");
    let file = example.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\ncomponents: {components}\n")).unwrap();
    kustomized(&example)
}

fn installed(args: &[&str]) -> BTreeMap<String, Value> {
    let here = folder::<&str>(&[]);
    let run = run_in(here.path(), &[&["install", "--print", "--image", IMAGE], args].concat(), b"");
    assert_eq!(run.code, 0, "{run:?}");
    objects(&run.stdout)
}

#[test]
fn what_install_prints_is_what_the_overlay_gives() {
    let example = Path::new(REPOSITORY).join("deploy/kustomize/overlays/example");
    are_same(&installed(&[]), &kustomized(&example));
    are_same(&installed(&["--evict"]), &overlay("[../../components/evict]"));
    let components = ["evict", "canary", "logs", "open-reports", "scanning"];
    let all = components.map(|component| format!("../../components/{component}")).join(", ");
    let flags = components.map(|component| format!("--{component}"));
    are_same(&installed(&flags.each_ref().map(String::as_str)), &overlay(&format!("[{all}]")));
}

#[test]
fn install_applies_nothing_and_takes_no_image_that_may_change() {
    let here = folder::<&str>(&[]);
    for (args, said) in [
        (vec!["--image", IMAGE], "--print"),
        (vec!["--print"], "--image"),
        (vec!["--print", "--image", "registry.example.com/pcizone:0.1.0"], "has no digest"),
    ] {
        let run = run_in(here.path(), &[vec!["install"], args].concat(), b"");
        assert_eq!(run.code, 3, "{run:?}");
        assert!(run.stderr.contains(said) && run.stdout.is_empty(), "{run:?}");
    }
}

/// Runs kubectl in a folder, with the program on its path under the name of a plugin.
fn plugin(here: &Path, args: &[&str]) -> Output {
    let bin = TempDir::new().unwrap();
    symlink(env!("CARGO_BIN_EXE_pcizone"), bin.path().join("kubectl-pcizone")).unwrap();
    let path =
        env::join_paths([bin.path().to_path_buf()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())));
    let mut command = Command::new(kubectl());
    command.arg("pcizone").args(args).current_dir(here).env("PATH", path.unwrap()).env("HOME", here);
    command.env("KUBERC", "off").env_remove("KUBECONFIG").output().unwrap()
}

#[test]
fn kubectl_runs_it_as_its_plugin() {
    let here = folder(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())]);
    let args = ["check", "--now", crate::support::NOW, "-o", "json", "-f", "."];
    let output = plugin(here.path(), &args);
    let alone = run_in(here.path(), &args, b"");
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(alone.code), alone.stdout));
    for (args, usage) in [
        (vec!["--help"], "Usage: kubectl pcizone <COMMAND>"),
        (vec!["check", "--help"], "Usage: kubectl pcizone check [OPTIONS]"),
    ] {
        let output = plugin(here.path(), &args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(usage), "{text}");
    }
    let alone = run_in(here.path(), &["check", "--help"], b"");
    assert!(alone.stdout.contains("Usage: pcizone check [OPTIONS]"), "{alone:?}");
}

#[test]
fn a_shell_reads_what_completes_its_arguments() {
    let here = folder::<&str>(&[]);
    let run = run_in(here.path(), &["completions", "bash"], b"");
    assert!(run.code == 0 && run.stdout.contains("--as-is"), "{run:?}");
    fs::write(here.path().join("completions"), run.stdout).unwrap();
    assert!(Command::new("bash").args(["-n", "completions"]).current_dir(here.path()).status().unwrap().success());
}
