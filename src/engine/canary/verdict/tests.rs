use super::{
    super::{report::Stretch, round::Post},
    *,
};
use crate::api::Protocol;

/// Milliseconds at which the policy that allows is removed.
const REMOVED: u32 = 50_000;

/// A letter a stretch of ten seconds: `.` closed, `#` open.
fn stretches(line: &str) -> Vec<Stretch> {
    let mut asked = Asked::default();
    for (at, letter) in (0u32..).zip(line.chars()) {
        (1..=10).for_each(|second| asked.note(letter == '#', at * 10_000 + second * 1_000));
    }
    asked.stretches
}

fn round() -> Round {
    let post = |node: &str, is_inside| Post { node: node.to_string(), is_inside };
    Round {
        zone: "cde".to_string(),
        id: "abc".to_string(),
        number: 0,
        inside: "vault".to_string(),
        outside: "pcizone-system".to_string(),
        has_nodes: true,
        posts: vec![post("pci-1", true), post("web-1", false)],
        ways: vec![(0, 0), (0, 1), (1, 0)],
        trials: Vec::new(),
    }
}

/// The three ways of the round over IPv4, and the same over IPv6.
fn targets() -> Vec<Target> {
    let target = |address: &str| {
        let address: std::net::IpAddr = address.parse().unwrap();
        [(0, 0), (0, 1), (1, 0)].map(|(from, to)| Target {
            from,
            to,
            protocol: Protocol::TCP,
            address,
            port: 47471,
            flow: None,
        })
    };
    [target("10.0.0.1"), target("fd00::1")].concat()
}

struct Scene {
    lines: Vec<&'static str>,
    expected: Vec<Expected>,
    heard: Vec<Heard>,
    silent: Option<usize>,
    /// The target that is of a flow.
    flow: Option<usize>,
}

