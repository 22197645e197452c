//! Runs of the program, and the files that it reads.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use pcizone::{
    cli::manifests::{Reader, Settings},
    engine::{self, Snapshot, change::scope_digest},
};
use serde_json::Value;
use tempfile::TempDir;

/// The moment that every test judges at.
pub const NOW: &str = "2026-11-24T08:00:00Z";

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The most memory that it had, in MiB.
    pub peak: u64,
}

impl Run {
    /// The result, which is one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The lines of what is wrong, without their heading.
    pub fn faults(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("  ")).collect()
    }
}

/// Runs the program in a folder, with something on standard input.
pub fn run_in(folder: &Path, args: &[&str], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pcizone"))
        .args(args)
        .current_dir(folder)
        .env_remove("KUBECONFIG")
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("standard input");
    let mut output = child.stdout.take().expect("standard output");
    let mut errors = child.stderr.take().expect("standard error");
    thread::scope(|scope| {
        // It may end before it has read everything.
        scope.spawn(move || input.write_all(stdin));
        let stdout = scope.spawn(move || text(&mut output));
        let stderr = scope.spawn(move || text(&mut errors));
        let (code, peak) = watch(&mut child);
        Run { code, stdout: stdout.join().expect("text"), stderr: stderr.join().expect("text"), peak }
    })
}

fn text(from: &mut impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("it is text");
    text
}

/// Waits for the end, and looks meanwhile how much memory it has.
fn watch(child: &mut Child) -> (i32, u64) {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let high = fs::read_to_string(&status).unwrap_or_default();
        let high = high.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(high.unwrap_or_default());
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            return (status.code().unwrap_or_else(|| panic!("it was killed: {status}")), peak / 1024);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// A folder with files in it.
pub fn folder<T: AsRef<[u8]>>(files: &[(&str, T)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }
    folder
}

/// Checks files by their names, from the folder that they are in.
pub fn check<T: AsRef<[u8]>>(files: &[(&str, T)], args: &[&str]) -> Run {
    let folder = folder(files);
    let mut all = vec!["check", "--now", NOW];
    for (name, _) in files {
        all.extend(["-f", name]);
    }
    all.extend(args);
    run_in(folder.path(), &all, b"")
}

/// A zone that protects the namespace vault, with nothing to find about it.
pub fn zone() -> String {
    confirmed("mode: Enforce\n  scope:\n    namespaces:\n      names: [vault]\n")
}

/// A zone with a spec, and with its scope confirmed as it is with the namespace vault.
pub fn confirmed(spec: &str) -> String {
    let confirmation = |digest: &str| {
        let by = "confirmedAt: 2026-11-01T00:00:00Z, confirmedBy: owner";
        zone_with(&spec.replace("scope:\n", &format!("scope:\n    confirmation: {{{by}, digest: \"{digest}\"}}\n")))
    };
    let unknown = confirmation(&format!("sha256:{}", "0".repeat(64)));
    let settings = Settings { namespace: "default".to_string(), now: NOW.parse().expect("a time"), live: false };
    let mut reader = Reader::new(settings, Snapshot::default());
    reader.read("zone", false, unknown.as_bytes());
    reader.read("vault", false, VAULT.as_bytes());
    let input = reader.finish().unwrap_or_else(|faults| panic!("{faults}"));
    let resolution = engine::resolve(&input.snapshot);
    confirmation(&scope_digest(resolution.zone("cde").expect("the zone")))
}

/// A zone with a spec.
pub fn zone_with(spec: &str) -> String {
    format!("apiVersion: pcizone.dev/v1alpha1\nkind: PciZone\nmetadata:\n  name: cde\nspec:\n  {spec}")
}

/// The namespace vault and a pod in it.
pub const VAULT: &str = "\
---
apiVersion: v1
kind: Namespace
metadata:
  name: vault
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: vault
  labels:
    app: web
spec:
  containers:
    - name: web
      image: web:1
      ports:
        - containerPort: 8443
";

/// A policy in vault with a spec.
pub fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  namespace: vault\nspec:\n{spec}"
    )
}

/// A policy that opens vault to everybody.
pub fn open(name: &str) -> String {
    policy(name, "  podSelector: {}\n  ingress:\n    - {}\n")
}
