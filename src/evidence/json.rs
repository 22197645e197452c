//! JSON, for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::Judgement;

pub(super) fn write(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    pretty(out, judgement)
}

/// Any form that is JSON.
pub(super) fn pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}
