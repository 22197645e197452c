//! Where the objects come from that a command looks at.

use std::path::PathBuf;

use k8s_openapi::jiff::Timestamp;

use super::{
    manifests::{
        self, Faults, Input, Place, Places, Reader, Settings,
        files::{self, Source},
    },
    progress::Progress,
};
use crate::{
    api::names,
    engine::{
        self, Snapshot, access,
        canary::objects,
        change::count,
        intake::Kind,
        reach::words::few,
        settled,
        snapshot::{Cluster, Unseen},
    },
    evidence::dossier::quoted,
};

/// The namespace of objects that name none, unless another is given.
const DEFAULT: &str = "default";
/// Nothing came, which is more often a mistake than meant.
const EMPTY: &str = "standard input is empty: did what writes it fail?";
/// How much is told of what was not given.
const UNSEEN: usize = 20;

/// What a command looks at.
#[derive(Clone, Debug, clap::Args)]
pub struct Given {
    /// A file or folder of manifests (YAML or JSON), or - for standard input; may be given more than once. Without it
    /// the live cluster is looked at, where this program is built for that.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// How it is looked at.
    #[command(flatten)]
    pub reading: Reading,
    /// The context of the kubeconfig by which the live cluster is reached.
    #[cfg(feature = "operator")]
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub context: Option<String>,
}

/// How it is looked at.
#[derive(Clone, Debug, clap::Args)]
pub struct Reading {
    /// The namespace of objects that name none.
    #[arg(short, long, default_value = DEFAULT, value_name = "NAMESPACE")]
    pub namespace: String,
    /// Look at exactly what is there, as for a dump of a live cluster. Otherwise the cluster is looked at as it will be
    /// once the operator has carried out what the zones in it declare.
    #[arg(long)]
    pub as_is: bool,
    /// The moment to judge at, RFC 3339; otherwise now. With it equal input gives equal output.
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Say nothing of how far it is.
    #[arg(short, long)]
    pub quiet: bool,
}

/// What a command looks at, as it was found.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    pub(super) places: Places,
    /// It is exactly what is there.
    pub(super) as_is: bool,
    pub(super) now: Timestamp,
}

impl Given {
    /// Why the arguments make no sense, if so.
    pub(super) fn complaint(&self) -> Option<&'static str> {
        let complaint = "give the manifests by -f; this program is built without what reads a live cluster";
        (self.files.is_empty() && !cfg!(feature = "operator")).then_some(complaint)
    }

    /// The arguments by which the same is read again, as a shell reads them. The moment is not among them.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> =
            self.files.iter().map(|file| format!("-f {}", quoted(&file.to_string_lossy()))).collect();
        if self.reading.namespace != DEFAULT {
            words.push(format!("--namespace {}", quoted(&self.reading.namespace)));
        }
        if self.reading.as_is && !self.files.is_empty() {
            words.push("--as-is".to_string());
        }
        #[cfg(feature = "operator")]
        words.extend(self.context.iter().map(|context| format!("--context {}", quoted(context))));
        words.join(" ")
    }

    /// Reads everything, and looks at it as is asked for.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        self.read().map(Loaded::looked_at)
    }

    /// Reads everything, with nothing carried out of what the zones declare.
    pub(super) fn read(&self) -> anyhow::Result<Loaded> {
        if self.files.is_empty() {
            return self.reading.read(true, |reader, progress| self.read_live(reader, progress));
        }
        self.reading.read(false, |reader, progress| Ok(read_files(&self.files, reader, progress)))
    }

    #[cfg(feature = "operator")]
    fn read_live(&self, reader: &mut Reader, progress: &mut Progress) -> anyhow::Result<String> {
        super::live::read(self.context.as_deref(), reader, progress)
    }

    #[cfg(not(feature = "operator"))]
    #[expect(clippy::unused_self, reason = "the other one asks it for its context")]
    fn read_live(&self, _: &mut Reader, _: &mut Progress) -> anyhow::Result<String> {
        anyhow::bail!("this program is built without what reads a live cluster")
    }
}

impl Loaded {
    /// As it is, or as it will be.
    fn looked_at(self) -> Self {
        let look = if self.as_is { settled::as_is } else { settled::settled };
        Loaded { snapshot: look(self.snapshot, self.now), ..self }
    }
}

impl Reading {
    /// Reads files, folders and standard input, and looks at them as is asked for.
    pub(super) fn load_files(&self, files: &[PathBuf]) -> anyhow::Result<Loaded> {
        self.load(|reader, progress| Ok(read_files(files, reader, progress)))
    }

    /// Takes in manifests, and looks at them as is asked for.
    pub(super) fn load(
        &self,
        read: impl FnOnce(&mut Reader, &mut Progress) -> anyhow::Result<String>,
    ) -> anyhow::Result<Loaded> {
        self.read(false, read).map(Loaded::looked_at)
    }

