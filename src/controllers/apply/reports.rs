//! Findings as reports of `openreports.io`: only those that say that they are ours are changed or deleted.

use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

use super::{Applier, Done, is_not_found, is_stale};
use crate::{
    api::names,
    controllers::{error::Error, lenient::Lenient},
    engine::{
        open_reports::{self, Key},
        rights::OPEN_REPORTS_GROUP,
    },
};

/// The version that is written.
pub const VERSION: &str = "v1alpha1";
/// Reports of one answer.
const PAGE: u32 = 100;

type Reports = Api<Lenient<DynamicObject>>;

fn resource(is_namespaced: bool) -> ApiResource {
    let (kind, plural) = if is_namespaced { ("Report", "reports") } else { ("ClusterReport", "clusterreports") };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(OPEN_REPORTS_GROUP, VERSION, kind), plural)
}

fn api(client: &Client, namespace: Option<&str>) -> Reports {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource(true)),
        None => Api::all_with(client.clone(), &resource(false)),
    }
}

impl Applier {
    /// What is there of ours, by what it says.
    pub async fn list_reports(&self) -> Result<Vec<(Key, String)>, Error> {
        let mut all = Vec::new();
        for is_namespaced in [true, false] {
            let api: Reports = Api::all_with(self.client.clone(), &resource(is_namespaced));
            let mut params =
                ListParams::default().labels(&format!("{}={}", names::MANAGED_BY, names::MANAGED_BY_VALUE)).limit(PAGE);
            loop {
                let page = self.read("list", &resource(is_namespaced).plural, api.list(&params)).await?;
                for Lenient(report) in page.items {
                    let key = Key { namespace: report.namespace(), name: report.name_any() };
                    let report = json!(report);
                    if open_reports::is_ours(&report) {
                        all.push((key, open_reports::digest(&report)));
                    }
                }
                match page.metadata.continue_.filter(|next| !next.is_empty()) {
                    Some(next) => params = params.continue_token(&next),
                    None => break,
                }
            }
        }
        Ok(all)
    }

    /// Makes a report, or writes over the one of its name that says that it is ours. [`Done::Found`]: it is somebody else's, or
    /// changes just now.
    pub async fn put_report(&self, key: &Key, desired: &Value) -> Result<Done, Error> {
        let (api, subject) = (api(&self.client, key.namespace.as_deref()), key.subject());
        let params = PostParams { field_manager: Some(names::MANAGER_REPORTS.to_string()), ..PostParams::default() };
        let written = match self.read("read", &subject, api.get_opt(&key.name)).await? {
            None => self.call("create", &subject, api.create(&params, &object(key, desired.clone())?)).await,
            Some(Lenient(live)) => {
                let (version, live) = (live.resource_version(), json!(live));
                if !open_reports::is_ours(&live) {
                    return Ok(Done::Found(version));
                }
                let merged = object(key, open_reports::replacement(desired, live))?;
                self.call("replace", &subject, api.replace(&key.name, &params, &merged)).await
            }
        };
        match written {
            Ok(written) => Ok(Done::Written(written.resource_version())),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act: "write", object: subject, tries: 1 })
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a report in just the version that says that it is ours.
    pub async fn delete_report(&self, key: &Key) -> Result<Done, Error> {
        let (api, subject) = (api(&self.client, key.namespace.as_deref()), key.subject());
        let Some(Lenient(live)) = self.read("read", &subject, api.get_opt(&key.name)).await? else {
            return Ok(Done::Gone);
        };
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        if !open_reports::is_ours(&json!(live)) {
            return Ok(Done::Found(preconditions.resource_version));
        }
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match self.call("delete", &subject, api.delete(&key.name, &params)).await {
            Ok(_) => Ok(Done::Deleted),
            Err(Error::Api { source, .. }) if is_not_found(&source) => Ok(Done::Gone),
            Err(Error::Api { source, .. }) if is_stale(&source) => {
                Err(Error::Contended { act: "delete", object: subject, tries: 1 })
            }
            Err(error) => Err(error),
        }
    }
}

/// The report as it is sent.
fn object(key: &Key, mut report: Value) -> Result<Lenient<DynamicObject>, Error> {
    let ApiResource { api_version, kind, .. } = resource(key.namespace.is_some());
    let metadata = json!({ "name": key.name, "namespace": key.namespace });
    json_patch::merge(&mut report, &json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata }));
    serde_json::from_value(report).map(Lenient).map_err(|source| Error::Api {
        act: "build",
        object: key.subject(),
        wait: None,
        source: Box::new(kube::Error::SerdeError(source)),
    })
}
