//! Decides the command line of each program of a cluster.
//! It starts nothing.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    assets::{Assets, Binary},
    control_plane::{Durability, Options},
    kubeconfig::write_private,
    pki::Identity,
    process::Program,
};

/// The first address of the service range, which the API server gives to the `kubernetes` Service.
pub(crate) const KUBERNETES_SERVICE_ADDRESS: &str = "10.96.0.1";

pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The same of the other family, where nodes have it.
pub(crate) const SERVICE_RANGE_6: &str = "fd96::/112";

/// The endpoint address of the `kubernetes` Service where no pod runs. Endpoints must not be loopback addresses, and
/// nothing contacts them then, so this is an address that is reserved for documentation (RFC 5737) and leads nowhere.
const ADVERTISED_ADDRESS: &str = "192.0.2.1";

/// Records who did what and how it ended, for every request, without bodies (those may hold secrets).
/// `RequestReceived` is left out since later stages carry its time.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// Who reaches the API server, and where.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    /// Where it listens.
    pub(crate) address: Ipv4Addr,
    /// Any that is free for 0.
    pub(crate) port: u16,
    /// The addresses of all pods, of each family, where there are real nodes.
    pub(crate) pods: Option<String>,
}

impl Default for Reach {
    /// This machine alone, and nodes that are objects only.
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, port: 0, pods: None }
    }
}

impl Reach {
    /// The endpoint address of the `kubernetes` Service.
    fn advertised(&self) -> String {
        if self.pods.is_some() { self.address.to_string() } else { ADVERTISED_ADDRESS.to_owned() }
    }

    /// The addresses of Services, of each family that pods have.
    fn services(&self) -> String {
        let is_dual = self.pods.as_ref().is_some_and(|pods| pods.contains(','));
        if is_dual { format!("{SERVICE_RANGE},{SERVICE_RANGE_6}") } else { SERVICE_RANGE.to_owned() }
    }

    /// What the built-in controllers must know of real nodes.
    pub(crate) fn controllers(&self) -> Vec<String> {
        let Some(pods) = &self.pods else { return Vec::new() };
        vec![
            flag("allocate-node-cidrs", true),
            flag("cluster-cidr", pods),
            flag("service-cluster-ip-range", self.services()),
            flag("node-monitor-grace-period", "40s"),
        ]
    }
}

/// The folders and files that the programs of one cluster share.
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    /// Keys, certificates, policies and kubeconfigs.
    pub(crate) config: PathBuf,
    pub(crate) logs: PathBuf,
}

