//! What requests are answered from.

use std::sync::Arc;

use vote_domain::ReceiptKey;

use crate::metrics::ReadCounters;
use crate::overlay::assets::Assets;
use crate::overlay::themes::Themes;
use crate::pages::on_demand::OnDemand;
use crate::pages::published::Published;
use crate::pages::series_maker::SeriesMaker;
use crate::serve::access::Access;
use crate::site::Site;
use crate::stream::streams::Streams;

/// What requests are answered from.
pub(crate) struct Api {
    pub(crate) board: Arc<Published>,
    pub(crate) access: Access,
    /// The receipts' key of the settings; else the board has the one that the services share.
    pub(crate) receipt_key: Option<ReceiptKey>,
    pub(crate) series: SeriesMaker,
    /// Makes feeds in layouts that are not made ahead.
    pub(crate) feeds: OnDemand,
    /// Makes what production's desk shows.
    pub(crate) desks: OnDemand,
    pub(crate) list_reads: ReadCounters,
    pub(crate) streams: Arc<Streams>,
    /// The overlay's page and assets.
    pub(crate) overlay: Assets,
    /// Themes of the overlay.
    pub(crate) themes: Themes,
    /// What the pages of the site are answered from, beside the board.
    pub(crate) site: Site,
}
