//! The forms of a judgement, and which code writes which.

use std::{
    borrow::Borrow,
    io::{self, Write},
    path::PathBuf,
};

use clap::ValueEnum;

use super::{Dossier, Judgement, csv, json, junit, oscal, page, picture, sarif, text, yaml};

/// A form of a judgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Table,
    /// For people with a wide terminal: also requirements, place, evidence and remedy.
    Wide,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
    /// For spreadsheets: one row per finding.
    Csv,
    /// For CI servers: one suite per zone, one case per finding.
    Junit,
    /// SARIF 2.1.0, for code scanning of manifests.
    Sarif,
    /// Assessment results of OSCAL 1.1.3, for whoever keeps the compliance of many systems.
    Oscal,
    /// One page for a browser, as `pcizone report` writes it.
    Html,
    /// A picture of the findings as Mermaid text.
    Mermaid,
    /// The same picture for Graphviz.
    Dot,
}

/// How a form is written, beyond what was judged.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// What could not be proven counts as a finding too.
    pub strict: bool,
    /// Text may have colours.
    pub colours: bool,
    /// The folder that files are named from where a form wants relative names.
    pub folder: Option<PathBuf>,
}

impl Form {
    /// Every form.
    pub fn all() -> &'static [Form] {
        Form::value_variants()
    }

    /// Writes a judgement in this form. `dossier`: the same judgement with all that a page shows around it.
    pub fn write<D: Borrow<Dossier>>(
        self,
        out: &mut impl Write,
        judgement: &Judgement,
        dossier: impl FnOnce() -> D,
        manner: &Manner,
    ) -> io::Result<()> {
        match self {
            Form::Table => text::table(out, judgement, manner),
            Form::Wide => text::wide(out, judgement, manner),
            Form::Json => json::write(out, judgement),
            Form::Yaml => yaml::write(out, judgement),
            Form::Csv => csv::write(out, judgement),
            Form::Junit => junit::write(out, judgement, manner),
            Form::Sarif => sarif::write(out, judgement, manner),
            Form::Oscal => oscal::write(out, judgement),
            Form::Html => page::write(dossier().borrow(), out),
            Form::Mermaid => picture::mermaid(out, judgement),
            Form::Dot => picture::dot(out, judgement),
        }
    }
}
