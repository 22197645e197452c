//! Where a store is: an address with nothing in it that is secret.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    str::FromStr,
};

use http::Uri;

/// The address of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    is_tls: bool,
    host: String,
    port: u16,
    /// What stands before each path, where the store is behind a proxy: empty, or with a slash before it and none after.
    prefix: String,
}

impl FromStr for Address {
    type Err = String;

    /// What is wrong is told without the text: it may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "it has to be like https://logs.example.com:9200".to_string();
        let beyond_scheme = text.split_once("://").map(|(_, rest)| rest).ok_or_else(form)?;
        let authority = beyond_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("it has a user or a password in it; give these by --user and --password-file".to_string());
        }
        if text.contains(['?', '#']) {
            return Err("it may have no ? and no #: what is asked for is added to it".to_string());
        }
        let uri: Uri = text.parse().map_err(|_| form())?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(form()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(form)?;
        // A port that is none is left out where an address is taken apart, and another one would be asked then.
        let port = match authority.get(host.len()..).ok_or_else(form)? {
            "" => Some(if is_tls { 443 } else { 80 }),
            rest => rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        };
        let port: u16 = port.filter(|port| *port != 0).ok_or_else(form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Ok(Address { is_tls, host, port, prefix: uri.path().trim_end_matches('/').to_string() })
    }
}

impl Address {
    /// Whether it is asked by TLS.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whether it is at the same server as another one, and at its path or below.
    pub fn is_within(&self, other: &Address) -> bool {
        let server = |one: &Address| (one.is_tls, one.host.clone(), one.port);
        let below = self.prefix.strip_prefix(other.prefix.as_str());
        server(self) == server(other) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether it is an address by which a machine reaches what is only its own, such as the metadata of a cloud.
    pub fn is_link_local(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(is_link_local)
    }

    /// Whether it is on this machine, by its name; what the name stands for is looked at when it is asked.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as a request names them.
    pub(super) fn authority(&self) -> String {
        let Address { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// A path of the store as it is asked for here.
    pub(super) fn path(&self, path: &str) -> String {
        let path = format!("{}{path}", self.prefix);
        if path.is_empty() { "/".to_string() } else { path }
    }
}

/// Nothing of these leaves the link: RFC 3927, RFC 4291.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_whole_or_not_at_all() {
        for (text, shown) in [
            ("https://Logs.example.com", "https://logs.example.com:443"),
            ("https://logs.example.com:9200/", "https://logs.example.com:9200"),
            ("https://proxy/es/", "https://proxy:443/es"),
            ("http://127.0.0.1:9428", "http://127.0.0.1:9428"),
            ("https://[::1]:9200/a/b", "https://[::1]:9200/a/b"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for wrong in [
            "",
            "logs.example.com:9200",
            "ftp://logs",
            "https://",
            "https:///path",
            "https://logs:0",
            "https://logs:99999",
            "https://logs:",
            "https://[::1]x",
            "https://logs?x=1",
            "https://logs#x",
            "https://a b",
            "//logs",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_told() {
        for text in ["https://u:hunter2@logs", "https://hunter2@logs:9200/x", "https://u:hunter2@", "x://u:hunter2@h"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.contains("--password-file") && !error.contains("hunter2"), "{error}");
        }
        // An @ in a path is none of a user.
        assert!("https://logs/a@b".parse::<Address>().is_ok());
    }

    #[test]
    fn an_address_is_within_another_by_whole_parts_of_its_path() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let meant = address("https://gateway.example.com/es");
        for (text, is_within) in [
            ("https://gateway.example.com/es", true),
            ("https://gateway.example.com:443/es/below", true),
            ("https://gateway.example.com/essence", false),
            ("https://gateway.example.com/other", false),
            ("https://gateway.example.com", false),
            ("https://gateway.example.com:8443/es", false),
            ("http://gateway.example.com:443/es", false),
            ("https://other.example.com/es", false),
        ] {
            assert_eq!(address(text).is_within(&meant), is_within, "{text}");
        }
        assert!(address("https://a/x").is_within(&address("https://a")));
        for (text, is_local) in [
            ("http://169.254.169.254", true),
            ("http://[fe80::1]", true),
            ("http://0.0.0.0", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(address(text).is_link_local(), is_local, "{text}");
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        let is_loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        for text in ["http://127.0.0.1", "http://127.8.9.1:1", "http://[::1]", "http://localhost:1"] {
            assert!(is_loopback(text), "{text}");
        }
        for text in ["http://10.0.0.1", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://[::2]"]
        {
            assert!(!is_loopback(text), "{text}");
        }
    }
}
