//! Passes the frames of an open watch on, until it is told otherwise.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use tokio::sync::{broadcast, mpsc};

use super::reply::{EXPIRED, Error};

/// What happens to an open watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// It ends as if its time were over.
    End,
    /// Its connection breaks.
    Cut,
    /// It says that its version is too old (410), and ends.
    Expire,
    /// Nothing more arrives, and the connection stays.
    Silence,
}

/// Frames from the API server to the client. Ends with either of them.
pub(super) async fn pass(
    resource: String,
    mut from: Incoming,
    to: mpsc::Sender<Result<Frame<Bytes>, Error>>,
    mut commands: broadcast::Receiver<(WatchFault, String)>,
) {
    loop {
        tokio::select! {
            frame = from.frame() => {
                let Some(frame) = frame else { return };
                if to.send(frame.map_err(Error::from)).await.is_err() {
                    return;
                }
            }
            command = commands.recv() => match command {
                Ok((fault, meant)) if meant.is_empty() || meant == resource => match fault {
                    WatchFault::End => return,
                    WatchFault::Cut => {
                        let _ = to.send(Err("cut on purpose".into())).await;
                        return;
                    }
                    WatchFault::Expire => {
                        let _ = to.send(Ok(Frame::data(Bytes::from_static(EXPIRED)))).await;
                        return;
                    }
                    WatchFault::Silence => return to.closed().await,
                },
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = to.closed() => return,
        }
    }
}
