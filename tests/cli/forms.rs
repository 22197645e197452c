//! Forms of a judgement: which there are, where things stand, and that nobody's name ends anything.

use serde_json::{Value, json};

use crate::support::{NOW, VAULT, check, folder, open, policy, run_in, zone};

const FORMS: [&str; 10] = ["table", "wide", "json", "yaml", "csv", "junit", "sarif", "oscal", "mermaid", "dot"];

/// A zone with two flows that have ended, and an exception that accepts nothing.
fn entries() -> String {
    let flow = |name: &str| {
        format!(
            "{{name: {name}, need: Checkout stores card numbers in the vault., owner: a, approvedBy: b, ticket: c, \
             reviewedAt: 2026-01-01T00:00:00Z, expiresAt: 2026-02-01T00:00:00Z, from: {{internet: true}}, \
             to: {{namespace: vault}}, ports: [{{port: 1}}]}}"
        )
    };
    let exception = "{finding: PolicyAllowsWorld, subject: NetworkPolicy/*/gone, need: It will be replaced in spring., \
                     riskAnalysis: RA-1, approvedBy: b, expiresAt: 2027-06-01T00:00:00Z}";
    format!(
        "{}  segmentation:\n    flows:\n    - {}\n    -\n      {}\n  exceptions:\n  - {exception}\n",
        zone(),
        flow("first"),
        flow("second")
    )
}

fn places(report: &Value) -> Vec<(String, String)> {
    let findings = report["zones"][0]["findings"].as_array().expect("findings").iter();
    let place = |at: &Value| match at["line"].as_u64() {
        Some(line) => format!("{}:{line}", at["file"].as_str().expect("a file")),
        None => at["file"].as_str().unwrap_or_default().to_string(),
    };
    findings.map(|one| (one["subject"].as_str().expect("a subject").to_string(), place(&one["at"]))).collect()
}

#[test]
fn every_form_is_written_and_equal_input_gives_equal_bytes() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("all.yaml", open("all"))];
    for form in FORMS {
        let [first, second] = [(), ()].map(|()| check(&files, &["-o", form, "-q"]));
        assert_eq!((first.code, first.stderr.as_str()), (1, ""), "{form}: {first:?}");
        assert_eq!(first.stdout, second.stdout, "{form}");
        assert!(first.stdout.contains("PolicyAllowsWorld") && first.stdout.contains(NOW), "{form}: {}", first.stdout);
        assert!(!first.stdout.contains('\x1b'), "{form} has colours in a pipe");
    }
}

#[test]
fn findings_say_where_their_object_stands() {
    let zone = entries();
    let line = |text: &str| zone.lines().position(|line| line.contains(text)).expect("it is there") + 1;
    let policies = format!("# two\n{}---\n{}", open("a"), open("b"));
    let second = policies.lines().position(|line| line == "---").expect("two documents") + 2;
    let pod = VAULT.replace("spec:\n", "spec:\n  hostNetwork: true\n");
    let files = [("zone.yaml", zone.as_str()), ("vault.yaml", &pod), ("p.yaml", &policies)];
    let run = check(&files, &["-o", "json"]);
    let found = places(&run.json());
    for (subject, place) in [
        ("NetworkPolicy/vault/a", "p.yaml:2".to_string()),
        ("NetworkPolicy/vault/b", format!("p.yaml:{second}")),
        ("Pod/vault/web", "vault.yaml:7".to_string()),
        ("PciZone/cde", "zone.yaml:1".to_string()),
        ("Flow/cde/first", format!("zone.yaml:{}", line("name: first"))),
        ("Flow/cde/second", format!("zone.yaml:{}", line("name: second"))),
        ("Exception/PolicyAllowsWorld/NetworkPolicy/*/gone", format!("zone.yaml:{}", line("RA-1"))),
    ] {
        assert!(found.contains(&(subject.to_string(), place.clone())), "{subject} is not at {place}: {found:?}");
    }
    let wide = check(&files, &["-o", "wide"]).stdout;
    assert!(wide.contains(&format!(" p.yaml:{second} ")), "{wide}");
}

#[test]
fn what_was_read_nowhere_has_no_place_but_for_code_scanning() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())];
    let args = ["--as-is", "-o", "json"];
    let report = check(&files, &args).json();
    let namespace = json!({"file": "vault.yaml", "line": 2});
    let findings = report["zones"][0]["findings"].as_array().expect("findings");
    let deny = findings.iter().find(|one| one["id"] == "DefaultDenyMissing").expect("it is found");
    assert_eq!((&deny["subject"], &deny["at"]), (&json!("Namespace/vault"), &namespace));
    // The namespace is there only because something lies in it.
    let pod = VAULT.split_once("---\napiVersion: v1\nkind: Pod").expect("a pod").1;
    let files = [("zone.yaml", zone()), ("pod.yaml", format!("apiVersion: v1\nkind: Pod{pod}"))];
    let report = check(&files, &args).json();
    let findings = report["zones"][0]["findings"].as_array().expect("findings");
    let deny = findings.iter().find(|one| one["id"] == "DefaultDenyMissing").expect("it is found");
    assert!(deny.get("at").is_none(), "{deny}");
    let sarif = check(&files, &["--as-is", "-o", "sarif"]).json();
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    let deny = results.iter().find(|one| one["ruleId"] == "DefaultDenyMissing").expect("it is found");
    let place = &deny["locations"][0]["physicalLocation"];
    let line = json!({"startLine": 1});
    assert_eq!((&place["artifactLocation"]["uri"], &place["region"]), (&json!("zone.yaml"), &line), "{deny}");
}

