//! A poll's ledger, as it is exported.

use crate::commands::spreadsheet::finish;
use crate::failure::Failure;
use serde::Serialize;
use vote_store::ShardFigures;

/// One writer's part of one shard.
#[derive(Debug, Serialize)]
pub(super) struct LedgerRow {
    shard: u16,
    writer: String,
    last_sequence: u64,
    votes: u64,
}

/// The names of its fields. A poll without votes has no row to take them from.
const HEADINGS: [&str; 4] = ["shard", "writer", "last_sequence", "votes"];

pub(super) fn rows(shards: &[ShardFigures]) -> Vec<LedgerRow> {
    let rows = shards.iter().flat_map(|figures| {
        figures.writers.iter().map(|(writer, ledger)| LedgerRow {
            shard: figures.shard,
            writer: writer.to_string(),
            last_sequence: ledger.last_sequence,
            votes: ledger.votes,
        })
    });
    rows.collect()
}

pub(super) fn csv(rows: &[LedgerRow]) -> Result<String, Failure> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record(HEADINGS).map_err(anyhow::Error::from)?;
    for row in rows {
        writer.serialize(row).map_err(anyhow::Error::from)?;
    }
    finish(writer)
}

#[cfg(test)]
mod tests {
    use super::{HEADINGS, LedgerRow, csv};

    #[test]
    fn the_headings_are_there_without_a_row_and_are_the_names_of_its_fields() {
        let headings = "shard,writer,last_sequence,votes\n";
        assert_eq!(csv(&[]).expect("it is written"), headings);
        let row = LedgerRow {
            shard: 3,
            writer: "w".to_owned(),
            last_sequence: 7,
            votes: 9,
        };
        let mut named = csv::Writer::from_writer(Vec::new());
        named.serialize(&row).expect("it is written");
        let named = named.into_inner().expect("it is written");
        let text = csv(&[row]).expect("it is written");
        assert_eq!(text.as_bytes(), named);
        assert_eq!(text, format!("{}\n3,w,7,9\n", HEADINGS.join(",")));
    }
}
