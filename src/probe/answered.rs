//! Whether every target has answered, for the kubelet: its startup probe. What it finds is the one word of a pod that is seen while it
//! runs, and takes no way through the network but that of the node to its own pod.

use std::time::Duration;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

use super::guest;

/// How long a connection may take. One at a time is served: the kubelet makes no more.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it rests when the socket gives an error, so that it does not spin.
const REST: Duration = Duration::from_millis(100);

/// Answers for ever.
pub(super) async fn serve(listener: TcpListener, is_answered: watch::Receiver<bool>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let is_answered = *is_answered.borrow();
                // Whoever takes longer gets no answer.
                let _ = timeout(PATIENCE, answer(stream, is_answered)).await;
            }
            Err(_) => sleep(REST).await,
        }
    }
}

async fn answer(mut stream: TcpStream, is_answered: bool) -> std::io::Result<()> {
    let line = guest::first_line(&mut stream).await?;
    guest::tell(stream, is_answered && line.starts_with(b"GET /answered ")).await
}