#[test]
fn code_scanning_gets_files_relative_to_where_it_runs() {
    let folder =
        folder(&[("a/b c/zone.yaml", zone()), ("a/vault.yaml", VAULT.to_string()), ("a/all.yaml", open("all"))]);
    let path = folder.path().join("a");
    let absolute = path.to_str().expect("a path").to_string();
    for files in ["a", "./a", "a/../a", &absolute] {
        let run = run_in(folder.path(), &["check", "--now", NOW, "-o", "sarif", "-f", files], b"");
        let sarif = run.json();
        let results = sarif["runs"][0]["results"].as_array().expect("results");
        let uris: Vec<&Value> =
            results.iter().map(|one| &one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]).collect();
        assert!(
            uris.contains(&&json!("a/all.yaml")) && uris.contains(&&json!("a/b%20c/zone.yaml")),
            "{files}: {uris:?}"
        );
    }
}

#[test]
fn a_zone_that_was_not_judged_is_told_by_every_form() {
    let files = [("zone.yaml", zone())];
    for form in FORMS {
        let run = check(&files, &["-o", form]);
        assert_eq!(run.code, 2, "{form}: {run:?}");
        assert!(run.stdout.contains("no namespace"), "{form}: {}", run.stdout);
    }
    let sarif = check(&files, &["-o", "sarif"]).json();
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
    let junit = check(&files, &["-o", "junit"]).stdout;
    assert!(junit.contains("<error ") && junit.contains("errors=\"1\""), "{junit}");
}

#[test]
fn what_is_unproven_fails_a_ci_server_only_where_that_was_asked_for() {
    let files = [("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())];
    let counts = |args: &[&str]| {
        let junit = check(&files, args).stdout;
        let suite =
            junit.lines().find(|line| line.trim_start().starts_with("<testsuite ")).expect("a suite").to_string();
        ["tests", "failures", "skipped"].map(|name| {
            let (_, rest) = suite.split_once(&format!(" {name}=\"")).expect("an attribute");
            rest.split('"').next().and_then(|number| number.parse::<usize>().ok()).expect("a number")
        })
    };
    let [tests, failures, skipped] = counts(&["-o", "junit"]);
    assert!(failures == 0 && skipped > 0 && tests == skipped + 1);
    assert_eq!(counts(&["-o", "junit", "--strict"]), [tests, skipped, 0]);
}

#[test]
fn evidence_begins_no_formula() {
    let named = policy("all", "  podSelector: {}\n  ingress:\n    - {}\n");
    let csv =
        check(&[("=1+1.yaml", zone()), ("vault.yaml", VAULT.to_string()), ("@all.yaml", named)], &["-o", "csv"]).stdout;
    assert!(csv.contains(",'=1+1.yaml,1,") && csv.contains(",'@all.yaml,1,"), "{csv}");
}

/// What a terminal acts by, what turns the text around it, and what no XML may have.
#[test]
fn no_form_for_people_has_characters_that_do_something() {
    const BAD: [char; 6] = ['\u{1b}', '\u{7}', '\u{202e}', '\u{2028}', '\u{fffe}', '\r'];
    let escapes = r"\e[2J\a\u202E\u2028\uFFFE\r";
    let sentence = "need: Checkout stores card numbers in the vault.";
    let zone = entries().replace(sentence, &format!("need: \"Checkout {escapes}stores card numbers.\""));
    let files = folder(&[("zone.yaml", zone.as_str()), ("vault.yaml", VAULT), ("old.yaml", &entries())]);
    let all = ["-f", "zone.yaml", "-f", "vault.yaml", "--now", NOW];
    let forms =
        ["table", "wide", "csv", "junit", "sarif", "oscal", "mermaid", "dot"].map(|form| vec!["check", "-o", form]);
    let drawings = ["mermaid", "dot", "svg", "html"].map(|form| vec!["diagram", "-o", form]);
    let others =
        [vec!["report"], vec!["explain", "cde/first"], vec!["plan"], vec!["check", "-f", "no\u{1b}\u{202e}where"]];
    let mut runs: Vec<Vec<&str>> =
        forms.into_iter().chain(drawings).chain(others).map(|run| [&run[..], &all].concat()).collect();
    for form in ["table", "markdown"] {
        runs.push(vec!["diff", "old.yaml", "zone.yaml", "-o", form, "--now", NOW]);
    }
    let mut told = Vec::new();
    for args in runs {
        let run = run_in(files.path(), &args, b"");
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(!text.is_empty(), "{args:?}");
        let bad: Vec<char> = text.chars().filter(|c| BAD.contains(c)).collect();
        assert!(bad.is_empty(), "{args:?} says {bad:?}: {text}");
        if text.replace("\\[", "[").contains("\u{fffd}[2J\u{fffd}") {
            told.push(args[..3].join(" "));
        }
    }
    let wanted = [
        "diagram -o dot",
        "diagram -o svg",
        "diagram -o html",
        "report -f zone.yaml",
        "explain cde/first -f",
        "diff old.yaml zone.yaml",
        "diff old.yaml zone.yaml",
    ];
    assert_eq!(told, wanted, "who tells the sentence");
}
