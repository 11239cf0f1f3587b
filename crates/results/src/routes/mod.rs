//! The operations, one file each.

pub(crate) mod hourly;
pub(crate) mod minutely;
pub(crate) mod poll;
pub(crate) mod polls;
pub(crate) mod receipt;
pub(crate) mod results;

mod series_query;

use actix_web::web::ServiceConfig;

/// Adds all of them to an app.
pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(polls::list_polls)
        .service(poll::get_poll)
        .service(results::get_results)
        .service(hourly::get_hourly)
        .service(minutely::get_minutely)
        .service(receipt::get_receipt);
}
