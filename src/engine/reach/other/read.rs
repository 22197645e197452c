//! Reads policies part by part, so that what is not understood in one of them is named and the rest is kept.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    api::Protocol,
    engine::reach::{Selectors, Terms, sets::Ports},
};

/// Something in a policy that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where it stands.
    pub field: String,
    /// What it is.
    pub why: String,
}

impl Trouble {
    pub(super) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Trouble { field: field.into(), why: why.into() }
    }
}

/// Reads a part of an object.
pub(super) fn part<T: DeserializeOwned>(field: &str, value: Value) -> Result<T, Trouble> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { field.to_string() } else { format!("{field}.{path}") };
        let text = error.inner().to_string();
        // The list of fields that it might have been says nothing to whoever wrote another one.
        let why = text.split_once(", expected").map_or(text.as_str(), |(first, _)| first);
        Trouble::new(field, why)
    })
}

/// The items of a list; none where there is no list.
pub(super) fn items(value: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    value.and_then(Value::as_array).into_iter().flatten().enumerate()
}

/// A selector of which every field is known: one with another field may mean less than it seems to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "StrictSelector")]
pub(super) struct Selector(pub(super) LabelSelector);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StrictSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<StrictRequirement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictRequirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl From<StrictSelector> for Selector {
    fn from(StrictSelector { match_labels, match_expressions }: StrictSelector) -> Self {
        let requirement =
            |StrictRequirement { key, operator, values }| LabelSelectorRequirement { key, operator, values };
        let match_expressions = match_expressions.map(|all| all.into_iter().map(requirement).collect());
        Selector(LabelSelector { match_labels, match_expressions })
    }
}

pub(super) fn terms(field: &str, selector: &LabelSelector) -> Result<Terms, Trouble> {
    Terms::read(selector).ok_or_else(|| Trouble::new(field, "a selector that no API server takes"))
}

/// Pods of some namespaces, all of them or those that a selector means.
pub(super) fn selectors(
    field: &str,
    Selector(namespaces): &Selector,
    pods: Option<&Selector>,
) -> Result<Selectors, Trouble> {
    let pods = pods.map(|Selector(pods)| terms(field, pods)).transpose()?.unwrap_or_default();
    Ok(Selectors { namespaces: terms(field, namespaces)?, pods })
}

/// A network, or a single address.
pub(super) fn network(field: &str, text: &str) -> Result<IpNet, Trouble> {
    let net = text.parse::<IpNet>().map(|net| net.trunc());
    let net = net.or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
    net.map_err(|_| Trouble::new(field, format!("{text:?} is no network")))
}

/// Ports by number and by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedPorts {
    /// By number.
    pub numbers: Ports,
    /// By name.
    pub named: Vec<(Protocol, Box<str>)>,
    /// The rule names no ports, and so means all.
    pub any: bool,
}

impl NamedPorts {
    pub(super) fn any() -> Self {
        NamedPorts { numbers: Ports::all(), named: Vec::new(), any: true }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.named.is_empty()
    }

    /// A name without protocol.
    pub(super) fn add_name(&mut self, name: &str) {
        self.named.extend(Protocol::ALL.into_iter().map(|protocol| (protocol, name.into())));
    }
}
