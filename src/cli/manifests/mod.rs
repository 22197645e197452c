//! Reads manifests: files, folders, standard input or the answers of an API server, into a snapshot.
//!
//! ```text
//!  files ──▶ documents ──▶ objects ──▶ valid? ──▶ Intake ──▶ Snapshot
//!                              └── of a kind that does not decide: counted, and let go at once
//! ```
//! Nothing that is wrong is passed over: a policy that was left out could be the one that opens everything. The whole
//! input is read and everything that is wrong with it is told, at its place.

mod documents;
mod fault;
pub mod files;
mod locate;
mod object;
mod places;
mod schema;
mod typed;
mod valid;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use k8s_openapi::{
    api::core::v1::Namespace,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
    jiff::Timestamp,
};
use serde_json::Value;

use self::{
    documents::Unparsable,
    fault::without_value,
    object::{NODES, Read},
};
use crate::{
    api::names,
    engine::{
        Snapshot,
        intake::{Intake, Kind, Object, Scope},
    },
};

pub use fault::{Fault, Faults, Field, Place, Step};
pub use places::Places;

/// The most objects of one run.
const OBJECTS: usize = 1_000_000;
/// The most faults that are told one by one.
pub const SHOWN: usize = 20;
/// The most nodes of what makes pods: each may cost a thousand bytes while it is looked at.
const POD_NODES: usize = 20_000;
/// The largest document in which the line of a field is looked for; in larger ones that of the object does.
const SEARCHED: usize = 4 * 1024 * 1024;
/// Namespaces of every cluster.
const ALWAYS: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// The API group that some kinds lay in before they had one of their own.
const FORMER_GROUP: &str = "extensions";

/// How objects are completed, as an API server would.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of objects that name none.
    pub namespace: String,
    /// When what is not there yet will have been made.
    pub now: Timestamp,
    /// Every object is one of a cluster: nothing is checked or completed.
    pub live: bool,
}

/// Reads a text, and gives out object by object.
type Parse = fn(&str, &mut dyn FnMut(Read)) -> Result<(), Unparsable>;

/// Nothing stands there but comments, and where documents begin and end.
pub fn is_blank(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(documents::is_blank)
}

/// Reads one source after the other.
pub struct Reader {
    settings: Settings,
    intake: Intake,
    places: Places,
    /// Namespaces that something lies in.
    namespaces: BTreeSet<String>,
    counts: BTreeMap<Kind, usize>,
    skipped: BTreeMap<String, usize>,
    generated: usize,
    objects: usize,
    unplaced: usize,
    faults: Faults,
    warnings: Faults,
}

/// A place, small.
#[derive(Clone, Copy, Debug)]
struct Spot {
    source: usize,
    line: Option<u32>,
    item: Option<u32>,
}

/// What was read.
#[derive(Debug)]
pub struct Input {
    /// The objects that decide.
    pub snapshot: Snapshot,
    /// How many there are of each kind.
    pub counts: BTreeMap<Kind, usize>,
    /// Where they were read. Nowhere in a cluster.
    pub places: Places,
}

/// The text that is being read.
#[derive(Clone, Copy)]
struct Context<'a> {
    source: usize,
    text: &'a str,
    lines_before: u64,
}

impl Reader {
    /// Nothing read yet. `around`: what is no object.
    pub fn new(settings: Settings, around: Snapshot) -> Self {
        Reader {
            settings,
            intake: Intake::new(around),
            places: Places::default(),
            namespaces: BTreeSet::new(),
            counts: BTreeMap::new(),
            skipped: BTreeMap::new(),
            generated: 0,
            objects: 0,
            unplaced: 0,
            faults: Faults::default(),
            warnings: Faults::default(),
        }
    }

    /// How many objects that decide lie in a namespace and named none.
    pub fn unplaced(&self) -> usize {
        self.unplaced
    }

    /// How many objects were read.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// A zone that was read wants to know what scanners say.
    pub fn wants_reports(&self) -> bool {
        self.intake.wants_reports()
    }

    /// Notes that a kind of reports is there, whether there are any of it or not; `unread` says why they cannot be read.
    pub fn note_reports(&mut self, kind: Kind, unread: Option<String>) {
        self.intake.note_reports(kind, unread);
    }

    /// Objects of kinds that do not decide, by kind.
    pub fn skipped(&self) -> &BTreeMap<String, usize> {
        &self.skipped
    }

    /// What an API server takes and ignores, and whoever wrote it surely meant otherwise.
    pub fn warnings(&self) -> &Faults {
        &self.warnings
    }

