//! The `pcizone` command: arguments and dispatch only.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser};
use pcizone::{
    cli::{Outcome, baseline, check, diagram, diff, explain, install, plan, reach, report},
    evidence::plain_lines,
};

/// The operator reads megabytes of JSON, of which some hundred bytes an object stay. The allocators of glibc and musl keep
/// what that took for a moment; this one, told so, gives it back. That costs it some speed, of which there is enough.
#[cfg(feature = "operator")]
mod allocator {
    #[global_allocator]
    static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

    /// One pool for all threads, and whole pages that are free go back at once.
    #[expect(
        unsafe_code,
        reason = "the name under which jemalloc looks for its options; it reads a text that ends with 0"
    )]
    #[unsafe(export_name = "_rjem_malloc_conf")]
    static OPTIONS: &[u8] = b"narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0\0";
}

/// PCI DSS segmentation on Kubernetes that is true, not declared.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Judge manifests or a live cluster: what is violated, what could not be proven.
    Check(check::Arguments),
    /// Write what was judged as one page for an assessor.
    Report(report::Arguments),
    /// Tell who can reach whom in manifests or a live cluster.
    Reach(reach::Arguments),
    /// Tell what a change of manifests opens and closes.
    Diff(diff::Arguments),
    /// Draft a first zone for namespaces that run already.
    Baseline(baseline::Arguments),
    /// Explain a finding, a flow, or what decides between two ends.
    Explain(explain::Arguments),
    /// Draw the network of zones, or where account data goes.
    Diagram(diagram::Arguments),
    /// Tell what Enforce would write, and what it would cut off.
    Plan(plan::Arguments),
    /// Ask a log store how long it keeps records.
    #[cfg(feature = "operator")]
    Retention(pcizone::cli::retention::Arguments),
    /// Print everything that installs the operator as one YAML.
    Install(install::Arguments),
    /// Print the CustomResourceDefinition as YAML.
    Crd,
    /// Print what completes the arguments in a shell.
    Completions {
        /// For which shell.
        shell: clap_complete::Shell,
    },
    /// Print which finding speaks to which requirement of PCI DSS v4.0.1, as Markdown.
    PciDss,
    /// Run the operator until it is told to stop (SIGTERM or Ctrl-C).
    #[cfg(feature = "operator")]
    Operator(operator::Arguments),
    /// What the canary's pods run.
    #[cfg(feature = "operator")]
    #[command(subcommand)]
    Probe(pcizone::probe::Command),
    /// What the sidecar runs that holds a log forwarder until everything is sent.
    #[cfg(feature = "operator")]
    Linger(pcizone::linger::Arguments),
}

fn main() -> ExitCode {
    let command = match parse() {
        Ok(command) => command,
        Err(error) => {
            // Fails where nobody reads it.
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let (result, otherwise) = match command {
        Command::Check(arguments) => (check::run(&arguments), Outcome::Unjudged.into()),
        Command::Report(arguments) => (report::run(&arguments), Outcome::Unjudged.into()),
        Command::Reach(arguments) => (reach::run(&arguments), Outcome::Unjudged.into()),
        Command::Diagram(arguments) => (diagram::run(&arguments), Outcome::Unjudged.into()),
        Command::Baseline(arguments) => (baseline::run(&arguments), Outcome::Unjudged.into()),
        Command::Explain(arguments) => (explain::run(&arguments), Outcome::Unjudged.into()),
        Command::Diff(arguments) => (diff::run(&arguments), Outcome::Unjudged.into()),
        Command::Plan(arguments) => (plan::run(&arguments), Outcome::Unjudged.into()),
        #[cfg(feature = "operator")]
        Command::Retention(arguments) => (pcizone::cli::retention::run(&arguments), Outcome::Unjudged.into()),
        Command::Install(arguments) => (install::run(&arguments), Outcome::Unjudged.into()),
        Command::PciDss => {
            print!("{}", pcizone::reference::pci_dss());
            (Ok(Outcome::Clean), ExitCode::FAILURE)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Command::command(), "pcizone", &mut text);
            // Fails where nobody reads it.
            let _ = io::stdout().write_all(&text);
            (Ok(Outcome::Clean), ExitCode::FAILURE)
        }
        Command::Crd => (print_crd(), ExitCode::FAILURE),
        #[cfg(feature = "operator")]
        Command::Operator(arguments) => (operator::run(arguments), ExitCode::FAILURE),
        #[cfg(feature = "operator")]
        Command::Probe(command) => (pcizone::probe::run(command), ExitCode::FAILURE),
        #[cfg(feature = "operator")]
        Command::Linger(arguments) => (pcizone::linger::run(arguments), ExitCode::FAILURE),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            // The causes in one line; a backtrace says nothing to whoever reads this.
            eprintln!("error: {}", plain_lines(&format!("{error:#}")));
            otherwise
        }
    }
}

