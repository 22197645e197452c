//! What is made to take all memory or time gets a clear answer instead.

use std::fs::File;

use crate::support::{Run, check, folder, run_in, zone};

/// MiB that a run may take. The program itself takes some tens.
const MEMORY: u64 = 256;

fn policy_with(spec: &str) -> String {
    format!("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: a}}\nspec: {spec}\n")
}

/// Lists of lists of lists, each ten times in the next.
fn laughs(depth: usize) -> String {
    let list = |level: usize| match level {
        0 => "x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_string(),
        _ => format!("x{level}: &x{level} [{}]\n", vec![format!("*x{}", level - 1); 10].join(", ")),
    };
    (0..depth).map(list).collect()
}

fn merges(depth: usize) -> String {
    let map = |level: usize| {
        if level == 0 {
            return "x0: &x0 {a: b}\n".to_string();
        }
        let keys: String = (0..10).map(|key| format!("k{key}: {{<<: *x{}}}, ", level - 1)).collect();
        format!("x{level}: &x{level} {{{keys}}}\n")
    };
    (0..depth).map(map).collect()
}

#[test]
fn bombs_get_a_clear_answer_within_bounded_memory() {
    let long = "x".repeat(200_000);
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let wide: String = (0..900).map(|number| format!("k{number}: *x, ")).collect();
    let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
    let secret = "apiVersion: v1\nkind: Secret\n";
    for (name, text) in [
        ("lists of lists", format!("{head}{}", laughs(10))),
        ("lists of lists before it is said what it is", format!("{}{head}", laughs(10))),
        ("lists of lists that nobody wants", format!("{secret}{}", laughs(10))),
        ("merged maps", format!("{head}{}", merges(10))),
        ("one long text very often", format!("{head}x: &x {long}\nmetadata: {{annotations: {{{wide}}}}}\n")),
        ("a list in itself", policy_with("&a {ingress: [{from: *a}]}")),
        ("a map in itself", format!("{head}metadata: &m {{labels: *m}}\n")),
        ("a merge of itself", format!("{head}metadata: &m {{<<: *m}}\n")),
        ("deep lists", policy_with(&nested("[", "]", 100_000))),
        ("deep maps", policy_with(&nested("{a: ", "}", 100_000))),
        (
            "deep blocks",
            format!("{head}spec:\n{}", (1..3000).map(|depth| format!("{:depth$}a:\n", "")).collect::<String>()),
        ),
        ("deep lists in blocks", format!("{head}spec:\n  {}a\n", "- ".repeat(100_000))),
        ("lists that never end", policy_with(&"[".repeat(100_000))),
        (
            "many containers",
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{}]}}\n",
                "{}, ".repeat(300_000)
            ),
        ),
        ("many anchors", policy_with(&format!("[{}]", (0..20_000).map(|n| format!("&a{n} a, ")).collect::<String>()))),
        (
            "deep JSON",
            format!("{{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {}}}", nested("[", "]", 100_000)),
        ),
        (
            "many items without a kind",
            format!("items: [{}]\nkind: PodList\napiVersion: v1\n", "{a: [1, 2, 3, 4, 5, 6, 7, 8]}, ".repeat(200_000)),
        ),
    ] {
        let run: Run = check(&[("zone.yaml", zone()), ("a.yaml", text)], &[]);
        assert_eq!(
            (run.code, run.faults().len()),
            (2, 1),
            "{name}: {} {}",
            run.code,
            run.stderr.chars().take(2000).collect::<String>()
        );
        assert!(run.faults()[0].starts_with("a.yaml") && run.faults()[0].len() < 400, "{name}: {}", run.faults()[0]);
        assert!(run.peak < MEMORY, "{name}: {} MiB", run.peak);
        println!("{name}: {} MiB: {}", run.peak, run.faults()[0]);
    }
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = folder(&[("zone.yaml", zone())]);
    let large = File::create(folder.path().join("large.yaml")).expect("a file");
    large.set_len(100 * 1024 * 1024).expect("a hole");
    let run = run_in(folder.path(), &["check", "-f", "."], b"");
    assert_eq!(run.code, 2);
    assert_eq!(run.faults(), ["./large.yaml: it is larger than 64 MiB, which is the most that is read; split it"]);
    assert!(run.peak < 64, "{} MiB", run.peak);
    // Nothing tells how much will come.
    let run = run_in(folder.path(), &["check", "-f", "-"], &vec![b'#'; 65 * 1024 * 1024]);
    assert_eq!(run.faults(), ["stdin: it is larger than 64 MiB, which is the most that is read; split it"]);
}
