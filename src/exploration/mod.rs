//! What a crash, a failing disk or a killed process can do to a journal: tried out on the simulated disk, with the code
//! that ships.
//!
//! | file | does |
//! | --- | --- |
//! | `history` | what the program has promised so far, and what must never happen |
//! | `driver` | runs append, ingest, replay, compact and so on, as scripts of steps |
//! | `receiver` | the sink: takes, refuses, fails; checks what it is sent |
//! | `crashes` | every way in which a crash may go |
//! | `oracle` | opens what a crash left, and checks it against the history |
//! | `scripts` | the scripted runs |
//! | `explore` | for every call of a script: crash there, kill there, fail there |
//! | `scenes` | scripts of several processes, of which one is killed |
//! | `live` | for every call of the one that is killed: the others go on, and then the mark is lost, or the power goes |
//! | `random` | the same with random steps |
//!
//! A *crash state* is the content of the directory after a power cut. Two states are distinct if a file's name or bytes
//! differ, times, checksums and the journal's id aside.

mod crashes;
mod driver;
mod explore;
mod history;
mod live;
mod oracle;
mod random;
mod receiver;
mod scenes;
mod scripts;
