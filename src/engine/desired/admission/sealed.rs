//! What is ours is changed by the operator, by the controllers that clean up, and by whoever breaks the glass
//! (PCI DSS 1.2.8, 11.5.2). Admission policies and their bindings cannot be sealed: the API server asks no policy about them.

use serde_json::json;

use super::{
    POLICIES, Surroundings, cel,
    draft::{Draft, Refusal},
};
use crate::{
    api::{FindingId, PodSecurity, names},
    engine::{
        declaration::{Declaration, Matcher},
        images::allow_list,
    },
};

const CHANGE_THE_ZONE: &str =
    "Change the PciZone instead; in an emergency the verb break-glass on pcizones lets this pass and leaves a record";

/// NetworkPolicies of ours, and those of others that open the zone to everybody.
pub(super) fn policies(zone: &Declaration, around: &Surroundings) -> Draft {
    let is_ours = |object: &str| {
        format!(
            "({object}.metadata.name == {} || {object}.metadata.name.startsWith({}) || {} == {})",
            cel::text(names::BASELINE),
            cel::text(names::FLOW_PREFIX),
            cel::label(object, names::MANAGED_BY),
            cel::text(names::MANAGED_BY_VALUE)
        )
    };
    let same_label = |key: &str| format!("{} == {}", cel::label("object", key), cel::label("oldObject", key));
    let everybody = |side: &str, peers: &str| {
        format!(
            "object.spec.?{side}.orValue([]).exists(r, r.?{peers}.orValue([]).size() == 0 || r.{peers}.exists(p, \
             has(p.namespaceSelector) && {} && (!has(p.podSelector) || {}) || \
             has(p.ipBlock) && (!isCIDR(p.ipBlock.cidr) || \
             cidr(p.ipBlock.cidr).prefixLength() < (cidr(p.ipBlock.cidr).ip().family() == 4 ? 8 : 16))))",
            selects_all("p.namespaceSelector"),
            selects_all("p.podSelector")
        )
    };
    Draft::new(zone, POLICIES)
        .on("networking.k8s.io", "v1", &["networkpolicies"], &["CREATE", "UPDATE", "DELETE"])
        .inside()
        .by_others(around)
        .variable("ours", format!("request.operation != \"CREATE\" && {}", is_ours("oldObject")))
        .variable("claimed", format!("request.operation != \"DELETE\" && {}", is_ours("object")))
        // Others may annotate what is ours: whatever follows a cluster's objects does.
        .variable(
            "kept",
            format!(
                "request.operation == \"UPDATE\" && object.spec == oldObject.spec && {} && {} && {} && \
                 object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences && \
                 object.metadata.?finalizers == oldObject.metadata.?finalizers",
                same_label(names::MANAGED_BY),
                same_label(names::ZONE_LABEL),
                same_label(names::FLOW_LABEL)
            ),
        )
        .must(
            "!(variables.ours || variables.claimed) || variables.kept",
            &Refusal {
                id: FindingId::ManagedPolicyTampered,
                what: "this NetworkPolicy is, or would pass for, one that pcizone keeps",
                instead: CHANGE_THE_ZONE,
            },
        )
        .must(
            format!(
                "request.operation == \"DELETE\" || variables.claimed || \
                 request.operation == \"UPDATE\" && object.spec == oldObject.spec || !({} || {})",
                everybody("ingress", "from"),
                everybody("egress", "to")
            ),
            &Refusal {
                id: FindingId::PolicyAllowsWorld,
                what: "this NetworkPolicy opens the namespace to or from everybody",
                instead: "Name the peers, or declare the traffic as a flow of the PciZone",
            },
        )
        .breakable()
}

