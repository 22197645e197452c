//! A policy while it is being written, and what it becomes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Guard, Kind, Surroundings, cel, guard_name, seen};
use crate::{
    api::{FindingId, Mode, names},
    engine::{change, declaration::Declaration, images::gate::Reason},
};

/// Plural of PciZones.
const ZONES: &str = "pcizones";

/// Why something is refused: the finding, what it is, and what to do instead. One line.
pub(super) struct Refusal<'a> {
    pub(super) id: FindingId,
    pub(super) what: &'a str,
    pub(super) instead: &'a str,
}

impl Refusal<'_> {
    fn message(&self, zone: &str) -> String {
        let Refusal { id, what, instead } = self;
        format!("zone {zone}: {what} ({}). {instead}", id.as_str())
    }
}

/// What must be true of a request.
#[derive(Serialize)]
struct Validation {
    expression: String,
    /// A verb that lets its holder pass.
    unless: Option<&'static str>,
    message: String,
    /// The same with what only the request tells, as an expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    telling: Option<String>,
}

/// A `ConfigMap` that a policy reads.
struct Parameter {
    namespace: String,
    name: String,
    /// While it is not there, all that the policy matches is refused, whatever the conditions say and whatever the binding is to do.
    is_needed: bool,
}

impl Parameter {
    fn reference(&self) -> Value {
        let Parameter { namespace, name, is_needed } = self;
        let action = if *is_needed { "Deny" } else { "Allow" };
        json!({ "name": name, "namespace": namespace, "parameterNotFoundAction": action })
    }
}

/// Requests that a policy looks at.
#[derive(Clone, Serialize)]
struct Rule {
    group: String,
    version: String,
    resources: Vec<String>,
    operations: Vec<String>,
    /// The only object that is meant.
    name: Option<String>,
}

impl Rule {
    fn spec(&self) -> Value {
        let Rule { group, version, resources, operations, name } = self;
        let mut rule = Map::new();
        rule.insert("apiGroups".to_string(), json!([group]));
        rule.insert("apiVersions".to_string(), json!([version]));
        rule.insert("resources".to_string(), json!(resources));
        rule.insert("operations".to_string(), json!(operations));
        rule.insert("scope".to_string(), json!("*"));
        rule.extend(name.iter().map(|name| ("resourceNames".to_string(), json!([name]))));
        Value::Object(rule)
    }
}

/// A policy that is being written.
pub(super) struct Draft {
    zone: String,
    /// Last part of its name.
    guard: &'static str,
    rules: Vec<Rule>,
    /// Selector of the namespaces in which it holds.
    pub(super) namespaces: Value,
    conditions: Vec<String>,
    pub(super) variables: Vec<(String, String)>,
    validations: Vec<Validation>,
    /// Whoever holds the verb `break-glass` passes; what needs that is noted in the audit log.
    breakable: bool,
    /// The patch of a mutating policy, and whether it runs again after others changed the object.
    patch: Option<String>,
    /// Only for policies that check.
    parameter: Option<Parameter>,
}

impl Draft {
    pub(super) fn new(zone: &Declaration, guard: &'static str) -> Self {
        Draft {
            zone: zone.name.clone(),
            guard,
            rules: Vec::new(),
            namespaces: json!({}),
            conditions: Vec::new(),
            variables: Vec::new(),
            validations: Vec::new(),
            breakable: false,
            patch: None,
            parameter: None,
        }
    }

    /// Matches requests of these operations, as in `("", "v1", &["pods"], &["CREATE"])`.
    pub(super) fn on(mut self, group: &str, version: &str, resources: &[&str], operations: &[&str]) -> Self {
        let all = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let (group, version) = (group.to_string(), version.to_string());
        self.rules.push(Rule { group, version, resources: all(resources), operations: all(operations), name: None });
        self
    }

    /// Matches only the object of this name.
    pub(super) fn named(mut self, name: &str) -> Self {
        for rule in &mut self.rules {
            rule.name = Some(name.to_string());
        }
        self
    }

    /// Only requests in the zone's namespaces.
    pub(super) fn inside(mut self) -> Self {
        self.namespaces = json!({ "matchExpressions": [
            { "key": names::ZONE_LABEL, "operator": "In", "values": [self.zone] },
        ]});
        self
    }

    /// Only requests in namespaces of others, but for kube-system, which nothing here may stop.
    pub(super) fn outside(mut self) -> Self {
        self.namespaces = json!({ "matchExpressions": [
            { "key": names::ZONE_LABEL, "operator": "NotIn", "values": [self.zone] },
            { "key": names::NAMESPACE_NAME, "operator": "NotIn", "values": [names::SYSTEM_NAMESPACE] },
        ]});
        self
    }

    /// Requests for which this is false are not looked at.
    pub(super) fn when(mut self, expression: impl Into<String>) -> Self {
        self.conditions.push(expression.into());
        self
    }

    /// Everybody but the operator and the controllers that clean up.
    pub(super) fn by_others(self, around: &Surroundings) -> Self {
        let users = [around.operator].into_iter().chain(cel::CLEANERS);
        let expression = format!("!(request.userInfo.username in {})", cel::list(users));
        self.when(expression)
    }

