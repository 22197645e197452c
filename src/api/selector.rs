//! A label selector with limits, so that the API server can bound what it checks.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A label selector: all of `matchLabels` and all of `matchExpressions` must hold. An empty selector matches everything.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.matchLabels) || self.matchLabels.all(key, !format.qualifiedName().validate(key).hasValue())")
    .message("matchLabels: each key is a label key such as app or example.com/team: at most 63 letters, digits, '-', '_' and '.', if need be after a DNS name and a slash"))]
pub struct Selector {
    /// Labels that must be there with exactly these values; at most 16. Example: `{app: checkout}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub match_labels: BTreeMap<String, String>,

    /// Further requirements; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on one label.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : (!has(self.values) || size(self.values) == 0)")
        .message("matchExpressions: In and NotIn need values, Exists and DoesNotExist take none"),
    validation = Rule::new("self.key.indexOf('/') <= 253")
        .message("matchExpressions: a key has at most 253 characters before the slash"),
)]
pub struct Requirement {
    /// Label key. Example: `topology.kubernetes.io/zone`.
    #[schemars(
        length(min = 1, max = 317),
        regex(
            pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
        )
    )]
    pub key: String,
    /// How the label is compared.
    pub operator: Operator,
    /// Values for `In` and `NotIn`; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        inner(length(max = 63), regex(pattern = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"))
    )]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl Operator {
    fn as_str(self) -> &'static str {
        match self {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        }
    }
}

impl Selector {
    /// Label keys that the selector reads.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.match_labels.keys().map(String::as_str).chain(self.match_expressions.iter().map(|r| r.key.as_str()))
    }
}

impl From<&Selector> for LabelSelector {
    fn from(selector: &Selector) -> Self {
        let expressions: Vec<_> = selector
            .match_expressions
            .iter()
            .map(|r| LabelSelectorRequirement {
                key: r.key.clone(),
                operator: r.operator.as_str().to_string(),
                values: (!r.values.is_empty()).then(|| r.values.clone()),
            })
            .collect();
        LabelSelector {
            match_labels: (!selector.match_labels.is_empty()).then(|| selector.match_labels.clone()),
            match_expressions: (!expressions.is_empty()).then_some(expressions),
        }
    }
}

/// Schema of a map of labels: bounds that the derive macros have no words for.
fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {
            "type": "string",
            "maxLength": 63,
            "pattern": r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
        }
    })
}
