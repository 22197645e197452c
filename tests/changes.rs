//! `pcizone diff` on the changes of `examples/changes/`, word by word, and on revisions of a git repository.
//!
//! `PCIZONE_BLESS=1 cargo test --no-default-features --test changes` writes what it says now.

#![expect(clippy::expect_used, reason = "a test ends where something is not as expected")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const NOW: &str = "2026-11-24T08:00:00Z";

fn diff(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcizone"));
    command.current_dir(folder).arg("diff").args(["--quiet", "--now", NOW]).args(args).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it is UTF-8")
}

fn changes() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes");
    let entries = fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut changes: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    changes.sort();
    changes
}

#[test]
fn every_change_is_told_in_the_right_words() {
    let bless = std::env::var_os("PCIZONE_BLESS").is_some();
    let changes = changes();
    assert!(changes.len() >= 12, "only {} changes", changes.len());
    let mut wrong = Vec::new();
    for change in changes {
        let output = diff(&change, &["base.yaml", "head.yaml"]);
        let said = format!("{}\nexit code {}\n", said(&output), output.status.code().expect("it ends by itself"));
        let path = change.join("diff.txt");
        if bless {
            fs::write(&path, &said).expect("it is written");
        } else if fs::read_to_string(&path).unwrap_or_default() != said {
            wrong.push(format!("{} says:\n{said}", change.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_form_tells_the_same_and_the_way_back_closes_what_the_way_there_opens() {
    for change in changes() {
        let of = |args: &[&str]| -> Value { serde_json::from_str(&said(&diff(&change, args))).expect("JSON") };
        let there = of(&["base.yaml", "head.yaml", "-o", "json"]);
        let back = of(&["head.yaml", "base.yaml", "-o", "json"]);
        let count = |report: &Value, key: &str| report[key].as_array().expect("a list").len();
        for (one, other) in [("doorsOpened", "doorsClosed"), ("doorsClosed", "doorsOpened")] {
            assert_eq!(count(&there, one), count(&back, other), "{}: {one}", change.display());
        }
        for (one, other) in [("opens", "closes"), ("closes", "opens")] {
            assert_eq!(count(&there, one) == 0, count(&back, other) == 0, "{}: {one}", change.display());
        }
        let keys =
            ["opens", "closes", "doorsOpened", "doorsClosed", "declared", "raised", "reworded", "settled", "unread"];
        let all: usize = keys.iter().map(|key| count(&there, key)).sum();
        let lines = |form: &str, marks: &[&str]| {
            let text = said(&diff(&change, &["base.yaml", "head.yaml", "-o", form]));
            text.lines().filter(|line| marks.iter().any(|mark| line.starts_with(mark))).count()
        };
        assert_eq!(lines("table", &["- ", "! "]), all, "{}", change.display());
        assert_eq!(lines("markdown", &["- "]), all, "{}", change.display());
        let same = diff(&change, &["head.yaml", "head.yaml"]);
        assert!(said(&same).contains("Nothing opens, nothing closes."), "{}", said(&same));
        assert_eq!(same.status.code(), Some(0));
    }
}

fn git(folder: &Path, args: &[&str]) {
    let about = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(folder).args(about).args(args).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with the one-dash change as its second commit.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let git = |args: &[&str]| git(folder.path(), args);
    let change = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes/one-dash");
    git(&["init", "--quiet"]);
    fs::create_dir(folder.path().join("prod")).expect("a folder");
    fs::write(folder.path().join("prod/README.md"), "no manifest").expect("it is written");
    fs::write(folder.path().join("prod/.hidden.yaml"), "neither").expect("it is written");
    for side in ["base", "head"] {
        fs::copy(change.join(side).with_extension("yaml"), folder.path().join("prod/shop.yaml")).expect("a copy");
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", side]);
    }
    folder
}

#[test]
fn revisions_of_git_are_compared_as_folders_are() {
    let folder = repository();
    let change = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes/one-dash");
    let lines = |output: &Output| said(output).lines().skip(1).map(str::to_string).collect::<Vec<_>>();
    let wanted = lines(&diff(&change, &["base.yaml", "head.yaml"]));
    for args in [
        &["HEAD~1", "HEAD", "-f", "prod"][..],
        &["HEAD~1", "-f", "prod"],
        &["HEAD~1:prod", "HEAD:prod"],
        &["HEAD~1:prod/shop.yaml", "prod"],
    ] {
        let output = diff(folder.path(), args);
        assert_eq!(lines(&output), wanted, "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{args:?}");
    }
    let whole = folder.path().join("prod").display().to_string();
    for (from, args) in [
        ("", &["HEAD~1", "HEAD", "-f", "./prod"][..]),
        ("", &["HEAD~1", "HEAD", "-f", "prod/"]),
        ("", &["HEAD~1", "HEAD", "-f", &whole]),
        ("", &["HEAD~1:", "HEAD:"]),
        ("prod", &["HEAD~1", "HEAD", "-f", "."]),
        ("prod", &["HEAD~1", "HEAD", "-f", "../prod/shop.yaml"]),
        ("prod", &["HEAD~1", "HEAD", "-f", ".."]),
        ("prod", &["HEAD~1:prod", "HEAD:./"]),
        ("prod", &["HEAD~1:./shop.yaml", "HEAD:prod/shop.yaml"]),
        ("prod", &["HEAD~1:../prod", "HEAD:"]),
    ] {
        let output = diff(&folder.path().join(from), args);
        assert_eq!(lines(&output), wanted, "{from} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_path_that_is_nowhere_is_told_and_one_that_is_new_or_gone_is_compared() {
    let folder = repository();
    git(folder.path(), &["rm", "--quiet", "-r", "prod"]);
    git(folder.path(), &["commit", "--quiet", "--message", "gone"]);
    for (args, code) in [
        (&["HEAD~1", "HEAD", "-f", "clusters/typo"][..], 2),
        (&["HEAD~2", "HEAD~1", "-f", "prod", "-f", "clusters/typo"], 2),
        (&["HEAD~1:clusters/typo", "HEAD:clusters/typo"], 2),
        (&["HEAD~2:prod", "HEAD~1:clusters/typo"], 2),
        (&["HEAD~2:clusters/typo", "HEAD~1:prod"], 2),
        (&["HEAD~1", "-f", "clusters/typo"], 2),
        (&["HEAD~1", "HEAD", "-f", "prod"], 1),
        (&["HEAD~1", "-f", "prod"], 1),
        (&["HEAD~1:prod", "HEAD:prod"], 1),
        (&["HEAD", "HEAD~1", "-f", "prod"], 1),
    ] {
        let output = diff(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert_eq!(error.contains("there is no manifest at \"clusters/typo\""), code == 2, "{args:?}: {error}");
    }
}

/// What is not looked into could hold what opens everything.
#[test]
fn links_and_submodules_of_a_revision_are_refused() {
    for (link, to, looked_at, wanted) in [
        ("prod/more", Some("../other"), "prod", "prod/more is a link"),
        ("prod/more", Some("/etc"), "prod", "prod/more is a link"),
        ("prod/more", Some("../../outside"), "prod", "prod/more is a link"),
        ("prod/more.yaml", Some("shop.yaml"), "prod", "prod/more.yaml is a link"),
        ("link", Some("prod"), "link", "link is a link"),
        ("link", Some("other"), "link/x.yaml", "link is a link"),
        ("prod/text", Some("README.md"), "prod", ""),
        ("prod/dangling", Some("nowhere"), "prod", ""),
        ("prod/sub", None, "prod", "prod/sub is a submodule"),
        ("prod/sub", None, "prod/sub", "prod/sub is a submodule"),
        ("prod/sub", None, "prod/sub/x.yaml", "prod/sub is a submodule"),
        ("elsewhere", None, "prod", ""),
    ] {
        let folder = repository();
        let at = folder.path();
        fs::create_dir(at.join("other")).expect("a folder");
        fs::copy(at.join("prod/shop.yaml"), at.join("other/x.yaml")).expect("a copy");
        if let Some(to) = to {
            std::os::unix::fs::symlink(to, at.join(link)).expect("a link");
            git(at, &["add", "--all"]);
        } else {
            let head = Command::new("git").current_dir(at).args(["rev-parse", "HEAD"]).output().expect("git");
            let entry = format!("160000,{},{link}", said(&head).trim());
            git(at, &["update-index", "--add", "--cacheinfo", &entry]);
        }
        git(at, &["commit", "--quiet", "--message", "more"]);
        let output = diff(at, &["HEAD", "HEAD", "-f", looked_at]);
        let error = String::from_utf8_lossy(&output.stderr);
        let code = if wanted.is_empty() { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{link} {to:?} {looked_at}: {error}");
        assert!(error.contains(wanted), "{link} {to:?} {looked_at}: {error}");
    }
}

#[test]
fn what_cannot_be_compared_is_said_and_opens_nothing() {
    let folder = repository();
    fs::write(folder.path().join("broken.yaml"), "kind: NetworkPolicy\n  a: b").expect("it is written");
    for (args, code, wanted) in [
        (&["nowhere", "HEAD", "-f", "prod"][..], 2, "\"nowhere\" is no revision of the git repository"),
        (&["--", "-x", "HEAD:prod"], 2, "\"-x\" is no file, no folder and not REVISION:PATH"),
        (&["HEAD:prod", "elsewhere"], 2, "\"elsewhere\" is no file, no folder and not REVISION:PATH"),
        (&["HEAD:prod", "broken.yaml"], 2, "broken.yaml:2"),
        (&["HEAD:prod", "-"], 2, "standard input is empty: did what writes it fail?"),
        (&["HEAD~1", "HEAD", "-f", ".."], 2, "lies outside of the git repository"),
        (&["HEAD~1:../x", "HEAD"], 2, "lies outside of the git repository"),
        (&["HEAD:prod"], 3, "give what to compare with"),
        (&["-", "-"], 3, "standard input can be one side only"),
        (&["HEAD", "-", "-f", "prod"], 3, "BASE and HEAD are revisions of git"),
    ] {
        let output = diff(folder.path(), args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert!(error.contains(wanted), "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// The zone of the examples, and what is put beside it.
fn with(extra: &str) -> String {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/changes/exec-granted/base.yaml");
    let base = fs::read_to_string(base).expect("a manifest");
    if extra.is_empty() { base } else { format!("{base}---\n{extra}") }
}

fn binding(who: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{namespace: vault, name: debug}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}\n\
         subjects: [{{kind: Group, apiGroup: rbac.authorization.k8s.io, name: \"{who}\"}}]\n"
    )
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{namespace: vault, name: p}}\nspec: {spec}\n"
    )
}

fn cilium(spec: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{namespace: vault, name: c}}\nspec: {spec}\n"
    )
}

fn service(kind: &str, ports: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{namespace: vault, name: vault}}\n\
         spec: {{type: {kind}, selector: {{app: vault}}, ports: [{ports}]{more}}}\n"
    )
}

/// Changes that a comparison of lines, or of findings by their names, would not tell.
#[test]
fn what_becomes_worse_without_a_new_name_is_told() {
    let any = "{podSelector: {matchExpressions: [{key: app, operator: OPERATOR, values: [VALUES]}]}, ingress: [{}]}";
    let select = |operator: &str, values: &str| policy(&any.replace("OPERATOR", operator).replace("VALUES", values));
    let from = |namespace: &str| {
        cilium(&format!(
            "{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{{matchLabels: {{k8s:io.kubernetes.pod.namespace: {namespace}}}}}]}}]}}"
        ))
    };
    let names = |matched: &str| cilium(&format!("{{endpointSelector: {{}}, egress: [{{toFQDNs: [{{{matched}}}]}}]}}"));
    let two = "{port: 1, targetPort: 8443}, {port: 2, targetPort: 9000}";
    let one = "{port: 1, targetPort: 8443}";
    for (base, head, wanted) in [
        (binding("dba"), binding("system:unauthenticated"), "system:unauthenticated may run commands"),
        (select("In", "vault"), select("In", "vault, batch"), "for pods app=batch in vault (none now)"),
        (select("In", "future"), select("In", "future, later"), "for pods app=later in vault (none now)"),
        (select("NotIn", "vault, a"), select("NotIn", "vault"), "for pods app=a in vault (none now)"),
        (
            from("storefront"),
            cilium(
                "{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: storefront}}]}, {fromEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: kube-public}}]}]}",
            ),
            "all pods in kube-public (none now)",
        ),
        (String::new(), names("matchPattern: \"*\""), "it is new or says something else"),
        (service("NodePort", one, ""), service("NodePort", two, ""), "! opens a door to pods vault/vault"),
        (
            service("LoadBalancer", one, ", loadBalancerSourceRanges: [203.0.113.0/24]"),
            service("LoadBalancer", one, ""),
            "for everybody",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("base.yaml"), with(&base)).expect("it is written");
        fs::write(folder.path().join("head.yaml"), with(&head)).expect("it is written");
        let output = diff(folder.path(), &["base.yaml", "head.yaml"]);
        assert!(said(&output).contains(wanted), "{head}\n{}", said(&output));
        assert_eq!(output.status.code(), Some(1), "{head}\n{}", said(&output));
    }
}

/// A policy that means more than the flow that covers those of now.
#[test]
fn a_policy_wider_than_a_flow_is_not_covered_by_it() {
    let zone = |mode: &str| with("").replace("mode: Enforce", &format!("mode: {mode}"));
    let deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: vault, name: deny}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";
    let wide = "{podSelector: {matchLabels: {app: vault}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: checkout}}}], ports: [{port: 8443}]}]}";
    for mode in ["Observe", "Enforce"] {
        let base = format!("{}---\n{deny}", zone(mode));
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("base.yaml"), &base).expect("it is written");
        fs::write(folder.path().join("head.yaml"), format!("{base}---\n{}", policy(wide))).expect("it is written");
        let output = diff(folder.path(), &["base.yaml", "head.yaml"]);
        let wanted = "! adds ingress from all pods in checkout (also those to come) on TCP 8443 for pods app=vault in vault; no flow covers it";
        assert!(said(&output).contains(wanted), "{mode}:\n{}", said(&output));
        assert_eq!(output.status.code(), Some(1), "{mode}");
    }
}

/// Nobody looks any more: that is no success.
#[test]
fn a_zone_that_goes_is_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let base = with("").replace("mode: Enforce", "mode: Observe");
    let head = base.split_once("---\n").expect("a zone").1;
    fs::write(folder.path().join("base.yaml"), &base).expect("it is written");
    fs::write(folder.path().join("head.yaml"), head).expect("it is written");
    let output = diff(folder.path(), &["base.yaml", "head.yaml"]);
    assert!(said(&output).contains("! cardholder-data: the zone is gone"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(1));
}
