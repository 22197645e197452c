//! Reads from a request what the API server would call it.

use http::{Method, Uri};

/// A request as a script sees it. Verb and resource are named as in RBAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its place among all requests to this proxy, from 1.
    pub number: usize,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: &'static str,
    /// The plural of the kind; empty when the path is not about a kind.
    pub resource: String,
    /// The subresource; empty if none.
    pub subresource: String,
    /// The namespace; empty if none.
    pub namespace: String,
    /// The object; empty for lists, watches and creations.
    pub name: String,
    /// Path and query.
    pub uri: String,
}

impl Request {
    pub(super) fn read(number: usize, method: &Method, uri: &Uri) -> Self {
        let mut parts = uri.path().trim_matches('/').split('/').peekable();
        // /api/v1/… or /apis/GROUP/VERSION/…
        let skipped = if parts.next() == Some("api") { 1 } else { 2 };
        let mut parts = parts.skip(skipped).map(str::to_owned).peekable();
        let mut next = || parts.next().unwrap_or_default();
        let (first, second, third) = (next(), next(), next());
        let is_subresource = ["status", "finalize"].contains(&third.as_str());
        let (namespace, resource, name, subresource) = if first == "namespaces" && !third.is_empty() && !is_subresource
        {
            (second, third, next(), next())
        } else {
            (String::new(), first, second, third)
        };
        let watches = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if name.is_empty() => "deletecollection",
            Method::DELETE => "delete",
            _ if watches => "watch",
            _ if name.is_empty() => "list",
            _ => "get",
        };
        Request { number, verb, resource, subresource, namespace, name, uri: uri.to_string() }
    }

    /// It may change something of a user's: not a lease, an event, a question about rights or a dry run.
    pub fn is_write(&self) -> bool {
        let reads = ["get", "list", "watch"].contains(&self.verb) || self.uri.contains("dryRun=All");
        let others = ["leases", "events", "selfsubjectaccessreviews", "selfsubjectreviews"];
        !reads && !others.contains(&self.resource.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_as_in_rbac() {
        let policies = "/apis/networking.k8s.io/v1/namespaces/vault/networkpolicies";
        for (method, path, wanted) in [
            (Method::GET, "/api/v1/nodes?limit=500", ["list", "nodes", "", "", ""]),
            (Method::GET, "/api/v1/nodes?watch=true", ["watch", "nodes", "", "", ""]),
            (Method::GET, "/api/v1/namespaces/vault", ["get", "namespaces", "", "", "vault"]),
            (Method::PATCH, "/api/v1/namespaces/vault", ["patch", "namespaces", "", "", "vault"]),
            (Method::PATCH, "/api/v1/namespaces/vault/status", ["patch", "namespaces", "status", "", "vault"]),
            (Method::POST, policies, ["create", "networkpolicies", "", "vault", ""]),
            (Method::DELETE, policies, ["deletecollection", "networkpolicies", "", "vault", ""]),
            (Method::PUT, &format!("{policies}/a"), ["update", "networkpolicies", "", "vault", "a"]),
            (
                Method::PATCH,
                "/apis/pcizone.dev/v1alpha1/pcizones/cde/status?force=true",
                ["patch", "pcizones", "status", "", "cde"],
            ),
        ] {
            let request = Request::read(1, &method, &path.parse().unwrap());
            let Request { verb, resource, subresource, namespace, name, .. } = &request;
            assert_eq!([*verb, resource, subresource, namespace, name], wanted, "{path}");
        }
    }
}
