//! The known state of the cluster: records, indexes and the changes of each delta. It depends on neither kube
//! nor the terminal.

#![warn(missing_docs)]

pub mod ask;
pub mod cel;
pub mod delta;
#[allow(missing_docs)]
pub mod gpu;
#[allow(missing_docs)]
pub mod histories;
pub mod intern;
pub mod kind;
mod lookup;
#[allow(missing_docs)]
pub mod measured;
mod past;
pub mod platform;
mod pod;
pub mod quantity;
#[allow(missing_docs)]
pub mod readings;
pub mod record;
pub mod redact;
pub mod regions;
pub mod restarts;
pub mod scheduling;
pub mod selector;
pub mod series;
pub mod served;
pub mod state;
pub mod status;
pub mod stream;
pub mod table;
pub mod time;
pub mod traffic;
mod uid;
pub mod waits;

pub use delta::{Delta, Record};
pub use intern::{Interner, Text};
pub use kind::{Kind, ObjectRef};
pub use platform::*;
pub use readings::Readings;
pub use record::*;
pub use selector::Selector;
pub use series::Series;
pub use served::{Offer, Resource};
pub use state::{Change, What, World};
pub use status::PodStatus;
pub use stream::{StreamId, StreamState};
pub use table::{Slot, Table};
pub use time::{Clock, Time};
