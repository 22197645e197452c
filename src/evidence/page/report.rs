//! The page for the assessor.

use std::io::{self, Write};

use askama::Template;

use super::{shell::Shell, words};
use crate::evidence::dossier::{Dossier, FixState, Verdict};

const STYLE: &str = include_str!("report.css");

#[derive(Template)]
#[template(path = "report.html", config = "src/evidence/page/askama.toml")]
struct Report<'a> {
    shell: Shell,
    dossier: &'a Dossier,
}

impl<'a> Report<'a> {
    fn new(dossier: &'a Dossier) -> Self {
        let title = format!("Segmentation evidence, PCI DSS v4.0.1, judged at {}", dossier.judged_at);
        Report { shell: Shell::new(title, STYLE), dossier }
    }
}

/// The page as a text.
pub fn html(dossier: &Dossier) -> String {
    let mut page = Vec::new();
    // A text takes everything, and nothing that is shown can fail.
    let _ = write(dossier, &mut page);
    String::from_utf8_lossy(&page).into_owned()
}

/// Writes the page.
pub fn write(dossier: &Dossier, to: &mut impl Write) -> io::Result<()> {
    Report::new(dossier).write_into(to)?;
    writeln!(to)
}
