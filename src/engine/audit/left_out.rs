//! What an audit policy leaves out of what has to be recorded.
//!
//! Judged are requests by anybody and by administrators: a rule about users by name, or about other groups, catches neither. A rule
//! about namespaces counts for those of the zone that it names.

use std::{collections::BTreeSet, iter};

use super::{
    policy::{Level, Policy, Request, Stage},
    requests::{KINDS, Kind, Place},
};

/// Whoever has shown who he is.
const AUTHENTICATED: &str = "system:authenticated";
/// The groups of administrators that clusters come with.
const ADMINISTRATORS: [&str; 2] = ["system:masters", "kubeadm:cluster-admins"];
/// Namespaces of the zone that are tried by their names, besides one that no rule names.
const NAMESPACES: usize = 64;

/// Requests with one verb to one kind of object, of which nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The verb.
    pub verb: &'static str,
    /// The kind, as a rule would name it: `pods/exec`.
    pub kind: String,
    /// The number of the rule that decides, from 1; `None` where none matches.
    pub rule: Option<usize>,
    /// How it drops them.
    pub why: Why,
    /// The group whose requests are dropped, where not everybody's are.
    pub group: Option<&'static str>,
    /// The namespace in which they are dropped, where that is not so in others.
    pub namespace: Option<String>,
}

/// How requests are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The level is `None`, or no rule matches, which is the same.
    Level,
    /// All stages at which something would be written are omitted.
    Stages,
}

/// Who sends a request.
struct Sender {
    groups: Vec<&'static str>,
    group: Option<&'static str>,
}

/// What a policy leaves out for a zone with these namespaces; each verb of each kind at most once.
pub fn left_out(policy: &Policy, zone: &str, namespaces: &BTreeSet<&str>) -> Vec<LeftOut> {
    let everybody = Sender { groups: vec![AUTHENTICATED], group: None };
    let read = ADMINISTRATORS.into_iter().filter(|group| policy.reads_group(group));
    let administrators = read.map(|group| Sender { groups: vec![group, AUTHENTICATED], group: Some(group) });
    let senders: Vec<Sender> = iter::once(everybody).chain(administrators).collect();
    let names = policy.names();
    let (named, unnamed): (Vec<&str>, Vec<&str>) = namespaces.iter().partition(|namespace| names.contains(**namespace));
    // One that no rule names stands for all of these.
    let any = (!unnamed.is_empty() || named.is_empty()).then_some(None);
    let namespaces: Vec<Option<&str>> = any.into_iter().chain(named.into_iter().take(NAMESPACES).map(Some)).collect();
    let mut left_out = Vec::new();
    for kind in KINDS {
        for verb in kind.verbs {
            let tried = senders.iter().flat_map(|sender| namespaces.iter().map(move |namespace| (sender, *namespace)));
            let dropped = tried.filter_map(|(sender, namespace)| {
                let request = request(kind, verb, &sender.groups, namespace, zone);
                let (rule, why) = drops(policy, &request, kind.is_long(verb))?;
                let namespace = namespace.filter(|_| kind.place == Place::Namespace).map(str::to_string);
                Some(LeftOut { verb, kind: kind.name(), rule, why, group: sender.group, namespace })
            });
            left_out.extend(dropped.take(1));
        }
    }
    left_out
}

fn request<'a>(
    kind: &'a Kind,
    verb: &'a str,
    groups: &'a [&'a str],
    namespace: Option<&'a str>,
    zone: &'a str,
) -> Request<'a> {
    let Kind { group, resource, subresource, place, .. } = *kind;
    let names_one = kind.names_one(verb);
    let (namespace, name) = match place {
        Place::Namespace => (namespace, None),
        Place::Cluster => (Some(""), None),
        // A new one is in none yet.
        Place::IsNamespace => (if names_one { namespace } else { Some("") }, namespace),
        Place::IsZone => (Some(""), Some(zone)),
    };
    Request { groups, verb, group, resource, subresource, namespace, name: if names_one { name } else { Some("") } }
}

/// Whether nothing is recorded of a request; and the number of the rule that says so.
fn drops(policy: &Policy, request: &Request, is_long: bool) -> Option<(Option<usize>, Why)> {
    let Some((place, rule)) = policy.decides(request) else { return Some((None, Why::Level)) };
    let number = Some(place + 1);
    if rule.level == Level::None {
        return Some((number, Why::Level));
    }
    // What is written of a panic is written of nothing else.
    let mut stages = vec![Stage::RequestReceived, Stage::ResponseComplete];
    if is_long {
        stages.push(Stage::ResponseStarted);
    }
    stages.into_iter().all(|stage| policy.omits(rule, stage)).then_some((number, Why::Stages))
}
