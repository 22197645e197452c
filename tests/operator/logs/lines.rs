//! Numbered lines of pods, into a real `VictoriaLogs`, as often as the sidecar would write them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use serde_json::json;
use testbed::VictoriaLogs;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::sleep,
};

const EVERY: Duration = Duration::from_secs(5);
const PATH: &str = "/insert/jsonline?_time_field=time&_msg_field=message";

/// Writes for pods until it is dropped.
pub struct Lines {
    zone: String,
    host: String,
    next: Arc<Mutex<BTreeMap<(String, String), u64>>>,
    task: JoinHandle<()>,
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lines {
    pub fn of(zone: &str, store: &VictoriaLogs) -> Self {
        let host = store.url().strip_prefix("http://").unwrap().to_string();
        let next = Arc::<Mutex<BTreeMap<(String, String), u64>>>::default();
        let (own, into, of) = (Arc::clone(&next), host.clone(), zone.to_string());
        let task = tokio::spawn(async move {
            loop {
                let lines: Vec<(String, String, u64)> = {
                    let mut next = own.lock().unwrap();
                    let all = next.iter_mut();
                    all.map(|((namespace, pod), seq)| {
                        *seq += 1;
                        (namespace.clone(), pod.clone(), *seq - 1)
                    })
                    .collect()
                };
                for (namespace, pod, seq) in lines {
                    insert(&into, &line(&of, &namespace, &pod, seq)).await;
                }
                sleep(EVERY).await;
            }
        });
        Lines { zone: zone.to_string(), host, next, task }
    }

    /// Lines of a pod, from its first one on.
    pub fn begin(&self, namespace: &str, pod: &str) {
        self.next.lock().unwrap().insert((namespace.to_string(), pod.to_string()), 0);
    }

    /// No more of them, and no last one.
    pub fn cut(&self, namespace: &str, pod: &str) {
        self.next.lock().unwrap().remove(&(namespace.to_string(), pod.to_string()));
    }

    /// A line of which the one before is missing, and those after it.
    pub async fn begin_torn(&self, namespace: &str, pod: &str) {
        insert(&self.host, &line(&self.zone, namespace, pod, 0)).await;
        self.next.lock().unwrap().insert((namespace.to_string(), pod.to_string()), 2);
    }
}

fn line(zone: &str, namespace: &str, pod: &str, seq: u64) -> String {
    let (kind, time) = (if seq == 0 { "start" } else { "heartbeat" }, Timestamp::now().to_string());
    json!({ "time": time, "pcizone": kind, "zone": zone, "namespace": namespace, "pod": pod, "node": "pci-1", "run": "r1", "seq": seq })
        .to_string()
}

async fn insert(host: &str, body: &str) {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/stream+json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
