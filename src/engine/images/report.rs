//! What scanners reported, as far as it decides. Small: a report may be a megabyte, and a cluster has thousands.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::engine::{change::short_digest, intake::Kind};

/// Vulnerabilities of one image that are kept. Of more than these the least severe are left out, and the scan says so.
pub const VULNERABILITIES: usize = 500;
/// Letters of a vulnerability's name in its key.
const NAME: usize = 64;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is.
    pub kind: Kind,
    /// Its namespace; empty where it has none.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it says, image by image.
    pub says: Vec<Statement>,
}

impl Report {
    /// The object as `Kind/namespace/name` or `Kind/name`.
    pub fn subject(&self) -> String {
        let namespace = if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        format!("{}/{namespace}{}", self.kind.as_str(), self.name)
    }
}

/// What a report says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The digest that it is about, as `sha256:…`. Without one it is about a tag, which proves nothing of what runs.
    pub digest: Option<Arc<str>>,
    /// The image as `REGISTRY/REPOSITORY` or `REGISTRY/REPOSITORY:TAG`, with the Docker Hub spelt out; empty where the report does not tell.
    pub image: Arc<str>,
    /// What it says.
    pub what: What,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It was scanned.
    Scan(Scan),
    /// There is a bill of materials.
    Sbom,
    /// Somebody signed it, and this was checked.
    Signed {
        /// Who.
        by: Arc<str>,
    },
}

/// A scan of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// When it was made.
    pub at: Timestamp,
    /// Name of the scanner.
    pub scanner: Arc<str>,
    /// Those vulnerabilities for which a fixed version is known, the worst first, at most [`VULNERABILITIES`].
    pub fixable: Arc<[Vulnerability]>,
    /// How many have no fix yet, the critical ones.
    pub unfixed_critical: u32,
    /// There are more than are kept.
    pub is_cut: bool,
}

/// A vulnerability that can be fixed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vulnerability {
    /// How bad it is.
    pub severity: Level,
    /// Its name, such as `CVE-2026-1234`.
    pub id: Arc<str>,
    /// The package in which it is.
    pub package: Arc<str>,
    /// The first version without it.
    pub fixed: Arc<str>,
    /// When it was published: a fix was hardly known before.
    pub published: Option<Timestamp>,
    /// By which it is known since when there is a fix, whatever image it is in.
    pub key: Arc<str>,
}

impl Vulnerability {
    /// One, as a scanner tells it.
    pub fn new(severity: Level, id: &str, package: &str, fixed: &str, published: Option<Timestamp>) -> Self {
        let key = key(id, package, "").into();
        Vulnerability { severity, id: id.into(), package: package.into(), fixed: fixed.into(), published, key }
    }

    /// The same in images of this operating system: each distribution mends a package in its own time.
    #[must_use]
    pub fn on(mut self, system: &str) -> Self {
        self.key = key(&self.id, &self.package, system).into();
        self
    }
}

/// Of letters that a key of a `ConfigMap` may have.
fn key(id: &str, package: &str, system: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = id.chars().take(NAME).map(letter).collect();
    // The name as it is goes into the digest too: two of them may have the same letters.
    format!("{name}.{}", short_digest(&format!("{id}\n{package}\n{system}")))
}

/// How bad a vulnerability is, by its scanner; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Critical.
    Critical,
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low, or what the scanner does not know.
    Low,
}

impl Level {
    /// In a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Critical => "critical",
            Level::High => "high",
            Level::Medium => "medium",
            Level::Low => "low",
        }
    }
}