    /// Reads a source: YAML with any number of documents, or JSON.
    pub fn read(&mut self, source: &str, is_json: bool, bytes: &[u8]) {
        let text = match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let line = before.split(|byte| *byte == b'\n').count();
                let place = Place { source: source.to_string(), line: u64::try_from(line).ok(), item: None };
                return self.fail(place, "it is no UTF-8 text");
            }
        };
        self.places.sources.push(source.to_string());
        let source = self.places.sources.len() - 1;
        if is_json {
            let context = Context { source, text: text.trim_start_matches('\u{feff}'), lines_before: 0 };
            self.document(context, documents::json);
            return;
        }
        if documents::is_json(text) {
            self.document(Context { source, text, lines_before: 0 }, documents::json);
            return;
        }
        for document in documents::split(text) {
            let context = Context { source, text: document.text, lines_before: document.lines_before };
            let parse = if documents::is_json(document.text) { documents::json } else { documents::yaml };
            self.document(context, parse);
            if self.objects > OBJECTS {
                break;
            }
        }
    }

    /// Notes that a source is wrong as a whole.
    pub fn fail(&mut self, place: Place, message: impl Into<String>) {
        let (subject, field) = (String::new(), Field::default());
        self.faults.push(|| Fault { place, subject, field, message: message.into() });
    }

    /// What was read, or all that is wrong with it.
    pub fn finish(mut self) -> Result<Input, Faults> {
        if !self.faults.shown.is_empty() {
            return Err(self.faults);
        }
        if !self.settings.live {
            self.add_namespaces();
        }
        let Reader { settings, intake, counts, places, .. } = self;
        Ok(Input { snapshot: intake.finish(settings.now), counts, places })
    }

    /// Namespaces that nobody wrote down: objects lie in them, or every cluster has them.
    fn add_namespaces(&mut self) {
        let known =
            |name: &str| self.places.spots.contains_key(format!("{}/{name}", Kind::Namespace.as_str()).as_str());
        let names = ALWAYS.into_iter().chain(self.namespaces.iter().map(String::as_str));
        let missing: BTreeSet<String> = names.filter(|name| !known(name)).map(str::to_string).collect();
        for name in missing {
            let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
            let mut object = Object::Namespace(Box::new(Namespace { metadata, ..Namespace::default() }));
            self.complete(&mut object);
            self.intake.take(object);
        }
    }

    fn document(&mut self, context: Context, parse: Parse) {
        let parsed = parse(context.text, &mut |read| self.object(context, read));
        if let Err(Unparsable { line, message }) = parsed {
            let source = self.places.sources.get(context.source).cloned().unwrap_or_default();
            let line = Some(context.lines_before + line.unwrap_or(1));
            self.fail(Place { source, line, item: None }, message);
        }
    }

    fn object(&mut self, context: Context, mut read: Read) {
        self.objects += 1;
        if self.objects > OBJECTS {
            if self.objects == OBJECTS + 1 {
                self.fault(context, &read, &Field::default(), &format!("there are more than {OBJECTS} objects"));
            }
            return;
        }
        let Some(kind) = self.kind(context, &read) else { return };
        let limit = if kind.is_workload() || kind == Kind::Pod { POD_NODES } else { NODES };
        if read.nodes > limit {
            self.fault(context, &read, &Field::default(), "the object is too large");
            return;
        }
        self.name(&mut read);
        if kind == Kind::PciZone
            && let Some(spec) = read.content.get_mut("spec")
        {
            schema::prune(spec);
        }
        let content = Value::Object(mem::take(&mut read.content));
        let mut unknown = Vec::new();
        let object = if self.settings.live { kind.read(&content) } else { typed::read(kind, &content, &mut unknown) };
        read.content = match content {
            Value::Object(content) => content,
            _ => return,
        };
        for field in unknown {
            self.warn(context, &read, &field, "there is no such field, so it is ignored");
        }
        match object {
            Ok(object) => self.take(context, &read, object),
            Err(error) => self.wrong_type(context, &read, kind, &error.to_string()),
        }
    }

    /// The kind of an object, if it decides.
    fn kind(&mut self, context: Context, read: &Read) -> Option<Kind> {
        if read.kind.is_empty() || read.api_version.is_empty() {
            let missing = if read.kind.is_empty() { "kind" } else { "apiVersion" };
            self.fault(context, read, &Field::of(missing), "it is missing, so what this is cannot be told");
            return None;
        }
        let Some(kind) = Kind::find(read.group(), &read.kind) else {
            let former = Kind::ALL.iter().find(|kind| kind.as_str() == read.kind);
            if let Some(kind) = former.filter(|_| read.group() == FORMER_GROUP) {
                let message =
                    format!("no API server takes {} any more; write {}", read.api_version, kind.api_version());
                self.fault(context, read, &Field::of("apiVersion"), &message);
            } else {
                *self.skipped.entry(read.kind.clone()).or_default() += 1;
            }
            return None;
        };
        if !kind.reads(read.version()) && kind.is_report() {
            // It proves nothing, and leaves nothing open.
            *self.skipped.entry(read.kind.clone()).or_default() += 1;
            return None;
        }
        if !kind.reads(read.version()) {
            let message = format!("{} is not read; write {}", read.api_version, kind.api_version());
            self.fault(context, read, &Field::of("apiVersion"), &message);
            return None;
        }
        Some(kind)
    }

    /// Gives what an API server would name a name that no other has.
    fn name(&mut self, read: &mut Read) {
        let Some(Value::Object(metadata)) = read.content.get_mut("metadata") else { return };
        if metadata.contains_key("name") {
            return;
        }
        if let Some(Value::String(prefix)) = metadata.get("generateName") {
            self.generated += 1;
            let name = format!("{prefix}{}", self.generated);
            metadata.insert("name".to_string(), Value::String(name));
        }
    }

    /// Says which field is of a wrong type: reads it again, with an eye on the way.
    fn wrong_type(&mut self, context: Context, read: &Read, kind: Kind, otherwise: &str) {
        let content = Value::Object(read.content.clone());
        let mut track = serde_path_to_error::Track::new();
        let again = kind.read(serde_path_to_error::Deserializer::new(&content, &mut track));
        let message = again.err().map_or_else(|| otherwise.to_string(), |error| error.to_string());
        self.fault(context, read, &Field::from(&track.path()), &without_value(&message));
    }

    fn take(&mut self, context: Context, read: &Read, mut object: Object) {
        let kind = object.kind();
        self.complete(&mut object);
        let metadata = object.metadata();
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref().unwrap_or_default());
        let key = match namespace {
            Some(namespace) => format!("{}/{namespace}/{name}", kind.as_str()),
            None => format!("{}/{name}", kind.as_str()),
        };
        let mut is_valid = true;
        if !self.settings.live {
            valid::check(&object, &mut |field, message| {
                is_valid = false;
                self.fault(context, read, field, &message);
            });
            let small = |number: u64| u32::try_from(number).ok();
            let line = read.line.and_then(|line| small(context.lines_before + line));
            let item = read.item.and_then(|item| u32::try_from(item).ok());
            let spot = Spot { source: context.source, line, item };
            if let Some(first) = self.places.spots.insert(key.into_boxed_str(), spot).filter(|_| is_valid) {
                let first = places::place(&self.places.sources, first);
                let message = format!("it is there twice; the first is at {first}");
                self.fault(context, read, &Field::default(), &message);
                return;
            }
        }
        if is_valid {
            self.note_entries(context, read, &object);
            if let Some(namespace) = &object.metadata().namespace
                && !self.namespaces.contains(namespace)
            {
                self.namespaces.insert(namespace.clone());
            }
            *self.counts.entry(kind).or_default() += 1;
            self.intake.take(object);
        }
    }

    /// Notes where the entries of a zone stand. Of a zone in a list they do not: each would cost the whole list.
    fn note_entries(&mut self, context: Context, read: &Read, object: &Object) {
        let is_alone = read.item.is_none() && context.text.len() <= SEARCHED && !self.settings.live;
        if object.kind() != Kind::PciZone || !is_alone || read.line.is_none() {
            return;
        }
        let zone = object.metadata().name.as_deref().unwrap_or_default();
        for (subject, line) in places::entries(context.text, zone) {
            let line = u32::try_from(context.lines_before + line).ok();
            let spot = Spot { source: context.source, line, item: None };
            self.places.spots.insert(places::entry_key(zone, &subject).into_boxed_str(), spot);
        }
    }

    /// Adds what an API server adds.
    fn complete(&mut self, object: &mut Object) {
        let kind = object.kind();
        let Settings { namespace, now, live: _ } = &self.settings;
        let metadata = object.metadata_mut();
        match kind.scope() {
            Scope::Cluster => metadata.namespace = None,
            Scope::Namespaced => {
                let own = metadata.namespace.take().filter(|namespace| !namespace.is_empty());
                self.unplaced += usize::from(own.is_none());
                metadata.namespace = Some(own.unwrap_or_else(|| namespace.clone()));
            }
        }
        if kind == Kind::Pod {
            metadata.creation_timestamp.get_or_insert(Time(*now));
        }
        if kind == Kind::Namespace {
            let name = metadata.name.clone().unwrap_or_default();
            metadata.labels.get_or_insert_default().entry(names::NAMESPACE_NAME.to_string()).or_insert(name);
        }
    }

    fn fault(&mut self, context: Context, read: &Read, field: &Field, message: &str) {
        self.faults.push(|| fault(&self.places.sources, context, read, field, message));
    }

    fn warn(&mut self, context: Context, read: &Read, field: &Field, message: &str) {
        self.warnings.push(|| fault(&self.places.sources, context, read, field, message));
    }
}

fn fault(sources: &[String], context: Context, read: &Read, field: &Field, message: &str) -> Fault {
    let source = sources.get(context.source).cloned().unwrap_or_default();
    let is_small = context.text.len() <= SEARCHED;
    let line = is_small.then(|| locate::line(context.text, read.item, field)).flatten().or(read.line);
    let line = line.map(|line| context.lines_before + line);
    let place = Place { source, line, item: read.item };
    Fault { place, subject: subject(read), field: field.clone(), message: message.to_string() }
}

/// `Kind namespace/name`, as far as it is there.
fn subject(read: &Read) -> String {
    let text = |key: &str| read.content.get("metadata").and_then(|metadata| metadata.get(key)?.as_str());
    let name = text("name").or(text("generateName")).unwrap_or_default();
    let name = match text("namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_string(),
    };
    [read.kind.as_str(), &name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
