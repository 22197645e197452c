//! The live cluster, as the API server lists it: every kind that the operator watches, page by page.

use std::{fmt::Write, time::Duration};

use anyhow::{Context, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{manifests::Reader, progress::Progress};
use crate::{
    api::names,
    controllers::served,
    engine::{change::count, intake::Kind},
};

/// Objects of one answer: enough that a large cluster takes few requests, and few enough to be held.
const PAGE: usize = 500;
/// The same of reports, each of which may be a megabyte.
const PAGE_OF_REPORTS: usize = 20;
const CALL: Duration = Duration::from_secs(30);

/// Of a list, how it goes on.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    r#continue: String,
}

/// Reads the cluster of a context, or of the present one. Returns what was read, in words.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn read(
    context: Option<&str>,
    reader: &mut Reader,
    progress: &mut Progress,
) -> anyhow::Result<String> {
    let config =
        config(context).await.context("cannot find an API server by the kubeconfig (KUBECONFIG, ~/.kube/config)")?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).context("cannot speak to the API server")?;
    // Zones come first, so it is known whether reports are asked for.
    for kind in Kind::ALL.iter().copied().filter(|kind| !kind.is_workload() && !kind.is_mirrored()) {
        if kind.is_report() && !reader.wants_reports() {
            continue;
        }
        let version = if kind.is_optional() {
            match served(kind, &client).await {
                Ok(Some(version)) => version,
                Ok(None) => continue,
                Err(refusal) if kind.is_report() => {
                    reader.note_reports(kind, Some(format!("{} cannot be read: {refusal}", kind.resource())));
                    continue;
                }
                Err(refusal) => bail!("cannot list {}: {refusal}", kind.resource()),
            }
        } else {
            kind.version()
        };
        if kind.is_report() {
            reader.note_reports(kind, None);
        }
        list(&client, kind, version, reader, progress).await?;
    }
    Ok(server)
}

pub(super) async fn config(context: Option<&str>) -> anyhow::Result<Config> {
    let Some(context) = context else { return Ok(Config::infer().await?) };
    let options = KubeConfigOptions { context: Some(context.to_string()), ..KubeConfigOptions::default() };
    Ok(Config::from_custom_kubeconfig(Kubeconfig::read()?, &options).await?)
}

async fn list(
    client: &Client,
    kind: Kind,
    version: &str,
    reader: &mut Reader,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut next = String::new();
    loop {
        let request =
            http::Request::get(path(kind, version, &next)).body(Vec::new()).context("cannot make a request")?;
        let Ok(answer) = timeout(CALL, client.request_text(request)).await else {
            bail!("cannot list {}: no answer for {} s", kind.plural(), CALL.as_secs());
        };
        let text = match answer {
            Ok(text) => text,
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                bail!("the right to list {} in the whole cluster is missing: {}", resource(kind), status.message)
            }
            Err(error) => return Err(error).with_context(|| format!("cannot list {}", kind.plural())),
        };
        reader.read(&format!("the cluster's {}", kind.plural()), true, text.as_bytes());
        let page: Page = serde_json::from_str(&text).with_context(|| format!("cannot list {}", kind.plural()))?;
        progress.tick(|seconds| format!("{}, {}, {seconds:.1} s", kind.plural(), count(reader.objects(), "object")));
        if page.metadata.r#continue.is_empty() {
            return Ok(());
        }
        next = page.metadata.r#continue;
    }
}

/// As RBAC names it.
fn resource(kind: Kind) -> &'static str {
    kind.resource().trim_end_matches('.')
}

fn path(kind: Kind, version: &str, next: &str) -> String {
    let base = if kind.group().is_empty() { "/api".to_string() } else { format!("/apis/{}", kind.group()) };
    let limit = if kind.is_report() { PAGE_OF_REPORTS } else { PAGE };
    let mut path = format!("{base}/{version}/{}?limit={limit}", kind.plural());
    // Writing to a String cannot fail.
    if kind.is_guard() {
        let _ = write!(path, "&labelSelector={}%3D{}", escaped(names::MANAGED_BY), names::MANAGED_BY_VALUE);
    }
    if !next.is_empty() {
        let _ = write!(path, "&continue={}", escaped(next));
    }
    path
}

/// For a query: everything that is not plain is written by its number.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut to, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
        to
    })
}
