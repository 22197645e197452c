//! The operator as the program that it is, so that its memory and its log are its own.

use std::{fs, path::Path};

use testbed::Process;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Bed, PATIENCE};

/// A running operator.
pub struct Program {
    process: Process,
    listen: String,
}

impl Program {
    pub async fn start(bed: &Bed, log_stores: &Path) -> Self {
        let kubeconfig = bed.cluster.service_account_kubeconfig("pcizone-system", "pcizone").await.unwrap();
        let env = vec![("KUBECONFIG".to_string(), kubeconfig.display().to_string())];
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let listen = free();
        let folder = log_stores.display().to_string();
        let args = ["operator", "--identity", "program", "--listen", &listen, "--log-stores", &folder];
        let program = Path::new(env!("CARGO_BIN_EXE_pcizone"));
        Program { process: bed.cluster.start_program("operator", program, &args, env).unwrap(), listen }
    }

    /// Bytes that it has in memory now.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.process.log()).unwrap()
    }

    pub async fn metrics(&self) -> String {
        self.page("/metrics").await
    }

    /// What it says of a page, without the head; empty as long as it does not listen.
    pub async fn page(&self, path: &str) -> String {
        let exchange = async {
            let mut stream = TcpStream::connect(&self.listen).await?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: operator\r\n\r\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        let answer = timeout(PATIENCE, exchange).await.expect("an answer in time").unwrap_or_default();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default()
    }
}