/// The configurations of forwarders: whoever changes one decides where the zone's logs go (PCI DSS 10.3.2).
pub(super) fn configurations(zone: &Declaration, around: &Surroundings) -> Draft {
    let is_ours = |object: &str| {
        format!(
            "({object}.metadata.name.startsWith({}) || {} == {})",
            cel::text(names::CONFIGURATION_PREFIX),
            cel::label(object, names::MANAGED_BY),
            cel::text(names::MANAGED_BY_VALUE)
        )
    };
    Draft::new(zone, "configurations")
        .on("", "v1", &["configmaps"], &["CREATE", "UPDATE", "DELETE"])
        .inside()
        .by_others(around)
        .variable("ours", format!("request.operation != \"CREATE\" && {}", is_ours("oldObject")))
        .variable("claimed", format!("request.operation != \"DELETE\" && {}", is_ours("object")))
        .must(
            "!(variables.ours || variables.claimed)",
            &Refusal {
                id: FindingId::ManagedObjectTampered,
                what: "this ConfigMap is, or would pass for, the configuration of the zone's log forwarders",
                instead: CHANGE_THE_ZONE,
            },
        )
        .breakable()
}

/// What says which digests may start, and since when fixes are known: whoever changes it lets in what nobody has looked at (PCI DSS 10.3.2).
pub(super) fn list_of_images(zone: &Declaration, around: &Surroundings) -> Option<Draft> {
    zone.images.as_ref()?;
    let is_ours = |object: &str| {
        format!(
            "({object}.metadata.name == {} || {} == {} && {} == {})",
            cel::text(&allow_list::name(&zone.name)),
            cel::label(object, names::MANAGED_BY),
            cel::text(names::MANAGED_BY_VALUE),
            cel::label(object, names::ZONE_LABEL),
            cel::text(&zone.name)
        )
    };
    let mut draft = Draft::new(zone, "imagelist")
        .on("", "v1", &["configmaps"], &["CREATE", "UPDATE", "DELETE"])
        .by_others(around)
        .variable("ours", format!("request.operation != \"CREATE\" && {}", is_ours("oldObject")))
        .variable("claimed", format!("request.operation != \"DELETE\" && {}", is_ours("object")))
        .must(
            "!(variables.ours || variables.claimed)",
            &Refusal {
                id: FindingId::ManagedObjectTampered,
                what: "this ConfigMap is, or would pass for, the list of images that may start in the zone",
                instead: CHANGE_THE_ZONE,
            },
        )
        .breakable();
    draft.namespaces = json!({ "matchLabels": { names::NAMESPACE_NAME: around.operator_namespace } });
    Some(draft)
}

/// True for every namespace or pod, or for all but some: what is only ruled out is no name of a peer.
fn selects_all(selector: &str) -> String {
    let name = cel::text(names::NAMESPACE_NAME);
    format!(
        "{selector}.?matchLabels.orValue({{}}).size() == 0 && {selector}.?matchExpressions.orValue([]).all(e, \
         e.operator in [\"NotIn\", \"DoesNotExist\"] || e.operator == \"Exists\" && e.key == {name})"
    )
}

/// The zone's label on namespaces, and who joins or leaves by label. Both states of the
/// namespace are compared: a selector of the policy would read the new labels, and miss that one was taken away.
pub(super) fn namespaces(zone: &Declaration, around: &Surroundings) -> Draft {
    let (was, is) = (cel::label("oldObject", names::ZONE_LABEL), cel::label("object", names::ZONE_LABEL));
    let labels = |object: &str| format!("{object}.metadata.?labels.orValue({{}})");
    let mut draft = Draft::new(zone, "namespaces")
        .on("", "v1", &["namespaces", "namespaces/status", "namespaces/finalize"], &["CREATE", "UPDATE"])
        .when(format!("request.operation == \"CREATE\" || {} != {}", labels("object"), labels("oldObject")))
        .by_others(around)
        .variable("was", format!("request.operation == \"CREATE\" ? \"\" : {was}"))
        .variable("is", is)
        .must(
            // Whatever the value: any label opens the gate.
            "variables.was == variables.is",
            &Refusal {
                id: FindingId::ZoneLabelSpoofed,
                what: "the label pcizone.dev/zone says that a namespace is protected, so only the operator sets it",
                instead: CHANGE_THE_ZONE,
            },
        );
    if let Some(selector) = &zone.namespaces.labels {
        let matches = |object: &str| cel::matches(&labels(object), selector);
        draft = draft
            .variable("selects", matches("object"))
            .variable("selected", format!("request.operation != \"CREATE\" && {}", matches("oldObject")));
        let refusal = Refusal {
            id: FindingId::ScopeChangeNotAllowed,
            what: "these labels would take the namespace into the zone or out of it",
            instead: "That is a change of scope: it needs the verb change-scope on this PciZone",
        };
        draft = draft.must("variables.selects == variables.selected", &refusal).unless(names::CHANGE_SCOPE);
    }
    draft.breakable()
}

