//! What people get wrong, what others do to us, and what older versions left behind.

mod foreign;
mod members;
mod refused;
mod unparsable;
