//! How an edit reaches the API server.

use kube::Client;
use serde_json::{Value, json};

use super::table::{Edit, Way};

/// How often an administrator tries to replace what changed since it was read.
const TRIES: usize = 20;

fn url(path: &str, edit: &Edit, manager: &str, more: &str) -> String {
    let subresource = edit.subresource.map(|name| format!("/{name}")).unwrap_or_default();
    format!("{path}{subresource}?fieldManager={manager}{more}")
}

/// Every way in which an edit can be sent so that it means the same.
fn ways(operations: &Value) -> Vec<Way> {
    let is_plain = |operation: &Value| {
        let path = operation["path"].as_str().unwrap_or_default();
        let whole = ["/spec", "/metadata/labels", "/metadata/annotations"];
        operation["op"] != "remove" && whole.iter().any(|start| path.starts_with(start))
    };
    let all = operations.as_array().expect("a JSON patch");
    if all.iter().all(is_plain) {
        return vec![Way::JsonPatch, Way::Apply, Way::Replace, Way::Merge];
    }
    vec![Way::JsonPatch, Way::Replace]
}

/// Sends an edit of an object. `number` chooses the way where the edit leaves it open.
pub async fn send(client: &Client, path: &str, edit: &Edit, number: usize, manager: &str) -> kube::Result<Value> {
    let ways = ways(&edit.operations);
    let way = edit.way.unwrap_or_else(|| ways[number % ways.len()]);
    let mut sent = send_once(client, path, edit, way, manager).await;
    for _ in 0..TRIES {
        // The status of a zone is written meanwhile. What an edit is refused for is no conflict.
        let is_stale = |error: &kube::Error| matches!(error, kube::Error::Api(status) if status.is_conflict());
        if way != Way::Replace || !sent.as_ref().is_err_and(is_stale) {
            break;
        }
        sent = send_once(client, path, edit, way, manager).await;
    }
    sent
}

async fn send_once(client: &Client, path: &str, edit: &Edit, way: Way, manager: &str) -> kube::Result<Value> {
    let (method, url, kind, body) = match way {
        Way::Delete => ("DELETE", path.to_string(), "json", json!({})),
        Way::JsonPatch => ("PATCH", url(path, edit, manager, ""), "json-patch+json", edit.operations.clone()),
        Way::Replace => ("PUT", url(path, edit, manager, ""), "json", edited(client, path, edit).await?),
        Way::Merge => {
            let object = edited(client, path, edit).await?;
            let body = touched(&object, &edit.operations);
            let mut merged = read(client, path).await?;
            json_patch::merge(&mut merged, &body);
            // A merge empties no object.
            if merged["spec"] == object["spec"] {
                ("PATCH", url(path, edit, manager, ""), "merge-patch+json", body)
            } else {
                ("PATCH", url(path, edit, manager, ""), "json-patch+json", edit.operations.clone())
            }
        }
        Way::Apply => {
            let object = edited(client, path, edit).await?;
            let mut body = touched(&object, &edit.operations);
            for key in ["apiVersion", "kind"] {
                body[key] = object[key].clone();
            }
            body["metadata"]["name"] = object["metadata"]["name"].clone();
            ("PATCH", url(path, edit, manager, "&force=true"), "apply-patch+yaml", body)
        }
    };
    let request =
        http::Request::builder().method(method).uri(url).header("content-type", format!("application/{kind}"));
    client.request(request.body(body.to_string().into_bytes()).expect("a request")).await
}

async fn read(client: &Client, path: &str) -> kube::Result<Value> {
    client.request(http::Request::get(path).body(Vec::new()).expect("a request")).await
}

/// The object as it is now, with the edit in it.
async fn edited(client: &Client, path: &str, edit: &Edit) -> kube::Result<Value> {
    let mut object = read(client, path).await?;
    let operations: json_patch::Patch = serde_json::from_value(edit.operations.clone()).expect("a JSON patch");
    json_patch::patch(&mut object, &operations).expect("it fits the object");
    Ok(object)
}

/// Only what the edit touches.
fn touched(object: &Value, operations: &Value) -> Value {
    let mut body = json!({});
    for operation in operations.as_array().into_iter().flatten() {
        let path: Vec<&str> = operation["path"].as_str().unwrap_or_default().split('/').collect();
        if path[1] == "metadata" {
            body["metadata"][path[2]] = object["metadata"][path[2]].clone();
        } else {
            body[path[1]] = object[path[1]].clone();
        }
    }
    body
}

/// A JSON patch of one operation.
#[expect(clippy::needless_pass_by_value, reason = "it is called with json!(…)")]
pub fn set(path: &str, value: Value) -> Value {
    json!([{ "op": "add", "path": path, "value": value }])
}

/// A JSON patch that takes one thing away.
pub fn remove(path: &str) -> Value {
    json!([{ "op": "remove", "path": path }])
}

/// Whether all that an edit adds to the end of a list is in that list.
pub fn is_in_list(object: &Value, operations: &Value) -> bool {
    let operations = operations.as_array().expect("a JSON patch");
    let is_there = |operation: &Value| {
        let list = operation["path"].as_str().and_then(|path| path.strip_suffix("/-"));
        let list = list.and_then(|list| object.pointer(list)?.as_array());
        list.is_some_and(|list| list.contains(&operation["value"]))
    };
    !operations.is_empty() && operations.iter().all(is_there)
}

/// Whether what an edit added to labels, annotations or a list of others is still there.
pub fn stays(object: &Value, operations: &Value) -> bool {
    operations.as_array().into_iter().flatten().all(|operation| {
        let (path, value) = (operation["path"].as_str().unwrap_or_default(), &operation["value"]);
        if path.ends_with("/-") {
            return is_in_list(object, &json!([operation]));
        }
        let is_map = ["/metadata/labels", "/metadata/annotations"].iter().any(|start| path.starts_with(start));
        !is_map || object.pointer(path) == Some(value)
    })
}
