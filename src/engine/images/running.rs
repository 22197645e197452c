//! What a zone runs, image by image, and what scanners say of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::{
    container::Image,
    fixes::Fixes,
    reference::Reference,
    report::Report,
    verdict::{Said, Verdict},
};
use crate::{api::Scanning, engine::pod::Pod};

/// What reports say, by the digest that it is about.
#[derive(Default)]
pub struct Evidence<'a> {
    digests: BTreeMap<&'a str, Vec<Said<'a>>>,
    /// Images that a report names by a tag alone.
    tags: BTreeSet<&'a str>,
}

impl<'a> Evidence<'a> {
    /// Of these reports.
    pub fn of(reports: impl Iterator<Item = &'a Report>) -> Self {
        let mut evidence = Evidence::default();
        for report in reports {
            for statement in &report.says {
                match &statement.digest {
                    Some(digest) => evidence.digests.entry(digest).or_default().push((report, statement)),
                    None => {
                        evidence.tags.insert(&statement.image);
                    }
                }
            }
        }
        evidence
    }

    /// What they say of each digest.
    pub fn all(&self) -> impl Iterator<Item = (&'a str, &[Said<'a>])> {
        self.digests.iter().map(|(digest, said)| (*digest, said.as_slice()))
    }

    fn about(&self, digest: &str) -> &[Said<'a>] {
        self.digests.get(digest).map(Vec::as_slice).unwrap_or_default()
    }
}

/// An image as pods name it.
#[derive(Debug)]
pub struct Use<'a> {
    /// It, read; or why it cannot be read.
    pub reference: Result<Reference, String>,
    /// The pods with a container of it.
    pub pods: Vec<&'a Pod>,
    /// The digests that run.
    pub runs: BTreeSet<&'a str>,
    /// Those of them that are just what the registry was asked for.
    pub exact: BTreeSet<&'a str>,
    /// Something of it has begun, and neither its name nor a node tells by which digest.
    pub is_untold: bool,
    /// A report is about its tag, which may have meant anything then.
    pub is_told_by_tag: bool,
    /// What holds of what runs: each digest that has to be proven by itself, by the names that it may have in reports.
    pub verdicts: Vec<(&'a str, Verdict<'a>)>,
}

impl Use<'_> {
    /// The object of a finding about it.
    pub fn subject(&self, named: &str) -> String {
        match &self.reference {
            Ok(reference) => format!("Image/{reference}"),
            Err(_) => format!("Image/{named}"),
        }
    }
}

/// The images that some pods run, by their names as pods spell them.
pub fn uses<'a>(pods: impl Iterator<Item = &'a Pod>) -> BTreeMap<&'a str, Use<'a>> {
    let mut all: BTreeMap<&str, Use> = BTreeMap::new();
    for pod in pods {
        for Image { container: _, named, runs, has_begun, is_exact } in pod.images.iter() {
            let one = all.entry(named).or_insert_with(|| Use {
                reference: Reference::parse(named),
                pods: Vec::new(),
                runs: BTreeSet::new(),
                exact: BTreeSet::new(),
                is_untold: false,
                is_told_by_tag: false,
                verdicts: Vec::new(),
            });
            if one.pods.last().is_none_or(|last| last.key != pod.key) {
                one.pods.push(pod);
            }
            one.is_untold |= *has_begun && runs.is_none() && super::container::digest(named).is_none();
            one.runs.extend(runs.as_deref());
            one.exact.extend(runs.as_deref().filter(|_| *is_exact));
        }
    }
    all
}

/// Judges what runs by what reports say of it.
pub fn judge<'a>(
    named: &'a str,
    one: &mut Use<'a>,
    evidence: &Evidence<'a>,
    rules: &Scanning,
    fixes: &Fixes,
    now: Timestamp,
) {
    {
        let pinned = super::container::digest(named);
        let about = |digests: &mut dyn Iterator<Item = &'a str>| -> Verdict<'a> {
            let said: Vec<Said> = digests.flat_map(|digest| evidence.about(digest)).copied().collect();
            Verdict::of(&said, rules, fixes, now)
        };
        one.is_told_by_tag = one.reference.as_ref().is_ok_and(|one| evidence.tags.contains(one.to_string().as_str()));
        one.verdicts = match pinned {
            // What is named may be an index, and what a node tells the manifest of its platform: one image, whichever the report names. Where a
            // node tells just what it asked for, something else is another image.
            Some(pinned) => {
                let is_other = |digest: &&str| *digest != pinned && one.exact.contains(digest);
                let mut same =
                    std::iter::once(pinned).chain(one.runs.iter().copied().filter(|d| *d != pinned && !is_other(d)));
                let others = one.runs.iter().copied().filter(is_other);
                let own = (pinned, about(&mut same));
                std::iter::once(own).chain(others.map(|digest| (digest, about(&mut std::iter::once(digest))))).collect()
            }
            None => one.runs.iter().map(|digest| (*digest, about(&mut std::iter::once(*digest)))).collect(),
        };
    }
}
