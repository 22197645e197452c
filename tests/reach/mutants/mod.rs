//! The oracle with one rule broken at a time: random clusters on which a mutant is not found do not test that rule.
//!
//! A rule is broken from outside, by what the oracle is shown or by what is made of its answer, so that the oracle
//! itself stays as plain as the rules are.

mod pods;
mod policies;
mod walk;

use crate::{
    Probe,
    oracle::{self, Cluster, End, Protocol, Verdict},
};

/// A judge that is wrong.
pub struct Mutant {
    /// What it takes to be true.
    pub name: &'static str,
    mutation: Mutation,
}

#[derive(Clone, Copy)]
enum Mutation {
    /// Of what is there.
    Cluster(fn(&mut Cluster)),
    /// Of what is there and who connects to whom.
    Question(fn(&mut Cluster, &End, &mut End)),
    /// Of what is said.
    Answer(fn(&mut Verdict)),
}

impl Mutant {
    /// Looks at a cluster.
    pub fn judge(&self, cluster: &Cluster, ask: &mut dyn FnMut(&Probe)) {
        ask(&|from, to, protocol, port| self.probe(cluster, from, to, protocol, port));
    }

    /// What it says.
    fn probe(&self, cluster: &Cluster, from: &End, to: &End, protocol: Protocol, port: u16) -> Verdict {
        let (mut cluster, mut to) = (cluster.clone(), to.clone());
        match self.mutation {
            Mutation::Cluster(change) => change(&mut cluster),
            Mutation::Question(change) => change(&mut cluster, from, &mut to),
            Mutation::Answer(_) => {}
        }
        let mut verdict = oracle::probe(&cluster, from, &to, protocol, port);
        if let Mutation::Answer(change) = self.mutation {
            change(&mut verdict);
        }
        verdict
    }
}

/// Each of them.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    policies::MUTANTS.iter().chain(pods::MUTANTS)
}
