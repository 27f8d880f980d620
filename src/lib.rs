//! work in progress
mod error;
mod journal;
mod record;
mod replay;
mod sink;
mod stop;
mod storage;
pub use error::*;
pub use journal::*;
pub use record::*;
pub use replay::*;
pub use sink::*;
pub use stop::{Stop, Stopper};
