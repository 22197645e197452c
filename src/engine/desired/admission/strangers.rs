//! Pods of others stay away from the zone's nodes (PCI DSS 2.2.3).
//!
//! A taint keeps away whoever does not tolerate it. What gets around it: a toleration of everything, a toleration of
//! just this taint, and naming the node. Pods that tolerate everything are not refused, since agents do and run
//! elsewhere with good reason: they get a node affinity away from the zone's nodes. So do the pods that a
//! `DaemonSet` makes for one node each: those for other nodes start, those for zone nodes stay pending. A refused one would
//! stop its `DaemonSet` from making pods for the nodes after it.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Surroundings, cel,
    draft::{Draft, Refusal},
    placement::add,
    review::PodRequest,
};
use crate::{
    api::{Admit, FindingId, names},
    engine::{declaration::Declaration, pod::Pod},
};

/// The account of all controllers where they share one.
const CONTROLLERS: &str = "system:kube-controller-manager";

/// Who makes the pods of a workload.
struct Maker {
    /// Kind of the pods' owner.
    kind: &'static str,
    /// How its name begins.
    prefix: String,
    /// How it ends.
    suffix: Suffix,
    /// The account of the controller.
    account: &'static str,
}

/// What controllers put behind the name of a workload.
#[derive(Clone, Copy)]
enum Suffix {
    /// Nothing.
    Nothing,
    /// The minute of a `CronJob`.
    Number,
    /// The hash of a template.
    Hash,
}

impl Suffix {
    fn matches(self, text: &str) -> bool {
        let within =
            |longest: usize, is: fn(&u8) -> bool| (1..=longest).contains(&text.len()) && text.bytes().all(|b| is(&b));
        match self {
            Suffix::Nothing => text.is_empty(),
            Suffix::Number => within(20, u8::is_ascii_digit),
            Suffix::Hash => within(10, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
        }
    }

    /// The same as a regular expression.
    fn pattern(self) -> &'static str {
        match self {
            Suffix::Nothing => "",
            Suffix::Number => "[0-9]{1,20}",
            Suffix::Hash => "[a-z0-9]{1,10}",
        }
    }
}

impl Maker {
    /// What controls a pod is of this workload.
    fn made(&self, kind: &str, name: &str) -> bool {
        let rest = name.strip_prefix(&self.prefix).filter(|_| kind == self.kind);
        rest.is_some_and(|rest| self.suffix.matches(rest))
    }
}

fn maker(admit: &Admit) -> Option<Maker> {
    let (kind, name) = admit.workload.split_once('/')?;
    let (kind, prefix, suffix, account) = match kind {
        "DaemonSet" => ("DaemonSet", name.to_string(), Suffix::Nothing, "daemon-set-controller"),
        "StatefulSet" => ("StatefulSet", name.to_string(), Suffix::Nothing, "statefulset-controller"),
        "Job" => ("Job", name.to_string(), Suffix::Nothing, "job-controller"),
        "CronJob" => ("Job", format!("{name}-"), Suffix::Number, "job-controller"),
        "Deployment" => ("ReplicaSet", format!("{name}-"), Suffix::Hash, "replicaset-controller"),
        _ => return None,
    };
    Some(Maker { kind, prefix, suffix, account })
}

/// The same of a request that the webhook is asked about.
pub(super) fn is_admitted(zone: &Declaration, request: &PodRequest, now: Timestamp) -> bool {
    let owners = request.pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let text = |owner: &Value, name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let owners = owners.into_iter().flatten().filter(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let owners: Vec<_> = owners.map(|owner| (text(owner, "kind"), text(owner, "name"))).collect();
    living(zone, request.namespace, now).any(|maker| {
        let accounts = [format!("system:serviceaccount:kube-system:{}", maker.account), CONTROLLERS.to_string()];
        accounts.iter().any(|user| user == request.user) && owners.iter().any(|(kind, name)| maker.made(kind, name))
    })
}

/// The entry by which the zone admits the workload of a pod, or did. Who made the pod is not seen in it; whoever made it
/// after the guard was in force was the built-in controller.
pub fn admit_of<'a>(zone: &'a Declaration, pod: &Pod) -> Option<&'a Admit> {
    let is_of = |admit: &&Admit| {
        let owner = pod.owner.as_deref().and_then(|owner| owner.split_once('/'));
        let of_file = admit.workload.strip_prefix("StaticPod/").filter(|_| pod.is_static);
        // The kubelet puts the node behind the name in the file.
        let file = pod.node.as_deref().and_then(|node| pod.name().strip_suffix(node)?.strip_suffix('-'));
        admit.namespace == pod.namespace()
            && (of_file.is_some_and(|name| file == Some(name))
                || !pod.is_static
                    && maker(admit).zip(owner).is_some_and(|(maker, (kind, name))| maker.made(kind, name)))
    };
    let mut admits: Vec<&Admit> = zone.admits.iter().filter(is_of).collect();
    admits.sort_by_key(|admit| admit.expires_at.0);
    admits.pop()
}

