//! References, and what is to come of each: in the API server, and in the engine.

use k8s_openapi::jiff::Timestamp;
use pcizone::{api::Mode, engine::images::gate};
use serde_json::json;
use testbed::Version;

use super::{HEX, MARK, Place, bed_of, bring, bringing, enforce, exception, later, zone};
use crate::admission::{
    asking::{Answer, ask},
    people::People,
};

/// What is to come of a reference; each with it as it is told.
#[derive(Clone, Debug)]
enum Wanted {
    Allowed,
    Foreign(String),
    Unpinned(String),
    Unreadable,
    /// The API server itself refuses it, before it asks any policy.
    Nowhere,
}

impl Wanted {
    /// The words that tell it.
    fn message(&self, image: &str) -> Option<String> {
        match self {
            Wanted::Allowed => None,
            Wanted::Foreign(shown) => Some(format!(
                "zone cde: the image {shown} is of a registry that the zone does not allow (ImageRegistryNotAllowed). Copy it to where images are \
                 allowed from: {MARK}, registry.example.com/pci, registry.example.com:5000, localhost:5000, docker.io/library, ghcr.io/pci/app; or"
            )),
            Wanted::Unpinned(shown) => Some(format!(
                "zone cde: the image {shown} is named without its digest, so whoever may write to the registry decides what runs (ImageNotPinned). Name it as"
            )),
            Wanted::Unreadable | Wanted::Nowhere => Some(format!(
                "zone cde: the image {image} is no reference that can be read, so nobody can tell where it comes from (ImageRegistryNotAllowed). Write it as"
            )),
        }
    }
}

fn rows() -> Vec<(String, Wanted)> {
    let mut rows = Vec::new();
    let mut row = |image: String, wanted: Wanted| rows.push((image, wanted));
    // Pinned, from here and there.
    for image in [
        "registry.example.com/pci/app",
        "registry.example.com/pci",
        "registry.example.com/pci:1.2",
        "registry.example.com/pci/app:1.2",
        "registry.example.com/pci/team_a/app-1.x",
        "registry.example.com:5000/anything/else",
        "localhost:5000/app",
        "nginx",
        "nginx:1.29",
        "library/nginx",
        "docker.io/nginx",
        "index.docker.io/library/nginx",
        "ghcr.io/pci/app",
        "registry.example.com",
        "quay.io/tools/debug",
    ] {
        row(format!("{image}@sha256:{HEX}"), Wanted::Allowed);
    }
    for (image, normal) in [
        ("registry.example.com/pci-test/app", ""),
        ("registry.example.com/pcitest", ""),
        ("registry.example.com/app", ""),
        ("registry.example.com/other/pci/app", ""),
        ("registry.example.com.evil.io/pci/app", ""),
        ("evil.io/registry.example.com/pci/app", ""),
        ("evil-registry.example.com/pci/app", ""),
        ("registry.example.com:5001/pci/app", ""),
        ("registry.example.com:50000/pci/app", ""),
        ("registry.example.com:443/pci/app", ""),
        ("registry-example.com/pci/app", ""),
        ("registry.examp1e.com/pci/app", ""),
        ("xn--registry-example-com.io/pci/app", ""),
        ("Registry.example.com/pci/app", ""),
        ("REGISTRY.EXAMPLE.COM/pci/app", ""),
        ("Docker.io/library/nginx", ""),
        ("localhost/app", ""),
        ("localhost:50000/app", ""),
        ("127.0.0.1:5000/app", ""),
        ("[::1]:5000/app", ""),
        ("ghcr.io/pci/app2", ""),
        ("ghcr.io/pci", ""),
        ("quay.io/tools/deep/debug", ""),
        ("registry.k8s.io/pause:3.10", ""),
        ("registry-1.docker.io/library/nginx", ""),
        ("bitnami/nginx", "docker.io/bitnami/nginx"),
        ("docker.io/bitnami/nginx", ""),
        ("index.docker.io/bitnami/nginx", "docker.io/bitnami/nginx"),
        ("pci/app:1", "docker.io/pci/app:1"),
        ("registry/pci/app", "docker.io/registry/pci/app"),
    ] {
        let normal = if normal.is_empty() { image } else { normal };
        row(format!("{image}@sha256:{HEX}"), Wanted::Foreign(format!("{normal}@sha256:{HEX}")));
    }
    let long = HEX.repeat(2);
    for (image, normal) in [
        ("nginx".to_string(), "docker.io/library/nginx".to_string()),
        ("nginx:1.29".to_string(), "docker.io/library/nginx:1.29".to_string()),
        ("registry.example.com:5000".to_string(), "docker.io/library/registry.example.com:5000".to_string()),
        ("registry.example.com/pci/app:latest".to_string(), "registry.example.com/pci/app:latest".to_string()),
        (format!("nginx:{HEX}"), format!("docker.io/library/nginx:{HEX}")),
        (format!("nginx:{}", "a".repeat(128)), format!("docker.io/library/nginx:{}", "a".repeat(128))),
        (format!("nginx@sha512:{long}"), format!("docker.io/library/nginx@sha512:{long}")),
    ] {
        row(image, Wanted::Unpinned(normal));
    }
    for image in unreadable() {
        row(image, Wanted::Unreadable);
    }
    for image in ["", " ", " nginx", "nginx ", "nginx\n", "\tnginx"] {
        row(image.to_string(), Wanted::Nowhere);
    }
    rows
}

