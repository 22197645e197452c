//! One request of one user, and what the API server said.

use http::{Request, header::WARNING};
use kube::{Client, client::Body};
use serde_json::{Value, json};

use super::people::Who;

/// A request and what is to come of it.
#[derive(Clone, Debug)]
pub struct Row {
    pub who: Who,
    pub what: String,
    pub verb: &'static str,
    pub path: String,
    pub body: Value,
    /// The finding that stands in the refusal; `None` where nothing is to stop it.
    pub stopped_by: Option<&'static str>,
}

/// What the API server said.
#[derive(Debug)]
pub enum Answer {
    Allowed { warnings: Vec<String>, object: Value },
    Refused(String),
}

impl Answer {
    /// A warning of an admission policy of ours; the API server has others of its own.
    pub fn warning(&self) -> Option<&str> {
        let Answer::Allowed { warnings, .. } = self else { return None };
        warnings.iter().map(String::as_str).find(|warning| warning.contains("ValidatingAdmissionPolicy"))
    }
}

/// Asks as a dry run.
pub async fn ask(client: &Client, row: &Row) -> Answer {
    let kind = if row.verb == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let between = if row.path.contains('?') { '&' } else { '?' };
    let uri = format!("{}{between}dryRun=All&fieldManager=table", row.path);
    let request = Request::builder().method(row.verb).uri(uri).header("content-type", kind);
    let body = if row.verb == "DELETE" { json!({ "dryRun": ["All"] }) } else { row.body.clone() };
    let request = request.body(Body::from(serde_json::to_vec(&body).unwrap())).unwrap();
    let response = client.send(request).await.unwrap();
    let accepted = response.status().is_success();
    let warnings = response.headers().get_all(WARNING).iter();
    let warnings = warnings.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).collect();
    let body = response.into_body().collect_bytes().await.unwrap();
    let object: Value = serde_json::from_slice(&body).unwrap();
    if accepted {
        Answer::Allowed { warnings, object }
    } else {
        Answer::Refused(object["message"].as_str().unwrap_or_default().to_string())
    }
}
