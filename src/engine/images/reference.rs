//! References to images, as container runtimes read them; and which registry one is of.
//!
//! By the published grammar of distribution, with the Docker Hub spelt out as Docker, containerd and CRI-O do it by default. Where runtimes
//! differ, what one of them refuses is refused here. The policy in the API server says the same in CEL
//! ([`crate::engine::desired::admission`]); a test holds the two together.

use std::{borrow::Cow, fmt};

/// The Docker Hub.
const HUB: &str = "docker.io";
/// As it was called before; clients still read it as the same.
const OLD_HUB: &str = "index.docker.io";
/// The owner of images there that name none.
const LIBRARY: &str = "library";
/// Characters of a name, registry included.
const NAME: usize = 255;
/// Characters of a tag.
const TAG: usize = 128;
/// Algorithms of digests that runtimes know, and how many digits each gives.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// A reference, normalised: `docker.io/library/nginx` for `nginx`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Reads one, or says why it is none. Nothing is trimmed and no case is changed: another spelling of a registry is another registry.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("it is empty".to_string());
        }
        // A runtime takes these for the id of an image that is on the node already, from whatever registry.
        if is_hex(text, 64) || is_digest(text) {
            return Err("it is the id of an image on a node and names no registry".to_string());
        }
        let (registry, rest) = split(text);
        if !is_registry(registry) {
            return Err("its first part is no name of a registry".to_string());
        }
        let (rest, digest) = cut(&rest, '@');
        let (path, tag) = cut(rest, ':');
        if !path.split('/').all(is_path_part) {
            return Err("its path has a part that is not lower-case letters and digits with single separators between"
                .to_string());
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(format!("its tag is not at most {TAG} letters, digits, dots, underscores and hyphens"));
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err("its digest is not sha256: and 64 lower-case hexadecimal digits".to_string());
        }
        let name = format!("{registry}/{path}");
        if name.len() > NAME {
            return Err(format!("its name has more than {NAME} characters"));
        }
        Ok(Reference { name, tag: tag.map(str::to_string), digest: digest.map(str::to_string) })
    }

    /// Registry and path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest with its algorithm.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The 64 digits of the SHA-256 by which the image is pinned. Reports of scanners know images by no other digest.
    pub fn pin(&self) -> Option<&str> {
        self.digest.as_deref()?.strip_prefix("sha256:")
    }

    /// Registry, path and tag.
    pub fn without_digest(&self) -> String {
        Reference { digest: None, ..self.clone() }.to_string()
    }

    /// What findings are about.
    pub fn subject(&self) -> String {
        format!("Image/{self}")
    }

    /// The image is below one of these, in whole parts.
    pub fn is_allowed(&self, registries: &[String]) -> bool {
        let below = |entry: &String| {
            let rest = self.name.strip_prefix(&*normalised(entry));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        registries.iter().any(below)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reference { name, tag, digest } = self;
        out.write_str(name)?;
        tag.iter().try_for_each(|tag| write!(out, ":{tag}"))?;
        digest.iter().try_for_each(|digest| write!(out, "@{digest}"))
    }
}

/// An entry of `spec.scanning.registries` with the Docker Hub by the name that references have after they are read.
pub fn normalised(entry: &str) -> Cow<'_, str> {
    match entry.strip_prefix(OLD_HUB) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HUB}{rest}").into(),
        Some(_) | None => entry.into(),
    }
}

/// The registry, and what is to be found there.
fn split(text: &str) -> (&str, Cow<'_, str>) {
    let (registry, rest) = match text.split_once('/') {
        Some((OLD_HUB, rest)) => (HUB, rest),
        Some((first, rest)) if names_registry(first) => (first, rest),
        Some(_) | None => (HUB, text),
    };
    let owned = registry != HUB || rest.contains('/');
    (registry, if owned { rest.into() } else { format!("{LIBRARY}/{rest}").into() })
}

