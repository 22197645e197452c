//! The policies of each way, and their digests. Pure.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::{Mode, PciZone},
    engine::{
        declaration::Declaration,
        desired::admission::{Guard, Modes, Surroundings, desired},
        images::allow_list,
    },
};
use serde_json::{Map, Value, json};

/// Namespace of the list, where the operator would be.
pub(super) const OPERATOR: &str = "pcizone-system";
/// Registry of all images.
const REGISTRY: &str = "registry.example.com/pci";
/// Characters of one expression. The API server takes 100,000.
const EXPRESSION: usize = 90_000;
/// What the policy asks the `ConfigMap`.
const ASKED: &str = "params.?data[?";

/// What is told of a digest: until when its scan is new enough, and no critical and no other fix is overdue.
const TO_COME: &str = "2098-12-04T00:00:00Z 2098-12-27T00:00:00Z 2099-01-26T00:00:00Z";
const OVER: &str = "2098-12-04T00:00:00Z 2020-01-01T00:00:00Z 2099-01-26T00:00:00Z";

/// A way in which a policy can know digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// No policy at all.
    Floor,
    /// References alone are looked at.
    References,
    /// The digests are in a `ConfigMap`.
    List,
    /// They are in the policy.
    Literal,
}

impl Way {
    pub(super) const ALL: [Way; 4] = [Way::Floor, Way::References, Way::List, Way::Literal];

    pub(super) fn text(self) -> &'static str {
        match self {
            Way::Floor => "no policy (floor)",
            Way::References => "references alone",
            Way::List => "digests in a ConfigMap",
            Way::Literal => "digests in the policy",
        }
    }

    pub(super) fn knows_digests(self) -> bool {
        matches!(self, Way::List | Way::Literal)
    }
}

/// Digest of a number.
fn digest(number: usize) -> String {
    // Spread like real ones.
    let mut value = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
    let mut text = String::with_capacity(64);
    for _ in 0..4 {
        value ^= value >> 29;
        value = value.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let part = format!("{value:016x}");
        text.push_str(&part);
    }
    text
}

/// The image that pods name, of so many: that in the middle.
pub(super) fn image(digests: usize) -> String {
    format!("{REGISTRY}/app@sha256:{}", digest(digests / 2))
}

/// What is told of each digest; that in the middle is over, or is not.
fn instants(digests: usize, is_over: bool) -> impl Iterator<Item = (String, &'static str)> {
    (0..digests).map(move |number| {
        let over = is_over && number == digests / 2;
        (digest(number), if over { OVER } else { TO_COME })
    })
}

/// The `ConfigMap`.
pub(super) fn list(digests: usize, is_over: bool) -> Value {
    let data: Map<String, Value> = instants(digests, is_over).map(|(digest, end)| (digest, json!(end))).collect();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": allow_list::name("cde"), "namespace": OPERATOR }, "data": data,
    })
}

/// The guards of a way.
pub(super) fn guards(way: Way, digests: usize, is_over: bool) -> Result<Vec<Guard>> {
    let admission = if way.knows_digests() { "Overdue" } else { "References" };
    let zone = json!({
        "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" },
        "spec": {
            "scope": { "namespaces": { "names": ["vault"] } },
            "scanning": { "registries": [REGISTRY], "admission": admission },
        },
    });
    let zone = Declaration::new(&serde_json::from_value::<PciZone>(zone)?);
    let around = Surroundings {
        operator: "system:serviceaccount:pcizone-system:pcizone",
        operator_namespace: OPERATOR,
        nodes: BTreeSet::new(),
        ranges: Vec::new(),
        mutates: true,
        forwarding: None,
        scans: true,
    };
    let mode = Mode::Enforce;
    let modes = Modes { segmentation: mode, hosting: mode, scanning: mode, logging: mode };
    let wanted: &[&str] = match way {
        Way::Floor => &[],
        Way::References => &["pcizone-cde-images"],
        Way::List | Way::Literal => &["pcizone-cde-images", "pcizone-cde-scans"],
    };
    let mut guards = desired(Some(&zone), None, modes, &around, Timestamp::UNIX_EPOCH);
    guards.retain(|guard| wanted.contains(&guard.name()));
    if way == Way::Literal {
        for guard in guards.iter_mut().filter(|guard| guard.name().ends_with("-scans")) {
            in_itself(&mut guard.spec, digests, is_over)?;
        }
    }
    Ok(guards)
}

/// The same policy or binding, but for where the digests are.
fn in_itself(spec: &mut Value, digests: usize, is_over: bool) -> Result<()> {
    let spec = spec.as_object_mut().context("a guard has no spec")?;
    spec.remove("paramKind");
    spec.remove("paramRef");
    let Some(variables) = spec.get_mut("variables").and_then(Value::as_array_mut) else { return Ok(()) };
    let maps = maps(digests, is_over);
    let told = variables.iter_mut().find(|one| one["name"] == "told").context("the policy asks no list")?;
    let expression = told["expression"].as_str().unwrap_or_default();
    let (before, rest) = expression.split_once(ASKED).context("the policy asks its list otherwise")?;
    let (key, after) = rest.split_once(']').context("the policy asks its list otherwise")?;
    // A bracket of the regular expression in the key comes first.
    let (more, after) = after.split_once(")]").context("the policy asks its list otherwise")?;
    let key = format!("{key}]{more})");
    let asked: Vec<String> = (0..maps.len()).map(|index| format!("variables.map{index}[?{key}]")).collect();
    let asked = asked.into_iter().reduce(|all, one| format!("{all}.or({one})")).context("no digests")?;
    told["expression"] = json!(format!("{before}{asked}{after}"));
    for (index, map) in maps.into_iter().enumerate() {
        variables.insert(0, json!({ "name": format!("map{index}"), "expression": map }));
    }
    Ok(())
}

/// The digests as maps, each as long as an expression may be.
fn maps(digests: usize, is_over: bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut map = String::new();
    for (digest, end) in instants(digests, is_over) {
        if map.len() > EXPRESSION {
            all.push(format!("{{{}}}", std::mem::take(&mut map)));
        }
        let between = if map.is_empty() { "" } else { "," };
        let entry = format!("{between}\"{digest}\":\"{end}\"");
        map.push_str(&entry);
    }
    all.push(format!("{{{map}}}"));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_in_the_policy_itself() {
        let guards = guards(Way::Literal, 3000, false).unwrap();
        let policy = guards.iter().find(|guard| guard.name().ends_with("-scans")).unwrap();
        let text = policy.spec.to_string();
        assert!(!text.contains("param"), "{}", &text[text.find("param").unwrap_or_default()..][..200]);
        assert_eq!(text.matches(TO_COME).count(), 3000);
        assert!(text.contains("variables.map0[?(r.matches("), "{}", &text[text.len() - 4000..]);
        assert_eq!(instants(10_000, true).filter(|(_, end)| *end == OVER).count(), 1);
        let different: BTreeSet<String> = (0..10_000).map(digest).collect();
        assert_eq!(different.len(), 10_000);
    }
}
