//! Pods that write numbered lines into files, as Pod Security `restricted` lets them.

use serde_json::{Value, json};

/// Where they write.
const FILE: &str = "/var/log/app/app.log";

/// `lines FROM TO` appends numbered lines as fast as a shell can.
const LINES: &str = r#"lines() { awk -v from="$1" -v to="$2" -v writer="$WRITER" 'BEGIN { for (n = from; n < to; n++) printf "{\"n\":%d,\"writer\":\"%s\",\"text\":\"a card was read by the terminal\"}\n", n, writer }' >> FILE; }
"#;

/// Writes `before` lines, and when it is told to end the rest of `lines`, right up to its exit.
pub fn until_told(before: u64, lines: u64) -> String {
    format!("trap 'lines {before} {lines}; exit 0' TERM\nlines 0 {before}\nsleep infinity & wait\n")
}

/// Writes all lines and ends.
pub fn at_once(lines: u64) -> String {
    format!("lines 0 {lines}\n")
}

/// Writes `batch` lines every tenth of a second, and ends after `lines`. `each` is done after each batch, with `$n` lines written.
pub fn paced(lines: u64, batch: u64, each: &str) -> String {
    format!("n=0\nwhile [ $n -lt {lines} ]; do lines $n $((n + {batch})); n=$((n + {batch})); {each} sleep 0.1; done\n")
}

/// The same, but that it ends when it is told to, and not by itself.
pub fn paced_until_told(lines: u64, batch: u64, each: &str) -> String {
    format!("trap 'exit 0' TERM\n{}sleep infinity & wait\n", paced(lines, batch, each))
}

/// Turns the file over after so many lines.
pub fn turned_over(after: u64) -> String {
    format!("if [ $((n % {after})) = 0 ]; then mv {FILE} {FILE}.1; fi;")
}

/// What a pod consists of that writes as `script` says, under the name of `writer`.
pub fn spec(writer: &str, script: &str, policy: &str) -> Value {
    json!({
        "automountServiceAccountToken": false,
        "restartPolicy": policy,
        "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "app",
            "image": "registry.example.com/busybox:1",
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", LINES.replace("FILE", FILE) + script],
            "env": [{ "name": "WRITER", "value": writer }],
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    })
}

/// A pod of the zone that is not started again, named after its writer.
pub fn pod(writer: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": writer, "namespace": "vault", "labels": { "app": writer } },
        "spec": spec(writer, script, "Never"),
    })
}

/// A Deployment of one pod, which is replaced by the next one.
pub fn deployment(name: &str, writer: &str, script: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "vault" },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": spec(writer, script, "Always") },
        },
    })
}

/// A Job of one pod.
pub fn job(writer: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": writer, "namespace": "vault" },
        "spec": {
            "backoffLimit": 0,
            "template": { "metadata": { "labels": { "app": writer } }, "spec": spec(writer, script, "Never") },
        },
    })
}
