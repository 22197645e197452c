//! `pcizone plan` on a live cluster, and what it gives to be applied.

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Bed, zone};

async fn plan(bed: &Bed, form: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcizone"));
    command.args(["plan", "--quiet", "-o", form]).env("KUBECONFIG", bed.cluster.admin_kubeconfig());
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_gives_is_taken_by_the_api_server_and_leaves_nothing_but_the_record_of_who_wrote_it() {
    let bed = Bed::without_operator().await;
    bed.shop().await;
    bed.apply(&zone("cde", "Observe", "[checkout, vault]")).await;
    let objects = plan(&bed, "yaml").await;
    let args = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    bed.cluster.kubectl().run_stdin(&args, &objects).await.unwrap();
    let left: Value = serde_json::from_str(&plan(&bed, "json").await).unwrap();
    let zone = &left["zones"][0];
    assert_eq!((&zone["name"], &zone["mode"], &zone["arms"]), (&"cde".into(), &"Observe".into(), &true.into()));
    let writes = zone["writes"].as_array().unwrap();
    assert!(writes.len() > 10, "it knows that it wrote none of them: {writes:#?}");
    for write in writes {
        assert!(write["before"] == write["after"], "{write:#}");
    }
}
