//! Traffic that opens or closes, in a sentence: who, to whom, on which ports, by which flow and which policy.

use super::{
    Side,
    traffic::{Move, Moved},
};
use crate::{
    api::{Protocol, names},
    engine::reach::{
        By, Class, Direction, Reach, Selectors, Terms,
        described::{pods_with, selected},
        sets::{Classes, Peers, Ports, first},
        words::{few, ports},
    },
};

/// The most pods at the other end that are asked whether they let it through too.
const ASKED: u64 = 64;
/// Pods that are named.
const NAMED: usize = 50;
/// Ranges of ports that are sooner named than those that are left.
const LEFT_OUT: usize = 3;

/// How moves are put into words.
pub(super) struct Words<'w> {
    pub(super) reach: &'w Reach<'w>,
    pub(super) side: &'w Side<'w>,
    pub(super) other: &'w Side<'w>,
    pub(super) is_opening: bool,
    /// A class on the other side.
    pub(super) twin: &'w dyn Fn(u32) -> Option<u32>,
    /// The other side.
    pub(super) there: &'w Reach<'w>,
}

impl Words<'_> {
    pub(super) fn say(&self, moved: &Moved) -> Move {
        let Moved { direction, traffic, flows, .. } = moved;
        let namespace = moved.pods.min().and_then(|class| self.class(class)).map(|class| class.namespace);
        let zone = namespace.and_then(|name| self.side.zone(name).or_else(|| self.other.zone(name)));
        let is_to_come = traffic.is_empty();
        let (ends, on) = if is_to_come {
            let on = match moved.by {
                By::Rule(_, rule) => rule.port_words(),
                By::Default => String::new(),
            };
            (moved.selectors.iter().map(|one| self.to_come(one)).collect::<Vec<_>>(), on)
        } else {
            (self.parties(moved, &traffic.peers), on(&traffic.ports))
        };
        let peers = if is_to_come { few(&ends) } else { ends.join(" and ") };
        let peers = self.newcomers(&traffic.peers.all_pods(), peers, traffic.peers.has_no_address());
        let pods = self.newcomers(&moved.pods, self.subject(moved), true);
        let by = match moved.by {
            By::Rule(policy, rule) => format!("{} {}", policy.name, rule.field),
            By::Default => "no policy".to_string(),
        };
        let notes = self.notes(moved, &peers);
        let coverage = match (self.is_opening, flows.as_slice()) {
            (true, []) => "; no flow covers it".to_string(),
            (false, []) => String::new(),
            (true, flows) => format!("; covered by {}", few(flows)),
            (false, flows) => format!("; it was covered by {}", few(flows)),
        };
        let said = if notes.is_empty() { String::new() } else { format!("; {}", notes.join("; ")) };
        let (verb, way) = (if self.is_opening { "adds" } else { "removes" }, direction.as_str());
        let towards = match direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        let words = format!("{verb} {way} {towards} {peers} on {on} for {pods}{coverage} ({by}){said}");
        let (zone, flows) = (zone.map(str::to_string), flows.clone());
        Move { zone, direction: way, pods, names: self.names(moved), peers, ends, ports: on, by, flows, notes, words }
    }

    /// Pods that are not there, or not all.
    fn to_come(&self, one: &Selectors) -> String {
        let now = self.reach.population.peers(Some(&one.namespaces), &one.pods).all_pods();
        format!("{} ({})", selected(one), if now.is_empty() { "none now" } else { "also those to come" })
    }

    fn names(&self, moved: &Moved) -> Vec<String> {
        let pods = moved.pods.iter().filter_map(|class| self.class(class)).flat_map(|class| &class.pods);
        let mut names: Vec<String> = pods.map(|pod| pod.key.to_string()).take(NAMED).collect();
        names.sort();
        names
    }

    fn class(&self, class: u32) -> Option<&Class<'_>> {
        self.reach.population.class(class)
    }

    /// Pods that the policy holds for, by its selector where all of them are meant.
    fn subject(&self, moved: &Moved) -> String {
        let by_selector = || {
            let By::Rule(policy, _) = moved.by else { return None };
            let (namespace, name) = policy.name.strip_prefix("NetworkPolicy/")?.split_once('/')?;
            let policies = self.side.snapshot.policies.get(namespace)?;
            let live = policies.iter().find(|policy| policy.metadata.name.as_deref() == Some(name))?;
            let terms =
                live.spec.as_deref()?.pod_selector.as_ref().map_or_else(|| Some(Terms::default()), Terms::read)?;
            let there = &self.reach.population.select_within(namespace, &terms) & &self.there_now();
            (!there.is_empty() && there == moved.pods).then(|| pods_with(&terms, namespace))
        };
        by_selector().unwrap_or_else(|| self.reach.described(&moved.pods))
    }

    /// Who is at the other end, by the selector of the rule where just those are meant.
    fn parties(&self, moved: &Moved, peers: &Peers) -> Vec<String> {
        let by_selector = || {
            let By::Rule(_, rule) = moved.by else { return None };
            let [one] = rule.selectors.as_slice() else { return None };
            let meant = self.reach.population.peers(Some(&one.namespaces), &one.pods);
            let words = || match one.namespaces.pins(names::NAMESPACE_NAME) {
                Some(_) => selected(one),
                None => format!("{} (now {})", selected(one), self.reach.described(&meant.all_pods())),
            };
            (peers.has_no_address() && meant.all_pods() == peers.all_pods()).then(words)
        };
        by_selector().map_or_else(|| self.reach.parties(peers), |words| vec![words])
    }

    fn there_now(&self) -> Classes {
        first(self.reach.population.real())
    }

    /// Pods that are there on this side only are said to be.
    fn newcomers(&self, classes: &Classes, words: String, is_alone: bool) -> String {
        let is_there = |class| self.class(class).is_some_and(|class| !class.pods.is_empty());
        let only_here = |class| is_there(class) && (self.twin)(class).is_none();
        if !is_alone || classes.is_empty() || !classes.iter().all(only_here) {
            return words;
        }
        if self.is_opening { format!("new {words}") } else { format!("{words}, which are gone") }
    }

    /// What else there is to know.
    fn notes(&self, moved: &Moved, peers: &str) -> Vec<String> {
        let mut notes = Vec::new();
        match (self.is_opening, moved.by, moved.isolated_by.is_empty()) {
            (true, By::Default, true) => notes.push("no policy denies it".to_string()),
            (true, By::Default, false) => {
                notes.push(format!("no policy denies it any more; {} did", few(&moved.isolated_by)));
            }
            (false, By::Default, false) => notes.push(format!("{} denies it now", few(&moved.isolated_by))),
            _ => {}
        }
        if !moved.traffic.is_empty() && !moved.selectors.is_empty() {
            let all: Vec<String> = moved.selectors.iter().map(selected).collect();
            let all = few(&all);
            if all != peers {
                notes.push(format!("the rule means {all}, also those to come"));
            }
        }
        let pods = moved.traffic.peers.all_pods();
        if !moved.traffic.peers.has_no_address() || pods.is_empty() || pods.len() > ASKED {
            return notes;
        }
        if self.is_opening {
            let answers = |class| self.reach.answers(class, moved.direction, &moved.pods, &moved.traffic.ports);
            if !pods.iter().any(answers) {
                notes.push("the other end does not let it through".to_string());
            }
        }
        let on_host = |class| {
            (self.twin)(class).and_then(|twin| self.there.population.class(twin)).is_some_and(|twin| twin.host_network)
        };
        let is_here = |class| self.class(class).is_some_and(|class| class.host_network);
        if pods.iter().all(|class| on_host(class) && !is_here(class)) {
            let word = if self.is_opening {
                "used the network of their node before"
            } else {
                "use the network of their node now"
            };
            notes.push(format!("those {word}"));
        }
        notes
    }
}

/// Ports in words; where nearly all are meant, those that are not.
fn on(some: &Ports) -> String {
    let left = Ports::all().minus(some);
    let ranges = |ports: &Ports| Protocol::ALL.iter().map(|one| ports.of(*one).ranges_len()).sum::<usize>();
    if left.is_empty() || ranges(&left) > LEFT_OUT || ranges(&left) >= ranges(some) {
        return ports(some);
    }
    format!("every port but {}", ports(&left))
}