/// The Pod Security of the zone's namespaces.
pub(super) fn pod_security(zone: &Declaration, around: &Surroundings) -> Option<Draft> {
    let name = cel::text(&zone.name);
    let level = |object: &str| cel::label(object, names::POD_SECURITY);
    let version = |object: &str| cel::label(object, names::POD_SECURITY_VERSION);
    let enough = match zone.pod_security? {
        PodSecurity::Baseline => &["baseline", "restricted"][..],
        PodSecurity::Restricted => &["restricted"],
    };
    let same = |value: &dyn Fn(&str) -> String| format!("{} == {}", value("object"), value("oldObject"));
    let draft = Draft::new(zone, "podsecurity")
        .on("", "v1", &["namespaces", "namespaces/status", "namespaces/finalize"], &["UPDATE"])
        .when(format!("!({} && {})", same(&level), same(&version)))
        .by_others(around)
        .must(
            format!(
                "{} != {name} || ({} || {} in {}) && {}",
                cel::label("oldObject", names::ZONE_LABEL),
                same(&level),
                level("object"),
                cel::list(enough.iter().copied()),
                same(&version)
            ),
            &Refusal {
                id: FindingId::PodSecurityTooWeak,
                what: "the namespace's Pod Security would fall below what the zone declares",
                instead: CHANGE_THE_ZONE,
            },
        );
    Some(draft.breakable())
}