fn scene(lines: &[&'static str]) -> Scene {
    Scene {
        lines: lines.to_vec(),
        expected: vec![Expected::Closed; lines.len()],
        heard: Vec::new(),
        silent: None,
        flow: None,
    }
}

fn judged(scene: &Scene) -> SegmentationTest {
    let (round, mut targets) = (round(), targets());
    if let Some(flow) = scene.flow {
        targets[flow].flow = Some("sync".to_string());
    }
    let targets = &targets[..scene.lines.len()];
    let report = |post: usize| {
        let asked = scene.lines.iter().zip(targets).enumerate().filter(|(_, (_, target))| target.from == post);
        let asked = asked
            .map(|(number, (line, _))| Asked { target: u32::try_from(number).unwrap(), stretches: stretches(line) });
        Report { began: 1_000_000, asked: asked.collect(), ..Report::default() }
    };
    let tell = |post: usize, report: Report| {
        (post, if scene.silent == Some(post) { Err("it did not start".to_string()) } else { Ok(report) })
    };
    let heard = Report { began: 1_000_000, heard: scene.heard.clone(), own_node: Some(3), ..Report::default() };
    verdict(&Seen {
        round: &round,
        targets,
        expected: &scene.expected,
        asked: [0, 1].map(|post| tell(post, report(post))).into(),
        heard: [0, 1].map(|post| tell(post, heard.clone())).into(),
        removed_at: Timestamp::from_millisecond(1_000_000 + i64::from(REMOVED)).ok(),
        ended_at: Timestamp::from_millisecond(1_080_000).unwrap(),
        digest: "sha256:1".to_string(),
        settings: None,
    })
}

const FOLLOWED: &str = "..##...";

#[test]
fn what_follows_its_policy_is_enforced_and_nothing_else_is() {
    use TestFailure::{Everything, OneFamily, Some as SomeWays};
    use TestResult::{Enforced, NotEnforced, Unproven};
    let open = "#######";
    for (name, lines, result, failure, says) in [
        ("as it must be", [FOLLOWED; 3].to_vec(), Enforced, None, "3 ways on 1 node of the zone"),
        ("nothing enforces", [open; 3].to_vec(), NotEnforced, Some(Everything), "Nothing is enforced"),
        (
            "one way open",
            vec![FOLLOWED, FOLLOWED, open],
            NotEnforced,
            Some(SomeWays),
            "outside/web-1 → pci-1: open all the time",
        ),
        ("never open", vec![FOLLOWED, FOLLOWED, "......."], Unproven, None, "either the network is broken"),
        ("nothing ever open", ["......."; 3].to_vec(), Unproven, None, "either the network is broken"),
        ("a removed policy goes on", vec![FOLLOWED, "..#####", FOLLOWED], NotEnforced, Some(SomeWays), "was removed"),
        ("open at the start", vec!["#.##...", FOLLOWED, FOLLOWED], Enforced, None, "3 ways"),
        ("open at the start alone", vec!["#......", FOLLOWED, FOLLOWED], Unproven, None, "closed also while"),
        ("to and fro", vec![".#.#...", FOLLOWED, FOLLOWED], Unproven, None, "opened and closed by itself"),
        ("open again later", vec!["..##..#", FOLLOWED, FOLLOWED], NotEnforced, Some(SomeWays), "was removed"),
        (
            "one family open",
            [[FOLLOWED; 3], [open; 3]].concat(),
            NotEnforced,
            Some(OneFamily),
            "One address family is not enforced",
        ),
        ("both families", [FOLLOWED; 6].to_vec(), Enforced, None, "6 ways"),
        ("nothing tried", vec![], Unproven, None, "No way was tried"),
    ] {
        let test = judged(&scene(&lines));
        assert_eq!((test.result, test.failure), (result, failure), "{name}: {}", test.message);
        assert!(test.message.contains(says), "{name}: {}", test.message);
        assert_eq!(test.tried, i64::try_from(lines.len()).unwrap(), "{name}");
    }
}

#[test]
fn each_pair_of_nodes_shows_its_worst() {
    let test = judged(&scene(&[FOLLOWED, ".......", FOLLOWED, FOLLOWED, "#######", FOLLOWED]));
    let pairs: Vec<_> = test.pairs.iter().map(|pair| (pair.from.as_str(), pair.to.as_str(), pair.result)).collect();
    let wanted = [
        ("pci-1", "pci-1", TestResult::Enforced),
        ("pci-1", "outside/web-1", TestResult::NotEnforced),
        ("outside/web-1", "pci-1", TestResult::Enforced),
    ];
    assert_eq!(pairs, wanted);
}

#[test]
fn how_long_it_stayed_open_and_what_was_open_too_early_are_told() {
    let test = judged(&scene(&["#.####.", FOLLOWED, FOLLOWED]));
    assert_eq!((test.closed_within_millis, test.open_at_start, test.own_node), (Some(10_000), 1, 1));
    assert_eq!(test.tested_at.0.as_millisecond(), 1_080_000);
}

#[test]
fn where_others_open_a_way_nothing_is_shown_and_a_closed_one_is_a_contradiction() {
    let by = || Expected::Open("NetworkPolicy/vault/open".to_string());
    let mut open = scene(&["#######"; 3]);
    open.expected = vec![by(), by(), by()];
    let test = judged(&open);
    assert_eq!((test.result, test.failure), (TestResult::NotEnforced, None), "{}", test.message);
    assert!(test.message.contains("open by NetworkPolicy/vault/open"), "{}", test.message);
    let mut closed = scene(&[FOLLOWED; 3]);
    closed.expected = vec![by(), Expected::Closed, Expected::Closed];
    let test = judged(&closed);
    assert_eq!((test.result, test.failure), (TestResult::NotEnforced, Some(TestFailure::Some)));
    assert!(test.message.contains("policies open it, and it was closed"), "{}", test.message);
}

#[test]
fn packets_that_get_through_without_an_answer_got_through() {
    for (last, result) in [(REMOVED - 1, TestResult::Enforced), (REMOVED + 30_000, TestResult::NotEnforced)] {
        let mut one_way = scene(&[FOLLOWED; 3]);
        one_way.heard = vec![Heard { target: 2, first: 20_000, last, times: 9 }];
        let test = judged(&one_way);
        assert_eq!(test.result, result, "{last}: {}", test.message);
    }
    let mut never = scene(&[FOLLOWED, FOLLOWED, "......."]);
    never.heard = vec![Heard { target: 2, first: 1_000, last: 60_000, times: 9 }];
    assert_eq!(judged(&never).result, TestResult::NotEnforced);
}

#[test]
fn whoever_tells_nothing_proves_nothing() {
    for post in [0, 1] {
        let mut silent = scene(&[FOLLOWED; 3]);
        silent.silent = Some(post);
        let test = judged(&silent);
        assert_eq!(test.result, TestResult::Unproven, "{}", test.message);
        assert!(test.message.contains("it did not start"), "{}", test.message);
    }
}

#[test]
fn a_flow_is_shown_by_the_copy_of_its_policy_or_by_its_own_where_that_means_the_canary() {
    let of_flow = |line: &'static str, expected: Expected| {
        let mut scene = scene(&[FOLLOWED, FOLLOWED, FOLLOWED, line]);
        scene.expected[3] = expected;
        scene.flow = Some(3);
        judged(&scene)
    };
    let own = || Expected::Open("NetworkPolicy/vault/pcizone-flow-sync-ingress".to_string());
    for (name, line, expected, result, flows) in [
        ("by its copy", FOLLOWED, Expected::Closed, TestResult::Enforced, &["sync"][..]),
        ("by its own policy", "#######", own(), TestResult::Enforced, &["sync"]),
        ("open without one", "#######", Expected::Closed, TestResult::NotEnforced, &[]),
        ("closed against its own policy", ".......", own(), TestResult::NotEnforced, &[]),
        ("closed against its copy", ".......", Expected::Closed, TestResult::Unproven, &[]),
    ] {
        let test = of_flow(line, expected);
        assert_eq!(
            (test.result, &*test.flows),
            (result, &*flows.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{name}: {}",
            test.message
        );
        let is_told = test.message.contains("Among them 1 flow by a copy");
        assert_eq!(is_told, result == TestResult::Enforced, "{name}: {}", test.message);
    }
    // What is open because it is declared does not make less of it that nothing else is closed.
    let mut open = scene(&["#######"; 4]);
    open.expected[3] = own();
    open.flow = Some(3);
    assert_eq!(judged(&open).failure, Some(TestFailure::Everything));
}