/// The first part is a registry, and not an owner on the Docker Hub.
fn names_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// A host, and perhaps a port.
fn is_registry(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (is_host, port) = if let Some((address, port)) = bracketed {
        (is_all(address, |byte| byte.is_ascii_hexdigit() || byte == b':'), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (host.split('.').all(is_label), port)
    };
    let is_port =
        |text: &str| text.strip_prefix(':').is_some_and(|digits| is_all(digits, |byte| byte.is_ascii_digit()));
    is_host && (port.is_empty() || is_port(port))
}

/// A part of the name of a host.
fn is_label(text: &str) -> bool {
    is_all(text, |byte| byte.is_ascii_alphanumeric() || byte == b'-') && !text.starts_with('-') && !text.ends_with('-')
}

/// Letters and digits; between two of them a dot, one or two underscores, or hyphens.
fn is_path_part(text: &str) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator = |run: &[u8]| match run {
        [] | [b'.' | b'_'] | [b'_', b'_'] => true,
        run => run.iter().all(|byte| *byte == b'-'),
    };
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(is_plain) && bytes.last().is_some_and(is_plain);
    ends && bytes.split(is_plain).all(is_separator)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG
        && is_all(text, |byte| is_word(byte) || byte == b'.' || byte == b'-')
        && text.bytes().next().is_some_and(is_word)
}

