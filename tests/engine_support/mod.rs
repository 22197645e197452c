//! A model of the little of Kubernetes that the engine writes to: objects, field managers, finalizers.
//!
//! It does what the API server does with each write and with an edit by somebody else, and what the operator
//! does around the engine (finalizer, status). It decides nothing by itself.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;
use pcizone::{
    api::{PciZoneStatus, names},
    engine::{
        self, Evaluation, Resolution, Snapshot,
        due::Due,
        guards,
        intake::{Intake, Kind},
        memory::Memory,
        plan::{self, Stance, Write},
        snapshot::node_ranges,
    },
};
use serde_json::{Value, json};

/// Rounds after which a plan that still writes is a loop.
const ROUNDS: usize = 12;

/// A write, and whether the operator would send it now. `Observed` is what Enforce would write.
#[derive(Clone, Debug, PartialEq)]
pub enum Planned {
    Due(Write),
    Observed(Write),
}

/// A cluster in memory. Objects are kept as the API server keeps them: as JSON, by subject.
#[derive(Clone, Default)]
pub struct Model {
    pub objects: BTreeMap<String, Value>,
    /// What is no object: addresses, rights, incidents.
    pub around: Snapshot,
    /// What somebody made of guards, by subject: a merge patch of the spec, or nothing where it was deleted.
    pub meddled: BTreeMap<String, Value>,
    pub now: Timestamp,
    pub version: u64,
}

/// `Kind/name` or `Kind/namespace/name`.
pub fn subject(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    match text("/metadata/namespace") {
        "" => format!("{}/{name}", text("/kind")),
        namespace => format!("{}/{namespace}/{name}", text("/kind")),
    }
}

impl Model {
    /// Stores an object as it is given.
    pub fn put(&mut self, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(subject(&object), object);
    }

