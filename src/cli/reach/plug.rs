//! Where the engine is plugged in that tells who reaches whom. Until it is there the command reads, checks and says so.
//!
//! In its place: `pub(super) use crate::engine::reach::{Answer, End, Reach}`, and in [`engine`] the closure around
//! `Reach::new(snapshot)` and its `probe`.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
    str::FromStr,
};

use crate::{api::Protocol, engine::Snapshot};

/// One end of a connection: a pod, or an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// A pod.
    Pod { namespace: String, name: String },
    /// An address.
    Address(IpAddr),
}

impl Display for End {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            End::Pod { namespace, name } => write!(f, "{namespace}/{name}"),
            End::Address(address) => write!(f, "ip:{address}"),
        }
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("ip:") {
            return address.parse().map(End::Address).map_err(|_| format!("{address:?} is no address"));
        }
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(End::Pod { namespace: namespace.to_string(), name: name.to_string() })
            }
            _ => Err(format!("{text:?} is neither NAMESPACE/POD nor ip:ADDRESS")),
        }
    }
}

/// What comes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The destination lets it in.
    pub(super) ingress: bool,
    /// The source lets it out.
    pub(super) egress: bool,
    /// Both.
    pub(super) allowed: bool,
    /// What decides.
    pub(super) decided_by: Vec<String>,
}

/// Answers one question.
pub(super) type Engine<'a> = Box<dyn Fn(&End, &End, Protocol, u16) -> Answer + 'a>;

/// The engine.
pub(super) fn engine(_: &Snapshot) -> anyhow::Result<Engine<'_>> {
    anyhow::bail!("this version cannot tell yet who reaches whom")
}
