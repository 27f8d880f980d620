//! What all commands that we start have in common, a sink's and an alert's: their environment, their standard input, and their
//! end together with everything that they have started.

mod environment;
mod group;
mod stdin;

pub(crate) use self::environment::set as set_environment;
pub(crate) use self::group::end as end_group;
pub(crate) use self::stdin::of as stdin_of;
