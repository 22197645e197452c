//! Credentials: read from files, sent in a header, and told nowhere, also not where a server sends them back.

use std::{fs::File, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// Bytes of a file with a secret, at most.
const FILE: u64 = 64 * 1024;
/// So many characters of a secret in a row are told nowhere; of a shorter one, all of it.
const RUN: usize = 8;
/// What stands in their place.
const HIDDEN: &str = "‹hidden›";

/// What a file holds.
#[derive(Debug)]
pub struct Secret {
    /// The secret, without the end of its line.
    pub text: SecretString,
    /// What is to be said about the file.
    pub warning: Option<String>,
}

impl Secret {
    /// Reads a file. What is wrong is told without anything of its content.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let file = File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let mode = mode(&file);
        let mut text = String::new();
        file.take(FILE + 1).read_to_string(&mut text).map_err(|error| format!("cannot read {shown}: {error}"))?;
        if text.len() as u64 > FILE {
            return Err(format!("{shown} is longer than {FILE} bytes, so it is no secret"));
        }
        let trimmed = text.trim_end_matches(['\n', '\r']);
        if trimmed.is_empty() {
            return Err(format!("{shown} is empty"));
        }
        let warning = mode.filter(|mode| mode & 0o004 != 0).map(|mode| {
            format!("{shown} can be read by everyone on this machine (mode {:03o}): chmod 600 {shown}", mode & 0o777)
        });
        Ok(Secret { text: trimmed.into(), warning })
    }
}

#[cfg(unix)]
fn mode(file: &File) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().ok()?;
    // A pipe belongs to the two that hold it, whatever its mode says.
    metadata.is_file().then(|| metadata.permissions().mode())
}

#[cfg(not(unix))]
fn mode(_: &File) -> Option<u32> {
    None
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Authentication {
    header: HeaderValue,
    /// What must not be told, the longest first.
    hidden: Vec<SecretString>,
}

impl Authentication {
    /// `Authorization: Bearer …`.
    pub fn bearer(token: &SecretString) -> Result<Self, String> {
        Authentication::new("Bearer", token.expose_secret(), &[])
    }

    /// `Authorization: ApiKey …`: of Elasticsearch, as it is encoded in the answer that made the key.
    pub fn api_key(key: &SecretString) -> Result<Self, String> {
        Authentication::new("ApiKey", key.expose_secret(), &[])
    }

    /// `Authorization: Splunk …`: the key of a session.
    pub fn splunk(key: &SecretString) -> Result<Self, String> {
        Authentication::new("Splunk", key.expose_secret(), &[])
    }

    /// A user and a password.
    pub fn basic(user: &str, password: &SecretString) -> Result<Self, String> {
        if user.contains(':') || user.chars().any(char::is_control) {
            return Err("the name of a user has no : and no control characters".to_string());
        }
        let password = password.expose_secret();
        Authentication::new("Basic", &STANDARD.encode(format!("{user}:{password}")), &[password])
    }

    /// An access token of Graylog: it stands in the place of the user.
    pub fn graylog(token: &SecretString) -> Result<Self, String> {
        let token = token.expose_secret();
        Authentication::new("Basic", &STANDARD.encode(format!("{token}:token")), &[token])
    }

    fn new(scheme: &str, sent: &str, besides: &[&str]) -> Result<Self, String> {
        let is_sendable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::from_str(&format!("{scheme} {sent}")).ok().filter(|_| is_sendable(sent));
        let mut header =
            header.ok_or("the secret has spaces or characters that no header can carry: is it another file?")?;
        header.set_sensitive(true);
        let mut hidden: Vec<&str> = std::iter::once(sent).chain(besides.iter().copied()).collect();
        hidden.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Authentication { header, hidden: hidden.into_iter().map(SecretString::from).collect() })
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// A text without the secret, and without the greater part of it where the text was cut.
    pub fn hide(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_string(), |text, secret| hide(&text, secret.expose_secret()))
    }
}

fn hide(text: &str, secret: &str) -> String {
    let least = secret.len().min(RUN);
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let same = rest.chars().zip(secret.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        if same >= least {
            told.push_str(HIDDEN);
            rest = rest.get(same..).unwrap_or_default();
        } else {
            told.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TOKEN: &str = "s3cr3t-token-of-a-store";

    #[test]
    fn a_secret_is_told_nowhere() {
        let token = SecretString::from(TOKEN);
        let basic = Authentication::basic("reader", &token).unwrap();
        let encoded = STANDARD.encode(format!("reader:{TOKEN}"));
        for text in
            [format!("a {TOKEN} b"), format!("{TOKEN}{TOKEN}"), format!("Basic {encoded}"), TOKEN[..12].to_string()]
        {
            let told = basic.hide(&text);
            assert!(!told.contains(&TOKEN[..8]) && !told.contains(&encoded[..8]) && told.contains(HIDDEN), "{told}");
        }
        assert_eq!(basic.hide("an answer of s3cr3t length, für alle"), "an answer of s3cr3t length, für alle");
        for authentication in [
            Authentication::bearer(&token),
            Authentication::api_key(&token),
            Authentication::splunk(&token),
            Authentication::graylog(&token),
            Ok(basic),
        ] {
            let told = format!("{authentication:?}");
            assert!(!told.contains(TOKEN), "{told}");
            assert!(!authentication.unwrap().hide(TOKEN).contains(&TOKEN[..8]));
        }
        let short = Authentication::bearer(&SecretString::from("abc")).unwrap();
        assert_eq!(short.hide("ab abc"), format!("ab {HIDDEN}"));
    }

    #[test]
    fn what_no_header_can_carry_is_refused_without_telling_it() {
        for text in ["two words", "two\nlines", "müller-token", "a\u{0}b"] {
            let error = Authentication::bearer(&SecretString::from(text)).unwrap_err();
            assert!(!error.contains(text), "{error}");
        }
        // A password may have anything: it is encoded.
        assert!(Authentication::basic("u", &SecretString::from("zwei wörter")).is_ok());
        assert!(Authentication::basic("u:v", &SecretString::from("x")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_read_without_the_end_of_its_line_and_its_mode_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, format!("{TOKEN}\r\n")).unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let secret = Secret::read(&path).unwrap();
            assert_eq!(secret.text.expose_secret(), TOKEN);
            assert_eq!(secret.warning.is_some_and(|words| words.contains("chmod 600")), is_open, "{mode:o}");
        }
        for (content, words) in [(String::new(), "empty"), ("\n".to_string(), "empty"), ("x".repeat(70_000), "longer")]
        {
            fs::write(&path, content).unwrap();
            assert!(Secret::read(&path).unwrap_err().contains(words));
        }
        assert!(Secret::read(&folder.path().join("none")).unwrap_err().contains("cannot read"));
    }
}
