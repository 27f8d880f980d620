//! Which call fails, how, and for how long.

use std::io;

/// A call on a storage or on a file of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Open,
    List,
    Look,
    Rename,
    Remove,
    SyncNames,
    Read,
    Write,
    SetLen,
    Sync,
    SetAttribute,
    Lock,
}

impl Call {
    /// Whether the world may be another one afterwards.
    pub fn changes(self) -> bool {
        !matches!(self, Self::List | Self::Look | Self::Read | Self::Lock)
    }
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EIO. Of a write, half arrives; of a sync, nothing, and what it was to cover is lost.
    Io,
    /// ENOSPC, the same way.
    NoSpace,
    /// ENOSPC of writes to files only, as on a disk that has room left for what it knows of them.
    NoSpaceForData,
    /// EMFILE.
    NoFiles,
    /// A write that does half of what it should, and says so.
    ShortWrite,
    /// EINTR.
    Interrupted,
    /// The process is killed before the call.
    Killed,
}

/// How a call is carried out.
pub(super) enum Effect {
    Whole,
    /// In part; then it fails, or if there is no error it says so.
    Half(Failure),
}

/// An error, or none for a short write.
pub(super) struct Failure(Option<i32>);

impl Failure {
    pub fn is_error(&self) -> bool {
        self.0.is_some()
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::from_raw_os_error(failure.0.unwrap_or(EIO))
    }
}

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Io,
        Self::NoSpace,
        Self::NoSpaceForData,
        Self::NoFiles,
        Self::ShortWrite,
        Self::Interrupted,
        Self::Killed,
    ];

    fn befalls(self, call: Call) -> bool {
        match self {
            Self::Io | Self::Interrupted | Self::Killed => true,
            Self::NoSpace => {
                matches!(call, Call::Open | Call::Write | Call::Rename | Call::Sync | Call::SyncNames)
            }
            Self::NoSpaceForData => call == Call::Write,
            Self::NoFiles => matches!(call, Call::Open | Call::List),
            Self::ShortWrite => call == Call::Write,
        }
    }

    pub(super) fn effect_on(self, call: Call) -> io::Result<Effect> {
        let errno = match self {
            Self::Io | Self::Killed => EIO,
            Self::NoSpace | Self::NoSpaceForData => ENOSPC,
            Self::NoFiles => EMFILE,
            Self::Interrupted => EINTR,
            Self::ShortWrite => return Ok(Effect::Half(Failure(None))),
        };
        let in_part = matches!(self, Self::Io | Self::NoSpace | Self::NoSpaceForData)
            && matches!(call, Call::Write | Call::Sync);
        if in_part {
            Ok(Effect::Half(Failure(Some(errno))))
        } else {
            Err(io::Error::from_raw_os_error(errno))
        }
    }
}

/// Call number `at` fails, or, for good, all from there on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub at: u64,
    pub fault: Fault,
    pub for_good: bool,
}

impl Plan {
    pub(super) fn meets(&self, number: u64, call: Call) -> bool {
        let due = number == self.at || (self.for_good && number > self.at);
        due && self.fault.befalls(call)
    }
}
