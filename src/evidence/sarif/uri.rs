//! Names of files as URIs, relative to the folder of the run where they lie in it.

use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path of a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A URI of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uri {
    pub(super) text: String,
    is_relative: bool,
}

impl Uri {
    /// What it is relative to: by this name a viewer asks for the folder of the sources.
    pub(super) fn base(&self) -> Option<&'static str> {
        self.is_relative.then_some("%SRCROOT%")
    }
}

/// The URI of a file that was named so, by somebody in that folder.
pub(super) fn of(file: &str, folder: Option<&Path>) -> Uri {
    let path = Path::new(file);
    let path = folder.and_then(|folder| path.strip_prefix(folder).ok()).unwrap_or(path);
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
            Component::ParentDir if parts.last().is_some_and(|last| last != "..") => drop(parts.pop()),
            Component::ParentDir if path.is_absolute() => {}
            Component::ParentDir => parts.push("..".to_string()),
            Component::Normal(part) => parts.push(utf8_percent_encode(&part.to_string_lossy(), ESCAPED).to_string()),
        }
    }
    let is_relative = !path.is_absolute();
    let text = if is_relative { parts.join("/") } else { format!("file:///{}", parts.join("/")) };
    Uri { text, is_relative }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_the_folder_are_named_from_there() {
        let folder = Path::new("/srv/repo");
        for (file, expected, is_relative) in [
            ("zones/cde.yaml", "zones/cde.yaml", true),
            ("./zones//cde.yaml", "zones/cde.yaml", true),
            ("zones/../cde.yaml", "cde.yaml", true),
            ("../other/cde.yaml", "../other/cde.yaml", true),
            ("/srv/repo/zones/cde.yaml", "zones/cde.yaml", true),
            ("/srv/other/cde.yaml", "file:///srv/other/cde.yaml", false),
            ("/../cde.yaml", "file:///cde.yaml", false),
            ("a b/ü#?.yaml", "a%20b/%C3%BC%23%3F.yaml", true),
            ("c:x.yaml", "c%3Ax.yaml", true),
            ("100%.yaml", "100%25.yaml", true),
            ("stdin", "stdin", true),
        ] {
            assert_eq!(of(file, Some(folder)), Uri { text: expected.to_string(), is_relative }, "{file}");
        }
    }
}