    pub(super) fn variable(mut self, name: impl Into<String>, expression: impl Into<String>) -> Self {
        self.variables.push((name.into(), expression.into()));
        self
    }

    /// Lists of names as variables, each as long as an expression may be.
    pub(super) fn lists(mut self, name: &str, values: &BTreeSet<&str>) -> Self {
        for (index, list) in cel::lists(values.iter().copied()).into_iter().enumerate() {
            self.variables.push((format!("{name}{index}"), list));
        }
        self
    }

    /// A variable that is true where one of many expressions is.
    pub(super) fn any(mut self, name: &str, expressions: &[String]) -> Self {
        let parts = cel::any_of(expressions);
        let names: Vec<String> = (0..parts.len()).map(|index| format!("variables.{name}{index}")).collect();
        for (index, part) in parts.into_iter().enumerate() {
            self.variables.push((format!("{name}{index}"), part));
        }
        self.variables.push((name.to_string(), names.join(" || ")));
        self
    }

    pub(super) fn must(mut self, expression: impl Into<String>, refusal: &Refusal) -> Self {
        let message = refusal.message(&self.zone);
        self.validations.push(Validation { expression: expression.into(), unless: None, message, telling: None });
        self
    }

    /// No image may be in this list, a variable; the refusal names the first that is. What it is goes on after the name.
    pub(super) fn none_of(mut self, list: &str, Reason { id, what, instead }: &Reason) -> Self {
        let start = format!("zone {}: ", self.zone);
        let rest = format!(" {what} ({}). {instead}", id.as_str());
        let telling =
            format!("{} + variables.{list}[0] + {}", cel::text(&format!("{start}the image ")), cel::text(&rest));
        self.validations.push(Validation {
            expression: format!("variables.{list}.size() == 0"),
            unless: None,
            // What the API server says where an image has a line break in it.
            message: format!("{start}an image of the pod{rest}"),
            telling: Some(telling),
        });
        self
    }

    /// The policy reads a `ConfigMap` as `params`. Whether it is in force nobody can ask: while the `ConfigMap` is missing, what would
    /// ask is refused like everything else, and so would be whoever changes the zone for another reason.
    pub(super) fn reading(mut self, namespace: &str, name: &str, is_needed: bool) -> Self {
        let (namespace, name) = (namespace.to_string(), name.to_string());
        self.parameter = Some(Parameter { namespace, name, is_needed });
        self
    }

    /// Whoever holds this verb on the zone passes the last requirement.
    pub(super) fn unless(mut self, verb: &'static str) -> Self {
        if let Some(last) = self.validations.last_mut() {
            last.unless = Some(verb);
        }
        self
    }

    pub(super) fn breakable(mut self) -> Self {
        self.breakable = true;
        self
    }

    pub(super) fn patching(mut self, expression: String) -> Self {
        self.patch = Some(expression);
        self
    }

    fn name(&self) -> String {
        guard_name(&self.zone, self.guard)
    }

    /// The rules, and one by which the operator sees that the policy is in force: a dry run of a patch of the PciZone, which
    /// it may patch anyway and which every policy sees whatever the namespaces are.
    fn matching(&self) -> Value {
        let mut rules: Vec<Value> = self.rules.iter().map(Rule::spec).collect();
        if self.parameter.is_none() && !self.is_about_zone() {
            let all = |text: &str| vec![text.to_string()];
            let (group, version) = (names::GROUP.to_string(), "v1alpha1".to_string());
            let name = Some(self.zone.clone());
            let probe = Rule { group, version, resources: all(ZONES), operations: all("UPDATE"), name };
            rules.push(probe.spec());
        }
        json!({
            "matchPolicy": "Equivalent", "namespaceSelector": self.namespaces, "objectSelector": {},
            "resourceRules": rules,
        })
    }

    fn is_about_zone(&self) -> bool {
        self.rules.iter().any(|rule| rule.resources == [ZONES])
    }

    /// One condition, with the probe past it: the API server evaluates all that there are, also behind one that is false.
    fn match_conditions(&self, probe: &str) -> Value {
        let all: Vec<String> = self.conditions.iter().map(|one| format!("({one})")).collect();
        let all = if all.is_empty() { "true".to_string() } else { all.join(" && ") };
        let expression = if self.parameter.is_some() {
            all
        } else if self.is_about_zone() {
            format!("{probe} || {all}")
        } else {
            format!("request.resource.resource == \"pcizones\" ? {probe} : {all}")
        };
        json!([{ "name": "concerned", "expression": expression }])
    }

    fn declared_variables(&self) -> Vec<Value> {
        let one = |(name, expression): &(String, String)| json!({ "name": name, "expression": expression });
        self.variables.iter().map(one).collect()
    }

    /// Tells one version of the policy from another.
    fn digest(&self) -> String {
        // What reads a parameter is asked by no digest.
        let Draft {
            zone,
            guard,
            rules,
            namespaces,
            conditions,
            variables,
            validations,
            breakable,
            patch,
            parameter: _,
        } = self;
        let all = json!([zone, guard, rules, namespaces, conditions, variables, validations, breakable, patch]);
        change::short_digest(&all.to_string())
    }

