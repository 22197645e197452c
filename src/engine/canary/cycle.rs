//! Rounds that together take in every node of a zone. One that did not show what must be is shown at once; that everything is enforced is
//! shown when every node had its turn, all of them with the same policies, nodes and agents.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::round::Round;
use crate::{
    api::{SegmentationTest, TestResult},
    engine::{change::count, status::number},
};

/// What the rounds since its begin showed.
#[derive(Clone, Debug, Default)]
pub struct Cycle {
    shown: BTreeSet<String>,
    rounds: usize,
    /// Of the oldest of them.
    tested_at: Option<Time>,
    /// What they were about.
    about: (String, Option<String>),
}

/// What follows from a round.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It is over: this is what it shows.
    Over(SegmentationTest),
    /// Other nodes follow; this is all that is known until then.
    GoesOn(SegmentationTest),
}

impl Cycle {
    /// Rounds are missing before it is over.
    pub fn is_open(&self) -> bool {
        self.rounds > 0
    }

    /// Takes a round in that ended.
    pub fn take(&mut self, round: &Round, mut test: SegmentationTest) -> Step {
        if test.result != TestResult::Enforced {
            *self = Cycle::default();
            return Step::Over(test);
        }
        let about = (test.digest.clone(), test.settings_digest.clone());
        if self.about != about {
            *self = Cycle { about, ..Cycle::default() };
        }
        self.rounds += 1;
        self.shown.extend(round.posts.iter().filter(|post| post.is_inside).map(|post| post.node.clone()));
        test.tested_at = self.tested_at.get_or_insert_with(|| test.tested_at.clone()).clone();
        let open = round.nodes.iter().filter(|node| !self.shown.contains(*node)).count();
        if open > 0 {
            let message = format!(
                "{} of {} were tried so far, and all is enforced there.",
                self.shown.len(),
                count(round.nodes.len(), "node")
            );
            return Step::GoesOn(SegmentationTest { result: TestResult::Unproven, message, ..test });
        }
        if self.rounds > 1 {
            test.message = format!(
                "{} That was the last of {} rounds over {}.",
                test.message,
                self.rounds,
                count(self.shown.len(), "node")
            );
            test.nodes = number(self.shown.len());
        }
        *self = Cycle::default();
        Step::Over(test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::canary::round::Candidates;

    fn test(result: TestResult, second: i64, digest: &str) -> SegmentationTest {
        SegmentationTest {
            tested_at: Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap()),
            result,
            message: "Seen.".to_string(),
            namespace: "vault".to_string(),
            round: "r".to_string(),
            request: None,
            nodes: 16,
            tried: 1,
            enforced: 1,
            broken: 0,
            sample: Vec::new(),
            pairs: Vec::new(),
            failure: None,
            closed_within_millis: None,
            open_at_start: 0,
            own_node: 0,
            flows: Vec::new(),
            settings_digest: None,
            digest: digest.to_string(),
        }
    }

    fn round(number: u64) -> Round {
        let names = |prefix: &str, n: usize| (0..n).map(|number| format!("{prefix}{number:02}")).collect();
        let candidates = Candidates {
            inside: names("z", 40),
            left_out: Vec::new(),
            outside: names("o", 2),
            namespaces: names("ns", 2),
            has_nodes: true,
        };
        Round::new("cde", "r", "pcizone-system", &candidates, number).unwrap()
    }

    /// The results and messages that rounds lead to, each of a result, a second and a digest.
    fn steps(rounds: &[(u64, TestResult, &str)]) -> Vec<String> {
        let mut cycle = Cycle::default();
        let step = |(second, (number, result, digest)): (i64, &(u64, TestResult, &str))| match cycle
            .take(&round(*number), test(*result, second, digest))
        {
            Step::Over(test) => format!("over {:?} {} of {}", test.result, test.nodes, test.tested_at.0.as_second()),
            Step::GoesOn(test) => format!("{:?}: {}", test.result, test.message),
        };
        (0..).zip(rounds).map(step).collect()
    }

    #[test]
    fn it_is_shown_when_every_node_had_its_turn_and_not_before() {
        use TestResult::{Enforced, NotEnforced, Unproven};
        let so_far = |n: usize| format!("Unproven: {n} of 40 nodes were tried so far, and all is enforced there.");
        let all = [(0, Enforced, "a"), (1, Enforced, "a"), (2, Enforced, "a")];
        assert_eq!(steps(&all), [so_far(16), so_far(32), "over Enforced 40 of 0".to_string()]);
        let changed = [(0, Enforced, "a"), (1, Enforced, "b"), (2, Enforced, "b"), (0, Enforced, "b")];
        assert_eq!(steps(&changed), [so_far(16), so_far(16), so_far(24), "over Enforced 40 of 1".to_string()]);
        let failed =
            [(0, Enforced, "a"), (1, NotEnforced, "a"), (1, Unproven, "a"), (1, Enforced, "a"), (2, Enforced, "a")];
        assert_eq!(
            steps(&failed),
            [
                so_far(16),
                "over NotEnforced 16 of 1".to_string(),
                "over Unproven 16 of 2".to_string(),
                so_far(16),
                so_far(24)
            ]
        );
    }
}
