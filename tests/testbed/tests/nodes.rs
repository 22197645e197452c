//! Real nodes: what Cilium enforces and the bridge does not, and that nothing of them stays on the machine.
//! Needs root; see `nodes_or_skip`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use testbed::{Assets, Binary, Image, Kubectl, NodeCluster, NodeOptions, nodes_or_skip, sweep_nodes};
use tokio::sync::Mutex;

/// How long a policy may take to work, or to work no more.
const POLICY_LIMIT: Duration = Duration::from_secs(30);
/// How long the kernel may take to end what belonged to a killed program.
const END_LIMIT: Duration = Duration::from_secs(20);

/// The tests here take turns: two clusters at a time would be slow, and one looks for what another changes.
static TURN: Mutex<()> = Mutex::const_new(());

const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 0
  containers:
  - name: server
    image: registry.example.com/busybox:1
    imagePullPolicy: Never
    command: [httpd, -f, -p, "8080", -h, /www]
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  nodeName: node-2
  terminationGracePeriodSeconds: 0
  containers:
  - {name: client, image: "registry.example.com/busybox:1", imagePullPolicy: Never, command: [sleep, infinity]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
"#;

const DENY_ALL: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

/// What the nodes of one cluster have on this machine, in words. Other programs may hold clusters beside it.
fn traces(kubeconfig: &Path, number: u8) -> Result<Vec<String>> {
    let folder = kubeconfig.ancestors().nth(2).context("no folder")?.display().to_string();
    let bridge = format!("pcizone{number}");
    let mut found = names("/run/pcizone-testbed", |name| name == format!("{bridge}.lock"));
    found.extend(names("/sys/class/net", |name| name == bridge || name.starts_with(&format!("{bridge}n"))));
    for hierarchy in names("/sys/fs/cgroup", |_| true).into_iter().chain(["/sys/fs/cgroup".to_owned()]) {
        found.extend(names(&hierarchy, |name| name == bridge));
    }
    // By the control group, or by what it was started with. A zombie has neither.
    found.extend(names("/proc", |pid| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        pid.parse::<u32>().is_ok_and(|pid| pid != std::process::id())
            && (read("cgroup").contains(&format!("/{bridge}/")) || read("cmdline").contains(&format!("{folder}/")))
    }));
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    found.extend(mounts.lines().filter(|line| line.contains(&folder) || line.contains("/run/cni")).map(str::to_owned));
    Ok(found)
}

/// The number of the cluster, which its API server's address holds.
fn number_of(kubeconfig: &Path) -> Result<u8> {
    let text = fs::read_to_string(kubeconfig)?;
    let (_, rest) = text.split_once("https://10.89.").context("the API server is not on a bridge")?;
    Ok(rest.split('.').next().context("no number")?.parse()?)
}

/// What nodes would change for all, were it not kept from them.
fn machine() -> Result<Vec<String>> {
    let of_nodes = |name: &str| ["cilium", "cni", "containerd", "kube", "pods"].iter().any(|part| name.contains(part));
    let mut found: Vec<String> = ["/run", "/run/netns", "/var/lib", "/var/log", "/opt", "/etc"]
        .iter()
        .flat_map(|at| names(at, of_nodes))
        .collect();
    found.sort();
    for name in ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"] {
        found.push(format!("{name} = {}", fs::read_to_string(format!("/proc/sys/{name}"))?.trim()));
    }
    Ok(found)
}

fn names(folder: &str, is: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(std::io::Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| is(name)).map(|name| format!("{folder}/{name}")).collect()
}

