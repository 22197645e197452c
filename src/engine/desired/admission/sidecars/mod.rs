//! The zone's pods get a log forwarder beside their containers when they are made, and what holds it until all is sent
//! (PCI DSS 10.2.1, 10.3.3).
//!
//! ```text
//!  initContainers:  forwarder ─ linger ─ those of the pod        native sidecars: they start first and end last,
//!  containers:      those of the pod, each with the log volume   in the reverse order
//!  volumes:         log files (the pod's own, or new) ─ buffer ─ configuration ─ authorities
//! ```
//! One function says what is added; the policy inside the API server says the same in CEL. Pods are changed and never
//! their templates.

mod handover;
mod proven;
mod template;

use serde_json::{Map, Value, json};

use self::template::{Hole, Template};
use super::{LOGS, cel, draft::Draft, placement::add};
use crate::{
    api::{Source, names},
    engine::declaration::Declaration,
};

pub use handover::{Handover, LivePolicies};
pub(super) use proven::proven;
pub use template::{CONFIGURATION, FORWARDER, LINGER, MARGIN};

/// Whom the sidecars are where the pod does not say as whom it runs, or runs as root: nobody in particular.
const USER: i64 = 65532;
/// Seconds that a pod has to end where it does not say so, as the API server sets it.
pub const GRACE: i64 = 30;

/// What has to be done to a pod of the zone, as JSON patch; nothing where it has a forwarder, or is to have none.
pub fn patch(zone: &Declaration, pod: &Value) -> Vec<Value> {
    let Some(template) = Template::of(zone) else { return Vec::new() };
    if is_exempt(pod) || names_of(pod, "/spec/initContainers").any(|name| name == FORWARDER) {
        return Vec::new();
    }
    let mut patch = Vec::new();
    let sources = || template.logs.sources.iter().enumerate();
    let containers: Vec<&Value> =
        pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten().collect();
    let own: Vec<Option<String>> = sources().map(|(_, source)| shared_volume(pod, &containers, source)).collect();
    let volume = |index: usize| own.get(index).cloned().flatten().unwrap_or_else(|| Template::source_name(index));
    let mut ensure = |path: &str| {
        if pod.pointer(path).is_none() {
            patch.push(add(path, &json!([])));
        }
    };
    ensure("/spec/volumes");
    for index in 0..containers.len() {
        ensure(&format!("/spec/containers/{index}/volumeMounts"));
    }
    ensure("/spec/initContainers");
    let new = sources().filter(|(index, _)| own.get(*index).is_some_and(Option::is_none));
    let volumes = new.map(|(index, source)| Template::source_volume(index, source)).chain(template.volumes());
    patch.extend(volumes.map(|volume| add("/spec/volumes/-", &volume)));
    for (index, source) in sources() {
        let mount = json!({ "name": volume(index), "mountPath": source.path });
        let without = containers.iter().enumerate().filter(|(_, container)| !touches(container, source));
        patch.extend(without.map(|(at, _)| add(&format!("/spec/containers/{at}/volumeMounts/-"), &mount)));
    }
    let user = user(pod, containers.first().copied());
    let fill = |hole: Hole| match hole {
        Hole::User => json!(user),
        Hole::Volume(index) => json!(volume(index)),
    };
    let [forwarder, linger] = template.containers(&fill);
    patch.push(add("/spec/initContainers/0", &linger));
    patch.push(add("/spec/initContainers/0", &forwarder));
    let grace = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(GRACE);
    patch.push(add("/spec/terminationGracePeriodSeconds", &json!(grace.saturating_add(template.grace().into()))));
    patch
}

/// The canary's pods write no logs, and no forwarder runs on Windows.
fn is_exempt(pod: &Value) -> bool {
    let labels = pod.pointer("/metadata/labels").and_then(Value::as_object);
    let is_windows = pod.pointer("/spec/os/name").and_then(Value::as_str) == Some("windows");
    is_windows || labels.is_some_and(|labels| labels.contains_key(names::CANARY_LABEL))
}

fn names_of<'a>(pod: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    let all = pod.pointer(path).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|one| one.get("name")?.as_str())
}

/// The mounts of a container in a source's place.
fn mounts_at<'a>(container: &'a Value, source: &'a Source) -> impl Iterator<Item = &'a Map<String, Value>> {
    let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    mounts.filter_map(Value::as_object).filter(|mount| {
        let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
        path == source.path || path.strip_suffix('/') == Some(source.path.as_str())
    })
}

/// The container mounts something at a source's place, above it or below. A volume of ours would hide what lies above, and be hidden by what
/// lies below.
fn touches(container: &Value, source: &Source) -> bool {
    let mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
    let paths = mounts.filter_map(|mount| Some(mount.get("mountPath")?.as_str()?.trim_end_matches('/')));
    let path = source.path.as_str();
    let below = |of: &str, one: &str| one.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
    paths.into_iter().any(|mount| mount == path || below(path, mount) || below(mount, path))
}

/// The `emptyDir` that a container of the pod has in a source's place. What outlives the pod is none: other pods may have it too, and
/// each would send all that lies there; and one of which only a part is mounted there is not shared.
fn shared_volume(pod: &Value, containers: &[&Value], source: &Source) -> Option<String> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let passing: Vec<&Value> =
        volumes.into_iter().flatten().filter(|volume| volume.get("emptyDir").is_some()).collect();
    let is_passing =
        |name: &&str| passing.iter().any(|volume| volume.get("name").and_then(Value::as_str) == Some(name));
    let mounts = containers.iter().flat_map(|container| mounts_at(container, source));
    let whole = mounts.filter(|mount| !mount.contains_key("subPath") && !mount.contains_key("subPathExpr"));
    let mut names = whole.filter_map(|mount| mount.get("name")?.as_str());
    names.find(is_passing).map(str::to_string)
}

