//! One run: a small cluster, two replicas that both write, and whatever happens in between.

use std::sync::OnceLock;

use pcizone::{
    api::{PciZone, names},
    engine::{desired::policies, plan, plan::Stance, snapshot::Cluster},
};

use crate::{
    checks,
    ledger::Ledger,
    operator::{self, Operator, WATCHES, Watch},
    server::Server,
    shell::Error,
    world::{self, NAMESPACES, NODES, ZONES},
};

/// Looks at everything after which nothing is left to write, once all watches have caught up.
pub const ROUNDS: u32 = 7;
/// Clusters that runs begin with.
const STARTS: u64 = 256;
/// Things that happen before the cluster is left in peace.
const STEPS: std::ops::Range<u32> = 4..24;

/// What happened in all runs; the test asks that nothing of it is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub writes: u64,
    pub conflicts: u64,
    pub failed: u64,
    pub lost: u64,
    pub crashes: u64,
    pub releases: u64,
    pub held: u64,
    pub rounds: u32,
}

/// One run.
pub struct Run {
    pub server: Server,
    pub operators: [Operator; 2],
    pub cluster: Cluster,
    /// The replica that writes statuses. Both write all else, as while a lease changes hands.
    pub leader: usize,
    pub rng: fastrand::Rng,
    pub ledger: Ledger,
    pub counts: Counts,
    trace: bool,
    /// Nothing happens any more but what the operator does.
    calm: bool,
    /// How deep something happens between two requests of somebody.
    depth: u32,
}

/// A cluster that runs begin with.
struct Start {
    server: Server,
    operators: [Operator; 2],
    ledger: Ledger,
}

/// Every other one has everything in place; in the others the operator comes for the first time.
fn starts() -> &'static [Start] {
    static ALL: OnceLock<Vec<Start>> = OnceLock::new();
    ALL.get_or_init(|| (0..STARTS).map(Start::new).collect())
}

impl Start {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let server = world::cluster(&mut rng);
        let operators = [Operator::start(&server), Operator::start(&server)];
        let mut run = Run { rng, ..Run::from(&Start { server, operators, ledger: Ledger::default() }, seed, false) };
        if seed.is_multiple_of(2) {
            run.settle();
            run.settle();
        }
        let Run { mut server, mut operators, ledger, .. } = run;
        for operator in &mut operators {
            operator.catch_up(&server);
            operator.forget_events();
        }
        server.forget_events();
        Start { server, operators, ledger }
    }
}

impl Run {
    /// Everything in a run follows from its seed. `trace` tells what happens.
    pub fn new(seed: u64, trace: bool) -> Self {
        let starts = starts();
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = &starts[rng.usize(..starts.len())];
        Run { rng, ..Run::from(start, seed, trace) }
    }

