//! What stands beside an edge.

use crate::engine::graph::{Edge, EdgeChange, EdgeKind, EdgeState};

/// What an edge is, in a word or two.
pub(in crate::evidence) fn kind(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Flow => "flow",
        EdgeKind::Names => "name servers",
        EdgeKind::Undeclared => "not declared",
        EdgeKind::Door => "under no policy",
        EdgeKind::ApiServer => "API server",
    }
}

/// Its state, where that is to be said.
pub(in crate::evidence) fn state(edge: &Edge) -> Option<&'static str> {
    match edge.state {
        EdgeState::Open => None,
        EdgeState::Ended => Some("ended"),
        EdgeState::Unresolved => Some("closed, an end is not there"),
    }
}

/// What has become of it.
pub(in crate::evidence) fn change(edge: &Edge) -> Option<&'static str> {
    match edge.change {
        EdgeChange::Same => None,
        EdgeChange::Added => Some("added"),
        EdgeChange::Removed => Some("removed"),
    }
}

/// Why it is there, said in any case.
pub(in crate::evidence) fn need(edge: &Edge) -> &str {
    edge.need.as_deref().unwrap_or(match edge.kind {
        EdgeKind::Undeclared => "no flow declares it",
        EdgeKind::Flow | EdgeKind::Names | EdgeKind::Door | EdgeKind::ApiServer => "nobody says why",
    })
}

/// Who answers for it, said in any case.
pub(in crate::evidence) fn owner(edge: &Edge) -> &str {
    edge.owner.as_deref().unwrap_or("nobody named")
}

/// The day on which it ends, said in any case.
pub(in crate::evidence) fn end(edge: &Edge) -> String {
    edge.expires_at.map_or_else(|| "no end".to_string(), |at| format!("until {}", day(at)))
}

/// The day of a moment, UTC.
fn day(at: k8s_openapi::jiff::Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_string()
}

/// Need, owner and end in one line each.
pub(in crate::evidence) fn lines(edge: &Edge) -> Vec<String> {
    let head = [Some(kind(edge.kind)), change(edge), state(edge), edge.account_data.then_some("account data")];
    let head: Vec<&str> = head.into_iter().flatten().collect();
    let with = if edge.kind == EdgeKind::ApiServer { "by" } else { "on" };
    vec![
        format!("{} {with} {}", edge.name, edge.ports),
        head.join(", "),
        need(edge).to_string(),
        format!("{}, {}", owner(edge), end(edge)),
    ]
}
