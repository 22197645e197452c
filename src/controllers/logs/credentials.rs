//! What the operator shows to log stores: files of a folder, as a Secret that is mounted into its pod. A zone names the credentials; they
//! say themselves to which address they may be sent, so that nobody who may write a zone has them sent elsewhere.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use crate::{
    api::{Store, StoreKind},
    sinks::{self, Address, Authentication, Client, Identity, Secret},
};

/// The folder with the credentials.
#[derive(Clone, Debug)]
pub struct Credentials(PathBuf);

impl Credentials {
    /// Those of a folder, which need not be there.
    pub fn new(folder: PathBuf) -> Self {
        Credentials(folder)
    }

    /// A client for a store, or why there is none. It blocks for as long as a few small files take.
    pub fn client(&self, store: &Store) -> Result<Client, String> {
        let address: Address = store.url.parse().map_err(|why| format!("its address cannot be used: {why}"))?;
        let Some(name) = &store.credentials else {
            if address.is_link_local() {
                return Err(format!(
                    "{address} is asked only with credentials that name it: it is no address of a log store"
                ));
            }
            let tls = address.is_tls().then(|| sinks::connector(None, None)).transpose()?;
            return Ok(Client::new(address, tls, None));
        };
        let file = |ending: &str| self.0.join(format!("{name}.{ending}"));
        let missing =
            || format!("the Secret pcizone-log-stores has no key {name}.url, which says where they may be sent");
        let meant = read(&file("url"))?.ok_or_else(missing)?;
        let meant: Address = meant.text.expose_secret().parse().map_err(|_| format!("{name}.url is no address"))?;
        if !address.is_within(&meant) {
            return Err(format!("the credentials {name} are for {meant} and are sent nowhere else"));
        }
        if !address.is_tls() && !address.is_loopback() {
            return Err(format!("{address} is no https, so the credentials {name} are not sent there"));
        }
        let authority = file("ca.crt");
        let authority = authority.exists().then_some(authority.as_path());
        let identity = match (read(&file("client.crt"))?, read(&file("client.key"))?) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificates: certificate.text.expose_secret().to_string(), key: key.text })
            }
            (None, None) => None,
            _ => return Err(format!("{name}.client.crt and {name}.client.key go together")),
        };
        let tls = address.is_tls().then(|| sinks::connector(authority, identity.as_ref())).transpose()?;
        let authentication = authentication(store.kind, &file)?.filter(|_| address.is_tls() || address.is_loopback());
        Ok(Client::new(address, tls, authentication))
    }
}

fn authentication(kind: StoreKind, file: &impl Fn(&str) -> PathBuf) -> Result<Option<Authentication>, String> {
    if let Some(key) = read(&file("api-key"))? {
        return Authentication::api_key(&key.text).map(Some);
    }
    if let Some(token) = read(&file("token"))? {
        let scheme = if kind == StoreKind::Graylog { Authentication::graylog } else { Authentication::bearer };
        return scheme(&token.text).map(Some);
    }
    match (read(&file("username"))?, read(&file("password"))?) {
        (Some(user), Some(password)) => Authentication::basic(user.text.expose_secret(), &password.text).map(Some),
        (None, None) => Ok(None),
        _ => Err("username and password go together".to_string()),
    }
}

/// What a file holds; nothing where there is none.
fn read(path: &Path) -> Result<Option<Secret>, String> {
    if path.exists() { Secret::read(path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn credentials_go_where_they_say_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("siem.url", "https://logs.example.com:9200"),
            ("siem.token", "0123456789"),
            ("path.url", "https://gateway.example.com/es"),
            ("plain.url", "http://logs.example.com:9200"),
            ("plain.token", "0123456789"),
            ("half.url", "https://logs.example.com:9200"),
            ("half.username", "reader"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let credentials = Credentials::new(folder.path().to_path_buf());
        let ask = |url: &str, name: Option<&str>| {
            let store =
                Store { kind: StoreKind::OpenSearch, url: url.into(), name: None, credentials: name.map(String::from) };
            credentials.client(&store).err()
        };
        assert_eq!(ask("https://logs.example.com:9200/below", Some("siem")), None);
        assert_eq!(ask("https://logs.example.com:9200", None), None);
        assert_eq!(ask("https://gateway.example.com/es/below", Some("path")), None);
        assert!(ask("http://169.254.169.254", None).is_some_and(|why| why.contains("no address of a log store")));
        for (url, name, words) in [
            ("https://evil.example.com:9200", "siem", "are sent nowhere else"),
            ("https://logs.example.com", "siem", "are sent nowhere else"),
            ("http://logs.example.com:9200", "siem", "are sent nowhere else"),
            ("https://gateway.example.com/other", "path", "are sent nowhere else"),
            ("http://logs.example.com:9200", "plain", "is no https"),
            ("https://logs.example.com:9200", "other", "has no key other.url"),
            ("https://logs.example.com:9200", "half", "go together"),
        ] {
            let why = ask(url, Some(name)).unwrap_or_default();
            assert!(why.contains(words) && !why.contains("0123456789"), "{url} {name}: {why}");
        }
    }
}