/// The zone's label and taint on nodes.
pub(super) fn nodes(zone: &Declaration, around: &Surroundings) -> Draft {
    let name = cel::text(&zone.name);
    let (was, is) = (cel::label("oldObject", names::NODE_LABEL), cel::label("object", names::NODE_LABEL));
    let taints = |object: &str| format!("{object}.spec.?taints.orValue([])");
    let ours = format!("t.key == {} && t.?value.orValue(\"\") == {name}", cel::text(names::NODE_TAINT));
    let (key, effects) = (cel::text(names::NODE_TAINT), cel::list(zone.taint_effects.iter().map(|one| one.as_str())));
    let matcher = zone.nodes.clone().unwrap_or_default();
    let tainted = |value: &str, effect: &str| {
        format!("{}.exists(t, t.key == {key} && t.?value.orValue(\"\") {value} && {effect})", taints("object"))
    };
    let each = zone
        .taint_effects
        .iter()
        .map(|effect| tainted(&format!("== {name}"), &format!("t.effect == {}", cel::text(effect.as_str()))));
    let dedicated = each.collect::<Vec<_>>().join(" && ");
    let taken = tainted(&format!("!= {name}"), "t.effect in [\"NoSchedule\", \"NoExecute\"]");
    // Whoever makes a node join has it labelled and tainted in the same request.
    let joined = format!("variables.is == {name} && variables.declared && {dedicated}");
    let draft = Draft::new(zone, "nodes")
        .on("", "v1", &["nodes", "nodes/status"], &["CREATE", "UPDATE"])
        .when(format!(
            "request.operation == \"CREATE\" || object.metadata.?labels != oldObject.metadata.?labels || \
                 {} != {}",
            taints("object"),
            taints("oldObject")
        ))
        .by_others(around)
        .variable("was", format!("request.operation == \"CREATE\" ? \"\" : {was}"))
        .variable("is", is)
        .any("declared", &declares(&matcher, "object"))
        .any("before", &declares(&matcher, "oldObject"))
        .must(
            format!("variables.was == variables.is || variables.was != {name} && variables.is != {name} || {joined}"),
            &Refusal {
                id: FindingId::NodeLabelMissing,
                what: "the label of zone nodes draws the zone's pods, so only the operator sets it",
                instead: CHANGE_THE_ZONE,
            },
        )
        .must(
            format!(
                "request.operation == \"CREATE\" || !{}.exists(t, {ours} && !{}.exists(n, n.key == t.key && \
                 n.?value.orValue(\"\") == {name} && n.effect == t.effect))",
                taints("oldObject"),
                taints("object")
            ),
            &Refusal {
                id: FindingId::NodeTaintMissing,
                what: "the taint keeps other pods from a node of the zone",
                instead: CHANGE_THE_ZONE,
            },
        )
        .must(
            format!(
                "request.operation == \"CREATE\" || variables.was != {name} || !{}.exists(t, t.key == {key} && \
                 !{}.exists(o, o.key == t.key && o.?value.orValue(\"\") == t.?value.orValue(\"\") && o.effect == t.effect) && \
                 !(t.?value.orValue(\"\") == {name} && t.effect in {effects}))",
                taints("object"),
                taints("oldObject")
            ),
            &Refusal {
                id: FindingId::NodeTaintMissing,
                what: "the zone's taint on its node is the operator's alone",
                instead: CHANGE_THE_ZONE,
            },
        );
    let draft = if around.mutates {
        draft.must(
            format!(
                "request.subResource != \"\" || !variables.declared || request.operation == \"UPDATE\" && variables.before || \
                 {dedicated} || {taken}"
            ),
            &Refusal {
                id: FindingId::NodeTaintMissing,
                what: "the node becomes one of the zone's without its taint",
                instead: "Take away what it has under pcizone.dev/zone; the taint is added by itself",
            },
        )
    } else {
        draft
    };
    draft.breakable()
}

fn declares(matcher: &Matcher, object: &str) -> Vec<String> {
    let names = cel::lists(matcher.names.iter().map(String::as_str));
    let named = names.iter().map(|list| format!("{object}.metadata.name in {list}"));
    let labels = format!("{object}.metadata.?labels.orValue({{}})");
    let labelled = matcher.labels.iter().map(|selector| cel::matches(&labels, selector));
    named.chain(labelled).collect()
}

/// Whoever makes a node one of the zone's taints and labels it in the same request, so that nothing lands there before: the
/// taint keeps away most, and by the label those stay away who tolerate everything. A kubelet's own request gets the taint
/// alone: the API server lets nobody put that label on a node in a kubelet's name.
pub(super) fn taint_on_joining(zone: &Declaration) -> Draft {
    let nodes = zone.nodes.clone().unwrap_or_default();
    let key = cel::text(names::NODE_TAINT);
    let taint = |effect: &str| {
        format!("{{\"key\": {key}, \"value\": {}, \"effect\": {}}}", cel::text(&zone.name), cel::text(effect))
    };
    let add = |path: &str, value: &str| cel::add(&cel::text(path), value);
    let taints: Vec<String> =
        zone.taint_effects.iter().map(|effect| add("/spec/taints/-", &taint(effect.as_str()))).collect();
    Draft::new(zone, "nodes")
        .on("", "v1", &["nodes"], &["CREATE", "UPDATE"])
        // One that belongs to another zone stays with it until that one lets it go.
        .when(format!(
                "!object.spec.?taints.orValue([]).exists(t, t.key == {key} && t.effect in [\"NoSchedule\", \"NoExecute\"])"
            ),
        )
        .any("declared", &declares(&nodes, "object"))
        .any("before", &declares(&nodes, "oldObject"))
        .patching(format!(
            "variables.declared && !(request.operation == \"UPDATE\" && variables.before) ? \
             (has(object.spec.taints) ? [] : [{}]) + [{}] + (request.userInfo.username.startsWith(\"system:node:\") ? [] : \
             (has(object.metadata.labels) ? [] : [{}]) + [{}]) : []",
            add("/spec/taints", "[]"),
            taints.join(", "),
            add("/metadata/labels", "{}"),
            add(&format!("/metadata/labels/{}", names::NODE_LABEL.replace('/', "~1")), &cel::text(&zone.name)),
        ))
}

