//! Nothing rests on the operator being alive: it is gone for ever, and the API server is restarted again and again under load.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use testbed::Version;
use tokio::time::sleep;

use super::{
    bed::guarded,
    people::{People, Who},
    table::pod,
};
use crate::support::{Bed, PATIENCE, ask};

/// How often the API server is killed.
const RESTARTS: usize = 10;
/// Answers of each kind that are waited for between two restarts.
const ANSWERS: usize = 20;
/// Pause after an answer that is none, so that a server that starts is not drowned.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// What came of the requests of one kind.
#[derive(Clone, Debug, Default)]
struct Tally {
    accepted: usize,
    /// By a policy of ours.
    refused: Vec<String>,
    /// The server was not up, or not ready to admit anything yet.
    unanswered: usize,
}

impl Tally {
    fn answered(&self) -> usize {
        self.accepted + self.refused.len()
    }
}

/// One kind of request, made again and again.
struct Load {
    what: &'static str,
    tally: Arc<Mutex<Tally>>,
}

/// A pod whose name the API server makes.
fn any_pod(spec: Value) -> Value {
    let mut pod = pod(spec);
    pod["metadata"] = json!({ "generateName": "load-", "labels": { "app": "load" } });
    pod
}

impl Load {
    fn start(what: &'static str, client: &Client, namespace: &str, body: Value, stop: &Arc<AtomicBool>) -> Self {
        let tally = Arc::<Mutex<Tally>>::default();
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let pod: Pod = serde_json::from_value(body).unwrap();
        tokio::spawn({
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(stop));
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = pods.create(&PostParams::default(), &pod).await;
                    let answered = {
                        let mut tally = tally.lock().unwrap();
                        match answer {
                            Ok(_) => tally.accepted += 1,
                            Err(kube::Error::Api(status)) if status.message.contains("pcizone-") => {
                                tally.refused.push(status.message.clone());
                            }
                            // Nobody's pod is let in before the server knows its policies.
                            Err(_) => tally.unanswered += 1,
                        }
                        tally.answered()
                    };
                    if answered % ANSWERS == 0 {
                        sleep(PAUSE).await;
                    }
                }
            }
        });
        Load { what, tally }
    }

    fn tally(&self) -> Tally {
        self.tally.lock().unwrap().clone()
    }

    /// Waits until so many more requests were answered.
    async fn goes_on(&self) {
        let before = self.tally().answered();
        ask(&format!("answers to {} within {PATIENCE:?}", self.what), async || {
            let now = self.tally();
            if now.answered() >= before + ANSWERS { Ok(()) } else { Err(format!("{now:?}")) }
        })
        .await;
    }
}

async fn pods_in(bed: &Bed, namespace: &str) -> Vec<Value> {
    let pods: Api<Pod> = Api::namespaced(bed.client.clone(), namespace);
    let all = pods.list(&ListParams::default().labels("app=load")).await.unwrap();
    all.items.iter().map(|pod| json!(pod)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_stays_closed_without_its_operator_while_the_api_server_restarts() {
    let mut bed = guarded("Enforce", Version::Current).await;
    let people = People::of(&bed).await;
    bed.stop_operator().await;
    // Declared, and new: nobody is there any more to protect it, so nothing may run in it.
    bed.kubectl(&["create", "namespace", "later"]).await;

    let stop = Arc::new(AtomicBool::new(false));
    let load =
        |what, who, namespace, spec: Value| Load::start(what, people.client(who), namespace, any_pod(spec), &stop);
    let placed = json!({
        "nodeSelector": { "node-restriction.kubernetes.io/pcizone": "cde" },
        "tolerations": [{ "key": "pcizone.dev/zone", "operator": "Equal", "value": "cde", "effect": "NoSchedule" }],
    });
    let tolerant = json!({ "tolerations": [{ "key": "pcizone.dev/zone", "operator": "Exists" }] });
    let welcome = [
        load("plain pods of the zone", Who::Editor, "vault", json!({})),
        load("placed pods of the zone", Who::Editor, "checkout", placed),
        load("plain pods elsewhere", Who::Editor, "storefront", json!({})),
        load(
            "tolerant pods elsewhere",
            Who::Editor,
            "storefront",
            json!({ "tolerations": [{ "operator": "Exists" }] }),
        ),
        load("plain pods of the system", Who::Platform, "kube-system", json!({})),
    ];
    let unwelcome = [
        load("pods before the default deny", Who::Platform, "later", json!({})),
        load("strangers that tolerate the zone", Who::Platform, "storefront", tolerant),
        load("pods on the host's network", Who::Platform, "vault", json!({ "hostNetwork": true })),
    ];
    for _ in 0..RESTARTS {
        for load in welcome.iter().chain(&unwelcome) {
            load.goes_on().await;
        }
        bed.cluster.kill_apiserver().unwrap();
        bed.cluster.start_apiserver().await.unwrap();
    }
    for load in welcome.iter().chain(&unwelcome) {
        load.goes_on().await;
    }
    stop.store(true, Ordering::Relaxed);

    for load in &welcome {
        let tally = load.tally();
        eprintln!("{}: {} accepted, {} not answered", load.what, tally.accepted, tally.unanswered);
        assert!(tally.refused.is_empty(), "{}: {:?}", load.what, tally.refused.first());
    }
    for load in &unwelcome {
        let tally = load.tally();
        eprintln!("{}: {} refused, {} not answered", load.what, tally.refused.len(), tally.unanswered);
        assert_eq!(tally.accepted, 0, "{}", load.what);
    }
    for namespace in ["vault", "checkout"] {
        for pod in pods_in(&bed, namespace).await {
            assert_eq!(pod["spec"]["nodeSelector"]["node-restriction.kubernetes.io/pcizone"], "cde", "{pod:#}");
            let tolerations = pod["spec"]["tolerations"].as_array().unwrap();
            assert!(tolerations.iter().any(|t| t["key"] == "pcizone.dev/zone" && t["value"] == "cde"), "{pod:#}");
        }
    }
    assert!(pods_in(&bed, "later").await.is_empty());
}
