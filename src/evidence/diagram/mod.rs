//! The network of zones as a picture: text for Mermaid and Graphviz, a drawing, and a page (PCI DSS 1.2.3, 1.2.4).
//!
//! Every form shows every edge, with its need, owner and end; where a drawing would have too many ends, it is folded and says so.

mod dot;
mod folded;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
pub(super) mod words;

use std::io::{self, Write};

use clap::ValueEnum;
use k8s_openapi::jiff::Timestamp;

use super::page;
use crate::engine::graph::Graph;

pub(super) use svg::{drawing, style as drawing_style};

/// A form of a diagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DiagramForm {
    /// Mermaid text, which many wikis and forges draw.
    #[default]
    Mermaid,
    /// For Graphviz.
    Dot,
    /// A drawing.
    Svg,
    /// One page with the drawing and a list of all edges.
    Html,
    /// For programs.
    Json,
}

/// What is said around a diagram.
#[derive(Clone, Debug)]
pub struct Caption {
    /// Only what account data goes through.
    pub account_data: bool,
    /// Exactly what is there was drawn, and not what the operator will make of it.
    pub as_is: bool,
    /// What it is compared with, in words.
    pub base: Option<String>,
    /// The moment.
    pub drawn_at: Timestamp,
}

impl Caption {
    pub(super) fn title(&self) -> &'static str {
        if self.account_data { "Flows of account data" } else { "Network of the zones" }
    }

    /// All of it in a sentence.
    pub(super) fn words(&self) -> String {
        let requirement = if self.account_data { "1.2.4" } else { "1.2.3" };
        let how = if self.as_is {
            "exactly as it is"
        } else {
            "as it will be once the operator has carried out what the zones declare"
        };
        let base = self.base.as_ref().map(|base| format!(", compared with {base}")).unwrap_or_default();
        format!("PCI DSS v4.0.1, {requirement}. Drawn at {}, {how}{base}.", self.drawn_at)
    }
}

impl DiagramForm {
    /// Writes a diagram in this form.
    pub fn write(self, out: &mut impl Write, graph: &Graph, caption: &Caption) -> io::Result<()> {
        match self {
            DiagramForm::Mermaid => mermaid::write(out, graph, caption),
            DiagramForm::Dot => dot::write(out, graph, caption),
            DiagramForm::Svg => svg::write(out, graph, caption),
            DiagramForm::Html => page::diagram::write(out, graph, caption),
            DiagramForm::Json => {
                serde_json::to_writer_pretty(&mut *out, graph)?;
                writeln!(out)
            }
        }
    }
}