impl Layout {
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.logs.join("audit.log")
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.config.join("ca.crt")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.config.join("server.crt")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.config.join("server.key")
    }

    pub(crate) fn token_signing_key(&self) -> PathBuf {
        self.config.join("service-account.key")
    }

    pub(crate) fn token_checking_key(&self) -> PathBuf {
        self.config.join("service-account.pub")
    }

    /// A unix socket: no port to collide on, and no other user of the machine reaches it through the private folder.
    fn etcd_url(&self) -> String {
        format!("unix://{}", self.root.join("etcd.sock").display())
    }

    fn program(&self, assets: &Assets, binary: Binary, args: Vec<String>) -> Result<Program> {
        Ok(self.other_program(binary.name(), assets.path(binary)?, args, Vec::new()))
    }

    /// A program that is no part of the cluster, but lives with it.
    pub(crate) fn other_program(
        &self,
        name: &str,
        path: PathBuf,
        args: Vec<String>,
        env: Vec<(String, String)>,
    ) -> Program {
        let log = self.logs.join(format!("{name}.log"));
        Program { name: name.to_owned(), path, args, env, folder: self.root.clone(), log }
    }

    pub(crate) fn etcd(&self, assets: &Assets, durability: Durability) -> Result<Program> {
        let clients = self.etcd_url();
        let peers = format!("unix://{}", self.root.join("peer.sock").display());
        let args = vec![
            flag("name", "testbed"),
            flag("data-dir", self.root.join("etcd").display()),
            flag("listen-client-urls", &clients),
            flag("advertise-client-urls", &clients),
            flag("listen-peer-urls", &peers),
            flag("initial-advertise-peer-urls", &peers),
            flag("initial-cluster", format!("testbed={peers}")),
            flag("unsafe-no-fsync", durability == Durability::Known),
            flag("log-level", "warn"),
        ];
        self.program(assets, Binary::Etcd, args)
    }

    pub(crate) fn apiserver(
        &self,
        (assets, binary): (&Assets, Binary),
        reach: &Reach,
        port: u16,
        (options, asks_kubelets): (&Options, &Identity),
    ) -> Result<Program> {
        let mut args = vec![
            flag("etcd-servers", self.etcd_url()),
            flag("bind-address", reach.address),
            flag("secure-port", port),
            // See `Port`, which holds the port with the same socket option.
            flag("permit-port-sharing", true),
            flag("advertise-address", reach.advertised()),
            flag("service-cluster-ip-range", reach.services()),
            flag("authorization-mode", "Node,RBAC"),
            flag("enable-admission-plugins", "NodeRestriction"),
            // As in clusters made by kubeadm: without it the API server itself refuses privileged pods.
            flag("allow-privileged", true),
            flag("client-ca-file", self.authority().display()),
            flag("tls-cert-file", self.server_certificate().display()),
            flag("tls-private-key-file", self.server_key().display()),
            flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            flag("service-account-key-file", self.token_checking_key().display()),
            flag("service-account-signing-key-file", self.token_signing_key().display()),
        ];
        if reach.pods.is_some() {
            let (certificate, key) = (self.config.join("asks-kubelets.crt"), self.config.join("asks-kubelets.key"));
            write_private(&certificate, &asks_kubelets.certificate)?;
            write_private(&key, &asks_kubelets.key)?;
            args.extend([
                flag("kubelet-certificate-authority", self.authority().display()),
                flag("kubelet-client-certificate", certificate.display()),
                flag("kubelet-client-key", key.display()),
                // Nobody resolves the names of the nodes.
                flag("kubelet-preferred-address-types", "InternalIP"),
                // There is no rule for Services where the API server runs, but there is a way to each pod.
                flag("enable-aggregator-routing", true),
            ]);
        }
        if options.audit {
            let policy = self.config.join("audit-policy.yaml");
            write_private(&policy, AUDIT_POLICY)?;
            args.push(flag("audit-policy-file", policy.display()));
            args.push(flag("audit-log-path", self.audit_log().display()));
            // One file, so that nothing is lost between two.
            args.push(flag("audit-log-maxsize", 100_000));
        }
        args.extend_from_slice(&options.apiserver_args);
        self.program(assets, binary, args)
    }

    pub(crate) fn controller_manager(&self, assets: &Assets, kubeconfig: &Path, extra: &[&str]) -> Result<Program> {
        let mut args = client_flags(kubeconfig);
        args.extend([
            // Each controller acts as its own service account, so that RBAC and the audit log tell them apart.
            flag("use-service-account-credentials", true),
            flag("service-account-private-key-file", self.token_signing_key().display()),
            flag("root-ca-file", self.authority().display()),
            // It creates this folder, by default in /usr.
            flag("flex-volume-plugin-dir", self.root.join("flexvolume").display()),
            // Simulated nodes send no heartbeats and must stay Ready.
            flag("node-monitor-grace-period", "8760h"),
        ]);
        args.extend(extra.iter().map(ToString::to_string));
        self.program(assets, Binary::KubeControllerManager, args)
    }

    pub(crate) fn scheduler(&self, assets: &Assets, kubeconfig: &Path) -> Result<Program> {
        self.program(assets, Binary::KubeScheduler, client_flags(kubeconfig))
    }

    /// Writes a file into the config folder that only its owner can read.
    pub(crate) fn write(path: &Path, content: &str) -> Result<()> {
        write_private(path, content).context("cannot set up the files of the cluster")
    }
}

/// What the programs that are clients of the API server have in common.
fn client_flags(kubeconfig: &Path) -> Vec<String> {
    vec![
        flag("kubeconfig", kubeconfig.display()),
        // There is one of each, and an election costs seconds.
        flag("leader-elect", false),
        // Serve nothing: no port to collide on.
        flag("secure-port", 0),
        // Tests wait for what these programs do; the defaults are sized for shared servers.
        flag("kube-api-qps", 200),
        flag("kube-api-burst", 400),
    ]
}

pub(crate) fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
