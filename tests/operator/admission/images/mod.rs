//! The gate of images: what it lets in, and that the engine says the same.

mod agree;
mod ends;
mod scans;
mod table;
mod updates;

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};
use pcizone::{
    api::{Mode, PciZone, names},
    engine::{
        declaration::Declaration,
        desired::admission::{Guard, Kind, Modes, Surroundings, desired},
    },
};
use serde_json::{Value, json};
use testbed::{Options, Version};

use super::{
    asking::{Answer, Row},
    people::Who,
};
use crate::support::{Bed, OPERATOR};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// Entry by which one set of guards is told from another.
const MARK: &str = "mark.example.com";

/// Pods need no service account, since no controller makes them. No operator runs; vault is of the zone.
async fn bed() -> Bed {
    bed_of(Version::Current).await
}

async fn bed_of(version: Version) -> Bed {
    let apiserver_args = vec!["--disable-admission-plugins=ServiceAccount".to_string()];
    let bed = Bed::with(Options { version, apiserver_args, ..Options::default() }).await;
    bed.shop().await;
    bed.kubectl(&["label", "namespace", "vault", "pcizone.dev/zone=cde"]).await;
    bed
}

/// The zone with this of scanning, and with what else is in its spec.
fn zone(scanning: &Value, rest: &Value) -> Declaration {
    let mut spec = json!({ "scope": { "namespaces": { "names": ["vault"] } }, "scanning": scanning });
    spec.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap_or_default());
    let zone =
        json!({ "apiVersion": "pcizone.dev/v1alpha1", "kind": "PciZone", "metadata": { "name": "cde" }, "spec": spec });
    Declaration::new(&serde_json::from_value::<PciZone>(zone).unwrap())
}

fn exception(finding: &str, subject: &str, end: Timestamp) -> Value {
    json!({
        "finding": finding, "subject": subject, "need": "The vendor has no other registry until May.", "riskAnalysis": "RA-17",
        "approvedBy": "ciso@example.com", "expiresAt": end.to_string(),
    })
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

/// The guards of images.
fn guards(zone: &Declaration, mode: Mode, scans: bool) -> Vec<Guard> {
    let around = Surroundings {
        operator: OPERATOR,
        operator_namespace: "pcizone-system",
        nodes: BTreeSet::new(),
        ranges: Vec::new(),
        mutates: true,
        forwarding: None,
        scans,
    };
    let modes = Modes { segmentation: mode, hosting: mode, scanning: mode, logging: mode };
    let mut all = desired(Some(zone), None, modes, &around, Timestamp::now());
    all.retain(|guard| ["pcizone-cde-images", "pcizone-cde-scans", "pcizone-cde-imagelist"].contains(&guard.name()));
    all
}

/// Writes guards as they are.
async fn put(bed: &Bed, guards: &[Guard]) {
    for guard in guards {
        let resource = ApiResource::erase::<Guard>(&guard.kind);
        let mut object = DynamicObject::new(guard.name(), &resource).data(json!({ "spec": guard.spec }));
        object.metadata.labels.clone_from(&guard.metadata.labels);
        let api: Api<DynamicObject> = Api::all_with(bed.client.clone(), &resource);
        api.patch(guard.name(), &PatchParams::apply("test").force(), &Patch::Apply(object)).await.unwrap();
    }
}

/// Writes the guards of a zone, and waits until they are in force.
async fn enforce(bed: &Bed, zone: &Declaration, mode: Mode, scans: bool) {
    let all = guards(zone, mode, scans);
    put(bed, &all).await;
    let probe = all.iter().find(|guard| guard.kind == Kind::Validating && guard.name().ends_with("-images"));
    let seen = pcizone::engine::desired::admission::seen(probe.unwrap().probe.as_deref().unwrap());
    bed.apply(&zone_object()).await;
    crate::support::ask("the guard is in force", async || {
        let digest = probe.unwrap().probe.clone().unwrap();
        let patch = json!({ "metadata": { "annotations": { names::PROBE: digest } } });
        let row = row(Who::Master, "PATCH", "/apis/pcizone.dev/v1alpha1/pcizones/cde", patch);
        match super::asking::ask(&bed.client, &row).await {
            Answer::Refused(text) if text.contains(&seen) => Ok(()),
            Answer::Allowed { warnings, .. } if warnings.iter().any(|text| text.contains(&seen)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

/// What is asked about whether a guard is in force. It is not armed, and nobody reads it.
fn zone_object() -> String {
    "apiVersion: pcizone.dev/v1alpha1
kind: PciZone
metadata: {name: cde}
spec: {mode: Observe, scope: {namespaces: {names: [vault]}}}
"
    .to_string()
}

fn row(who: Who, verb: &'static str, path: &str, body: Value) -> Row {
    Row { who, what: String::new(), verb, path: path.to_string(), body, stopped_by: None }
}

/// In which kind of container an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Container,
    Init,
    Ephemeral,
    Volume,
}

impl Place {
    const ALL: [Place; 4] = [Place::Container, Place::Init, Place::Ephemeral, Place::Volume];
}

/// A request that brings an image into a pod of the zone. Ephemeral containers come into the pod `running`, by its own version of it.
fn bringing(image: &str, place: Place) -> Row {
    const PODS: &str = "/api/v1/namespaces/vault/pods";
    // What the zone allows, in a request about something else.
    let good = json!({ "name": "good", "image": format!("{MARK}/good@sha256:{HEX}") });
    let one = json!({ "name": "row", "image": image });
    let spec = match place {
        Place::Container => json!({ "containers": [good, one] }),
        Place::Init => json!({ "containers": [good], "initContainers": [one] }),
        Place::Volume => {
            json!({ "containers": [good], "volumes": [{ "name": "row", "image": { "reference": image } }] })
        }
        Place::Ephemeral => {
            let body = json!({ "spec": { "ephemeralContainers": [one] } });
            return row(Who::Platform, "PATCH", &format!("{PODS}/running/ephemeralcontainers"), body);
        }
    };
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "row" }, "spec": spec });
    row(Who::Editor, "POST", PODS, pod)
}

/// Brings it in for good, and gives what the API server said.
async fn bring(client: &Client, name: &str, image: &str) -> Result<Value, String> {
    let containers = json!([{ "name": "main", "image": image }]);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": { "containers": containers } });
    let request = http::Request::post("/api/v1/namespaces/vault/pods").header("content-type", "application/json");
    let made = client.request::<Value>(request.body(serde_json::to_vec(&pod).unwrap()).unwrap()).await;
    made.map_err(|error| error.to_string())
}
