//! What `src/controllers` does around the engine: the way through a plan, guarded writes, the finalizer, the count of
//! confirmed changes. What it decides is the engine's; what is checked here holds after every single write.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node, Taint};
use pcizone::{
    api::{PciZone, names},
    engine::{
        arming::{self, Arming, arming},
        desired::{node, policies},
        due::{Course, Due, Release},
        ownership,
        plan::{self, Write},
        policy::Policy,
        snapshot::ZoneRecord,
    },
};

use crate::{
    checks,
    operator::number,
    run::Run,
    server::{Server, Status, Stored, key},
};

/// As in `src/controllers/apply.rs`.
const TRIES: usize = 3;

/// Why a write is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The API server says no.
    Api(Status),
    /// It says no to this object alone, such as an admission webhook.
    Refused,
    /// It does not answer. Whether it did what it was asked is not known.
    Down,
    /// The object changed again and again.
    Contended,
}

impl Error {
    fn is_about_one_object(self) -> bool {
        !matches!(self, Error::Down | Error::Api(Status::Conflict))
    }

    fn is_stale(self) -> bool {
        matches!(self, Error::Api(Status::Conflict | Status::AlreadyExists | Status::NotFound))
    }
}

/// What a replica knows while it carries a plan out.
struct Look<'a> {
    replica: usize,
    due: &'a Due,
    /// When it looked, or since then by its own write, the default deny was there.
    believes: bool,
}

impl Run {
    /// A replica looks at a namespace.
    pub fn look_at_namespace(&mut self, replica: usize, name: &str) {
        let operator = &self.operators[replica];
        let Some(namespace) = operator.namespaces.get(name).cloned() else { return };
        let stance = plan::namespace_stance(&operator.resolution, name);
        let live = operator.policies_in(name);
        let due = Due::new(stance, &operator.resolution);
        let writes =
            plan::plan_namespace(stance, &namespace, live, &operator.resolution, &self.cluster, self.server.now);
        checks::planned(operator, &stance, &due, name, &writes, self.server.now);
        let version = number(namespace.metadata.resource_version.as_deref());
        self.carry_out(replica, ("Namespace", name, version), &due, &writes);
    }

    /// A replica looks at a node.
    pub fn look_at_node(&mut self, replica: usize, name: &str) {
        let operator = &self.operators[replica];
        let Some(node) = operator.nodes.get(name).cloned() else { return };
        let stance = plan::node_stance(&operator.resolution, name);
        let due = Due::new(stance, &operator.resolution);
        let writes: Vec<Write> = plan::plan_node(stance, &node, &operator.resolution).into_iter().collect();
        let version = number(node.metadata.resource_version.as_deref());
        self.carry_out(replica, ("Node", name, version), &due, &writes);
    }

