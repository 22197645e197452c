//! The API server, as far as the operator needs it: objects with versions, guarded writes, finalizers, and what
//! each watch shows in its order.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use k8s_openapi::{
    api::core::v1::{Namespace, Node},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use kube::Resource;
use pcizone::{api::PciZone, engine::policy::Policy};

use crate::fields;

/// Why the API server does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    NotFound,
    Conflict,
    AlreadyExists,
    /// Nothing is created in a namespace that goes away.
    Forbidden,
    /// What is to be created has a version already.
    Invalid,
}

/// What a watch shows: an object as it is now, or as it was when it went.
pub struct Event<T> {
    pub object: Arc<T>,
    pub exists: bool,
}

impl<T> Clone for Event<T> {
    fn clone(&self) -> Self {
        Event { object: Arc::clone(&self.object), exists: self.exists }
    }
}

/// The objects of one kind, by key.
#[derive(Clone)]
pub struct Kind<T> {
    pub live: BTreeMap<String, Arc<T>>,
    pub events: Vec<Event<T>>,
}

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Kind { live: BTreeMap::new(), events: Vec::new() }
    }
}

/// Everything that is stored.
#[derive(Clone, Default)]
pub struct Server {
    pub zones: Kind<PciZone>,
    pub namespaces: Kind<Namespace>,
    pub nodes: Kind<Node>,
    /// By `namespace/name`.
    pub policies: Kind<Policy>,
    pub now: Timestamp,
    version: u64,
}

/// A kind that is stored here.
pub trait Stored: Resource<DynamicType = ()> + Clone + Debug + PartialEq {
    fn all(server: &mut Server) -> &mut Kind<Self>;
    fn peek(server: &Server) -> &Kind<Self>;
    /// The spec is another one.
    fn differs(&self, other: &Self) -> bool;
}

macro_rules! stored {
    ($type:ty, $field:ident) => {
        impl Stored for $type {
            fn all(server: &mut Server) -> &mut Kind<Self> {
                &mut server.$field
            }
            fn peek(server: &Server) -> &Kind<Self> {
                &server.$field
            }
            fn differs(&self, other: &Self) -> bool {
                self.spec != other.spec
            }
        }
    };
}

stored!(PciZone, zones);
stored!(Namespace, namespaces);
stored!(Node, nodes);
stored!(Policy, policies);

/// Key of an object among those of its kind.
pub fn key<T: Resource>(object: &T) -> String {
    let metadata = object.meta();
    let name = metadata.name.as_deref().unwrap_or_default();
    metadata.namespace.as_ref().map_or_else(|| name.to_string(), |namespace| format!("{namespace}/{name}"))
}

impl Server {
    /// Without any object.
    pub fn new(now: Timestamp) -> Self {
        Server { now, ..Server::default() }
    }

    /// Every watch has shown everything.
    pub fn forget_events(&mut self) {
        self.zones.events.clear();
        self.namespaces.events.clear();
        self.nodes.events.clear();
        self.policies.events.clear();
    }

    fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    fn store<T: Stored>(&mut self, mut object: T) -> Arc<T> {
        object.meta_mut().resource_version = Some(self.next_version());
        let object = Arc::new(object);
        let kind = T::all(self);
        kind.live.insert(key(object.as_ref()), Arc::clone(&object));
        kind.events.push(Event { object: Arc::clone(&object), exists: true });
        object
    }

    fn remove<T: Stored>(&mut self, key: &str) {
        let version = self.next_version();
        let kind = T::all(self);
        let Some(object) = kind.live.remove(key) else { return };
        let mut object = object.as_ref().clone();
        object.meta_mut().resource_version = Some(version);
        kind.events.push(Event { object: Arc::new(object), exists: false });
    }

    pub fn get<T: Stored>(&self, key: &str) -> Option<&Arc<T>> {
        T::peek(self).live.get(key)
    }

    pub fn create<T: Stored>(&mut self, mut object: T, manager: &str) -> Result<Arc<T>, Status> {
        if T::peek(self).live.contains_key(&key(&object)) {
            return Err(Status::AlreadyExists);
        }
        if let Some(namespace) = object.meta().namespace.as_ref() {
            let namespace = self.namespaces.live.get(namespace).ok_or(Status::NotFound)?;
            if namespace.metadata.deletion_timestamp.is_some() {
                return Err(Status::Forbidden);
            }
        }
        if object.meta().resource_version.is_some() {
            return Err(Status::Invalid);
        }
        let uid = format!("uid-{}", self.version);
        let created = Time(self.now);
        let metadata = object.meta_mut();
        metadata.uid = Some(uid);
        metadata.creation_timestamp = Some(created);
        metadata.generation = Some(1);
        fields::update(&ObjectMeta::default(), metadata, manager, true);
        Ok(self.store(object))
    }