fn is_digest(text: &str) -> bool {
    let of = text.split_once(':').map(|(algorithm, digits)| (algorithm, digits.len(), digits));
    of.is_some_and(|(algorithm, length, digits)| DIGESTS.contains(&(algorithm, length)) && is_hex(digits, length))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && is_all(text, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Every byte is such, and there is one.
fn is_all(text: &str, is: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn shown(text: &str) -> Option<String> {
        Reference::parse(text).ok().map(|one| one.to_string())
    }

    #[test]
    fn the_docker_hub_is_spelt_out_and_nothing_else_is_changed() {
        for (text, wanted) in [
            ("nginx", "docker.io/library/nginx"),
            ("nginx:1.29", "docker.io/library/nginx:1.29"),
            ("a/b", "docker.io/a/b"),
            ("a/b/c", "docker.io/a/b/c"),
            ("docker.io/nginx", "docker.io/library/nginx"),
            ("docker.io/a/b", "docker.io/a/b"),
            ("index.docker.io/nginx", "docker.io/library/nginx"),
            ("index.docker.io/a/b", "docker.io/a/b"),
            ("registry.example.com", "docker.io/library/registry.example.com"),
            ("registry.example.com:5000", "docker.io/library/registry.example.com:5000"),
            ("registry.example.com/nginx", "registry.example.com/nginx"),
            ("registry:5000/nginx", "registry:5000/nginx"),
            ("localhost", "docker.io/library/localhost"),
            ("localhost/nginx", "localhost/nginx"),
            ("Registry/nginx", "Registry/nginx"),
            ("REGISTRY.example.com/nginx", "REGISTRY.example.com/nginx"),
            ("Docker.io/nginx", "Docker.io/nginx"),
            ("[2001:db8::1]/nginx", "[2001:db8::1]/nginx"),
            ("[2001:DB8::1]:5000/a/b:c", "[2001:DB8::1]:5000/a/b:c"),
            ("a__b/c-d---e.f_g:V_1.0-x", "docker.io/a__b/c-d---e.f_g:V_1.0-x"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(wanted), "{text}");
            assert_eq!(shown(wanted).as_deref(), Some(wanted), "{wanted} is normal");
        }
    }

    #[test]
    fn only_a_whole_digest_by_sha256_pins_an_image() {
        let long = HEX.repeat(2);
        for (text, tag, pin) in [
            (format!("nginx@sha256:{HEX}"), None, Some(HEX)),
            (format!("nginx:1@sha256:{HEX}"), Some("1"), Some(HEX)),
            (format!("nginx:{HEX}"), Some(HEX), None),
            (format!("nginx@sha512:{long}"), None, None),
        ] {
            let read = Reference::parse(&text).unwrap();
            assert_eq!((read.tag(), read.pin()), (tag, pin), "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_a_reason() {
        let (long, upper) = (HEX.repeat(2), HEX.to_uppercase());
        for (text, reason) in [
            (String::new(), "empty"),
            (HEX.to_string(), "id of an image"),
            (format!("sha256:{HEX}"), "id of an image"),
            (format!("sha512:{long}"), "id of an image"),
            ("registry.example.com./a".to_string(), "registry"),
            ("registry..example.com/a".to_string(), "registry"),
            (".example.com/a".to_string(), "registry"),
            ("-a.example.com/a".to_string(), "registry"),
            ("a_b.example.com/a".to_string(), "registry"),
            ("user@registry.example.com/a".to_string(), "registry"),
            ("registry.example.com:/a".to_string(), "registry"),
            ("registry.example.com:http/a".to_string(), "registry"),
            ("registry.example.com:50:00/a".to_string(), "registry"),
            ("https://registry.example.com/a".to_string(), "registry"),
            ("[]/a".to_string(), "path"),
            ("[::1/a".to_string(), "registry"),
            ("[::1]5000/a".to_string(), "registry"),
            ("[fe80::1%eth0]/a".to_string(), "registry"),
            ("/a".to_string(), "path"),
            ("a/".to_string(), "path"),
            ("a//b".to_string(), "path"),
            ("registry.example.com/".to_string(), "path"),
            ("registry.example.com/../a".to_string(), "path"),
            ("registry.example.com/a/./b".to_string(), "path"),
            ("registry.example.com/A".to_string(), "path"),
            ("a___b".to_string(), "path"),
            ("a..b/c/d".to_string(), "registry"),
            ("a-".to_string(), "path"),
            ("_a".to_string(), "path"),
            ("a._b".to_string(), "path"),
            ("nginx%2f".to_string(), "path"),
            (" nginx".to_string(), "path"),
            ("nginx ".to_string(), "path"),
            ("nginx\n".to_string(), "path"),
            ("nginх".to_string(), "path"),
            ("nginx:".to_string(), "tag"),
            ("nginx:.a".to_string(), "tag"),
            ("nginx:a b".to_string(), "tag"),
            ("nginx:a\n".to_string(), "tag"),
            (format!("nginx:{}", "a".repeat(129)), "tag"),
            ("nginx@".to_string(), "digest"),
            (format!("nginx@{HEX}"), "digest"),
            (format!("nginx@sha256:{}", &HEX[1..]), "digest"),
            (format!("nginx@sha256:{HEX}0"), "digest"),
            (format!("nginx@sha256:{upper}"), "digest"),
            (format!("nginx@SHA256:{HEX}"), "digest"),
            (format!("nginx@sha512:{HEX}"), "digest"),
            (format!("nginx@sha256:{HEX}:1"), "digest"),
            (format!("nginx@sha256:{HEX}@sha256:{HEX}"), "digest"),
            (format!("registry.example.com/{}", "a".repeat(235)), "name"),
            ("a".repeat(239), "name"),
        ] {
            let read = Reference::parse(&text);
            assert!(read.as_ref().is_err_and(|said| said.contains(reason)), "{text:?} gave {read:?}, not {reason}");
        }
        for text in [format!("nginx:{}", "a".repeat(128)), format!("registry.example.com/{}", "a".repeat(234))] {
            assert!(shown(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_registry_allows_what_is_below_it_in_whole_parts() {
        for (entry, image, wanted) in [
            ("registry.example.com", "registry.example.com/a", true),
            ("registry.example.com", "registry.example.com/a/b:1", true),
            ("registry.example.com", "registry.example.com:5000/a", false),
            ("registry.example.com:5000", "registry.example.com:5000/a", true),
            ("registry.example.com:5000", "registry.example.com:50000/a", false),
            ("registry.example.com", "registry.example.com.evil.io/a", false),
            ("registry.example.com", "evil.io/registry.example.com/a", false),
            ("registry.example.com", "registry.example.com", false),
            ("registry.example.com", "Registry.example.com/a", false),
            ("registry.example.com/pci", "registry.example.com/pci/app", true),
            ("registry.example.com/pci", "registry.example.com/pci", true),
            ("registry.example.com/pci", "registry.example.com/pci:1", true),
            ("registry.example.com/pci", "registry.example.com/pci-test/app", false),
            ("registry.example.com/pci", "registry.example.com/a/pci", false),
            ("registry.example.com/pci/app", "registry.example.com/pci", false),
            ("docker.io/library", "nginx", true),
            ("docker.io/library", "a/b", false),
            ("docker.io", "a/b", true),
            ("index.docker.io/library", "nginx", true),
            ("index.docker.io", "docker.io/a/b", true),
            ("docker.io/nginx", "nginx", false),
            ("localhost:5000", "localhost:5000/a", true),
        ] {
            let read = Reference::parse(image).unwrap();
            assert_eq!(read.is_allowed(&[entry.to_string()]), wanted, "{image} by {entry}");
        }
        let read = Reference::parse("b.example.com/a").unwrap();
        assert!(!read.is_allowed(&[]));
        assert!(read.is_allowed(&["a.example.com".to_string(), "b.example.com".to_string()]));
    }
}