/// As `kubectl-pcizone` it is a plugin of kubectl, and says so in its usage.
fn parse() -> Result<Command, clap::Error> {
    let mut command = Command::command();
    let called = std::env::args_os().next().map(PathBuf::from);
    if called.as_deref().and_then(Path::file_stem).is_some_and(|name| name == "kubectl-pcizone") {
        command = command.bin_name("kubectl pcizone");
    }
    let matches = command.clone().try_get_matches()?;
    Command::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn print_crd() -> anyhow::Result<Outcome> {
    print!("{}", serde_saphyr::to_string(&pcizone::api::crd())?);
    Ok(Outcome::Clean)
}

#[cfg(feature = "operator")]
mod operator {
    use std::{io::IsTerminal, net::SocketAddr};

    use anyhow::Context;
    use pcizone::{
        api::names,
        cli::Outcome,
        controllers::{self, Address, Image},
    };
    use tokio::signal::unix::{SignalKind, signal};
    use tracing_subscriber::EnvFilter;

    #[derive(clap::Args)]
    pub(super) struct Arguments {
        /// The operator's own namespace: its Lease lives there, and it is never a member of a zone.
        #[arg(long, env = "POD_NAMESPACE", default_value = names::OPERATOR_NAMESPACE)]
        namespace: String,
        /// Name of this replica, as it stands in the Lease; each replica needs its own. Default: host name and process id.
        #[arg(long, env = "POD_NAME")]
        identity: Option<String>,
        /// Where /metrics, /report, /livez and /readyz are served.
        #[arg(long, default_value = "0.0.0.0:8080")]
        listen: SocketAddr,
        /// Where the webhook is served to API servers older than 1.37, by TLS.
        #[arg(long, default_value = "0.0.0.0:9443")]
        webhook_listen: SocketAddr,
        /// The image of the canary's pods, by digest. Default: that of this operator's own pod.
        #[arg(long, env = "PCIZONE_CANARY_IMAGE")]
        canary_image: Option<String>,
        /// A folder with what is shown to log stores that are asked (spec.logging.sinks.store.credentials); it need not be there.
        #[arg(long, value_name = "FOLDER", default_value = "/etc/pcizone-log-stores")]
        log_stores: std::path::PathBuf,
        /// How these reach it; without it by the Service pcizone-webhook. Example: `https://192.0.2.7:9443`.
        #[arg(long)]
        webhook_url: Option<String>,
    }

    #[tokio::main]
    pub(super) async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
        log();
        let Arguments { namespace, identity, listen, webhook_listen, webhook_url, canary_image, log_stores } =
            arguments;
        let config = kube::Config::infer().await.context(
            "cannot find an API server: neither a kubeconfig (KUBECONFIG, ~/.kube/config) nor a ServiceAccount is there",
        )?;
        let listener =
            tokio::net::TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = webhook_url.map_or_else(|| Address::Service { namespace: namespace.clone() }, Address::Url);
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let pod = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).ok();
        let canary = canary_image.map(Image::Named).or(pod.map(Image::OwnPod));
        let identity = identity.unwrap_or_else(|| {
            let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "pcizone".to_string());
            format!("{host}-{}", std::process::id())
        });
        let settings = controllers::Settings {
            config,
            namespace,
            identity,
            listener,
            webhook: Some((webhook_listen, address)),
            canary,
            log_stores,
        };
        controllers::run(settings, shutdown).await.context("the operator ended")?;
        Ok(Outcome::Clean)
    }

    /// Text on a terminal, JSON lines elsewhere. `RUST_LOG` filters.
    fn log() {
        let filter =
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_lease_manager=warn"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        if std::io::stderr().is_terminal() { log.init() } else { log.json().init() }
    }
}
