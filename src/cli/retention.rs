//! `pcizone retention`: asks a log store how long it keeps records, and judges the answer. It asks by GET alone, and reads no record.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::{Outcome, Output, written};
use crate::{
    engine::retention::{Answers, Store, Verdict, Wanted},
    evidence::{plain_lines, retention::Retention},
    sinks::{self, Address, Authentication, Client, Identity, Secret},
};

/// Asks a log store how long it keeps records, and tells whether that is long enough (PCI DSS 10.5.1). Exit code 0: it is, 1: too short,
/// 2: it could not be shown, 3: wrong arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    which: Which,
}

/// Which store.
#[derive(Clone, Debug, clap::Subcommand)]
enum Which {
    /// A data stream, an alias or an index of Elasticsearch.
    Elasticsearch {
        /// The data stream, the alias or the index.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// A file with an API key, as `encoded` in the answer that made it.
        #[arg(long, value_name = "FILE")]
        api_key_file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// A data stream, an alias or an index of `OpenSearch`.
    #[command(name = "opensearch")]
    OpenSearch {
        /// The data stream, the alias or the index.
        #[arg(long, value_name = "NAME")]
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// An index of Splunk Enterprise, at its management port (8089 as it comes).
    Splunk {
        /// The index.
        #[arg(long, value_name = "NAME")]
        index: String,
        /// A file with the key of a session; for an authentication token use `--token-file`.
        #[arg(long, value_name = "FILE")]
        session_key_file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// An index set of Graylog.
    Graylog {
        /// The index set: its id, its index prefix or its title.
        #[arg(long, value_name = "NAME")]
        index_set: String,
        /// A file with an access token of Graylog.
        #[arg(long, value_name = "FILE")]
        access_token_file: Option<PathBuf>,
        #[command(flatten)]
        how: How,
    },
    /// A tenant of Loki.
    Loki {
        /// The tenant; `fake` where Loki runs without.
        #[arg(long, value_name = "NAME")]
        tenant: String,
        #[command(flatten)]
        how: How,
    },
    /// One storage node of `VictoriaLogs`.
    #[command(name = "victorialogs")]
    VictoriaLogs {
        #[command(flatten)]
        how: How,
    },
}

/// How a store is asked, and for what.
#[derive(Clone, Debug, clap::Args)]
struct How {
    /// Its address, such as `https://logs.example.com:9200`.
    #[arg(long, value_name = "URL")]
    url: String,
    /// A file with a bearer token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A user; the password comes from a file.
    #[arg(long, value_name = "NAME", requires = "password_file")]
    user: Option<String>,
    /// A file with the user's password.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// A file with a certificate of the client, PEM.
    #[arg(long, value_name = "FILE", requires = "client_key_file")]
    client_cert_file: Option<PathBuf>,
    /// A file with its key, PEM.
    #[arg(long, value_name = "FILE", requires = "client_cert_file")]
    client_key_file: Option<PathBuf>,
    /// A file with the authorities that are trusted, PEM, instead of those of the system.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ask without TLS also beyond this machine: the answer could be forged then, and the secret read on its way.
    #[arg(long)]
    plaintext: bool,
    /// Days that records are wanted.
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Days of these that they are wanted at hand.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    searchable_days: u32,
    /// How long to ask at most, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// How the result is shown.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What to make of a file with a secret.
type Scheme = fn(&SecretString) -> Result<Authentication, String>;

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (store, own, how) = arguments.which.read();
    let client = store_is_named(&store).and_then(|()| how.client(own));
    let client = match client.and_then(|client| sinks::for_store(client, &store)) {
        Ok(client) => client,
        Err(complaint) => {
            eprintln!("error: {}", plain_lines(&complaint));
            return Ok(Outcome::Usage);
        }
    };
    let wanted = Wanted { days: how.days, searchable_days: how.searchable_days };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let asked = runtime.block_on(sinks::ask(&client, &store, Duration::from_secs(how.timeout)));
    // A name that is still being resolved would hold the end of the program up.
    runtime.shutdown_background();
    let answers: Answers = asked.iter().cloned().collect();
    let verdict = client.hide_in(store.verdict(&answers, wanted));
    let outcome = match verdict {
        Verdict::Kept { .. } => Outcome::Clean,
        Verdict::TooShort { .. } | Verdict::SearchableTooShort { .. } => Outcome::Findings,
        Verdict::Unproven(_) => Outcome::Unjudged,
    };
    let came = asked
        .iter()
        .map(|(path, answer)| (client.hide(path), Retention::came(answer).map_err(|why| client.hide(&why))));
    let told = Retention {
        store: &store,
        address: client.address().to_string(),
        asked_at: Timestamp::now(),
        wanted,
        verdict,
        notes: notes(client.address(), wanted),
        asked: came.collect(),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match how.output {
        Output::Table => told.words(&mut out),
        Output::Json => told.json(&mut out),
    };
    written(result.and_then(|()| out.flush()))?;
    Ok(outcome)
}

/// What is to be known of how it was asked.
fn notes(address: &Address, wanted: Wanted) -> Vec<String> {
    let least = Wanted::default();
    let plain = match (address.is_tls(), address.is_loopback()) {
        (true, _) => None,
        (false, true) => Some(
            "Asked without TLS on this machine: the answer could be forged by whatever listens there, or at the other end of a tunnel.",
        ),
        (false, false) => Some(
            "Asked without TLS: the answer could be forged on its way, and the secret read; exchange it, and do not take this for proof.",
        ),
    };
    let is_less = wanted.days < least.days || wanted.searchable_days < least.searchable_days;
    let less = is_less.then_some("Less was asked for than PCI DSS 10.5.1 wants: 365 days, 90 of them at hand.");
    plain.into_iter().chain(less).map(String::from).collect()
}

/// A name that cannot be asked for is a wrong argument.
fn store_is_named(store: &Store) -> Result<(), String> {
    let nothing = Answers::new();
    match store.verdict(&nothing, Wanted::default()) {
        Verdict::Unproven(why) if store.requests(&nothing).is_empty() => Err(why),
        _ => Ok(()),
    }
}

impl Which {
    /// The store, the file with a secret of its own kind, and how it is asked.
    fn read(&self) -> (Store, Option<(&Path, Scheme)>, &How) {
        match self {
            Which::Elasticsearch { name, api_key_file, how } => (
                Store::Elasticsearch { name: name.clone() },
                secret(api_key_file.as_deref(), Authentication::api_key),
                how,
            ),
            Which::OpenSearch { name, how } => (Store::OpenSearch { name: name.clone() }, None, how),
            Which::Splunk { index, session_key_file, how } => (
                Store::Splunk { index: index.clone() },
                secret(session_key_file.as_deref(), Authentication::splunk),
                how,
            ),
            Which::Graylog { index_set, access_token_file, how } => {
                let own = secret(access_token_file.as_deref(), Authentication::graylog);
                (Store::Graylog { index_set: index_set.clone() }, own, how)
            }
            Which::Loki { tenant, how } => (Store::Loki { tenant: tenant.clone() }, None, how),
            Which::VictoriaLogs { how } => (Store::VictoriaLogs, None, how),
        }
    }
}

fn secret(file: Option<&Path>, scheme: Scheme) -> Option<(&Path, Scheme)> {
    file.map(|file| (file, scheme))
}

impl How {
    /// A client that asks so, or what is wrong with the arguments.
    fn client(&self, own: Option<(&Path, Scheme)>) -> Result<Client, String> {
        if self.searchable_days > self.days {
            return Err(format!(
                "--searchable-days {} is more than --days {}: nothing is at hand that is not kept",
                self.searchable_days, self.days
            ));
        }
        let address: Address = self.url.parse().map_err(|why| format!("the address of --url cannot be used: {why}"))?;
        if !address.is_tls() && !address.is_loopback() && !self.plaintext {
            return Err(format!(
                "{address} is no https: the answer could be forged, and the secret read on its way; --plaintext asks all the same"
            ));
        }
        if !address.is_tls() && (self.ca_file.is_some() || self.client_cert_file.is_some()) {
            return Err(format!("{address} is no https, so certificates are of no use"));
        }
        let authentication = self.authentication(own)?;
        let connector = if address.is_tls() {
            Some(sinks::connector(self.ca_file.as_deref(), self.identity()?.as_ref())?)
        } else {
            None
        };
        Ok(Client::new(address, connector, authentication))
    }

    fn authentication(&self, own: Option<(&Path, Scheme)>) -> Result<Option<Authentication>, String> {
        let bearer = self.token_file.as_deref().map(|file| (file, Authentication::bearer as Scheme));
        let mut files = own.into_iter().chain(bearer);
        let found = files.next();
        if files.next().is_some() || found.is_some() && self.user.is_some() {
            return Err("several secrets are given, and only one can be sent: give one of the files".to_string());
        }
        if let (Some(user), Some(file)) = (&self.user, &self.password_file) {
            return Authentication::basic(user, &read(file)?).map(Some);
        }
        found.map(|(file, scheme)| scheme(&read(file)?).map_err(|why| format!("{}: {why}", file.display()))).transpose()
    }

    fn identity(&self) -> Result<Option<Identity>, String> {
        let (Some(certificate), Some(key)) = (&self.client_cert_file, &self.client_key_file) else { return Ok(None) };
        // The certificate is none, but it is read with the same limits.
        let certificates = Secret::read(certificate)?.text.expose_secret().to_string();
        Ok(Some(Identity { certificates, key: read(key)? }))
    }
}

/// Reads a file with a secret, and says so where others could read it too.
fn read(file: &Path) -> Result<SecretString, String> {
    let Secret { text, warning } = Secret::read(file)?;
    if let Some(warning) = warning {
        eprintln!("warning: {}", plain_lines(&warning));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_was_asked_stays_with_the_verdict() {
        let notes = |url: &str, days| notes(&url.parse().unwrap(), Wanted { days, searchable_days: 90 });
        assert_eq!(notes("https://logs", 365), Vec::<String>::new());
        for (url, days, words) in [
            ("http://10.0.0.1", 365, "forged on its way"),
            ("http://127.0.0.1", 365, "on this machine"),
            ("https://logs", 364, "Less was asked for"),
        ] {
            let notes = notes(url, days);
            assert!(notes.len() == 1 && notes[0].contains(words), "{url}: {notes:?}");
        }
        assert_eq!(notes("http://logs", 100).len(), 2);
    }
}