    fn from(start: &Start, seed: u64, trace: bool) -> Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let Start { server, operators, ledger } = start;
        Run {
            server: server.clone(),
            operators: operators.clone(),
            cluster: CLUSTER.get_or_init(operator::cluster).clone(),
            leader: 0,
            rng: fastrand::Rng::with_seed(seed),
            ledger: ledger.clone(),
            counts: Counts::default(),
            trace,
            calm: false,
            depth: 0,
        }
    }

    /// The whole run.
    pub fn run(mut self) -> Counts {
        for _ in 0..self.rng.u32(STEPS) {
            self.happen(None);
        }
        self.settle();
        self.counts
    }

    /// One replica leads, its watches catch up, and it looks at everything until there is nothing to write. Then it
    /// stays so. The other one may remember more or less, and wants something else for a while when it takes over.
    fn settle(&mut self) {
        self.calm = true;
        let first = self.rng.usize(..self.operators.len());
        // It costs as much as all that happens before, so only some runs go on to the other one.
        let led = if self.rng.u8(..4) == 0 { 2 } else { 1 };
        for replica in [first, 1 - first].into_iter().take(led) {
            self.leader = replica;
            let mut rounds = 0;
            while self.look_at_everything(replica) > 0 {
                rounds += 1;
                assert!(rounds <= ROUNDS, "replica {replica} writes still after {rounds} looks at everything");
            }
            self.counts.rounds = self.counts.rounds.max(rounds);
            if led == 2 {
                assert_eq!(self.look_at_everything(replica), 0, "there was nothing to write, and now there is");
            }
            self.check_what_is_there(replica);
        }
        self.calm = false;
    }

    /// Returns how many writes were tried.
    fn look_at_everything(&mut self, replica: usize) -> u64 {
        let before = self.counts.writes;
        self.note(|| format!("replica {replica} looks at everything"));
        self.operators[replica].catch_up(&self.server);
        self.operators[replica].time_passes();
        for name in ZONES {
            self.look_at_zone(replica, name);
            self.operators[replica].catch_up(&self.server);
        }
        for name in NAMESPACES {
            self.look_at_namespace(replica, name);
        }
        for name in NODES {
            self.look_at_node(replica, name);
        }
        self.operators[replica].catch_up(&self.server);
        for name in ZONES {
            self.judge(replica, name);
        }
        self.counts.writes - before
    }

    /// At rest: what is to be protected is, as its zone declares.
    fn check_what_is_there(&mut self, replica: usize) {
        let Run { server, operators, counts, cluster, .. } = self;
        let operator = &operators[replica];
        for (name, namespace) in &server.namespaces.live {
            if plan::is_terminating(namespace) {
                continue;
            }
            let stance = plan::namespace_stance(&operator.resolution, name);
            let zone = match stance {
                Stance::Protect(zone) => zone,
                Stance::Hold { zone, .. } => {
                    counts.held += 1;
                    zone
                }
                Stance::Release(_) | Stance::Observe(_) | Stance::Leave => continue,
            };
            assert!(plan::is_labelled(namespace, &zone.name), "{name} does not carry the label of {}", zone.name);
            let baseline = operator.policy(name, names::BASELINE);
            assert!(baseline.is_some_and(checks::denies), "{name} of {} does not deny by default", zone.name);
            if let Stance::Protect(_) = stance {
                let mut desired = policies::desired(zone, name, &operator.resolution, cluster, server.now);
                for live in operator.policies_in(name).iter().filter(|live| checks::claims_to_be_ours(live)) {
                    let wanted = desired.remove(live.metadata.name.as_deref().unwrap_or_default());
                    let empty = live.spec.as_ref().is_some_and(|spec| spec.ingress.is_none() && spec.egress.is_none());
                    let same = wanted.is_some_and(|wanted| checks::is_same(live, &wanted));
                    assert!(same || empty, "{name} of {} has {live:?}", zone.name);
                }
                assert!(desired.is_empty(), "{name} of {} lacks {:?}", zone.name, desired.keys());
            }
        }
        for (name, node) in &server.nodes.live {
            if let Stance::Protect(zone) = plan::node_stance(&operator.resolution, name) {
                checks::dedicated(node, zone);
            }
        }
        for zone in server.zones.live.values() {
            checks::finalizer(zone);
        }
    }

    /// Something happens between two requests of a replica.
    pub fn interleave(&mut self, replica: usize) {
        if self.calm || self.depth >= 2 || self.rng.u8(..8) > 0 {
            return;
        }
        self.depth += 1;
        self.happen(Some(replica));
        self.depth -= 1;
    }

    /// A replica ends in the middle of what it does, and a new one takes its place.
    pub fn crashes(&mut self, replica: usize) -> bool {
        if self.calm || self.rng.u8(..32) > 0 {
            return false;
        }
        self.restart(replica);
        true
    }

    pub fn restart(&mut self, replica: usize) {
        self.note(|| format!("replica {replica} is started anew"));
        self.counts.crashes += 1;
        self.operators[replica] = Operator::start(&self.server);
        self.hand_over();
    }

    /// The other replica leads. That takes so long that it knows by then what the first one wrote.
    fn hand_over(&mut self) {
        self.leader = 1 - self.leader;
        while self.operators[self.leader].hear(&self.server, Watch::Zones) {}
    }

    /// Whether a request fails, and how.
    pub fn fault(&mut self) -> Option<Error> {
        if self.calm {
            return None;
        }
        match self.rng.u8(..24) {
            0 => Some(Error::Refused),
            1 => Some(Error::Down),
            _ => None,
        }
    }

    /// A watch is known to be silent.
    pub fn is_deaf(&mut self) -> bool {
        !self.calm && self.rng.u8(..16) == 0
    }

    /// The object was written too often.
    pub fn is_paced(&mut self) -> bool {
        !self.calm && self.rng.u8(..32) == 0
    }

    pub fn is_calm(&self) -> bool {
        self.calm
    }

    /// A replica does something. `busy` is in the middle of something else.
    pub fn act(&mut self, busy: Option<usize>) {
        let replica = match busy {
            Some(busy) => 1 - busy,
            None => self.rng.usize(..self.operators.len()),
        };
        match self.rng.u8(..16) {
            0..=6 => {
                let namespace = NAMESPACES[self.rng.usize(..NAMESPACES.len())];
                self.note(|| format!("replica {replica} looks at namespace {namespace}"));
                self.look_at_namespace(replica, namespace);
            }
            7..=8 => {
                let node = NODES[self.rng.usize(..NODES.len())];
                self.note(|| format!("replica {replica} looks at node {node}"));
                self.look_at_node(replica, node);
            }
            9..=11 => {
                let zone = ZONES[self.rng.usize(..ZONES.len())];
                self.note(|| format!("replica {replica} looks at zone {zone}"));
                self.look_at_zone(replica, zone);
            }
            12..=13 => {
                let zone = ZONES[self.rng.usize(..ZONES.len())];
                self.judge(replica, zone);
            }
            14 => self.operators[replica].time_passes(),
            _ => match self.rng.u8(..4) {
                0 => self.restart(replica),
                1 => {
                    self.note(|| format!("replica {replica} lists everything"));
                    self.operators[replica].list(&self.server);
                }
                // Everything is looked at, as after a start.
                _ if busy.is_none() => {
                    for name in ZONES {
                        self.look_at_zone(replica, name);
                    }
                    self.operators[replica].catch_up(&self.server);
                    for name in NAMESPACES {
                        self.look_at_namespace(replica, name);
                    }
                    for name in NODES {
                        self.look_at_node(replica, name);
                    }
                }
                _ => {}
            },
        }
    }

    /// Some watches show some of what happened.
    pub fn hear(&mut self) {
        let replica = self.rng.usize(..self.operators.len());
        let operator = &mut self.operators[replica];
        if self.rng.bool() {
            operator.catch_up(&self.server);
            self.note(|| format!("replica {replica} catches up"));
            return;
        }
        let watch = WATCHES[self.rng.usize(..WATCHES.len())];
        let most = self.rng.u8(1..6);
        let heard = (0..most).take_while(|_| operator.hear(&self.server, watch)).count();
        self.note(|| format!("replica {replica} hears {heard} of {watch:?}"));
    }

    /// A user confirms what a replica says would open.
    pub fn confirm(&mut self, zone: &str, busy: Option<usize>) {
        let replica = busy.map_or_else(|| self.rng.usize(..self.operators.len()), |busy| 1 - busy);
        let Some(known) = self.operators[replica].resolution.zone(zone) else { return };
        if !known.is_leaving() || known.is_confirmed() {
            return;
        }
        let Some(digest) = self.ledger.confirm(known) else { return };
        self.note(|| format!("{zone}: what replica {replica} asks is confirmed"));
        let annotate = |zone: &mut PciZone| {
            zone.metadata.annotations.get_or_insert_default().insert(names::CONFIRM_CHANGE.to_string(), digest);
        };
        let _ = self.server.update(zone, None, "kubectl", annotate);
        // Often the watch shows it, and nothing else happens before what was confirmed begins.
        if self.rng.bool() {
            while self.operators[replica].hear(&self.server, Watch::Zones) {}
            for name in NAMESPACES {
                self.look_at_namespace(replica, name);
            }
            for name in NODES {
                self.look_at_node(replica, name);
            }
            self.judge(replica, zone);
        }
    }

    pub fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{}", what());
        }
    }
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: Counts) {
        let Counts { writes, conflicts, failed, lost, crashes, releases, held, rounds } = other;
        self.writes += writes;
        self.conflicts += conflicts;
        self.failed += failed;
        self.lost += lost;
        self.crashes += crashes;
        self.releases += releases;
        self.held += held;
        self.rounds = self.rounds.max(rounds);
    }
}
