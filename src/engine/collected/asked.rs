//! Who is asked about the records of a sink.

use crate::{
    api::{self, ForwarderKind, Logging, Sink, StoreKind},
    engine::retention::Store,
};

/// Who is asked about the records of a sink: as it is declared, or, where the sink itself answers, under its own address.
pub fn store(sink: &Sink) -> Result<api::Store, String> {
    if let Some(store) = &sink.store {
        return Ok(store.clone());
    }
    let own = |kind, url: &str, name: &str| api::Store {
        kind,
        url: url.to_string(),
        name: Some(name.to_string()),
        credentials: None,
    };
    if let Some(elastic) = &sink.elasticsearch {
        return Ok(own(StoreKind::Elasticsearch, &elastic.url, &elastic.data_stream));
    }
    if let Some(elastic) = &sink.open_search {
        return Ok(own(StoreKind::OpenSearch, &elastic.url, &elastic.data_stream));
    }
    if let Some(loki) = &sink.loki {
        return Ok(own(StoreKind::Loki, &loki.url, loki.tenant.as_deref().unwrap_or("fake")));
    }
    Err("spec.logging.sinks.store does not say who is asked about its records".to_string())
}

/// The same in the words of what asks.
pub fn place(store: &api::Store) -> Store {
    let name = store.name.clone().unwrap_or_default();
    match store.kind {
        StoreKind::Elasticsearch => Store::Elasticsearch { name },
        StoreKind::OpenSearch => Store::OpenSearch { name },
        StoreKind::Splunk => Store::Splunk { index: name },
        StoreKind::Graylog => Store::Graylog { index_set: name },
        StoreKind::Loki => Store::Loki { tenant: name },
        StoreKind::VictoriaLogs => Store::VictoriaLogs,
    }
}

/// Why the records of a sink cannot be asked for, although it can be asked how long it keeps them: they have other names there.
pub fn hidden(logging: &Logging, sink: &Sink) -> Option<&'static str> {
    let is_collector = logging.forwarder.as_ref().is_some_and(|one| one.kind == ForwarderKind::OpenTelemetry);
    match (is_collector, sink.open_search.is_some(), sink.loki.is_some()) {
        (true, true, _) => Some(
            "the Collector writes fields into OpenSearch under attributes, where they are not asked for; Fluent Bit does not",
        ),
        (true, _, true) => {
            Some("the Collector gives Loki no label zone, by which records are asked for; Fluent Bit does")
        }
        _ => None,
    }
}

/// The address of a sink, whatever it is.
pub fn address(sink: &Sink) -> &str {
    let elastic = sink.elasticsearch.as_ref().or(sink.open_search.as_ref()).map(|one| one.url.as_str());
    let web = sink.splunk.as_ref().map(|one| one.url.as_str());
    let web = web.or(sink.loki.as_ref().map(|one| one.url.as_str())).or(sink.otlp.as_ref().map(|one| one.url.as_str()));
    let stream = sink.graylog.as_ref().or(sink.syslog.as_ref()).map(|one| one.url.as_str());
    elastic.or(web).or(stream).unwrap_or_default()
}

/// The port of an address; the one of its scheme where it names none.
pub fn port(address: &str) -> Option<u16> {
    let (scheme, rest) = address.split_once("://")?;
    let authority = rest.split('/').next()?;
    match authority.rsplit_once(':') {
        Some((_, port)) => port.parse().ok(),
        None => match scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        },
    }
}

/// Whether what is sent to an address is encrypted on its way.
pub fn is_encrypted(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("tls://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_those_of_the_address_or_its_scheme() {
        for (address, wanted) in [
            ("https://logs.example.com:9200/es", Some(9200)),
            ("https://logs.example.com/es", Some(443)),
            ("http://logs", Some(80)),
            ("tls://logs:6514", Some(6514)),
            ("tls://logs", None),
            ("https://logs:99999", None),
            ("logs:1", None),
        ] {
            assert_eq!(port(address), wanted, "{address}");
        }
    }
}
