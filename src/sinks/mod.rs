//! Log stores, asked by HTTPS. One client that is bounded in bytes and in time, checks who answers, and tells no secret; what an
//! answer means is judged elsewhere.
//!
//! ```text
//!  retention::Store ──requests──▶ paths ──Client::get──▶ store
//!        ▲                                                 │
//!        └──────────────────── Answers ◀───────────────────┘    until nothing more is to be asked, or the time is over
//! ```

mod address;
mod client;
mod retention;
mod secret;
mod tls;

pub use address::Address;
pub use client::{Client, Failure};
pub use retention::{Asked, ask, ask_all, for_store};
pub use secret::{Authentication, Secret};
pub use tls::{Identity, connector};
