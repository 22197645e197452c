//! Whoever was to add the sidecars: they are there just as declared, and nobody exchanges them in a pod that runs. A pod may bring containers
//! of their names along, so all is looked at by which one could read, send or be configured otherwise.

use serde_json::Value;

use super::{
    FORWARDER, LINGER, exempt,
    template::{self, Template},
    volumes,
};
use crate::{
    api::{FindingId, names},
    engine::{
        declaration::Declaration,
        desired::admission::{
            LOGS, cel,
            draft::{Draft, Refusal},
            pods::pods,
        },
    },
};

/// The sidecars of the object that is asked about.
const ALL: &str = "object.spec.?initContainers.orValue([])";
/// Where the API server itself mounts the token of a pod.
const TOKENS: &str = "/var/run/secrets/";

/// Accepts the sidecars of the zone, and those of another declaration of it while one takes over from the other.
pub(in crate::engine::desired::admission) fn proven(zone: &Declaration, beside: Option<&Declaration>) -> Option<Draft> {
    let mut templates: Vec<Template> = Template::of(zone).into_iter().chain(beside.and_then(Template::of)).collect();
    // Whichever takes over from the other, the policy is the same.
    templates.sort_by_cached_key(Template::digest);
    templates.dedup_by_key(|template: &mut Template| template.digest());
    let both = cel::list([FORWARDER, LINGER]);
    let in_order = format!("{ALL}.filter(c, c.name in {both}).map(c, c.name) == {both}");
    let of = |object: &str| format!("{object}.spec.?initContainers.orValue([]).filter(c, c.name in {both})");
    let refusal = Refusal {
        id: FindingId::LogSidecarMissing,
        what: "the pod has not got the log forwarder that the zone declares, and nothing added it",
        instead: "Leave containers and volumes whose names begin with pcizone- out of the template; the operator adds its own",
    };
    let is_same = format!("request.operation == \"UPDATE\" && {} == {}", of("object"), of("oldObject"));
    let mut draft = template::telling(exempt(pods(zone, LOGS, &["initContainers"])), templates.iter());
    let mut accepted = Vec::new();
    for (template, suffix) in templates.iter().zip(["", "Beside"]) {
        draft = volumes(draft, &template.logs.sources, suffix);
        let [forwarder, linger] = template.containers(&|hole| super::filled(hole, suffix));
        let there = [&forwarder, &linger].map(|one| format!("{ALL}.exists(c, {})", container(one)));
        let kept: Vec<String> = template.volumes().iter().map(volume).collect();
        let (containers, volumes) = (format!("containers{suffix}"), format!("volumes{suffix}"));
        accepted.push(format!("variables.{containers} && variables.{volumes}"));
        draft = draft
            .variable(containers, format!("{} && {in_order}", there.join(" && ")))
            .variable(volumes, kept.join(" && "));
    }
    (!accepted.is_empty()).then(|| draft.must(format!("{is_same} || {}", accepted.join(" || ")), &refusal))
}

/// The container is this one, in all by which it could do something else.
fn container(wanted: &Value) -> String {
    let text = |key: &str| wanted.get(key).and_then(Value::as_str).unwrap_or_default();
    let list = |key: &str| wanted.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let args = cel::list(list("args").iter().filter_map(Value::as_str));
    let mut all = vec![
        format!("c.name == {}", cel::text(text("name"))),
        format!("c.image == {}", cel::text(text("image"))),
        "c.?restartPolicy.orValue(\"\") == \"Always\"".to_string(),
        format!("c.?args.orValue([]) == {args}"),
        "!has(c.command) && !has(c.lifecycle) && !has(c.livenessProbe) && !has(c.startupProbe)".to_string(),
        "c.?envFrom.orValue([]).size() == 0 && c.?workingDir.orValue(\"\") == \"\"".to_string(),
        format!("c.?env.orValue([]).size() == {}", list("env").len()),
    ];
    all.extend(list("env").iter().map(|one| format!("c.?env.orValue([]).exists(e, {})", variable(one))));
    let paths = list("volumeMounts").iter().filter_map(|mount| mount.get("mountPath")?.as_str());
    all.push(format!(
        "c.?volumeMounts.orValue([]).all(m, m.mountPath in {} || m.mountPath.startsWith({}))",
        cel::list(paths),
        cel::text(TOKENS)
    ));
    let mounted = list("volumeMounts").iter().map(|one| {
        let name = one.get("name").map(cel::value).unwrap_or_default();
        let path = one.get("mountPath").map(cel::value).unwrap_or_default();
        format!("c.?volumeMounts.orValue([]).exists(m, m.mountPath == {path} && m.name == {name} && !has(m.subPath) && !has(m.subPathExpr))")
    });
    all.extend(mounted);
    all.join(" && ")
}

/// The variable is this one.
fn variable(wanted: &Value) -> String {
    let at = |pointer: &str| wanted.pointer(pointer).and_then(Value::as_str).map(cel::text);
    let name = at("/name").unwrap_or_default();
    let from = match (at("/value"), at("/valueFrom/fieldRef/fieldPath")) {
        (Some(value), _) => format!("e.?value.orValue(\"\") == {value}"),
        (None, Some(path)) => format!("e.?valueFrom.?fieldRef.?fieldPath.orValue(\"\") == {path}"),
        (None, None) => {
            let of = |key: &str| at(&format!("/valueFrom/secretKeyRef/{key}")).unwrap_or_default();
            format!(
                "e.?valueFrom.?secretKeyRef.?name.orValue(\"\") == {} && e.?valueFrom.?secretKeyRef.?key.orValue(\"\") == {}",
                of("name"),
                of("key")
            )
        }
    };
    format!("e.name == {name} && {from}")
}

/// The pod has this volume. Of a configuration only that it is one of ours: nobody else can make one of such a name.
fn volume(wanted: &Value) -> String {
    let name = wanted.get("name").map(cel::value).unwrap_or_default();
    let is = if wanted.get("configMap").is_some() {
        format!(
            "v.?configMap.?name.orValue(\"\").startsWith({}) && v.?configMap.?items.orValue([]).size() == 0",
            cel::text(names::CONFIGURATION_PREFIX)
        )
    } else if let Some(secret) = wanted.pointer("/secret/secretName") {
        format!("v.?secret.?secretName.orValue(\"\") == {}", cel::value(secret))
    } else {
        "has(v.emptyDir)".to_string()
    };
    format!("object.spec.?volumes.orValue([]).exists(v, v.name == {name} && {is})")
}
