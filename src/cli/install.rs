//! `pcizone install`: everything that has to be applied, in one YAML, from the program itself. So nothing is fetched.

use std::io::{self, BufWriter, Write};

use super::{Outcome, written};
use crate::api::crd;

/// The image in `deploy/`, which is nobody's.
const PLACEHOLDER: &str = "image: pcizone:0.1.0\n";
/// The resources of `deploy/kustomize/base` in their order, but for the CRD, which comes behind the namespace.
const BASE: [&str; 7] = [
    include_str!("../../deploy/kustomize/base/namespace.yaml"),
    include_str!("../../deploy/kustomize/base/rbac.yaml"),
    include_str!("../../deploy/kustomize/base/rbac-users.yaml"),
    include_str!("../../deploy/kustomize/base/deployment.yaml"),
    include_str!("../../deploy/kustomize/base/service.yaml"),
    include_str!("../../deploy/kustomize/base/pdb.yaml"),
    include_str!("../../deploy/kustomize/base/networkpolicy.yaml"),
];
const EVICT: &str = include_str!("../../deploy/kustomize/components/evict/rbac.yaml");
const CANARY: &str = include_str!("../../deploy/kustomize/components/canary/rbac.yaml");
const LOGS: [&str; 2] = [
    include_str!("../../deploy/kustomize/components/logs/rbac.yaml"),
    include_str!("../../deploy/kustomize/components/logs/networkpolicy.yaml"),
];
const OPEN_REPORTS: &str = include_str!("../../deploy/kustomize/components/open-reports/rbac.yaml");
const SCANNING: &str = include_str!("../../deploy/kustomize/components/scanning/rbac.yaml");
/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Prints what installs the operator: namespace, CRD, rights, Deployment, Service, disruption budget and NetworkPolicies. It
/// needs no cert-manager and fetches nothing. Exit code 0: printed, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Arguments {
    /// Print it. This program never applies it: pipe it into kubectl apply --server-side -f -
    #[arg(long, required = true)]
    print: bool,
    /// The operator's image in a registry that the cluster reaches, with its digest.
    #[arg(long, value_name = "REF@sha256:DIGEST")]
    image: String,
    /// With the right to evict pods, for zones with spec.hosting.evictMisplaced. In other hands it can drain any node.
    #[arg(long)]
    evict: bool,
    /// With the right to make pods that test whether policies are enforced. In other hands it can run anything anywhere.
    #[arg(long)]
    canary: bool,
    /// With the rights for log forwarders in zones (spec.logging). In other hands they can read every `ConfigMap`.
    #[arg(long)]
    logs: bool,
    /// With the right to write findings as reports of openreports.io. In other hands it can rewrite those of others.
    #[arg(long)]
    open_reports: bool,
    /// With the right to read what scanners report (spec.scanning). In other hands it shows by which holes images can be attacked.
    #[arg(long)]
    scanning: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Err(complaint) = check(&arguments.image) {
        eprintln!("error: {complaint}");
        return Ok(Outcome::Usage);
    }
    let text = manifest(arguments)?;
    let mut out = BufWriter::new(io::stdout().lock());
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(Outcome::Clean)
}

fn manifest(arguments: &Arguments) -> anyhow::Result<String> {
    let [namespace, rest @ ..] = BASE;
    let crd = serde_saphyr::to_string(&crd())?;
    let mut documents = vec![namespace, &crd];
    documents.extend(rest);
    documents.extend(arguments.evict.then_some(EVICT));
    documents.extend(arguments.canary.then_some(CANARY));
    documents.extend(arguments.logs.then_some(LOGS).into_iter().flatten());
    documents.extend(arguments.open_reports.then_some(OPEN_REPORTS));
    documents.extend(arguments.scanning.then_some(SCANNING));
    let mut text = format!(
        "# PciZone {} with {}, printed by pcizone install. Apply it as a whole: kubectl apply --server-side -f FILE\n",
        env!("CARGO_PKG_VERSION"),
        arguments.image
    );
    for document in documents {
        text.push_str("---\n");
        text.push_str(document);
    }
    Ok(text.replace(PLACEHOLDER, &format!("image: {}\n", arguments.image)))
}

/// Why an image is no such, and what to do.
fn check(image: &str) -> Result<(), String> {
    let Some((name, digest)) = image.split_once('@') else {
        return Err(format!(
            "the image {image} has no digest, so what runs would be whatever its tag means that day. Give \
             NAME@sha256:DIGEST; `docker push` prints the digest, and so does `docker buildx imagetools inspect {image}`"
        ));
    };
    let is_digest = digest.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    });
    if !is_digest {
        return Err(format!("the image {image}: a digest is sha256: and {DIGITS} of the characters 0-9 and a-f"));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte);
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if !begins || !name.bytes().all(is_plain) {
        return Err(format!("the image {image}: {name:?} is no name of an image"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_refused_unless_it_says_exactly_what_runs() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (image, complaint) in [
            (format!("registry.example.com/platform/pcizone@{digest}"), None),
            (format!("localhost:5000/pcizone:0.1.0@{digest}"), None),
            ("registry.example.com/pcizone:0.1.0".to_string(), Some("`docker push` prints the digest")),
            ("pcizone@sha256:0a".to_string(), Some("a digest is sha256: and 64")),
            (format!("pcizone@{}", digest.to_uppercase()), Some("a digest is sha256: and 64")),
            (format!("pcizone@{digest} # "), Some("a digest is sha256: and 64")),
            (format!("@{digest}"), Some("is no name of an image")),
            (format!("a: b@{digest}"), Some("is no name of an image")),
            (format!("a\nb@{digest}"), Some("is no name of an image")),
        ] {
            match (check(&image), complaint) {
                (Ok(()), None) => {}
                (Err(said), Some(wanted)) => assert!(said.contains(wanted), "{image}: {said}"),
                (said, _) => panic!("{image}: {said:?}"),
            }
        }
    }

    #[test]
    fn the_placeholder_is_the_only_image() {
        let images = BASE
            .iter()
            .chain([&EVICT, &OPEN_REPORTS, &SCANNING])
            .flat_map(|text| text.lines())
            .filter(|line| line.contains("image:"));
        assert_eq!(images.map(str::trim).collect::<Vec<_>>(), [PLACEHOLDER.trim()]);
    }
}
