//! Routes: what leads from outside to Services by name of a host, by path or by port. Ingresses and the routes of the Gateway
//! API alike, and the grants by which a route may lead into another namespace.

mod paths;

use k8s_openapi::api::networking::v1 as networking;
use kube::core::DynamicObject;
use serde_json::Value;

use super::key;
use crate::api::Protocol;

/// The group of the Gateway API.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// Every host.
const EVERY_HOST: &str = "*";

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// What it is.
    pub kind: Kind,
    /// It belongs to a gateway. An Ingress always does; a route of a mesh leads only from pods to pods.
    pub attached: bool,
    /// The hosts that it is for, or `*`.
    pub hosts: Box<[Box<str>]>,
    /// Those of them that it serves without TLS. Only an Ingress says so itself: elsewhere the gateway does.
    pub plain: Box<[Box<str>]>,
    /// The Services that it leads to.
    pub backends: Box<[Backend]>,
}

/// The kind of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the names of the kinds")]
pub enum Kind {
    Ingress,
    HTTPRoute,
    GRPCRoute,
    TLSRoute,
    TCPRoute,
    UDPRoute,
}

/// A Service that a route leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    /// Its namespace and name, with a slash between.
    pub service: Box<str>,
    /// Its port.
    pub port: Port,
    /// The paths and methods by which it leads there, in words: of an Ingress with their hosts, of other routes for each host. None
    /// where every request does. Headers are left out: whoever asks writes them.
    pub paths: Box<[Box<str>]>,
}

/// A port of a Service, as a route means it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// By its number.
    Number(u16),
    /// By its name.
    Name(Box<str>),
}

impl Kind {
    /// Those of the Gateway API.
    pub const OF_GATEWAYS: [Kind; 5] =
        [Kind::HTTPRoute, Kind::GRPCRoute, Kind::TLSRoute, Kind::TCPRoute, Kind::UDPRoute];

    /// The spelling of the Kubernetes API.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ingress => "Ingress",
            Kind::HTTPRoute => "HTTPRoute",
            Kind::GRPCRoute => "GRPCRoute",
            Kind::TLSRoute => "TLSRoute",
            Kind::TCPRoute => "TCPRoute",
            Kind::UDPRoute => "UDPRoute",
        }
    }

    /// What it carries.
    pub fn protocol(self) -> Protocol {
        match self {
            Kind::UDPRoute => Protocol::UDP,
            Kind::Ingress | Kind::HTTPRoute | Kind::GRPCRoute | Kind::TLSRoute | Kind::TCPRoute => Protocol::TCP,
        }
    }
}

impl Route {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }

    /// `Kind/namespace/name`.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.key)
    }

    /// The hosts that it is for, in words.
    pub fn hosts(&self) -> Vec<String> {
        host_words(&self.hosts)
    }

    /// Hosts that it serves without TLS, in words.
    pub fn plain(&self) -> Vec<String> {
        host_words(&self.plain)
    }

    /// Reads a route of the Gateway API, of any version: what is kept has the same place in all of them. What does not fit is
    /// left out.
    pub fn read(kind: Kind, object: &DynamicObject) -> Self {
        let key = key::of(&object.metadata);
        let spec = object.data.get("spec").unwrap_or(&Value::Null);
        let namespace = key::namespace(&key);
        let backends = list(spec, "rules").flat_map(|rule| {
            let refs = list(rule, "backendRefs");
            let filters = std::iter::once(rule).chain(refs.clone()).flat_map(|holder| list(holder, "filters"));
            // A mirror sends a copy of every request.
            let mirrors = filters.filter_map(|filter| filter.get("requestMirror")?.get("backendRef"));
            refs.chain(mirrors).filter_map(|backend| Some((gateway_backend(namespace, backend)?, paths::of_rule(rule))))
        });
        let is_service = |parent: &Value| text(parent, "kind") == Some("Service");
        let hosts = list(spec, "hostnames").filter_map(Value::as_str);
        Route {
            attached: list(spec, "parentRefs").any(|parent| !is_service(parent)),
            backends: paths::joined(backends),
            hosts: or_every(sorted(hosts.map(Into::into))),
            plain: Box::default(),
            kind,
            key,
        }
    }
}

fn host_words(hosts: &[Box<str>]) -> Vec<String> {
    let word = |host: &str| if host == EVERY_HOST { "every host".to_string() } else { host.to_string() };
    hosts.iter().map(|host| word(host)).collect()
}

fn gateway_backend(namespace: &str, backend: &Value) -> Option<paths::Target> {
    let is_core = text(backend, "group").is_none_or(str::is_empty);
    let is_service = is_core && text(backend, "kind").is_none_or(|kind| kind == "Service");
    let namespace = text(backend, "namespace").unwrap_or(namespace);
    let service = format!("{namespace}/{}", text(backend, "name")?).into();
    let port = backend.get("port")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
    is_service.then_some((service, Port::Number(port)))
}

fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> + Clone + use<'v> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, field: &str) -> Option<&'v str> {
    value.get(field).and_then(Value::as_str)
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Box<[T]> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all.dedup();
    all.into()
}

fn or_every(hosts: Box<[Box<str>]>) -> Box<[Box<str>]> {
    if hosts.is_empty() { Box::new([EVERY_HOST.into()]) } else { hosts }
}

impl From<networking::Ingress> for Route {
    fn from(networking::Ingress { metadata, spec, .. }: networking::Ingress) -> Self {
        let key = key::of(&metadata);
        let spec = spec.unwrap_or_default();
        let rules = || spec.rules.iter().flatten();
        let namespace = key::namespace(&key);
        let target = |backend: &networking::IngressBackend| ingress_backend(namespace, backend.service.as_ref()?);
        let of_rule = |rule: &networking::IngressRule| -> Vec<(paths::Target, Vec<Box<str>>)> {
            let paths = rule.http.iter().flat_map(|http| &http.paths);
            paths
                .filter_map(|path| Some((target(&path.backend)?, paths::of_path(rule.host.as_deref(), path))))
                .collect()
        };
        let default = spec.default_backend.iter().filter_map(|backend| Some((target(backend)?, Vec::new())));
        let backends = paths::joined(rules().flat_map(of_rule).chain(default));
        let every = || Box::<str>::from(EVERY_HOST);
        let hosts = rules().map(|rule| rule.host.as_deref().map_or_else(every, Into::into));
        let hosts = sorted(hosts.chain(spec.default_backend.iter().map(|_| every())));
        let tls: Vec<&[String]> =
            spec.tls.iter().flatten().map(|tls| tls.hosts.as_deref().unwrap_or_default()).collect();
        // Without hosts it holds for all of them.
        let covered =
            |host: &str| tls.iter().any(|names| names.is_empty() || names.iter().any(|name| covers(name, host)));
        let plain = hosts.iter().filter(|host| !covered(host)).cloned().collect();
        Route { kind: Kind::Ingress, attached: true, backends, hosts: or_every(hosts), plain, key }
    }
}

fn ingress_backend(namespace: &str, service: &networking::IngressServiceBackend) -> Option<paths::Target> {
    let port = service.port.as_ref()?;
    let port = match (&port.name, port.number) {
        (Some(name), _) if !name.is_empty() => Port::Name(name.as_str().into()),
        (_, Some(number)) => Port::Number(u16::try_from(number).ok()?),
        (_, None) => return None,
    };
    Some((format!("{namespace}/{}", service.name).into(), port))
}

/// A certificate for `*.example.com` is one for each name with one part before.
fn covers(name: &str, host: &str) -> bool {
    let wildcard = || name.strip_prefix("*.").zip(host.split_once('.').map(|(_, rest)| rest));
    name == host || wildcard().is_some_and(|(domain, rest)| domain == rest)
}

/// Lets routes of other namespaces lead to Services of its own: a `ReferenceGrant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its namespace and name, with a slash between.
    pub key: Box<str>,
    /// Whose routes may.
    pub from: Box<[Referrer]>,
    /// To which Services, by name; `None` is all of them.
    pub to: Box<[Option<Box<str>>]>,
}

/// What may refer to a Service of another namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Referrer {
    /// Its group.
    pub group: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
}

impl Grant {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        key::namespace(&self.key)
    }

    /// Reads a grant, of any version. What does not fit is left out.
    pub fn read(object: &DynamicObject) -> Self {
        let spec = object.data.get("spec").unwrap_or(&Value::Null);
        let referrer = |from: &Value| {
            let part = |field| text(from, field).map(Into::into);
            Some(Referrer { group: part("group")?, kind: part("kind")?, namespace: part("namespace")? })
        };
        let is_service =
            |to: &&Value| text(to, "group").is_none_or(str::is_empty) && text(to, "kind") == Some("Service");
        let name = |to: &Value| text(to, "name").filter(|name| !name.is_empty()).map(Into::into);
        Grant {
            key: key::of(&object.metadata),
            from: sorted(list(spec, "from").filter_map(referrer)),
            to: sorted(list(spec, "to").filter(is_service).map(name)),
        }
    }

    /// The route may lead to a Service of this name.
    pub fn allows(&self, route: &Route, service: &str) -> bool {
        let is_meant = |from: &Referrer| {
            &*from.group == GATEWAY_GROUP && &*from.kind == route.kind.as_str() && &*from.namespace == route.namespace()
        };
        self.from.iter().any(is_meant) && self.to.iter().any(|to| to.as_deref().is_none_or(|name| name == service))
    }
}

#[cfg(test)]
mod tests;