    /// An edit by somebody: a merge patch, with the field manager recorded. A manager that says it is ours lies.
    pub fn edit(&mut self, manager: &str, subject: &str, patch: &Value) {
        let Some(mut object) = self.objects.get(subject).cloned() else { panic!("there is no {subject}") };
        let before = object.clone();
        merge(&mut object, patch);
        if subject.starts_with("PciZone/") && object["spec"] != before["spec"] {
            object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        // What a patch leaves as it was gets no new owner.
        let mut changed = patch.clone();
        if let Some(labels) = changed.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|key, value| before["metadata"]["labels"][key] != *value);
        }
        if object["spec"] == before["spec"]
            && let Some(fields) = changed.as_object_mut()
        {
            fields.remove("spec");
        }
        self.own(&mut object, manager, &changed);
        self.put(object);
        self.observe();
    }

    /// Server-side apply of a label, by force: it makes an owner also where it changes nothing.
    fn apply_label(&mut self, manager: &str, subject: &str, key: &str, value: &str) {
        let Some(mut object) = self.objects.get(subject).cloned() else { panic!("there is no {subject}") };
        let patch = json!({ "metadata": { "labels": { key: value } } });
        merge(&mut object, &patch);
        self.own(&mut object, manager, &patch);
        self.put(object);
        self.observe();
    }

    /// The operator sees what happened.
    fn observe(&mut self) -> Resolution {
        let resolution = engine::resolve(&self.snapshot());
        self.around.memory = resolution.memory().clone();
        resolution
    }

    /// A new operator takes over, which remembers nothing.
    pub fn restart(&mut self) {
        self.around.memory = Memory::default();
    }

    /// A new object by somebody.
    pub fn create(&mut self, manager: &str, mut object: Value) {
        let fields = object.clone();
        self.own(&mut object, manager, &fields);
        self.put(object);
        self.observe();
    }

    /// Marks an object as being deleted, or removes it when no finalizer holds it.
    pub fn delete(&mut self, subject: &str) {
        let now = json!(self.now.to_string());
        let Some(object) = self.objects.get_mut(subject) else { return };
        if object["metadata"]["finalizers"].as_array().is_some_and(|f| !f.is_empty()) {
            object["metadata"]["deletionTimestamp"] = now;
        } else {
            self.objects.remove(subject);
            if let Some(namespace) = subject.strip_prefix("Namespace/") {
                self.objects.retain(|_, object| object["metadata"]["namespace"] != namespace);
            }
        }
        self.observe();
    }

    /// Whoever writes a label owns it, and nobody else does any more.
    fn own(&self, object: &mut Value, manager: &str, patch: &Value) {
        let mut entries = std::mem::take(&mut object["metadata"]["managedFields"]);
        let entries = match &mut entries {
            Value::Array(entries) => std::mem::take(entries),
            _ => Vec::new(),
        };
        let mut entries: Vec<Value> = entries.into_iter().filter(|entry| entry["manager"] != manager).collect();
        let mut fields = json!({});
        for (key, value) in patch["metadata"]["labels"].as_object().into_iter().flatten() {
            let field = format!("f:{key}");
            for entry in &mut entries {
                if let Some(labels) = entry.pointer_mut("/fieldsV1/f:metadata/f:labels").and_then(Value::as_object_mut)
                {
                    labels.remove(&field);
                }
            }
            if !value.is_null() {
                fields["f:metadata"]["f:labels"][&field] = json!({});
            }
        }
        if patch.get("spec").is_some() {
            fields["f:spec"] = json!({});
        }
        entries.push(json!({
            "manager": manager, "operation": "Update", "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1",
            "fieldsV1": fields, "time": self.now.to_string(),
        }));
        object["metadata"]["managedFields"] = Value::Array(entries);
    }

    /// What the API server and the applier make of a write.
    pub fn apply(&mut self, write: &Write) {
        let ours = names::MANAGER_NAMESPACES;
        let subject = write.subject();
        match write {
            Write::CreatePolicy(policy) => {
                assert!(!self.objects.contains_key(&subject), "{subject} exists, the API server would refuse it");
                self.create(ours, json!(policy));
            }
            Write::ReplacePolicy { live, desired } => {
                assert_eq!(self.version(&subject), live.metadata.resource_version, "{subject} has changed meanwhile");
                let Some(mut object) = self.objects.get(&subject).cloned() else { panic!("there is no {subject}") };
                let desired = json!(desired);
                merge(&mut object, &json!({ "metadata": { "labels": desired["metadata"]["labels"] } }));
                if desired["metadata"]["labels"].get(names::FLOW_LABEL).is_none() {
                    merge(&mut object, &json!({ "metadata": { "labels": { names::FLOW_LABEL: null } } }));
                }
                object["spec"] = desired["spec"].clone();
                merge(&mut object, &json!({ "metadata": { "ownerReferences": null } }));
                // A replace takes every field over.
                object["metadata"]["managedFields"] = json!([]);
                let fields = object.clone();
                self.own(&mut object, ours, &fields);
                self.put(object);
            }
            Write::DeletePolicy(_) => self.delete(&subject),
            Write::LabelNamespace { zone, adopt: true, .. } => {
                self.apply_label(ours, &subject, names::ZONE_LABEL, zone);
            }
            Write::LabelNamespace { zone, adopt: false, .. } => {
                self.edit(ours, &subject, &json!({ "metadata": { "labels": { names::ZONE_LABEL: zone } } }));
            }
            Write::LabelNode { zone, .. } => {
                self.apply_label(names::MANAGER_NODES, &subject, names::NODE_LABEL, zone);
            }
            Write::UnlabelNamespace { .. } => {
                self.edit(ours, &subject, &json!({ "metadata": { "labels": { names::ZONE_LABEL: null } } }));
            }
            Write::PatchNode { label, taints, resource_version, .. } => {
                assert_eq!(self.version(&subject).as_ref(), Some(resource_version), "{subject} has changed meanwhile");
                let patch =
                    json!({ "metadata": { "labels": { names::NODE_LABEL: label } }, "spec": { "taints": taints } });
                self.edit(names::MANAGER_NODES, &subject, &patch);
            }
            Write::SetPodSecurity { level, record, .. } => {
                let (labels, annotations) =
                    (json!({ names::POD_SECURITY: level }), json!({ names::POD_SECURITY_BEFORE: record }));
                self.edit(ours, &subject, &json!({ "metadata": { "labels": labels, "annotations": annotations } }));
            }
            Write::Guard(write) => panic!("{} is planned for no namespace and no node", write.guard().subject()),
        }
    }

    fn version(&self, subject: &str) -> Option<String> {
        self.objects.get(subject)?["metadata"]["resourceVersion"].as_str().map(str::to_string)
    }

    /// What the engine is shown.
    pub fn snapshot(&self) -> Snapshot {
        let mut intake = Intake::new(Snapshot { is_kept: true, ..self.around.clone() });
        for object in self.objects.values() {
            let text = |key: &str| object[key].as_str().unwrap_or_default();
            let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
            let Some(kind) = Kind::find(group, text("kind")) else { panic!("{} decides nothing", subject(object)) };
            match kind.read(object) {
                Ok(object) => intake.take(object),
                Err(error) => panic!("{} is no object of its kind: {error}", subject(object)),
            }
        }
        intake.finish(self.now)
    }

    /// Judges, and writes the statuses.
    pub fn judge(&mut self) -> BTreeMap<String, Evaluation> {
        let mut snapshot = self.snapshot();
        let resolution = self.observe();
        guard(&mut snapshot, &resolution, &self.meddled, self.now);
        let evaluations = engine::evaluate(&snapshot, &resolution, self.now);
        for (zone, evaluation) in &evaluations {
            self.set_status(zone, &evaluation.status);
        }
        evaluations
    }

    fn set_status(&mut self, zone: &str, status: &PciZoneStatus) {
        let Some(object) = self.objects.get_mut(&format!("PciZone/{zone}")) else { return };
        object["status"] = json!(status);
    }

    /// Puts the finalizer on zones that enforce, and takes it from zones of which nothing is left.
    pub fn keep_finalizers(&mut self) {
        let resolution = self.observe();
        for (name, zone) in resolution.zones() {
            let Some(declaration) = zone.declaration.as_deref() else { continue };
            let enforces = zone.wanted_namespaces().is_some() || zone.wanted_nodes().is_some();
            let subject = format!("PciZone/{name}");
            match (declaration.armed, enforces) {
                (false, true) => self.set_finalizers(&subject, &json!([names::FINALIZER])),
                (true, false) if !zone.is_leaving() && !self.has_left_overs(name) => {
                    self.set_finalizers(&subject, &Value::Null);
                    if declaration.deleting {
                        self.objects.remove(&subject);
                    }
                }
                (true | false, _) => {}
            }
        }
    }

    /// As the applier asks the API server: by label.
    fn has_left_overs(&self, zone: &str) -> bool {
        let terminating = |namespace: &Value| {
            let namespace = self.objects.get(&format!("Namespace/{}", namespace.as_str().unwrap_or_default()));
            namespace.is_none_or(|namespace| namespace["metadata"].get("deletionTimestamp").is_some())
        };
        self.objects.values().any(|object| {
            let labels = &object["metadata"]["labels"];
            match object["kind"].as_str() {
                Some("Namespace") => labels[names::ZONE_LABEL] == zone && !terminating(&object["metadata"]["name"]),
                Some("Node") => labels[names::NODE_LABEL] == zone,
                Some("NetworkPolicy") => {
                    labels[names::ZONE_LABEL] == zone
                        && labels[names::MANAGED_BY] == names::MANAGED_BY_VALUE
                        && !terminating(&object["metadata"]["namespace"])
                }
                _ => false,
            }
        })
    }

    fn set_finalizers(&mut self, subject: &str, finalizers: &Value) {
        if let Some(object) = self.objects.get_mut(subject) {
            merge(object, &json!({ "metadata": { "finalizers": finalizers } }));
        }
    }

    /// Everything that is to be written, in the order of a run: namespaces, then nodes.
    pub fn plan(&self) -> Vec<Planned> {
        let snapshot = self.snapshot();
        plan(&snapshot, &engine::resolve(&snapshot), self.now)
    }

    /// Lets the operator run until nothing is left to do. `before` sees each write before it is carried out.
    pub fn settle(&mut self, mut before: impl FnMut(&Model, &Write)) -> Result<(), String> {
        let mut last = Vec::new();
        for _ in 0..ROUNDS {
            self.judge();
            self.keep_finalizers();
            last = self.due();
            for write in &last {
                before(self, write);
                self.apply(write);
            }
            if last.is_empty() {
                self.judge();
                self.keep_finalizers();
                if self.due().is_empty() {
                    return Ok(());
                }
            }
        }
        Err(format!("the plan does not come to rest; it still wants {:?}", verbs(&last)))
    }

    /// What is to be written now.
    pub fn due(&self) -> Vec<Write> {
        let due = |planned| match planned {
            Planned::Due(write) => Some(write),
            Planned::Observed(_) => None,
        };
        self.plan().into_iter().filter_map(due).collect()
    }
}