/// The PciZone: without our finalizer its deletion would ask nobody.
pub(super) fn zone(zone: &Declaration, around: &Surroundings) -> Draft {
    let finalizer = cel::text(names::FINALIZER);
    let has = |object: &str| format!("{finalizer} in {object}.metadata.?finalizers.orValue([])");
    Draft::new(zone, "zone")
        .on(names::GROUP, "v1alpha1", &["pcizones"], &["UPDATE"])
        .named(&zone.name)
        .by_others(around)
        .must(
            format!("!({}) || {}", has("oldObject"), has("object")),
            &Refusal {
                id: FindingId::ManagedObjectTampered,
                what: "the finalizer keeps the zone's protection until its deletion is confirmed",
                instead: "Confirm the deletion as status.change says; then the operator takes the finalizer away",
            },
        )
        .breakable()
}

/// Changes that would open the zone are taken, because the digest to confirm is that of the changed zone; they are not
/// carried out. Whoever makes one is told so.
pub(super) fn changes(zone: &Declaration) -> Draft {
    let list = |object: &str, path: &str| format!("{object}.spec.{path}.orValue([])");
    let shrinks = |path: &str| format!("{}.all(n, n in {})", list("oldObject", path), list("object", path));
    let same = |path: &str| format!("object.spec.{path} == oldObject.spec.{path}");
    let rank = |object: &str, path: &str| format!("[\"Observe\", \"Warn\", \"Enforce\"].indexOf({object}.spec.{path})");
    let weaker = |path: &str, default: &str| {
        let mode = |object: &str| rank(object, &format!("{path}.orValue({object}.spec.{default})"));
        format!("{} >= {}", mode("object"), mode("oldObject"))
    };
    let told = Refusal {
        id: FindingId::ScopeChangeNotAllowed,
        what: "this change opens something, so the protection stays as it is until you confirm it",
        instead: "kubectl describe the PciZone and annotate it as its Stalled condition says",
    };
    Draft::new(zone, "changes")
        .on(names::GROUP, "v1alpha1", &["pcizones"], &["UPDATE", "DELETE"])
        .named(&zone.name)
        .when("request.operation == \"DELETE\" || object.spec != oldObject.spec")
        .must("request.operation != \"DELETE\"", &told)
        .must(
            format!(
                "request.operation == \"DELETE\" || {} && {} && {} && {} && {} && {}",
                shrinks("scope.namespaces.?names"),
                same("scope.namespaces.?selector"),
                shrinks("?hosting.?nodes.?names"),
                same("?hosting.?nodes.?selector"),
                weaker("?segmentation.?mode", "mode"),
                weaker("?hosting.?mode", "mode"),
            ),
            &told,
        )
}

/// The definition of PciZones: with it go all zones.
pub(super) fn definition(zone: &Declaration, around: &Surroundings) -> Draft {
    Draft::new(zone, "definition")
        .on("apiextensions.k8s.io", "v1", &["customresourcedefinitions"], &["UPDATE", "DELETE"])
        // Not by the rule: a request that deletes many has no name.
        .when("oldObject.metadata.name == \"pcizones.pcizone.dev\"")
        .by_others(around)
        .must(
            "request.operation == \"UPDATE\" && object.spec == oldObject.spec && \
             object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences",
            &Refusal {
                id: FindingId::ManagedObjectTampered,
                what: "with the definition of PciZones all zones would go",
                instead: "Whoever upgrades or removes pcizone needs the verb break-glass on pcizones, or is a cluster administrator",
            },
        )
        .breakable()
}