fn living<'a>(zone: &'a Declaration, namespace: &'a str, now: Timestamp) -> impl Iterator<Item = Maker> + 'a {
    let living = move |admit: &&Admit| admit.expires_at.0 > now && admit.namespace == namespace;
    zone.admits.iter().filter(living).filter_map(maker)
}

/// The pod is of a workload that the zone admits. An owner alone proves nothing, because whoever makes a pod may name one:
/// the built-in controller must have made it.
fn admits(admit: &Admit) -> Option<String> {
    let Maker { kind, prefix, suffix, account } = maker(admit)?;
    let accounts = [format!("system:serviceaccount:kube-system:{account}"), CONTROLLERS.to_string()];
    let name = format!("^{}{}$", prefix.replace('.', "[.]"), suffix.pattern());
    Some(format!(
        "(request.namespace == {} && request.userInfo.username in {} && \
         object.metadata.?ownerReferences.orValue([]).exists(o, o.?controller.orValue(false) && o.kind == {} && o.name.matches({})))",
        cel::text(&admit.namespace),
        cel::list(accounts.iter().map(String::as_str)),
        cel::text(kind),
        cel::text(&name)
    ))
}

/// The pod tolerates what keeps others from the zone's nodes.
fn is_tolerant(zone: &Declaration) -> String {
    format!("{}.exists(t, {} || {})", cel::TOLERATIONS, cel::TOLERATES_ALL, cel::tolerates_zone(&zone.name))
}

/// Every term of the pod's node affinity names its node, as a `DaemonSet` does it.
fn is_pinned(of_names: &str) -> String {
    let terms = cel::TERMS;
    format!(
        "({terms}.size() > 0 && {terms}.all(n, n.?matchFields.orValue([]).exists(f, f.key == \"metadata.name\" && \
         f.operator == \"In\"{of_names})))"
    )
}

/// The policy that refuses.
pub(super) fn guard(zone: &Declaration, around: &Surroundings, now: Timestamp) -> Draft {
    let named = "object.spec.?nodeName.orValue(\"\")";
    let draft = Draft::new(zone, "strangers")
        .on("", "v1", &["pods"], &["CREATE", "UPDATE"])
        .outside()
        .when(format!("request.operation == \"CREATE\" && {named} != \"\" || {}", is_tolerant(zone)),
        )
        .when("request.operation == \"CREATE\" || object.spec.?tolerations.orValue([]) != oldObject.spec.?tolerations.orValue([])",
        )
        .when(format!("!{}", cel::IS_STATIC))
        .lists("nodes", &around.nodes);
    let lists = draft.variables.len();
    // An instant in the policy itself: it holds with the operator dead, since nobody can forge the server's time.
    let lives = |admit: &Admit| {
        let end = cel::text(&admit.expires_at.0.to_string());
        Some(format!("{} && timestamp(object.metadata.creationTimestamp) < timestamp({end})", admits(admit)?))
    };
    let living = zone.admits.iter().filter(|admit| admit.expires_at.0 > now);
    let admitted: Vec<String> = living.filter_map(lives).collect();
    let elsewhere = is_pinned(&format!(" && f.values.all(v, !{})", cel::is_in("v", "nodes", lists)));
    let instead = "Let spec.hosting.admits of the zone name the workload, with need, owner and end, or take this away from the pod";
    draft
        .variable("admitted", cel::any(&admitted))
        .variable("away", format!("{} || {elsewhere}", cel::keeps_away(&zone.name)))
        .must(
            format!(
                "request.operation != \"CREATE\" || !{} || variables.admitted",
                cel::is_in(named, "nodes", lists)
            ),
            &Refusal {
                id: FindingId::ForeignPodOnZoneNode,
                what: "the pod is none of the zone's and names one of its nodes",
                instead,
            },
        )
        .must(
            format!(
                "variables.away || variables.admitted || !{}.exists(t, {})",
                cel::TOLERATIONS,
                cel::tolerates_zone(&zone.name)
            ),
            &Refusal {
                id: FindingId::ForeignPodOnZoneNode,
                what: "the pod is none of the zone's and tolerates its taint",
                instead,
            },
        )
        .must(
            format!("variables.away || variables.admitted || !{}.exists(t, {})", cel::TOLERATIONS, cel::TOLERATES_ALL),
            &Refusal {
                id: FindingId::PodToleratesEverything,
                what: "the pod tolerates every taint and nothing keeps it from the zone's nodes",
                instead: &format!(
                    "Give it a required node affinity {} DoesNotExist, or let spec.hosting.admits of the zone name the workload",
                    names::NODE_LABEL
                ),
            },
        )
}

