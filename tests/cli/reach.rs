//! What is asked of reach. What it answers is the engine's.

use crate::support::{NOW, VAULT, folder, run_in, zone};

#[test]
fn probes_that_make_no_sense_are_told() {
    let folder = folder(&[("zone.yaml", zone()), ("vault.yaml", VAULT.to_string())]);
    for (probes, wrong) in [
        ("[\n{\"from\": \"vault/web\"\n", "line 3"),
        (
            "[\n{\"from\": \"vault/web\", \"to\": \"vault/web\", \"prot\": \"TCP\", \"port\": 1}]",
            "unknown field `prot`",
        ),
        (
            "[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"protocol\": \"ICMP\", \"port\": 1}]",
            "unknown variant `ICMP`",
        ),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 65536}]", "line 1"),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 0}]", "probe 0: 0 is no port"),
        ("{}", "line 1"),
        (
            "[{\"from\": \"vault/web\", \"to\": \"vault/web\", \"port\": 1}, {\"from\": \"web\", \"to\": \"ip:192.0.2.1\", \"port\": 1}]",
            "probe 1: ",
        ),
        ("[{\"from\": \"vault/web\", \"to\": \"ip:192.0.2\", \"port\": 1}]", "probe 0: "),
        ("[{\"from\": \"vault/web\", \"to\": \"vault/gone\", \"port\": 1}]", "probe 0: there is no pod vault/gone"),
    ] {
        let args = ["reach", "--now", NOW, "-f", ".", "--probes", "-"];
        let run = run_in(folder.path(), &args, probes.as_bytes());
        assert!(run.code == 2 && run.stdout.is_empty() && run.stderr.contains(wrong), "{probes}: {run:?}");
    }
    let run = run_in(folder.path(), &["reach", "-f", "-", "--probes", "-"], b"");
    assert_eq!(run.code, 3, "{run:?}");
    let run = run_in(folder.path(), &["reach", "-f", ".", "--probes", "gone.json"], b"");
    assert!(run.code == 2 && run.stderr.contains("gone.json: cannot read it"), "{run:?}");
}

#[test]
fn what_cannot_be_read_cannot_be_told() {
    let folder = folder(&[("a.yaml", "a: [")]);
    let run = run_in(folder.path(), &["reach", "-f", "a.yaml"], b"");
    assert_eq!((run.code, run.faults().len()), (2, 1), "{run:?}");
}
