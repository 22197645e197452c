//! A cluster is real: it serves, it refuses, it remembers, and it shares nothing with its neighbours.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api,
    api::{ListParams, PostParams},
};
use testbed::{Binary, ControlPlane, Options};

const READER: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects:
  - {apiGroup: rbac.authorization.k8s.io, kind: Group, name: auditors}
  - {kind: ServiceAccount, name: robot, namespace: default}
"#;

async fn start(audit: bool) -> Result<ControlPlane> {
    ControlPlane::start(Options { audit, ..Options::default() }).await
}

fn config_map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

#[tokio::test(flavor = "multi_thread")]
async fn users_get_the_rights_of_their_groups_and_the_audit_log_names_them() -> Result<()> {
    let cluster = start(true).await?;
    let admin = cluster.kubectl();
    assert_eq!(admin.run(&["get", "--raw", "/readyz"]).await?, "ok");
    // The server's version is readable, and close enough to kubectl's for kubectl not to warn.
    assert!(admin.run(&["version"]).await?.contains("Server Version: v1."));
    admin.run_stdin(&["apply", "-f", "-"], READER).await?;

    let ann = admin.with_kubeconfig(cluster.user_kubeconfig("ann", &["staff", "auditors"])?);
    let whoami = ann.run(&["auth", "whoami", "-o", "json"]).await?;
    assert!(
        ["\"ann\"", "staff", "auditors", "system:authenticated"].iter().all(|part| whoami.contains(part)),
        "{whoami}"
    );
    ann.run(&["get", "configmaps"]).await?;
    let refused = ann.run(&["get", "secrets"]).await.unwrap_err().to_string();
    assert!(refused.contains("Forbidden") && refused.contains("ann"), "{refused}");

    let events = cluster
        .audit_until(|events| events.iter().filter(|event| event.user == "ann" && event.verb == "list").count() == 2)
        .await?;
    let of_ann =
        |resource: &str| events.iter().find(|event| event.user == "ann" && event.resource == resource).unwrap();
    let (allowed, refused) = (of_ann("configmaps"), of_ann("secrets"));
    assert_eq!((allowed.code, allowed.authorized(), allowed.namespace.as_str()), (200, true, "default"));
    assert_eq!((refused.code, refused.authorized()), (403, false));
    assert!(allowed.user_agent.starts_with("kubectl/"));
    assert!(allowed.groups.iter().any(|group| group == "auditors"));
    assert!(allowed.received.0 < refused.received.0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_holds_two_groups_at_most() -> Result<()> {
    let cluster = start(false).await?;
    assert!(cluster.user_kubeconfig("ann", &["a", "b", "c"]).is_err());
    assert!(cluster.audit().unwrap_err().to_string().contains("audit: true"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn service_accounts_get_tokens_and_their_rights() -> Result<()> {
    let cluster = start(false).await?;
    let admin = cluster.kubectl();
    admin.run_stdin(&["apply", "-f", "-"], READER).await?;
    admin.run(&["create", "serviceaccount", "robot"]).await?;

    let kubeconfig = cluster.service_account_kubeconfig("default", "robot").await?;
    assert_eq!(std::fs::metadata(&kubeconfig)?.permissions().mode() & 0o777, 0o600);
    let client = kube::Client::try_from(testbed::config_from(&kubeconfig).await?)?;
    Api::<ConfigMap>::namespaced(client.clone(), "default").list(&ListParams::default()).await?;
    let refused = Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));

    let stranger = admin.with_kubeconfig(cluster.kubeconfig_for_token("stranger", "made-up")?);
    assert!(stranger.run(&["get", "configmaps"]).await.is_err());
    assert!(cluster.service_account_kubeconfig("default", "nobody").await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_side_by_side_share_nothing() -> Result<()> {
    let (left, right) = tokio::try_join!(start(false), start(false))?;
    assert_ne!(left.url(), right.url());

    let maps = async |cluster: &ControlPlane| -> Result<Api<ConfigMap>> {
        Ok(Api::namespaced(cluster.admin_client().await?, "default"))
    };
    maps(&left).await?.create(&PostParams::default(), &config_map("only-left")).await?;
    assert!(maps(&left).await?.get_opt("only-left").await?.is_some());
    assert!(maps(&right).await?.get_opt("only-left").await?.is_none());

    // Nor do they trust each other.
    let foreign = left.kubectl().with_kubeconfig(right.admin_kubeconfig());
    let server = ["--server", left.url(), "get", "namespaces"];
    assert!(foreign.run(&server).await.unwrap_err().to_string().contains("certificate"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_comes_back_on_its_port_with_its_data() -> Result<()> {
    let cluster = start(false).await?;
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin_client().await?, "default");
    maps.create(&PostParams::default(), &config_map("before")).await?;

    let began = std::time::Instant::now();
    cluster.stop_apiserver().await?;
    println!("an orderly end took {:?}", began.elapsed());
    assert!(maps.get("before").await.is_err());
    assert!(cluster.stop_apiserver().await.is_err());
    cluster.start_apiserver().await?;
    assert!(cluster.start_apiserver().await.is_err());
    maps.get("before").await?;

    cluster.kill_apiserver()?;
    assert!(maps.get("before").await.is_err());
    cluster.start_apiserver().await?;
    maps.get("before").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_shows_the_log_of_the_program_at_fault() {
    let options = Options { apiserver_args: vec!["--feature-gates=NoSuchGate=true".to_owned()], ..Options::default() };
    let Err(error) = ControlPlane::start(options).await else { panic!("started with an unknown feature gate") };
    let error = format!("{error:#}");
    assert!(error.contains(Binary::KubeApiserver.name()) && error.contains("NoSuchGate"), "{error}");
}
