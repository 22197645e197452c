//! An audit policy as the API server reads it. What it refuses is refused here too; fields that it does not know are left out.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use crate::engine::retention::answer::shown;

/// Letters of a text that is read.
const LETTERS: usize = 16_384;
/// Rules of a policy that is judged: published ones have some dozens.
const RULES: usize = 500;
/// The version that API servers read.
const VERSION: &str = "audit.k8s.io/v1";

/// An audit policy.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default, deserialize_with = "list")]
    omit_stages: Vec<Stage>,
    #[serde(default, deserialize_with = "list")]
    rules: Vec<Rule>,
}

/// How much of a request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Level {
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// When a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Stage {
    RequestReceived,
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// A rule: the first that matches decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) level: Level,
    #[serde(default, deserialize_with = "list")]
    users: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    user_groups: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    verbs: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    resources: Vec<GroupResources>,
    #[serde(default, deserialize_with = "list")]
    namespaces: Vec<String>,
    #[serde(rename = "nonResourceURLs", default, deserialize_with = "list")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    omit_stages: Vec<Stage>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default, deserialize_with = "list")]
    resources: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    resource_names: Vec<String>,
}

/// A request as rules see it. Names are `None` where they are none that anybody wrote into a rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) groups: &'a [&'a str],
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    pub(super) resource: &'a str,
    pub(super) subresource: &'a str,
    /// Empty where it is in none.
    pub(super) namespace: Option<&'a str>,
    /// Empty where it is about no single object.
    pub(super) name: Option<&'a str>,
}

impl Policy {
    /// Reads a policy; in words, why it cannot be read.
    pub fn read(text: &str) -> Result<Policy, String> {
        if text.chars().nth(LETTERS).is_some() {
            return Err(format!("it is longer than {LETTERS} letters"));
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: 16,
                flow_nesting_limit: 16,
                max_events: 50_000,
                max_nodes: 25_000,
                max_aliases: 0,
                max_anchors: 0,
                max_merge_keys: 0,
            },
            with_snippet: false,
        };
        let policy: Policy = serde_saphyr::from_str_with_options(text, options).map_err(|error| match error {
            serde_saphyr::Error::Budget { .. } => "it is too large or too deep, or has anchors".to_string(),
            error => shown(&error.to_string()),
        })?;
        if policy.kind != "Policy" || policy.api_version != VERSION {
            return Err(format!("it is no Policy of {VERSION}, which is the only one that API servers read"));
        }
        if policy.rules().is_empty() {
            return Err("it has no rule, and so no API server takes it".to_string());
        }
        if policy.rules().len() > RULES {
            return Err(format!("it has more than {RULES} rules"));
        }
        let is_mixed =
            |rule: &Rule| !rule.urls.is_empty() && (!rule.resources.is_empty() || !rule.namespaces.is_empty());
        if let Some(place) = policy.rules().iter().position(is_mixed) {
            return Err(format!(
                "rule {} names resources and URLs that are none, which no API server takes",
                place + 1
            ));
        }
        Ok(policy)
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule that decides about a request, and its place in the list.
    pub(super) fn decides(&self, request: &Request) -> Option<(usize, &Rule)> {
        self.rules().iter().enumerate().find(|(_, rule)| rule.matches(request))
    }

    /// At this stage nothing is written of what the rule matches.
    pub(super) fn omits(&self, rule: &Rule, stage: Stage) -> bool {
        self.omit_stages.contains(&stage) || rule.omit_stages.contains(&stage)
    }

    /// Some rule reads this group of users.
    pub(super) fn reads_group(&self, group: &str) -> bool {
        self.rules().iter().any(|rule| has(&rule.user_groups, group))
    }

    /// Namespaces and objects that rules name.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let namespaces = self.rules().iter().flat_map(|rule| &rule.namespaces);
        let resources = self.rules().iter().flat_map(|rule| &rule.resources);
        let objects = resources.flat_map(|resources| &resources.resource_names);
        namespaces.chain(objects).map(String::as_str).collect()
    }
}

impl Rule {
    fn matches(&self, request: &Request) -> bool {
        // Whoever is meant by name is not everybody.
        if !self.users.is_empty() {
            return false;
        }
        let groups = &self.user_groups;
        if !groups.is_empty() && !request.groups.iter().any(|group| has(groups, group)) {
            return false;
        }
        let verbs = &self.verbs;
        if !verbs.is_empty() && !has(verbs, request.verb) {
            return false;
        }
        let (namespaces, resources) = (&self.namespaces, &self.resources);
        if namespaces.is_empty() && resources.is_empty() {
            return self.urls.is_empty();
        }
        let is_in = request.namespace.is_some_and(|namespace| has(namespaces, namespace));
        (namespaces.is_empty() || is_in)
            && (resources.is_empty() || resources.iter().any(|resources| resources.matches(request)))
    }
}

impl GroupResources {
    fn matches(&self, request: &Request) -> bool {
        if self.group != request.group {
            return false;
        }
        let (resources, names) = (&self.resources, &self.resource_names);
        if resources.is_empty() {
            return true;
        }
        let is_meant = names.is_empty() || request.name.is_some_and(|name| has(names, name));
        is_meant && resources.iter().any(|pattern| is_of(pattern, request))
    }
}

/// `pods` is not `pods/exec`.
fn is_of(pattern: &str, request: &Request) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => request.subresource.is_empty() && pattern == request.resource,
        Some((resource, "*")) if resource == request.resource => true,
        Some((resource, subresource)) => {
            !request.subresource.is_empty()
                && subresource == request.subresource
                && (resource == request.resource || resource == "*")
        }
    }
}

/// A list that is null is none.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|one| one == text)
}