    /// A policy that checks, and its binding.
    pub(super) fn validating(mut self, mode: Mode) -> [Guard; 2] {
        let name = self.name();
        let digest = self.digest();
        let probe = is_probe(&digest);
        let conditions = self.match_conditions(&probe);
        // First, because the first refusal is the one that is told.
        let mut validations = match &self.parameter {
            None => vec![json!({ "expression": format!("!({probe})"), "message": seen(&digest) })],
            Some(_) => Vec::new(),
        };
        let mut needed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (index, Validation { expression, unless, message, telling }) in self.validations.iter().enumerate() {
            let check = format!("variables.check{index}");
            // The right is asked for only where something would be refused: it costs more than all the rest.
            let glass = self.breakable.then_some(names::BREAK_GLASS);
            let verbs = unless.iter().copied().chain(glass);
            let passes: Vec<String> = verbs.map(|verb| cel::holds(&self.zone, verb)).collect();
            let expression = if passes.is_empty() {
                expression.clone()
            } else {
                self.variables.push((format!("check{index}"), expression.clone()));
                needed.entry(unless.unwrap_or(names::BREAK_GLASS)).or_default().push(check.clone());
                format!("{check} || {}", passes.join(" || "))
            };
            let mut validation = json!({ "expression": expression, "message": message, "reason": "Forbidden" });
            if let (Some(telling), Some(validation)) = (telling, validation.as_object_mut()) {
                validation.insert("messageExpression".to_string(), json!(telling));
            }
            validations.push(validation);
        }
        // Rights cannot be asked for here. A request that needed one and was let through used it.
        let note = |(verb, checks): (&str, Vec<String>)| {
            let value = format!("{} ? \"\" : \"needed\"", checks.join(" && "));
            json!({ "key": verb, "valueExpression": value })
        };
        let notes: Vec<Value> = needed.into_iter().map(note).collect();
        let variables = self.declared_variables();
        let kind = self.parameter.as_ref().map(|_| json!({ "apiVersion": "v1", "kind": "ConfigMap" }));
        let all = [
            ("failurePolicy", json!("Fail")),
            ("paramKind", kind.unwrap_or(json!([]))),
            ("matchConditions", conditions),
            ("matchConstraints", self.matching()),
            ("variables", json!(variables)),
            ("validations", json!(validations)),
            ("auditAnnotations", json!(notes)),
        ];
        // The API server leaves out lists that are empty.
        let all = all.into_iter().filter(|(_, value)| *value != json!([]));
        let spec = all.map(|(key, value)| (key.to_string(), value)).collect::<Map<_, _>>().into();
        let mut binding = json!({ "policyName": name, "validationActions": actions(mode) });
        if let (Some(parameter), Some(binding)) = (&self.parameter, binding.as_object_mut()) {
            binding.insert("paramRef".to_string(), parameter.reference());
        }
        let probe = (mode.protects() && self.parameter.is_none()).then_some(digest);
        [
            Guard { probe, ..Guard::new(Kind::Validating, &self.zone, &name, spec) },
            Guard::new(Kind::ValidatingBinding, &self.zone, &name, binding),
        ]
    }

    /// A policy that patches, and its binding.
    pub(super) fn mutating(self) -> [Guard; 2] {
        let name = self.name();
        let digest = self.digest();
        let probe = is_probe(&digest);
        let patch = self.patch.clone().unwrap_or_default();
        let path = format!("/metadata/annotations/{}", names::PROBE.replace('/', "~1"));
        let seen = cel::text(&seen(&digest));
        let expression = format!(
            "request.resource.resource == \"pcizones\" ? [JSONPatch{{op: \"replace\", path: {}, value: {seen}}}] : ({patch})",
            cel::text(&path)
        );
        let variables = self.declared_variables();
        let mut spec = json!({
            "failurePolicy": "Fail",
            // What it adds, it looks for first, and nobody else's patch takes it away unseen: the check comes after all.
            "reinvocationPolicy": "Never",
            "matchConditions": self.match_conditions(&probe),
            "matchConstraints": self.matching(),
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }],
        });
        if let Some(spec) = spec.as_object_mut().filter(|_| !variables.is_empty()) {
            spec.insert("variables".to_string(), variables.into());
        }
        [
            Guard { probe: Some(digest), ..Guard::new(Kind::Mutating, &self.zone, &name, spec) },
            Guard::new(Kind::MutatingBinding, &self.zone, &name, json!({ "policyName": name })),
        ]
    }
}

/// The request is a probe for the policy of this digest.
fn is_probe(digest: &str) -> String {
    format!(
        "request.resource.resource == \"pcizones\" && request.operation == \"UPDATE\" && has(request.dryRun) && \
         request.dryRun && object.metadata.?annotations[?{}].orValue(\"\") == {}",
        cel::text(names::PROBE),
        cel::text(digest)
    )
}

fn actions(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Enforce => &["Deny"],
        Mode::Warn => &["Warn", "Audit"],
        Mode::Observe => &["Audit"],
    }
}