/// The policy that adds the affinity. It cannot see the time at which the pod is made: an admitted workload stays
/// as it is, and whether its time is over the guard says.
pub(super) fn keep_away(zone: &Declaration, now: Timestamp) -> Draft {
    let living = zone.admits.iter().filter(|admit| admit.expires_at.0 > now);
    let admitted = cel::any(&living.filter_map(admits).collect::<Vec<_>>());
    let everything = format!("{}.exists(t, {})", cel::TOLERATIONS, cel::TOLERATES_ALL);
    let ours = format!("{}.exists(t, {})", cel::TOLERATIONS, cel::tolerates_zone(&zone.name));
    Draft::new(zone, "strangers")
        .on("", "v1", &["pods"], &["CREATE"])
        .outside()
        .when(format!("{everything} || {ours} && {}", is_pinned("")))
        .when(format!("!{}", cel::keeps_away(&zone.name)))
        .when(format!("!{}", cel::IS_STATIC))
        .when(format!("!{admitted}"))
        .patching(affinity(zone))
}

/// Every term gets the requirement, since one of them suffices to the scheduler. Term by term, because a patch can hold
/// only values that the policy makes itself, and none that it found in the pod.
fn affinity(zone: &Declaration) -> String {
    let (key, zone) = (cel::text(names::NODE_LABEL), cel::list([zone.name.as_str()]));
    let away = format!("{{\"key\": dyn({key}), \"operator\": dyn(\"NotIn\"), \"values\": dyn({zone})}}");
    let path = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let text = |path: &str| cel::text(path);
    let terms = cel::TERMS;
    let of_term = |end: &str| format!("{} + string(i) + {}", text(&format!("{path}/nodeSelectorTerms/")), text(end));
    format!(
        "(has(object.spec.affinity) ? [] : [{}]) + (has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) ? [] : [{}]) + \
         ({terms}.size() == 0 ? [{}] : \
         {terms}.transformList(i, n, !has(n.matchExpressions), {}) + {terms}.transformList(i, n, {}))",
        cel::add(&text("/spec/affinity"), "{}"),
        cel::add(&text("/spec/affinity/nodeAffinity"), "{}"),
        cel::add(&text(path), &format!("{{\"nodeSelectorTerms\": [{{\"matchExpressions\": [{away}]}}]}}")),
        cel::add(&of_term("/matchExpressions"), "[]"),
        cel::add(&of_term("/matchExpressions/-"), &away),
    )
}

/// The same as a function, for the webhook; the caller has seen that the pod is a stranger. Nothing where the pod keeps
/// away already or tolerates nothing.
pub fn patch(zone: &Declaration, pod: &Value) -> Vec<Value> {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array).into_iter().flatten();
    let field = |object: &Value, name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    let mut everything = false;
    let mut ours = false;
    for toleration in tolerations {
        let exists = field(toleration, "operator") == "Exists";
        everything |= field(toleration, "key").is_empty() && exists;
        ours |= field(toleration, "key") == names::NODE_TAINT && (exists || field(toleration, "value") == zone.name);
    }
    let path = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let terms = pod.pointer(&format!("{path}/nodeSelectorTerms")).and_then(Value::as_array);
    let list = |object: &Value, name: &str| object.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let all = |is: &dyn Fn(&Value) -> bool| terms.is_some_and(|terms| !terms.is_empty() && terms.iter().all(is));
    let pinned = all(&|term| {
        let fields = list(term, "matchFields");
        fields.iter().any(|f| field(f, "key") == "metadata.name" && field(f, "operator") == "In")
    });
    let away = all(&|term| {
        let expressions = list(term, "matchExpressions");
        let names_zone = |e: &Value| list(e, "values").iter().any(|value| value == &zone.name);
        let keeps = |e: &Value| match field(e, "operator").as_str() {
            "DoesNotExist" => true,
            "NotIn" => names_zone(e),
            _ => false,
        };
        expressions.iter().any(|e| field(e, "key") == names::NODE_LABEL && keeps(e))
    });
    if away || !(everything || ours && pinned) {
        return Vec::new();
    }
    let requirement = json!({ "key": names::NODE_LABEL, "operator": "NotIn", "values": [zone.name] });
    let mut patch = Vec::new();
    for parent in ["/spec/affinity", "/spec/affinity/nodeAffinity"] {
        if pod.pointer(parent).is_none() {
            patch.push(add(parent, &json!({})));
        }
    }
    match terms.filter(|terms| !terms.is_empty()) {
        None => patch.push(add(path, &json!({ "nodeSelectorTerms": [{ "matchExpressions": [requirement] }] }))),
        Some(terms) => {
            let with = |term: &Value| {
                let mut expressions = list(term, "matchExpressions");
                expressions.push(requirement.clone());
                let mut term = term.as_object().cloned().unwrap_or_default();
                term.insert("matchExpressions".to_string(), expressions.into());
                Value::Object(term)
            };
            patch.push(add(&format!("{path}/nodeSelectorTerms"), &terms.iter().map(with).collect()));
        }
    }
    patch
}
