//! YAML of the same shape as the JSON.

use std::io::{self, Write};

use super::Judgement;

pub(super) fn write(out: &mut impl Write, judgement: &Judgement) -> io::Result<()> {
    let text = serde_saphyr::to_string(judgement).map_err(io::Error::other)?;
    write!(out, "{text}")
}
