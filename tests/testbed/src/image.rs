//! Makes container images as archives, without a daemon: a few files in a few folders, by the layout of the Open Container
//! Initiative. Equal files make equal images.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::{assets::Binary, control_plane::find_assets, workdir::Workdir};

/// A registry that nobody has (RFC 2606), so that an image is there or is not.
const REGISTRY: &str = "registry.example.com";
/// What holds the namespaces of a pod.
pub(crate) const PAUSE: &str = "registry.example.com/pause:1";
/// Where busybox is, by Debian's package.
const BUSYBOX: [&str; 3] = ["/bin/busybox", "/usr/bin/busybox", "/usr/local/bin/busybox"];

/// A container image, for [`NodeCluster::import_image`](crate::NodeCluster::import_image).
#[derive(Clone, Debug)]
pub struct Image {
    repository: String,
    tag: String,
    digest: String,
    archive: Vec<u8>,
}

/// What an image runs, and as whom.
#[derive(Default)]
struct Run<'a> {
    entrypoint: &'a [&'a str],
    command: &'a [&'a str],
    user: &'a str,
}

impl Image {
    /// The operator, from a program that was built. It need not be static: the libraries that it names go with it.
    pub fn operator(program: &Path) -> Result<Self> {
        let mut layer = Layer::default();
        layer.file("pcizone", &stripped(program)?, 0o755)?;
        layer.libraries_of(program)?;
        let command = ["operator", "--listen", "[::]:8080"];
        let run = Run { entrypoint: &["/pcizone"], command: &command, user: "65532:65532" };
        Self::pack("pcizone", "dev", layer, &run)
    }

    /// The OpenTelemetry Collector that [`Collector`](crate::Collector) runs; it is built on the first run.
    pub async fn collector() -> Result<Self> {
        let assets = find_assets(vec![Binary::OtelCollector]).await?;
        let program = assets.path(Binary::OtelCollector)?;
        let mut layer = Layer::default();
        layer.file("otelcol", &stripped(&program)?, 0o755)?;
        layer.libraries_of(&program)?;
        let run = Run { entrypoint: &["/otelcol"], user: "10001:10001", ..Run::default() };
        Self::pack("otelcol", "1", layer, &run)
    }

    /// A shell with the usual tools: `sh`, `nc`, `httpd`, `sleep` and many more.
    pub fn busybox() -> Result<Self> {
        let run = Run { command: &["sh"], ..Run::default() };
        Self::pack("busybox", "1", busybox()?, &run)
    }

    /// What holds the namespaces of a pod: it sleeps.
    pub(crate) fn pause() -> Result<Self> {
        let run = Run { entrypoint: &["/bin/sleep", "infinity"], ..Run::default() };
        Self::pack("pause", "1", busybox()?, &run)
    }

    /// The name with the tag, such as `registry.example.com/busybox:1`.
    pub fn by_tag(&self) -> String {
        format!("{REGISTRY}/{}:{}", self.repository, self.tag)
    }

    /// The name with the digest, such as `registry.example.com/busybox@sha256:…`.
    pub fn by_digest(&self) -> String {
        format!("{REGISTRY}/{}@{}", self.repository, self.digest)
    }

    /// The archive, an OCI layout in a tar file.
    pub fn archive(&self) -> &[u8] {
        &self.archive
    }

