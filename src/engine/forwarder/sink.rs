//! A sink as a forwarder needs it: where it is, how it is spoken to, and by which credentials.

use crate::api::{Elastic, ForwarderKind, Loki, Otlp, Sink, SinkAuthentication, Splunk, Stream, Trust};

/// Which store it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'s> {
    Elasticsearch(&'s Elastic),
    OpenSearch(&'s Elastic),
    Splunk(&'s Splunk),
    Graylog(&'s Stream),
    Loki(&'s Loki),
    Otlp(&'s Otlp),
    Syslog(&'s Stream),
}

impl<'s> Target<'s> {
    /// The one that is declared; the first where several are, which the CRD refuses.
    pub(super) fn of(sink: &'s Sink) -> Option<Self> {
        let all = [
            sink.elasticsearch.as_ref().map(Target::Elasticsearch),
            sink.open_search.as_ref().map(Target::OpenSearch),
            sink.splunk.as_ref().map(Target::Splunk),
            sink.graylog.as_ref().map(Target::Graylog),
            sink.loki.as_ref().map(Target::Loki),
            sink.otlp.as_ref().map(Target::Otlp),
            sink.syslog.as_ref().map(Target::Syslog),
        ];
        all.into_iter().flatten().next()
    }

    /// Its address.
    pub(super) fn address(&self) -> Option<Address> {
        Address::of(match self {
            Target::Elasticsearch(Elastic { url, .. })
            | Target::OpenSearch(Elastic { url, .. })
            | Target::Splunk(Splunk { url, .. })
            | Target::Graylog(Stream { url })
            | Target::Loki(Loki { url, .. })
            | Target::Otlp(Otlp { url })
            | Target::Syslog(Stream { url }) => url,
        })
    }
}

/// An address in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// Without a slash at its end, so empty or beginning with one.
    pub(super) path: String,
}

impl Address {
    fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (is_tls, usual) = match scheme {
            "https" => (true, Some(443)),
            "http" => (false, Some(80)),
            "tls" => (true, None),
            "tcp" => (false, None),
            _ => return None,
        };
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (authority, usual?),
        };
        let host = plain(host);
        (!host.is_empty()).then(|| Address { is_tls, host, port, path: plain(path.trim_end_matches('/')) })
    }

    /// As a web address, with more behind its path.
    pub(super) fn web(&self, more: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}{more}", self.host, self.port, self.path)
    }
}

/// A declared text without what a forwarder would take as a variable or as more than one word. The CRD lets none of that pass.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|letter| *letter != '$' && !letter.is_control() && !letter.is_whitespace()).collect()
}

/// What a forwarder shows a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    ApiKey,
    Token,
    Username,
    Password,
}

impl Credential {
    /// Those that a way to show who it is consists of.
    pub(super) fn of(authentication: SinkAuthentication) -> &'static [Credential] {
        match authentication {
            SinkAuthentication::None => &[],
            SinkAuthentication::ApiKey => &[Credential::ApiKey],
            SinkAuthentication::Token => &[Credential::Token],
            SinkAuthentication::Password => &[Credential::Username, Credential::Password],
        }
    }

    /// Its key in the Secret.
    pub(super) fn key(self) -> &'static str {
        match self {
            Credential::ApiKey => "apiKey",
            Credential::Token => "token",
            Credential::Username => "username",
            Credential::Password => "password",
        }
    }

    /// The variable that holds it in the forwarder's environment.
    pub(super) fn variable(self, sink: &str) -> String {
        let name: String = sink
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' })
            .collect();
        format!("PCIZONE_SINK_{name}_{}", self.key().to_ascii_uppercase())
    }
}

/// Where a forwarder finds the authority of a sink, where it does not trust those of its image.
pub(super) fn authority_path(sink: &Sink) -> Option<String> {
    let is_own = sink.trust == Trust::Secret && sink.credentials_secret.is_some();
    is_own.then(|| format!("{}/{}/ca.crt", super::AUTHORITIES, plain(&sink.name)))
}

/// Why a kind of forwarder cannot send to a sink as it is declared.
pub(super) fn obstacle(kind: ForwarderKind, sink: &Sink) -> Option<&'static str> {
    use ForwarderKind::{FluentBit, OpenTelemetry};
    use SinkAuthentication::{ApiKey, None as Nothing, Password, Token};
    let Some(target) = Target::of(sink) else { return Some("it says no store") };
    let Some(address) = target.address() else { return Some("its url is none that can be sent to") };
    if sink.authentication != Nothing && sink.credentials_secret.is_none() {
        return Some("its authentication needs credentialsSecret");
    }
    match (kind, target, sink.authentication) {
        (OpenTelemetry, Target::Graylog(_), _) => Some(
            "the OpenTelemetry Collector sends no GELF: use a FluentBit forwarder, or otlp or syslog where Graylog has such an input",
        ),
        (_, Target::Graylog(_) | Target::Syslog(_), ApiKey | Token | Password) => Some(
            "its protocol knows no credentials: set authentication: None, and let the sink tell senders apart by its network",
        ),
        (FluentBit, Target::Splunk(_), _) if !address.path.is_empty() => {
            Some("Fluent Bit sends to Splunk at the root of its address only: give url without a path")
        }
        (FluentBit, Target::Splunk(_), ApiKey) | (OpenTelemetry, Target::Splunk(_), Nothing | ApiKey | Password) => {
            Some("Splunk's collector takes a token: set authentication: Token")
        }
        (FluentBit, Target::Elasticsearch(_), Token) => {
            Some("Fluent Bit shows Elasticsearch an API key or a password: set authentication: ApiKey or Password")
        }
        (FluentBit, Target::OpenSearch(_), ApiKey | Token) => {
            Some("Fluent Bit shows OpenSearch a password: set authentication: Password")
        }
        (FluentBit, Target::Loki(_), ApiKey) => {
            Some("Fluent Bit shows Loki a token or a password: set authentication: Token or Password")
        }
        (
            FluentBit | OpenTelemetry,
            Target::Elasticsearch(_)
            | Target::OpenSearch(_)
            | Target::Splunk(_)
            | Target::Graylog(_)
            | Target::Loki(_)
            | Target::Otlp(_)
            | Target::Syslog(_),
            Nothing | ApiKey | Token | Password,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_parts_or_is_none() {
        let address = |is_tls, host: &str, port, path: &str| {
            Some(Address { is_tls, host: host.to_string(), port, path: path.to_string() })
        };
        for (url, wanted) in [
            ("https://a.example.com", address(true, "a.example.com", 443, "")),
            ("http://a:9200/x/y/", address(false, "a", 9200, "/x/y")),
            ("tls://a:12201", address(true, "a", 12201, "")),
            ("tcp://a:514", address(false, "a", 514, "")),
            ("https://a/${HOME}/ b", address(true, "a", 443, "/{HOME}/b")),
            ("tls://a", None),
            ("https://", None),
            ("https://a:0", None),
            ("https://a:99999", None),
            ("ftp://a:1", None),
            ("a:1", None),
        ] {
            assert_eq!(Address::of(url), wanted, "{url}");
        }
    }
}