/// A program that is killed with the test.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        // Both fail only when it was reaped already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a probe says what is wanted.
async fn until<P>(what: &str, limit: Duration, probe: impl Fn() -> P) -> Result<()>
where
    P: Future<Output = Result<bool>>,
{
    let deadline = Instant::now() + limit;
    while !probe().await? {
        ensure!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Whether the client reaches an address.
async fn reaches(kubectl: &Kubectl, address: &str, port: u16) -> Result<bool> {
    let script = format!("nc -w 2 {address} {port} < /dev/null > /dev/null 2>&1 && echo open || echo closed");
    let said = kubectl.run(&["exec", "client", "--", "sh", "-c", &script]).await?;
    ensure!(["open", "closed"].contains(&said.trim()), "the client said {said:?}");
    Ok(said.trim() == "open")
}

/// Makes client and server on two nodes, and gives the addresses of the server's pod and Service.
async fn set_up(kubectl: &Kubectl) -> Result<(String, String)> {
    kubectl.run_stdin(&["apply", "-f", "-"], PODS).await?;
    kubectl.run(&["wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s"]).await?;
    let pod = kubectl.run(&["get", "pod", "server", "-o", "jsonpath={.status.podIP}"]).await?;
    let service = kubectl.run(&["get", "service", "server", "-o", "jsonpath={.spec.clusterIP}"]).await?;
    for (address, port) in [(pod.as_str(), 8080), (service.as_str(), 80), ("10.96.0.1", 443)] {
        until("the client reaches the server", POLICY_LIMIT, || reaches(kubectl, address, port))
            .await
            .with_context(|| format!("{address}:{port}"))?;
    }
    Ok((pod, service))
}

#[tokio::test(flavor = "multi_thread")]
async fn cilium_enforces_policies_as_it_is_told_and_leaves_nothing() -> Result<()> {
    let _turn = TURN.lock().await;
    if !nodes_or_skip()? {
        return Ok(());
    }
    sweep_nodes()?;
    let pool = BTreeMap::from([("node-restriction.kubernetes.io/pool".to_owned(), "pci".to_owned())]);
    let options = NodeOptions { node_labels: vec![BTreeMap::new(), pool], ..NodeOptions::default() };
    let before = machine()?;
    let cluster = NodeCluster::start(options).await?;
    let kubectl = cluster.control_plane().kubectl();
    let kubeconfig = cluster.control_plane().admin_kubeconfig().to_owned();
    // As long as the file is there.
    let number = number_of(&kubeconfig)?;
    assert!(traces(&kubeconfig, number)?.len() > 20, "nodes leave traces while they run, but few were seen");

    let pci = ["get", "nodes", "-l", "node-restriction.kubernetes.io/pool=pci", "-o", "name"];
    assert_eq!(kubectl.run(&pci).await?.trim(), format!("node/{}", cluster.node(1).name()));
    kubelets_may_not_promote_their_nodes(&cluster).await?;
    a_program_with_libraries_runs_by_the_digest_of_its_image(&cluster).await?;

    let (pod, _) = set_up(&kubectl).await?;
    kubectl.run_stdin(&["apply", "-f", "-"], DENY_ALL).await?;
    let is_blocked = || async { Ok(!reaches(&kubectl, &pod, 8080).await?) };
    until("the policy blocks", POLICY_LIMIT, is_blocked).await?;
    cluster.node(0).run("busybox", &["nc", "-w", "3", &pod, "8080"]).context("the pod's own node is blocked")?;

    cluster.stop_cni_agent(0).await?;
    cluster.stop_cni_agent(1).await?;
    assert!(is_blocked().await?, "the policy went with the agents");
    cluster.set_cilium_enforcement("never").await?;
    until("nothing is enforced", POLICY_LIMIT, || reaches(&kubectl, &pod, 8080)).await?;
    cluster.set_cilium_enforcement("default").await?;
    until("the policy blocks again", POLICY_LIMIT, is_blocked).await?;
    assert!(cluster.set_cilium_enforcement("sometimes").await.is_err());

    drop(cluster);
    assert_eq!(traces(&kubeconfig, number)?, Vec::<String>::new());
    assert_eq!(machine()?, before);
    Ok(())
}

async fn kubelets_may_not_promote_their_nodes(cluster: &NodeCluster) -> Result<()> {
    let node = cluster.node(0);
    let kubelet = cluster.control_plane().kubectl().with_kubeconfig(node.kubelet_kubeconfig());
    kubelet.run(&["label", "node", node.name(), "example.com/own=yes"]).await?;
    let promoted = kubelet.run(&["label", "node", node.name(), "node-restriction.kubernetes.io/pool=pci"]).await;
    let error = format!("{:#}", promoted.err().context("a kubelet gave its node a protected label")?);
    ensure!(error.contains("(Forbidden)"), "{error}");
    Ok(())
}

async fn a_program_with_libraries_runs_by_the_digest_of_its_image(cluster: &NodeCluster) -> Result<()> {
    // Any program that is linked with libraries would do; this one ends by itself.
    let image = Image::operator(Path::new("/usr/bin/uname"))?;
    cluster.import_image(&image)?;
    let kubectl = cluster.control_plane().kubectl();
    let pod = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "by-digest" },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "program", "image": image.by_digest(), "imagePullPolicy": "IfNotPresent", "args": ["-s"],
                "securityContext": { "runAsNonRoot": true },
            }],
        },
    });
    kubectl.run_stdin(&["apply", "-f", "-"], &pod.to_string()).await?;
    kubectl.run(&["wait", "pod/by-digest", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s"]).await?;
    assert_eq!(kubectl.run(&["logs", "by-digest"]).await?.trim(), "Linux");
    kubectl.run(&["delete", "pod", "by-digest"]).await?;
    Ok(())
}

/// Starts a program that holds a cluster with bridges; gives it with the kubeconfig of the cluster.
fn hold() -> Result<(Holder, String)> {
    let mut holder = Holder(Command::new(env!("CARGO_BIN_EXE_hold_nodes")).stdout(Stdio::piped()).spawn()?);
    let stdout = holder.0.stdout.take().context("no stdout")?;
    for line in BufReader::new(stdout).lines() {
        if let Some(kubeconfig) = line?.strip_prefix("export KUBECONFIG=") {
            return Ok((holder, kubeconfig.to_owned()));
        }
    }
    anyhow::bail!("the cluster did not start: {}", holder.0.wait()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn bridges_enforce_nothing_and_a_killed_program_leaves_nothing_to_the_sweep() -> Result<()> {
    let _turn = TURN.lock().await;
    if !nodes_or_skip()? {
        return Ok(());
    }
    sweep_nodes()?;
    let before = machine()?;
    let (mut holder, kubeconfig) = hold()?;
    let kubeconfig = Path::new(&kubeconfig);
    let (number, folder) = (number_of(kubeconfig)?, kubeconfig.ancestors().nth(2).context("no folder")?);
    let program = Assets::get(&[Binary::Kubectl])?.path(Binary::Kubectl)?;
    let kubectl = Kubectl::new(program, kubeconfig, folder.join("home"));
    let (pod, service) = set_up(&kubectl).await?;
    kubectl.run_stdin(&["apply", "-f", "-"], DENY_ALL).await?;
    // Nothing tells that a policy will not work. Cilium needs two seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(reaches(&kubectl, &pod, 8080).await? && reaches(&kubectl, &service, 80).await?);
    sweep_nodes()?;
    assert!(reaches(&kubectl, &pod, 8080).await?, "swept what a living program holds");

    holder.0.kill()?;
    holder.0.wait()?;
    let is_process = |trace: &String| trace.starts_with("/proc/");
    let processes_are_gone = || async { Ok(!traces(kubeconfig, number)?.iter().any(is_process)) };
    until("the kernel ends what was in the nodes", END_LIMIT, processes_are_gone).await?;
    assert!(!traces(kubeconfig, number)?.is_empty(), "nothing was left, so nothing is tried");
    sweep_nodes()?;
    assert_eq!(traces(kubeconfig, number)?, Vec::<String>::new());
    assert_eq!(machine()?, before);
    assert!(!folder.exists());
    Ok(())
}