    fn pack(repository: &str, tag: &str, layer: Layer, run: &Run) -> Result<Self> {
        let layer = layer.finish()?;
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => bail!("no image can be made on {other}: containers know it by another name"),
        };
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Entrypoint": run.entrypoint,
                "Cmd": run.command,
                "User": run.user,
                "Env": ["PATH=/bin"],
            },
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&manifest),
            "size": manifest.len(),
            "annotations": {
                "io.containerd.image.name": format!("{REGISTRY}/{repository}:{tag}"),
                "org.opencontainers.image.ref.name": tag,
            },
        });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string().into_bytes();

        let mut archive = Layer::default();
        archive.file("oci-layout", json!({ "imageLayoutVersion": "1.0.0" }).to_string().as_bytes(), 0o644)?;
        archive.file("index.json", &index, 0o644)?;
        let digest_of_manifest = digest(&manifest);
        for blob in [&config, &layer, &manifest] {
            archive.file(&format!("blobs/{}", digest(blob).replace(':', "/")), blob, 0o644)?;
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: digest_of_manifest,
            archive: archive.finish()?,
        })
    }
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn digest(blob: &[u8]) -> String {
    Sha256::digest(blob).iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a String can not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A tar archive in which equal files make equal bytes.
struct Layer {
    tar: Builder<Vec<u8>>,
    folders: BTreeSet<PathBuf>,
}

impl Default for Layer {
    fn default() -> Self {
        Self { tar: Builder::new(Vec::new()), folders: BTreeSet::new() }
    }
}

impl Layer {
    fn file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        let path = path.trim_start_matches('/');
        self.folders_above(path)?;
        let size = u64::try_from(content.len()).context("a file is too long")?;
        let mut header = header(EntryType::Regular, mode, size);
        self.tar.append_data(&mut header, path, content).with_context(|| format!("cannot pack {path}"))
    }

    /// What the loader will look for.
    fn libraries_of(&mut self, program: &Path) -> Result<()> {
        for library in libraries(program)? {
            let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
            self.file(&library.display().to_string(), &content, 0o755)?;
        }
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.folders_above(path)?;
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.tar.append_link(&mut header, path, target).with_context(|| format!("cannot pack {path}"))
    }

    fn folders_above(&mut self, path: &str) -> Result<()> {
        let above = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        let mut above: Vec<&Path> = above.collect();
        above.reverse();
        for folder in above {
            if self.folders.insert(folder.to_owned()) {
                let mut header = header(EntryType::Directory, 0o755, 0);
                self.tar.append_data(&mut header, folder, &[][..]).context("cannot pack a folder")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>> {
        self.tar.into_inner().context("cannot finish an archive")
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn busybox() -> Result<Layer> {
    let path = BUSYBOX.into_iter().find(|path| Path::new(path).exists());
    let path = path.context("there is no busybox on this machine: install the package busybox-static")?;
    let mut layer = Layer::default();
    let content = fs::read(path).with_context(|| format!("cannot read {path}"))?;
    layer.file("bin/busybox", &content, 0o755)?;
    layer.libraries_of(Path::new(path))?;
    let output = Command::new(path).arg("--list").output().with_context(|| format!("cannot run {path}"))?;
    for applet in String::from_utf8_lossy(&output.stdout).lines().filter(|name| *name != "busybox") {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    for folder in ["tmp", "www"] {
        layer.folders_above(&format!("{folder}/x"))?;
    }
    Ok(layer)
}

/// The program without what only a debugger reads, where that can be taken away.
fn stripped(program: &Path) -> Result<Vec<u8>> {
    let folder = Workdir::create()?;
    let small = folder.path().join("stripped");
    let strip = Command::new("strip").arg("--strip-all").arg("-o").arg(&small).arg(program).output();
    let path = if strip.is_ok_and(|output| output.status.success()) { &small } else { program };
    fs::read(path).with_context(|| format!("cannot read {}; is it built?", program.display()))
}

/// The libraries that the loader would take, and the loader; none for a static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot run ldd")?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Some(missing) = lines.lines().find(|line| line.contains("not found")) {
        bail!("{} needs a library that is not there: {}", program.display(), missing.trim());
    }
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(lines.lines().filter(|line| line.contains("(0x")).filter_map(path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(content: &[u8]) -> Image {
        let mut layer = Layer::default();
        layer.file("bin/program", content, 0o755).unwrap();
        Image::pack("program", "1", layer, &Run::default()).unwrap()
    }

    #[test]
    fn equal_files_make_equal_images() {
        assert_eq!(image(b"a").archive(), image(b"a").archive());
        assert_ne!(image(b"a").by_digest(), image(b"b").by_digest());
    }

    #[test]
    fn each_blob_lies_under_its_digest() {
        let image = image(b"a");
        let mut archive = tar::Archive::new(image.archive());
        let mut blobs = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            if let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
                assert_eq!(digest(&content), format!("sha256:{hex}"));
                blobs.push(format!("{REGISTRY}/program@sha256:{hex}"));
            }
        }
        assert_eq!(blobs.len(), 3);
        assert!(blobs.contains(&image.by_digest()), "the manifest is not there under the digest that names the image");
    }
}