fn unreadable() -> Vec<String> {
    let pinned = [
        "registry.example.com@evil.io/pci/app",
        "user:password@registry.example.com/pci/app",
        "registry.example.com./pci/app",
        "registry.example.com../pci/app",
        "registry..example.com/pci/app",
        ".registry.example.com/pci/app",
        "-registry.example.com/pci/app",
        "registry_example.com/pci/app",
        "registry.example.com:/pci/app",
        "registry.example.com:port/pci/app",
        "registry.example.com:5000:5000/app",
        "https://registry.example.com/pci/app",
        "//registry.example.com/pci/app",
        "registry.example.com//pci/app",
        "registry.example.com/pci//app",
        "registry.example.com/pci/app/",
        "registry.example.com/pci/../../evil/app",
        "registry.example.com/pci/./app",
        "registry.example.com/pci/..",
        "registry.example.com/PCI/app",
        "registry.example.com/pci/app%2f..%2fevil",
        "registry.example.com%2fpci/app",
        "registry.example.com/pci/аpp",
        "rеgistry.example.com/pci/app",
        "registry。example.com/pci/app",
        "ｒegistry.example.com/pci/app",
        "registry.example.com/pci/app\u{200b}",
        "registry.example.com/pci app",
        "registry.example.com/pci\\app",
        "registry.example.com/pci/app?tag=1",
        "registry.example.com/pci/app#1",
        "registry.example.com/pci/app:1:2",
        "registry.example.com/pci/app:.1",
        "registry.example.com/pci/app:-1",
        "registry.example.com/pci/app:",
        "[::1/app",
        "[::g]/app",
        "[fe80::1%25eth0]/app",
        "a___b",
        "a._b",
    ];
    let mut all: Vec<String> = pinned.iter().map(|image| format!("{image}@sha256:{HEX}")).collect();
    all.extend([
        "registry.example.com@evil".to_string(),
        HEX.to_string(),
        format!("sha256:{HEX}"),
        format!("sha512:{}", HEX.repeat(2)),
        format!("nginx:{}", "a".repeat(129)),
        format!("nginx@{HEX}"),
        "nginx@sha256:".to_string(),
        format!("nginx@sha256:{}", &HEX[1..]),
        format!("nginx@sha256:{HEX}0"),
        format!("nginx@sha256:{}", HEX.to_uppercase()),
        format!("nginx@SHA256:{HEX}"),
        format!("nginx@sha512:{HEX}"),
        format!("nginx@md5:{}", &HEX[..32]),
        format!("nginx@sha256:{HEX}:1"),
        format!("nginx@sha256:{HEX}@sha256:{HEX}"),
        format!("ghcr.io/{}@sha256:{HEX}", "a".repeat(248)),
        "a".repeat(239),
    ]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_and_the_engine_say_the_same_of_each_reference() {
    agree(Version::Current).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_api_server_says_it_too() {
    agree(Version::V135).await;
}

async fn agree(version: Version) {
    let bed = bed_of(version).await;
    let people = People::of(&bed).await;
    let pinned = format!("{MARK}/good@sha256:{HEX}");
    bring(&bed.client, "running", &pinned).await.unwrap();
    let registries = [
        MARK,
        "registry.example.com/pci",
        "registry.example.com:5000",
        "localhost:5000",
        "docker.io/library",
        "ghcr.io/pci/app",
    ];
    let subject = "Image/quay.io/tools/*";
    let exceptions = [exception("ImageRegistryNotAllowed", subject, later(3600))];
    let zone = zone(&json!({ "registries": registries }), &json!({ "exceptions": exceptions }));
    enforce(&bed, &zone, Mode::Enforce, false).await;
    let rows = rows();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for (index, (image, wanted)) in rows.iter().enumerate() {
        let shown: String = image.chars().take(200).collect();
        let shown = if shown.len() < image.len() { format!("{shown}…") } else { shown };
        let message = wanted.message(&shown);
        let said = gate::judge(image, &zone, Timestamp::now()).map(|refused| refused.message("cde"));
        let is_so = match (&said, &message) {
            (None, None) => true,
            (Some(said), Some(message)) => said.starts_with(message),
            (_, _) => false,
        };
        if !is_so {
            wrong.push(format!("the engine of {image:?}: {wanted:?}, and not {said:?}"));
        }
        // Each in two places, all places in turn.
        for place in [Place::ALL[index % 4], Place::ALL[(index + 1) % 4]] {
            let row = bringing(image, place);
            asked += 1;
            let answer = ask(people.client(row.who), &row).await;
            let is_so = match (&answer, wanted) {
                (Answer::Allowed { .. }, Wanted::Allowed) => true,
                // A volume may have its image filled in later.
                (Answer::Refused(text), Wanted::Nowhere) => !text.is_empty(),
                (Answer::Refused(text), _) => said.as_ref().is_some_and(|said| text.ends_with(said.as_str())),
                (Answer::Allowed { .. }, _) => false,
            };
            if !is_so {
                wrong.push(format!("{image:?} in {place:?}: {wanted:?}, and not {answer:?}"));
            }
        }
    }
    eprintln!("{} references, {asked} requests", rows.len());
    assert!(rows.len() >= 60, "the table has {} rows", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}