    /// Takes in what is read. `live`: every object is one of a cluster.
    fn read(
        &self,
        live: bool,
        read: impl FnOnce(&mut Reader, &mut Progress) -> anyhow::Result<String>,
    ) -> anyhow::Result<Loaded> {
        let now = self.now.unwrap_or_else(|| Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
        let mut progress = Progress::new(self.quiet);
        let settings = Settings { namespace: self.namespace.clone(), now, live };
        let mut reader = Reader::new(settings, around());
        let read = read(&mut reader, &mut progress)?;
        progress.close();
        let said = format!("read {read}, {} in {:.1} s", count(reader.objects(), "object"), progress.seconds());
        let skipped = skipped(&reader);
        let unplaced = unplaced(&reader, &self.namespace);
        warn(reader.warnings());
        let Input { mut snapshot, counts, places } = reader.finish()?;
        progress.tell(&said);
        for line in skipped.iter().chain(&unplaced) {
            progress.tell(line);
        }
        let as_is = self.as_is || live;
        if live {
            let resolution = engine::resolve(&snapshot);
            objects::without_canary(&mut snapshot, &resolution);
        }
        if as_is {
            // What the objects do not tell: the guards that patch are only where the API server knows such.
            snapshot.cluster.mutates = counts.contains_key(&Kind::MutatingAdmissionPolicy);
        } else {
            let is_silent = |kind| !counts.contains_key(&kind);
            snapshot.unseen =
                Unseen { nodes: is_silent(Kind::Node), api_server: snapshot.cluster.api_server.is_empty() };
            access::complete(&mut snapshot.roles);
            for line in unseen(&snapshot) {
                progress.tell(&line);
            }
        }
        Ok(Loaded { snapshot, places, as_is, now })
    }
}

fn read_files(files: &[PathBuf], reader: &mut Reader, progress: &mut Progress) -> String {
    let (sources, wrong) = files::sources(files);
    for (source, message) in wrong {
        reader.fail(Place { source, ..Place::default() }, message);
    }
    let mut buffer = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let name = source.name();
        match source.read(&mut buffer) {
            Ok(()) if matches!(source, Source::Stdin) && manifests::is_blank(&buffer) => {
                reader.fail(Place { source: name, ..Place::default() }, EMPTY);
            }
            Ok(()) => reader.read(&name, source.is_json(), &buffer),
            Err(message) => reader.fail(Place { source: name, ..Place::default() }, message),
        }
        progress.tick(|seconds| {
            let objects = count(reader.objects(), "object");
            format!("{} of {} files, {objects}, {seconds:.1} s", number + 1, sources.len())
        });
    }
    match sources.as_slice() {
        [Source::Stdin] => "standard input".to_string(),
        sources => count(sources.len(), "file"),
    }
}

/// The operator as it is shipped.
fn around() -> Snapshot {
    let operator_namespace = names::OPERATOR_NAMESPACE.to_string();
    let operator_user = format!("system:serviceaccount:{operator_namespace}:{}", names::OPERATOR);
    Snapshot { cluster: Cluster { operator_namespace, operator_user, ..Cluster::default() }, ..Snapshot::default() }
}

/// What is named around the zones and was not given, in lines.
fn unseen(snapshot: &Snapshot) -> Vec<String> {
    let named = engine::unseen::named(snapshot, &engine::resolve(snapshot));
    let mut lines: Vec<String> = named
        .iter()
        .take(UNSEEN)
        .map(|(what, who)| {
            let who: Vec<String> = who.iter().cloned().collect();
            format!("not given, and so not judged: {what}, which {} names", few(&who))
        })
        .collect();
    if let Some(more) = named.len().checked_sub(UNSEEN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more that were not given"));
    }
    lines
}

/// Said also where nothing is to be said of how far it is.
fn warn(warnings: &Faults) {
    for warning in &warnings.shown {
        eprintln!("warning: {warning}");
    }
    if warnings.more > 0 {
        eprintln!("warning: and {} more", warnings.more);
    }
}

fn skipped(reader: &Reader) -> Option<String> {
    let total: usize = reader.skipped().values().sum();
    let kinds: Vec<String> = reader.skipped().iter().map(|(kind, number)| format!("{kind} {number}")).collect();
    (total > 0).then(|| format!("skipped {} of kinds that do not decide: {}", count(total, "object"), kinds.join(", ")))
}

/// What `helm template` writes mostly names no namespace, also where `--namespace` gave it one.
fn unplaced(reader: &Reader, namespace: &str) -> Option<String> {
    let number = reader.unplaced();
    let objects = count(number, "object");
    (number > 0 && namespace == DEFAULT)
        .then(|| format!("taken to be in namespace {DEFAULT}: {objects} without one; --namespace says which it is"))
}
