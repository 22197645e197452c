//! What every page has around its content: style, script, and a policy that lets nothing else in.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("base.css");
const SCRIPT: &str = include_str!("base.js");

/// Around the content of a page.
pub(super) struct Shell {
    /// The title.
    pub(super) title: String,
    /// The version of this program.
    pub(super) version: &'static str,
    /// Style for all pages, and for this one.
    pub(super) style: String,
    /// Script for all pages, and for this one.
    pub(super) script: String,
    /// What the browser may load and run: this style and this script, each by its digest, and nothing else.
    pub(super) policy: String,
}

impl Shell {
    /// For a page with a title and some style of its own.
    pub(super) fn new(title: String, style: &str) -> Self {
        let style = format!("{STYLE}{style}");
        let script = SCRIPT.to_string();
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            digest(&style),
            digest(&script)
        );
        Shell { title, version: env!("CARGO_PKG_VERSION"), style, script, policy }
    }
}

fn digest(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_end_where_they_end() {
        let Shell { style, script, .. } = Shell::new("a".to_string(), include_str!("report.css"));
        for text in [style, script] {
            assert!(!text.contains("</") && !text.contains("<!--"), "a browser would end the element there");
            assert!(!text.contains("//http") && !text.contains("url("), "it asks for something");
        }
    }

    #[test]
    fn a_digest_is_spelt_as_browsers_do() {
        assert_eq!(digest(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
