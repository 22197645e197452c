use super::{
    super::{report::Stretch, round::Post},
    *,
};
use crate::api::Protocol;

/// Milliseconds at which the policy that allows is written.
const ALLOWED: u32 = 20_000;
/// Milliseconds at which it is removed.
const REMOVED: u32 = 50_000;
/// The same of the end of all pods.
const ENDED: u32 = 75_000;

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
        turn: 0,
        nodes: vec!["pci-1".to_string()],
        left_out: Vec::new(),
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
    /// By how many milliseconds the clocks of nodes are wrong.
    skew: i64,
}

fn scene(lines: &[&'static str]) -> Scene {
    Scene {
        lines: lines.to_vec(),
        expected: vec![Expected::Closed; lines.len()],
        heard: Vec::new(),
        silent: None,
        flow: None,
        skew: 0,
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
        Report { began: 1_000_000 + scene.skew, ended: ENDED, asked: asked.collect(), ..Report::default() }
    };
    let at = |millis: u32| Timestamp::from_millisecond(1_000_000 + i64::from(millis)).unwrap();
    // It is seen a second after it happened.
    let told = |report: Report| Told { report, seen_at: at(ENDED + 1_000) };
    let tell = |post: usize, report: Report| {
        (post, if scene.silent == Some(post) { Err("it did not start".to_string()) } else { Ok(told(report)) })
    };
    let heard = Report { heard: scene.heard.clone(), own_node: Some(3), ended: ENDED, ..Report::default() };
    verdict(&Seen {
        round: &round,
        targets,
        expected: &scene.expected,
        asked: [0, 1].map(|post| tell(post, report(post))).into(),
        heard: [0, 1].map(|post| tell(post, heard.clone())).into(),
        allowed_at: at(ALLOWED),
        removed_at: at(REMOVED),
        ended_at: at(80_000),
        digest: "sha256:1".to_string(),
        settings: None,
        request: Some("now"),
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
        ("to and fro", vec!["..#.#..", FOLLOWED, FOLLOWED], Unproven, None, "opened and closed by itself"),
        ("nothing enforces any more", vec![".######"; 3], NotEnforced, Some(Everything), "enforcement is gone"),
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
    // Twenty were answered.
    for (times, result) in [(20, TestResult::Enforced), (26, TestResult::Enforced), (27, TestResult::NotEnforced)] {
        let mut one_way = scene(&[FOLLOWED; 3]);
        one_way.heard = vec![Heard { target: 2, first: 20_000, last: 70_000, times }];
        let test = judged(&one_way);
        assert_eq!(test.result, result, "{times}: {}", test.message);
    }
    let mut never = scene(&[FOLLOWED, FOLLOWED, "......."]);
    never.heard = vec![Heard { target: 2, first: 1_000, last: 60_000, times: 9 }];
    assert_eq!(judged(&never).result, TestResult::NotEnforced);
}

#[test]
fn what_opens_before_anything_allows_it_is_no_control_whatever_the_clocks_say() {
    for (name, line, result) in [
        ("when it was allowed", "..##...", TestResult::Enforced),
        ("before it was allowed", ".#.....", TestResult::NotEnforced),
        ("before, and when it was allowed", ".#.##..", TestResult::NotEnforced),
        ("at the start, before, and when it was allowed", "#.##...", TestResult::Enforced),
    ] {
        for skew in [-3_600_000, 0, 3_600_000] {
            let mut scene = scene(&[FOLLOWED, FOLLOWED, line]);
            scene.skew = skew;
            let test = judged(&scene);
            assert_eq!((test.result, test.request.as_deref()), (result, Some("now")), "{name}: {}", test.message);
            assert_eq!(test.message.contains("enforcement lapsed"), result == TestResult::NotEnforced, "{name}");
        }
    }
}

#[test]
fn a_packet_that_is_lost_while_it_is_allowed_decides_nothing_and_one_that_gets_through_does() {
    let lost = |open: &[(bool, u32)]| {
        let mut asked = Asked::default();
        let mut at = 1_000;
        for (open, attempts) in open {
            for _ in 0..*attempts {
                asked.note(*open, at);
                at += 1_000;
            }
        }
        let kept: Vec<(bool, u32)> =
            without_losses(&asked.stretches).iter().map(|stretch| (stretch.open, stretch.attempts)).collect();
        kept
    };
    assert_eq!(
        lost(&[(false, 20), (true, 9), (false, 1), (true, 9), (false, 12)]),
        [(false, 20), (true, 18), (false, 12)]
    );
    assert_eq!(lost(&[(false, 20), (true, 9), (false, 2), (true, 9)]), [(false, 20), (true, 9), (false, 2), (true, 9)]);
    assert_eq!(lost(&[(false, 20), (true, 1), (false, 20)]), [(false, 20), (true, 1), (false, 20)]);
    assert_eq!(lost(&[(false, 1), (true, 3)]), [(false, 1), (true, 3)]);
}

#[test]
fn a_node_that_is_not_ready_is_not_shown() {
    let mut round = round();
    round.left_out = vec!["pci-2".to_string()];
    let at = Timestamp::from_second(1_000).unwrap();
    let seen = Seen {
        round: &round,
        targets: &[],
        expected: &[],
        asked: BTreeMap::new(),
        heard: BTreeMap::new(),
        allowed_at: at,
        removed_at: at,
        ended_at: at,
        digest: String::new(),
        settings: None,
        request: None,
    };
    assert!(absent(&seen).iter().any(|why| why == "node pci-2: it is not ready"));
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
    let own = || Expected::Declared;
    let others = || Expected::Open("NetworkPolicy/vault/open".to_string());
    for (name, line, expected, result, flows) in [
        ("by its copy", FOLLOWED, Expected::Closed, TestResult::Enforced, &["sync"][..]),
        ("by its own policy", "#######", own(), TestResult::Enforced, &["sync"]),
        ("by a policy of others", "#######", others(), TestResult::NotEnforced, &[]),
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
        let is_told = test.message.contains("each by a copy of its policy: sync.");
        assert_eq!(is_told, result == TestResult::Enforced, "{name}: {}", test.message);
    }
    // What is open because it is declared does not make less of it that nothing else is closed.
    let mut open = scene(&["#######"; 4]);
    open.expected[3] = own();
    open.flow = Some(3);
    assert_eq!(judged(&open).failure, Some(TestFailure::Everything));
}