    /// As in `src/controllers/repair.rs`.
    fn carry_out(&mut self, replica: usize, owner: (&'static str, &str, Option<u64>), due: &Due, writes: &[Write]) {
        let (kind, name, version) = owner;
        if writes.is_empty() {
            return;
        }
        match due {
            Due::NotNow => return,
            Due::Release(_) | Due::Clean if self.is_deaf() => return,
            Due::Release(release) if !self.may_release(replica, release, kind, name) => return,
            Due::Protect(_) | Due::Release(_) | Due::Clean => {}
        }
        let believes = checks::believes_in_deny(&self.operators[replica], name);
        let mut look = Look { replica, due, believes };
        let mut course = Course::new(due);
        for write in writes {
            let subject = write.subject();
            if !course.admits(write) {
                continue;
            }
            let from = match write {
                Write::CreatePolicy(_) => None,
                Write::ReplacePolicy { live, .. } | Write::DeletePolicy(live) => {
                    number(live.metadata.resource_version.as_deref())
                }
                _ => version,
            };
            let awaited = &self.operators[replica].awaited;
            let deleted = write.speaks_of().is_some_and(|subject| awaited.is_deleted(&subject));
            if deleted || awaited.is_behind(&subject, from) {
                course.put_off(write);
                // It was acknowledged, and the watch has not shown that yet.
                look.believes |= write.denies_by_default() && !awaited.is_deleted(&subject);
                continue;
            }
            if self.is_paced() {
                course.miss(write);
                continue;
            }
            self.interleave(replica);
            if self.crashes(replica) {
                return;
            }
            self.counts.writes += 1;
            let written = self.write(&mut look, write);
            self.note(|| format!("  replica {replica}: {} {subject}: {written:?}", write.verb()));
            let awaited = &mut self.operators[replica].awaited;
            match written {
                Ok(Some(version)) => {
                    awaited.wrote(&subject, Some(version));
                    look.believes |= write.denies_by_default();
                }
                Ok(None) if from.is_some() => awaited.deleted(&subject, from),
                Ok(None) => {}
                Err(error) if error.is_about_one_object() => course.miss(write),
                Err(_) => course.end(),
            }
        }
    }

    /// As in `src/controllers/repair.rs`; and whoever says yes here has to show who confirmed it.
    fn may_release(&mut self, replica: usize, release: &Release, kind: &str, name: &str) -> bool {
        self.interleave(replica);
        let Some(zone) = self.server.get::<PciZone>(&release.zone).cloned() else { return false };
        if !release.is_confirmed_by(&ZoneRecord::Readable(Arc::clone(&zone))) {
            return false;
        }
        let live = match kind {
            "Node" => self.server.get::<Node>(name).map(|node| &node.metadata),
            _ => self.server.get::<Namespace>(name).map(|namespace| &namespace.metadata),
        };
        let Some(live) = live else { return false };
        if release.is_wanted(&self.operators[replica].resolution, kind, live) {
            return false;
        }
        checks::is_not_declared(&zone, kind, live);
        self.ledger.check(&zone, kind, name);
        self.counts.releases += 1;
        true
    }

    /// One request, with whatever may become of it.
    fn call<T>(&mut self, call: impl FnOnce(&mut Server) -> Result<T, Status>) -> Result<T, Error> {
        match self.fault() {
            Some(Error::Down) if self.rng.bool() => {
                self.counts.lost += 1;
                let _ = call(&mut self.server);
                Err(Error::Down)
            }
            Some(error) => {
                self.counts.failed += 1;
                Err(error)
            }
            None => call(&mut self.server).map_err(|status| {
                self.counts.conflicts += 1;
                Error::Api(status)
            }),
        }
    }

    fn write(&mut self, look: &mut Look, write: &Write) -> Result<Option<u64>, Error> {
        match write {
            Write::CreatePolicy(policy) => self.put_policy(look, policy, None),
            Write::ReplacePolicy { live, desired } => self.put_policy(look, desired, Some(live.as_ref().clone())),
            Write::DeletePolicy(policy) => self.delete_policy(look, policy),
            Write::LabelNamespace { namespace, uid, zone, adopt } => {
                checks::label(&self.server, namespace, look.believes);
                let (object, label) = ((namespace.as_str(), uid.as_str()), (names::ZONE_LABEL, zone.as_str()));
                let manager = names::MANAGER_NAMESPACES;
                let written = if *adopt {
                    self.call(|server| server.apply_label::<Namespace>(object, label, manager))
                } else {
                    self.call(|server| server.patch_label::<Namespace>(object, label, manager))
                };
                written.map(|object| version(&object))
            }
            Write::UnlabelNamespace { namespace, zone, resource_version } => {
                self.unlabel_namespace(look, namespace, zone, resource_version)
            }
            Write::LabelNode { node, uid, zone, .. } => {
                let label = (names::NODE_LABEL, zone.as_str());
                self.call(|server| server.apply_label::<Node>((node, uid), label, names::MANAGER_NODES))
                    .map(|object| version(&object))
            }
            Write::PatchNode { node, label, taints, resource_version } => {
                self.patch_node(look.replica, node, label.as_deref(), taints, resource_version)
            }
            // Guards are planned for zones, and here only namespaces and nodes are looked at.
            Write::Guard(_) | Write::SetPodSecurity { .. } => Ok(None),
        }
    }

    fn put_policy(
        &mut self,
        look: &mut Look,
        desired: &Policy,
        mut live: Option<Policy>,
    ) -> Result<Option<u64>, Error> {
        let key = key(desired);
        for _ in 0..TRIES {
            let result = match live.take() {
                None => self.call(|server| server.create(desired.clone(), names::MANAGER_NAMESPACES)),
                Some(live) => {
                    checks::may_replace(&live);
                    let mut merged = policies::replacement(desired, live);
                    let version = merged.metadata.resource_version.clone();
                    let replace = |policy: &mut Policy| {
                        // What a request says of who wrote what begins the record anew.
                        let record = merged.metadata.managed_fields.take();
                        merged.metadata.managed_fields = record.or(policy.metadata.managed_fields.take());
                        *policy = merged;
                    };
                    self.call(|server| server.update(&key, version.as_deref(), names::MANAGER_NAMESPACES, replace))
                }
            };
            match result {
                Ok(written) => return Ok(version(&written)),
                Err(error) if error.is_stale() => {
                    self.interleave(look.replica);
                    live = self.server.get::<Policy>(&key).map(|live| live.as_ref().clone());
                    let is_done = |live: &&Policy| !plan::may_replace(live) || plan::policy_matches(live, desired);
                    if let Some(live) = live.as_ref().filter(is_done) {
                        return Ok(number(live.metadata.resource_version.as_deref()));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    fn delete_policy(&mut self, look: &Look, policy: &Policy) -> Result<Option<u64>, Error> {
        let key = key(policy);
        let Some(live) = self.server.get::<Policy>(&key).cloned() else { return Ok(None) };
        if !plan::may_delete(&live, policy) {
            return Ok(number(live.metadata.resource_version.as_deref()));
        }
        checks::may_delete(look.due, &live);
        self.interleave(look.replica);
        let (uid, version) = (live.metadata.uid.as_deref(), live.metadata.resource_version.as_deref());
        let guard = (uid.unwrap_or_default(), version.unwrap_or_default());
        match self.call(|server| server.delete::<Policy>(&key, Some(guard))) {
            Err(Error::Api(Status::NotFound)) => Ok(None),
            Err(error) if error.is_stale() => Err(Error::Contended),
            Ok(()) => {
                self.operators[look.replica].deleted.extend(live.metadata.uid.clone());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn unlabel_namespace(&mut self, look: &Look, name: &str, zone: &str, guard: &str) -> Result<Option<u64>, Error> {
        let Some(live) = self.server.get::<Namespace>(name).cloned() else { return Ok(None) };
        if ownership::zone_label(&live) != Some(zone) {
            return Ok(number(live.metadata.resource_version.as_deref()));
        }
        self.interleave(look.replica);
        if let Some(live) = self.server.get::<Namespace>(name)
            && live.metadata.resource_version.as_deref() == Some(guard)
        {
            checks::may_unlabel(&self.server, look.due, live);
        }
        let unlabel = |namespace: &mut Namespace| {
            namespace.metadata.labels.get_or_insert_default().remove(names::ZONE_LABEL);
        };
        match self.call(|server| server.update(name, Some(guard), names::MANAGER_NAMESPACES, unlabel)) {
            Ok(written) => Ok(version(&written)),
            Err(Error::Api(Status::NotFound)) => Ok(None),
            Err(error) if error.is_stale() => Err(Error::Contended),
            Err(error) => Err(error),
        }
    }

    fn patch_node(
        &mut self,
        replica: usize,
        name: &str,
        label: Option<&str>,
        taints: &[Taint],
        version: &str,
    ) -> Result<Option<u64>, Error> {
        let (mut taints, mut guard) = (taints.to_vec(), version.to_string());
        for _ in 0..TRIES {
            let planned = taints.clone();
            let patch = |node: &mut Node| {
                checks::foreign_taints_stay(node, &planned);
                let labels = node.metadata.labels.get_or_insert_default();
                match label {
                    Some(zone) => labels.insert(names::NODE_LABEL.to_string(), zone.to_string()),
                    None => labels.remove(names::NODE_LABEL),
                };
                node.spec.get_or_insert_default().taints = Some(planned);
            };
            match self.call(|server| server.update(name, Some(&guard), names::MANAGER_NODES, patch)) {
                Ok(written) => return Ok(self::version(&written)),
                Err(Error::Api(Status::NotFound)) => return Ok(None),
                Err(error) if error.is_stale() && label.is_none() => return Err(Error::Contended),
                Err(error) if error.is_stale() => {
                    self.interleave(replica);
                    let Some(live) = self.server.get::<Node>(name).cloned() else { return Ok(None) };
                    let mut merged = node::foreign_taints(&live);
                    merged.extend(taints.into_iter().filter(|taint| taint.key == names::NODE_TAINT));
                    taints = merged;
                    let there = live.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
                    if there == taints && ownership::label(&live.metadata, names::NODE_LABEL) == label {
                        return Ok(number(live.metadata.resource_version.as_deref()));
                    }
                    guard = live.metadata.resource_version.clone().unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// As in `src/controllers/zones.rs`. Returns whether something was to be written.
    pub fn look_at_zone(&mut self, replica: usize, name: &str) {
        let operator = &self.operators[replica];
        let Some(zone) = operator.zones.get(name).cloned() else { return };
        let Some(known) = operator.resolution.zone(name) else { return };
        let present = match arming(known, ZoneRecord::Readable(Arc::clone(&zone)).is_armed()) {
            Arming::Arm => true,
            Arming::Disarm { .. } if self.is_deaf() => return,
            Arming::Disarm { deleting } if self.has_left_overs(name, deleting) => return,
            Arming::Disarm { .. } => false,
            Arming::Nothing => return,
        };
        self.interleave(replica);
        self.counts.writes += 1;
        let mut finalizers = zone.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != names::FINALIZER);
        if present {
            finalizers.push(names::FINALIZER.to_string());
        }
        let set = |zone: &mut PciZone| zone.metadata.finalizers = Some(finalizers);
        let guard = zone.metadata.resource_version.as_deref();
        let written = self.call(|server| server.update(name, guard, names::MANAGER_ZONES, set)).is_ok();
        self.note(|| format!("  replica {replica}: finalizer of {name}: {present}, written: {written}"));
    }

    fn has_left_overs(&self, zone: &str, deleting: bool) -> bool {
        let server = &self.server;
        let terminating = |policy: &Policy| {
            let namespace = server.get::<Namespace>(policy.metadata.namespace.as_deref().unwrap_or_default());
            namespace.is_none_or(|namespace| plan::is_terminating(namespace))
        };
        let left =
            |policy: &&Arc<Policy>| arming::is_left_policy(&policy.metadata, zone, deleting) && !terminating(policy);
        server.namespaces.live.values().any(|namespace| arming::is_left_namespace(namespace, zone, deleting))
            || server.nodes.live.values().any(|node| arming::is_left_node(node, zone, deleting))
            || server.policies.live.values().any(|policy| left(&policy))
    }

    /// What of a status the engine reads again: how many confirmed changes were carried out.
    /// Only whoever leads says so.
    pub fn judge(&mut self, replica: usize, name: &str) {
        if replica != self.leader {
            return;
        }
        let operator = &self.operators[replica];
        let Some(zone) = operator.zones.get(name).cloned() else { return };
        let Some(known) = operator.resolution.zone(name) else { return };
        let before = zone.status.as_ref().map_or(0, |status| status.confirmed_changes);
        let carried_out = known.is_confirmed() && !known.is_leaving();
        let count = before + i64::from(carried_out);
        // The other parts of a status may change at any time, and all of it is written then.
        if count == before && self.is_calm() {
            return;
        }
        self.interleave(replica);
        self.counts.writes += 1;
        let mut guard = None;
        if zone.metadata.annotations.iter().flatten().any(|(key, _)| key == names::CONFIRM_CHANGE) {
            let Some(live) = self.server.get::<PciZone>(name) else { return };
            if live.status.as_ref().is_some_and(|status| status.confirmed_changes > count) {
                return;
            }
            guard.clone_from(&live.metadata.resource_version);
            self.interleave(replica);
        }
        let uid = zone.metadata.uid.clone();
        let written = self.call(|server| {
            if server.get::<PciZone>(name).ok_or(Status::NotFound)?.metadata.uid != uid {
                return Err(Status::Conflict);
            }
            let set = |zone: &mut PciZone| zone.status.get_or_insert_default().confirmed_changes = count;
            server.update(name, guard.as_deref(), names::MANAGER_STATUS, set)
        });
        self.ledger.counted(self.server.get::<PciZone>(name).map(AsRef::as_ref));
        self.note(|| format!("  replica {replica}: {name} confirmed {count} times, written: {}", written.is_ok()));
    }
}

fn version<T: Stored>(object: &Arc<T>) -> Option<u64> {
    number(object.meta().resource_version.as_deref())
}
