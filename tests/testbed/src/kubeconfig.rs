//! Writes kubeconfig files, and reads them for kube clients.
//! The files are self-contained (no paths inside), so they can be moved or mounted.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::pki::Identity;

/// The name of the one cluster, user and context in each file.
const ENTRY: &str = "testbed";

/// Writes the kubeconfig files of one cluster.
pub(crate) struct Kubeconfigs {
    folder: PathBuf,
    url: String,
    authority: String,
    written: AtomicU32,
}

/// How a client proves who it is.
pub(crate) enum Credential {
    Certificate(Identity),
    Token(String),
}

impl Kubeconfigs {
    pub(crate) fn new(folder: PathBuf, url: String, authority: String) -> Self {
        Self { folder, url, authority, written: AtomicU32::new(0) }
    }

    /// Writes a file of its own, even when the same user got one before.
    pub(crate) fn write(&self, user: &str, credential: Credential) -> Result<PathBuf> {
        let user_entry = match credential {
            Credential::Certificate(identity) => json!({
                "client-certificate-data": ByteString(identity.certificate.into_bytes()),
                "client-key-data": ByteString(identity.key.into_bytes()),
            }),
            Credential::Token(token) => json!({ "token": token }),
        };
        let authority = ByteString(self.authority.clone().into_bytes());
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": ENTRY,
                "cluster": { "server": self.url, "certificate-authority-data": authority },
            }],
            "users": [{ "name": ENTRY, "user": user_entry }],
            "contexts": [{ "name": ENTRY, "context": { "cluster": ENTRY, "user": ENTRY } }],
            "current-context": ENTRY,
        });

        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let name: String = user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(60).collect();
        let path = self.folder.join(format!("{number:02}-{name}.kubeconfig"));
        // Every YAML reader reads JSON.
        write_private(&path, &format!("{content:#}\n"))?;
        Ok(path)
    }
}

/// Writes a new file that only its owner can read.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a kubeconfig file for a kube client.
pub async fn config_from(path: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("cannot use {}", path.display()))?;
    // The proxy variables of the user do not apply to 127.0.0.1; kube takes them without looking at the address.
    config.proxy_url = None;
    Ok(config)
}
