//! Starts the programs of one cluster in order, waits until they serve, and ends them in order.
//! It puts nothing into the cluster that the programs do not make themselves.

use std::{
    net::SocketAddrV4,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{Namespace, Service, ServiceAccount},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, Config, api::PostParams};
use tokio::time::{sleep, timeout};

use crate::{
    assets::{Assets, Binary},
    audit::{AuditEvent, AuditReader},
    components::{Layout, Reach},
    kubeconfig::{Credential, Kubeconfigs, config_from},
    kubectl::Kubectl,
    pki::{Authority, TokenKeys},
    port::Port,
    process::{Process, Program},
    workdir::Workdir,
};

/// How long a cluster may take to start, once its binaries are there.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long one request of a readiness check may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// How long the API server may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long a line may take to reach the audit log after the client has its response.
const AUDIT_LIMIT: Duration = Duration::from_secs(10);
/// How long a token of a service account is valid: longer than a demo is looked at.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// What a cluster consists of, besides etcd and the API server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which API server. Everything else is of the current version.
    pub version: Version,
    /// Run the built-in controllers. Without them no namespace is ever deleted, nothing is garbage collected, and pods
    /// are refused until their namespace has a service account `default`.
    pub controller_manager: bool,
    /// Run the scheduler.
    pub scheduler: bool,
    /// Record every request; see [`ControlPlane::audit`].
    pub audit: bool,
    /// When etcd answers a write.
    pub durability: Durability,
    /// More arguments for the API server, such as `--feature-gates=…`. They win over those given by default.
    pub apiserver_args: Vec<String>,
}

/// Which API server a cluster has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The one that everything is tested with.
    #[default]
    Current,
    /// Kubernetes 1.35.
    V135,
    /// Kubernetes 1.36. Built when it is asked for, not before.
    V136,
}

impl Version {
    fn apiserver(self) -> Binary {
        match self {
            Self::Current => Binary::KubeApiserver,
            Self::V135 => Binary::KubeApiserver135,
            Self::V136 => Binary::KubeApiserver136,
        }
    }
}

/// When etcd answers a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is known. The data lives as long as the machine is up at most, and tests need no more.
    #[default]
    Known,
    /// Once it is on the disk, as in earnest: for measurements, since writes cost less without it.
    OnDisk,
}

/// A running cluster. Dropping it ends all its processes and removes its folder.
pub struct ControlPlane {
    processes: Mutex<Processes>,
    apiserver: Program,
    kubeconfigs: Kubeconfigs,
    admin_kubeconfig: PathBuf,
    authority: Authority,
    assets: Assets,
    layout: Layout,
    options: Options,
    port: Port,
    url: String,
    // Last, since the processes use it.
    workdir: Workdir,
}

/// Ended in this order: clients before the server, and the server before its store, without which it ends slowly.
#[derive(Default)]
struct Processes {
    scheduler: Option<Process>,
    controller_manager: Option<Process>,
    apiserver: Option<Process>,
    etcd: Option<Process>,
}

impl Processes {
    fn running(&mut self) -> impl Iterator<Item = (Binary, &mut Process)> {
        let Self { scheduler, controller_manager, apiserver, etcd } = self;
        let all = [
            (Binary::Etcd, etcd),
            (Binary::KubeApiserver, apiserver),
            (Binary::KubeControllerManager, controller_manager),
            (Binary::KubeScheduler, scheduler),
        ];
        all.into_iter().filter_map(|(binary, process)| Some((binary, process.as_mut()?)))
    }
}

impl ControlPlane {
    /// Starts a cluster and waits until it is ready for use, at most a minute (and a build on the first run).
    ///
    /// Ready means: `/readyz` succeeds; the namespaces `default` and `kube-system`, and the Service and `EndpointSlice`
    /// `kubernetes` exist; and with the controller manager, so does the service account `default/default`.
    pub async fn start(options: Options) -> Result<Self> {
        // On the heap, so that the futures of those who wait for it stay small.
        Box::pin(Self::start_at(options, Reach::default())).await
    }