/// The admission policies of armed zones are in place and in force, but for what somebody did to them.
fn guard(snapshot: &mut Snapshot, resolution: &Resolution, meddled: &BTreeMap<String, Value>, now: Timestamp) {
    for (name, zone) in resolution.zones() {
        let ranges = |node: &str| snapshot.nodes.get(node).map(|node| node_ranges(node)).unwrap_or_default();
        let memo = &mut guards::Memo::default();
        let guarding = guards::plan(zone, &snapshot.cluster, ranges, &[], memo, now);
        if !matches!(guarding.due, Due::Protect(_)) {
            continue;
        }
        for mut guard in guarding.desired.iter().cloned() {
            let manager = json!([{ "manager": names::MANAGER_GUARDS, "operation": "Update" }]);
            guard.metadata.managed_fields = Some(read(&manager));
            match meddled.get(&guard.subject()) {
                Some(Value::Null) => continue,
                Some(patch) => merge(&mut guard.spec, patch),
                None => {}
            }
            snapshot.guards.push(Arc::new(guard));
        }
        snapshot.in_force.insert(name.to_string(), guarding.digest);
    }
}

/// Everything that is to be written.
pub fn plan(snapshot: &Snapshot, resolution: &Resolution, now: Timestamp) -> Vec<Planned> {
    let planned = |stance: Stance, write: Write| match stance {
        Stance::Observe(_) => Planned::Observed(write),
        Stance::Protect(_) | Stance::Hold { .. } | Stance::Release(_) | Stance::Leave => Planned::Due(write),
    };
    let mut writes = Vec::new();
    for (name, namespace) in &snapshot.namespaces {
        let live = snapshot.policies.get(name).map(Vec::as_slice).unwrap_or_default();
        let stance = plan::namespace_stance(resolution, name);
        let planned = |write| planned(stance, write);
        writes.extend(
            plan::plan_namespace(stance, namespace, live, resolution, &snapshot.cluster, now).into_iter().map(planned),
        );
    }
    for (name, node) in &snapshot.nodes {
        let stance = plan::node_stance(resolution, name);
        writes.extend(plan::plan_node(stance, node, resolution).map(|write| planned(stance, write)));
    }
    writes
}

/// What is done to what, in words.
pub fn verbs(writes: &[Write]) -> Vec<String> {
    writes.iter().map(|write| format!("{} {}", write.verb(), write.subject())).collect()
}

fn read<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    match serde_json::from_value(object.clone()) {
        Ok(object) => object,
        Err(error) => panic!("{} is no object of its kind: {error}", subject(object)),
    }
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            if let Some(target) = target.as_object_mut() {
                target.remove(key);
            }
        } else {
            merge(&mut target[key], value);
        }
    }
}