/// As whom the first container runs.
fn user(pod: &Value, first: Option<&Value>) -> i64 {
    let says = |value: Option<&Value>| value?.pointer("/securityContext/runAsUser")?.as_i64();
    let user = says(first).or_else(|| says(pod.pointer("/spec"))).unwrap_or(USER);
    if user == 0 { USER } else { user }
}

/// The policy that does what [`patch`] says.
pub(super) fn policy(zone: &Declaration) -> Option<Draft> {
    let template = Template::of(zone)?;
    let draft = exempt(Draft::new(zone, LOGS).on("", "v1", &["pods"], &["CREATE"]).inside())
        .when(format!("!{}", cel::IS_STATIC))
        .when(format!("!object.spec.?initContainers.orValue([]).exists(c, c.name == {})", cel::text(FORWARDER)));
    let says = "object.spec.containers[0].?securityContext.?runAsUser.orValue(object.spec.?securityContext.?runAsUser.orValue(0))";
    let draft = volumes(template::telling(draft, [&template].into_iter()), &template.logs.sources, "")
        .variable("says", says)
        .variable("user", format!("variables.says == 0 ? {USER} : variables.says"));
    Some(draft.patching(operations(&template).join(" + ")))
}

/// The volume of each source as a variable: the pod's own, or the one that it gets.
fn volumes(mut draft: Draft, sources: &[Source], suffix: &str) -> Draft {
    for (index, source) in sources.iter().enumerate() {
        let is_passing = "object.spec.?volumes.orValue([]).exists(v, v.name == m.name && has(v.emptyDir))";
        let whole = format!("{} && !has(m.subPath) && !has(m.subPathExpr) && {is_passing}", is_at(source));
        let mounts = format!("c.?volumeMounts.orValue([]).filter(m, {whole})");
        let found = format!("object.spec.containers.map(c, {mounts}).filter(l, l.size() > 0).map(l, l[0].name)");
        let own = cel::text(&Template::source_name(index));
        let variable = format!("found{index}{suffix}");
        let volume = format!("variables.{variable}.size() > 0 ? variables.{variable}[0] : {own}");
        draft = draft.variable(variable, found).variable(format!("volume{index}{suffix}"), volume);
    }
    draft
}

/// Lists of patches in CEL, in the order of [`patch`].
fn operations(template: &Template) -> Vec<String> {
    let ensure = |path: &str| {
        let field = path.replace('/', ".");
        format!("(has(object{field}) ? [] : [{}])", cel::add(&cel::text(path), "[]"))
    };
    let of_container = |rest: &str| format!("\"/spec/containers/\" + string(i) + {}", cel::text(rest));
    let each = |condition: &str, operation: &str| {
        format!("object.spec.containers.transformList(i, c, {condition}, {operation})")
    };
    let mut all = vec![
        ensure("/spec/volumes"),
        each("!has(c.volumeMounts)", &cel::add(&of_container("/volumeMounts"), "[]")),
        ensure("/spec/initContainers"),
    ];
    let add = |path: &str, value: &Value| cel::add(&cel::text(path), &cel::value(value));
    let sources = || template.logs.sources.iter().enumerate();
    for (index, source) in sources() {
        let volume = add("/spec/volumes/-", &Template::source_volume(index, source));
        all.push(format!("(variables.found{index}.size() > 0 ? [] : [{volume}])"));
    }
    let volumes: Vec<String> = template.volumes().iter().map(|volume| add("/spec/volumes/-", volume)).collect();
    all.push(format!("[{}]", volumes.join(", ")));
    for (index, source) in sources() {
        let mount = json!({ "name": cel::hole(&format!("variables.volume{index}")), "mountPath": source.path });
        let missing = format!("!c.?volumeMounts.orValue([]).exists(m, {})", touches_place(source));
        all.push(each(&missing, &cel::add(&of_container("/volumeMounts/-"), &cel::value(&mount))));
    }
    let [forwarder, linger] = template.containers(&|hole| filled(hole, ""));
    let grace = format!("object.spec.?terminationGracePeriodSeconds.orValue({GRACE}) + {}", template.grace());
    all.push(format!(
        "[{}, {}, {}]",
        add("/spec/initContainers/0", &linger),
        add("/spec/initContainers/0", &forwarder),
        cel::add(&cel::text("/spec/terminationGracePeriodSeconds"), &grace),
    ));
    all
}

/// What the pod decides, as variables of the policies.
fn filled(hole: Hole, suffix: &str) -> Value {
    match hole {
        Hole::User => cel::hole("variables.user"),
        Hole::Volume(index) => cel::hole(&format!("variables.volume{index}{suffix}")),
    }
}

/// A mount is in a source's place.
fn is_at(source: &Source) -> String {
    let path = &source.path;
    format!("m.mountPath in {}", cel::list([path.as_str(), format!("{path}/").as_str()]))
}

/// A mount is in a source's place, above it or below.
fn touches_place(source: &Source) -> String {
    let path = &source.path;
    let above: Vec<String> =
        path.match_indices('/').skip(1).filter_map(|(at, _)| path.get(..at)).map(String::from).collect();
    let above = above.iter().flat_map(|path| [path.clone(), format!("{path}/")]).collect::<Vec<_>>();
    let above = cel::list(above.iter().map(String::as_str));
    format!(
        "({} || m.mountPath.startsWith({}) || m.mountPath in {above})",
        is_at(source),
        cel::text(&format!("{path}/"))
    )
}

fn exempt(draft: Draft) -> Draft {
    draft
        .when(format!("!{}", cel::has_label("object", names::CANARY_LABEL)))
        .when("object.spec.?os.?name.orValue(\"\") != \"windows\"")
}
