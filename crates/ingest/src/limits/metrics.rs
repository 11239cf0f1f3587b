//! How often limits were reached, and how full their table is. Never whose.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use vote_limits::{Carriers, Class, Kind, Limited, Limits};

const KINDS: usize = Kind::ALL.len();

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    kind: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// The metrics of limits; cheap to clone.
#[derive(Clone)]
pub(super) struct LimitMetrics {
    /// By kind and class, in their order.
    limited: [[Counter; 2]; KINDS],
    untracked: [Counter; KINDS],
    slots: [Gauge; KINDS],
    slots_in_use: [Gauge; KINDS],
    table_bytes: Gauge,
    prefixes: Gauge,
    file_refused: Gauge,
}

impl LimitMetrics {
    /// Registers them, all of them at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let limited = Family::<LimitLabels, Counter>::default();
        let untracked = Family::<KindLabels, Counter>::default();
        let slots = Family::<KindLabels, Gauge>::default();
        let slots_in_use = Family::<KindLabels, Gauge>::default();
        let of = |kind: Kind| KindLabels {
            kind: kind.as_str(),
        };
        let both = |kind: Kind, class: Class| LimitLabels {
            kind: kind.as_str(),
            class: class.as_str(),
        };
        let metrics = Self {
            limited: Kind::ALL.map(|kind| {
                Class::ALL.map(|class| limited.get_or_create_owned(&both(kind, class)))
            }),
            untracked: Kind::ALL.map(|kind| untracked.get_or_create_owned(&of(kind))),
            slots: Kind::ALL.map(|kind| slots.get_or_create_owned(&of(kind))),
            slots_in_use: Kind::ALL.map(|kind| slots_in_use.get_or_create_owned(&of(kind))),
            table_bytes: Gauge::default(),
            prefixes: Gauge::default(),
            file_refused: Gauge::default(),
        };
        registry.register(
            "vote_limits_limited_votes",
            "Votes that were answered 429 because the limit of their address, prefix or voter was reached",
            limited,
        );
        registry.register(
            "vote_limits_untracked_votes",
            "Votes for whose address, prefix or voter the table of limits had no place, so that its limit was not asked",
            untracked,
        );
        registry.register("vote_limits_slots", "Places of the table of limits", slots);
        registry.register(
            "vote_limits_slots_in_use",
            "Places of the table of limits that are taken, about",
            slots_in_use,
        );
        registry.register_with_unit(
            "vote_limits_table",
            "Memory of the table of limits",
            Unit::Bytes,
            metrics.table_bytes.clone(),
        );
        registry.register(
            "vote_limits_carrier_prefixes",
            "Prefixes with limits of their own, from limits.carriers_file",
            metrics.prefixes.clone(),
        );
        registry.register(
            "vote_limits_carriers_file_refused",
            "1 while limits.carriers_file is wrong or can't be read, so that what was read before counts",
            metrics.file_refused.clone(),
        );
        metrics
    }

    pub(super) fn limited(&self, limited: &Limited) {
        let kinds = Kind::ALL.iter().zip(&self.limited);
        for (_, classes) in kinds.filter(|(kind, _)| **kind == limited.kind) {
            let classes = Class::ALL.iter().zip(classes);
            for (_, counter) in classes.filter(|(class, _)| **class == limited.class) {
                counter.inc();
            }
        }
    }

    pub(super) fn untracked(&self, of: Kind) {
        let kinds = Kind::ALL.iter().zip(&self.untracked);
        for (_, counter) in kinds.filter(|(kind, _)| **kind == of) {
            counter.inc();
        }
    }

    pub(super) fn has_carriers(&self, carriers: &Carriers) {
        self.prefixes.set(whole(carriers.prefixes()));
        self.file_refused.set(0);
    }

    pub(super) fn refuses_file(&self) {
        self.file_refused.set(1);
    }

    pub(super) fn has_table(&self, limits: &Limits) {
        self.table_bytes.set(whole(limits.memory_bytes()));
        for (kind, gauge) in Kind::ALL.iter().zip(&self.slots) {
            gauge.set(whole(limits.slots(*kind)));
        }
    }

    pub(super) fn in_use(&self, counted: [usize; KINDS]) {
        for (count, gauge) in counted.into_iter().zip(&self.slots_in_use) {
            gauge.set(whole(count));
        }
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
