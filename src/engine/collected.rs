//! What stores said of the logs of a zone.

/// What is known of the logs of a zone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collection {
    /// What keeps its forwarders from their configuration.
    pub trouble: Option<String>,
}