    /// The same for nodes that reach the API server over a network.
    pub(crate) async fn start_at(options: Options, reach: Reach) -> Result<Self> {
        let mut wanted = vec![Binary::Etcd, options.version.apiserver(), Binary::Kubectl];
        if options.controller_manager {
            wanted.push(Binary::KubeControllerManager);
        }
        if options.scheduler {
            wanted.push(Binary::KubeScheduler);
        }
        let assets = find_assets(wanted).await?;
        let cluster = Self::prepare(assets, options, &reach)?;
        cluster.launch(&reach).await?;
        Ok(cluster)
    }

    fn prepare(assets: Assets, options: Options, reach: &Reach) -> Result<Self> {
        let workdir = Workdir::create()?;
        let layout = Layout {
            root: workdir.path().to_owned(),
            config: workdir.folder("config")?,
            logs: workdir.folder("logs")?,
        };
        let authority = Authority::create()?;
        let server = authority.server(reach.address)?;
        Layout::write(&layout.authority(), &authority.certificate())?;
        Layout::write(&layout.server_certificate(), &server.certificate)?;
        Layout::write(&layout.server_key(), &server.key)?;
        let tokens = TokenKeys::create()?;
        Layout::write(&layout.token_signing_key(), &tokens.private)?;
        Layout::write(&layout.token_checking_key(), &tokens.public)?;

        let port = Port::reserve(SocketAddrV4::new(reach.address, reach.port))?;
        let url = format!("https://{}:{}", reach.address, port.number());
        let kubeconfigs = Kubeconfigs::new(workdir.folder("kubeconfigs")?, url.clone(), authority.certificate());
        let admin = authority.client("testbed-admin", &["system:masters"])?;
        let admin_kubeconfig = kubeconfigs.write("testbed-admin", Credential::Certificate(admin))?;
        let binary = options.version.apiserver();
        let asks_kubelets = authority.client("kube-apiserver", &["system:masters"])?;
        let apiserver = layout.apiserver((&assets, binary), reach, port.number(), (&options, &asks_kubelets))?;
        Ok(Self {
            processes: Mutex::default(),
            apiserver,
            kubeconfigs,
            admin_kubeconfig,
            authority,
            assets,
            layout,
            options,
            port,
            url,
            workdir,
        })
    }

    async fn launch(&self, reach: &Reach) -> Result<()> {
        // The API server waits for its store by itself.
        let etcd = self.layout.etcd(&self.assets, self.options.durability)?.start()?;
        self.lock().etcd = Some(etcd);
        self.start_apiserver().await?;
        if self.options.controller_manager {
            let kubeconfig = self.user_kubeconfig("system:kube-controller-manager", &[])?;
            let extra = reach.controllers();
            let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
            let process = self.layout.controller_manager(&self.assets, &kubeconfig, &extra)?.start()?;
            self.lock().controller_manager = Some(process);
        }
        if self.options.scheduler {
            let kubeconfig = self.user_kubeconfig("system:kube-scheduler", &[])?;
            let process = self.layout.scheduler(&self.assets, &kubeconfig)?.start()?;
            self.lock().scheduler = Some(process);
        }
        if self.options.controller_manager {
            let client = self.admin_client().await?;
            self.wait("the built-in controllers", Binary::KubeControllerManager, || {
                let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
                async move { Ok(accounts.get("default").await.map(drop)?) }
            })
            .await?;
        }
        Ok(())
    }

    /// The address of the API server. It stays the same when the server is restarted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port of the API server, on 127.0.0.1 or, with real nodes, on the address of their bridge.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// A kubeconfig file of a user who may do everything (group `system:masters`), named `testbed-admin` in the audit log.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// The configuration of a kube client for that user.
    pub async fn admin_config(&self) -> Result<Config> {
        config_from(&self.admin_kubeconfig).await
    }

    /// A kube client for that user.
    pub async fn admin_client(&self) -> Result<Client> {
        Client::try_from(self.admin_config().await?).context("cannot make a client for the cluster")
    }