    /// An update or a patch: `change` edits the live object. `version`: it must be this one.
    pub fn update<T: Stored>(
        &mut self,
        key: &str,
        version: Option<&str>,
        manager: &str,
        change: impl FnOnce(&mut T),
    ) -> Result<Arc<T>, Status> {
        let live = Arc::clone(self.get::<T>(key).ok_or(Status::NotFound)?);
        if version.is_some_and(|version| live.meta().resource_version.as_deref() != Some(version)) {
            return Err(Status::Conflict);
        }
        let mut object = live.as_ref().clone();
        change(&mut object);
        let differs = live.differs(&object);
        fields::update(live.meta(), object.meta_mut(), manager, differs);
        if differs && let Some(generation) = object.meta_mut().generation.as_mut() {
            *generation += 1;
        }
        Ok(self.put(&live, object))
    }

    /// A merge patch of a label that names the object's UID. Another one is refused.
    pub fn patch_label<T: Stored>(
        &mut self,
        (name, uid): (&str, &str),
        (label, value): (&str, &str),
        manager: &str,
    ) -> Result<Arc<T>, Status> {
        if self.get::<T>(name).ok_or(Status::NotFound)?.meta().uid.as_deref() != Some(uid) {
            return Err(Status::Invalid);
        }
        self.update(name, None, manager, |object: &mut T| {
            object.meta_mut().labels.get_or_insert_default().insert(label.to_string(), value.to_string());
        })
    }

    /// Server-side apply of a label, by force.
    pub fn apply_label<T: Stored>(
        &mut self,
        (name, uid): (&str, &str),
        (label, value): (&str, &str),
        manager: &str,
    ) -> Result<Arc<T>, Status> {
        let live = Arc::clone(self.get::<T>(name).ok_or(Status::NotFound)?);
        if live.meta().uid.as_deref() != Some(uid) {
            return Err(Status::Conflict);
        }
        let mut object = live.as_ref().clone();
        object.meta_mut().labels.get_or_insert_default().insert(label.to_string(), value.to_string());
        fields::apply(live.meta(), object.meta_mut(), manager, label);
        Ok(self.put(&live, object))
    }

    /// What changes nothing makes no new version; what was being deleted goes with its last finalizer.
    fn put<T: Stored>(&mut self, live: &Arc<T>, object: T) -> Arc<T> {
        if *live.as_ref() == object {
            return Arc::clone(live);
        }
        let held = object.meta().finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty());
        let stored = self.store(object);
        if stored.meta().deletion_timestamp.is_some() && !held && !is_namespace::<T>() {
            self.remove::<T>(&key(stored.as_ref()));
        }
        stored
    }

    /// With a finalizer it is only marked. `guard`: UID and version that it must have.
    pub fn delete<T: Stored>(&mut self, key: &str, guard: Option<(&str, &str)>) -> Result<(), Status> {
        let live = Arc::clone(self.get::<T>(key).ok_or(Status::NotFound)?);
        let metadata = live.meta();
        let is_it = |(uid, version)| {
            metadata.uid.as_deref() == Some(uid) && metadata.resource_version.as_deref() == Some(version)
        };
        if !guard.is_none_or(is_it) {
            return Err(Status::Conflict);
        }
        if metadata.finalizers.as_ref().is_none_or(Vec::is_empty) && !is_namespace::<T>() {
            self.remove::<T>(key);
        } else if metadata.deletion_timestamp.is_none() {
            let mut object = live.as_ref().clone();
            object.meta_mut().deletion_timestamp = Some(Time(self.now));
            self.store(object);
        }
        Ok(())
    }

    /// A namespace that is being deleted goes, after everything in it.
    pub fn finish_namespace(&mut self, name: &str) {
        if self.namespaces.live.get(name).is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
            return;
        }
        let inside = format!("{name}/");
        let keys: Vec<String> = self.policies.live.keys().filter(|key| key.starts_with(&inside)).cloned().collect();
        for key in keys {
            self.remove::<Policy>(&key);
        }
        self.remove::<Namespace>(name);
    }
}

/// Namespaces do not go at once: the API server empties them first.
fn is_namespace<T: Stored>() -> bool {
    <T as Resource>::kind(&()) == "Namespace"
}
