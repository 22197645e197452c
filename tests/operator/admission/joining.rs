//! Whoever makes a node one of the zone's taints it in the same request, so that no stranger lands there before.

use serde_json::{Value, json};
use testbed::Version;

use super::{
    asking::{Answer, Row, ask},
    bed::guarded,
    people::{People, Who},
};

fn is_tainted(answer: &Answer) -> bool {
    let Answer::Allowed { object, .. } = answer else { return false };
    let taints = object["spec"]["taints"].as_array().into_iter().flatten();
    let ours = taints.filter(|taint| taint["key"] == "pcizone.dev/zone");
    ours.map(|taint| (&taint["value"], &taint["effect"])).collect::<Vec<_>>() == [(&json!("cde"), &json!("NoSchedule"))]
}

fn is_labelled(answer: &Answer) -> bool {
    let Answer::Allowed { object, .. } = answer else { return false };
    object["metadata"]["labels"]["node-restriction.kubernetes.io/pcizone"] == "cde"
}

fn row(who: Who, verb: &'static str, path: &str, body: Value) -> Row {
    Row { who, what: String::new(), verb, path: path.to_string(), body, stopped_by: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_is_tainted_by_the_request_that_makes_it_join() {
    let bed = guarded("Enforce", Version::Current).await;
    let people = People::of(&bed).await;
    let asked = async |row: Row| ask(people.client(row.who), &row).await;
    let pool = |value: Value| json!({ "metadata": { "labels": { "node-restriction.kubernetes.io/pool": value } } });
    let node = "/api/v1/nodes/node-1";

    let joins = asked(row(Who::Platform, "PATCH", node, pool(json!("pci")))).await;
    assert!(is_tainted(&joins) && is_labelled(&joins), "{joins:?}");
    let stays = asked(row(Who::Platform, "PATCH", node, pool(json!("web")))).await;
    assert!(matches!(stays, Answer::Allowed { .. }) && !is_tainted(&stays), "{stays:?}");

    // Whoever brings along something of the same name that keeps nobody away does not get around it.
    let mut weak = pool(json!("pci"));
    weak["spec"] = json!({ "taints": [{ "key": "pcizone.dev/zone", "value": "x", "effect": "PreferNoSchedule" }] });
    let joins = asked(row(Who::Platform, "PATCH", node, weak)).await;
    let Answer::Allowed { object, .. } = &joins else { panic!("{joins:?}") };
    assert!(object["spec"]["taints"].to_string().contains("NoSchedule"), "{object:#}");
    assert!(object["spec"]["taints"].as_array().unwrap().iter().any(|taint| taint["value"] == "cde"), "{object:#}");

    // A taint of others stays where it is.
    bed.kubectl(&["taint", "node", "node-1", "example.com/other=kept:NoSchedule"]).await;
    let joins = asked(row(Who::Platform, "PATCH", node, pool(json!("pci")))).await;
    assert!(is_tainted(&joins), "{joins:?}");
    let Answer::Allowed { object, .. } = joins else { return };
    assert_eq!(object["spec"]["taints"][0]["key"], "example.com/other", "{object:#}");

    // A kubelet registers a node that the zone declares by name.
    let names = r#"--patch=[{"op":"add","path":"/spec/hosting/nodes/names","value":["pci-9"]}]"#;
    bed.kubectl(&["patch", "pz", "cde", "--type=json", names]).await;
    bed.until_ready("cde").await;
    let kubelet = bed.cluster.user_kubeconfig("system:node:pci-9", &["system:nodes"]).unwrap();
    let kubelet = kube::Client::try_from(testbed::config_from(&kubelet).await.unwrap()).unwrap();
    let labels = json!({ "kubernetes.io/hostname": "pci-9", "kubernetes.io/os": "linux" });
    let body = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "pci-9", "labels": labels } });
    let registers = ask(&kubelet, &row(Who::Kubelet, "POST", "/api/v1/nodes", body)).await;
    assert!(is_tainted(&registers) && !is_labelled(&registers), "{registers:?}");
}
