//! Who a client is, and how often it may come.
//!
//! - [`Proxies`] finds a client's address behind the proxies that are trusted, and [`proxy_header`] what a proxy says of a whole
//!   connection.
//! - [`Limits`] asks the limits of an address and of its prefix, and of a voter, in two classes each: [`Verdict`].
//! - [`DenyList`] are prefixes from which nobody votes for himself, and [`Sketch`] tells how often the same comes.
//! - [`Carriers`] are prefixes with limits of their own, from a file.
//! - [`Meter`] is one limit of somebody who is known by name.
//!
//! No I/O but those files', no clock: instants are passed in. A limit of something else is another [`Kind`] with another table.

#![forbid(unsafe_code)]

mod address;
mod carriers;
mod deny_list;
mod forwarded;
mod gcra;
mod limits;
mod meter;
mod proxy_protocol;
mod quota;
mod sketch;
mod table;
mod text_file;

pub use self::address::{ClientAddress, Proxies};
pub use self::carriers::{Carriers, CarriersError, Rates, parse_prefix};
pub use self::deny_list::{DenyList, DenyListError};
pub use self::limits::{Class, Kind, Limited, Limits, LimitsConfig, Verdict, VoterRates, network};
pub use self::meter::Meter;
pub use self::proxy_protocol::{MAX_HEADER, NoHeader, ProxyHeader, proxy_header};
pub use self::quota::{Quota, QuotaError};
pub use self::sketch::{Seen, Sketch};
pub use self::text_file::text_of;