    /// Writes a kubeconfig file with any bearer token. `user` only names the file.
    pub fn kubeconfig_for_token(&self, user: &str, token: &str) -> Result<PathBuf> {
        self.kubeconfigs.write(user, Credential::Token(token.to_owned()))
    }

    /// Writes a kubeconfig file with a certificate for this user in these groups, two at most. The user has the rights
    /// that RBAC gives to the user, to the groups, and to `system:authenticated`.
    pub fn user_kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let identity = self.authority.client(user, groups)?;
        self.kubeconfigs.write(user, Credential::Certificate(identity))
    }

    /// Writes a kubeconfig file with a token of an existing service account. The token is valid for a day.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.service_account_token(namespace, name).await?;
        self.kubeconfig_for_token(&format!("{namespace}-{name}"), &token)
    }

    /// A token of an existing service account. It is valid for a day.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("cannot get a token for the service account {namespace}/{name}"))?;
        let token = answer.status.and_then(|status| status.token);
        token.context("the API server answered a token request without a token")
    }

    /// kubectl as the user who may do everything.
    pub fn kubectl(&self) -> Kubectl {
        // `start` asked for kubectl; were it missing, running it would say so.
        let program = self.assets.path(Binary::Kubectl).unwrap_or_else(|_| Binary::Kubectl.name().into());
        Kubectl::new(program, self.admin_kubeconfig.clone(), self.workdir.path().join("home"))
    }

    /// The requests that are finished so far, oldest first. Needs [`Options::audit`].
    ///
    /// A response may reach its client a moment before its line reaches the log: see [`Self::audit_until`].
    pub fn audit(&self) -> Result<Vec<AuditEvent>> {
        self.audit_reader()?.read()
    }

    /// Reads the log piece by piece, from its beginning: for logs that are too long to be read as a whole each time.
    pub fn audit_reader(&self) -> Result<AuditReader> {
        if !self.options.audit {
            bail!("this cluster records no requests: start it with `audit: true`");
        }
        Ok(AuditReader::new(self.layout.audit_log()))
    }

    /// Waits, 10 seconds at most, until the audit log holds what a test looks for.
    pub async fn audit_until(&self, found: impl Fn(&[AuditEvent]) -> bool) -> Result<Vec<AuditEvent>> {
        let found = |events: Vec<AuditEvent>| found(&events).then_some(events);
        self.search_audit(AUDIT_LIMIT, "what was looked for", found).await
    }

    /// Waits until a request is finished, and gives the first such one. `what` says in errors which one was waited for.
    pub async fn audit_event(
        &self,
        limit: Duration,
        what: &str,
        is: impl Fn(&AuditEvent) -> bool,
    ) -> Result<AuditEvent> {
        self.search_audit(limit, what, |events| events.into_iter().find(&is)).await
    }

    async fn search_audit<T>(
        &self,
        limit: Duration,
        what: &str,
        found: impl Fn(Vec<AuditEvent>) -> Option<T>,
    ) -> Result<T> {
        let poll = async {
            loop {
                if let Some(found) = found(self.audit()?) {
                    return anyhow::Ok(found);
                }
                sleep(PROBE_PAUSE).await;
            }
        };
        timeout(limit, poll).await.map_err(|_| {
            let log = self.layout.audit_log();
            anyhow!("waited {limit:?}, but the audit log {} does not show {what}", log.display())
        })?
    }

    /// Starts the built-in controllers as a program of its own, for a cluster without [`Options::controller_manager`].
    /// `args` say which, such as `--controllers=…`; they win over those given by default.
    pub async fn start_controllers(&self, args: &[&str]) -> Result<Process> {
        let assets = find_assets(vec![Binary::KubeControllerManager]).await?;
        let kubeconfig = self.user_kubeconfig("system:kube-controller-manager", &[])?;
        self.layout.controller_manager(&assets, &kubeconfig, args)?.start()
    }

    /// Starts a program that works with the cluster, such as an operator. Its output goes to `NAME.log` among the logs.
    /// Of the environment it gets what is given here and a `HOME` among the files of the cluster.
    pub fn start_program(&self, name: &str, path: &Path, args: &[&str], env: Vec<(String, String)>) -> Result<Process> {
        let args = args.iter().map(ToString::to_string).collect();
        self.layout.other_program(name, path.to_owned(), args, env).start()
    }

    /// The folder of keys, certificates and policies.
    pub fn config_dir(&self) -> &Path {
        &self.layout.config
    }

    /// The folder of the logs, one per program, and `audit.log`.
    pub fn logs(&self) -> &Path {
        &self.layout.logs
    }

    /// The process ids, for measurements.
    pub fn pids(&self) -> Vec<(Binary, u32)> {
        self.lock().running().map(|(binary, process)| (binary, process.id())).collect()
    }

    /// Ends the API server in an orderly way, or by force after 10 seconds. Its port stays reserved and refuses connections.
    pub async fn stop_apiserver(&self) -> Result<()> {
        let process = self.lock().apiserver.take();
        process.context("the API server is stopped already")?.stop(STOP_LIMIT).await.map(drop)
    }

    /// Kills the API server at once, as a crash of its machine would.
    pub fn kill_apiserver(&self) -> Result<()> {
        let process = self.lock().apiserver.take();
        drop(process.context("the API server is stopped already")?);
        Ok(())
    }

    /// Starts the API server again on the same port with the same data, and waits until it is ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        {
            let mut processes = self.lock();
            if processes.apiserver.is_some() {
                bail!("the API server is running already");
            }
            processes.apiserver = Some(self.apiserver.start()?);
        }
        let client = self.admin_client().await?;
        self.wait("the API server", Binary::KubeApiserver, || serves(client.clone())).await
    }

    /// Polls until the probe succeeds, and fails when time is up or when a program of the cluster ends.
    async fn wait<P>(&self, what: &str, culprit: Binary, probe: impl Fn() -> P) -> Result<()>
    where
        P: Future<Output = Result<()>>,
    {
        let mut last = anyhow!("it was never asked");
        let poll = async {
            loop {
                for (_, process) in self.lock().running() {
                    process.check()?;
                }
                match timeout(PROBE_LIMIT, probe()).await {
                    Ok(Ok(())) => return anyhow::Ok(()),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = anyhow!("no answer within {PROBE_LIMIT:?}"),
                }
                sleep(PROBE_PAUSE).await;
            }
        };
        if let Ok(result) = timeout(START_LIMIT, poll).await {
            return result.with_context(|| format!("{what} did not start"));
        }
        let tail = self.lock().running().find(|(binary, _)| *binary == culprit).map(|(_, process)| process.log_tail());
        Err(last.context(format!("{what} was not ready within {START_LIMIT:?}\n{}", tail.unwrap_or_default())))
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn workdir(&self) -> &Workdir {
        &self.workdir
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        // A panic elsewhere leaves nothing half done in there.
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks for the binaries, for minutes on the first run.
pub(crate) async fn find_assets(wanted: Vec<Binary>) -> Result<Assets> {
    on_a_thread(move || Assets::get(&wanted)).await.context("cannot get the programs of the cluster")
}

/// Does long work on a thread of its own. Not on one of tokio's: tokio waits for those when the runtime ends, so that a
/// program could not be interrupted while it builds.
pub(crate) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, answer) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("testbed-work".to_owned())
        .spawn(move || {
            // Nobody wants the answer any more when the start was given up.
            let _ = sender.send(work());
        })
        .context("cannot start a thread")?;
    answer.await.context("the work was interrupted")?
}

async fn serves(client: Client) -> Result<()> {
    let readyz = http::Request::get("/readyz").body(Vec::new()).context("cannot write a request")?;
    client.request_text(readyz).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.get("default").await?;
    namespaces.get("kube-system").await?;
    Api::<Service>::namespaced(client.clone(), "default").get("kubernetes").await?;
    Api::<EndpointSlice>::namespaced(client, "default").get("kubernetes").await?;
    Ok(())
}
